/* kma_page_records.h - what an algorithm knows about each of its data pages, outside
 * of these pages: one record a page, found from any address in the page.
 *
 * An algorithm defines `struct page_record`, with a first member `kma_page_t *page`,
 * then includes this file, then defines its state as a structure whose first member
 * is a `struct page_table`; the state lies in the root page.
 *
 *     root -> +--------------------------+      +------------------------+
 *             | page_table: prefix,      |   .->| leaf: page, used       |
 *             |   height, pages          |   |  | record of page 128 n   |
 *             |   slot[0]  slot[1] ...   |---'  | record of page 128 n+1 |
 *             | the algorithm's lists    |      | ...                    |
 *             +--------------------------+      +------------------------+
 *
 * The table is a radix tree over page numbers (address / PAGESIZE). A leaf is a
 * control page with LEAF_RECORDS records, for as many neighbouring page numbers; a
 * node is a control page with TABLE_SLOTS slots. The top node lies in the root page.
 * Its height is what the spread of the addresses in use asks for: pages within
 * LEAF_RECORDS * TABLE_SLOTS * PAGESIZE bytes (512 MB with 8 KB pages) need the top
 * node alone, and pages from anywhere need at most a node more for each TABLE_BITS
 * bits of address. So a look-up is one or two loads behind the root, and costs the
 * same however many pages there are.
 *
 * Invariants (page_table_audit):
 *   T1  every leaf and every node but the top has a used entry and counts them right;
 *   T2  no slot above the lowest level stands alone in the top node (the table has
 *       the least height);
 *   T3  `pages` is the number of records in use, and a record in use lies where the
 *       address of its page says;
 *   T4  there is a root page exactly while there is a data page.
 *
 * Nothing is preallocated: leaves, nodes and the root come with the first page that
 * needs them and go with the last. Cost: a leaf is cleared when it is made, so
 * adding a page costs at most one page's clearing a level; the other steps are
 * bounded by the height. */
#ifndef KMA_PAGE_RECORDS_H
#define KMA_PAGE_RECORDS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma_page.h"

#define LOG2_FLOOR(n) (31 - __builtin_clz((unsigned)(n)))

/* Half a page of slots, so that the top node and the algorithm's own state share
 * the root page. */
enum {
    TABLE_BITS = LOG2_FLOOR(PAGESIZE / sizeof(void *) / 2),
    TABLE_SLOTS = 1 << TABLE_BITS,
    LEAF_BITS =
        LOG2_FLOOR((PAGESIZE - 2 * sizeof(void *)) / sizeof(struct page_record)),
    LEAF_RECORDS = 1 << LEAF_BITS,
    ADDRESS_BITS = 8 * sizeof(void *),
    TABLE_LEVELS = ADDRESS_BITS / TABLE_BITS + 1
};

struct table_node {
    kma_page_t *page; /* this node's own page; NULL for the top */
    uintptr_t used;   /* slots that are not NULL */
    void *slot[TABLE_SLOTS];
};

struct table_leaf {
    kma_page_t *page;
    uintptr_t used; /* records that are in use */
    struct page_record record[LEAF_RECORDS];
};

struct page_table {
    uintptr_t prefix; /* the bits above the top's, common to all leaf numbers */
    int height;       /* 1: the top's slots are leaves; more: nodes */
    int pages;        /* records in use */
    struct table_node top;
};

static_assert(sizeof(struct table_leaf) <= PAGESIZE, "a leaf fits a page");
static_assert(sizeof(struct table_node) <= PAGESIZE, "a node fits a page");

/* All the state outside of pages: the page that holds the rest, or NULL. */
static kma_page_t *root;

static inline struct page_table *page_table(void)
{
    return root->ptr;
}

static inline uintptr_t page_number(const void *ptr)
{
    return (uintptr_t)ptr / PAGESIZE;
}

/* The slot for a leaf number in a node of the given level; leaves are level 0. */
static inline size_t slot_index(uintptr_t leaf_number, int level)
{
    return (leaf_number >> (TABLE_BITS * (level - 1))) & (TABLE_SLOTS - 1);
}

/* The record of the data page in which ptr lies. */
static inline struct page_record *page_record(const void *ptr)
{
    const struct page_table *table = page_table();
    uintptr_t number = page_number(ptr);
    const struct table_node *node = &table->top;
    for (int level = table->height; level > 1; level--)
        node = node->slot[slot_index(number / LEAF_RECORDS, level)];
    struct table_leaf *leaf = node->slot[slot_index(number / LEAF_RECORDS, 1)];
    return &leaf->record[number % LEAF_RECORDS];
}

/* The part of a leaf number that the slots of a table of this height do not say. */
static inline uintptr_t prefix_above(uintptr_t leaf_number, int height)
{
    int shift = TABLE_BITS * height;
    return shift < ADDRESS_BITS ? leaf_number >> shift : 0;
}

/* Moves the top's slots into a node of their own, below the top. FALSE: no page. */
static int table_raise(struct page_table *table)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return 0;
    struct table_node *node = page->ptr;
    *node = table->top;
    node->page = page;
    memset(&table->top, 0, sizeof table->top);
    table->top.slot[table->prefix & (TABLE_SLOTS - 1)] = node;
    table->top.used = 1;
    table->prefix >>= TABLE_BITS;
    table->height++;
    return 1;
}

/* Undoes table_raise while the top has but one slot in use (T2). */
static void table_lower(struct page_table *table)
{
    while (table->height > 1 && table->top.used == 1) {
        size_t index = 0;
        while (table->top.slot[index] == NULL)
            index++;
        struct table_node *node = table->top.slot[index];
        kma_page_t *page = node->page;
        table->top = *node;
        table->top.page = NULL;
        table->prefix = table->prefix << TABLE_BITS | index;
        table->height--;
        free_page(page);
    }
}

/* Gives back the leaf and the nodes on the way to it that have nothing in use. */
static void table_prune(struct page_table *table, uintptr_t leaf_number)
{
    struct table_node *path[TABLE_LEVELS + 1];
    int level = table->height;
    path[level] = &table->top;
    while (level > 1 && path[level]->slot[slot_index(leaf_number, level)] != NULL) {
        path[level - 1] = path[level]->slot[slot_index(leaf_number, level)];
        level--;
    }
    for (; level <= table->height; level++) {
        void **slot = &path[level]->slot[slot_index(leaf_number, level)];
        struct table_node *child = *slot; /* a leaf begins with the same two members */
        if (child != NULL) {
            if (child->used > 0)
                break;
            *slot = NULL;
            path[level]->used--;
            free_page(child->page);
        }
    }
    table_lower(table);
}

/* The child in a slot, made when there is none. NULL: no page. */
static void *table_child(struct table_node *node, size_t index)
{
    if (node->slot[index] == NULL) {
        kma_page_t *page = get_page();
        if (page == NULL)
            return NULL;
        struct table_node *child = page->ptr;
        memset(child, 0, PAGESIZE);
        child->page = page;
        node->slot[index] = child;
        node->used++;
    }
    return node->slot[index];
}

/* Makes the leaf for a leaf number reachable. NULL when a page is missing; what was
 * made on the way is then for table_prune to take back. */
static struct table_leaf *table_reach(struct page_table *table, uintptr_t leaf_number)
{
    if (table->pages == 0) {
        table->height = 1;
        table->prefix = prefix_above(leaf_number, 1);
    }
    while (prefix_above(leaf_number, table->height) != table->prefix) {
        if (!table_raise(table))
            return NULL;
    }
    void *child = &table->top;
    for (int level = table->height; level > 0 && child != NULL; level--)
        child = table_child(child, slot_index(leaf_number, level));
    return child;
}

/* Makes the root page, its first `state_size` bytes zero. FALSE: no page. */
static int root_open(size_t state_size)
{
    root = get_page();
    if (root == NULL)
        return 0;
    memset(root->ptr, 0, state_size);
    return 1;
}

static void root_close_if_idle(void)
{
    if (page_table()->pages == 0) {
        free_page(root);
        root = NULL;
    }
}

/* A new data page with a record, zero but for its page. NULL when a page is missing,
 * everything then being as before, the root page closed if it stood idle. */
static struct page_record *page_record_add(void)
{
    struct page_table *table = page_table();
    kma_page_t *page = get_page();
    if (page == NULL) {
        root_close_if_idle();
        return NULL;
    }
    uintptr_t number = page_number(page->ptr);
    struct table_leaf *leaf = table_reach(table, number / LEAF_RECORDS);
    if (leaf == NULL) {
        table_prune(table, number / LEAF_RECORDS);
        free_page(page);
        root_close_if_idle();
        return NULL;
    }
    struct page_record *record = &leaf->record[number % LEAF_RECORDS];
    memset(record, 0, sizeof *record);
    record->page = page;
    leaf->used++;
    table->pages++;
    return record;
}

/* Gives a data page and its record back, and with the last one the root. */
static __attribute__((noinline)) void page_record_remove(struct page_record *record)
{
    struct page_table *table = page_table();
    kma_page_t *page = record->page;
    uintptr_t number = page_number(page->ptr);
    struct table_leaf *leaf = BASEADDR(record);
    record->page = NULL;
    leaf->used--;
    table->pages--;
    free_page(page);
    if (leaf->used == 0)
        table_prune(table, number / LEAF_RECORDS);
    root_close_if_idle();
}

/* Calls visit for every record below a child of the given level, 0 being a leaf, and
 * returns the sum of its answers and of the table's own broken invariants. */
static int table_walk(struct table_node *child, int level, uintptr_t first_leaf,
                      int *pages, int (*visit)(struct page_record *, void *),
                      void *context)
{
    int broken = 0;
    uintptr_t used = 0;
    if (level == 0) {
        struct table_leaf *leaf = (void *)child;
        for (size_t i = 0; i < LEAF_RECORDS; i++) {
            if (leaf->record[i].page == NULL)
                continue;
            used++;
            broken += page_number(leaf->record[i].page->ptr) !=
                      first_leaf * LEAF_RECORDS + i; /* T3 */
            broken += visit(&leaf->record[i], context);
        }
        *pages += (int)used;
    } else {
        for (size_t i = 0; i < TABLE_SLOTS; i++) {
            if (child->slot[i] == NULL)
                continue;
            used++;
            broken += table_walk(child->slot[i], level - 1,
                                 first_leaf << TABLE_BITS | i, pages, visit, context);
        }
    }
    return broken + (used == 0 || used != child->used); /* T1 */
}

/* The number of broken invariants of the table, plus what visit answers for each
 * record in use; context is handed to it. */
static int page_table_audit(int (*visit)(struct page_record *, void *), void *context)
{
    if (root == NULL)
        return 0;
    const struct page_table *table = page_table();
    int pages = 0;
    int broken = table_walk(&page_table()->top, table->height, table->prefix, &pages,
                            visit, context);
    broken += table->height > 1 && table->top.used < 2;   /* T2 */
    broken += pages != table->pages || table->pages == 0; /* T3, T4 */
    return broken;
}

#endif
