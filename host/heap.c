/* heap.c - which blocks the algorithm serves, and how its blocks become those of a
 * program, which are aligned to 16, and free() of which is not told a size.
 *
 * An algorithm aligns its blocks to 16 as long as each of them takes a multiple of 16
 * bytes (kma.h). So a request is made the largest one that takes the same such block, and
 * a program may use all of it:
 *
 *     request    + overhead, in units of 16     asked_for[units]     block
 *     33 bytes   3, of a buddy system                64                64
 *     29 bytes   3, of boundary tags, 4 bytes        44                48
 *
 * Where the algorithm knows how large a block is (kma_usable_size), this is all. For the
 * others the end of each block is marked in the page map, as many units behind its start
 * as the request had, and these lead back to what the algorithm was asked for.
 *
 * A request for more than the algorithm serves gets whole pages, which go back as soon as
 * it is freed; only such a block begins where a run of pages does that is large.
 *
 * An alignment of more than 16 is had by chance, as the blocks of many algorithms are
 * aligned to their size; else from a block with room for it. Where the program's part of
 * that does not begin with the block it is marked as inner, and the word in front of it
 * leads to the block. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "heap.h"
#include "kma.h"
#include "page_map.h"
#include "pages.h"

enum {
    LIMIT = PAGESIZE - sizeof(void *), /* the largest request to the algorithm */
    PAGE_UNITS = PAGESIZE / UNIT,
    MOST_OVERHEAD = 8
};

static struct {
    unsigned overhead; /* bytes of a small block that are not the client's */
    uint16_t asked_for[PAGE_UNITS + 1]; /* by units */
    size_t inner;                       /* live blocks that are marked as inner */
} heap;

/* ---- sizes */

static inline unsigned block_size(unsigned request)
{
    if (kma_block_size == NULL)
        return (request + UNIT - 1) / UNIT * UNIT;
    return (unsigned)kma_block_size((kma_size_t)request);
}

/* The largest request that takes the same block as the smallest one of at least so many
 * bytes that takes a multiple of UNIT. */
static unsigned whole_request(unsigned bytes)
{
    unsigned request = bytes < LIMIT ? bytes : LIMIT;
    while (request < LIMIT && block_size(request) % UNIT != 0)
        request++;
    unsigned size = block_size(request), beyond = LIMIT + 1;
    while (beyond - request > 1) {
        unsigned between = (request + beyond) / 2;
        if (block_size(between) == size)
            request = between;
        else
            beyond = between;
    }
    return request;
}

void heap_open(void)
{
    unsigned some = whole_request(4 * UNIT);
    unsigned overhead = block_size(some) - some;
    heap.overhead = overhead < MOST_OVERHEAD ? overhead : MOST_OVERHEAD;
    unsigned request = 0;
    for (unsigned units = 1; units <= PAGE_UNITS; units++) {
        if (units * UNIT - heap.overhead > request)
            request = whole_request(units * UNIT - heap.overhead);
        heap.asked_for[units] = (uint16_t)request;
    }
}

static inline size_t units_of(size_t bytes)
{
    size_t units = (bytes + heap.overhead + UNIT - 1) / UNIT;
    if (bytes == 0)
        return 1;
    return units < PAGE_UNITS ? units : PAGE_UNITS; /* more: overhead is less there */
}

size_t heap_units(size_t bytes)
{
    return bytes <= LIMIT ? units_of(bytes) : PAGE_UNITS + 1;
}

static inline bool knows_sizes(void)
{
    return kma_usable_size != NULL;
}

/* ---- large blocks */

static inline size_t pages_for(size_t bytes)
{
    return bytes / PAGESIZE + (bytes % PAGESIZE != 0);
}

static inline bool is_large(const void *ptr)
{
    return (uintptr_t)ptr % PAGESIZE == 0 && run_pages(ptr) > 0;
}

static __attribute__((noinline)) void *malloc_large(size_t bytes, bool *zeroes)
{
    return run_get(pages_for(bytes), 1, zeroes);
}

/* ---- the algorithm's blocks */

/* An algorithm that does not align its blocks leaves this request to whole pages. */
static __attribute__((noinline)) void *instead_of(void *block, size_t units)
{
    bool zeroes;
    kma_free(block, heap.asked_for[units]);
    return malloc_large(units * UNIT, &zeroes);
}

static inline void *malloc_small(size_t bytes)
{
    size_t units = units_of(bytes);
    void *block = kma_malloc(heap.asked_for[units]);
    if (__builtin_expect((uintptr_t)block % UNIT != 0, 0))
        return instead_of(block, units);
    if (block != NULL && !knows_sizes())
        mark_end(block, units * UNIT);
    return block;
}

static inline void free_small(void *block)
{
    kma_size_t size = 0;
    if (!knows_sizes())
        size = heap.asked_for[unmark_end(block) / UNIT];
    kma_free(block, size);
}

static inline size_t size_of_small(const void *block)
{
    if (knows_sizes())
        return (size_t)kma_usable_size(block);
    return heap.asked_for[marked_size(block) / UNIT];
}

void *heap_malloc(size_t bytes)
{
    bool zeroes;
    return bytes <= LIMIT ? malloc_small(bytes) : malloc_large(bytes, &zeroes);
}

void *heap_calloc(size_t bytes)
{
    bool zeroes = FALSE;
    void *block = bytes <= LIMIT ? malloc_small(bytes) : malloc_large(bytes, &zeroes);
    return block == NULL || zeroes ? block : memset(block, 0, bytes);
}

/* ---- blocks that begin before what the program has of them */

static inline bool is_inner(const void *ptr)
{
    if (__builtin_expect(heap.inner == 0, 1) || (uintptr_t)ptr % UNIT != 0)
        return FALSE;
    const struct leaf *leaf = leaf_of(ptr);
    return leaf != NULL && leaf->inner != NULL &&
           (leaf->inner[unit_of(ptr) / 64] >> unit_of(ptr) % 64 & 1) != 0;
}

static inline void **word_before(void *ptr)
{
    return (void **)ptr - 1;
}

/* The block of what the program has. */
static inline void *block_of(void *ptr)
{
    return is_inner(ptr) ? *word_before(ptr) : ptr;
}

static __attribute__((noinline)) void free_inner(void *ptr)
{
    flip_bit(leaf_of(ptr)->inner, unit_of(ptr));
    __atomic_store_n(&heap.inner, heap.inner - 1, __ATOMIC_RELAXED);
    free_small(*word_before(ptr));
}

/* Gives the program a later part of a block. FALSE: no memory for the mark. */
static bool mark_inner(void *block, void *ptr)
{
    struct leaf *leaf = leaf_of(ptr);
    int saved_errno = errno;
    if (leaf->inner == NULL)
        leaf->inner = map_zeroes(NULL, UNIT_WORDS * sizeof *leaf->inner);
    errno = saved_errno;
    if (leaf->inner == NULL)
        return FALSE;
    flip_bit(leaf->inner, unit_of(ptr));
    __atomic_store_n(&heap.inner, heap.inner + 1, __ATOMIC_RELAXED);
    *word_before(ptr) = block;
    return TRUE;
}

static inline bool is_aligned(const void *ptr, size_t alignment)
{
    return ((uintptr_t)ptr & (alignment - 1)) == 0;
}

/* As aligned as its size makes it. NULL: it is not, or no memory. */
static void *aligned_by_size(size_t alignment, size_t bytes)
{
    size_t least =
        ((bytes + heap.overhead + alignment - 1) & ~(alignment - 1)) - heap.overhead;
    void *block = least <= LIMIT ? malloc_small(least) : NULL;
    if (block == NULL || is_aligned(block, alignment))
        return block;
    heap_free(block);
    return NULL;
}

/* A block that has the room for it. */
static void *aligned_inside(size_t alignment, size_t bytes)
{
    char *block = malloc_small(bytes + alignment - UNIT);
    if (block == NULL || is_aligned(block, alignment))
        return block;
    char *ptr = block + (-(uintptr_t)block & (alignment - 1));
    if (mark_inner(block, ptr))
        return ptr;
    free_small(block);
    return NULL;
}

void *heap_aligned(size_t alignment, size_t bytes)
{
    bool zeroes;
    if (alignment <= UNIT)
        return heap_malloc(bytes);
    size_t in_pages = alignment > PAGESIZE ? alignment / PAGESIZE : 1;
    if (bytes == 0)
        bytes = 1; /* it needs a place of its own */
    if (bytes > LIMIT || alignment > LIMIT)
        return run_get(pages_for(bytes), in_pages, &zeroes);
    void *block = aligned_by_size(alignment, bytes);
    if (block == NULL && bytes + alignment - UNIT <= LIMIT)
        block = aligned_inside(alignment, bytes);
    return block != NULL ? block : run_get(1, 1, &zeroes);
}

/* ---- any block */

void heap_free(void *ptr)
{
    if (is_large(ptr))
        run_free(ptr);
    else if (is_inner(ptr))
        free_inner(ptr);
    else
        free_small(ptr);
}

size_t heap_usable_size(void *ptr)
{
    if (is_large(ptr))
        return run_pages(ptr) * PAGESIZE;
    char *block = block_of(ptr);
    return size_of_small(block) - (size_t)((char *)ptr - block);
}

bool heap_fits(const void *ptr, size_t bytes)
{
    if (knows_sizes() || (uintptr_t)ptr % PAGESIZE == 0)
        return FALSE;
    if (__atomic_load_n(&heap.inner, __ATOMIC_RELAXED) != 0)
        return FALSE;
    return bytes <= heap.asked_for[marked_size(ptr) / UNIT];
}

static void *move(void *ptr, size_t bytes)
{
    size_t had = heap_usable_size(ptr);
    void *moved = heap_malloc(bytes);
    if (moved == NULL)
        return NULL;
    memcpy(moved, ptr, had < bytes ? had : bytes);
    heap_free(ptr);
    return moved;
}

/* A block that does not fill half of what it has is made smaller, where the algorithm
 * can do that in place. */
static void *realloc_small(void *ptr, size_t bytes)
{
    size_t has = heap_usable_size(ptr);
    bool resizes = knows_sizes() && kma_realloc != NULL && !is_inner(ptr);
    if (resizes && bytes <= LIMIT && (bytes > has || bytes <= has / 2))
        return kma_realloc(ptr, heap.asked_for[units_of(bytes)]);
    return bytes <= has ? ptr : move(ptr, bytes);
}

void *heap_realloc(void *ptr, size_t bytes)
{
    if (!is_large(ptr))
        return realloc_small(ptr, bytes);
    if (bytes > LIMIT && run_resize(ptr, pages_for(bytes)))
        return ptr;
    void *moved = move(ptr, bytes);
    return moved == NULL && bytes <= LIMIT ? ptr : moved;
}

enum kma_free_result heap_what_is(void *ptr)
{
    enum kma_free_result what;
    if (run_tells(ptr, &what))
        return what;
    if (kma_what_is != NULL)
        return (enum kma_free_result)kma_what_is(block_of(ptr));
    return (uintptr_t)ptr % UNIT == 0 ? KMA_FREED : KMA_FREE_INSIDE;
}
