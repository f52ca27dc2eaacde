/* single_pages.h - kma_page.h over a kernel that hands out one page at a time.
 *
 * Included once, by an adapter, which defines before it
 *     GETPAGE()          the address of a page, a multiple of PAGESIZE, or 0
 *     FREEPAGE(address)  takes such a page back
 * and after it error(). Neither macro may end up in kma_malloc or kma_free.
 *
 * A page belongs to the algorithm down to its last byte, so its descriptor must lie
 * elsewhere: now and then a page is cut up into descriptors. Those that describe no page
 * are in a list, and stay there until they are needed again:
 *
 *     spare -> | ptr | -> | ptr | -> | ptr | -> NULL
 *
 * So of all pages got from GETPAGE those of descriptors are never given back: one for each
 * PAGESIZE / sizeof(kma_page_t) pages that were held at a time, and at most one more,
 * when no page was left behind it. */
#ifndef KMA_PORT_SINGLE_PAGES_H
#define KMA_PORT_SINGLE_PAGES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include "kma.h"
#include "kma_page.h"

static kma_page_t *spare; /* linked through ptr */
static kma_page_stat_t counts = {.page_size = PAGESIZE};

static void cut_descriptors(void)
{
    kma_page_t *cut = (void *)GETPAGE();
    for (size_t i = 0; cut != NULL && i < PAGESIZE / sizeof *cut; i++) {
        cut[i].ptr = spare;
        spare = &cut[i];
    }
}

kma_page_t *get_page(void)
{
    if (spare == NULL)
        cut_descriptors();
    void *start = spare != NULL ? (void *)GETPAGE() : NULL;
    if (start == NULL)
        return NULL;
    kma_page_t *page = spare;
    spare = page->ptr;
    *page = (kma_page_t){(int)((uintptr_t)start / PAGESIZE), start, PAGESIZE};
    counts.num_requested += counts.num_requested < INT32_MAX;
    counts.num_in_use++;
    return page;
}

void free_page(kma_page_t *page)
{
    void *start = page->ptr;
    page->ptr = spare;
    spare = page;
    counts.num_freed += counts.num_freed < INT32_MAX;
    counts.num_in_use--;
    FREEPAGE(start);
}

/* There are no runs of pages that adjoin. */
kma_page_t *get_pages(int order)
{
    return order == 0 ? get_page() : NULL;
}

void free_pages(kma_page_t *pages)
{
    free_page(pages);
}

kma_page_stat_t *page_stats(void)
{
    return &counts;
}

/* What to ask kma_malloc for, and to tell kma_free, instead of `size`. kma_slab alone
 * would put blocks of these sizes by threes into two pages that adjoin; they get a page
 * each instead. The adapter must be compiled with -DKMA_SLAB, too. */
static inline kma_size_t single_page_size(kma_size_t size)
{
#ifdef KMA_SLAB
    if (size > PAGESIZE / 2 && size <= PAGESIZE * 2 / 3)
        return PAGESIZE * 2 / 3 + 1;
#endif
    return size;
}

/* What the assert of kernel/include/assert.h calls. */
#ifndef NDEBUG
void __assert_fail(const char *condition, const char *file, unsigned line,
                   const char *function)
{
    (void)line, (void)function;
    error((char *)condition, (char *)file);
    for (;;) {
    }
}
#endif

#endif
