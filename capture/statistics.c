/* statistics.c - what `info` finds out about a trace. */

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "statistics.h"

enum { FIRST_ROOM = 1024 };

const unsigned statistics_page[PAGES] = {4096, 8192};

struct live_block {
    uint64_t event;
    uint64_t time;
    uint32_t size;
    uint32_t spent;
    uint32_t cpu;
    uint32_t site;
    uint32_t cache;
};

struct statistics *statistics_new(void)
{
    struct statistics *statistics = calloc(1, sizeof *statistics);
    if (statistics == NULL)
        run_refuse("no memory for statistics");
    statistics->sizes.scale = BINARY;
    statistics->lifetimes.scale = statistics->durations.scale = DECIMAL;
    return statistics;
}

/* A larger table of zeroed members, of which at least `least` are there then. */
static void *grown(void *table, uint32_t *room, uint32_t least, size_t size,
                   const char *what)
{
    uint64_t more = *room == 0 ? FIRST_ROOM : (uint64_t)*room * 2;
    if (more <= least)
        more = (uint64_t)least + 1;
    if (more > UINT32_MAX)
        more = UINT32_MAX;
    char *larger = reallocarray(table, (size_t)more, size);
    if (larger == NULL || more <= least)
        run_refuse("no memory for more than %lu %s", (unsigned long)*room, what);
    memset(larger + *room * size, 0, (size_t)(more - *room) * size);
    *room = (uint32_t)more;
    return larger;
}

static struct group *group_of(struct groups *groups, uint32_t number)
{
    if (number >= groups->count)
        groups->group = grown(groups->group, &groups->count, number,
                              sizeof *groups->group, "names");
    return &groups->group[number];
}

static void request_in(struct group *group, const struct live_block *block)
{
    group->requests++;
    group->bytes += block->size;
    group->live_blocks++;
    group->live_bytes += block->size;
    group->known_bytes += block->spent > 0 ? block->size : 0;
    group->spent += block->spent;
}

static void free_in(struct group *group, const struct live_block *block)
{
    group->live_blocks--;
    group->live_bytes -= block->size;
}

static void put_request(struct statistics *statistics, const struct entry *entry)
{
    uint32_t slot = entry->event.slot, size = (uint32_t)entry->event.size;
    if (slot >= statistics->room)
        statistics->block = grown(statistics->block, &statistics->room, slot,
                                  sizeof *statistics->block, "live blocks");
    struct live_block *block = &statistics->block[slot];
    /* No allocator spends less than was asked for: such a number is none. */
    bool known = entry->spent >= size && entry->spent <= UINT32_MAX;
    *block = (struct live_block){.event = statistics->events,
                                 .time = entry->time,
                                 .size = size,
                                 .spent = known ? (uint32_t)entry->spent : 0,
                                 .cpu = entry->cpu,
                                 .site = entry->site,
                                 .cache = entry->cache};
    statistics->requests++;
    statistics->live_blocks++;
    statistics->live_bytes += size;
    histogram_add(&statistics->sizes, size - 1);
    for (int i = 0; i < PAGES; i++)
        statistics->over_limit[i] += size > statistics_page[i] - sizeof(void *);
    request_in(group_of(&statistics->sites, block->site), block);
    request_in(group_of(&statistics->caches, block->cache), block);
    if (block->spent > 0) {
        statistics->known_requests++;
        statistics->all.requested += size;
        statistics->all.spent += block->spent;
        statistics->live.requested += size;
        statistics->live.spent += block->spent;
    }
}

static void put_free(struct statistics *statistics, const struct entry *entry)
{
    struct live_block *block = &statistics->block[entry->event.slot];
    statistics->live_blocks--;
    statistics->live_bytes -= block->size;
    histogram_add(&statistics->lifetimes, statistics->events - block->event);
    histogram_add(&statistics->durations, entry->time - block->time);
    statistics->moved += entry->cpu != block->cpu;
    free_in(group_of(&statistics->sites, block->site), block);
    free_in(group_of(&statistics->caches, block->cache), block);
    if (block->spent > 0) {
        statistics->live.requested -= block->size;
        statistics->live.spent -= block->spent;
    }
}

static void note_peaks(struct statistics *statistics)
{
    if (statistics->live_blocks > statistics->peak_blocks) {
        statistics->peak_blocks = statistics->live_blocks;
        statistics->peak_blocks_event = statistics->events;
    }
    if (statistics->live_bytes > statistics->peak_bytes) {
        statistics->peak_bytes = statistics->live_bytes;
        statistics->peak_bytes_event = statistics->events;
        statistics->peak = statistics->live;
    }
}

void statistics_put(struct statistics *statistics, const struct entry *entry)
{
    if (statistics->events++ == 0)
        statistics->first_time = entry->time;
    statistics->last_time = entry->time;
    if (entry->cpu < MOST_CPUS)
        statistics->cpu[entry->cpu]++;
    else
        statistics->other_cpus++;
    if (entry->event.size > 0)
        put_request(statistics, entry);
    else
        put_free(statistics, entry);
    note_peaks(statistics);
    if (statistics->live.requested > 0) {
        statistics->waste_sum += rounding_waste(&statistics->live);
        statistics->waste_count++;
    }
}

double rounding_waste(const struct rounding *rounding)
{
    if (rounding->requested == 0)
        return 0;
    return ((double)rounding->spent - (double)rounding->requested) /
           (double)rounding->requested;
}

double statistics_penalty(const struct statistics *statistics)
{
    return statistics->waste_count == 0
               ? 0
               : statistics->waste_sum / (double)statistics->waste_count;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static uint64_t waste_of(const struct group *group)
{
    return group->spent - group->known_bytes;
}

/* Of groups that are alike in what counts the one named first comes first. */
static int compare_requests(const void *a, const void *b)
{
    const struct group *one = a, *other = b;
    int order = compare(one->requests, other->requests);
    return order != 0 ? order : compare(other->number, one->number);
}

static int compare_waste(const void *a, const void *b)
{
    const struct group *one = a, *other = b;
    int order = compare(waste_of(one), waste_of(other));
    return order != 0 ? order : compare(other->number, one->number);
}

struct group *groups_ranked(const struct groups *groups, enum ranking ranking,
                            uint32_t *count)
{
    struct group *ranked = calloc((size_t)groups->count + 1, sizeof *ranked);
    if (ranked == NULL)
        run_refuse("no memory for %lu names", (unsigned long)groups->count);
    *count = 0;
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group *group = &groups->group[i];
        if (group->requests == 0 || (ranking == BY_WASTE && waste_of(group) == 0))
            continue;
        ranked[*count] = *group;
        ranked[(*count)++].number = i;
    }
    qsort(ranked, *count, sizeof *ranked,
          ranking == BY_WASTE ? compare_waste : compare_requests);
    return ranked;
}

void statistics_release(struct statistics *statistics)
{
    free(statistics->block);
    free(statistics->sites.group);
    free(statistics->caches.group);
    free(statistics);
}
