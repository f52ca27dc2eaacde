/* page_map.h - what the host knows about each page of the process, found from any
 * address: an entry for the runs of pages, and bits about blocks.
 *
 * A tree of three levels by page number. Its leaves come with the first of their pages
 * and stay; they take no memory for pages that were never used, as the kernel gives them
 * theirs when they are touched.
 *
 *     page number    | top | middle | index |          struct leaf
 *                       |       |       |               +----------------------------+
 *     map.top[ ] -------'       |       '-------------> | entry[index]: run, if one  |
 *        '--> middle[ ] --------'                       |   begins or ends here      |
 *                '-------> leaf                         | touched: a bit for a page  |
 *                                                       | ends: a bit for 16 bytes   |
 *                                                       | inner: the same, if needed |
 *                                                       +----------------------------+
 *
 * A run of pages is held, by the algorithm or as a large block of the program, or free.
 * The entries of its first and its last page say so and how long it is; all entries
 * between say NOTHING_HERE, as do those of pages that are not ours.
 *
 * The bit `ends` of the last 16 bytes of each live block makes up for the size that
 * free() is not told, at 1/128 of a page. `inner` marks what aligned_alloc returned when
 * that is not where its block begins. */
#ifndef KMA_HOST_PAGE_MAP_H
#define KMA_HOST_PAGE_MAP_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include "kma_bits.h"
#include "kma_page.h"

enum {
    UNIT = 16, /* bytes; blocks of programs begin and end at multiples of it */
    ADDRESS_BITS = sizeof(void *) == 8 ? 48 : 32,
    PAGE_BITS = ADDRESS_BITS - LOG2_FLOOR(PAGESIZE), /* of a page number */
    LEAF_BITS = MAX_PAGE_ORDER + 1, /* get_pages' runs are in one leaf */
    MIDDLE_BITS = (PAGE_BITS - LEAF_BITS) / 2,
    TOP_BITS = PAGE_BITS - LEAF_BITS - MIDDLE_BITS,
    LEAF_PAGES = 1 << LEAF_BITS,
    LEAF_BYTES = LEAF_PAGES * PAGESIZE,
    UNIT_WORDS = LEAF_BYTES / UNIT / 64,
    TOUCHED_WORDS = LEAF_PAGES / 64
};

enum run_state { NOTHING_HERE, RUN_FREE, RUN_OF_ALGORITHM, RUN_LARGE };

struct page_entry {
    union {
        kma_page_t page; /* of a run that the algorithm holds */
        struct {
            struct page_entry *next, *prev; /* free runs of like length, in a list */
            char *start;                    /* of this run */
        };
    };
    uint32_t length; /* pages */
    uint32_t state;  /* enum run_state */
};

struct leaf {
    uintptr_t number; /* that of its first page / LEAF_PAGES */
    uint64_t *inner;  /* a bit for each UNIT; NULL: none is set */
    uint64_t touched[TOUCHED_WORDS];
    struct page_entry entry[LEAF_PAGES];
    uint64_t ends[UNIT_WORDS];
};

struct page_map {
    struct leaf *recent; /* that was looked up last, or NULL */
    struct leaf **top[1 << TOP_BITS];
};

extern struct page_map page_map;

static inline uintptr_t number_of_page(const void *ptr)
{
    return (uintptr_t)ptr / PAGESIZE;
}

/* The leaf for an address, looked up from the top. NULL: none. */
struct leaf *page_map_find(const void *ptr);

/* Makes the leaves for `pages` pages from `start` on. FALSE: no memory. */
int page_map_add(const void *start, size_t pages);

static inline struct leaf *leaf_of(const void *ptr)
{
    struct leaf *recent = __atomic_load_n(&page_map.recent, __ATOMIC_ACQUIRE);
    if (recent != NULL && recent->number == (uintptr_t)ptr / LEAF_BYTES)
        return recent;
    return page_map_find(ptr);
}

/* The entry of the page in which ptr lies; NULL when nothing near it was ever ours. */
static inline struct page_entry *entry_of(const void *ptr)
{
    struct leaf *leaf = leaf_of(ptr);
    return leaf == NULL ? NULL : &leaf->entry[number_of_page(ptr) % LEAF_PAGES];
}

static inline enum run_state state_at(const void *ptr)
{
    const struct page_entry *entry = entry_of(ptr);
    return entry == NULL ? NOTHING_HERE : (enum run_state)entry->state;
}

/* ---- the ends of live blocks, which never leave their leaf */

static inline size_t unit_of(const void *ptr)
{
    return (uintptr_t)ptr % LEAF_BYTES / UNIT;
}

/* By who holds the lock; who has a block reads its bits without. */
static inline void flip_bit(uint64_t *bits, size_t unit)
{
    uint64_t flipped = bits[unit / 64] ^ (uint64_t)1 << unit % 64;
    __atomic_store_n(&bits[unit / 64], flipped, __ATOMIC_RELAXED);
}

/* A block of `size` bytes, a multiple of UNIT, begins at ptr. */
static inline void mark_end(const void *ptr, size_t size)
{
    flip_bit(leaf_of(ptr)->ends, unit_of(ptr) + size / UNIT - 1);
}

/* The unit in which the block that begins at ptr ends. */
static inline size_t last_unit(const struct leaf *leaf, const void *ptr)
{
    size_t unit = unit_of(ptr), word = unit / 64;
    uint64_t bits = __atomic_load_n(&leaf->ends[word], __ATOMIC_RELAXED);
    bits = bits >> unit % 64 << unit % 64;
    while (bits == 0)
        bits = __atomic_load_n(&leaf->ends[++word], __ATOMIC_RELAXED);
    return word * 64 + (size_t)lowest_bit(bits);
}

/* The size of the block that begins at ptr, as it was marked. */
static inline size_t marked_size(const void *ptr)
{
    return (last_unit(leaf_of(ptr), ptr) - unit_of(ptr) + 1) * UNIT;
}

/* The same, and the mark is taken away. */
static inline size_t unmark_end(const void *ptr)
{
    struct leaf *leaf = leaf_of(ptr);
    size_t last = last_unit(leaf, ptr);
    flip_bit(leaf->ends, last);
    return (last - unit_of(ptr) + 1) * UNIT;
}

#endif
