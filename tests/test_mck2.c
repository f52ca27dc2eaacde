/* test_mck2.c - McKusick and Karels's allocator, from within: kma_mck2.c is included.
 * The entries of the table, kmemsizes[] in Vahalia, are the page records. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_mck2.c"
#include "white_box.h"

enum { CONTROL_PAGES = 2 /* root and leaf */, WHOLE_PAGE = MAX_CLASS };

/* A request for as much of a buffer of this bucket as a request may ask for. */
static void *take(int bucket)
{
    return kma_malloc(bucket == WHOLE_PAGE ? MAX_REQUEST : 1 << bucket);
}

static void give(void *buffer)
{
    kma_free(buffer, 0);
}

static void test_bucket_index(void **state)
{
    (void)state;
    const int sizes[][2] = {{1, 4}, {15, 4}, {16, 4}, {17, 5}, {32, 5}, {33, 6}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(bucket_index(sizes[i][0]), sizes[i][1]);
    for (int bucket = 5; bucket <= WHOLE_PAGE; bucket++) {
        assert_int_equal(bucket_index((1 << bucket) - 1), bucket);
        assert_int_equal(bucket_index(1 << bucket), bucket);
        assert_int_equal(kma_block_size((1 << bucket) - 1), 1 << bucket);
        if (bucket < WHOLE_PAGE)
            assert_int_equal(bucket_index((1 << bucket) + 1), bucket + 1);
    }
    assert_int_equal(1 << WHOLE_PAGE, PAGESIZE);
}

/* No header: PAGESIZE / 2^k requests of 2^k bytes fill a page to its last byte. */
static void test_exact_fit(void **state)
{
    (void)state;
    static char *buffer[PAGESIZE / 16 + 1];
    for (int bucket = MIN_CLASS; bucket < WHOLE_PAGE; bucket++) {
        int count = PAGESIZE >> bucket;
        for (int i = 0; i < count; i++) {
            buffer[i] = take(bucket);
            assert_ptr_equal(buffer[i], buffer[0] + ((size_t)i << bucket));
            assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
            memset(buffer[i], 1, (size_t)1 << bucket);
        }
        assert_int_equal((uintptr_t)buffer[0] % PAGESIZE, 0);
        assert_int_equal(kma_audit(), 0);
        buffer[count] = take(bucket);
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
        for (int i = 0; i <= count; i++) {
            assert_int_equal(pages_in_use(), CONTROL_PAGES + (i < count ? 2 : 1));
            give(buffer[i]);
            assert_int_equal(kma_audit(), 0);
        }
        assert_int_equal(pages_in_use(), 0);
    }
}

/* Above half a page a request takes a page, which goes back at once. */
static void test_whole_page(void **state)
{
    (void)state;
    char *half = kma_malloc(PAGESIZE / 2);
    const int sizes[] = {PAGESIZE / 2 + 1, PAGESIZE - 100, MAX_REQUEST};
    for (int i = 0; i < 3; i++) {
        char *page = kma_malloc(sizes[i]);
        assert_ptr_equal(page, BASEADDR(page));
        assert_int_equal(usage_of(page)->size_class, WHOLE_PAGE);
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
        memset(page, 1, (size_t)sizes[i]);
        assert_int_equal(kma_audit(), 0);
        give(page);
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
    }
    assert_null(kma_malloc(MAX_REQUEST + 1));
    give(half);
}

/* One page serves one bucket after the other, and the table says which it is now,
 * for every address in the page, and for that page only. */
static void test_page_changes_buckets(void **state)
{
    (void)state;
    char *anchor = take(10);
    char *page = NULL;
    uint64_t seed = 1;
    for (int i = 0; i < 200; i++) {
        int bucket = random_between(&seed, MIN_CLASS, WHOLE_PAGE);
        if (bucket == 10)
            continue;
        char *buffer = take(bucket);
        page = page == NULL ? buffer : page;
        assert_ptr_equal(buffer, page); /* the very page, got back */
        assert_int_equal(usage_of(buffer)->size_class, bucket);
        assert_int_equal(usage_of(page + PAGESIZE - 1)->size_class, bucket);
        assert_int_equal(usage_of(anchor)->size_class, 10);
        assert_int_equal(kma_audit(), 0);
        if (bucket < WHOLE_PAGE) { /* nothing of the last bucket is left over */
            char *second = take(bucket);
            assert_ptr_equal(second, page + ((size_t)1 << bucket));
            give(second);
        }
        give(buffer);
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
    }
    give(anchor);
}

static void test_free_needs_no_size(void **state)
{
    (void)state;
    const int sizes[] = {0, -1, 1, 100, PAGESIZE, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int bucket = MIN_CLASS; bucket <= WHOLE_PAGE; bucket++) {
            char *first = take(bucket), *second = take(bucket);
            kma_free(first, sizes[i]);
            assert_int_equal(kma_audit(), 0);
            assert_int_equal(usage_of(second)->size_class, bucket);
            kma_free(second, sizes[i]);
            assert_int_equal(pages_in_use(), 0);
        }
    }
}

/* Buffers given back serve before those never used; the last given back first. A full
 * page that gets a buffer back serves before emptier pages, which so can drain. */
static void test_order_of_reuse(void **state)
{
    (void)state;
    char *a = take(8), *b = take(8), *c = take(8);
    give(a);
    give(b);
    assert_ptr_equal(take(8), b);
    assert_ptr_equal(take(8), a);
    assert_ptr_equal(take(8), c + 256);
    give(a);
    give(b);
    give(c);
    give(c + 256);
    assert_int_equal(pages_in_use(), 0);

    enum { COUNT = PAGESIZE / 1024 };
    char *full[COUNT], *next[2];
    for (int i = 0; i < COUNT; i++)
        full[i] = take(10);
    next[0] = take(10); /* a second page */
    give(full[1]);
    give(full[0]);
    assert_ptr_equal(take(10), full[0]);
    assert_ptr_equal(take(10), full[1]);
    next[1] = take(10);
    assert_ptr_equal(next[1], next[0] + 1024);
    for (int i = 0; i < COUNT; i++)
        give(full[i]);
    give(next[0]);
    give(next[1]);
}

/* Each invariant broken on purpose, and how many complaints that makes. */
static void test_audit(void **state)
{
    (void)state;
    enum { BUCKET = 8, BUFFERS = PAGESIZE >> BUCKET };
    char *a = take(BUCKET), *b = take(BUCKET), *c = take(BUCKET);
    give(b);
    struct page_record *usage = usage_of(a);
    struct buffer *free = (void *)b;
    assert_int_equal(kma_audit(), 0);
    list_remove(&usage->link); /* C1: nobody will find it */
    assert_int_equal(kma_audit(), 1);
    list_add_first(partial_list(BUCKET + 1), &usage->link); /* C1: of neither list */
    assert_int_equal(kma_audit(), 3);
    list_remove(&usage->link);
    list_add_first(partial_list(BUCKET), &usage->link);
    usage->in_use = 0; /* C2, and C3: 3 free where 1 is on the list */
    assert_int_equal(kma_audit(), 2);
    usage->in_use = 4; /* C2, C3: more in use than carved */
    assert_int_equal(kma_audit(), 2);
    usage->in_use = 2;
    usage->carved = BUFFERS + 1; /* C2, C3 */
    assert_int_equal(kma_audit(), 2);
    usage->carved = 3;
    usage->free = NULL; /* C3: too short */
    assert_int_equal(kma_audit(), 1);
    usage->free = free;
    free->next = free; /* C3: a circle */
    assert_int_equal(kma_audit(), 1);
    free->next = NULL;
    assert_int_equal(kma_audit(), 0);

    char *full = take(WHOLE_PAGE);
    list_add_first(partial_list(WHOLE_PAGE), &usage_of(full)->link);
    assert_int_equal(kma_audit(), 2); /* C1: it has none to give; there are too many */
    list_remove(&usage_of(full)->link);
    usage->free = (void *)full; /* C3: a buffer of another page */
    assert_int_equal(kma_audit(), 1);
    usage->free = free;
    assert_int_equal(kma_audit(), 0);
    give(full);
    give(a);
    give(c);
}

/* A full page listed in the place of one that has buffers: as many pages as should
 * be, and the wrong one. */
static void test_audit_of_the_wrong_page(void **state)
{
    (void)state;
    char *buffer[3] = {take(MAX_CLASS - 1), take(MAX_CLASS - 1), take(MAX_CLASS - 1)};
    struct page_record *full = usage_of(buffer[0]), *partial = usage_of(buffer[2]);
    assert_ptr_not_equal(full, partial);
    assert_int_equal(kma_audit(), 0);
    list_remove(&partial->link);
    list_add_first(partial_list(MAX_CLASS - 1), &full->link);
    assert_int_equal(kma_audit(), 1);
    list_remove(&full->link);
    list_add_first(partial_list(MAX_CLASS - 1), &partial->link);
    /* And a free list whose member is not where a buffer of the bucket can be. */
    char *small = take(8), *second = take(8);
    give(small);
    usage_of(second)->free = (void *)(small + 16);
    ((struct buffer *)(void *)(small + 16))->next = NULL;
    assert_int_equal(kma_audit(), 1);
    usage_of(second)->free = (void *)(small + 512);
    ((struct buffer *)(void *)(small + 512))->next = NULL;
    assert_int_equal(kma_audit(), 1);
    usage_of(second)->free = (void *)small;
    assert_int_equal(kma_audit(), 0);
    give(second);
    for (int i = 0; i < 3; i++)
        give(buffer[i]);
}

#define MCK2_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MCK2_TEST(test_bucket_index),
        MCK2_TEST(test_exact_fit),
        MCK2_TEST(test_whole_page),
        MCK2_TEST(test_page_changes_buckets),
        MCK2_TEST(test_free_needs_no_size),
        MCK2_TEST(test_order_of_reuse),
        MCK2_TEST(test_audit),
        MCK2_TEST(test_audit_of_the_wrong_page),
    };
    return cmocka_run_group_tests_name("mck2", tests, NULL, NULL);
}
