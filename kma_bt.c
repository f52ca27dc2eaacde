/* kma_bt.c - boundary tags: a heap for callers that do not know the size of a block, and
 * may be wrong about where it is.
 *
 * Source: D. E. Knuth, The Art of Computer Programming 1, 2.5, Algorithm C: what stands
 * between two blocks leads to both, so that a freed block is joined with free neighbours
 * on both sides at once. Free blocks are in bins by size, each a queue; P. R. Wilson et
 * al., "Dynamic Storage Allocation: A Survey and Critical Review", 1995, name these
 * segregated fits with FIFO order.
 *
 *     root page                             other pages
 *     +-----------------------------+       +------------+---+-------+---+------ - -+
 *     | start bits of this page     |    .->| start bits |tag| live  |tag| free     |
 *     | radix tree: number -> page  |----'  |            |   |       |   | link     |
 *     | bins of back pages:   . | . |--.    +------------+---+-------+---+--^-|-- - -+
 *     | bins of front pages:  . . . |   \__________________________________/  '-> next
 *     +---+----------+---+----- - - +
 *     |tag| live     |tag| ...      |       +------------------------------- - - - -+
 *     +---+----------+---+----- - - +       | a request too large to share a page   |
 *                                           +------------------------------- - - - -+
 *
 * How a page is cut into blocks, and how start bits tell what any address in it is, is in
 * kma_boundary_tags.h; the radix tree, which tells what addresses are in our pages at
 * all, in kma_radix.h. A request that does not fit behind start bits takes a page.
 *
 * Of the free blocks that are large enough, the one freed first in its bin serves: in the
 * request's own bin, where blocks too small are passed over, else in the next bin with
 * any. A rest that is cut off counts as freed now. One smaller than the least block and
 * an eighth of the request is left to the block, as Knuth advises for small rests: it
 * would be split and joined again in vain. That saves an eighth of the time on 5.trace.
 *
 * In a heap of more than SMALL_HEAP pages one page in eight is a front page; these have
 * bins of their own, which are searched first. So front pages stay full and back pages
 * drain: what first fit by address is good for (Wilson et al.), without its search.
 * On 5.trace the penalty is .24, and .34 without.
 *
 * Overhead. A block: 4 bytes, then up to a multiple of 8, 24 at least (16 where pointers
 * have 4 bytes), and a small rest left to it. A page: 2 bits a granule and 16 bytes, 3.3%
 * of 8 KB. Once: the state, 6.3 KB of a root page of 8 KB; the rest of that page is
 * blocks, which serve before a third page does. So 1024 requests of 16 bytes take 24 KB of
 * blocks and 32 KB of pages.
 *
 * Invariants (kma_audit):
 *   1  every free block is in the bin for its page and size, and a bin's nonempty bit
 *      says whether any is; but what the root page is made of while nothing in it is
 *      live is in none;
 *   2  pages of blocks are counted right, front and back;
 *   3  the radix tree finds each page by its number;
 *   4  every page but the root page has a live block, and there is a root page exactly
 *      while anything is live;
 *   and those of the tags and of the radix tree.
 *
 * Cost: malloc passes over the blocks of one bin that are too small, 0.7 on average and
 * 23 at worst on 5.trace, without a bound. All other steps of malloc, free and growing in
 * place are bounded: two joins, a split, at worst a new page's start bits and nodes of
 * the radix tree to clear. kma_try_free looks, besides, at the start bits of a page, at
 * worst 16 words of 8 KB.
 *
 * Departures from the source:
 * - Knuth's blocks have a tag at either end that says whether the block is reserved. Here
 *   one tag between two blocks serves both, and the start bits say it: out of the reach
 *   of what clients write into their blocks.
 * - His free blocks are in one list, and the first that fits serves.
 * - A page goes back when its last block is freed, so kma_try_free can tell a block that
 *   was freed already only while something in its page is live. */
#ifdef KMA_BT

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_bits.h"
#include "kma_boundary_tags.h"
#include "kma_count.h"
#include "kma_list.h"
#include "kma_radix.h"

enum {
    BIN_BITS = PAGESIZE > 8192 ? 2 : 3, /* 1 << BIN_BITS bins to a doubling of sizes */
    BINS = (LOG2_FLOOR(GRANULES) - BIN_BITS + 1) << BIN_BITS,
    SLACK_SHARE = 8, /* what a block has too much is cut off if it is more than that */
    FRONT_SHARE = 8, /* one front page among so many */
    SMALL_HEAP = 64, /* but none in a heap of so many pages */
    MAX_REQUEST = PAGESIZE - sizeof(void *)
};

/* The owner's bit of the tags in a page, and the index of what there is two of. */
enum { BACK, FRONT };

struct allocator {
    struct tagged_page page;  /* the root page has blocks, too */
    struct radix pages;       /* by page number: kma_page_t *, + WHOLE */
    int pages_of_blocks[2];   /* all but those WHOLE */
    uint64_t nonempty[2];     /* a bit for each bin */
    struct link bin[2][BINS]; /* free blocks, the one freed first in front */
};

enum {
    PAGE_BLOCKS = BLOCK_BYTES(sizeof(struct tagged_page)),
    ROOT_BLOCKS = BLOCK_BYTES(sizeof(struct allocator)),
    MAX_IN_BLOCK = PAGE_BLOCKS - TAG_BYTES,
    WHOLE = 1 /* the page is one block without a tag */
};

static_assert(BINS <= 64, "there is a bit for each bin");
static_assert(sizeof(struct allocator) % GRANULE == 0, "the first block is aligned");
static_assert(ROOT_BLOCKS >= (int)MIN_BLOCK, "the root page has room for a block");

/* All the state outside of pages: the page that holds the rest, or NULL. */
static kma_page_t *root;

static inline struct allocator *allocator(void)
{
    return root->ptr;
}

/* The size of the block for a request. */
static inline unsigned block_for(kma_size_t request)
{
    unsigned size = ((unsigned)request + TAG_BYTES + GRANULE - 1) & ~(GRANULE - 1u);
    return size < MIN_BLOCK ? MIN_BLOCK : size;
}

/* A bin for each size up to 2 << BIN_BITS granules, then for each 1 << BIN_BITS-th part
 * of a doubling. */
static inline unsigned bin_of(unsigned size)
{
    unsigned granules = size / GRANULE;
    unsigned shift = (unsigned)LOG2_FLOOR(granules | 1 << BIN_BITS) - BIN_BITS;
    return (shift << BIN_BITS) + (granules >> shift);
}

static inline void add_free(struct allocator *self, struct tag *tag)
{
    unsigned front = owner_bit(tag), bin = bin_of(size_of(tag));
    self->nonempty[front] |= (uint64_t)1 << bin;
    list_add_last(&self->bin[front][bin], link_of(tag));
}

static inline void remove_free(struct allocator *self, struct tag *tag)
{
    struct link *link = link_of(tag);
    list_remove(link);
    if (link->next == link->prev) { /* it is the bin, and now empty */
        unsigned front = owner_bit(tag);
        self->nonempty[front] &= ~((uint64_t)1 << (link->next - self->bin[front]));
    }
}

/* Of the front or the back pages' free blocks that are large enough, those of the lowest
 * such bin, the one that was freed first. NULL: there is none. */
static inline struct tag *find_among(struct allocator *self, int front, unsigned size)
{
    unsigned bin = bin_of(size);
    uint64_t bins = self->nonempty[front] >> bin << bin;
    for (; bins != 0; bins &= bins - 1) {
        struct link *head = &self->bin[front][lowest_bit(bins)];
        for (struct link *link = head->next; link != head; link = link->next) {
            if (tag_of(link)->size >= size) /* whatever the owner's bit */
                return tag_of(link);
            COUNT(STEP);
        }
    }
    return NULL;
}

/* As find_among, and takes the block out of its bin. */
static inline struct tag *take_free(struct allocator *self, unsigned size)
{
    struct tag *tag = find_among(self, FRONT, size);
    if (tag == NULL)
        tag = find_among(self, BACK, size);
    if (tag != NULL)
        remove_free(self, tag);
    return tag;
}

/* Makes a new page one free block of so many bytes, in no bin, and of the page a front or
 * a back page. */
static struct tag *add_blocks(struct allocator *self, void *page, unsigned bytes)
{
    int *pages = self->pages_of_blocks;
    int front = FRONT_SHARE * pages[FRONT] + SMALL_HEAP <= pages[BACK] + pages[FRONT];
    pages[front]++;
    return lay_out_page(page, bytes, (unsigned)front);
}

/* What the root page is made of while nothing in it is live. */
static inline struct tag *root_block(void)
{
    return tag_from_end(root->ptr, ROOT_BLOCKS);
}

static inline int root_is_free(void)
{
    return size_of(root_block()) == ROOT_BLOCKS && !is_live(root_block());
}

static inline int root_is_alone(void)
{
    const struct radix *pages = &allocator()->pages;
    return pages->height == 1 && pages->top.used == 1;
}

static bool open_allocator(void)
{
    root = get_page();
    if (root == NULL)
        return FALSE;
    struct allocator *self = root->ptr;
    memset(self, 0, sizeof *self);
    for (int bin = 0; bin < BINS; bin++) {
        list_init(&self->bin[BACK][bin]);
        list_init(&self->bin[FRONT][bin]);
    }
    radix_put(&self->pages, page_number(self), root); /* the top node needs no page */
    add_blocks(self, self, ROOT_BLOCKS);
    return TRUE;
}

static void close_if_idle(void)
{
    if (root_is_alone() && root_is_free()) {
        free_page(root);
        root = NULL;
    }
}

/* A new page, in the tree with or without WHOLE. NULL: no page, everything as before. */
static void *add_page(int whole)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    if (!radix_put(&allocator()->pages, page_number(page->ptr), (char *)page + whole)) {
        free_page(page);
        return NULL;
    }
    return page->ptr;
}

static __attribute__((noinline)) void remove_page(void *ptr)
{
    struct radix *pages = &allocator()->pages;
    uintptr_t page = (uintptr_t)radix_get(pages, page_number(ptr));
    radix_remove(pages, page_number(ptr));
    free_page((kma_page_t *)(page & ~(uintptr_t)WHOLE));
    close_if_idle();
}

static __attribute__((noinline)) void *malloc_whole_page(void)
{
    if (root == NULL && !open_allocator())
        return NULL;
    void *page = add_page(WHOLE);
    if (page == NULL)
        close_if_idle();
    return page;
}

/* A free block in no bin, when those in the bins are too small. The root page serves
 * after the first page and before any other, or when no page is left: so what a small
 * heap is asked for in a row lies in a row. NULL: no page. */
static __attribute__((noinline)) struct tag *more_blocks(unsigned size)
{
    if (root == NULL && !open_allocator())
        return NULL;
    int root_serves = size <= ROOT_BLOCKS && root_is_free();
    if (root_serves && !root_is_alone())
        return root_block();
    void *page = add_page(0);
    if (page != NULL)
        return add_blocks(allocator(), page, PAGE_BLOCKS);
    if (root_serves)
        return root_block();
    close_if_idle();
    return NULL;
}

static inline int is_worth_a_block(unsigned rest, unsigned size)
{
    return rest >= MIN_BLOCK + size / SLACK_SHARE;
}

/* Takes away what a block, whose neighbour behind is live, has beyond `size`. */
static inline void trim(struct allocator *self, struct tag *tag, unsigned size)
{
    if (is_worth_a_block(size_of(tag) - size, size)) {
        COUNT(SPLIT);
        add_free(self, split_block(tag, size));
    }
}

void *kma_malloc(kma_size_t request)
{
    if (request <= 0 || request > (kma_size_t)MAX_REQUEST)
        return NULL;
    if (request > (kma_size_t)MAX_IN_BLOCK)
        return malloc_whole_page();
    unsigned size = block_for(request);
    struct tag *tag = root == NULL ? NULL : take_free(allocator(), size);
    if (tag == NULL)
        tag = more_blocks(size);
    if (tag == NULL)
        return NULL;
    trim(allocator(), tag, size);
    mark_live(tag);
    return tag + 1;
}

static inline int is_whole_page(const void *ptr)
{
    return (uintptr_t)ptr % PAGESIZE == 0;
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    if (is_whole_page(ptr)) {
        remove_page(ptr);
        return;
    }
    struct allocator *self = allocator();
    struct tag *tag = tag_of(ptr), *after = tag_after(tag);
    unsigned total = size_of(tag);
    mark_free(tag);
    if (!is_live(after)) {
        COUNT(JOIN);
        remove_free(self, after);
        total += size_of(after);
    }
    if (tag->before != 0 && !is_live(tag_before(tag))) {
        COUNT(JOIN);
        tag = tag_before(tag);
        remove_free(self, tag);
        total += size_of(tag);
    }
    if (total == PAGE_BLOCKS) {
        self->pages_of_blocks[owner_bit(tag)]--;
        remove_page(BASEADDR(tag));
        return;
    }
    if (total != size_of(tag))
        set_size(tag, total);
    if (total == ROOT_BLOCKS && tag == root_block())
        close_if_idle();
    else
        add_free(self, tag);
}

int kma_what_is(const void *ptr)
{
    if (ptr == NULL)
        return KMA_FREE_NULL;
    if (root == NULL)
        return KMA_FREE_UNKNOWN;
    uintptr_t page = (uintptr_t)radix_find(&allocator()->pages, page_number(ptr));
    if (page == 0)
        return KMA_FREE_UNKNOWN;
    if (page & WHOLE)
        return is_whole_page(ptr) ? KMA_FREED : KMA_FREE_INSIDE;
    return sort_out(ptr);
}

int kma_try_free(void *ptr)
{
    int result = kma_what_is(ptr);
    if (result == KMA_FREED)
        kma_free(ptr, 0);
    return result;
}

kma_size_t kma_usable_size(const void *ptr)
{
    return is_whole_page(ptr) ? PAGESIZE
                              : (kma_size_t)(size_of(tag_of(ptr)) - TAG_BYTES);
}

/* Makes a block larger or smaller where it is. FALSE: no room, nothing changed. */
static bool resize(void *ptr, kma_size_t request)
{
    if (is_whole_page(ptr))
        return TRUE;
    if (request > (kma_size_t)MAX_IN_BLOCK)
        return FALSE;
    struct tag *tag = tag_of(ptr), *after = tag_after(tag);
    unsigned size = block_for(request), own = size_of(tag);
    if (size <= own && !is_worth_a_block(own - size, size))
        return TRUE;
    unsigned behind = is_live(after) ? 0 : size_of(after);
    if (size > own + behind)
        return FALSE;
    if (behind > 0) {
        COUNT(JOIN);
        remove_free(allocator(), after);
        set_size(tag, own + behind);
    }
    trim(allocator(), tag, size);
    return TRUE;
}

void *kma_realloc(void *ptr, kma_size_t size)
{
    if (ptr == NULL)
        return kma_malloc(size);
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    if (resize(ptr, size))
        return ptr;
    void *moved = kma_malloc(size);
    if (moved != NULL) {
        memcpy(moved, ptr, (size_t)kma_usable_size(ptr));
        kma_free(ptr, 0);
    }
    return moved;
}

kma_size_t kma_block_size(kma_size_t size)
{
    return size > (kma_size_t)MAX_IN_BLOCK ? PAGESIZE : (kma_size_t)block_for(size);
}

/* What the pages say, for kma_audit to hold against what the state says. */
struct audit {
    int pages_of_blocks[2];
    size_t free_blocks[2][BINS];
};

static void audit_free_block(struct tag *tag, void *context)
{
    struct audit *audit = context;
    if (tag != root_block() || !root_is_free())
        audit->free_blocks[owner_bit(tag)][bin_of(size_of(tag))]++;
}

static int audit_page(uintptr_t number, void *value, void *context)
{
    struct audit *audit = context;
    const kma_page_t *page = (void *)((uintptr_t)value & ~(uintptr_t)WHOLE);
    if (page_number(page->ptr) != number)
        return 1; /* 3 */
    if ((uintptr_t)value & WHOLE)
        return 0;
    size_t live;
    unsigned bytes = page == root ? ROOT_BLOCKS : PAGE_BLOCKS;
    int broken = tags_audit(page->ptr, bytes, &live, audit_free_block, context);
    audit->pages_of_blocks[owner_bit(tag_from_end(page->ptr, 0))]++;
    return broken + (live == 0 && page != root); /* 4 */
}

static int audit_bin(unsigned front, unsigned bin, size_t free_blocks)
{
    struct allocator *self = allocator();
    struct link *head = &self->bin[front][bin];
    int broken = (int)(self->nonempty[front] >> bin & 1) == list_is_empty(head); /* 1 */
    size_t length = 0;
    for (struct link *link = head->next; link != head; link = link->next) {
        const struct tag *tag = tag_of(link);
        if (++length > free_blocks || is_live(tag) || owner_bit(tag) != front ||
            bin_of(size_of(tag)) != bin)
            return broken + 1; /* 1 */
    }
    return broken + (length != free_blocks); /* 1 */
}

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    struct allocator *self = allocator();
    struct audit audit = {{0}, {{0}}};
    int broken = radix_audit(&self->pages, audit_page, &audit);
    for (unsigned front = BACK; front <= FRONT; front++) {
        broken += audit.pages_of_blocks[front] != self->pages_of_blocks[front]; /* 2 */
        for (unsigned bin = 0; bin < BINS; bin++)
            broken += audit_bin(front, bin, audit.free_blocks[front][bin]);
    }
    return broken + (root_is_alone() && root_is_free()); /* 4 */
}

#endif
