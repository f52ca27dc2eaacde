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

/* Between two replays: frees what the trace left allocated. The run fails if any page
 * is held after that: the next replay would not be the same as this one. */
void replay_empty(const struct trace *trace, struct block *blocks);

/* Keeps the process on the CPU that it is on, where that is allowed. */
void replay_pin(void);

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
 * file in `data` unless that is NULL. */
struct page_counts replay_checked(const struct trace *trace, struct block *blocks,
                                  long audit_every, struct output *data);

struct replay_time {
    int passes;
    double least; /* seconds */
    double median;
};

/* Nothing but the calls, timed, `passes` times. */
struct replay_time replay_timed(const struct trace *trace, struct block *blocks,
                                int passes);

#endif
