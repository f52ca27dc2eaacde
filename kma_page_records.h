/* kma_page_records.h - what an algorithm knows about each of its data pages, outside
 * of these pages: one record a page, found from any address in the page.
 *
 * An algorithm defines `struct page_record`, with a first member `kma_page_t *page`,
 * then includes this file, then defines its state as a structure whose first member
 * is a `struct page_table`; the state lies in the root page.
 *
 *     root -> +--------------------------+      +------------------------+
 *             | page_table: prefix,      |   .->| leaf: page, used       |
 *             |   height                 |   |  | record of page 128 n   |
 *             |   slot[0]  slot[1] ...   |---'  | record of page 128 n+1 |
 *             | the algorithm's lists    |      | ...                    |
 *             +--------------------------+      +------------------------+
 *
 * A leaf is a control page with LEAF_RECORDS records, for as many neighbouring page
 * numbers (address / PAGESIZE). A radix tree (kma_radix.h) leads from a leaf's number,
 * which is the page number / LEAF_RECORDS, to the leaf; its top node lies in the root
 * page. So pages within LEAF_RECORDS * RADIX_SLOTS * PAGESIZE bytes (512 MB with 8 KB
 * pages) need no control page but root and leaves, and a look-up is one or two loads
 * behind the root, however many pages there are.
 *
 * Invariants (page_table_audit):
 *   T1  every leaf has a used record and counts them right;
 *   T2  a record in use lies where the address of its page says;
 *   T3  there is a root page exactly while there is a data page;
 *   and those of the radix tree.
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
#include "kma_radix.h"

enum {
    LEAF_BITS =
        LOG2_FLOOR((PAGESIZE - 2 * sizeof(void *)) / sizeof(struct page_record)),
    LEAF_RECORDS = 1 << LEAF_BITS
};

struct table_leaf {
    kma_page_t *page;
    uintptr_t used; /* records that are in use */
    struct page_record record[LEAF_RECORDS];
};

struct page_table {
    struct radix leaves; /* by page number / LEAF_RECORDS */
};

static_assert(sizeof(struct table_leaf) <= PAGESIZE, "a leaf fits a page");

/* All the state outside of pages: the page that holds the rest, or NULL. */
static kma_page_t *root;

static inline struct page_table *page_table(void)
{
    return root->ptr;
}

/* The record of the data page in which ptr lies. */
static inline struct page_record *page_record(const void *ptr)
{
    uintptr_t number = page_number(ptr);
    struct table_leaf *leaf = radix_get(&page_table()->leaves, number / LEAF_RECORDS);
    return &leaf->record[number % LEAF_RECORDS];
}

/* The leaf of this number, made when there is none. NULL: no page. */
static struct table_leaf *table_leaf(struct page_table *table, uintptr_t leaf_number)
{
    struct table_leaf *leaf = radix_find(&table->leaves, leaf_number);
    if (leaf != NULL)
        return leaf;
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    if (!radix_put(&table->leaves, leaf_number, page->ptr)) {
        free_page(page);
        return NULL;
    }
    leaf = page->ptr;
    memset(leaf, 0, PAGESIZE);
    leaf->page = page;
    return leaf;
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
    if (radix_is_empty(&page_table()->leaves)) {
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
    struct table_leaf *leaf = table_leaf(table, number / LEAF_RECORDS);
    if (leaf == NULL) {
        free_page(page);
        root_close_if_idle();
        return NULL;
    }
    struct page_record *record = &leaf->record[number % LEAF_RECORDS];
    memset(record, 0, sizeof *record);
    record->page = page;
    leaf->used++;
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
    free_page(page);
    if (leaf->used == 0) {
        radix_remove(&table->leaves, number / LEAF_RECORDS);
        free_page(leaf->page);
    }
    root_close_if_idle();
}

/* What page_table_audit hands down to each leaf. */
struct table_audit {
    int (*visit)(struct page_record *, void *);
    void *context;
};

static int audit_leaf(uintptr_t leaf_number, void *value, void *context)
{
    struct table_leaf *leaf = value;
    struct table_audit *audit = context;
    int broken = 0;
    uintptr_t used = 0;
    for (size_t i = 0; i < LEAF_RECORDS; i++) {
        struct page_record *record = &leaf->record[i];
        if (record->page == NULL)
            continue;
        used++;
        broken +=
            page_number(record->page->ptr) != leaf_number * LEAF_RECORDS + i; /* T2 */
        broken += audit->visit(record, audit->context);
    }
    return broken + (used == 0 || used != leaf->used); /* T1 */
}

/* The number of broken invariants of the table, plus what visit answers for each
 * record in use; context is handed to it. */
static int page_table_audit(int (*visit)(struct page_record *, void *), void *context)
{
    if (root == NULL)
        return 0;
    struct table_audit audit = {visit, context};
    int broken = radix_audit(&page_table()->leaves, audit_leaf, &audit);
    return broken + radix_is_empty(&page_table()->leaves); /* T3 */
}

#endif
