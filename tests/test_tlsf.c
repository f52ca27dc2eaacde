/* test_tlsf.c - two-level segregated fit, from within: kma_tlsf.c is included. Sizes of
 * blocks are in granules. */

#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_tlsf.c"
#include "white_box.h"

static struct allocator *state_of_root(void)
{
    return root->ptr;
}

static char *take(size_t size)
{
    return kma_malloc((kma_size_t)(size * GRANULE));
}

static void give(void *block, size_t size)
{
    kma_free(block, (kma_size_t)(size * GRANULE));
}

static void assert_sound(int pages)
{
    assert_int_equal(kma_audit(), 0);
    assert_int_equal(pages_in_use(), pages);
}

/* The block that begins at granule `first` of a page. */
static char *at_granule(void *page, size_t first)
{
    return (char *)BASEADDR(page) + first * GRANULE;
}

/* mapping_insert of the paper: f = floor(log2(size)) is the first level's index, and
 * (size - 2^f) * 2^SLI / 2^f the second's. Its first levels below SLI, in which second
 * ones would be parts of a granule, are one level here. mapping_search, for the list to
 * search, adds 2^(f - SLI) - 1 to the size first. */
static void test_mapping(void **state)
{
    (void)state;
    for (size_t size = 1; size <= PAGE_BLOCK; size++) {
        size_t list = list_of(size), f = (size_t)LOG2_FLOOR(size);
        assert_in_range(list, 1, LISTS - 1);
        if (size < EXACT_LISTS)
            assert_int_equal(list, size);
        if (f < SLI) {
            assert_int_equal(list >> SLI, 0);
            continue;
        }
        size_t second = ((size - ((size_t)1 << f)) << SLI) >> f;
        assert_int_equal(list >> SLI, f - SLI + 1);
        assert_int_equal(list % SECOND_LISTS, second);
        size_t searched = list_of(size + ((size_t)1 << (f - SLI)) - 1);
        assert_int_equal(searched, list_of(size - 1) + 1);
    }
    assert_int_equal(list_of(PAGE_BLOCK) >> SLI, FIRST_LEVELS - 1);
}

static void test_block_size(void **state)
{
    (void)state;
    for (int bytes = 1; bytes <= (int)MAX_REQUEST; bytes++) {
        kma_size_t size = kma_block_size(bytes);
        if (bytes > LARGEST) {
            assert_int_equal(size, PAGESIZE);
        } else {
            assert_int_equal(size % GRANULE, 0);
            assert_in_range(size, bytes, bytes + GRANULE - 1);
        }
    }
}

/* The only free block of the heap, of `hole` granules, against requests of every kind:
 * the end of it serves all that it can hold, and nothing else. */
static void check_hole(uint64_t *seed, size_t hole)
{
    char *rest = take(PAGE_BLOCK - hole), *block = take(hole);
    assert_ptr_equal(block, at_granule(rest, PAGE_FIRST));
    assert_ptr_equal(rest, block + hole * GRANULE);
    give(block, hole);
    size_t least = hole;
    while (least > 1 && list_of(least - 1) == list_of(hole))
        least--;
    size_t sizes[12] = {1, least, least - (least > 1), hole, hole + 1, PAGE_BLOCK};
    for (int i = 6; i < 12; i++)
        sizes[i] = (size_t)random_between(seed, 1, PAGE_BLOCK);
    for (int i = 0; i < 12; i++) {
        char *got = take(sizes[i]);
        if (sizes[i] <= hole)
            assert_ptr_equal(got, block + (hole - sizes[i]) * GRANULE);
        else
            assert_ptr_not_equal(BASEADDR(got), BASEADDR(block));
        assert_int_equal(pages_in_use(), sizes[i] <= hole ? 2 : 3);
        give(got, sizes[i]);
    }
    assert_sound(2);
    give(rest, PAGE_BLOCK - hole);
}

static void test_good_fit(void **state)
{
    (void)state;
    uint64_t seed = 1;
    char *first_page = take(ROOT_BLOCK);
    for (size_t hole = 1; hole < PAGE_BLOCK; hole += hole < 300 ? 1 : 7)
        check_hole(&seed, hole);
    give(first_page, ROOT_BLOCK);
}

/* Two blocks on one list for two sizes: the first of them is looked at, and no other,
 * before the lists of larger blocks. */
static void test_own_list(void **state)
{
    (void)state;
    enum { SMALL = EXACT_LISTS, LARGE };
    assert_int_equal(list_of(SMALL), list_of(LARGE));
    char *first_page = take(ROOT_BLOCK);
    char *low = take(PAGE_BLOCK - SMALL), *small = take(SMALL);
    char *high = take(PAGE_BLOCK - LARGE), *large = take(LARGE);
    assert_true(small < large);
    give(small, SMALL);
    give(large, LARGE);
    assert_sound(3);
    char *other = take(LARGE);
    assert_sound(4);
    give(other, LARGE);
    assert_ptr_equal(take(SMALL), small);
    assert_ptr_equal(take(LARGE), large);
    assert_sound(3);
    give(large, LARGE);
    give(small, SMALL);
    assert_ptr_equal(take(SMALL - 1), small + GRANULE); /* a larger one, and split */
    give(small + GRANULE, SMALL - 1);
    give(low, PAGE_BLOCK - SMALL);
    give(high, PAGE_BLOCK - LARGE);
    give(first_page, ROOT_BLOCK);
}

/* Nothing stands between blocks in use, nor around them: requests of a granule fill a
 * page from its end to its control data. */
static void test_no_header(void **state)
{
    (void)state;
    static char *block[ROOT_BLOCK + PAGE_BLOCK];
    static int turn[ROOT_BLOCK + PAGE_BLOCK];
    for (size_t i = 0; i < ROOT_BLOCK + PAGE_BLOCK; i++) {
        bool in_first = i < ROOT_BLOCK;
        block[i] = kma_malloc(i % 2 == 0 ? 1 : GRANULE);
        turn[i] = (int)i;
        memset(block[i], 1, GRANULE);
        size_t granule = PAGE_END - 1 - (in_first ? i : i - ROOT_BLOCK);
        assert_ptr_equal(block[i],
                         at_granule(block[in_first ? 0 : ROOT_BLOCK], granule));
        assert_int_equal(pages_in_use(), in_first ? 1 : 2);
    }
    assert_ptr_equal(block[ROOT_BLOCK - 1], at_granule(root->ptr, ROOT_FIRST));
    assert_true((size_t)(block[ROOT_BLOCK - 1] - (char *)root->ptr) <
                sizeof(struct allocator) + GRANULE);
    assert_sound(2);
    char *other = take(1); /* both pages are full */
    assert_sound(3);
    give(other, 1);
    uint64_t seed = 2;
    shuffle(&seed, turn, ROOT_BLOCK + PAGE_BLOCK);
    for (size_t i = 0; i < ROOT_BLOCK + PAGE_BLOCK; i++) {
        if (i % 64 == 0)
            assert_int_equal(kma_audit(), 0);
        kma_free(block[turn[i]], turn[i] % 2 == 0 ? 1 : GRANULE);
    }
}

/* Blocks A, B and C, neighbours between others that stay, freed in the given order: one
 * free block of them all. */
static void check_joining(const size_t size[3], const int order[3])
{
    char *block[3], *right = take(1);
    for (int i = 2; i >= 0; i--)
        block[i] = take(size[i]);
    char *left = take(1);
    memset(left, 17, GRANULE);
    memset(right, 17, GRANULE);
    assert_ptr_equal(block[0], left + GRANULE);
    assert_ptr_equal(block[1], block[0] + size[0] * GRANULE);
    assert_ptr_equal(block[2], block[1] + size[1] * GRANULE);
    assert_ptr_equal(right, block[2] + size[2] * GRANULE);
    for (int i = 0; i < 3; i++) {
        give(block[order[i]], size[order[i]]);
        assert_sound(1);
    }
    size_t sum = size[0] + size[1] + size[2];
    assert_ptr_equal(state_of_root()->head[list_of(sum)], block[0]);
    assert_ptr_equal(take(sum), block[0]);
    for (size_t i = 0; i < GRANULE; i++)
        assert_true(left[i] == 17 &&
                    right[i] == 17); /* what is in use is not written */
    give(block[0], sum);
    give(left, 1);
    give(right, 1);
}

static void test_joining(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 2, 1}, {2, 1, 2}, {3, 5, 7},
                                      {1, 1, 9}, {9, 1, 1}, {30, 1, 2}};
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char *anchor = take(1);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++)
            check_joining(sizes[s], orders[o]);
    }
    give(anchor, 1);
}

/* The end of a block is cut off; what is left of it, one granule too, is a free block
 * where it was, and nothing is left of one that is just right. */
static void test_splitting(void **state)
{
    (void)state;
    enum { SIZE = 9 };
    char *right = take(1), *block = take(SIZE), *left = take(1);
    struct free_block **head = state_of_root()->head;
    for (size_t size = 1; size <= SIZE; size++) {
        size_t rest = SIZE - size;
        give(block, SIZE);
        assert_ptr_equal(head[SIZE], block);
        assert_ptr_equal(take(size), block + rest * GRANULE);
        assert_null(head[SIZE]);
        if (rest > 0)
            assert_ptr_equal(head[rest], block);
        assert_sound(1);
        give(block + rest * GRANULE, size);
        assert_ptr_equal(head[SIZE], block);
        assert_ptr_equal(take(SIZE), block);
        assert_sound(1);
    }
    give(block, SIZE);
    give(left, 1);
    give(right, 1);
}

/* Requests that leave no room for the edges take a page, all of it. */
static void test_whole_page(void **state)
{
    (void)state;
    const int bytes[] = {LARGEST + 1, (int)MAX_REQUEST};
    char *anchor = take(1);
    for (int i = 0; i < 2; i++) {
        char *page = kma_malloc(bytes[i]);
        assert_ptr_equal(page, BASEADDR(page));
        memset(page, 255, (size_t)bytes[i]);
        assert_sound(2);
        kma_free(page, bytes[i]);
        assert_sound(1);
    }
    char *largest = kma_malloc(LARGEST);
    assert_ptr_equal(largest, at_granule(largest, PAGE_FIRST));
    memset(largest, 255, LARGEST);
    assert_sound(2);
    kma_free(largest, LARGEST);
    assert_sound(1);
    assert_null(kma_malloc((kma_size_t)MAX_REQUEST + 1));
    give(anchor, 1);
    char *alone = kma_malloc((kma_size_t)MAX_REQUEST); /* with the first page idle */
    assert_sound(2);
    kma_free(alone, (kma_size_t)MAX_REQUEST);
}

/* A page goes back with its last block, the first page with the last request; while it
 * stands idle it serves the next one. */
static void test_pages_go_back(void **state)
{
    (void)state;
    char *small = take(1), *large = take(PAGE_BLOCK - 1), *beside = take(1);
    assert_ptr_equal(BASEADDR(small), root->ptr);
    assert_ptr_equal(BASEADDR(beside), BASEADDR(large));
    give(large, PAGE_BLOCK - 1);
    assert_sound(2);
    give(beside, 1);
    assert_sound(1);
    large = take(PAGE_BLOCK);
    give(small, 1);
    assert_sound(2);
    assert_ptr_equal(state_of_root()->head[list_of(ROOT_BLOCK)],
                     at_granule(root->ptr, ROOT_FIRST));
    assert_ptr_equal(take(ROOT_BLOCK), at_granule(root->ptr, ROOT_FIRST));
    give(at_granule(root->ptr, ROOT_FIRST), ROOT_BLOCK);
    give(large, PAGE_BLOCK);
    assert_int_equal(pages_in_use(), 0);

    large = take(ROOT_BLOCK + 1); /* the first request, too large for the first page */
    assert_sound(2);
    assert_ptr_equal(take(ROOT_BLOCK), at_granule(root->ptr, ROOT_FIRST));
    assert_sound(2);
    give(at_granule(root->ptr, ROOT_FIRST), ROOT_BLOCK);
    give(large, ROOT_BLOCK + 1);
    assert_int_equal(pages_in_use(), 0);

    fail_pages(2, 2);
    assert_null(take(ROOT_BLOCK + 1));
    assert_null(root);
    assert_int_equal(pages_in_use(), 0);
}

/* A free block becomes the first of its list, or the second behind one with a lower
 * address. */
static void test_order_of_reuse(void **state)
{
    (void)state;
    enum { BLOCKS = 5, SIZE = 3 };
    char *block[BLOCKS], *between[BLOCKS];
    for (int i = BLOCKS - 1; i >= 0; i--) {
        block[i] = take(SIZE);
        between[i] = take(1);
    }
    const int freed[BLOCKS] = {2, 1, 4, 3, 0}, reused[BLOCKS] = {0, 1, 3, 4, 2};
    for (int i = 0; i < BLOCKS; i++)
        give(block[freed[i]], SIZE);
    assert_sound(1);
    for (int i = 0; i < BLOCKS; i++)
        assert_ptr_equal(take(SIZE), block[reused[i]]);
    for (int i = 0; i < BLOCKS; i++) {
        give(block[i], SIZE);
        give(between[i], 1);
    }
}

/* What the audit tests start from: a page with free blocks of 4 granules, of 1, and of
 * the rest, around three in use. */
static struct {
    char *used[3];
    struct free_block *four, *one;
} some;

static int start_with_some(void **state)
{
    int failed = start(state);
    some.used[0] = take(2);
    some.four = (void *)take(4);
    some.used[1] = take(2);
    some.one = (void *)take(1);
    some.used[2] = take(2);
    give(some.four, 4);
    give(some.one, 1);
    return failed;
}

static int finish_with_some(void **state)
{
    assert_sound(1);
    for (int i = 0; i < 3; i++)
        give(some.used[i], 2);
    return finish(state);
}

/* T1 */
static void test_audit_bitmaps(void **state)
{
    (void)state;
    struct allocator *self = state_of_root();
    self->second_level[0] ^= (uintptr_t)1 << 4; /* the list of `four` */
    assert_int_equal(kma_audit(), 1);
    self->second_level[0] ^= (uintptr_t)1 << 4;
    self->second_level[0] ^= (uintptr_t)1 << 5; /* an empty list */
    assert_int_equal(kma_audit(), 1);
    self->second_level[0] ^= (uintptr_t)1 << 5;
    for (size_t level = 0; level < FIRST_LEVELS; level++) {
        self->first_level ^= 1u << level;
        assert_int_equal(kma_audit(), 1);
        self->first_level ^= 1u << level;
    }
}

/* T2 */
static void test_audit_lists(void **state)
{
    (void)state;
    struct allocator *self = state_of_root();
    size_t *words = (size_t *)(void *)some.four;
    some.four->size = 5; /* of another list, and longer than its edges say */
    assert_int_equal(kma_audit(), 2);
    some.four->size = 4;
    words[7] = 5;
    assert_int_equal(kma_audit(), 1);
    words[7] = 4;
    struct free_block **link = some.one->link;
    some.one->link = &some.four->next; /* and its edges are nobody's */
    assert_int_equal(kma_audit(), 2);
    some.one->link = link;
    some.four->next = some.four; /* a circle */
    assert_int_equal(kma_audit(), 1);
    some.four->next = NULL;
    assert_int_equal(kma_audit(), 0);
    /* On the list of another size; the bitmap says so. */
    remove_free(self, some.four, 4);
    self->head[6] = some.four;
    some.four->link = &self->head[6];
    self->second_level[0] |= (uintptr_t)1 << 6;
    assert_int_equal(kma_audit(), 1);
    remove_free(self, some.four, 6);
    add_free(self, some.four, 4);
}

/* Puts a block on the list of 7 granules that is none: no edges are turned. */
static int complaints_about(struct free_block *block, size_t size)
{
    struct allocator *self = state_of_root();
    block->size = size;
    block->next = NULL;
    block->link = &self->head[7];
    self->head[7] = block;
    self->second_level[0] |= (uintptr_t)1 << 7;
    int broken = kma_audit();
    remove_free(self, block, 7);
    return broken;
}

/* T3 */
static void test_audit_places(void **state)
{
    (void)state;
    char *page = take(PAGE_BLOCK - 7), *rest = at_granule(page, PAGE_FIRST);
    assert_sound(2);
    char *last = at_granule(page, PAGE_END - 6); /* one granule too many */
    assert_int_equal(complaints_about((void *)last, 7), 1);
    assert_int_equal(complaints_about((void *)last, PAGE_GRANULES), 1);
    assert_int_equal(complaints_about((void *)last, 0), 1);
    struct allocator *self = state_of_root();
    remove_free(self, (void *)rest, 7);
    turn_edges(rest, 7);
    uintptr_t *edges = (uintptr_t *)BASEADDR(page), saved[3];
    memcpy(saved, edges, sizeof saved);
    assert_int_equal(complaints_about((void *)edges, 7), 1); /* the edges themselves */
    memcpy(edges, saved, sizeof saved);
    turn_edges(rest, 7);
    add_free(self, (void *)rest, 7);
    *descriptor(edges) = root;
    assert_int_equal(kma_audit(), 1);
    *descriptor(edges) = (kma_page_t *)pool_page_of(page);
    give(page, PAGE_BLOCK - 7);
}

/* T4 */
static void test_audit_edges(void **state)
{
    (void)state;
    struct allocator *self = state_of_root();
    size_t granule = granule_at(some.four);
    const size_t stray[] = {granule_at(some.used[1]) + 1, PAGE_END, ROOT_FIRST - 1, 0};
    for (size_t i = 0; i < sizeof stray / sizeof *stray; i++) {
        turn_edge(self->edges, stray[i]);
        assert_int_equal(kma_audit(), 1);
        turn_edge(self->edges, stray[i]);
    }
    turn_edge(self->edges, granule + 2); /* inside a free block: it ends too early */
    assert_int_equal(kma_audit(), 2);
    turn_edge(self->edges, granule + 2);
    turn_edge(self->edges, granule);
    assert_int_equal(kma_audit(), 2);
    turn_edge(self->edges, granule);
    turn_edge(self->edges, granule + 4);
    assert_int_equal(kma_audit(), 2);
    turn_edge(self->edges, granule + 4);
    remove_free(self, some.four, 4); /* on no list */
    assert_int_equal(kma_audit(), 1);
    add_free(self, some.four, 4);
    assert_int_equal(kma_audit(), 0);
    /* Two that touch: the edge between them is clear. */
    char *touching = (char *)some.four + 4 * GRANULE;
    assert_ptr_equal(touching, some.used[0]);
    turn_edges(touching, 2);
    add_free(self, (void *)touching, 2);
    assert_int_equal(kma_audit(), 3);
    remove_free(self, (void *)touching, 2);
    turn_edges(touching, 2);
}

/* T5, T6 */
static void test_audit_pages(void **state)
{
    (void)state;
    struct allocator *self = state_of_root();
    char *page = take(PAGE_BLOCK);
    turn_edges(page, PAGE_BLOCK);
    add_free(self, (void *)page, PAGE_BLOCK);
    assert_int_equal(kma_audit(), 1);
    remove_free(self, (void *)page, list_of(PAGE_BLOCK));
    turn_edges(page, PAGE_BLOCK);
    give(page, PAGE_BLOCK);
    char *pages[2] = {take(PAGE_BLOCK - 1), take(PAGE_BLOCK - 1)};
    int requests = self->requests;
    assert_int_equal(requests, 5);
    self->requests = 1;
    assert_int_equal(kma_audit(), 1);
    self->requests = 2;
    assert_int_equal(kma_audit(), 0);
    self->requests = requests;
    give(pages[0], PAGE_BLOCK - 1);
    give(pages[1], PAGE_BLOCK - 1);
    self->requests = 0;
    assert_int_equal(kma_audit(), 1);
    self->requests = 3;
}

#define TLSF_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
#define AUDIT_TEST(name) \
    cmocka_unit_test_setup_teardown(name, start_with_some, finish_with_some)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLSF_TEST(test_mapping),        TLSF_TEST(test_block_size),
        TLSF_TEST(test_good_fit),       TLSF_TEST(test_own_list),
        TLSF_TEST(test_no_header),      TLSF_TEST(test_joining),
        TLSF_TEST(test_splitting),      TLSF_TEST(test_whole_page),
        TLSF_TEST(test_pages_go_back),  TLSF_TEST(test_order_of_reuse),
        AUDIT_TEST(test_audit_bitmaps), AUDIT_TEST(test_audit_lists),
        AUDIT_TEST(test_audit_places),  AUDIT_TEST(test_audit_edges),
        AUDIT_TEST(test_audit_pages),
    };
    return cmocka_run_group_tests_name("tlsf", tests, NULL, NULL);
}
