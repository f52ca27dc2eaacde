/* kma_page_units.h - runs of units: pages cut into 64 units each, so that one word says
 * everything about a page.
 *
 *     page      |///|   |///////|           |///|           |    64 units of PAGESIZE / 64
 *     free       0 0 1 1 0 0 0 0 1 1 1 1 1 1 0 0 1 1 1 1 1 1    a bit for a unit
 *     run        longest known: starts at unit 8, 6 units
 *
 * A request takes the start of the known run of a page; what it is joined with when it is
 * given back is seen from the bits on both sides of it, with two bit searches. Nothing is
 * written into a page, and no page is read.
 *
 * Pages are of two zones, which their owner tells apart. In each zone the pages are on
 * lists by the length of their known run, the one that was put there last first, and a
 * word says which of the 64 lists have a page. So one bit search finds the page whose run
 * is the least that is long enough.
 *
 *     nonempty[zone]   0 1 0 0 0 1 0 ...      bin[zone * BINS + length]
 *                        |       '--------->  record -> record
 *                        '----------------->  record
 *
 * A request that leaves less than an eighth of the page's free units in the known run looks
 * for the longest run, and a run that is given back takes the place of a shorter one. Else
 * the rest is known on, though another run may be longer by then: looking for it each
 * time costs more than it brings (DOC, "The champion").
 *
 * Records of 32 neighbouring pages are a leaf. A radix tree (kma_radix.h) leads from a
 * page's number / 32 to its leaf. Leaves share pages, and the first one lies in the
 * owner's root page: a heap of up to 32 pages needs no control page besides that.
 *
 * Invariants (units_audit):
 *   U1  a record in use lies where the address of its page says, and its leaf's bit says
 *       that it is in use;
 *   U2  free_units counts the bits of free, none of which belongs to a span, and not all
 *       64 are set;
 *   U3  the known run is free from its start to its end, and is not 0 unless free is;
 *   U4  a page is on the list for its zone and run, whose link leads to it;
 *   U5  nonempty has a bit exactly for each list from 1 on that has a page;
 *   U6  a page of leaves has a leaf in use, counts them right, and is among those with a
 *       vacant one exactly while it has one.
 *
 * Cost: nothing is walked, but for the levels of the tree, which are two for as many as
 * 1024 neighbouring pages. What changes lists does it without branches: whether a list
 * becomes empty nobody can foresee, and a wrong guess costs as much as all the rest. */
#ifndef KMA_PAGE_UNITS_H
#define KMA_PAGE_UNITS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_bits.h"
#include "kma_count.h"
#include "kma_list.h"

#define RADIX_SLOT_BITS 5 /* the tree's top is in the root page, with much else */
#include "kma_radix.h"

enum {
    UNITS = 64,              /* of a page */
    UNIT = PAGESIZE / UNITS, /* bytes */
    ZONES = 2,
    BINS = UNITS + 1, /* of a zone; the first is for pages that are full */
    LEAF_BITS = 5,
    LEAF_PAGES = 1 << LEAF_BITS,
    KNOWN_SHARE = 8
};

struct page_record {
    char *base;
    uint64_t free;
    uint64_t spans; /* a bit where the owner's spans begin */
    struct page_record *next;
    struct page_record **link; /* the head or next that leads here */
    kma_page_t *page;
    uint8_t length; /* of the known run */
    uint8_t start;
    uint8_t free_units;
    uint8_t zone;
};

struct leaf {
    struct leaf *next_vacant; /* while it is not in use */
    uint32_t used;            /* a bit for each record */
    struct page_record record[LEAF_PAGES];
};

/* A page of leaves. */
struct leaf_page {
    kma_page_t *page;
    struct link link; /* among those with a vacant leaf */
    struct leaf *vacant;
    unsigned used;
    struct leaf leaf[];
};

enum { LEAVES_IN_PAGE = (PAGESIZE - sizeof(struct leaf_page)) / sizeof(struct leaf) };

struct units {
    uint64_t nonempty[ZONES];
    struct page_record *bin[ZONES * BINS];
    struct page_record none; /* its link is written where there is no next record */
    struct radix leaves;     /* by page number / LEAF_PAGES */
    struct link leaf_pages;  /* with a vacant leaf */
    struct leaf first;
};

static_assert(LEAVES_IN_PAGE >= 1, "a leaf fits a page");

static inline uint64_t first_bits(unsigned count) /* 1 to 64 */
{
    return ~(uint64_t)0 >> (64 - count);
}

static inline unsigned unit_at(const void *ptr)
{
    return (unsigned)((uintptr_t)ptr % PAGESIZE / UNIT);
}

/* The record of the page in which ptr lies. */
static inline struct page_record *record_of(const struct units *units, const void *ptr)
{
    uintptr_t number = page_number(ptr);
    struct leaf *leaf = radix_get(&units->leaves, number / LEAF_PAGES);
    return &leaf->record[number % LEAF_PAGES];
}

/* ---- lists of pages */

static inline uint64_t bit_of_bin(unsigned bin, bool set)
{
    return (uint64_t)set << ((bin - 1) % 64);
}

static inline void set_link(struct units *units, struct page_record *record,
                            struct page_record **link)
{
    struct page_record *linked = record != NULL ? record : &units->none;
    linked->link = link;
}

static inline void leave_bin(struct units *units, struct page_record *record)
{
    unsigned zone = record->zone, bin = record->length;
    *record->link = record->next;
    set_link(units, record->next, record->link);
    bool empty = units->bin[zone * BINS + bin] == NULL;
    units->nonempty[zone] &= ~bit_of_bin(bin, empty && bin > 0);
}

/* The page's known run is this one, and its list accordingly. */
static inline void enter_bin(struct units *units, struct page_record *record,
                             unsigned start, unsigned length)
{
    unsigned zone = record->zone;
    struct page_record **head = &units->bin[zone * BINS + length], *next = *head;
    record->start = (uint8_t)start;
    record->length = (uint8_t)length;
    record->next = next;
    record->link = head;
    set_link(units, next, &record->next);
    *head = record;
    units->nonempty[zone] |= bit_of_bin(length, length > 0);
}

/* The page with the least known run of at least `length` units, 1 to 64. NULL: none. */
static inline struct page_record *page_that_fits(const struct units *units,
                                                 unsigned zone, unsigned length)
{
    uint64_t bins = units->nonempty[zone] >> (length - 1);
    return bins == 0 ? NULL : units->bin[zone * BINS + length + lowest_bit(bins)];
}

/* ---- leaves */

static void units_init(struct units *units)
{
    memset(units, 0, sizeof *units);
    list_init(&units->leaf_pages);
}

static bool add_leaf_page(struct units *units)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return FALSE;
    struct leaf_page *leaves = page->ptr;
    *leaves = (struct leaf_page){.page = page};
    for (unsigned i = LEAVES_IN_PAGE; i-- > 0;) {
        leaves->leaf[i].next_vacant = leaves->vacant;
        leaves->vacant = &leaves->leaf[i];
    }
    list_add_first(&units->leaf_pages, &leaves->link);
    return TRUE;
}

static struct leaf *take_leaf(struct units *units)
{
    if (radix_is_empty(&units->leaves))
        return &units->first;
    if (list_is_empty(&units->leaf_pages) && !add_leaf_page(units))
        return NULL;
    struct leaf_page *leaves =
        LIST_OWNER(units->leaf_pages.next, struct leaf_page, link);
    struct leaf *leaf = leaves->vacant;
    leaves->vacant = leaf->next_vacant;
    leaves->used++;
    if (leaves->vacant == NULL)
        list_remove(&leaves->link);
    leaf->used = 0;
    return leaf;
}

static void give_leaf(struct units *units, struct leaf *leaf)
{
    if (leaf == &units->first)
        return;
    struct leaf_page *leaves = BASEADDR(leaf);
    if (leaves->vacant == NULL)
        list_add_first(&units->leaf_pages, &leaves->link);
    leaf->next_vacant = leaves->vacant;
    leaves->vacant = leaf;
    if (--leaves->used == 0) {
        list_remove(&leaves->link);
        free_page(leaves->page);
    }
}

/* The leaf of this number, made when there is none. NULL: no page. */
static struct leaf *reach_leaf(struct units *units, uintptr_t number)
{
    struct leaf *leaf = radix_find(&units->leaves, number);
    if (leaf != NULL)
        return leaf;
    leaf = take_leaf(units);
    if (leaf == NULL || radix_put(&units->leaves, number, leaf))
        return leaf;
    give_leaf(units, leaf);
    return NULL;
}

/* ---- pages */

/* Takes in a page, whose first `taken` units are not free. NULL: no page for its record. */
static struct page_record *take_page_in(struct units *units, kma_page_t *page,
                                        unsigned zone, unsigned taken)
{
    uintptr_t number = page_number(page->ptr);
    struct leaf *leaf = reach_leaf(units, number / LEAF_PAGES);
    if (leaf == NULL)
        return NULL;
    unsigned slot = number % LEAF_PAGES;
    struct page_record *record = &leaf->record[slot];
    leaf->used |= (uint32_t)1 << slot;
    *record = (struct page_record){.base = page->ptr,
                                   .free = ~(uint64_t)0 << taken,
                                   .page = page,
                                   .free_units = (uint8_t)(UNITS - taken),
                                   .zone = (uint8_t)zone};
    enter_bin(units, record, taken, UNITS - taken);
    return record;
}

static __attribute__((noinline)) struct page_record *add_page(struct units *units,
                                                              unsigned zone)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    struct page_record *record = take_page_in(units, page, zone, 0);
    if (record == NULL)
        free_page(page);
    return record;
}

/* A page that is on no list any more goes back. */
static __attribute__((noinline)) void remove_page(struct units *units,
                                                  struct page_record *record)
{
    uintptr_t number = page_number(record->base);
    struct leaf *leaf = radix_get(&units->leaves, number / LEAF_PAGES);
    free_page(record->page);
    leaf->used &= ~((uint32_t)1 << number % LEAF_PAGES);
    if (leaf->used == 0) {
        radix_remove(&units->leaves, number / LEAF_PAGES);
        give_leaf(units, leaf);
    }
}

/* ---- runs */

struct run {
    unsigned start;
    unsigned length;
};

/* The first of the longest runs of bits that are set, shorter than 64: of the starts of
 * runs of 32, 16, ... 1 bits, those are kept behind which there are as many more. */
static inline struct run longest_run(uint64_t bits)
{
    uint64_t runs[6] = {bits}; /* runs[i]: where 1 << i bits in a row begin */
    for (unsigned i = 0; i < 5; i++)
        runs[i + 1] = runs[i] & runs[i] >> (1 << i);
    uint64_t starts = ~(uint64_t)0;
    unsigned length = 0;
    for (unsigned i = 6; i-- > 0;) {
        uint64_t longer = starts & runs[i] >> length;
        uint64_t some = -(uint64_t)(longer != 0);
        starts = (longer & some) | (starts & ~some);
        length += (1u << i) & (unsigned)some;
    }
    return (struct run){lowest_bit(starts), length};
}

/* The start of the known run of a page that fits. */
static inline void *take_run(struct units *units, struct page_record *record,
                             unsigned length)
{
    void *block = record->base + record->start * UNIT;
    struct run rest = {record->start + length, record->length - length};
    record->free &= ~(first_bits(length) << record->start);
    record->free_units = (uint8_t)(record->free_units - length);
    if (rest.length > 0)
        COUNT(SPLIT);
    if (rest.length * KNOWN_SHARE < record->free_units)
        rest = longest_run(record->free);
    leave_bin(units, record);
    enter_bin(units, record, rest.start, rest.length);
    return block;
}

/* Gives back what take_run returned, and its page with its last run. */
static inline void give_run(struct units *units, void *block, unsigned length)
{
    struct page_record *record = record_of(units, block);
    unsigned at = unit_at(block);
    uint64_t free = record->free | first_bits(length) << at;
    uint64_t used = ~free, below = used & (((uint64_t)1 << at) - 1);
    uint64_t above = used >> (at + length - 1) >> 1;
    unsigned start = 63 - (unsigned)__builtin_clzll(below << 1 | 1);
    unsigned end = at + length + lowest_bit(above | (uint64_t)1 << (64 - at - length));
    record->free = free;
    record->free_units = (uint8_t)(record->free_units + length);
    if (start < at)
        COUNT(JOIN);
    if (end > at + length)
        COUNT(JOIN);
    if (end - start <= record->length)
        return;
    leave_bin(units, record);
    if (used == 0)
        remove_page(units, record);
    else
        enter_bin(units, record, start, end - start);
}

/* ---- the audit */

/* What the owner finds out about the runs of a page that are not free. */
typedef int units_visitor(struct page_record *record, void *context);

struct units_audit {
    const struct units *units;
    units_visitor *visit;
    void *context;
    uintptr_t pages[ZONES * BINS]; /* that should be on each list */
    unsigned leaves;               /* outside of the root page */
};

static unsigned bits_in(uint64_t bits)
{
    unsigned count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static int audit_record(struct page_record *record, struct units_audit *audit)
{
    if (record->zone >= ZONES || record->length > UNITS ||
        record->start + record->length > UNITS)
        return 1; /* U3, U4 */
    uint64_t free = record->free;
    uint64_t run =
        record->length == 0 ? 0 : first_bits(record->length) << record->start;
    int broken = record->free_units != bits_in(free) || (free & record->spans) != 0 ||
                 free == ~(uint64_t)0;                         /* U2 */
    broken += (run & ~free) != 0 || (run == 0) != (free == 0); /* U3 */
    broken += *record->link != record;                         /* U4 */
    audit->pages[record->zone * BINS + record->length]++;
    return broken + audit->visit(record, audit->context);
}

static int audit_leaf(uintptr_t number, void *value, void *context)
{
    struct units_audit *audit = context;
    struct leaf *leaf = value;
    int broken = leaf->used == 0; /* U1 */
    if (leaf != &audit->units->first) {
        const struct leaf_page *leaves = BASEADDR(leaf);
        broken += leaves->vacant == NULL && leaves->used != LEAVES_IN_PAGE; /* U6 */
        audit->leaves++;
    }
    for (unsigned i = 0; i < LEAF_PAGES; i++) {
        struct page_record *record = &leaf->record[i];
        if ((leaf->used >> i & 1) == 0)
            continue;
        if (page_number(record->base) != number * LEAF_PAGES + i ||
            record->page->ptr != record->base)
            broken++; /* U1 */
        else
            broken += audit_record(record, audit);
    }
    return broken;
}

static int audit_bins(const struct units_audit *audit)
{
    int broken = 0;
    for (unsigned list = 0; list < ZONES * BINS; list++) {
        unsigned zone = list / BINS, bin = list % BINS;
        uintptr_t pages = 0;
        for (const struct page_record *record = audit->units->bin[list];
             record != NULL && pages <= audit->pages[list]; record = record->next)
            pages++;
        broken += pages != audit->pages[list]; /* U4 */
        if (bin > 0) {
            bool set = audit->units->nonempty[zone] >> (bin - 1) & 1;
            broken += set != (audit->units->bin[list] != NULL); /* U5 */
        }
    }
    return broken;
}

/* The number of broken invariants, plus what visit answers for each page. */
static int units_audit(const struct units *units, units_visitor *visit, void *context)
{
    struct units_audit audit = {.units = units, .visit = visit, .context = context};
    int broken = radix_audit(&units->leaves, audit_leaf, &audit) + audit_bins(&audit);
    unsigned vacant = 0;
    for (struct link *link = units->leaf_pages.next; link != &units->leaf_pages;
         link = link->next) {
        struct leaf_page *leaves = LIST_OWNER(link, struct leaf_page, link);
        unsigned here = 0;
        for (struct leaf *leaf = leaves->vacant; leaf != NULL && here < LEAVES_IN_PAGE;
             leaf = leaf->next_vacant)
            here++;
        broken +=
            here == 0 || leaves->used == 0 || here + leaves->used != LEAVES_IN_PAGE;
        vacant += here;
    }
    return broken + ((audit.leaves + vacant) % LEAVES_IN_PAGE != 0); /* U6 */
}

#endif
