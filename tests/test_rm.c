/* test_rm.c - white-box test of the resource map: which extents there are after each
 * call, which of them a request is cut from, and what happens when pages run out.
 *
 * Built three times, with -DKMA_RM, -DKMA_RM_BEST and -DKMA_RM_WORST, together with
 * kma_page.c, and linked with -Wl,--wrap=get_page. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <limits.h>
#include <cmocka.h>

#include "../kma_rm.c"
#include "../driver/pool.h"

enum { MANY = 20000, MAX_SEEN = 40000 };

/* Blocks, and pages with an extent each, whose extents need more nodes than the first
 * control page holds. */
enum { LOAD = PAGESIZE > 8192 ? 20000 : 6000, PAGES = 3600 };

/* get_page fails in calls fail_from, ..., fail_to - 1, counted from 0. */
static int page_calls, fail_from, fail_to;

kma_page_t *__real_get_page(void);
kma_page_t *__wrap_get_page(void);

kma_page_t *__wrap_get_page(void)
{
    int call = page_calls++;
    return call >= fail_from && call < fail_to ? NULL : __real_get_page();
}

static void no_page_from_now_on(void)
{
    fail_from = page_calls;
    fail_to = INT_MAX;
}

static void pages_again(void)
{
    fail_from = fail_to = 0;
}

void error(char *message, char *arg)
{
    fail_msg("%s %s", message, arg);
}

static map_t *the_map(void)
{
    return map_page->ptr;
}

static int pages_in_use(void)
{
    return page_stats()->num_in_use;
}

static int setup(void **state)
{
    (void)state;
    pages_again();
    page_calls = 0;
    pool_set_poison(TRUE);
    return pool_open(4096);
}

/* Whatever a test did, it has freed all: no page and no state is left. */
static int teardown(void **state)
{
    (void)state;
    return pages_in_use() != 0 || map_page != NULL;
}

/* The extents, in the order of the tree by address. */
static struct {
    uintptr_t base[MAX_SEEN];
    int size[MAX_SEEN];
    int count;
} seen;

static void see_node(const node_t *node)
{
    for (int at = 0; at < node->count; at++) {
        if (node->level > 0) {
            see_node(node->child[at]);
            continue;
        }
        assert_true(seen.count < MAX_SEEN);
        seen.base[seen.count] = node->base[at];
        seen.size[seen.count++] = node->size[at];
    }
}

static void see_extents(void)
{
    seen.count = 0;
    see_node(the_map()->trees.tree[BY_ADDRESS]);
    assert_int_equal(kma_audit(), 0);
}

static void assert_extent(int index, const void *base, int grains)
{
    assert_true(index < seen.count);
    assert_ptr_equal((void *)seen.base[index], base);
    assert_int_equal(seen.size[index], grains);
}

/* Fills one page with `count` blocks of the grains given, the first one at the start of
 * the page, and a last one that takes the rest; block[count] is that one. */
static int rest_size;

static void fill_page(char **block, const int *grains, int count)
{
    int used = 0;
    for (int i = 0; i < count; i++)
        used += grains[i];
    rest_size = (PAGE_GRAINS - used) * GRAIN;
    block[count] = kma_malloc(rest_size);
    for (int i = count - 1; i >= 0; i--) {
        block[i] = kma_malloc(grains[i] * GRAIN);
        assert_ptr_equal(block[i] + grains[i] * GRAIN, block[i + 1]);
    }
    assert_ptr_equal(block[0], BASEADDR(block[0]));
    see_extents();
    assert_int_equal(seen.count, 0);
}

static void test_sizes_that_are_refused(void **state)
{
    (void)state;
    assert_null(kma_malloc(0));
    assert_null(kma_malloc(-1));
    assert_null(kma_malloc(INT_MIN));
    assert_null(kma_malloc(INT_MAX));
    assert_null(kma_malloc(PAGESIZE - (int)sizeof(void *) + 1));
    assert_int_equal(kma_block_size(0), 0);
    assert_int_equal(kma_block_size(PAGESIZE - (int)sizeof(void *) + 1), 0);
    assert_int_equal(page_calls, 0);
}

static void test_every_size_is_served(void **state)
{
    (void)state;
    for (int size = 1; size <= PAGESIZE - (int)sizeof(void *); size++) {
        char *block = kma_malloc(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 8, 0);
        /* Rounded up to grains; a block of all of a page's grains has the page. */
        assert_true(kma_block_size(size) >= size);
        assert_int_equal(kma_block_size(size),
                         size > PAGESIZE - 24 ? PAGESIZE : (size + 7) / 8 * 8);
        if (size > PAGESIZE - 24)
            assert_ptr_equal(block, BASEADDR(block));
        assert_ptr_equal(BASEADDR(block + size - 1), BASEADDR(block));
        memset(block, 0x5a, (size_t)size);
        assert_int_equal(kma_audit(), 0);
        kma_free(block, size);
        assert_int_equal(pages_in_use(), 0);
    }
}

static void test_idle_allocator_holds_no_page(void **state)
{
    (void)state;
    assert_null(map_page);
    void *block = kma_malloc(1);
    assert_int_equal(pages_in_use(), 2); /* one of data, one of control */
    kma_free(block, 1);
    assert_int_equal(pages_in_use(), 0);
    assert_null(map_page);
    assert_int_equal(kma_audit(), 0);
}

static void test_block_is_cut_from_the_end(void **state)
{
    (void)state;
    char *first = kma_malloc(20), *page = BASEADDR(first);
    assert_ptr_equal(first, page + (PAGE_GRAINS - 3) * GRAIN);
    char *second = kma_malloc(8);
    assert_ptr_equal(second, first - GRAIN);
    see_extents();
    assert_int_equal(seen.count, 1);
    assert_extent(0, page, PAGE_GRAINS - 4);
    kma_free(first, 20);
    kma_free(second, 8);
}

static void test_coalescing(void **state)
{
    (void)state;
    static const int grains[] = {2, 3, 4, 5, 6};
    char *block[6];
    fill_page(block, grains, 5);
    kma_free(block[1], 3 * GRAIN); /* with neither */
    see_extents();
    assert_int_equal(seen.count, 1);
    assert_extent(0, block[1], 3);
    kma_free(block[2], 4 * GRAIN); /* with the left one */
    see_extents();
    assert_int_equal(seen.count, 1);
    assert_extent(0, block[1], 7);
    kma_free(block[0], 2 * GRAIN); /* with the right one */
    see_extents();
    assert_int_equal(seen.count, 1);
    assert_extent(0, block[0], 9);
    kma_free(block[4], 6 * GRAIN);
    see_extents();
    assert_int_equal(seen.count, 2);
    assert_extent(1, block[4], 6);
    kma_free(block[3], 5 * GRAIN); /* with both */
    see_extents();
    assert_int_equal(seen.count, 1);
    assert_extent(0, block[0], 20);
    assert_int_equal(pages_in_use(), 2);
    kma_free(block[5], rest_size);
    assert_int_equal(pages_in_use(), 0);
}

static void test_pages_do_not_coalesce(void **state)
{
    (void)state;
    static const int grains[] = {4};
    char *low[2], *high[2];
    fill_page(low, grains, 1);
    fill_page(high, grains, 1);
    assert_ptr_equal(high[0],
                     low[0] + PAGESIZE); /* the simulated pool's pages adjoin */
    kma_free(low[1], rest_size);
    kma_free(high[0], 4 * GRAIN);
    see_extents();
    assert_int_equal(seen.count, 2);
    assert_extent(0, low[1], PAGE_GRAINS - 4);
    assert_extent(1, high[0], 4);
    kma_free(low[0], 4 * GRAIN);
    kma_free(high[1], rest_size);
}

/* With extents of 6, 10 and 4 grains in this order, each policy has one of its own. */
static void test_which_extent_is_taken(void **state)
{
    (void)state;
    static const int grains[] = {6, 1, 10, 1, 4, 1, 10, 1, 4};
    char *block[10];
#if defined(KMA_RM_BEST)
    const int chosen = 4;
#elif defined(KMA_RM_WORST)
    const int chosen = 2;
#else
    const int chosen = 0;
#endif
    fill_page(block, grains, 9);
    for (int i = 0; i < 9; i += 2)
        kma_free(block[i], grains[i] * GRAIN);
    see_extents();
    assert_int_equal(seen.count, 5);
    char *taken = kma_malloc(3 * GRAIN);
    assert_ptr_equal(taken, block[chosen] + (grains[chosen] - 3) * GRAIN);
    see_extents();
    assert_extent(chosen / 2, block[chosen], grains[chosen] - 3);
    kma_free(taken, 3 * GRAIN);
    for (int i = 1; i < 9; i += 2)
        kma_free(block[i], grains[i] * GRAIN);
    kma_free(block[9], rest_size);
}

/* Against a plain walk over all extents, thousands of them in a tree of two levels. */
static int expected_extent(int need)
{
    int found = -1;
    for (int i = 0; i < seen.count; i++) {
        if (seen.size[i] < need)
            continue;
#if defined(KMA_RM_BEST)
        if (found < 0 || seen.size[i] < seen.size[found])
            found = i;
#elif defined(KMA_RM_WORST)
        if (found < 0 || seen.size[i] > seen.size[found])
            found = i;
#else
        if (found < 0)
            found = i;
#endif
    }
    return found;
}

static char *many[MANY];
static int many_size[MANY];

static void take_many(int count, int largest)
{
    srand(1);
    for (int i = 0; i < count; i++) {
        many_size[i] = 1 + rand() % largest;
        many[i] = kma_malloc(many_size[i]);
        assert_non_null(many[i]);
    }
}

static void free_many(int first, int count, int step)
{
    for (int i = first; i < count; i += step)
        kma_free(many[i], many_size[i]);
}

static void test_fit_among_thousands(void **state)
{
    (void)state;
    take_many(8000, 600);
    free_many(0, 8000, 2);
    int served = 0; /* from an extent */
    for (int round = 0; round < 500; round++) {
        int need = 1 + rand() % 90;
        see_extents();
        int expected = expected_extent(need), pages = pages_in_use();
        char *block = kma_malloc(need * GRAIN);
        char *end = expected < 0
                        ? (char *)BASEADDR(block) + PAGE_GRAINS * GRAIN
                        : (char *)(seen.base[expected] + bytes(seen.size[expected]));
        assert_ptr_equal(block, end - need * GRAIN);
        assert_true(pages_in_use() > pages ? expected < 0 : expected >= 0);
        served += expected >= 0;
        many[2 * round] = block;
        many_size[2 * round] = need * GRAIN;
    }
    assert_true(served > 100);
    assert_true(the_map()->trees.tree[BY_ADDRESS]->level > 0);
    free_many(0, 1000, 2);
    free_many(1, 8000, 2);
}

static void shuffle_many(int count)
{
    for (int i = count - 1; i > 0; i--) {
        int other = rand() % (i + 1), size = many_size[i];
        char *block = many[i];
        many[i] = many[other];
        many_size[i] = many_size[other];
        many[other] = block;
        many_size[other] = size;
    }
}

static int nodes_in_use(void)
{
    const trees_t *trees = &the_map()->trees;
    return trees->control_pages * NODES_PER_PAGE - trees->free_nodes;
}

static void test_splits_and_merges(void **state)
{
    (void)state;
    take_many(MANY, GRAIN);
    assert_int_equal(the_map()->trees.control_pages, 1);
    int half = 0; /* blocks freed: every second one of a page, an extent by itself */
    for (int i = 0; i < MANY; i++) {
        if ((uintptr_t)many[i] / GRAIN % 2 == 1)
            continue;
        kma_free(many[i], many_size[i]);
        many[i] = many[half];
        many_size[i] = many_size[half++];
        if (half % 64 == 0)
            assert_int_equal(kma_audit(), 0);
    }
    see_extents();
    assert_in_range(seen.count, half - 1, half + 1);
    assert_int_equal(the_map()->trees.tree[BY_ADDRESS]->level, 2);
    int most_nodes = nodes_in_use();
    assert_true(most_nodes > ORDERS * seen.count / LEAF);
    memmove(many, many + half, (size_t)(MANY - half) * sizeof *many);
    memmove(many_size, many_size + half, (size_t)(MANY - half) * sizeof *many_size);
    shuffle_many(MANY - half);
    for (int i = 0; i < MANY - half; i++) {
        kma_free(many[i], many_size[i]);
        if (i % 64 == 0)
            assert_int_equal(kma_audit(), 0);
        if (i == (MANY - half) * 15 / 16) /* few extents are left */
            assert_in_range(nodes_in_use(), ORDERS, most_nodes / 4);
    }
}

/* Calls that fail for want of a page leave everything as it was. */
static void test_malloc_without_page_changes_nothing(void **state)
{
    (void)state;
    static uintptr_t base[MAX_SEEN];
    int refused = 0;
    no_page_from_now_on();
    assert_null(kma_malloc(8)); /* no control page */
    assert_null(map_page);
    fail_from = page_calls + 1;
    assert_null(kma_malloc(8)); /* a control page, and no data page */
    assert_null(map_page);
    assert_int_equal(pages_in_use(), 0);
    pages_again();
    for (int i = 0; i < PAGES; i++) {
        many_size[i] = PAGESIZE / 2 + GRAIN * (1 + i % 5); /* one to a page */
        if (map_page != NULL) {
            see_extents();
            memcpy(base, seen.base, sizeof base);
            int pages = pages_in_use(), free_nodes = the_map()->trees.free_nodes;
            for (int after = 0; after < 2; after++) {
                int count = seen.count;
                fail_from = page_calls + after; /* the data page, or a control page */
                fail_to = INT_MAX;
                many[i] = kma_malloc(many_size[i]);
                if (many[i] != NULL)
                    break;
                refused += after;
                see_extents();
                assert_int_equal(seen.count, count);
                assert_memory_equal(base, seen.base, (size_t)count * sizeof *base);
                assert_int_equal(pages_in_use(), pages);
                assert_int_equal(the_map()->trees.free_nodes, free_nodes);
            }
            pages_again();
            if (many[i] != NULL)
                continue;
        }
        many[i] = kma_malloc(many_size[i]);
        assert_non_null(many[i]);
        many[i + 1] = NULL;
    }
    assert_true(refused > 0); /* a split has wanted a node */
    free_many(0, PAGES, 1);
}

static int count_parked(void)
{
    uintptr_t base;
    int size, count = 0;
    for (uintptr_t link = the_map()->parked; link != 0; count++)
        link = parked_extent(link, &base, &size);
    return count;
}

/* Takes blocks of one and two grains, and frees every second one with no page to be
 * had: most of them are extents by themselves, more than the first nodes hold. */
static void park_many(int count)
{
    take_many(count, 2 * GRAIN);
    no_page_from_now_on();
    for (int i = 0; i < count; i += 2)
        kma_free(many[i], many_size[i]);
    assert_in_range(count_parked(), 10, count);
    assert_int_equal(kma_audit(), 0);
}

static void test_parked_blocks_return_with_the_pages(void **state)
{
    (void)state;
    park_many(LOAD);
    pages_again();
    void *block = kma_malloc(1);
    assert_int_equal(the_map()->parked, 0);
    see_extents();
    assert_in_range(seen.count, LOAD / 2 - 100, LOAD / 2 + 100);
    kma_free(block, 1);
    free_many(1, LOAD, 2);
    assert_int_equal(pages_in_use(), 0);
}

static void test_refused_call_does_not_touch_parked_blocks(void **state)
{
    (void)state;
    park_many(LOAD);
    uintptr_t parked = the_map()->parked;
    int count = count_parked(), pages = pages_in_use();
    assert_null(kma_malloc(PAGE_GRAINS * GRAIN));
    assert_true(the_map()->parked == parked);
    assert_int_equal(count_parked(), count);
    assert_int_equal(pages_in_use(), pages);
    free_many(1, LOAD, 2);
}

static void test_last_free_recovers_all_without_a_page(void **state)
{
    (void)state;
    for (int seed = 0; seed < 8; seed++) {
        take_many(LOAD, 1 + 40 * seed);
        srand((unsigned)seed);
        shuffle_many(LOAD);
        no_page_from_now_on();
        int most = 0;
        for (int i = 0; i < LOAD; i++) {
            kma_free(many[i], many_size[i]);
            if (i % 200 == 0 && map_page != NULL) {
                int parked = count_parked();
                most = parked > most ? parked : most;
                assert_int_equal(kma_audit(), 0);
            }
        }
        assert_true(most > 0);
        assert_int_equal(pages_in_use(), 0);
        assert_null(map_page);
        pages_again();
    }
}

/* Fails each single get_page of a fixed course of calls, and all from each one on. */
static int run_course(void)
{
    int refused = 0;
    srand(7);
    memset(many, 0, sizeof many);
    for (int i = 0; i < 4000; i++) {
        int slot = rand() % 1500, size = 1 + rand() % (rand() % 8 == 0 ? 3000 : 30);
        if (many[slot] != NULL) {
            kma_free(many[slot], many_size[slot]);
            many[slot] = NULL;
            continue;
        }
        int pages = pages_in_use();
        many_size[slot] = size;
        many[slot] = kma_malloc(size);
        if (many[slot] == NULL) {
            refused++;
            assert_int_equal(pages_in_use(), pages);
        }
        if (i % 256 == 0)
            assert_int_equal(kma_audit(), 0);
    }
    for (int slot = 0; slot < 1500; slot++)
        if (many[slot] != NULL)
            kma_free(many[slot], many_size[slot]);
    assert_int_equal(pages_in_use(), 0);
    return refused;
}

static void test_each_page_may_fail(void **state)
{
    (void)state;
    page_calls = 0;
    assert_int_equal(run_course(), 0);
    int calls = page_calls;
    assert_true(calls > 2);
    for (int call = 0; call < calls; call++) {
        for (int forever = 0; forever < 2; forever++) {
            page_calls = 0;
            fail_from = call;
            fail_to = forever ? INT_MAX : call + 1;
            int refused = run_course();
            assert_true(!forever || call > 0 || refused > 1000);
        }
    }
}

static int broken(int invariant)
{
    int is_broken = (broken_invariants(the_map()) >> invariant & 1) != 0;
    assert_true(!is_broken || kma_audit() > 0);
    return is_broken;
}

/* Breaks `field` for a moment and looks whether the audit says so. */
#define ASSERT_FOUND(invariant, field, value) \
    do {                                      \
        __typeof__(field) saved = (field);    \
        assert_int_equal(kma_audit(), 0);     \
        (field) = (value);                    \
        assert_true(broken(invariant));       \
        (field) = saved;                      \
        assert_int_equal(kma_audit(), 0);     \
    } while (0)

static void test_audit_finds_each_broken_invariant(void **state)
{
    (void)state;
    take_many(4000, 30);
    free_many(0, 4000, 2);
    trees_t *trees = &the_map()->trees;
    node_t *root = trees->tree[BY_ADDRESS], *leaf = root;
    while (leaf->level > 0)
        leaf = leaf->child[0];
    assert_true(root->level > 0 && leaf->count > 2 && leaf->count < LEAF);
    int entry = 0; /* one with a gap behind it within its page */
    while (BASEADDR(leaf->base[entry]) != BASEADDR(leaf->base[entry + 1]))
        entry++;
    uintptr_t gap = leaf->base[entry + 1] - leaf->base[entry];

    ASSERT_FOUND(1, leaf->base[1], leaf->base[0]);
    ASSERT_FOUND(1, leaf->base[leaf->count], leaf->base[leaf->count - 1] + 1);
    ASSERT_FOUND(1, leaf->size[leaf->count], 1);
    ASSERT_FOUND(2, root->size[0], root->size[0] + 1);
    ASSERT_FOUND(2, root->base[0], root->base[0] - GRAIN);
    ASSERT_FOUND(2, root->child[0]->level, root->level);
    ASSERT_FOUND(3, leaf->count, LEAF * 3 / 8 - 1);
    ASSERT_FOUND(3, leaf->count, LEAF + 1);
    ASSERT_FOUND(3, root->count, 1);
    ASSERT_FOUND(4, leaf->size[entry], 0);
    ASSERT_FOUND(4, leaf->size[entry], PAGE_GRAINS);
    ASSERT_FOUND(4, leaf->base[entry], leaf->base[entry] + 4);
    ASSERT_FOUND(5, leaf->size[entry], (int16_t)(gap / GRAIN));
    ASSERT_FOUND(5, leaf->size[entry], (int16_t)(gap / GRAIN + 1));
#ifdef KMA_RM_BEST
    ASSERT_FOUND(6, leaf->size[entry], leaf->size[entry] + 1);
    ASSERT_FOUND(6, leaf->base[entry], leaf->base[entry] + GRAIN);
#endif
    ASSERT_FOUND(7, trees->free_nodes, trees->free_nodes + 1);
    ASSERT_FOUND(7, trees->control_pages, trees->control_pages + 1);
    ASSERT_FOUND(7, trees->spare->nodes_used, trees->spare->nodes_used - 1);
    ASSERT_FOUND(7, trees->spare->free_node, trees->spare->free_node->next_free);

    uintptr_t *touching = (uintptr_t *)(leaf->base[entry] + bytes(leaf->size[entry]));
    touching[0] = 0;
    ASSERT_FOUND(8, the_map()->parked, (uintptr_t)touching | 1);
    ASSERT_FOUND(9, *page_word(BASEADDR(touching)), map_page);
    free_many(1, 4000, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
        TEST(sizes_that_are_refused),
        TEST(every_size_is_served),
        TEST(idle_allocator_holds_no_page),
        TEST(block_is_cut_from_the_end),
        TEST(coalescing),
        TEST(pages_do_not_coalesce),
        TEST(which_extent_is_taken),
        TEST(fit_among_thousands),
        TEST(splits_and_merges),
        TEST(malloc_without_page_changes_nothing),
        TEST(parked_blocks_return_with_the_pages),
        TEST(refused_call_does_not_touch_parked_blocks),
        TEST(last_free_recovers_all_without_a_page),
        TEST(each_page_may_fail),
        TEST(audit_finds_each_broken_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
