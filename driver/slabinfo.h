/* slabinfo.h - the object caches of an allocator that has some, in the middle of a trace. */
#ifndef KMA_DRIVER_SLABINFO_H
#define KMA_DRIVER_SLABINFO_H

#include "replay.h"

/* Before anything is replayed: refuses an algorithm without the object caches of
 * kma_slab.h, and the number of an event that the held trace does not have. A number of 0
 * becomes that of the last event. */
void slabinfo_prepare(const char *program, const struct trace *trace, uint64_t *after);

/* Replays a held trace up to the event with the number `after`, counted from 1, and
 * prints the caches in the columns of /proc/slabinfo. The blocks are empty before and
 * after. */
void slabinfo_print(const struct trace *trace, struct blocks *blocks, uint64_t after);

#endif
