/* test_my_malloc.c - libkma.a: what its exercise asks for. Each test has a process of its
 * own, in which the C library's malloc does not move the break meanwhile. */

#include <sys/resource.h>
#include <unistd.h>
#include "harness.h"
#include "apart.h"
#include "../host/my_malloc.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static char *the_break(void)
{
    return sbrk(0);
}

/* From a break at a multiple of a page, where a process finds it. */
static void align_break(void)
{
    sbrk((intptr_t)(-(uintptr_t)the_break() % 4096));
}

/* 1024 blocks take at most `most` bytes of the break, and give them back. */
static void pack_small_blocks(ptrdiff_t most)
{
    enum { COUNT = 1024 };
    static char *block[COUNT];
    char *before = the_break();
    for (int i = 0; i < COUNT; i++) {
        block[i] = my_malloc(16);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 8, 0);
        memset(block[i], i, 16);
    }
    assert_in_range(the_break() - before, 16 * COUNT, most);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(block[i][0], (char)i);
        assert_int_equal(block[i][15], (char)i);
        assert_int_equal(my_free(block[i]), 0);
    }
    assert_ptr_equal(the_break(), before);
}

/* kma_bt.c's records of pages lie in a control page for each MiB of addresses at most, so
 * that pages within one MiB have one of these, and pages in two have two: a page more,
 * for which the break moves by four (page_brk.c). */
static void test_small_blocks_are_packed(void **state)
{
    sbrk((intptr_t)(-(uintptr_t)the_break() % MIB));
    pack_small_blocks(32 * KIB);
}

static void test_small_blocks_in_two_mebibytes(void **state)
{
    sbrk((intptr_t)(-(uintptr_t)the_break() % MIB + MIB - 16 * KIB));
    pack_small_blocks(48 * KIB);
}

/* In every order, of every three sizes; blocks below keep the area from going away. */
static void test_sum_of_freed_blocks(void **state)
{
    static const unsigned long sizes[][3] = {{MIB, MIB, MIB},
                                             {MIB, 2 * MIB, 3 * MIB},
                                             {MIB + 1, MIB - 1, 5000},
                                             {8193, MIB, 4089}};
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    void *below = my_malloc(100);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
            char *block[3];
            unsigned long sum = 0;
            for (int i = 0; i < 3; i++) {
                block[i] = my_malloc(sizes[s][i]);
                memset(block[i], 0xee, sizes[s][i]);
                sum += sizes[s][i];
            }
            char *end = the_break();
            for (int i = 0; i < 3; i++)
                assert_int_equal(my_free(block[orders[o][i]]), 0);
            char *one = my_malloc(sum);
            assert_ptr_equal(one, block[0]);
            memset(one, 1, sum);
            assert_true(the_break() <= end);
            assert_int_equal(my_free(one), 0);
        }
    }
    assert_int_equal(my_free(below), 0);
}

static void test_bad_frees(void **state)
{
    char *one = my_malloc(100), *two = my_malloc(100), *large = my_malloc(3 * MIB);
    char *below_large = my_malloc(100000), *above = my_malloc(100000);
    int local;
    assert_int_not_equal(my_free(NULL), 0);
    assert_int_not_equal(my_free(&local), 0);
    assert_int_not_equal(my_free(test_bad_frees), 0);
    assert_int_not_equal(my_free(one + 8), 0);
    assert_int_not_equal(my_free(one + 1), 0);
    assert_int_not_equal(my_free(large + 4096), 0);
    assert_int_not_equal(my_free(large + 16), 0);
    assert_int_not_equal(my_free((void *)8), 0);
    assert_int_equal(my_free(one), 0);
    assert_int_not_equal(my_free(one), 0);
    assert_int_equal(my_free(large), 0);
    assert_int_not_equal(my_free(large), 0);
    assert_int_equal(my_free(below_large), 0);
    assert_int_not_equal(my_free(below_large), 0);
    assert_int_equal(my_free(above), 0);
    assert_int_equal(my_free(two), 0);
    assert_int_not_equal(my_free(two), 0);
}

static void test_nothing_for_nothing(void **state)
{
    assert_null(my_malloc(0));
    assert_null(my_malloc(~0ul));
    assert_null(my_malloc(~0ul / 2));
    void *block = my_malloc(1);
    assert_non_null(block);
    assert_int_equal(my_free(block), 0);
}

/* When the break can go no further there is nothing, all that there was is as it was, and
 * what is freed can be had again. */
static void test_break_that_cannot_grow(void **state)
{
    enum { MOST = 4096 };
    static char *block[MOST];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_DATA, &limit), 0);
    for (size_t size = 24; size <= 40000; size = size * 5 / 2) {
        rlim_t before = limit.rlim_cur;
        int count = 0;
        block[count++] = my_malloc(size); /* tables of the first pages are there */
        limit.rlim_cur = 2 * MIB;
        assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
        while (count < MOST && (block[count] = my_malloc(size)) != NULL) {
            memset(block[count], count, size);
            count++;
        }
        assert_null(my_malloc(8 * MIB));
        for (int again = 0; again < 3; again++) {
            for (int i = again + 1; i < count; i += 3) {
                assert_int_equal(block[i][0], (char)i);
                assert_int_equal(block[i][size - 1], (char)i);
                assert_int_equal(my_free(block[i]), 0);
            }
            for (int i = again + 1; i < count; i += 3) {
                block[i] = my_malloc(size);
                assert_non_null(block[i]);
                memset(block[i], i, size);
            }
        }
        limit.rlim_cur = before;
        assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(my_free(block[i]), 0);
    }
}

static void test_random_use(void **state)
{
    enum { PLACES = 500 };
    static struct {
        unsigned char *start;
        size_t size;
        unsigned char fill;
    } block[PLACES];
    uint64_t seed = 3;
    align_break();
    char *before = the_break();
    for (int step = 0; step < 200000; step++) {
        int i = random_between(&seed, 0, PLACES - 1);
        if (block[i].start == NULL) {
            int most = random_between(&seed, 0, 50) == 0 ? 50000 : 500;
            block[i].size = (size_t)random_between(&seed, 1, most);
            block[i].fill = (unsigned char)step;
            block[i].start = my_malloc(block[i].size);
            assert_non_null(block[i].start);
            memset(block[i].start, block[i].fill, block[i].size);
        } else {
            assert_int_equal(block[i].start[0], block[i].fill);
            assert_int_equal(block[i].start[block[i].size - 1], block[i].fill);
            assert_int_equal(my_free(block[i].start), 0);
            block[i].start = NULL;
        }
    }
    for (int i = 0; i < PLACES; i++) {
        if (block[i].start != NULL)
            assert_int_equal(my_free(block[i].start), 0);
    }
    assert_ptr_equal(the_break(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_blocks_are_packed),
        cmocka_unit_test(test_small_blocks_in_two_mebibytes),
        cmocka_unit_test(test_sum_of_freed_blocks),
        cmocka_unit_test(test_bad_frees),
        cmocka_unit_test(test_nothing_for_nothing),
        cmocka_unit_test(test_break_that_cannot_grow),
        cmocka_unit_test(test_random_use),
    };
    return run_apart(tests, sizeof tests / sizeof *tests);
}
