/* kma_buddy.h - the geometry that the buddy algorithms share: orders, granules, and
 * the bitmap that says which granules of a page are free.
 *
 * A block of order k is MIN_BLOCK << k bytes at a multiple of its size in its page.
 * Its buddy is the other half of the block of order k + 1 around it: their offsets
 * differ in one bit. A page is a block of order TOP_ORDER.
 *
 * The map of a page has one bit a granule (MIN_BLOCK bytes), set while the granule is
 * busy. A free block is always as large as it can be (its buddy is not wholly free,
 * or they would be one), so when every granule of a block's buddy is free, the buddy
 * is one free block of the very same order: the map alone answers what Knuth asks of
 * the TAG and KVAL fields. */
#ifndef KMA_BUDDY_H
#define KMA_BUDDY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_list.h"

enum {
    MIN_SHIFT = 5,
    MIN_BLOCK = 1 << MIN_SHIFT,
    GRANULES = PAGESIZE / MIN_BLOCK, /* in a page */
    TOP_ORDER = 31 - __builtin_clz(GRANULES),
    ORDERS = TOP_ORDER + 1,
    WORD_BITS = 64,
    WORD_ORDER = 6, /* a block of this order has WORD_BITS granules */
    WORDS = GRANULES / WORD_BITS,
    MAX_REQUEST = PAGESIZE - sizeof(void *)
};

struct granule_map {
    uint64_t busy[WORDS];
};

static_assert(MIN_BLOCK >= sizeof(struct link), "a free block holds its link");
static_assert(TOP_ORDER >= WORD_ORDER, "a page's bitmap is whole words");

/* The least order whose blocks hold `size` bytes, 1 <= size <= PAGESIZE. */
static inline int order_of(kma_size_t size)
{
    unsigned last = (unsigned)(size - 1) >> MIN_SHIFT;
    return last == 0 ? 0 : 32 - __builtin_clz(last);
}

static inline size_t granule_of(const void *ptr)
{
    return ((uintptr_t)ptr & (PAGESIZE - 1)) >> MIN_SHIFT;
}

/* The block at a granule of the page in which ptr lies. */
static inline void *block_beside(void *ptr, size_t granule)
{
    return (char *)BASEADDR(ptr) + (granule << MIN_SHIFT);
}

/* The bits of a block of at most WORD_ORDER in its word of the bitmap. */
static inline uint64_t block_mask(size_t granule, int order)
{
    uint64_t ones = ~(uint64_t)0 >> (WORD_BITS - (1 << order));
    return ones << (granule % WORD_BITS);
}

static inline void mark_busy(struct granule_map *map, size_t granule, int order)
{
    uint64_t *word = &map->busy[granule / WORD_BITS];
    if (order <= WORD_ORDER) {
        *word |= block_mask(granule, order);
    } else {
        for (int i = 0; i < 1 << (order - WORD_ORDER); i++)
            word[i] = ~(uint64_t)0;
    }
}

static inline void mark_free(struct granule_map *map, size_t granule, int order)
{
    uint64_t *word = &map->busy[granule / WORD_BITS];
    if (order <= WORD_ORDER) {
        *word &= ~block_mask(granule, order);
    } else {
        for (int i = 0; i < 1 << (order - WORD_ORDER); i++)
            word[i] = 0;
    }
}

/* Whether every granule of the block is free. */
static inline bool is_free(const struct granule_map *map, size_t granule, int order)
{
    const uint64_t *word = &map->busy[granule / WORD_BITS];
    if (order <= WORD_ORDER)
        return (*word & block_mask(granule, order)) == 0;
    uint64_t any = 0;
    for (int i = 0; i < 1 << (order - WORD_ORDER); i++)
        any |= word[i];
    return any == 0;
}

/* How many granules of the block are busy; for audits. */
static inline size_t busy_granules(const struct granule_map *map, size_t granule,
                                   int order)
{
    size_t count = 0;
    for (size_t i = granule; i < granule + ((size_t)1 << order); i++)
        count += map->busy[i / WORD_BITS] >> (i % WORD_BITS) & 1;
    return count;
}

#endif
