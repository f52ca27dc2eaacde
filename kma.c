/* kma.c - the trace driver: options in, one run out.
 *
 * Linked with one algorithm, the page allocator and driver/, this is an executable
 * that replays a trace of requests and frees. In correctness mode everything that the
 * algorithm does is checked; in competition mode it is timed. What is measured besides
 * comes from replays of its own, so that no figure pays for another. */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include "kma.h"
#include "kma_page.h"
#include "driver/latency.h"
#include "driver/memory.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/pool.h"
#include "driver/replay.h"
#include "driver/run.h"
#include "driver/summary.h"
#include "driver/trace.h"

/* The files asked for; NULL where not. */
struct outputs {
    struct output *data;
    struct output *json;
    struct output *latency;
};

static bool is_standard_output(const char *path)
{
    return path != NULL && strcmp(path, "-") == 0;
}

static void load(struct trace *trace, const char *path)
{
    struct trace_error why;
    run_reads(path);
    if (!trace_load(trace, path, &why))
        run_refuse("%s:%zu: %s", path, why.line, why.text);
}

/* Early, so that a long run does not end at a folder that cannot be written to. */
static struct outputs open_outputs(const struct options *options)
{
    if (is_standard_output(options->output_path) ||
        is_standard_output(options->json_path) ||
        is_standard_output(options->latency_path))
        run_report_to(STDERR_FILENO);
    struct outputs outputs = {0};
    if (options->output_path != NULL)
        outputs.data = output_open(options->output_path);
    if (options->json_path != NULL)
        outputs.json = output_open(options->json_path);
    if (options->latency_path != NULL)
        outputs.latency = output_open(options->latency_path);
    return outputs;
}

static void print_pages(const struct page_counts *counts)
{
    run_print("Page Requested/Freed/In Use: %5d/%5d/%5d\n", counts->requested,
              counts->freed, counts->in_use);
}

/* Processor time, user and system, from the process's start on: unlike a wall clock
 * that begins in main it has the loading of the program in it, and waiting for a disk
 * or for other processes left out. Only the process's end is missing. */
static double process_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* Memory, then time: the first also finds what cannot be replayed, and has touched
 * every page by the time that the second starts. */
static struct replay_time measure(struct memory *memory, const struct trace *trace,
                                  struct block *blocks, int passes, bool with_traffic)
{
    memory_measure(memory, trace, blocks, with_traffic);
    pool_warm(memory->peak_pages);
    replay_pin();
    return replay_timed(trace, blocks, passes);
}

static void print_score(const struct memory *memory, const struct replay_time *time)
{
    print_pages(&memory->counts);
    run_print("Competition average ratio: %f\n", memory->penalty);
    run_print("Replay time: %.6f s\n", time->least);
    run_print("Process time: %.6f s\n", process_seconds());
    run_print("Score: %.6f\n", summary_score(time, memory));
}

static void play(const char *program, const struct options *options,
                 const struct trace *trace, const struct outputs *outputs)
{
    struct block *blocks = replay_blocks(trace);
    struct memory memory = {0};
    struct latency latency = {0};
    struct replay_time time = {0};
    bool details = outputs->json != NULL || outputs->latency != NULL;

    if (options->competition) {
        run_print("Running in competition mode\n");
    } else {
        run_print("%s: Running in correctness mode\n", program);
        struct page_counts counts =
            replay_checked(trace, blocks, options->audit_every, outputs->data);
        print_pages(&counts);
    }
    if (options->competition || details)
        time = measure(&memory, trace, blocks, options->passes, details);
    if (options->competition)
        print_score(&memory, &time);
    if (details)
        latency_measure(&latency, trace, blocks, options->passes);
    if (outputs->latency != NULL)
        latency_write(&latency, trace, blocks, outputs->latency);
    if (outputs->json != NULL) {
        struct summary summary = {program, options, trace, &memory, &time, &latency};
        summary_write(&summary, outputs->json);
    }
    latency_release(&latency);
    memory_release(&memory);
    free(blocks);
}

int main(int argc, char **argv)
{
    const char *program = argc > 0 ? argv[0] : "kma";
    struct options options;
    struct trace trace;
    run_begin(program);
    options_read(&options, argc, argv);
    load(&trace, options.trace_path);
    if (pool_open(options.max_pages) != 0)
        run_refuse("%s: no address space for %d pages: %s", program, options.max_pages,
                   strerror(errno));
    if (options.audit_every != 0 && kma_audit == NULL) {
        run_note("this algorithm has no kma_audit: nothing is audited");
        options.audit_every = 0;
    }
    run_replays();
    struct outputs outputs = open_outputs(&options);
    play(program, &options, &trace, &outputs);
    output_finish_all();
    run_print("Test: PASS\n");
    trace_release(&trace);
    return 0;
}
