/* replay.c - the checked replay, and the timed one. */

#include <sched.h>
#include <stdlib.h>
#include "check.h"
#include "clock.h"
#include "pool.h"
#include "probe.h"
#include "progress.h"
#include "replay.h"
#include "run.h"
#include "table.h"

/* Callgrind spends less on each call when it starts only where calls are made. */
#if __has_include(<valgrind/callgrind.h>) && !defined(NVALGRIND)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION ((void)0)
#endif

/* Events between two looks at the clock that shows progress. */
enum { CHECKED_STRETCH = 64, FIRST_BLOCKS = 256 };

static void make_room(const struct trace *trace, struct blocks *blocks, size_t slots)
{
    if (slots <= blocks->room)
        return;
    size_t room = blocks->room == 0 ? slots : slots + slots / 2;
    struct block *larger = table_grow(blocks->at, blocks->room, room, sizeof *larger);
    if (larger == NULL)
        run_refuse("%s: no memory for %zu blocks", trace->path, slots);
    *blocks = (struct blocks){larger, room};
}

void replay_release_blocks(struct blocks *blocks)
{
    table_release(blocks->at, blocks->room * sizeof *blocks->at);
    *blocks = (struct blocks){0};
}

static _Noreturn void refuse_trace(const struct trace *trace,
                                   const struct trace_error *error)
{
    run_refuse("%s: byte %llu: %s", trace->path, (unsigned long long)error->place,
               error->text);
}

void replay_begin(struct trace *trace, struct blocks *blocks)
{
    struct trace_error error;
    if (!trace_rewind(trace, &error))
        refuse_trace(trace, &error);
    make_room(trace, blocks, trace->slots > 0 ? trace->slots : FIRST_BLOCKS);
}

bool replay_next(struct trace *trace, struct blocks *blocks, struct chunk *chunk)
{
    struct trace_error error;
    enum trace_next next = trace_next(trace, chunk, &error);
    if (next == TRACE_BAD)
        refuse_trace(trace, &error);
    if (next == TRACE_CHUNK)
        make_room(trace, blocks, chunk->slots);
    return next == TRACE_CHUNK;
}

static struct page_counts counts_now(void)
{
    const kma_page_stat_t *stats = page_stats();
    return (struct page_counts){stats->num_requested, stats->num_freed,
                                stats->num_in_use};
}

static void fail_if_pages_held(void)
{
    int held = page_stats()->num_in_use;
    if (held != 0)
        run_fail("%d page%s still held when every block is freed", held,
                 held == 1 ? " is" : "s are");
}

void replay_empty(const struct trace *trace, struct blocks *blocks)
{
    run_at(trace->count);
    for (struct block *block = blocks->at; block < blocks->at + trace->slots; block++) {
        if (block->ptr != NULL)
            kma_free(block->ptr, block->size);
        block->ptr = NULL;
    }
    fail_if_pages_held();
}

void replay_put_call(FILE *stream, const struct trace *trace, size_t event,
                     struct blocks *blocks)
{
    struct block *block = &blocks->at[trace->events[event].slot];
    bool request = trace->events[event].size > 0;
    if (request)
        block->size = trace->events[event].size;
    fprintf(stream, "%zu %s %d", event + 1, request ? "REQUEST" : "FREE", block->size);
}

/* Whether that was for want of pages is what the pool said when it was last asked: an
 * algorithm may have given back others by now. */
void replay_fail_null(const struct trace *trace, uint64_t number,
                      const struct event *event)
{
    kma_size_t size = event->size;
    int most = pool_max_pages();
    struct pool_miss miss = pool_miss();
    run_at(number);
    if (miss.wanted > 1)
        run_fail("out of pages at this event: no run of %d is left, %d of %d pages in "
                 "use, request of %d bytes",
                 miss.wanted, miss.in_use, most, size);
    if (miss.wanted == 1)
        run_fail(
            "out of pages at this event: %d of %d pages in use, request of %d bytes",
            miss.in_use, most, size);
    run_fail("NULL for id %lu, %d bytes, which must be served: %d of %d pages in use",
             replay_id(trace, number, event->slot), size, page_stats()->num_in_use,
             most);
}

int64_t replay_event(const struct event *event, struct block *block)
{
    if (event->size > 0) {
        *block = (struct block){.ptr = kma_malloc(event->size), .size = event->size};
        return block->ptr != NULL ? block->size : 0;
    }
    if (block->ptr == NULL)
        return 0;
    kma_free(block->ptr, block->size);
    block->ptr = NULL;
    return -(int64_t)block->size;
}

static void audit(void)
{
    int broken = kma_audit();
    if (broken != 0)
        run_fail("kma_audit finds %d broken invariant%s after this event", broken,
                 broken == 1 ? "" : "s");
}

/* Returns the change in requested bytes. */
static int64_t checked_event(const struct event *event, uint64_t number,
                             struct block *block)
{
    if (event->size > 0) {
        block->size = event->size;
        block->ptr = kma_malloc(event->size);
        check_request(block, number);
        return block->ptr != NULL ? block->size : 0;
    }
    if (block->ptr == NULL)
        return 0;
    check_before_free(block);
    kma_free(block->ptr, block->size);
    check_after_free();
    block->ptr = NULL;
    return -(int64_t)block->size;
}

/* Freed like any other block, and so with their contents checked. */
static void free_leftovers(const struct trace *trace, struct blocks *blocks)
{
    run_at(trace->count);
    for (uint32_t slot = 0; slot < trace->slots; slot++)
        checked_event(&(struct event){slot, 0}, trace->count, &blocks->at[slot]);
    fail_if_pages_held();
}

struct checked {
    uint64_t requested;
    long audit_every;
    long until_audit;
    struct output *data;
};

static void check_chunk(struct checked *checked, const struct chunk *chunk,
                        struct block *blocks)
{
    struct output *data = checked->data;
    for (size_t i = 0; i < chunk->count; i++) {
        const struct event *event = &chunk->events[i];
        uint64_t k = chunk->first + i;
        run_at(k);
        checked->requested += (uint64_t)checked_event(event, k, &blocks[event->slot]);
        if (data != NULL)
            output_numbers(data, k + 1, checked->requested,
                           (uint64_t)page_stats()->num_in_use * PAGESIZE);
        if (checked->audit_every > 0 && --checked->until_audit == 0) {
            audit();
            checked->until_audit = checked->audit_every;
        }
        if (k % CHECKED_STRETCH == 0) {
            progress_at(k);
            if (data != NULL)
                output_check(data);
        }
    }
}

struct page_counts replay_checked(struct trace *trace, struct blocks *blocks,
                                  long audit_every, bool own_memory,
                                  struct output *data)
{
    struct checked checked = {
        .audit_every = audit_every, .until_audit = audit_every, .data = data};
    struct chunk chunk;
    replay_begin(trace, blocks);
    check_begin(trace, blocks, own_memory);
    progress_begin("checking", trace->count);
    if (data != NULL)
        output_numbers(data, 0, 0, 0);
    while (replay_next(trace, blocks, &chunk)) {
        check_room(chunk.slots);
        check_chunk(&checked, &chunk, blocks->at);
    }
    struct page_counts counts = counts_now();
    free_leftovers(trace, blocks);
    if (audit_every > 0)
        audit();
    check_end();
    return counts;
}

/* Returns the event at which a NULL came that must not, or end. */
static const struct event *timed_stretch(const struct event *at,
                                         const struct event *end, struct block *blocks)
{
    for (; at < end; at++) {
        struct block *block = &blocks[at->slot];
        if (at->size > 0) {
            block->size = at->size;
            block->ptr = kma_malloc(at->size);
            if (block->ptr == NULL && at->size <= LARGEST_REQUEST)
                return at;
        } else if (block->ptr != NULL) {
            kma_free(block->ptr, block->size);
            block->ptr = NULL;
        }
    }
    return end;
}

/* The clock stops between two stretches, where the progress is shown. */
static double timed_pass(struct trace *trace, struct blocks *blocks, uint64_t before)
{
    double seconds = 0;
    struct chunk chunk;
    replay_begin(trace, blocks);
    while (replay_next(trace, blocks, &chunk)) {
        const struct event *end = chunk.events + chunk.count;
        run_at_stretch(chunk.first, chunk.first + chunk.count - 1);
        double start = clock_seconds(CLOCK_MONOTONIC);
        const struct event *at = timed_stretch(chunk.events, end, blocks->at);
        seconds += clock_seconds(CLOCK_MONOTONIC) - start;
        if (at < end)
            replay_fail_null(trace, chunk.first + (uint64_t)(at - chunk.events), at);
        progress_at(before + chunk.first + chunk.count);
    }
    return seconds;
}

void replay_pin(void)
{
    int cpu = sched_getcpu();
    cpu_set_t one;
    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

void replay_once(struct trace *trace, struct blocks *blocks)
{
    CALLGRIND_START_INSTRUMENTATION;
    timed_pass(trace, blocks, 0);
    replay_empty(trace, blocks);
}

static int compare_seconds(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct replay_time replay_timed(struct trace *trace, struct blocks *blocks, int passes,
                                bool probed)
{
    struct probe probe = {.count = 0};
    double *seconds = calloc((size_t)passes, sizeof *seconds);
    if (seconds == NULL)
        run_refuse("%s: no memory for %d passes", trace->path, passes);
    progress_begin("timing", trace->count * (uint64_t)passes);
    for (int pass = 0; pass < passes; pass++) {
        if (probed)
            probe_before(&probe, pass, passes);
        seconds[pass] = timed_pass(trace, blocks, trace->count * (uint64_t)pass);
        replay_empty(trace, blocks);
    }
    qsort(seconds, (size_t)passes, sizeof *seconds, compare_seconds);
    int half = passes / 2;
    struct replay_time time = {
        .passes = passes,
        .least = seconds[0],
        .median =
            passes % 2 == 1 ? seconds[half] : (seconds[half - 1] + seconds[half]) / 2,
        .probe = probe_median(&probe),
    };
    free(seconds);
    return time;
}
