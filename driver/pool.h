/* pool.h - the simulated page source as its owner, the driver, sees it: how large
 * it is, which pages are held, and who is told when pages come and go. The
 * algorithms see kma_page.h alone. */
#ifndef KMA_DRIVER_POOL_H
#define KMA_DRIVER_POOL_H

#include "../kma_page.h"

/* Told about traffic between the algorithm and the pool; any member may be NULL. A run
 * of pages comes and goes as one, with page->size its length in bytes. The descriptor
 * is as the pool filled it in, whatever the algorithm wrote there since. */
struct pool_observer {
    void (*got)(const kma_page_t *page);
    void (*freed)(const kma_page_t *page); /* before its bytes are poisoned */
    /* `call` is free_page or free_pages, `page` any value, `why` a phrase such as "is
     * free already". Must not return. Without it such a call ends the run through
     * error(). */
    void (*bad_free)(const char *call, const void *page, const char *why);
};

/* The largest pool: the span of page numbers that fits the address space. */
#define POOL_MAX_PAGES (sizeof(void *) > 4 ? (1 << 28) : (1 << 30) / PAGESIZE)

/* Sets the number of pages, 1 to POOL_MAX_PAGES, and drops all pages held and all
 * counts. Returns 0, or -1 with errno when the address range cannot be had. A
 * client that never calls this gets MAXPAGES pages. */
int pool_open(int max_pages);

/* Fill pages with a pattern as they are handed out and given back, so that an
 * algorithm that trusts either content is found out. Off at first. */
void pool_set_poison(int on);

void pool_set_observer(const struct pool_observer *observer);

/* Has the kernel back the first `pages` pages with memory now, so that a timed
 * replay does not pay for the host's page faults. A hint: failure is ignored. */
void pool_warm(int pages);

int pool_max_pages(void);

/* How many pages the last call for pages asked for in vain, and how many were in use
 * then. 0 wanted: it was served. */
struct pool_miss {
    int wanted;
    int in_use;
};

struct pool_miss pool_miss(void);

/* The descriptor of the held page, or of the run of pages, in which ptr lies, or NULL.
 * O(1). */
const kma_page_t *pool_page_of(const void *ptr);

#endif
