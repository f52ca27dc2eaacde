/* memory.c - the replay that measures memory. It knows which event it is at, so it also
 * is the one that finds out, before anything is timed, when the pool is too small. */

#include <stdlib.h>
#include "memory.h"
#include "pool.h"
#include "progress.h"
#include "run.h"

enum { STRETCH = 1024 };

/* Of the call going on. */
static struct {
    int got;
    int freed;
    int peak_pages; /* of the replay so far */
    bool exhausted;
} traffic;

static void on_got(const kma_page_t *page)
{
    (void)page;
    int in_use = page_stats()->num_in_use;
    traffic.got++;
    if (in_use > traffic.peak_pages)
        traffic.peak_pages = in_use;
    if (in_use == pool_max_pages())
        traffic.exhausted = true;
}

static void on_freed(const kma_page_t *page)
{
    (void)page;
    traffic.freed++;
}

static const struct pool_observer observer = {.got = on_got, .freed = on_freed};

static kma_size_t occupied_by(kma_size_t size)
{
    return kma_block_size != NULL ? kma_block_size(size) : size;
}

static void play(const struct trace *trace, size_t number, struct block *block,
                 struct memory_bytes *now)
{
    const struct event *event = &trace->events[number];
    traffic.got = 0;
    traffic.freed = 0;
    traffic.exhausted = page_stats()->num_in_use == pool_max_pages();
    if (event->size > 0) {
        block->size = event->size;
        block->ptr = kma_malloc(event->size);
        if (block->ptr != NULL) {
            now->requested += (uint64_t)event->size;
            now->occupied += (uint64_t)occupied_by(event->size);
        } else if (event->size <= LARGEST_REQUEST) {
            replay_fail_null(trace, number, traffic.exhausted);
        }
    } else if (block->ptr != NULL) {
        kma_free(block->ptr, block->size);
        block->ptr = NULL;
        now->requested -= (uint64_t)block->size;
        now->occupied -= (uint64_t)occupied_by(block->size);
    }
    now->paged = (uint64_t)page_stats()->num_in_use * PAGESIZE;
}

uint64_t memory_ideal_pages(uint64_t requested)
{
    return (requested + PAGESIZE - 1) / PAGESIZE;
}

static double waste_ratio(uint64_t paged, uint64_t requested)
{
    return ((double)paged - (double)requested) / (double)requested;
}

static void note(struct memory *memory, const struct memory_bytes *now)
{
    if (now->requested > memory->peak_requested)
        memory->peak_requested = now->requested;
    if (now->paged > memory->peak.paged)
        memory->peak = *now;
    if (now->requested == 0)
        return;
    memory->moments++;
    memory->sum.requested += now->requested;
    memory->sum.occupied += now->occupied;
    memory->sum.paged += now->paged;
    /* Requested bytes in no page at all: only an algorithm that is not sound. */
    if (now->paged > 0)
        memory->utilization += (double)now->requested / (double)now->paged;
    memory->penalty += waste_ratio(now->paged, now->requested);
    memory->ideal_penalty +=
        waste_ratio(memory_ideal_pages(now->requested) * PAGESIZE, now->requested);
}

static uint16_t clamp(int count)
{
    return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

void memory_measure(struct memory *memory, const struct trace *trace,
                    struct block *blocks, bool with_traffic)
{
    *memory = (struct memory){.knows_occupied = kma_block_size != NULL};
    if (with_traffic) {
        memory->traffic = calloc(trace->count + 1, sizeof *memory->traffic);
        if (memory->traffic == NULL)
            run_refuse("%s: no memory for %zu events", trace->path, trace->count);
    }
    const kma_page_stat_t *stats = page_stats();
    const kma_page_stat_t before = *stats;
    struct memory_bytes now = {0};
    traffic.peak_pages = 0;
    pool_set_observer(&observer);
    progress_begin("measuring memory", trace->count);
    for (size_t k = 0; k < trace->count; k++) {
        run_at(k);
        play(trace, k, &blocks[trace->events[k].slot], &now);
        note(memory, &now);
        if (with_traffic)
            memory->traffic[k] =
                (struct memory_traffic){clamp(traffic.got), clamp(traffic.freed)};
        if (k % STRETCH == 0)
            progress_at(k);
    }
    pool_set_observer(NULL);
    memory->peak_pages = traffic.peak_pages;
    memory->counts =
        (struct page_counts){stats->num_requested - before.num_requested,
                             stats->num_freed - before.num_freed, stats->num_in_use};
    if (memory->moments > 0) {
        memory->utilization /= (double)memory->moments;
        memory->penalty /= (double)memory->moments;
        memory->ideal_penalty /= (double)memory->moments;
    }
    replay_empty(trace, blocks);
}

void memory_release(struct memory *memory)
{
    free(memory->traffic);
    memory->traffic = NULL;
}
