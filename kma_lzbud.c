/* kma_lzbud.c - the SVR4 lazy buddy system.
 *
 * Source: T. P. Lee and R. E. Barkley, "A Watermark-based Lazy Buddy System for
 * Kernel Memory Allocation", USENIX Summer 1989; R. E. Barkley and T. P. Lee, "A Lazy
 * Buddy System Bounded by Two Coalescing Delays per Class", SOSP 1989 (DELAY-2);
 * Vahalia, UNIX Internals, 12.7. The geometry of blocks and the bitmap are in
 * kma_buddy.h, the records in kma_page_records.h.
 *
 * In steady state a buddy system joins blocks only to split them again at the next
 * request. So a block that is freed may be kept as it is, for the next request of its
 * class (its order): it is then *locally* free. Its bits stay busy, so its buddy will
 * not join it. A block that is *globally* free has its bits clear, and joins.
 *
 * For each class: N blocks exist, of these A are allocated, L locally free and G
 * globally free, N = A + L + G. The class's
 *
 *     slack = N - 2 L - G   ( = A - L )
 *
 * says how a free is done, and thereby stays at or above 0:
 *
 *     slack >= 2  lazy         keep the block, locally free         slack falls by 2
 *     slack == 1  reclaiming   free it globally, join it            slack falls by 1
 *     slack == 0  accelerated  the same, and so for one block that
 *                              was locally free                     slack stays 0
 *
 * So at most as many blocks are kept as are in use, a free runs at most two chains of
 * joining, and once A is 0 so is L: with everything free, everything is joined.
 *
 * malloc takes a locally free block, which costs a list operation; else a globally
 * free one; else it splits a free block of the next larger class that has one, kept
 * or not; else a page. Halves that remain are globally free.
 *
 *     a page after requests of 1 KB, 512, 512, 2 KB, the second of them freed lazily:
 *
 *     offset  0      1K  1.5K  2K          4K                          8K
 *             +------+---+---+-------------+---------------------------+
 *             |   A  | L | A |      A      |             G             |
 *             +------+---+---+-------------+---------------------------+
 *     busy      1..1  1..1 1..1   1 ... 1            0 ... 0     1 bit per 32 bytes
 *
 * Invariants (kma_audit):
 *   Z1  slack >= 0 in every class, L and G are the lengths of the class's lists;
 *   Z2  the bits of a locally free block are all set, those of a globally free clear;
 *   Z3  the buddy of a globally free block is not wholly clear;
 *   Z4  the clear bits of all pages are those of the globally free blocks;
 *   Z5  no page is wholly clear; TOP_ORDER's lists stay empty;
 *   Z6  the blocks of all classes together fill the pages, and those on no list are
 *       as many as the records count;
 *   and those of the page table.
 *
 * Cost: malloc and free in the lazy state, the usual one, move one list member and
 * change a count. At worst malloc splits TOP_ORDER times, and free joins two chains
 * of TOP_ORDER steps each, after Barkley and Lee's theorem,
 * or takes the blocks of one page off their lists.
 *
 * Departures from the sources:
 * - Whole pages are never kept, but given back at once: the page source is as quick as
 *   a list. And a page in which no block is allocated any more is *dissolved*: its
 *   kept and its free blocks are taken off their lists, whatever the slack of their
 *   classes, and the page is given back. Without this rule pages that hold nothing but
 *   kept blocks stay (on 5.trace the penalty is 0.76 instead of 0.62). It costs one
 *   list removal a block and no joining; every such block was made by a split or a
 *   free before, so on average a free does no more than in a plain buddy system, and
 *   the two chains remain the bound for joining. A free block knows its order for it.
 * - All lists are first in, first out, as in kma_bud.c.
 * - When pages run out the kept blocks are not joined to avoid it: a request that fails
 *   leaves everything as it was. */
#ifdef KMA_LZBUD

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_count.h"
#include "kma_list.h"
#include "kma_buddy.h"

struct page_record {
    kma_page_t *page;
    struct granule_map map;
    int allocated; /* blocks of this page that the client holds */
};

#include "kma_page_records.h"

struct free_block {
    struct link link;
    int order;
};

static_assert(MIN_BLOCK >= sizeof(struct free_block), "a free block knows its order");

struct size_class {
    struct link local_list;
    struct link global_list;
    int blocks;        /* N */
    int locally_free;  /* L */
    int globally_free; /* G */
};

struct allocator {
    struct page_table table;
    struct size_class class[ORDERS];
};

static_assert(sizeof(struct allocator) <= PAGESIZE, "the state fits the root page");

static inline struct size_class *class_of(int order)
{
    return &((struct allocator *)root->ptr)->class[order];
}

static inline int slack(const struct size_class *class)
{
    return class->blocks - 2 * class->locally_free - class->globally_free;
}

static bool open_allocator(void)
{
    if (!root_open(sizeof(struct allocator)))
        return FALSE;
    for (int order = 0; order < ORDERS; order++) {
        list_init(&class_of(order)->local_list);
        list_init(&class_of(order)->global_list);
    }
    return TRUE;
}

static inline void keep_locally(struct size_class *class, struct free_block *block)
{
    list_add_last(&class->local_list, &block->link);
    class->locally_free++;
}

static inline void *take_local(struct size_class *class)
{
    struct link *block = class->local_list.next;
    list_remove(block);
    class->locally_free--;
    return block;
}

static inline void add_global(struct size_class *class, struct free_block *block)
{
    list_add_last(&class->global_list, &block->link);
    class->globally_free++;
}

static inline void remove_global(struct size_class *class, struct free_block *block)
{
    list_remove(&block->link);
    class->globally_free--;
}

static inline void *take_global(struct size_class *class)
{
    struct free_block *block = (void *)class->global_list.next;
    remove_global(class, block);
    return block;
}

/* Halves a block of order `from`, that is on no list any more and whose bits are
 * clear, down to order `to`. The upper halves become globally free, the block at the
 * start is allocated. */
static void split(struct page_record *record, char *start, int from, int to)
{
    class_of(from)->blocks--;
    for (int order = from - 1; order >= to; order--) {
        struct free_block *upper = (void *)(start + ((size_t)MIN_BLOCK << order));
        COUNT(SPLIT);
        upper->order = order;
        class_of(order)->blocks++;
        add_global(class_of(order), upper);
    }
    class_of(to)->blocks++;
    mark_busy(&record->map, granule_of(start), to);
    record->allocated++;
}

static __attribute__((noinline)) void *malloc_from_new_page(int order)
{
    if (root == NULL && !open_allocator())
        return NULL;
    struct page_record *record = page_record_add();
    if (record == NULL)
        return NULL;
    class_of(TOP_ORDER)->blocks++;
    split(record, record->page->ptr, TOP_ORDER, order);
    return record->page->ptr;
}

static void *malloc_by_splitting(int order)
{
    for (int larger = order + 1; larger < TOP_ORDER; larger++) {
        struct size_class *class = class_of(larger);
        bool kept = class->locally_free > 0;
        if (!kept && class->globally_free == 0)
            continue;
        void *block = kept ? take_local(class) : take_global(class);
        struct page_record *record = page_record(block);
        if (kept)
            mark_free(&record->map, granule_of(block), larger);
        split(record, block, larger, order);
        return block;
    }
    return malloc_from_new_page(order);
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    int order = order_of(size);
    if (root == NULL)
        return malloc_from_new_page(order);
    struct size_class *class = class_of(order);
    if (class->locally_free > 0) {
        void *block = take_local(class);
        page_record(block)->allocated++;
        return block;
    }
    if (class->globally_free > 0) {
        void *block = take_global(class);
        struct page_record *record = page_record(block);
        mark_busy(&record->map, granule_of(block), order);
        record->allocated++;
        return block;
    }
    return malloc_by_splitting(order);
}

/* Makes a block globally free and joins it with its buddies, one chain. Its page has
 * an allocated block, so the chain ends below the page. */
static void free_globally(struct free_block *block, int order)
{
    struct granule_map *map = &page_record(block)->map;
    size_t granule = granule_of(block);
    mark_free(map, granule, order);
    size_t buddy = granule ^ ((size_t)1 << order);
    while (is_free(map, buddy, order)) {
        struct size_class *class = class_of(order);
        COUNT(JOIN);
        remove_global(class, block_beside(block, buddy));
        class->blocks -= 2;
        granule &= buddy;
        order++;
        class_of(order)->blocks++;
        buddy = granule ^ ((size_t)1 << order);
    }
    block = block_beside(block, granule);
    block->order = order;
    add_global(class_of(order), block);
}

/* Takes every block of a page without allocated blocks off the lists and counts, then
 * gives the page back. */
static void dissolve(struct page_record *record)
{
    char *page = record->page->ptr;
    for (size_t granule = 0; granule < GRANULES;) {
        struct free_block *block = (void *)(page + (granule << MIN_SHIFT));
        struct size_class *class = class_of(block->order);
        COUNT(STEP);
        list_remove(&block->link);
        class->blocks--;
        if (is_free(&record->map, granule, block->order))
            class->globally_free--;
        else
            class->locally_free--;
        granule += (size_t)1 << block->order;
    }
    page_record_remove(record);
}

/* The last block of a page: whatever else lies in the page is free already. */
static __attribute__((noinline)) void free_last(struct page_record *record,
                                                struct free_block *block, int order)
{
    struct size_class *class = class_of(order);
    keep_locally(class, block);
    dissolve(record);
    /* The class has an allocated block less, but need not have kept one in this page. */
    if (root != NULL && slack(class) < 0)
        free_globally(take_local(class), order);
}

void kma_free(void *ptr, kma_size_t size)
{
    int order = order_of(size);
    struct size_class *class = class_of(order);
    struct page_record *record = page_record(ptr);
    struct free_block *block = ptr;
    block->order = order;
    record->allocated--;
    if (record->allocated == 0) {
        free_last(record, block, order);
        return;
    }
    int lazy = slack(class);
    if (lazy >= 2) {
        keep_locally(class, block);
        return;
    }
    free_globally(block, order);
    if (lazy == 0)
        free_globally(take_local(class), order);
}

/* Z2 and Z3 for the blocks of one list. */
static int audit_list(const struct link *head, int order, bool local)
{
    int broken = 0;
    for (struct link *member = head->next; member != head; member = member->next) {
        struct free_block *block = (void *)member;
        const struct granule_map *map = &page_record(block)->map;
        size_t granule = granule_of(block);
        size_t granules = (size_t)1 << order;
        broken += block->order != order;
        broken += busy_granules(map, granule, order) != (local ? granules : 0); /* Z2 */
        broken += !local && order < TOP_ORDER &&
                  is_free(map, granule ^ granules, order); /* Z3 */
    }
    return broken;
}

struct totals {
    size_t pages;
    size_t clear; /* granules */
    size_t allocated;
};

static int audit_page(struct page_record *record, void *context)
{
    struct totals *totals = context;
    size_t clear = GRANULES - busy_granules(&record->map, 0, TOP_ORDER);
    totals->pages++;
    totals->clear += clear;
    totals->allocated += (size_t)record->allocated;
    return record->allocated <= 0 || clear == GRANULES; /* Z5 */
}

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    struct totals totals = {0, 0, 0};
    int broken = page_table_audit(audit_page, &totals);
    size_t granules = 0, clear = 0, allocated = 0;
    for (int order = 0; order < ORDERS; order++) {
        struct size_class *class = class_of(order);
        size_t local = list_length(&class->local_list);
        size_t global = list_length(&class->global_list);
        broken += slack(class) < 0 || local != (size_t) class->locally_free ||
                  global != (size_t) class->globally_free; /* Z1 */
        broken += audit_list(&class->local_list, order, TRUE);
        broken += audit_list(&class->global_list, order, FALSE);
        granules += (size_t) class->blocks << order;
        clear += global << order;
        allocated += (size_t) class->blocks - local - global;
        broken += order == TOP_ORDER && local + global > 0; /* Z5 */
    }
    broken += clear != totals.clear;                 /* Z4 */
    broken += granules != totals.pages * GRANULES;   /* Z6 */
    return broken + (allocated != totals.allocated); /* Z6 */
}

kma_size_t kma_block_size(kma_size_t size)
{
    return MIN_BLOCK << order_of(size);
}

#endif
