/* kma_page.h - the lower contract: where an allocation algorithm gets its pages.
 *
 * A page source hands out single pages of PAGESIZE bytes, aligned to PAGESIZE, and
 * runs of 1 << order pages that adjoin, aligned to their length. It may place them
 * anywhere: two pages got one by one need not be neighbours. The simulated source of
 * the trace driver is kma_page.c; other sources stand behind the same names. */
#ifndef KMA_PAGE_H
#define KMA_PAGE_H

#include <stdint.h>

/* Bytes in a page; a power of two from 4096 to 65536. */
#ifndef PAGESIZE
#define PAGESIZE 8192
#endif

/* The longest run that can be asked for has 1 << MAX_PAGE_ORDER pages. */
#define MAX_PAGE_ORDER 10

/* Pages in the simulated pool, unless its client asks for another number. */
#define MAXPAGES 4096

/* The start of the page in which the address x lies. */
#define BASEADDR(x) ((void *)((uintptr_t)(x) & ~((uintptr_t)(PAGESIZE)-1)))

typedef struct {
    int id;    /* the source's number for this page, the first one of a run */
    void *ptr; /* its first byte, aligned to its size */
    int size;  /* PAGESIZE; of a run, PAGESIZE << order */
} kma_page_t;

typedef struct {
    int num_requested; /* pages handed out since the start, up to INT_MAX */
    int num_freed;     /* pages given back since the start, up to INT_MAX */
    int num_in_use;    /* pages handed out and not given back yet */
    int page_size;     /* PAGESIZE */
} kma_page_stat_t;

/* One page, its contents undefined, or NULL when there is none left. The
 * descriptor belongs to the page source and is valid until free_page. */
kma_page_t *get_page(void);

/* Gives back a page got from get_page, once. */
void free_page(kma_page_t *page);

/* A run of 1 << order pages, its contents undefined, with one descriptor; or NULL when
 * no run of that length is left, and for orders other than 0 to MAX_PAGE_ORDER.
 * get_pages(0) is get_page(). */
kma_page_t *get_pages(int order);

/* Gives back, once and as a whole, what get_pages, or get_page, returned. */
void free_pages(kma_page_t *pages);

/* The counts as they stand, in pages, of runs too; the pointer stays valid. */
kma_page_stat_t *page_stats(void);

#endif
