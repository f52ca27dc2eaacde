/* operations.h - what each call did: pages moved and, in a counted build, the splits,
 * joins and steps that the algorithm has marked (kma_count.h). */
#ifndef KMA_DRIVER_OPERATIONS_H
#define KMA_DRIVER_OPERATIONS_H

#include "memory.h"

/* A line for each event with a call: index, command, size, pages got, pages freed,
 * splits, joins, steps; "-" for each of the last three when they are not counted.
 * *memory is measured with calls, the blocks are empty. */
void operations_write(const struct memory *memory, const struct trace *trace,
                      struct blocks *blocks, struct output *output);

#endif
