/* test_page.c - the simulated page source, kma_page.c. */

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include "harness.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { NO_PAGE = -1 };

static int id_of(const kma_page_t *page)
{
    return page == NULL ? NO_PAGE : page->id;
}

static int open_pool(void **state)
{
    (void)state;
    assert_int_equal(pool_open(16), 0);
    return 0;
}

static int reset_pool(void **state)
{
    (void)state;
    pool_set_observer(NULL);
    pool_set_poison(0);
    return pool_open(16);
}

static void assert_stats(int requested, int freed, int in_use)
{
    const kma_page_stat_t *stats = page_stats();
    assert_int_equal(stats->num_requested, requested);
    assert_int_equal(stats->num_freed, freed);
    assert_int_equal(stats->num_in_use, in_use);
    assert_int_equal(stats->page_size, PAGESIZE);
}

/* Must run first: nobody has called pool_open. A free is refused, a look-up finds
 * nothing, and the first get_page opens a pool of MAXPAGES pages. */
static void test_unopened(void **state)
{
    (void)state;
    static kma_page_t stray;
    assert_int_equal(pool_max_pages(), 0);
    assert_stats(0, 0, 0);
    assert_null(pool_page_of(&stray));
    last_error.expected = TRUE;
    if (setjmp(last_error.back) == 0) {
        free_page(&stray);
        fail();
    }
    assert_string_equal(last_error.arg, "is not a descriptor that get_page returned");
    for (int i = 0; i < MAXPAGES; i++)
        assert_int_equal(id_of(get_page()), i);
    assert_null(get_page());
    assert_int_equal(pool_max_pages(), MAXPAGES);
}

/* Pages come in ascending order, each one whole, until there is none left. */
static void test_exhaustion(void **state)
{
    (void)state;
    assert_int_equal(pool_open(5), 0);
    kma_page_t *page[5];
    for (int i = 0; i < 5; i++) {
        page[i] = get_page();
        assert_non_null(page[i]);
        assert_int_equal(page[i]->id, i);
        assert_int_equal(page[i]->size, PAGESIZE);
        assert_int_equal((uintptr_t)page[i]->ptr % PAGESIZE, 0);
        assert_ptr_equal(page[i]->ptr, (char *)page[0]->ptr + (size_t)i * PAGESIZE);
        memset(page[i]->ptr, i + 1, PAGESIZE);
    }
    assert_null(get_page());
    assert_null(get_page());
    assert_stats(5, 0, 5);
    for (int i = 0; i < 5; i++) {
        const char *bytes = page[i]->ptr;
        assert_int_equal(bytes[0], i + 1);
        assert_int_equal(bytes[PAGESIZE - 1], i + 1);
    }
    free_page(page[3]);
    assert_stats(5, 1, 4);
    assert_ptr_equal(get_page(), page[3]);
    assert_null(get_page());
    assert_stats(6, 1, 5);
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    kma_page_t *page[5];
    for (int i = 0; i < 5; i++)
        page[i] = get_page();
    free_page(page[1]);
    free_page(page[3]);
    free_page(page[0]);
    assert_int_equal(id_of(get_page()), 0);
    assert_int_equal(id_of(get_page()), 3);
    free_page(page[4]);
    assert_int_equal(id_of(get_page()), 4);
    assert_int_equal(id_of(get_page()), 1);
    assert_int_equal(id_of(get_page()), 5);
}

/* A random run that ends with every page back; writes down the pages it was given. */
static int play(uint64_t seed, int *got, int capacity)
{
    kma_page_t *held[16];
    int holds = 0, count = 0;
    while (count < capacity) {
        if (holds == 0 || random_between(&seed, 0, 1)) {
            kma_page_t *page = get_page();
            got[count++] = id_of(page);
            if (page != NULL)
                held[holds++] = page;
        } else {
            int victim = random_between(&seed, 0, holds - 1);
            free_page(held[victim]);
            held[victim] = held[--holds];
        }
    }
    while (holds > 0)
        free_page(held[--holds]);
    return count;
}

static void test_same_calls_same_pages(void **state)
{
    (void)state;
    int first[500], again[500];
    play(1, first, 500);
    assert_int_equal(page_stats()->num_in_use, 0);
    /* Another run in between leaves the free list in another order. */
    play(2, again, 333);
    play(1, again, 500);
    assert_memory_equal(first, again, sizeof first);
    int dry = 0;
    for (int i = 0; i < 500; i++)
        dry += first[i] == NO_PAGE;
    assert_in_range(dry, 1, 250); /* the run did meet the end of the pool */
    assert_int_equal(pool_open(16), 0);
    play(1, again, 500);
    assert_memory_equal(first, again, sizeof first);
}

static void test_sizes(void **state)
{
    (void)state;
    kma_page_t *held = get_page();
    const int refused[] = {0, -1, INT_MIN, (int)POOL_MAX_PAGES + 1, INT_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        errno = 0;
        assert_int_equal(pool_open(refused[i]), -1);
        assert_int_equal(errno, EINVAL);
        /* The pool that was there is still there. */
        assert_int_equal(pool_max_pages(), 16);
        assert_ptr_equal(pool_page_of(held->ptr), held);
        assert_stats(1, 0, 1);
    }
    assert_int_equal(pool_open(1), 0);
    assert_int_equal(pool_max_pages(), 1);
    assert_stats(0, 0, 0);
    assert_int_equal(id_of(get_page()), 0);
    assert_null(get_page());
}

/* An algorithm may index tables by address, so where the pool lies must not show:
 * its base is a multiple of the power of two that holds it. */
static void test_base_alignment(void **state)
{
    (void)state;
    const int sizes[] = {1, 2, 3, 5, 16, 17, 1000, 4096, 4097};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_int_equal(pool_open(sizes[i]), 0);
            uintptr_t span = PAGESIZE;
            while (span < (uintptr_t)sizes[i] * PAGESIZE)
                span *= 2;
            assert_int_equal((uintptr_t)get_page()->ptr % span, 0);
            kma_page_t *last = NULL;
            for (int page = 1; page < sizes[i]; page++)
                last = get_page();
            if (last != NULL)
                memset(last->ptr, 1, PAGESIZE);
        }
    }
}

/* The memory of a pool that was dropped is anybody's again, with no mark on it. */
static void test_dropped_pool(void **state)
{
    (void)state;
    size_t bytes = 16 * PAGESIZE;
    assert_int_equal(pool_open(1024), 0);
    /* The middle: what pool_open maps next may well lie at either end. */
    char *place = (char *)get_page()->ptr + 512 * PAGESIZE;
    assert_int_equal(pool_open(1), 0);
    void *other =
        mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_equal(other, place);
    for (size_t i = 0; i < bytes; i += PAGESIZE)
        ((volatile char *)other)[i] = 1;
    munmap(other, bytes);
}

/* Reads a byte also where the address sanitizer holds the page closed. */
__attribute__((no_sanitize("address"))) static int byte_of(const void *page, int offset)
{
    return ((const volatile unsigned char *)page)[offset];
}

static void assert_filled(const void *page, int pattern)
{
    for (int i = 0; i < PAGESIZE; i++)
        assert_int_equal(byte_of(page, i), pattern);
}

static void test_poison(void **state)
{
    (void)state;
    kma_page_t *keeper = get_page();
    kma_page_t *page = get_page();
    memset(page->ptr, 0x11, PAGESIZE);
    free_page(page);
    assert_filled(page->ptr, 0x11); /* off: nobody pays for it */
    assert_ptr_equal(get_page(), page);
    assert_filled(page->ptr, 0x11);
    pool_set_poison(1);
    free_page(page);
    assert_filled(page->ptr, 0xdb);
    assert_ptr_equal(get_page(), page);
    assert_filled(page->ptr, 0xa5);
    assert_filled(get_page()->ptr, 0xa5); /* one that was never handed out */
    pool_set_poison(0);
    memset(page->ptr, 0x22, PAGESIZE);
    free_page(page);
    assert_filled(page->ptr, 0x22);
    memset(keeper->ptr, 0x33, PAGESIZE); /* a neighbour stays usable */
}

#ifdef WITH_ASAN
/* Under the address sanitizer only pages that are held can be touched at all. */
static void test_closed_pages(void **state)
{
    (void)state;
    kma_page_t *page[2] = {get_page(), get_page()};
    char *base = page[0]->ptr;
    free_page(page[0]);
    for (int i = 0; i < 16; i++) {
        char *start = base + i * PAGESIZE;
        assert_int_equal(__asan_region_is_poisoned(start, PAGESIZE) != NULL, i != 1);
        assert_int_equal(__asan_address_is_poisoned(start + PAGESIZE - 1), i != 1);
    }
}
#endif

static struct {
    int got, freed; /* how many, and which was the last */
    int got_id, freed_id;
    int first_byte; /* of the page, as `freed` saw it */
    const void *bad;
    const char *why;
    jmp_buf back;
} seen;

static void saw_got(const kma_page_t *page)
{
    seen.got++;
    seen.got_id = page->id;
}

static void saw_freed(const kma_page_t *page)
{
    seen.freed++;
    seen.freed_id = page->id;
    seen.first_byte = *(const unsigned char *)page->ptr;
}

static void saw_bad_free(const void *page, const char *why)
{
    seen.bad = page;
    seen.why = why;
    longjmp(seen.back, 1);
}

static const struct pool_observer observer = {saw_got, saw_freed, saw_bad_free};
static const struct pool_observer silent = {NULL, NULL, NULL};

static void test_observer(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    pool_set_poison(1);
    pool_set_observer(&observer);
    kma_page_t *page[2] = {get_page(), get_page()};
    assert_int_equal(seen.got, 2);
    assert_int_equal(seen.got_id, 1);
    memset(page[0]->ptr, 0x44, PAGESIZE);
    free_page(page[0]);
    assert_int_equal(seen.freed, 1);
    assert_int_equal(seen.freed_id, 0);
    assert_int_equal(seen.first_byte, 0x44);
    assert_int_equal(pool_open(1), 0);
    page[0] = get_page();
    assert_int_equal(seen.got, 3);
    assert_null(get_page()); /* no page, nothing to report */
    assert_int_equal(seen.got, 3);
    pool_set_observer(&silent);
    free_page(page[0]);
    get_page();
    assert_int_equal(seen.freed, 1);
    assert_int_equal(seen.got, 3);
}

/* Nobody takes bad_free: the run ends through error(). */
static void assert_error(void *page, const char *why)
{
    last_error.expected = TRUE;
    if (setjmp(last_error.back) == 0) {
        free_page(page);
        fail_msg("free_page(%p) was let pass", page);
    }
    assert_string_equal(last_error.message, "free_page: the page");
    assert_string_equal(last_error.arg, why);
}

static void assert_refused(void *page, const char *why)
{
    const kma_page_stat_t before = *page_stats();
    memset(&seen, 0, sizeof seen);
    pool_set_observer(&observer);
    if (setjmp(seen.back) == 0) {
        free_page(page);
        fail_msg("free_page(%p) was let pass", page);
    }
    assert_ptr_equal(seen.bad, page);
    assert_string_equal(seen.why, why);
    assert_int_equal(seen.freed, 0);
    pool_set_observer(&silent);
    assert_error(page, why);
    pool_set_observer(NULL);
    assert_error(page, why);
    assert_memory_equal(&before, page_stats(), sizeof before);
}

static void test_bad_free(void **state)
{
    (void)state;
    const char *unknown = "is not a descriptor that get_page returned";
    const char *freed = "is free already";
    kma_page_t copy, *page[4];
    for (int i = 0; i < 4; i++)
        page[i] = get_page();
    copy = *page[1];
    assert_refused(NULL, unknown);
    assert_refused(&copy, unknown);
    assert_refused(page[1]->ptr, unknown);
    assert_refused((char *)page[1] + 1, unknown);
    assert_refused(&page[1]->ptr, unknown);
    assert_refused(page[0] - 1, unknown);
    assert_refused(page[0] + 16, unknown);
    assert_refused((void *)UINTPTR_MAX, unknown);
    assert_refused(page[0] + 4, freed); /* was never handed out */
    assert_refused(page[0] + 15, freed);
    free_page(page[1]);
    assert_refused(page[1], freed);
    free_page(page[2]);
    assert_refused(page[1], freed);
    /* None of this has hurt the list of free pages. */
    assert_ptr_equal(get_page(), page[2]);
    assert_ptr_equal(get_page(), page[1]);
    assert_int_equal(id_of(get_page()), 4);
    for (int i = 0; i < 5; i++)
        free_page(page[0] + i);
    for (int i = 0; i < 5; i++)
        assert_refused(page[0] + i, freed);
    assert_int_equal(id_of(get_page()), 0);
}

static void test_page_of(void **state)
{
    (void)state;
    kma_page_t *page[3] = {get_page(), get_page(), get_page()};
    char *base = page[0]->ptr;
    for (int i = 0; i < 3; i++) {
        char *first = page[i]->ptr;
        assert_ptr_equal(pool_page_of(first), page[i]);
        assert_ptr_equal(pool_page_of(first + 1), page[i]);
        assert_ptr_equal(pool_page_of(first + PAGESIZE - 1), page[i]);
    }
    assert_null(pool_page_of(NULL));
    assert_null(pool_page_of((void *)UINTPTR_MAX));
    assert_null(pool_page_of(base - 1));
    assert_null(pool_page_of(base + 3 * PAGESIZE)); /* never handed out */
    assert_null(pool_page_of(base + 16 * PAGESIZE - 1));
    assert_null(pool_page_of(base + 16 * PAGESIZE)); /* behind the pool */
    assert_null(pool_page_of(page));
    free_page(page[1]);
    assert_null(pool_page_of(base + PAGESIZE));
    assert_null(pool_page_of(base + 2 * PAGESIZE - 1));
    assert_ptr_equal(pool_page_of(base), page[0]);
    assert_ptr_equal(pool_page_of(base + 2 * PAGESIZE), page[2]);
    free_page(page[0]);
    free_page(page[2]);
    for (int i = 0; i < 3; i++)
        assert_null(pool_page_of(base + i * PAGESIZE));
}

/* A hint that changes nothing but time. */
static void test_warm(void **state)
{
    (void)state;
    const int counts[] = {-1, 0, 1, 16, 17, INT_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        pool_warm(counts[i]);
        kma_page_t *page = get_page();
        assert_int_equal(page->id, 0);
        memset(page->ptr, 1, PAGESIZE);
        free_page(page);
    }
    assert_int_equal(pool_max_pages(), 16);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, reset_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unopened),
        POOL_TEST(test_exhaustion),
        POOL_TEST(test_last_in_first_out),
        POOL_TEST(test_same_calls_same_pages),
        POOL_TEST(test_sizes),
        POOL_TEST(test_base_alignment),
        POOL_TEST(test_dropped_pool),
        POOL_TEST(test_poison),
#ifdef WITH_ASAN
        POOL_TEST(test_closed_pages),
#endif
        POOL_TEST(test_observer),
        POOL_TEST(test_bad_free),
        POOL_TEST(test_page_of),
        POOL_TEST(test_warm),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
