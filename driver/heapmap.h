/* heapmap.h - how full each page is as the trace goes on: a picture with pages from
 * bottom to top and events from left to right, from a replay of its own. */
#ifndef KMA_DRIVER_HEAPMAP_H
#define KMA_DRIVER_HEAPMAP_H

#include "memory.h"

/* First a line `columns rows pages_per_row page_size`. Then a line for each column: the
 * index of the event that it is after, and for each row, that of page 0 first, "-" when
 * none of its pages is held, else the requested bytes that live in those held, per mille
 * of their bytes. The run is refused when the algorithm serves from other memory than
 * the pool's. *memory is measured, the blocks are empty before and after. */
void heapmap_write(const struct memory *memory, const struct trace *trace,
                   struct blocks *blocks, struct output *output);

#endif
