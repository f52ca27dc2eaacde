/* kma_bud.c - the binary buddy system.
 *
 * Source: K. C. Knowlton, CACM 8(10), 1965; Knuth, vol. 1, 2.5, algorithms R and S;
 * Vahalia, UNIX Internals, 12.5. The geometry of blocks and the bitmap are in
 * kma_buddy.h, the records in kma_page_records.h.
 *
 * A request is rounded up to the next order, 32 bytes to a page by powers of two. A
 * block is taken from the free list of its order; when that is empty the next larger
 * free block is split, upper halves going to the free lists, and when there is none
 * a page is got. A block that is freed is joined with its buddy as long as the buddy
 * is free; a page that is whole again is given back at once.
 *
 *     a page with blocks of 1 KB, 512, 512, 2 KB busy (#) and the rest free:
 *
 *     offset  0      1K  1.5K  2K          4K                          8K
 *             +------+---+---+-------------+---------------------------+
 *             |######| F |###|#############|             F             |
 *             +------+---+---+-------------+---------------------------+
 *     order     5      4   4        6                    7
 *     busy      1..1  0..0 1..1   1 ... 1            0 ... 0     1 bit per 32 bytes
 *
 * A free block holds its links and nothing else; a busy block holds nothing of ours.
 *
 * Invariants (kma_audit):
 *   B1  the bits of a page that are free are exactly its blocks on the free lists;
 *   B2  a free block's buddy is not wholly free (everything is coalesced);
 *   B3  bit k of `nonempty` is set exactly while list k has a block;
 *   B4  no page is wholly free; TOP_ORDER's list stays empty;
 *   and those of the page table.
 *
 * Cost: malloc splits at most TOP_ORDER times (8 with 8 KB pages), free joins as
 * often; a step is a list operation and, for free, a test of one word of the bitmap.
 * On average there is far less to do: one split and one join in twenty calls of 5.trace,
 * since the free list mostly has the order already.
 *
 * Choices, and departures from the sources:
 * - The smallest block is 32 bytes. With 16 the bitmap is twice as long, which costs
 *   more memory than the finer rounding saves on traces whose sizes spread (see DOC),
 *   and calls are slower by a sixth for the longer chains and colder records.
 * - The bitmap stands outside the page and replaces Knuth's tag and size fields: a
 *   block has no header, so a request of a power of two takes just that.
 * - Free lists are first in, first out. A block that has been free for long is one
 *   whose buddy stays busy; a younger one still has the chance of joining. This costs
 *   no step and saves pages.
 * - Pages need not be neighbours, so no block is larger than a page. */
#ifdef KMA_BUD

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <assert.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_count.h"
#include "kma_list.h"
#include "kma_buddy.h"

struct page_record {
    kma_page_t *page;
    struct granule_map map;
};

#include "kma_page_records.h"

struct allocator {
    struct page_table table;
    unsigned nonempty;        /* bit k: free[k] has a block */
    struct link free[ORDERS]; /* the free blocks of each order; TOP_ORDER stays empty */
};

static_assert(sizeof(struct allocator) <= PAGESIZE, "the state fits the root page");

static inline struct allocator *allocator(void)
{
    return root->ptr;
}

static inline void add_free(struct allocator *self, void *block, int order)
{
    list_add_last(&self->free[order], block);
    self->nonempty |= 1u << order;
}

static inline void remove_free(struct allocator *self, void *block, int order)
{
    list_remove(block);
    self->nonempty &= ~((unsigned)list_is_empty(&self->free[order]) << order);
}

static bool open_allocator(void)
{
    if (!root_open(sizeof(struct allocator)))
        return FALSE;
    for (int order = 0; order < ORDERS; order++)
        list_init(&allocator()->free[order]);
    return TRUE;
}

/* Gives the upper half of a block of order `from` to the free lists, and again of
 * what is left, until a block of order `to` remains at its start. */
static inline void split(struct allocator *self, char *block, int from, int to)
{
    while (from > to) {
        from--;
        COUNT(SPLIT);
        add_free(self, block + ((size_t)MIN_BLOCK << from), from);
    }
}

static __attribute__((noinline)) void *malloc_from_new_page(int order)
{
    if (root == NULL && !open_allocator())
        return NULL;
    struct page_record *record = page_record_add();
    if (record == NULL)
        return NULL;
    mark_busy(&record->map, 0, order);
    split(allocator(), record->page->ptr, TOP_ORDER, order);
    return record->page->ptr;
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    int order = order_of(size);
    struct allocator *self = root == NULL ? NULL : allocator();
    if (self == NULL || self->nonempty >> order == 0)
        return malloc_from_new_page(order);
    int found = order + __builtin_ctz(self->nonempty >> order);
    void *block = self->free[found].next;
    remove_free(self, block, found);
    split(self, block, found, order);
    mark_busy(&page_record(block)->map, granule_of(block), order);
    return block;
}

void kma_free(void *ptr, kma_size_t size)
{
    struct allocator *self = allocator();
    struct page_record *record = page_record(ptr);
    size_t granule = granule_of(ptr);
    int order = order_of(size);
    if (order < TOP_ORDER)
        mark_free(&record->map, granule, order);
    while (order < TOP_ORDER) {
        size_t buddy = granule ^ ((size_t)1 << order);
        if (!is_free(&record->map, buddy, order))
            break;
        COUNT(JOIN);
        remove_free(self, block_beside(ptr, buddy), order);
        granule &= buddy;
        order++;
    }
    if (order == TOP_ORDER)
        page_record_remove(record);
    else
        add_free(self, block_beside(ptr, granule), order);
}

static int audit_list(struct allocator *self, int order)
{
    int broken = 0;
    struct link *head = &self->free[order];
    for (struct link *block = head->next; block != head; block = block->next) {
        struct page_record *record = page_record(block);
        size_t granule = granule_of(block);
        broken += !is_free(&record->map, granule, order);                       /* B1 */
        broken += is_free(&record->map, granule ^ ((size_t)1 << order), order); /* B2 */
    }
    broken += list_is_empty(head) == (int)(self->nonempty >> order & 1); /* B3 */
    return broken;
}

static int audit_page(struct page_record *record, void *context)
{
    size_t *granules = context;
    size_t clear = GRANULES - busy_granules(&record->map, 0, TOP_ORDER);
    *granules += clear;
    return clear == GRANULES; /* B4 */
}

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    struct allocator *self = allocator();
    size_t granules = 0; /* free ones: by the bitmaps, less those on the lists */
    int broken = page_table_audit(audit_page, &granules);
    for (int order = 0; order < TOP_ORDER; order++) {
        broken += audit_list(self, order);
        granules -= list_length(&self->free[order]) << order;
    }
    broken += !list_is_empty(&self->free[TOP_ORDER]); /* B4 */
    return broken + (granules != 0);                  /* B1 */
}

kma_size_t kma_block_size(kma_size_t size)
{
    return MIN_BLOCK << order_of(size);
}

#endif
