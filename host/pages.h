/* pages.h - the pages of a process: kma_page.h for the algorithm, and runs of any length
 * for the blocks that are too large for it. None of this is locked. */
#ifndef KMA_HOST_PAGES_H
#define KMA_HOST_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include "kma.h"
#include "page_map.h"
#include "page_source.h"

/* Before anything else here. */
void pages_open(const struct page_source *source);

/* A run of `pages` pages that begins at a multiple of `alignment` pages, a power of two;
 * in *zeroes whether all of it is known to be zero. NULL: there is none. */
void *run_get(size_t pages, size_t alignment, bool *zeroes);

/* Gives back what run_get returned. */
void run_free(void *run);

/* Makes a run shorter, which always works, or longer where it is, if what is behind it
 * is free or can be got. */
bool run_resize(void *run, size_t pages);

/* The pages of a run that run_get returned; 0 for any other address. */
size_t run_pages(const void *run);

/* In what kind of run an address lies; it may be any. */
enum run_state run_around(const void *ptr);

/* What an address is to who would free it; KMA_FREED: a run that run_get returned. FALSE:
 * it is in pages that the algorithm holds. */
bool run_tells(const void *ptr, enum kma_free_result *what);

/* Pages that are held, by the algorithm and as runs. */
size_t pages_held(void);

/* Walks all free runs and returns the number of invariants found broken. */
int pages_audit(void);

#endif
