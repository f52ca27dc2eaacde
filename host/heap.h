/* heap.h - the heap of a program: blocks of any size and alignment, from the algorithm
 * where it can and in whole pages where it cannot. None of this is locked, and nothing
 * changes errno. */
#ifndef KMA_HOST_HEAP_H
#define KMA_HOST_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include "kma.h"

/* Before anything else here, and after pages_open. */
void heap_open(void);

/* `bytes` bytes or more, aligned to 16, contents undefined. NULL: no memory. */
void *heap_malloc(size_t bytes);

/* Requests of as many units get blocks of the same size; more than a page has: for
 * requests that the algorithm does not serve. */
size_t heap_units(size_t bytes);

/* As heap_malloc, all of it zero. */
void *heap_calloc(size_t bytes);

/* As heap_malloc, aligned to a power of two, contents undefined. */
void *heap_aligned(size_t alignment, size_t bytes);

/* Frees a block from any of these. */
void heap_free(void *block);

/* Makes a block one of `bytes` bytes, not 0, where it is if it has the room or what is
 * behind it can be had; otherwise at a new place, aligned to 16. NULL: no memory, the
 * old block is as it was. */
void *heap_realloc(void *block, size_t bytes);

/* Whether a block is known to hold so many bytes. The only function here that may be called
 * without the lock, by the thread that has the block. */
bool heap_fits(const void *block, size_t bytes);

/* The bytes that a block can hold. */
size_t heap_usable_size(void *block);

/* What heap_free would do with any address; KMA_FREED: it would free a block. What
 * addresses inside of its own pages are, not all algorithms can tell. */
enum kma_free_result heap_what_is(void *ptr);

#endif
