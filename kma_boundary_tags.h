/* kma_boundary_tags.h - a page cut up into blocks that know their neighbours, and the
 * bits that tell what any address in it is.
 *
 *      start bits,      blocks: each begins with a tag and reaches to the next one
 *      2 to a granule
 *     +------------+---+---+------------+---+------------+---+- - -+---+-------+---+
 *     | live       |///|tag|    live    |tag|    free    |tag|     |tag| live  |end|
 *     | returned   |///|   |    block   |   |    block   |   |     |   | block |tag|
 *     +------------+---+---+------------+---+------------+---+- - -+---+-------+---+
 *                          ^              '-- size of the free block, and of the live
 *                          what malloc        one before it
 *                          returned
 *
 * Sizes are in bytes, the tag's four included, and multiples of a granule, so that what
 * lies behind a tag is aligned. The lowest bit of a tag's size is the owner's, the same
 * in all tags of a page. Behind the tag of a free block is a link (kma_list.h).
 *
 * Whether a block is live is not in its tag, but in a bit of the granule in which the
 * tag lies. A second bit says that a live block has begun there since the page came. So
 * an address is sorted out by the nearest live bit before it and the size in that
 * block's tag, whatever clients wrote into their blocks.
 *
 * Invariants (tags_audit):
 *   B1  the blocks lie in a row from the first tag to the end tag, none smaller than a
 *       free block has to be; each tag has the size of the block before, the first has
 *       0 there, and the end tag has size 0;
 *   B2  all tags of a page have the same owner's bit;
 *   B3  the live bits are those of the live blocks and the end tag; the returned bit of
 *       a live block is set, and none where no block can begin;
 *   B4  no two free blocks adjoin. */
#ifndef KMA_BOUNDARY_TAGS_H
#define KMA_BOUNDARY_TAGS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_list.h"

struct tag {
    uint16_t size;   /* of the block that begins here; 0: the end; | the owner's bit */
    uint16_t before; /* size of the block that ends here; 0: the blocks begin here */
};

enum {
    GRANULE = 8,
    ALIGNMENT = 16, /* bytes */
    GRANULES = PAGESIZE / GRANULE,
    WORD_BITS = 8 * sizeof(uintptr_t),
    TAG_BYTES = sizeof(struct tag),
    MIN_BLOCK = (TAG_BYTES + sizeof(struct link) + GRANULE - 1) / GRANULE * GRANULE
};

/* Two bits for each of as many granules as a word has bits, the lowest first. */
struct starts {
    uintptr_t live;     /* the tag of a live block, or the end tag, is here */
    uintptr_t returned; /* the tag of a live block has been here */
};

struct tagged_page {
    struct starts starts[GRANULES / WORD_BITS];
};

static_assert(TAG_BYTES == GRANULE / 2, "the first tag and the end tag make a granule");
static_assert(PAGESIZE - 1 <= UINT16_MAX, "a tag has room for any size");

/* The bytes for blocks in a page that begins with `header` bytes of other things. What
 * lies behind a tag is aligned to ALIGNMENT as long as all blocks are multiples of it. */
#define BLOCK_BYTES(header) \
    ((PAGESIZE - GRANULE - (int)(header)) / ALIGNMENT * ALIGNMENT)

static inline struct link *link_of(struct tag *tag)
{
    return (void *)(tag + 1);
}

static inline struct tag *tag_of(const void *ptr)
{
    return (struct tag *)ptr - 1;
}

static inline unsigned size_of(const struct tag *tag)
{
    return tag->size & ~1u;
}

static inline unsigned owner_bit(const struct tag *tag)
{
    return tag->size & 1u;
}

static inline struct tag *tag_after(struct tag *tag)
{
    return (void *)((char *)tag + size_of(tag));
}

static inline struct tag *tag_before(struct tag *tag)
{
    return (void *)((char *)tag - tag->before);
}

/* The tag that has so many bytes of blocks between it and the end tag. */
static inline struct tag *tag_from_end(void *page, size_t bytes)
{
    return (void *)((char *)page + PAGESIZE - TAG_BYTES - bytes);
}

/* Writes down the size of a block, on both of its sides. */
static inline void set_size(struct tag *tag, unsigned size)
{
    tag->size = (uint16_t)(size | owner_bit(tag));
    tag_after(tag)->before = (uint16_t)size;
}

/* Makes the first `size` bytes of a block a block, and returns the rest, one too. */
static inline struct tag *split_block(struct tag *tag, unsigned size)
{
    unsigned rest = size_of(tag) - size, bit = owner_bit(tag);
    tag_after(tag)->before = (uint16_t)rest;
    tag->size = (uint16_t)(size | bit);
    struct tag *other = tag_after(tag);
    *other = (struct tag){(uint16_t)(rest | bit), (uint16_t)size};
    return other;
}

static inline size_t granule_of(const struct tag *tag)
{
    return (uintptr_t)tag % PAGESIZE / GRANULE;
}

static inline struct starts *starts_of(const struct tag *tag)
{
    struct tagged_page *page = BASEADDR(tag);
    return &page->starts[granule_of(tag) / WORD_BITS];
}

static inline uintptr_t start_bit(const struct tag *tag)
{
    return (uintptr_t)1 << granule_of(tag) % WORD_BITS;
}

static inline int is_live(const struct tag *tag)
{
    return (starts_of(tag)->live & start_bit(tag)) != 0;
}

static inline void mark_live(struct tag *tag)
{
    struct starts *starts = starts_of(tag);
    starts->live |= start_bit(tag);
    starts->returned |= start_bit(tag);
}

static inline void mark_free(struct tag *tag)
{
    starts_of(tag)->live &= ~start_bit(tag);
}

static inline int was_returned(const struct tagged_page *page, size_t granule)
{
    return (int)(page->starts[granule / WORD_BITS].returned >> granule % WORD_BITS & 1);
}

/* Makes the last `bytes` bytes of a page, less the end tag, one free block. */
static inline struct tag *lay_out_page(void *page, unsigned bytes, unsigned owner_bit)
{
    memset(page, 0, sizeof(struct tagged_page));
    struct tag *tag = tag_from_end(page, bytes), *end = tag_from_end(page, 0);
    *tag = (struct tag){(uint16_t)(bytes | owner_bit), 0};
    *end = (struct tag){(uint16_t)owner_bit, (uint16_t)bytes};
    starts_of(end)->live |= start_bit(end);
    return tag;
}

/* The last live block, or end tag, that begins in this granule or before. NULL: none. */
static inline struct tag *live_before(struct tagged_page *page, size_t granule)
{
    size_t word = granule / WORD_BITS;
    uintptr_t upto = ~(uintptr_t)0 >> (WORD_BITS - 1 - granule % WORD_BITS);
    uintptr_t bits = page->starts[word].live & upto;
    while (bits == 0 && word > 0)
        bits = page->starts[--word].live;
    if (bits == 0)
        return NULL;
    size_t last = WORD_BITS - 1 - (size_t)__builtin_clzl(bits);
    return tag_from_end(page, (GRANULES - 1 - (word * WORD_BITS + last)) * GRANULE);
}

/* What an address in a page of blocks is: KMA_FREED stands for a live block, which may
 * be freed. The tag of a live block is inside it. */
static inline enum kma_free_result sort_out(const void *ptr)
{
    size_t offset = (uintptr_t)ptr % PAGESIZE;
    if (offset < TAG_BYTES)
        return KMA_FREE_UNKNOWN;
    struct tagged_page *page = BASEADDR(ptr);
    size_t granule =
        (offset - TAG_BYTES) / GRANULE; /* of the last tag at ptr or before */
    struct tag *tag = live_before(page, granule);
    if (tag != NULL && (const char *)ptr < (char *)tag_after(tag))
        return tag == tag_of(ptr) ? KMA_FREED : KMA_FREE_INSIDE;
    int was_block = offset % GRANULE == 0 && was_returned(page, granule);
    return was_block ? KMA_FREE_TWICE : KMA_FREE_UNKNOWN;
}

/* B3, for a page with so many live blocks in which the walk found their bits set. */
static inline int audit_starts(struct tagged_page *page, struct tag *first, size_t live)
{
    struct tag *end = tag_from_end(page, 0);
    int broken = !is_live(end) + was_returned(page, GRANULES - 1);
    size_t bits = 0;
    for (size_t word = 0; word < GRANULES / WORD_BITS; word++) {
        for (uintptr_t left = page->starts[word].live; left != 0; left &= left - 1)
            bits++;
    }
    for (size_t granule = 0; granule < granule_of(first); granule++)
        broken += was_returned(page, granule);
    return broken + (bits != live + (size_t)is_live(end));
}

/* The number of broken invariants of a page with so many bytes of blocks; `visit` is
 * called for each free block, `live` is where the number of live ones goes. */
static inline int tags_audit(void *page, unsigned bytes, size_t *live,
                             void (*visit)(struct tag *, void *), void *context)
{
    int broken = 0;
    unsigned before = 0, before_is_free = 0;
    struct tag *tag = tag_from_end(page, bytes), *end = tag_from_end(page, 0);
    *live = 0;
    for (; tag != end; tag = tag_after(tag)) {
        unsigned size = size_of(tag), is_free = !is_live(tag);
        if (size < MIN_BLOCK || size % GRANULE != 0 ||
            size > (size_t)((char *)end - (char *)tag))
            return broken + 1;                      /* B1, and the walk ends */
        broken += tag->before != before;            /* B1 */
        broken += owner_bit(tag) != owner_bit(end); /* B2 */
        broken += before_is_free && is_free;        /* B4 */
        broken += !is_free && !was_returned(page, granule_of(tag)); /* B3 */
        if (is_free)
            visit(tag, context);
        *live += !is_free;
        before = size;
        before_is_free = is_free;
    }
    broken += end->before != before || size_of(end) != 0; /* B1 */
    return broken + audit_starts(page, tag_from_end(page, bytes), *live);
}

#endif
