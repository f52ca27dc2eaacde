/* memory.h - the memory figures of a trace under an algorithm, from a replay of their
 * own: the same on every run. */
#ifndef KMA_DRIVER_MEMORY_H
#define KMA_DRIVER_MEMORY_H

#include "replay.h"

/* Bytes after an event, or a sum of such. occupied - requested is internal waste,
 * paged - occupied is external waste and control data. */
struct memory_bytes {
    uint64_t requested;
    uint64_t occupied; /* by blocks; equal to requested without a kma_block_size */
    uint64_t paged;
};

/* Pages that came and went during one call. */
struct memory_traffic {
    uint16_t got;
    uint16_t freed;
};

struct memory {
    struct page_counts counts;
    int peak_pages;           /* in use at once, in the middle of a call too */
    bool knows_occupied;      /* the algorithm has a kma_block_size */
    uint64_t peak_requested;  /* bytes */
    struct memory_bytes peak; /* after the first event with the most page bytes */
    size_t moments;           /* events after which something is allocated */
    struct memory_bytes sum;  /* over the moments */
    double utilization;       /* means over the moments */
    double penalty;
    double ideal_penalty;           /* of ceil(requested / PAGESIZE) pages */
    struct memory_traffic *traffic; /* by event, if asked for */
};

/* The blocks are empty before and after. */
void memory_measure(struct memory *memory, const struct trace *trace,
                    struct block *blocks, bool with_traffic);

/* Pages that a packer without any waste would need. */
uint64_t memory_ideal_pages(uint64_t requested);

void memory_release(struct memory *memory);

#endif
