/* counts.c - the counts of pages at the end of int, which a kernel that runs for long
 * comes to: they stay there. */
#include <stdio.h>
#include "getpage.c"
#include "ram.h"

int main(void)
{
    ram_limit(RAM_PAGES);
    counts.num_requested = INT32_MAX - 1;
    counts.num_freed = INT32_MAX - 1;
    for (int i = 0; i < 3; i++)
        kmfree(kmalloc(1), 1);
    if (page_stats()->num_requested != INT32_MAX ||
        page_stats()->num_freed != INT32_MAX || page_stats()->num_in_use != 0)
        fail("a count runs over");
    if (get_pages(1) != NULL || get_pages(-1) != NULL)
        fail("there is a run of pages");
    kma_page_t *page = get_pages(0);
    if (page == NULL || page->size != PAGESIZE || page_stats()->num_in_use != 1)
        fail("get_pages(0) is not get_page()");
    free_pages(page);
    if (page_stats()->num_in_use != 0)
        fail("free_pages does not give back");
    printf("passed\n");
    return 0;
}
