/* test_word_records.h - part of test_word.c: the records of pages, near and far apart. */
#ifndef KMA_TESTS_TEST_WORD_RECORDS_H
#define KMA_TESTS_TEST_WORD_RECORDS_H

/* As in a heap of 2 GB, or of 256 MB where addresses have 32 bits. */
enum {
    SPREAD_BITS = (sizeof(void *) > 4 ? 31 : 28) - LOG2_FLOOR(PAGESIZE),
    SPREAD = 1 << SPREAD_BITS,
    MOST_FAR = 60,
    WHOLE = MAX_REQUEST
};

/* The test holds all pages of the pool but those that it offers. */
static struct {
    kma_page_t *page[SPREAD];
    int count;
} held;

static void hold_all(void)
{
    while (pages_in_use() < SPREAD) {
        kma_page_t *page = __real_get_page();
        held.page[page->id] = page;
        held.count++;
    }
}

/* The page that was offered last is got first. */
static void offer(int id)
{
    if (held.page[id] == NULL)
        return;
    free_page(held.page[id]);
    held.page[id] = NULL;
    held.count--;
}

static int start_spread(void **state)
{
    int failed = start_with_none(state);
    pool_set_poison(0);
    failed |= pool_open(SPREAD);
    memset(&held, 0, sizeof held);
    hold_all();
    pool_set_poison(1);
    return failed;
}

static int finish_spread(void **state)
{
    assert_int_equal(pages_in_use(), held.count);
    return pool_open(1) | finish(state);
}

static int id_of(const void *block)
{
    return pool_page_of(block)->id;
}

/* How many different numbers the pages have, but for their last bits. */
static int count_distinct(const int *id, int count, int bits)
{
    static bool seen[SPREAD];
    int distinct = 0;
    for (int i = 0; i < count; i++) {
        distinct += !seen[id[i] >> bits];
        seen[id[i] >> bits] = TRUE;
    }
    for (int i = 0; i < count; i++)
        seen[id[i] >> bits] = FALSE;
    return distinct;
}

/* The nodes below the top, whose level is the first on which it stands alone. */
static int naive_nodes(const int *id, int count)
{
    int nodes = 0;
    for (int bits = 10;; bits += 5) {
        int distinct = count_distinct(id, count, bits);
        if (distinct == 1)
            return nodes;
        nodes += distinct;
    }
}

static int count_leaf_pages(const int *id, int count)
{
    static int page_of_leaf[MOST_FAR + 1];
    int outside = 0;
    for (int i = 0; i < count; i++) {
        struct leaf *leaf =
            radix_get(&state_of_root()->units.leaves,
                      page_number(root->ptr) / 32 - (uintptr_t)(id_of(root->ptr) / 32) +
                          (uintptr_t)(id[i] / 32));
        if (leaf != &state_of_root()->units.first)
            page_of_leaf[outside++] = id_of(leaf);
    }
    return count_distinct(page_of_leaf, outside, 0);
}

/* All pages that the live blocks, each of a page, should take. */
static int naive_pages(int *leaves)
{
    int id[MOST_FAR + 1], count = 0;
    if (live.count == 0)
        return 0;
    id[count++] = id_of(root->ptr);
    for (int i = 0; i < live.count; i++)
        id[count++] = id_of(live.block[i]);
    *leaves = count_distinct(id, count, 5);
    return count + naive_nodes(id, count) + count_leaf_pages(id, count);
}

static int check_spread(void)
{
    int leaves = 0;
    assert_int_equal(pages_in_use() - held.count, naive_pages(&leaves));
    assert_int_equal(kma_audit(), 0);
    return leaves;
}

/* The first 32 pages have the leaf in the first page. Each 32 pages more need another, of
 * which a page holds several, and a tree of height 1 does for 1024 pages. */
static void test_first_leaf(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(1024), 0);
    char *block[1000], *near[31];
    int control = 1;
    for (int i = 0; i < 31; i++) {
        near[i] = kma_malloc(WHOLE);
        assert_int_equal(pages_in_use(), i + 2);
    }
    for (int i = 0; i < 950; i++) {
        block[i] = kma_malloc(WHOLE);
        int leaves = (id_of(block[i]) + 1) / 32 + ((id_of(block[i]) + 1) % 32 > 0);
        control = 1 + (leaves - 1 + (int)LEAVES_IN_PAGE - 1) / (int)LEAVES_IN_PAGE;
        assert_int_equal(pages_in_use(), i + 32 + control);
        assert_int_equal(state_of_root()->units.leaves.height, 1);
    }
    assert_sound(950 + 31 + control);
    for (int i = 0; i < 950; i++)
        kma_free(block[i], WHOLE);
    assert_sound(32);
    for (int i = 0; i < 31; i++)
        kma_free(near[i], WHOLE);
}

/* Makes a request with each of its calls for a page refused in turn, and then with none.
 * Returns how many it made. */
static int take_at_last(void)
{
    int leaves = 0;
    for (int n = 1;; n++) {
        fail_pages(n, n);
        char *block = kma_malloc(WHOLE);
        if (page_calls.failed == 0) {
            serve_pages();
            assert_non_null(block);
            live_add(block, WHOLE);
            return n - 1;
        }
        assert_null(block);
        assert_int_equal(page_calls.calls, n);
        assert_int_equal(pages_in_use() - held.count, naive_pages(&leaves));
        assert_int_equal(kma_audit(), 0);
    }
}

/* The page farthest from all others takes a leaf's page, a node for each level by which
 * the tree gets higher, and one for each on the way down. */
static void test_farthest_page(void **state)
{
    (void)state;
    const int height = (SPREAD_BITS - 5 + 4) / 5, first = 5;
    for (int i = 0; i < 2; i++)
        offer(first + i);
    assert_int_equal(take_at_last(), 2);
    for (int i = 1; i < 2 * height; i++)
        offer(first + 50 + i);
    offer(SPREAD - 1);
    assert_int_equal(take_at_last(), 2 + 2 * (height - 1));
    assert_int_equal(id_of(live.block[1]), SPREAD - 1);
    assert_int_equal(state_of_root()->units.leaves.height, height);
    check_spread();
    hold_all();
    live_give(1);
    assert_int_equal(state_of_root()->units.leaves.height, 1);
    check_spread();
    live_give(0);
}

/* Near one of three places, at any scale. What is not held is free or in use already. */
static void offer_some(uint64_t *seed, int count)
{
    const int place[] = {0, 0x55555555 & (SPREAD - 1), SPREAD - 1};
    for (int i = 0; i < count; i++) {
        int low = (1 << random_between(seed, 1, SPREAD_BITS)) - 1;
        offer((place[random_between(seed, 0, 2)] & ~low) |
              random_between(seed, 0, low));
    }
}

/* Pages from anywhere: leaves and nodes come and go with them. A page for leaves is got
 * when no other has a vacant one. */
static void test_spread_pages(void **state)
{
    (void)state;
    uint64_t seed = 9;
    int most_calls = 0, most_leaves = 0;
    for (int step = 0; step < 1200; step++) {
        hold_all();
        bool more = random_between(&seed, 1, 100) <= (step / 200 % 2 ? 35 : 65);
        if (live.count == 0 || (more && live.count < MOST_FAR)) {
            bool vacant =
                live.count > 0 && !list_is_empty(&state_of_root()->units.leaf_pages);
            struct link *list = vacant ? state_of_root()->units.leaf_pages.next : NULL;
            offer_some(&seed, 40);
            int calls = take_at_last();
            most_calls = calls > most_calls ? calls : most_calls;
            if (vacant && state_of_root()->units.leaf_pages.next != list)
                assert_null(
                    LIST_OWNER(list, struct leaf_page, link)->vacant); /* used up */
        } else {
            live_give(random_between(&seed, 0, live.count - 1));
        }
        int leaves = check_spread();
        most_leaves = leaves > most_leaves ? leaves : most_leaves;
    }
    assert_true(most_calls >= 4);
    assert_true(most_leaves > 20);
    while (live.count > 0) {
        live_give(random_between(&seed, 0, live.count - 1));
        check_spread();
    }
}

/* Small and large blocks in pages from anywhere. */
static void test_blocks_in_spread_pages(void **state)
{
    (void)state;
    uint64_t seed = 10;
    for (int step = 0; step < 6000; step++) {
        bool small = random_between(&seed, 0, 2) > 0;
        int bytes = random_between(&seed, 1, small ? SMALL_LARGEST : WHOLE);
        bool more = random_between(&seed, 1, 100) <= (step / 1000 % 2 ? 40 : 60);
        if (live.count == 0 || (more && live.count < MOST_LIVE)) {
            offer_some(&seed, 25);
            live_take(bytes);
            hold_all();
        } else {
            live_give(random_between(&seed, 0, live.count - 1));
        }
        if (live.count > 0)
            check_bytes();
    }
    hold_all();
    give_all(&seed);
}

#endif
