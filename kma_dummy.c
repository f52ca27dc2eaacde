/* kma_dummy.c - a page for each request: the yardstick that every other algorithm
 * has to beat on memory, and the shortest example of the two contracts.
 *
 * The page's last word holds its descriptor, which free_page wants back; the block
 * is the rest, so the largest request fits exactly and blocks are page-aligned.
 *
 *     page  +---------------------------------------------+-------------+
 *           | block: PAGESIZE - sizeof(void *) bytes      | kma_page_t *|
 *           +---------------------------------------------+-------------+
 *
 * No state at all. Cost: one get_page a malloc, one free_page a free. */
#ifdef KMA_DUMMY

#include <stddef.h>
#include "kma.h"
#include "kma_page.h"

enum { MAX_REQUEST = PAGESIZE - sizeof(void *) };

static kma_page_t **descriptor(void *block)
{
    return (kma_page_t **)(void *)((char *)block + MAX_REQUEST);
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    *descriptor(page->ptr) = page;
    return page->ptr;
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    free_page(*descriptor(ptr));
}

/* There is no structure to walk: the audit has nothing to find. */
int kma_audit(void)
{
    return 0;
}

kma_size_t kma_block_size(kma_size_t size)
{
    (void)size;
    return PAGESIZE;
}

kma_size_t kma_usable_size(const void *ptr)
{
    (void)ptr;
    return MAX_REQUEST;
}

#endif
