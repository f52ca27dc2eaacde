/* kma_page.h - the lower contract: where an allocation algorithm gets its pages.
 *
 * A page source hands out single pages of PAGESIZE bytes, aligned to PAGESIZE. It
 * may place them anywhere: two pages need not be neighbours. The simulated source
 * of the trace driver is kma_page.c; other sources stand behind the same names. */
#ifndef KMA_PAGE_H
#define KMA_PAGE_H

#include <stdint.h>

/* Bytes in a page; a power of two from 4096 to 65536. */
#ifndef PAGESIZE
#define PAGESIZE 8192
#endif

/* Pages in the simulated pool, unless its client asks for another number. */
#define MAXPAGES 4096

/* The start of the page in which the address x lies. */
#define BASEADDR(x) ((void *)((uintptr_t)(x) & ~((uintptr_t)(PAGESIZE)-1)))

typedef struct {
    int id;    /* the source's number for this page */
    void *ptr; /* its first byte, aligned to PAGESIZE */
    int size;  /* PAGESIZE */
} kma_page_t;

typedef struct {
    int num_requested; /* pages handed out since the start */
    int num_freed;     /* pages given back since the start */
    int num_in_use;    /* the difference */
    int page_size;     /* PAGESIZE */
} kma_page_stat_t;

/* One page, its contents undefined, or NULL when there is none left. The
 * descriptor belongs to the page source and is valid until free_page. */
kma_page_t *get_page(void);

/* Gives back a page got from get_page, once. */
void free_page(kma_page_t *page);

/* The counts as they stand; the pointer stays valid. */
kma_page_stat_t *page_stats(void);

#endif
