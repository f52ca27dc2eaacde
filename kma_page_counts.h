/* kma_page_counts.h - the counts of a page source, as kma_page_stat_t has them. */
#ifndef KMA_PAGE_COUNTS_H
#define KMA_PAGE_COUNTS_H

#include "kma_page.h"

/* A count that has reached its most stays there. */
static inline void count_pages(int *counter, int pages)
{
    if (__builtin_add_overflow(*counter, pages, counter))
        *counter = INT32_MAX;
}

static inline void count_got(kma_page_stat_t *stats, int pages)
{
    count_pages(&stats->num_requested, pages);
    stats->num_in_use += pages;
}

static inline void count_freed(kma_page_stat_t *stats, int pages)
{
    count_pages(&stats->num_freed, pages);
    stats->num_in_use -= pages;
}

#endif
