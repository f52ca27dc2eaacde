/* slabinfo.c - the table of --slabinfo, as slabtop and those who know /proc/slabinfo read
 * it. Allocators here have no caches per CPU to tune: those columns are 0. */

#include "slabinfo.h"
#include "run.h"
#include "../kma_slab.h"

void slabinfo_prepare(const char *program, const struct trace *trace, uint64_t *after)
{
    if (kmem_slabinfo == NULL)
        run_refuse("%s: --slabinfo: this algorithm has no object caches", program);
    if (*after > trace->count)
        run_refuse("%s: --slabinfo=%llu: the last event of %s is number %llu", program,
                   (unsigned long long)*after, trace->path,
                   (unsigned long long)trace->count);
    if (*after == 0)
        *after = trace->count;
}

static void print_cache(const struct kmem_slabinfo *info, void *context)
{
    (void)context;
    run_print("%-17s %6zu %6zu %6zu %4zu %4zu : tunables %4d %4d %4d : slabdata %6zu "
              "%6zu %6d\n",
              info->name, info->active_objects, info->objects, info->object_size,
              info->objects_per_slab, info->pages_per_slab, 0, 0, 0, info->active_slabs,
              info->slabs, 0);
}

void slabinfo_print(const struct trace *trace, struct blocks *blocks, uint64_t after)
{
    for (uint64_t i = 0; i < after; i++) {
        const struct event *event = &trace->events[i];
        struct block *block = &blocks->at[event->slot];
        run_at(i);
        replay_event(event, block);
        if (replay_is_denied(event, block))
            replay_fail_null(trace, i, event);
    }
    run_print(
        "slabinfo - version: 2.1\n"
        "# name            <active_objs> <num_objs> <objsize> <objperslab> "
        "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
        "<active_slabs> <num_slabs> <sharedavail>\n");
    kmem_slabinfo(print_cache, NULL);
    replay_empty(trace, blocks);
}
