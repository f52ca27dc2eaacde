/* latency.c - timing each call. */

#include <stdlib.h>
#include <string.h>
#include "latency.h"
#include "pool.h"
#include "probe.h"
#include "progress.h"
#include "run.h"

/* A call longer than this many ticks, about a second, counts as one of this length. */
#define LONGEST (UINT32_MAX - 1)
#define NO_CALL UINT32_MAX

enum { STRETCH = 4096 };

static inline void keep(uint32_t *least, uint64_t ticks)
{
    if (ticks < *least)
        *least = (uint32_t)ticks;
    else if (*least == NO_CALL)
        *least = LONGEST;
}

static void time_event(struct latency *latency, const struct trace *trace,
                       size_t number, struct block *block)
{
    const struct event *event = &trace->events[number];
    const struct timer *timer = &latency->timer;
    if (event->size > 0) {
        uint64_t start = timer_start(timer);
        void *ptr = kma_malloc(event->size);
        uint64_t stop = timer_stop(timer);
        keep(&latency->ticks[number], stop - start);
        *block = (struct block){.ptr = ptr, .size = event->size};
        if (ptr == NULL && event->size <= LARGEST_REQUEST)
            replay_fail_null(trace, number, event);
    } else if (block->ptr != NULL) {
        uint64_t start = timer_start(timer);
        kma_free(block->ptr, block->size);
        uint64_t stop = timer_stop(timer);
        keep(&latency->ticks[number], stop - start);
        block->ptr = NULL;
    }
}

void latency_measure(struct latency *latency, const struct trace *trace,
                     struct blocks *blocks, int passes)
{
    *latency = (struct latency){.passes = passes};
    latency->ticks = malloc((trace->count + 1) * sizeof *latency->ticks);
    if (latency->ticks == NULL)
        run_refuse("%s: no memory for %zu events", trace->path, (size_t)trace->count);
    memset(latency->ticks, 0xff, (trace->count + 1) * sizeof *latency->ticks);
    struct probe probe = {.count = 0};
    timer_begin(&latency->timer);
    progress_begin("timing calls", trace->count * (size_t)passes);
    for (int pass = 0; pass < passes; pass++) {
        probe_before(&probe, pass, passes);
        for (size_t k = 0; k < trace->count; k++) {
            run_at(k);
            time_event(latency, trace, k, &blocks->at[trace->events[k].slot]);
            if (k % STRETCH == 0)
                progress_at(trace->count * (size_t)pass + k);
        }
        replay_empty(trace, blocks);
    }
    timer_calibrate(&latency->timer);
    latency->probe = probe_median(&probe);
}

bool latency_has_call(const struct latency *latency, size_t event)
{
    return latency->ticks[event] != NO_CALL;
}

static double ticks_to_ns(const struct timer *timer, uint32_t ticks)
{
    return ticks > timer->overhead
               ? (double)(ticks - timer->overhead) * timer->ns_per_tick
               : 0;
}

double latency_ns(const struct latency *latency, size_t event)
{
    return ticks_to_ns(&latency->timer, latency->ticks[event]);
}

static int compare_ticks(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The least value that at least `per_mille` thousandths of all do not exceed. */
static uint32_t nearest_rank(const uint32_t *sorted, size_t count, unsigned per_mille)
{
    uint64_t rank = ((uint64_t)count * per_mille + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0];
}

struct latency_figures latency_figures(const struct latency *latency,
                                       const struct trace *trace, bool of_malloc)
{
    const struct timer *timer = &latency->timer;
    struct latency_figures figures = {0};
    uint32_t *sorted = malloc((trace->count + 1) * sizeof *sorted);
    if (sorted == NULL)
        run_refuse("%s: no memory for %zu events", trace->path, (size_t)trace->count);
    size_t count = 0;
    double sum = 0;
    for (size_t k = 0; k < trace->count; k++) {
        if (!latency_has_call(latency, k) || (trace->events[k].size > 0) != of_malloc)
            continue;
        sorted[count++] = latency->ticks[k];
        sum += latency_ns(latency, k);
    }
    if (count > 0) {
        qsort(sorted, count, sizeof *sorted, compare_ticks);
        figures = (struct latency_figures){
            .count = count,
            .mean = sum / (double)count,
            .p50 = ticks_to_ns(timer, nearest_rank(sorted, count, 500)),
            .p90 = ticks_to_ns(timer, nearest_rank(sorted, count, 900)),
            .p99 = ticks_to_ns(timer, nearest_rank(sorted, count, 990)),
            .p99_9 = ticks_to_ns(timer, nearest_rank(sorted, count, 999)),
            .max = ticks_to_ns(timer, sorted[count - 1]),
        };
    }
    free(sorted);
    return figures;
}

size_t latency_worst(const struct latency *latency, const struct trace *trace,
                     size_t *events, size_t most)
{
    size_t count = 0;
    for (size_t k = 0; k < trace->count; k++) {
        if (!latency_has_call(latency, k))
            continue;
        size_t at = count;
        while (at > 0 && latency->ticks[events[at - 1]] < latency->ticks[k])
            at--;
        if (at == most)
            continue;
        if (count < most)
            count++;
        memmove(events + at + 1, events + at, (count - at - 1) * sizeof *events);
        events[at] = k;
    }
    return count;
}

void latency_write(const struct latency *latency, const struct trace *trace,
                   struct blocks *blocks, struct output *output)
{
    FILE *stream = output_stream(output);
    for (size_t k = 0; k < trace->count; k++) {
        if (!latency_has_call(latency, k))
            continue;
        replay_put_call(stream, trace, k, blocks);
        fprintf(stream, " %.1f\n", latency_ns(latency, k));
    }
}

void latency_release(struct latency *latency)
{
    free(latency->ticks);
    latency->ticks = NULL;
}
