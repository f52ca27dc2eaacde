/* replay.h - the loops that play a trace to the algorithm, each for one purpose. */
#ifndef KMA_DRIVER_REPLAY_H
#define KMA_DRIVER_REPLAY_H

#include "../kma.h"
#include "../kma_page.h"
#include "output.h"
#include "trace.h"

/* The largest request that has to be served. */
#define LARGEST_REQUEST ((kma_size_t)(PAGESIZE - sizeof(void *)))

/* What stands in a slot: a live block, or a NULL ptr. */
struct block {
    void *ptr;
    kma_size_t size;
    uint32_t event; /* that requested it; kept by the checked replay only */
};

/* A block for each slot of the trace, all empty. Ends the run for want of memory. */
struct block *replay_blocks(const struct trace *trace);

void replay_release_blocks(const struct trace *trace, struct block *blocks);

/* The event that moment `which` of `moments` is after, of moments spread evenly over the
 * trace: the last one is its end. */
static inline size_t replay_moment(const struct trace *trace, size_t which,
                                   size_t moments)
{
    return (size_t)((uint64_t)trace->count * (which + 1) / moments) - 1;
}

/* The beginning of a line about an event's call: index, command and size. To be called
 * for every event that has a call, in order, with blocks that are empty. */
void replay_put_call(FILE *stream, const struct trace *trace, size_t event,
                     struct block *blocks);

/* Between two replays: frees what the trace left allocated. The run fails if any page
 * is held after that: the next replay would not be the same as this one. */
void replay_empty(const struct trace *trace, struct block *blocks);

/* Keeps the process on the CPU that it is on, where that is allowed. */
void replay_pin(void);

/* Makes the call of an event, if it has one, and returns the change in requested bytes:
 * 0, too, for a request that got NULL. */
int64_t replay_event(const struct event *event, struct block *block);

/* The event's request got NULL and must not. */
static inline bool replay_is_denied(const struct event *event,
                                    const struct block *block)
{
    return event->size > 0 && event->size <= LARGEST_REQUEST && block->ptr == NULL;
}

/* The request of this event got NULL, which it must not. `exhausted`: all pages were in
 * use, if only in the middle of the call. */
_Noreturn void replay_fail_null(const struct trace *trace, size_t event,
                                bool exhausted);

/* Page counts as they stand after the last event. */
struct page_counts {
    int requested;
    int freed;
    int in_use;
};

/* With every check, an audit every `audit_every` events unless that is 0, and the data
 * file in `data` unless that is NULL. `own_memory`: blocks may lie outside the pool. */
struct page_counts replay_checked(const struct trace *trace, struct block *blocks,
                                  long audit_every, bool own_memory,
                                  struct output *data);

/* Nothing but the calls, once, and the frees of what the trace leaves. */
void replay_once(const struct trace *trace, struct block *blocks);

struct replay_time {
    int passes;
    double least; /* seconds */
    double median;
    double probe; /* ns, see probe.h; 0: not probed */
};

/* Nothing but the calls, timed, `passes` times. `probed`: with the probe of probe.h
 * between them. */
struct replay_time replay_timed(const struct trace *trace, struct block *blocks,
                                int passes, bool probed);

#endif
