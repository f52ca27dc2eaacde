/* check.h - the oracle of correctness mode: what an allocator must and must not do.
 *
 * It fills every block with a pattern of its own and knows which bytes of each page
 * are live, and it watches the pages come and go. Every breach ends the run through
 * run_fail, at the event where it can first be seen. */
#ifndef KMA_DRIVER_CHECK_H
#define KMA_DRIVER_CHECK_H

#include "replay.h"

/* From here on the pool is poisoned and watched, until check_end. `own_memory`: blocks
 * may lie outside the pool, where their alignment and contents are all that is checked. */
void check_begin(const struct trace *trace, const struct blocks *blocks,
                 bool own_memory);

/* To be called before the first event with a slot of `slots` - 1 or above. */
void check_room(uint32_t slots);

/* After the kma_malloc of event number `event`, whose outcome is in *block. */
void check_request(const struct block *block, uint64_t event);

/* Around the kma_free of a live block. */
void check_before_free(const struct block *block);
void check_after_free(void);

void check_end(void);

#endif
