/* A course's page allocator: every page is an allocation of its own, ids only grow, and
 * the descriptor dies with its page. */
#include <stdlib.h>
#include "kma.h"
#include "kma_page.h"

static kma_page_stat_t stats = {0, 0, 0, PAGESIZE};

kma_page_t *get_page()
{
    kma_page_t *page = malloc(sizeof *page);
    page->id = stats.num_requested++;
    page->size = PAGESIZE;
    if (posix_memalign(&page->ptr, PAGESIZE, PAGESIZE) != 0)
        error("no memory for", "a page");
    stats.num_in_use++;
    return page;
}

void free_page(kma_page_t *page)
{
    free(page->ptr);
    free(page);
    stats.num_freed++;
    stats.num_in_use--;
}

kma_page_stat_t *page_stats()
{
    static kma_page_stat_t copy;
    copy = stats;
    return &copy;
}
