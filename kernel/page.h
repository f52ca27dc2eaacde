/* page.h - the physical pages as the kernel, their owner, sees them. The algorithms see
 * kma_page.h alone. */
#ifndef KMA_KERNEL_PAGE_H
#define KMA_KERNEL_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include "kma_page.h"

/* Takes over all RAM that machine_memory tells of. To be called once, before all others. */
void pages_open(void);

/* Sets aside RAM that no client will get, `bytes` from the end of the largest zone,
 * aligned to a page. NULL when that has no room. To be called before the first page is
 * handed out. */
void *pages_reserve(size_t bytes);

/* Pages that there are. */
int pages_total(void);

/* Of these, how many come first and lie as in a simulated pool: as long as no more of them
 * are in use, a client gets the same pages as there. */
int pages_as_simulated(void);

/* Pages in use may not become more than that, as if the RAM ended there. 0: no limit. */
void pages_limit(int most);

/* Fills pages with a pattern as they come and go: who trusts in what a page holds at first,
 * or in what it held, is found out. Off at first. */
void pages_poison(bool on);

/* The most pages in use at once since the last call. */
int pages_peak(void);

/* All bytes from `start` on are in one page, or run of pages, that is held. */
bool pages_hold(const void *start, size_t size);

/* Prints where the RAM is. */
void pages_print(void);

#endif
