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
#include <unistd.h>
#include "kma.h"
#include "kma_page.h"
#include "driver/clock.h"
#include "driver/heapmap.h"
#include "driver/json.h"
#include "driver/latency.h"
#include "driver/memory.h"
#include "driver/operations.h"
#include "driver/options.h"
#include "driver/output.h"
#include "driver/pool.h"
#include "driver/replay.h"
#include "driver/resident.h"
#include "driver/run.h"
#include "driver/slabinfo.h"
#include "driver/summary.h"
#include "driver/trace.h"

/* What is to be done, and over what. */
struct task {
    const char *program;
    const struct options *options;
    struct trace *trace;
    struct blocks *blocks;
    struct output *file[FILES]; /* NULL where not asked for */
};

/* What the replays found out. */
struct results {
    struct memory pages; /* of the pool */
    struct memory resident;
    const struct memory *memory; /* the one of them that counts */
    struct replay_time time;
    struct latency latency;
};

/* Figures of each event need all of them in memory. */
static enum trace_use use_of(const struct options *options)
{
    for (int i = 0; i < FILES; i++) {
        if (i != DATA_FILE && options->paths[i] != NULL && !options->read_only)
            return TRACE_HELD;
    }
    if (options->resident || options->slabinfo)
        return TRACE_HELD;
    bool once = !options->competition || options->calls_only || options->read_only;
    return once ? TRACE_ONCE : TRACE_AGAIN;
}

static void load(struct trace *trace, const struct options *options)
{
    struct trace_error why;
    const char *path = options->trace_path;
    run_reads(path);
    if (!trace_load(trace, path, use_of(options), &why))
        run_refuse(why.in_bytes ? "%s: byte %llu: %s" : "%s:%llu: %s", path,
                   (unsigned long long)why.place, why.text);
}

/* Reads on to the end of a streamed trace. */
static void read_only(const struct task *task, double start)
{
    struct trace *trace = task->trace;
    struct chunk chunk;
    while (replay_next(trace, task->blocks, &chunk))
        continue;
    double seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    run_print("%llu events, %llu bytes, %.6f s\n", (unsigned long long)trace->count,
              (unsigned long long)trace->bytes, seconds);
    if (task->file[JSON_FILE] == NULL)
        return;
    struct json json = {.stream = output_stream(task->file[JSON_FILE])};
    json_open(&json, NULL, '{');
    json_count(&json, "events", trace->count);
    json_count(&json, "bytes", trace->bytes);
    json_real(&json, "seconds", seconds);
    json_close(&json, '}');
}

/* Early, so that a long run does not end at a folder that cannot be written to. */
static void open_files(struct task *task)
{
    const char *const *paths = task->options->paths;
    for (int i = 0; i < FILES; i++) {
        if (paths[i] != NULL && strcmp(paths[i], "-") == 0)
            run_report_to(STDERR_FILENO);
    }
    for (int i = 0; i < FILES; i++) {
        if (paths[i] != NULL)
            task->file[i] = output_open(paths[i]);
    }
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
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void print_score(const struct results *results)
{
    print_pages(&results->memory->counts);
    run_print("Competition average ratio: %f\n", results->memory->penalty);
    run_print("Replay time: %.6f s\n", results->time.least);
    run_print("Process time: %.6f s\n", process_seconds());
    run_print("Score: %.6f\n", summary_score(&results->time, results->memory));
}

static void check(const struct task *task, struct output *data)
{
    const struct options *options = task->options;
    run_print("%s: Running in correctness mode\n", task->program);
    struct page_counts counts = replay_checked(
        task->trace, task->blocks, options->audit_every, options->resident, data);
    print_pages(&counts);
}

/* Memory, then time: the first also finds what cannot be replayed or mapped, and has
 * touched every page by the time that the second starts. */
static void measure(const struct task *task, struct results *results)
{
    struct trace *trace = task->trace;
    bool details = task->file[JSON_FILE] != NULL || task->file[LATENCY_FILE] != NULL;
    bool with_calls = details || task->file[OPERATIONS_FILE] != NULL;
    bool timed = details || task->options->competition;
    if (timed || with_calls || task->file[HEAPMAP_FILE] != NULL)
        memory_measure(&results->pages, trace, task->blocks, with_calls);
    if (task->file[HEAPMAP_FILE] != NULL)
        heapmap_write(&results->pages, trace, task->blocks, task->file[HEAPMAP_FILE]);
    if (timed) {
        pool_warm(results->pages.span);
        replay_pin();
        results->time =
            replay_timed(trace, task->blocks, task->options->passes, details);
    }
    if (task->options->competition)
        print_score(results);
    if (details)
        latency_measure(&results->latency, trace, task->blocks, task->options->passes);
}

static void write_figures(const struct task *task, const struct results *results)
{
    const struct trace *trace = task->trace;
    if (task->file[OPERATIONS_FILE] != NULL)
        operations_write(&results->pages, trace, task->blocks,
                         task->file[OPERATIONS_FILE]);
    if (task->file[LATENCY_FILE] != NULL)
        latency_write(&results->latency, trace, task->blocks, task->file[LATENCY_FILE]);
    if (task->file[JSON_FILE] != NULL) {
        struct summary summary = {.program = task->program,
                                  .options = task->options,
                                  .trace = trace,
                                  .memory = results->memory,
                                  .pages = &results->pages,
                                  .time = &results->time,
                                  .latency = &results->latency};
        summary_write(&summary, task->file[JSON_FILE]);
    }
}

/* The resident set first, while nothing has been allocated yet. */
static void play(const struct task *task)
{
    struct results results = {.memory = &results.pages};
    struct output *data = task->file[DATA_FILE];
    if (task->options->competition)
        run_print("Running in competition mode\n");
    if (task->options->resident) {
        resident_measure(&results.resident, task->trace, task->blocks, data);
        results.memory = &results.resident;
        data = NULL;
    }
    if (!task->options->competition)
        check(task, data);
    if (task->options->slabinfo)
        slabinfo_print(task->trace, task->blocks, task->options->slabinfo_after);
    measure(task, &results);
    write_figures(task, &results);
    latency_release(&results.latency);
    memory_release(&results.pages);
}

int main(int argc, char **argv)
{
    const char *program = argc > 0 ? argv[0] : "kma";
    struct options options;
    struct trace trace;
    run_begin(program);
    options_read(&options, argc, argv);
    double start = clock_seconds(CLOCK_MONOTONIC);
    load(&trace, &options);
    if (pool_open(options.max_pages) != 0)
        run_refuse("%s: no address space for %d pages: %s", program, options.max_pages,
                   strerror(errno));
    if (options.audit_every != 0 && kma_audit == NULL) {
        run_note("this algorithm has no kma_audit: nothing is audited");
        options.audit_every = 0;
    }
    if (options.slabinfo)
        slabinfo_prepare(program, &trace, &options.slabinfo_after);
    run_replays(trace_has_lines(&trace));
    struct blocks blocks = {0};
    struct task task = {
        .program = program, .options = &options, .trace = &trace, .blocks = &blocks};
    open_files(&task);
    replay_begin(&trace, &blocks);
    if (options.read_only)
        read_only(&task, start);
    else if (options.calls_only)
        replay_once(&trace, &blocks);
    else
        play(&task);
    replay_release_blocks(&blocks);
    output_finish_all();
    if (!options.read_only)
        run_print("Test: PASS\n");
    trace_release(&trace);
    return 0;
}
