/* memory.c - the replay that measures memory. It knows which event it is at, so it also
 * is the one that finds out, before anything is timed, when the pool is too small. */

#include <stdlib.h>
#include <string.h>
#include "memory.h"
#include "pool.h"
#include "progress.h"
#include "run.h"

enum { STRETCH = 1024 };

/* Of the call going on; the second part of the replay so far. */
static struct {
    int got;
    int freed;

    int peak_pages;
    int span;
    char *first_page;
} traffic;

static void on_got(const kma_page_t *page)
{
    int in_use = page_stats()->num_in_use;
    int pages = page->size / PAGESIZE;
    traffic.got += pages;
    if (in_use > traffic.peak_pages)
        traffic.peak_pages = in_use;
    if (page->id + pages > traffic.span)
        traffic.span = page->id + pages;
    if (traffic.first_page == NULL)
        traffic.first_page = (char *)page->ptr - (size_t)page->id * PAGESIZE;
}

static void on_freed(const kma_page_t *page)
{
    traffic.freed += page->size / PAGESIZE;
}

static const struct pool_observer observer = {.got = on_got, .freed = on_freed};

static uint16_t clamp(int count)
{
    return count < UINT16_MAX ? (uint16_t)count : UINT16_MAX;
}

static void begin_call(void)
{
    traffic.got = 0;
    traffic.freed = 0;
#ifdef KMA_COUNTED
    memset(kma_counts, 0, sizeof kma_counts);
#endif
}

static struct memory_call end_call(bool made)
{
    struct memory_call call = {.made = made,
                               .pages_got = clamp(traffic.got),
                               .pages_freed = clamp(traffic.freed)};
#ifdef KMA_COUNTED
    for (int i = 0; i < KMA_COUNTS; i++)
        call.counts[i] =
            kma_counts[i] < UINT32_MAX ? (uint32_t)kma_counts[i] : UINT32_MAX;
#endif
    return call;
}

/* The bytes that a block of as many requested bytes takes or, negative, gives up. */
static int64_t occupied(int64_t requested)
{
    if (kma_block_size == NULL || requested == 0)
        return requested;
    return requested > 0 ? kma_block_size((kma_size_t)requested)
                         : -kma_block_size((kma_size_t)-requested);
}

static struct memory_call play(const struct trace *trace, uint64_t number,
                               const struct event *event, struct block *block,
                               struct memory_bytes *now)
{
    begin_call();
    int64_t change = replay_event(event, block);
    struct memory_call call = end_call(event->size > 0 || change != 0);
    if (replay_is_denied(event, block))
        replay_fail_null(trace, number, event);
    now->requested += (uint64_t)change;
    now->occupied += (uint64_t)occupied(change);
    now->paged = (uint64_t)page_stats()->num_in_use * PAGESIZE;
    return call;
}

uint64_t memory_ideal_pages(uint64_t requested)
{
    return (requested + PAGESIZE - 1) / PAGESIZE;
}

static double waste_ratio(uint64_t paged, uint64_t requested)
{
    return ((double)paged - (double)requested) / (double)requested;
}

void memory_note(struct memory *memory, const struct memory_bytes *now)
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
    /* Requested bytes in no page: the algorithm is not sound, or has its own memory. */
    if (now->paged > 0)
        memory->utilization += (double)now->requested / (double)now->paged;
    memory->penalty += waste_ratio(now->paged, now->requested);
    memory->ideal_penalty +=
        waste_ratio(memory_ideal_pages(now->requested) * PAGESIZE, now->requested);
}

void memory_take_means(struct memory *memory)
{
    if (memory->moments == 0)
        return;
    memory->utilization /= (double)memory->moments;
    memory->penalty /= (double)memory->moments;
    memory->ideal_penalty /= (double)memory->moments;
}

static void play_chunk(struct memory *memory, const struct trace *trace,
                       const struct chunk *chunk, struct block *blocks,
                       struct memory_bytes *now)
{
    for (size_t i = 0; i < chunk->count; i++) {
        uint64_t k = chunk->first + i;
        const struct event *event = &chunk->events[i];
        run_at(k);
        struct memory_call call = play(trace, k, event, &blocks[event->slot], now);
        memory_note(memory, now);
        if (memory->calls != NULL)
            memory->calls[k] = call;
        if (k % STRETCH == 0)
            progress_at(k);
    }
}

void memory_measure(struct memory *memory, struct trace *trace, struct blocks *blocks,
                    bool with_calls)
{
    *memory = (struct memory){.knows_occupied = kma_block_size != NULL};
    if (with_calls) {
        memory->calls = calloc((size_t)trace->count + 1, sizeof *memory->calls);
        if (memory->calls == NULL)
            run_refuse("%s: no memory for %zu events", trace->path,
                       (size_t)trace->count);
    }
    const kma_page_stat_t *stats = page_stats();
    const kma_page_stat_t before = *stats;
    struct memory_bytes now = {0};
    struct chunk chunk;
    replay_begin(trace, blocks);
    memset(&traffic, 0, sizeof traffic);
    pool_set_observer(&observer);
    progress_begin("measuring memory", trace->count);
    while (replay_next(trace, blocks, &chunk))
        play_chunk(memory, trace, &chunk, blocks->at, &now);
    pool_set_observer(NULL);
    memory->peak_pages = traffic.peak_pages;
    memory->span = traffic.span;
    memory->first_page = traffic.first_page;
    memory->counts =
        (struct page_counts){stats->num_requested - before.num_requested,
                             stats->num_freed - before.num_freed, stats->num_in_use};
    memory_take_means(memory);
    replay_empty(trace, blocks);
}

void memory_release(struct memory *memory)
{
    free(memory->calls);
    memory->calls = NULL;
}
