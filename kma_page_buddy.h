/* kma_page_buddy.h - which pages of a pool are free: single pages in constant time, in
 * front of a buddy system for runs of 1 << order pages. Pages are numbers here; where
 * they lie and who holds them is the matter of the page source that includes this.
 *
 * The buddy system is Knuth's (The Art of Computer Programming 1, 2.5, algorithms R
 * and S): a block of order k begins at a multiple of 1 << k; its buddy is the block that
 * makes one of order k + 1 with it; of a block that is too large one half after the
 * other is split off, and two free buddies become one at once. In front of it stands a
 * last-in first-out list of single pages that do not coalesce, as the lists per CPU
 * stand before Linux's buddy system (Gorman, "Understanding the Linux Virtual Memory
 * Manager", 2004, chapter 6). Pages from `fresh` on were not handed out since all were
 * free, and are in neither.
 *
 *     page    0  1  2  3  4  5  6  7  8  9  10 11 12 ...   count
 *     state   h0 h0 l  h0 h2 h2 h2 h2 f1 .  l  |
 *                                              fresh = 11
 *     h held, in a run of that order     l free, on the list: single -> 10 -> 2
 *     f a free block of that order       . inside of one
 *
 * A single page comes from the list, else from the smallest block of the buddy system,
 * else from `fresh`. A run comes from the smallest block that has room; when there is
 * none the list is emptied into the buddy system, and when there still is none blocks
 * are added from `fresh` until there is one. From this follows:
 * 1. As long as no run is asked for, the buddy system is empty, and a page is handed out
 *    and given back in the same few steps as if it were not there.
 * 2. A run is had whenever the pool has a free one: with the list empty and `fresh` at
 *    the end all free pages are in blocks, and no two of these are buddies.
 * 3. `fresh` moves only when no page below it would do. So which pages a client gets
 *    depends on its calls alone, and not on how large the pool is, unless it is too
 *    small: a pool that ends where `fresh` came to at most is enough.
 *
 * All of this stands in tables beside the pages: the bytes of a free page belong to
 * nobody. A pool may begin with another page than number 0, so that its runs are aligned;
 * the numbers before its first page have the state NO_PAGE for good.
 *
 * Costs: a constant number of steps for a single page, plus one for each order when it
 * comes from a block; for a run, one for each order and each of its pages, and one for
 * each page on the list, which was given back since the list was last emptied. */
#ifndef KMA_PAGE_BUDDY_H
#define KMA_PAGE_BUDDY_H

#include <stdint.h>
#include "kma_page.h"

/* What the table of states says of a page below `fresh`:
 * a page, or NO_PAGE   it is free, on the list, and that one is behind it
 * HELD - k             it is held, in a run of order k; a single page is one of order 0
 * FREE - k             a free block of order k begins with it
 * The other pages of a free block, and the pages from `fresh` on, have the state of some
 * time when they were free. */
enum {
    NO_PAGE = -1,
    HELD = -2,
    FREE = HELD - (MAX_PAGE_ORDER + 1),
};

/* Between the free blocks of one order. */
struct block_link {
    int32_t next; /* or NO_PAGE */
    int32_t previous;
};

struct page_numbers {
    int32_t *state;           /* by page, as above */
    struct block_link *links; /* of the free block that begins with this page */
    int first;                /* the least number that a page has */
    int count;                /* of numbers: of the last page, and 1 */
    int fresh;                /* the first page that is in neither */
    int single;               /* first on the list, or NO_PAGE */
    unsigned orders;          /* bit k: there is a free block of order k */
    int32_t blocks[MAX_PAGE_ORDER + 1]; /* the first one, where that bit is on */
};

/* All pages become free, whatever they were. */
static inline void forget_pages(struct page_numbers *pages)
{
    pages->fresh = pages->first;
    pages->single = NO_PAGE;
    pages->orders = 0;
}

/* The order of the run in which a page is held, or -1 when it is not. */
static inline int held_order(const struct page_numbers *pages, uintptr_t page)
{
    if (page >= (uintptr_t)pages->fresh)
        return -1;
    int order = HELD - pages->state[page];
    return order >= 0 && order <= MAX_PAGE_ORDER ? order : -1;
}

static inline int is_held_single(const struct page_numbers *pages, uintptr_t page)
{
    return page < (uintptr_t)pages->fresh && pages->state[page] == HELD;
}

/* The first page of the run of that order in which a page lies. */
static inline int run_start(uintptr_t page, int order)
{
    return (int)(page >> order << order);
}

static inline void set_states(struct page_numbers *pages, int first, int order,
                              int state)
{
    for (int page = first; page < first + (1 << order); page++)
        pages->state[page] = state;
}

static inline void link_block(struct page_numbers *pages, int block, int order)
{
    int next = pages->orders >> order & 1 ? pages->blocks[order] : NO_PAGE;
    pages->state[block] = FREE - order;
    pages->links[block] = (struct block_link){next, NO_PAGE};
    if (next != NO_PAGE)
        pages->links[next].previous = block;
    pages->blocks[order] = block;
    pages->orders |= 1u << order;
}

static inline void unlink_block(struct page_numbers *pages, int block, int order)
{
    struct block_link link = pages->links[block];
    if (link.next != NO_PAGE)
        pages->links[link.next].previous = link.previous;
    if (link.previous != NO_PAGE)
        pages->links[link.previous].next = link.next;
    else
        pages->blocks[order] = link.next;
    if (pages->blocks[order] == NO_PAGE)
        pages->orders &= ~(1u << order);
}

/* The state of the buddy's first page is that of a whole block or run: what that page
 * lies in cannot begin before it, since it would then contain the block given. */
static void give_block(struct page_numbers *pages, int block, int order)
{
    while (order < MAX_PAGE_ORDER) {
        int buddy = block ^ 1 << order;
        if (buddy >= pages->fresh || pages->state[buddy] != FREE - order)
            break;
        unlink_block(pages, buddy, order);
        block &= buddy;
        order++;
    }
    link_block(pages, block, order);
}

/* From the smallest block that has room, or NO_PAGE. Not inlined: single pages seldom
 * come from here, and saving registers for it would cost all of them. */
__attribute__((noinline)) static int take_block(struct page_numbers *pages, int order)
{
    unsigned large_enough = pages->orders >> order;
    if (large_enough == 0)
        return NO_PAGE;
    int from = order + __builtin_ctz(large_enough);
    int block = pages->blocks[from];
    unlink_block(pages, block, from);
    while (from-- > order)
        link_block(pages, block + (1 << from), from);
    return block;
}

static void coalesce_singles(struct page_numbers *pages)
{
    while (pages->single != NO_PAGE) {
        int page = pages->single;
        pages->single = pages->state[page];
        give_block(pages, page, 0);
    }
}

/* The largest block at `fresh`, up to that order, joins the buddy system. */
static void add_fresh_block(struct page_numbers *pages, int order)
{
    int block = pages->fresh;
    order = __builtin_ctz((unsigned)block | 1u << order);
    while (pages->count - block < 1 << order)
        order--;
    pages->fresh += 1 << order;
    give_block(pages, block, order);
}

/* The first page of a run, or NO_PAGE. */
static int take_run(struct page_numbers *pages, int order)
{
    int run = take_block(pages, order);
    if (run == NO_PAGE) {
        coalesce_singles(pages);
        run = take_block(pages, order);
    }
    while (run == NO_PAGE && pages->fresh < pages->count) {
        add_fresh_block(pages, order);
        run = take_block(pages, order);
    }
    if (run != NO_PAGE)
        set_states(pages, run, order, HELD - order);
    return run;
}

static inline void give_run(struct page_numbers *pages, int run, int order)
{
    set_states(pages, run, order, FREE);
    give_block(pages, run, order);
}

/* A single page, or NO_PAGE. */
static inline int take_page(struct page_numbers *pages)
{
    int page = pages->single;
    if (page != NO_PAGE)
        pages->single = pages->state[page];
    else if (pages->orders != 0)
        page = take_block(pages, 0);
    else if (pages->fresh == pages->count)
        return NO_PAGE;
    else
        page = pages->fresh++;
    pages->state[page] = HELD;
    return page;
}

static inline void give_page(struct page_numbers *pages, int page)
{
    pages->state[page] = pages->single;
    pages->single = page;
}

#endif
