/* memory.h - the memory figures of a trace under an algorithm, from a replay of their
 * own: the same on every run. */
#ifndef KMA_DRIVER_MEMORY_H
#define KMA_DRIVER_MEMORY_H

#include "../kma_count.h"
#include "replay.h"

/* Bytes after an event, or a sum of such. occupied - requested is internal waste,
 * paged - occupied is external waste and control data. */
struct memory_bytes {
    uint64_t requested;
    uint64_t occupied; /* by blocks; equal to requested without a kma_block_size */
    uint64_t paged;
};

/* What the call of one event did. */
struct memory_call {
    bool made; /* false for the FREE of what was too large to be served */
    uint16_t pages_got;
    uint16_t pages_freed;
#ifdef KMA_COUNTED
    uint32_t counts[KMA_COUNTS];
#endif
};

struct memory {
    struct page_counts counts;
    int peak_pages;           /* in use at once, in the middle of a call too */
    int span;                 /* the highest page number in use, plus 1 */
    char *first_page;         /* where page number 0 lies; NULL: none was in use */
    bool knows_occupied;      /* the algorithm has a kma_block_size */
    uint64_t peak_requested;  /* bytes */
    struct memory_bytes peak; /* after the first event with the most page bytes */
    size_t samples;           /* of the resident set; 0 when pages are counted */
    uint64_t moments;         /* events after which something is allocated */
    struct memory_bytes sum;  /* over the moments */
    double utilization;       /* means over the moments */
    double penalty;
    double ideal_penalty;      /* of ceil(requested / PAGESIZE) pages */
    struct memory_call *calls; /* by event, if asked for */
};

/* The blocks are empty before and after. `with_calls`: of a held trace. */
void memory_measure(struct memory *memory, struct trace *trace, struct blocks *blocks,
                    bool with_calls);

/* The same figures from another source of bytes: first a note of every moment, then the
 * means. */
void memory_note(struct memory *memory, const struct memory_bytes *now);
void memory_take_means(struct memory *memory);

/* Pages that a packer without any waste would need. */
uint64_t memory_ideal_pages(uint64_t requested);

void memory_release(struct memory *memory);

#endif
