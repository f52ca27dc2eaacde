/* test_p2fl.c - the power-of-two free lists, from within: kma_p2fl.c is included. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_p2fl.c"
#include "white_box.h"

enum { CONTROL_PAGES = 2 /* root and leaf */ };

/* The largest request that a buffer of half a page serves, and so on down. */
static int largest_request(int class)
{
    return class == MAX_CLASS ? MAX_REQUEST : (1 << class) - 8;
}

static void *take(int class)
{
    return kma_malloc(largest_request(class));
}

static void give(void *block)
{
    kma_free(block, 0);
}

/* A buffer of 2^k bytes serves 2^k - 8; a request for a power of two takes the next
 * size, and everything above PAGESIZE / 2 - 8 takes a page. */
static void test_sizes(void **state)
{
    (void)state;
    const int sizes[][2] = {{1, 16},  {7, 16},  {8, 16},  {9, 32},  {16, 32},
                            {24, 32}, {25, 64}, {56, 64}, {57, 128}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(kma_block_size(sizes[i][0]), sizes[i][1]);
    for (int bytes = 16; bytes < PAGESIZE; bytes *= 2) {
        assert_int_equal(kma_block_size(bytes - 8), bytes);
        assert_int_equal(kma_block_size(bytes - 7), 2 * bytes);
        assert_int_equal(kma_block_size(bytes), 2 * bytes);
    }
    assert_int_equal(kma_block_size(PAGESIZE / 2 - 8), PAGESIZE / 2);
    assert_int_equal(kma_block_size(PAGESIZE / 2 - 7), PAGESIZE);
    assert_int_equal(kma_block_size(PAGESIZE - 8), PAGESIZE);
    assert_int_equal(kma_block_size(MAX_REQUEST), PAGESIZE);
    assert_int_equal(kma_block_size(MAX_REQUEST - 1), PAGESIZE);
}

/* Aligned to the buffer's size in every class. The word before the block, and the page's
 * last word for the first one, is its header, which leads to the record of the page; the
 * client's bytes do not reach any header. */
static void test_allocated_header(void **state)
{
    (void)state;
    for (int class = MIN_CLASS; class <= MAX_CLASS; class ++) {
        int size = largest_request(class), buffers = PAGESIZE >> class;
        char *first = kma_malloc(size);
        char *second = buffers > 1 ? kma_malloc(size) : NULL;
        assert_ptr_equal(first, BASEADDR(first));
        assert_ptr_equal(((void **)(void *)(first + PAGESIZE))[-1], page_record(first));
        assert_int_equal(kma_usable_size(first), size);
        if (second != NULL) {
            assert_ptr_equal(second, first + ((size_t)1 << class));
            assert_ptr_equal(((void **)(void *)second)[-1], page_record(first));
            assert_int_equal(kma_usable_size(second), size);
            memset(second, 0xff, (size_t)size);
        }
        memset(first, 0xff, (size_t)size);
        assert_int_equal(page_record(first)->size_class, class);
        assert_int_equal(kma_audit(), 0);
        give(first);
        assert_int_equal(kma_audit(), 0);
        if (second != NULL)
            give(second);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* A free buffer's first word links it to the next one: the one freed before it. */
static void test_free_link(void **state)
{
    (void)state;
    char *a = take(6), *b = take(6), *c = take(6);
    struct page_record *record = page_record(a);
    give(b);
    assert_ptr_equal(record->free, b);
    assert_ptr_equal(*(void **)(void *)b, NULL);
    give(a);
    assert_ptr_equal(record->free, a);
    assert_ptr_equal(*(void **)(void *)a, b);
    assert_int_equal(kma_audit(), 0);
    assert_ptr_equal(take(6), a);
    assert_ptr_equal(take(6), b);
    assert_ptr_equal(take(6), c + 64);
    for (int i = 0; i < 4; i++)
        give(a + (size_t)i * 64);
}

/* On 32-bit machines requests of up to PAGESIZE - 4 are served, from a page. */
static void test_largest(void **state)
{
    (void)state;
    const int sizes[] = {PAGESIZE / 2 - 7, PAGESIZE / 2, PAGESIZE - 9, PAGESIZE - 8,
                         MAX_REQUEST};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = kma_malloc(sizes[i]);
        assert_non_null(block);
        assert_int_equal(page_record(block)->size_class, MAX_CLASS);
        memset(block, 0xff, (size_t)sizes[i]);
        kma_free(block, sizes[i]);
        assert_int_equal(pages_in_use(), 0);
    }
    assert_int_equal(MAX_REQUEST, PAGESIZE - sizeof(void *));
    assert_null(kma_malloc(MAX_REQUEST + 1));
    assert_null(kma_malloc(INT_MAX));
    assert_null(kma_malloc(0));
    assert_null(kma_malloc(INT_MIN));
    assert_int_equal(pages_in_use(), 0);
}

/* A page holds PAGESIZE / 2^k buffers, and goes back with the last of them. */
static void test_page_goes_back(void **state)
{
    (void)state;
    static char *block[PAGESIZE / 16 + 1];
    static int turn[PAGESIZE / 16];
    uint64_t seed = 1;
    for (int class = MIN_CLASS; class <= MAX_CLASS; class ++) {
        int count = PAGESIZE >> class;
        for (int i = 0; i < count; i++) {
            block[i] = take(class);
            assert_ptr_equal(BASEADDR(block[i]), BASEADDR(block[0]));
            turn[i] = i;
        }
        block[count] = take(class);
        assert_ptr_not_equal(BASEADDR(block[count]), BASEADDR(block[0]));
        shuffle(&seed, turn, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
            give(block[turn[i]]);
        }
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
        assert_int_equal(kma_audit(), 0);
        give(block[count]);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* The header knows: whatever size kma_free is told. */
static void test_free_needs_no_size(void **state)
{
    (void)state;
    const int sizes[] = {0, -1, 1, 100, PAGESIZE, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int class = MIN_CLASS; class <= MAX_CLASS; class ++) {
            char *first = take(class), *second = take(class);
            kma_free(first, sizes[i]);
            assert_int_equal(kma_audit(), 0);
            kma_free(second, sizes[i]);
            assert_int_equal(pages_in_use(), 0);
        }
    }
}

/* The audit sees a free list that runs into an allocated buffer, whose bytes are
 * no link, and one that has lost a buffer. The rest of it is tested in test_mck2.c. */
static void test_audit(void **state)
{
    (void)state;
    char *a = take(7), *b = take(7), *c = take(7);
    give(b);
    struct buffer *free = page_record(a)->free;
    assert_int_equal(kma_audit(), 0);
    memset(a, 0xff, 64);
    free->next = (void *)a;
    assert_int_equal(kma_audit(), 1);
    free->next = NULL;
    page_record(a)->free = NULL;
    assert_int_equal(kma_audit(), 1);
    page_record(a)->free = free;
    assert_int_equal(kma_audit(), 0);
    give(a);
    give(c);
}

#define P2FL_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        P2FL_TEST(test_sizes),          P2FL_TEST(test_allocated_header),
        P2FL_TEST(test_free_link),      P2FL_TEST(test_largest),
        P2FL_TEST(test_page_goes_back), P2FL_TEST(test_free_needs_no_size),
        P2FL_TEST(test_audit),
    };
    return cmocka_run_group_tests_name("p2fl", tests, NULL, NULL);
}
