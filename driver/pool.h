/* pool.h - the simulated page source as its owner, the driver, sees it: how large
 * it is, which pages are held, and who is told when pages come and go. The
 * algorithms see kma_page.h alone. */
#ifndef KMA_DRIVER_POOL_H
#define KMA_DRIVER_POOL_H

#include "../kma_page.h"

/* Told about traffic between the algorithm and the pool; any member may be NULL. */
struct pool_observer {
    void (*got)(const kma_page_t *page);
    void (*freed)(const kma_page_t *page); /* before the page's bytes are poisoned */
    /* `page` may be any value; `why` is a phrase such as "is not held". Must not
     * return. Without it such a call ends the run through error(). */
    void (*bad_free)(const void *page, const char *why);
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

/* The held page in which ptr lies, or NULL. O(1). */
const kma_page_t *pool_page_of(const void *ptr);

#endif
