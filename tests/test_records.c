/* test_records.c - the table of page records, kma_page_records.h, and the radix tree in
 * it, kma_radix.h, over a page source of this test's own. The table looks at a data page's address only, so data pages
 * have made-up addresses, the first and the last page of the address space among
 * them; control pages are real, and filled with rubbish. */

#include "harness.h"

/* Four records to a leaf on 64-bit machines and on 32-bit ones, so that there are
 * several levels also where a page has many slots. */
struct page_record {
    kma_page_t *page;
    unsigned stamp; /* what the test wrote into the record */
    char rest[PAGESIZE / 5 - 2 * sizeof(void *)];
};

#include "../kma_page_records.h"

struct state {
    struct page_table table;
};

static_assert(LEAF_RECORDS == 4, "the counts below take four records to a leaf");

enum {
    PAGE_BITS = LOG2_FLOOR(PAGESIZE),
    NUMBER_BITS = RADIX_NUMBER_BITS - PAGE_BITS,
    LEAF_NUMBER_BITS = NUMBER_BITS - LEAF_BITS,
    MAX_HEIGHT = (LEAF_NUMBER_BITS + RADIX_BITS - 1) / RADIX_BITS,
    MOST = 400 /* data pages at a time */
};

static struct {
    int control, data; /* pages in use */
    bool next_is_data;
    uintptr_t data_address;
    int calls;   /* of get_page */
    int fail_at; /* the call that gets nothing */
} source;

kma_page_t *get_page(void)
{
    if (++source.calls == source.fail_at)
        return NULL;
    kma_page_t *page = malloc(sizeof *page);
    *page = (kma_page_t){source.next_is_data, (void *)source.data_address, PAGESIZE};
    if (source.next_is_data) {
        source.data++;
    } else {
        page->ptr = aligned_alloc(PAGESIZE, PAGESIZE);
        memset(page->ptr, 0xa5, PAGESIZE);
        source.control++;
    }
    source.next_is_data = FALSE;
    return page;
}

void free_page(kma_page_t *page)
{
    if (page->id) {
        source.data--;
    } else {
        free(page->ptr);
        source.control--;
    }
    free(page);
}

static int visit(struct page_record *record, void *context)
{
    (void)record;
    ++*(int *)context;
    return 0;
}

static int audit(void)
{
    int records = 0;
    return page_table_audit(visit, &records);
}

/* A data page at this page number, the way an algorithm asks for one. */
static struct page_record *add(uintptr_t number)
{
    source.calls = 0;
    if (root == NULL && !root_open(sizeof(struct state)))
        return NULL;
    source.next_is_data = TRUE;
    source.data_address = number * PAGESIZE;
    struct page_record *record = page_record_add();
    source.next_is_data = FALSE;
    return record;
}

static struct page_record *find(uintptr_t number)
{
    /* Any address in the page will do. */
    struct page_record *record = page_record((void *)(number * PAGESIZE));
    assert_ptr_equal(record, page_record((void *)(number * PAGESIZE + PAGESIZE - 1)));
    return record;
}

static void drop(uintptr_t number)
{
    page_record_remove(find(number));
}

static int start(void **state)
{
    (void)state;
    memset(&source, 0, sizeof source);
    root = NULL; /* whatever a failed test has left behind */
    return 0;
}

static int finish(void **state)
{
    (void)state;
    assert_null(root);
    assert_int_equal(source.data, 0);
    assert_int_equal(source.control, 0);
    return 0;
}

/* The control pages for these page numbers, from what the head comment says: the
 * root, a leaf for each run of LEAF_RECORDS numbers with a page in it, and, when the
 * least height at which all leaves share a prefix is h, a node for each distinct
 * prefix at the levels below h. */
static int control_pages(const uintptr_t *number, int count)
{
    if (count == 0)
        return 0;
    int pages = 1;
    for (int level = 0;; level++) {
        int distinct = 0;
        for (int i = 0; i < count; i++) {
            int j = 0;
            while (radix_prefix(number[j] / LEAF_RECORDS, level) !=
                   radix_prefix(number[i] / LEAF_RECORDS, level))
                j++;
            distinct += j == i;
        }
        /* One prefix: this is the top, in the root page. But leaves never are. */
        if (distinct == 1 && level > 0)
            return pages;
        pages += distinct;
    }
}

static void test_one_page(void **state)
{
    (void)state;
    assert_null(root);
    assert_int_equal(audit(), 0);
    struct page_record *record = add(12345);
    assert_int_equal(source.data, 1);
    assert_int_equal(source.control, 2); /* root and leaf */
    assert_ptr_equal(find(12345), record);
    assert_int_equal(record->stamp, 0); /* it came zero, out of rubbish */
    assert_ptr_equal(record->page->ptr, (void *)((uintptr_t)12345 * PAGESIZE));
    assert_int_equal(audit(), 0);
    drop(12345);
}

/* Neighbours share a leaf: 4 k .. 4 k + 3. */
static void test_neighbours(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        add(400 + (uintptr_t)i)->stamp = (unsigned)i;
        assert_int_equal(source.control, 2);
    }
    add(404);
    assert_int_equal(source.control, 3);
    add(399);
    assert_int_equal(source.control, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(find(400 + (uintptr_t)i)->stamp, i);
    drop(404);
    assert_int_equal(source.control, 3);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(source.control, 3);
        drop(400 + (uintptr_t)i);
        assert_int_equal(audit(), 0);
    }
    assert_int_equal(source.control, 2);
    drop(399);
}

/* Two pages whose leaf numbers differ first at height h need a top of height h and,
 * each for itself, h - 1 nodes and a leaf: 1 + 2 h pages. Without either, 2. */
static void test_heights(void **state)
{
    (void)state;
    for (int height = 1; height <= MAX_HEIGHT; height++) {
        int lowest = LEAF_BITS + RADIX_BITS * (height - 1);
        for (int bit = lowest; bit < lowest + RADIX_BITS && bit < NUMBER_BITS; bit++) {
            const uintptr_t near = 3, far = near | (uintptr_t)1 << bit;
            for (int turn = 0; turn < 4; turn++) {
                uintptr_t first = turn & 1 ? far : near, second = near ^ far ^ first;
                uintptr_t stays = turn & 2 ? far : near, goes = near ^ far ^ stays;
                add(first)->stamp = first == far;
                assert_int_equal(source.control, 2);
                add(second)->stamp = second == far;
                assert_int_equal(source.control, 1 + 2 * height);
                assert_int_equal(page_table()->leaves.height, height);
                assert_int_equal(audit(), 0);
                assert_int_equal(find(near)->stamp, 0);
                assert_int_equal(find(far)->stamp, 1);
                drop(goes);
                assert_int_equal(source.control, 2);
                assert_int_equal(page_table()->leaves.height, 1);
                assert_int_equal(audit(), 0);
                assert_int_equal(find(stays)->stamp, stays == far);
                drop(stays);
                assert_null(root);
            }
        }
    }
}

/* The first and the last page of the address space, and those beside them. */
static void test_ends(void **state)
{
    (void)state;
    const uintptr_t last = UINTPTR_MAX / PAGESIZE;
    const uintptr_t number[] = {0, last, 1, last - 1, LEAF_RECORDS, last / 2};
    enum { COUNT = sizeof number / sizeof *number };
    for (int i = 0; i < COUNT; i++) {
        add(number[i])->stamp = 100 + (unsigned)i;
        assert_int_equal(source.control, control_pages(number, i + 1));
        for (int j = 0; j <= i; j++)
            assert_int_equal(find(number[j])->stamp, 100 + j);
        assert_int_equal(audit(), 0);
    }
    assert_int_equal(page_table()->leaves.height, MAX_HEIGHT);
    for (int i = COUNT - 1; i >= 0; i--) {
        drop(number[i]);
        assert_int_equal(source.control, control_pages(number, i));
    }
}

static struct {
    uintptr_t number[MOST];
    unsigned stamp[MOST];
    int count;
} model;

/* A page number that is not in use, near one of a few places, at any scale. */
static uintptr_t random_number(uint64_t *seed)
{
    static const uint64_t place[] = {0, 0x5555555555555555u, ~(uint64_t)0};
    for (;;) {
        int bits = random_between(seed, 1, NUMBER_BITS);
        uint64_t low = ((uint64_t)1 << bits) - 1;
        uint64_t number =
            (place[random_between(seed, 0, 2)] & ~low) | (next_random(seed) & low);
        number &= UINTPTR_MAX / PAGESIZE;
        int i = 0;
        while (i < model.count && model.number[i] != number)
            i++;
        if (i == model.count)
            return (uintptr_t)number;
    }
}

/* Any leaf number may be looked up: one without a leaf is not found, be there nodes on
 * the way to it or not. */
static void check_any(uint64_t *seed)
{
    uintptr_t leaf_number = random_number(seed) / LEAF_RECORDS;
    int i = 0;
    while (i < model.count && model.number[i] / LEAF_RECORDS != leaf_number)
        i++;
    void *leaf = i < model.count ? BASEADDR(find(model.number[i])) : NULL;
    assert_ptr_equal(radix_find(&page_table()->leaves, leaf_number), leaf);
}

static void check_model(void)
{
    for (int i = 0; i < model.count; i++) {
        struct page_record *record = find(model.number[i]);
        assert_int_equal(record->stamp, model.stamp[i]);
        assert_ptr_equal(record->page->ptr, (void *)(model.number[i] * PAGESIZE));
    }
    assert_int_equal(source.data, model.count);
    assert_int_equal(source.control, control_pages(model.number, model.count));
    int records = 0;
    assert_int_equal(page_table_audit(visit, &records), 0);
    assert_int_equal(records, model.count);
}

static void model_add(uintptr_t number, unsigned stamp)
{
    struct page_record *record = add(number);
    assert_non_null(record);
    assert_int_equal(record->stamp, 0);
    record->stamp = stamp;
    model.number[model.count] = number;
    model.stamp[model.count++] = stamp;
}

static void model_drop(int i)
{
    drop(model.number[i]);
    model.count--;
    model.number[i] = model.number[model.count];
    model.stamp[i] = model.stamp[model.count];
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 1;
    model.count = 0;
    for (int round = 0; round < 6; round++) {
        int target = random_between(&seed, 2, MOST - 1);
        for (int step = 0; step < 3 * MOST; step++) {
            bool grow = model.count < target ? step % 4 != 0 : step % 4 == 0;
            if (model.count == 0 || (grow && model.count < MOST))
                model_add(random_number(&seed), (unsigned)step);
            else
                model_drop(random_between(&seed, 0, model.count - 1));
            for (int i = 0; i < 20 && root != NULL; i++)
                check_any(&seed);
            if (step % 50 == 0)
                check_model();
        }
        check_model();
        while (model.count > round % 3) {
            model_drop(random_between(&seed, 0, model.count - 1));
            if (model.count < 8)
                check_model();
        }
    }
    while (model.count > 0)
        model_drop(0);
}

/* Before each page is added, adding it fails at every one of its get_page calls:
 * for the root, the page, nodes that raise the top, nodes below it, the leaf. */
static void test_no_page(void **state)
{
    (void)state;
    uint64_t seed = 2;
    int most_calls = 0;
    model.count = 0;
    for (int step = 0; step < 1500; step++) {
        if (model.count > 0 && (step % 5 < 2 || model.count > 20)) {
            model_drop(random_between(&seed, 0, model.count - 1));
            continue;
        }
        uintptr_t number = random_number(&seed);
        int calls = 0;
        for (bool failed = TRUE; failed; calls++) {
            source.fail_at = calls + 1;
            struct page_record *record = add(number);
            source.fail_at = 0;
            failed = record == NULL;
            if (failed) {
                assert_int_equal(source.calls, calls + 1);
                assert_int_equal(root != NULL, model.count > 0);
                check_model();
            } else {
                assert_int_equal(source.calls, calls);
                page_record_remove(record);
            }
        }
        most_calls = calls - 1 > most_calls ? calls - 1 : most_calls;
        model_add(number, (unsigned)step);
    }
    while (model.count > 0)
        model_drop(0);
    /* At worst: the data page; one node for each raise from height 1; the nodes down
     * from there and the leaf. */
    assert_int_equal(most_calls, 1 + (MAX_HEIGHT - 1) + (MAX_HEIGHT - 1) + 1);
}

/* Where every look-up may go wrong: an empty tree, one whose prefix or height differs,
 * a slot without a node, a node without a value. */
static void test_find(void **state)
{
    (void)state;
    const uintptr_t last = UINTPTR_MAX / PAGESIZE / LEAF_RECORDS;
    const uintptr_t beside = RADIX_SLOTS; /* the leaf number after the last of a node */
    assert_true(root_open(sizeof(struct state)));
    const struct radix *leaves = &page_table()->leaves;
    assert_null(radix_find(leaves, 0));
    assert_null(radix_find(leaves, last));
    root_close_if_idle();

    add(0);
    leaves = &page_table()->leaves;
    assert_ptr_equal(radix_find(leaves, 0), BASEADDR(find(0)));
    assert_null(radix_find(leaves, 1));
    assert_null(radix_find(leaves, beside));
    assert_null(radix_find(leaves, last));
    add(beside * LEAF_RECORDS);
    assert_ptr_equal(radix_find(leaves, 0), BASEADDR(find(0)));
    assert_ptr_equal(radix_find(leaves, beside), BASEADDR(find(beside * LEAF_RECORDS)));
    assert_null(radix_find(leaves, beside + 1));
    assert_null(radix_find(leaves, 2 * beside));
    assert_null(radix_find(leaves, last));
    drop(0);
    assert_null(radix_find(leaves, 0));
    assert_non_null(radix_find(leaves, beside));
    drop(beside * LEAF_RECORDS);
}

/* Each invariant of the tree broken on purpose, and how many complaints that makes. */
static void test_tree_audit(void **state)
{
    (void)state;
    const uintptr_t far = (uintptr_t)1 << (LEAF_BITS + RADIX_BITS);
    add(0);
    struct radix *leaves = &page_table()->leaves;
    assert_int_equal(audit(), 0);
    leaves->top.used++; /* R1 */
    assert_int_equal(audit(), 1);
    leaves->top.used--;
    assert_true(radix_raise(leaves)); /* R2 */
    assert_int_equal(audit(), 1);
    radix_lower(leaves);
    assert_int_equal(audit(), 0);

    add(far);
    struct radix_node *node = leaves->top.slot[1];
    assert_int_equal(audit(), 0);
    node->used++; /* R1 for a node that is not the top */
    assert_int_equal(audit(), 1);
    node->used--;
    void *leaf = node->slot[0];
    node->slot[0] = NULL;
    node->used = 0; /* R1: a node with nothing in it, counted right */
    assert_int_equal(audit(), 1);
    node->slot[0] = leaf;
    node->used = 1;
    assert_int_equal(audit(), 0);
    drop(far);
    drop(0);
}

static void test_table_audit(void **state)
{
    (void)state;
    assert_true(root_open(sizeof(struct state)));
    page_table()->leaves.height = 1;
    assert_int_equal(audit(), 1); /* T3: a root and no data page */
    root_close_if_idle();

    add(0);
    struct page_record *record = add(1);
    struct table_leaf *leaf = BASEADDR(record);
    assert_int_equal(audit(), 0);
    leaf->used++; /* T1 */
    assert_int_equal(audit(), 1);
    leaf->used--;
    page_table()->leaves.prefix++; /* T2, both records */
    assert_int_equal(audit(), 2);
    page_table()->leaves.prefix--;
    kma_page_t *page = record->page;
    record->page = NULL; /* T1 */
    assert_int_equal(audit(), 1);
    leaf->record[2].page = page; /* T2: in use, and not where its address says */
    assert_int_equal(audit(), 1);
    leaf->record[2].page = NULL;
    record->page = page;
    kma_page_t *first = leaf->record[0].page;
    leaf->record[0].page = record->page = NULL;
    leaf->used = 0; /* T1: a leaf with nothing in it, counted right */
    assert_int_equal(audit(), 1);
    leaf->record[0].page = first;
    record->page = page;
    leaf->used = 2;
    assert_int_equal(audit(), 0);
    drop(0);
    drop(1);
    assert_int_equal(audit(), 0);
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TABLE_TEST(test_one_page),    TABLE_TEST(test_neighbours),
        TABLE_TEST(test_heights),     TABLE_TEST(test_ends),
        TABLE_TEST(test_random),      TABLE_TEST(test_no_page),
        TABLE_TEST(test_find),        TABLE_TEST(test_tree_audit),
        TABLE_TEST(test_table_audit),
    };
    return cmocka_run_group_tests_name("page records", tests, NULL, NULL);
}
