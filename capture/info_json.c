/* info_json.c - what is in a trace, as one JSON object. */

#include <stdlib.h>
#include "../driver/compact.h"
#include "../driver/json.h"
#include "info.h"

static void put_about(struct json *json, const struct info *info)
{
    struct about_line line = about_line(source_about(info->feed->source));
    json_open(json, "about", '{');
    for (; line.next != NULL; line = about_line(line.next))
        json_string(json, line.key, line.value);
    json_close(json, '}');
    json_open(json, "columns", '[');
    for (unsigned i = 0; i < COMPACT_COLUMNS; i++) {
        if (info_has(info, i))
            json_string(json, NULL, compact_column_names[i]);
    }
    json_close(json, ']');
}

static void put_mended(struct json *json, const struct info *info)
{
    const struct ledger_counts *counts = ledger_counts(info->feed->ledger);
    json_open(json, "mended", '{');
    json_count(json, "unknown_frees", counts->unknown_frees);
    json_count(json, "null_frees", counts->null_frees);
    json_count(json, "failed", counts->failed);
    json_count(json, "empty", counts->empty);
    json_count(json, "lost_frees", counts->lost_frees);
    json_count(json, "reallocs", counts->reallocs);
    json_count(json, "too_large", counts->too_large);
    json_count(json, "late", counts->late);
    json_count(json, "lines_skipped", source_skipped(info->feed->source));
    json_close(json, '}');
}

static void put_peak(struct json *json, const struct statistics *statistics)
{
    json_open(json, "peak", '{');
    json_count(json, "bytes", statistics->peak_bytes);
    json_count(json, "bytes_event", statistics->peak_bytes_event);
    json_count(json, "blocks", statistics->peak_blocks);
    json_count(json, "blocks_event", statistics->peak_blocks_event);
    json_close(json, '}');
}

static void put_totals(struct json *json, const struct info *info)
{
    const struct statistics *statistics = info->statistics;
    json_count(json, "events", statistics->events);
    json_count(json, "requests", statistics->requests);
    json_count(json, "frees", statistics->events - statistics->requests);
    json_count(json, "lost", feed_lost(info->feed));
    if (info_has(info, COMPACT_TIME))
        json_count(json, "duration_ns", statistics->last_time - statistics->first_time);
    else
        json_null(json, "duration_ns");
    json_count(json, "requested_bytes", statistics->sizes.sum + statistics->requests);
    json_open(json, "at_end", '{');
    json_count(json, "bytes", statistics->live_bytes);
    json_count(json, "blocks", statistics->live_blocks);
    json_close(json, '}');
    put_peak(json, statistics);
    json_open(json, "over_limit", '[');
    for (int i = 0; i < PAGES; i++) {
        json_open(json, NULL, '{');
        json_count(json, "page_size", statistics_page[i]);
        json_count(json, "limit", statistics_page[i] - sizeof(void *));
        json_count(json, "requests", statistics->over_limit[i]);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* The buckets in which there is something. `shift` is what was taken off each number
 * before it was counted. */
static void put_buckets(struct json *json, const char *name,
                        const struct histogram *histogram, unsigned shift)
{
    unsigned first, end;
    bool any = histogram_extent(histogram, &first, &end);
    json_open(json, name, '[');
    for (unsigned i = first; any && i < end; i++) {
        const struct bucket *bucket = &histogram->bucket[i];
        if (bucket->count == 0)
            continue;
        json_open(json, NULL, '{');
        json_count(json, "from", histogram_low(histogram, i) + shift);
        json_count(json, "to", histogram_low(histogram, i + 1) - 1 + shift);
        json_count(json, "count", bucket->count);
        json_count(json, "sum", bucket->sum + bucket->count * shift);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_lifetimes(struct json *json, const char *name,
                          const struct histogram *histogram)
{
    json_open(json, name, '{');
    json_count(json, "p50", histogram_percentile(histogram, 0.5));
    json_count(json, "p90", histogram_percentile(histogram, 0.9));
    json_count(json, "p99", histogram_percentile(histogram, 0.99));
    put_buckets(json, "histogram", histogram, 0);
    json_close(json, '}');
}

static void put_rounding(struct json *json, const char *name,
                         const struct rounding *rounding)
{
    json_open(json, name, '{');
    json_count(json, "requested", rounding->requested);
    json_count(json, "spent", rounding->spent);
    json_real(json, "waste", rounding_waste(rounding));
    json_close(json, '}');
}

static void put_groups(struct json *json, const char *name, const struct info *info,
                       const struct groups *groups, const struct names *names)
{
    uint32_t count;
    struct group *ranked = groups_ranked(groups, BY_REQUESTS, &count);
    json_open(json, name, '[');
    for (uint32_t i = 0; i < count; i++) {
        const struct group *group = &ranked[i];
        json_open(json, NULL, '{');
        json_string(json, "name", names_text(names, group->number));
        json_count(json, "requests", group->requests);
        json_count(json, "requested_bytes", group->bytes);
        json_count(json, "blocks_at_end", group->live_blocks);
        json_count(json, "bytes_at_end", group->live_bytes);
        if (info_has(info, COMPACT_SPENT))
            put_rounding(json, "rounding",
                         &(struct rounding){group->known_bytes, group->spent});
        json_close(json, '}');
    }
    json_close(json, ']');
    free(ranked);
}

static void put_cpus(struct json *json, const struct statistics *statistics)
{
    json_open(json, "cpus", '{');
    for (unsigned i = 0; i < MOST_CPUS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        if (statistics->cpu[i] > 0)
            json_count(json, name, statistics->cpu[i]);
    }
    if (statistics->other_cpus > 0)
        json_count(json, "others", statistics->other_cpus);
    json_close(json, '}');
    json_count(json, "freed_on_another_cpu", statistics->moved);
}

static void put_columns(struct json *json, const struct info *info)
{
    const struct statistics *statistics = info->statistics;
    if (info_has(info, COMPACT_SITE))
        put_groups(json, "sites", info, &statistics->sites, &info->vocabulary->sites);
    if (info_has(info, COMPACT_CACHE))
        put_groups(json, "caches", info, &statistics->caches,
                   &info->vocabulary->caches);
    if (info_has(info, COMPACT_CPU))
        put_cpus(json, statistics);
    if (!info_has(info, COMPACT_SPENT))
        return;
    json_open(json, "rounding", '{');
    json_count(json, "known_requests", statistics->known_requests);
    put_rounding(json, "all", &statistics->all);
    put_rounding(json, "at_peak", &statistics->peak);
    json_real(json, "penalty", statistics_penalty(statistics));
    json_close(json, '}');
}

void info_json(const struct info *info, FILE *stream)
{
    const struct statistics *statistics = info->statistics;
    struct json json = {.stream = stream};
    json_open(&json, NULL, '{');
    json_string(&json, "trace", info->name);
    json_string(&json, "kind", format_names[source_format(info->feed->source)]);
    put_about(&json, info);
    put_totals(&json, info);
    put_mended(&json, info);
    put_buckets(&json, "sizes", &statistics->sizes, 1);
    json_open(&json, "lifetimes", '{');
    json_count(&json, "never_freed", statistics->live_blocks);
    put_lifetimes(&json, "events", &statistics->lifetimes);
    if (info_has(info, COMPACT_TIME))
        put_lifetimes(&json, "ns", &statistics->durations);
    json_close(&json, '}');
    put_columns(&json, info);
    json_close(&json, '}');
}
