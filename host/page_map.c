/* page_map.c - the upper levels of the page map. */

#include "page_map.h"
#include "page_source.h"

struct page_map page_map;

/* The bits of a page number above the index in the leaf, split in two. */
static inline uintptr_t middle_index(uintptr_t number)
{
    return number & (((uintptr_t)1 << MIDDLE_BITS) - 1);
}

static inline uintptr_t top_index(uintptr_t number)
{
    return number >> MIDDLE_BITS;
}

struct leaf *page_map_find(const void *ptr)
{
    uintptr_t number = (uintptr_t)ptr / LEAF_BYTES;
    if (top_index(number) >> TOP_BITS != 0)
        return NULL;
    struct leaf **middle = page_map.top[top_index(number)];
    struct leaf *leaf = middle == NULL ? NULL : middle[middle_index(number)];
    if (leaf != NULL)
        __atomic_store_n(&page_map.recent, leaf, __ATOMIC_RELEASE);
    return leaf;
}

static int add_leaf(uintptr_t number)
{
    if (top_index(number) >> TOP_BITS != 0)
        return 0;
    struct leaf ***middle = &page_map.top[top_index(number)];
    if (*middle == NULL)
        *middle = map_zeroes(NULL, sizeof(struct leaf *) << MIDDLE_BITS);
    if (*middle == NULL)
        return 0;
    struct leaf **leaf = &(*middle)[middle_index(number)];
    if (*leaf != NULL)
        return 1;
    *leaf = map_zeroes(NULL, sizeof **leaf);
    if (*leaf == NULL)
        return 0;
    (*leaf)->number = number;
    return 1;
}

int page_map_add(const void *start, size_t pages)
{
    uintptr_t first = (uintptr_t)start / LEAF_BYTES;
    uintptr_t last = ((uintptr_t)start + pages * PAGESIZE - 1) / LEAF_BYTES;
    for (uintptr_t number = first; number <= last; number++) {
        if (!add_leaf(number))
            return 0;
    }
    return 1;
}
