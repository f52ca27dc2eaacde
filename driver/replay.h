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
};

/* A block for each slot that the trace has had so far. */
struct blocks {
    struct block *at;
    size_t room; /* 0: none yet */
};

void replay_release_blocks(struct blocks *blocks);

/* Before a replay: back to the first event, with a place for each block of a held trace.
 * Like replay_next it ends the run when the trace cannot be read or for want of memory. */
void replay_begin(struct trace *trace, struct blocks *blocks);

/* The next chunk of events, with a place for each of its blocks; false at the end. */
bool replay_next(struct trace *trace, struct blocks *blocks, struct chunk *chunk);

/* What messages call the block of an event: its id in a text, its slot otherwise. */
static inline unsigned long replay_id(const struct trace *trace, uint64_t event,
                                      uint32_t slot)
{
    return trace->ids != NULL ? trace->ids[event] : slot;
}

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
                     struct blocks *blocks);

/* Between two replays: frees what the trace left allocated. The run fails if any page
 * is held after that: the next replay would not be the same as this one. */
void replay_empty(const struct trace *trace, struct blocks *blocks);

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

/* The request of event number `number` got NULL, just now, which it must not. */
_Noreturn void replay_fail_null(const struct trace *trace, uint64_t number,
                                const struct event *event);

/* Page counts as they stand after the last event. */
struct page_counts {
    int requested;
    int freed;
    int in_use;
};

/* With every check, an audit every `audit_every` events unless that is 0, and the data
 * file in `data` unless that is NULL. `own_memory`: blocks may lie outside the pool. */
struct page_counts replay_checked(struct trace *trace, struct blocks *blocks,
                                  long audit_every, bool own_memory,
                                  struct output *data);

/* Nothing but the calls, once, and the frees of what the trace leaves. */
void replay_once(struct trace *trace, struct blocks *blocks);

struct replay_time {
    int passes;
    double least; /* seconds */
    double median;
    double probe; /* ns, see probe.h; 0: not probed */
};

/* Nothing but the calls, timed, `passes` times. `probed`: with the probe of probe.h
 * between them. */
struct replay_time replay_timed(struct trace *trace, struct blocks *blocks, int passes,
                                bool probed);

#endif
