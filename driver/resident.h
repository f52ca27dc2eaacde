/* resident.h - memory figures from the resident set of the process, for an allocator that
 * has memory of its own and takes no page from the pool: kma_libc, and what LD_PRELOAD
 * puts in its place. resident.c says what is in these figures and what is not. */
#ifndef KMA_DRIVER_RESIDENT_H
#define KMA_DRIVER_RESIDENT_H

#include "memory.h"

/* To be called before any other replay. Page bytes are those that the resident set has
 * grown by; there are no page counts. The data file goes to `data` unless that is NULL:
 * after the line `0 0 0` one for each moment looked at. The blocks are empty before and
 * after. */
void resident_measure(struct memory *memory, const struct trace *trace,
                      struct blocks *blocks, struct output *data);

#endif
