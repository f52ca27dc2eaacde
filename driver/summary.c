/* summary.c - everything one run measured, as one JSON object. */

#include <string.h>
#include "json.h"
#include "summary.h"

enum { WORST = 10 };

double summary_score(const struct replay_time *time, const struct memory *memory)
{
    return time->least * (1 + memory->penalty);
}

/* "bud" for "./kma_bud" */
static const char *algorithm_name(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash == NULL ? program : slash + 1;
    return strncmp(name, "kma_", 4) == 0 ? name + 4 : name;
}

static void put_identity(struct json *json, const struct summary *summary)
{
    const struct options *options = summary->options;
    json_string(json, "program", summary->program);
    json_string(json, "algorithm", algorithm_name(summary->program));
    json_string(json, "version", options_version());
    json_string(json, "mode", options->competition ? "competition" : "correctness");
    json_string(json, "trace", summary->trace->path);
    json_count(json, "events", summary->trace->count);
    json_count(json, "page_size", PAGESIZE);
    json_count(json, "max_pages", (uint64_t)options->max_pages);
}

static void put_source(struct json *json, const struct summary *summary)
{
    bool resident = summary->options->resident;
    json_string(json, "memory_source", resident ? "resident set" : "pages");
    if (resident)
        json_count(json, "samples", summary->memory->samples);
    else
        json_null(json, "samples");
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* `bytes` divided by `events`: a moment, or a mean over many. */
static void put_split(struct json *json, const char *name,
                      const struct memory_bytes *bytes, uint64_t events, bool occupied)
{
    double count = events > 0 ? (double)events : 1;
    json_open(json, name, '{');
    json_real(json, "requested", (double)bytes->requested / count);
    if (occupied) {
        json_real(json, "internal",
                  (double)(bytes->occupied - bytes->requested) / count);
        json_real(json, "external",
                  ((double)bytes->paged - (double)bytes->occupied) / count);
    } else {
        json_null(json, "internal");
        json_real(json, "external",
                  ((double)bytes->paged - (double)bytes->requested) / count);
    }
    json_real(json, "page_bytes", (double)bytes->paged / count);
    json_close(json, '}');
}

static void put_memory(struct json *json, const struct memory *memory)
{
    json_open(json, "pages", '{');
    json_count(json, "requested", (uint64_t)memory->counts.requested);
    json_count(json, "freed", (uint64_t)memory->counts.freed);
    json_count(json, "in_use_at_end", (uint64_t)memory->counts.in_use);
    json_count(json, "peak", (uint64_t)memory->peak_pages);
    json_count(json, "span", (uint64_t)memory->span);
    json_close(json, '}');
    json_count(json, "peak_requested_bytes", memory->peak_requested);
    json_count(json, "peak_page_bytes", memory->peak.paged);
    json_real(json, "utilization_at_peak",
              ratio((double)memory->peak.requested, (double)memory->peak.paged));
    json_real(json, "utilization_mean", memory->utilization);
    json_real(json, "penalty", memory->penalty);
    json_open(json, "memory", '{');
    put_split(json, "at_peak", &memory->peak, 1, memory->knows_occupied);
    put_split(json, "mean", &memory->sum, memory->moments, memory->knows_occupied);
    json_count(json, "ideal_pages_at_peak", memory_ideal_pages(memory->peak_requested));
    json_real(json, "ideal_penalty", memory->ideal_penalty);
    json_close(json, '}');
}

static void put_replay(struct json *json, const struct summary *summary)
{
    const struct replay_time *time = summary->time;
    json_open(json, "replay", '{');
    json_count(json, "passes", (uint64_t)time->passes);
    json_real(json, "min_s", time->least);
    json_real(json, "median_s", time->median);
    json_real(json, "ns_per_event",
              ratio(time->least * 1e9, (double)summary->trace->count));
    json_real(json, "score", summary_score(time, summary->memory));
    json_real(json, "probe_ns", time->probe);
    json_close(json, '}');
}

static void put_timer(struct json *json, const struct timer *timer)
{
    json_open(json, "timer", '{');
    json_string(json, "source", timer->source);
    json_real(json, "overhead_ns", (double)timer->overhead * timer->ns_per_tick);
    json_real(json, "resolution_ns", (double)timer->resolution * timer->ns_per_tick);
    json_close(json, '}');
}

static void put_figures(struct json *json, const char *name,
                        const struct latency_figures *figures)
{
    json_open(json, name, '{');
    json_count(json, "count", figures->count);
    json_real(json, "mean", figures->mean);
    json_real(json, "p50", figures->p50);
    json_real(json, "p90", figures->p90);
    json_real(json, "p99", figures->p99);
    json_real(json, "p99_9", figures->p99_9);
    json_real(json, "max", figures->max);
    json_close(json, '}');
}

/* The size of the block that a FREE gave up. */
static int32_t size_of_free(const struct trace *trace, size_t event)
{
    uint32_t slot = trace->events[event].slot;
    size_t at = event;
    while (trace->events[at].slot != slot || trace->events[at].size == 0)
        at--;
    return trace->events[at].size;
}

static void put_worst(struct json *json, const struct summary *summary)
{
    const struct trace *trace = summary->trace;
    size_t worst[WORST];
    size_t count = latency_worst(summary->latency, trace, worst, WORST);
    json_open(json, "worst", '[');
    for (size_t i = 0; i < count; i++) {
        size_t event = worst[i];
        bool request = trace->events[event].size > 0;
        int32_t size = request ? trace->events[event].size : size_of_free(trace, event);
        const struct memory_call *call = &summary->pages->calls[event];
        json_open(json, NULL, '{');
        json_count(json, "event", event + 1);
        if (trace_has_lines(trace))
            json_count(json, "line", trace_line(event));
        else
            json_null(json, "line");
        json_string(json, "command", request ? "REQUEST" : "FREE");
        json_count(json, "size", (uint64_t)size);
        json_real(json, "ns", latency_ns(summary->latency, event));
        json_count(json, "pages_got", call->pages_got);
        json_count(json, "pages_freed", call->pages_freed);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void summary_write(const struct summary *summary, struct output *output)
{
    struct json json = {.stream = output_stream(output)};
    struct latency_figures of_malloc =
        latency_figures(summary->latency, summary->trace, true);
    struct latency_figures of_free =
        latency_figures(summary->latency, summary->trace, false);
    json_open(&json, NULL, '{');
    put_identity(&json, summary);
    put_source(&json, summary);
    put_memory(&json, summary->memory);
    put_replay(&json, summary);
    put_timer(&json, &summary->latency->timer);
    json_open(&json, "latency", '{');
    json_count(&json, "passes", (uint64_t)summary->latency->passes);
    put_figures(&json, "malloc", &of_malloc);
    put_figures(&json, "free", &of_free);
    json_real(&json, "probe_ns", summary->latency->probe);
    json_close(&json, '}');
    put_worst(&json, summary);
    json_close(&json, '}');
}
