/* test_page.c - the simulated page source, kma_page.c. */

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define __asan_address_is_poisoned(address) 0
#endif

#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_GET_VBITS(address, bits, size) 0
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#endif

enum { NO_PAGE = -1, LONGEST = 1 << MAX_PAGE_ORDER };

static const char *unknown = "is not a descriptor that get_page returned";
static const char *freed_already = "is free already";
static const char *a_run = "is a run: free_pages gives it back";

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

/* Nobody takes bad_free: the run ends through error(). */
static void assert_error(void (*call)(kma_page_t *), void *page, const char *why)
{
    last_error.expected = TRUE;
    if (setjmp(last_error.back) == 0) {
        call(page);
        fail_msg("the free of page %p was let pass", page);
    }
    assert_string_equal(last_error.message, call == free_page ? "free_page: the page"
                                                              : "free_pages: the page");
    assert_string_equal(last_error.arg, why);
}

/* In a process of its own, since a pool once opened is never closed again: the first
 * call is for a run. */
static void test_unopened_for_a_run(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        bool refused = get_pages(-1) == NULL && pool_max_pages() == 0;
        const kma_page_t *run = get_pages(MAX_PAGE_ORDER);
        _exit(refused && run != NULL && run->id == 0 && pool_max_pages() == MAXPAGES
                  ? 0
                  : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
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
    assert_null(pool_page_of(NULL));
    assert_error(free_page, &stray, unknown);
    assert_error(free_pages, &stray, unknown);
    assert_error(free_page, NULL, unknown);
    assert_error(free_pages, NULL, unknown);
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

/* What is said of single pages, and nothing else: the one given back last comes first,
 * when none is left the next one above; once all are back it begins anew. */
static void test_single_pages_in_order(void **state)
{
    (void)state;
    enum { PAGES = 300, CALLS = 100000 };
    static int given_back[PAGES], held[PAGES];
    int stack = 0, fresh = 0, holds = 0;
    uint64_t seed = 5;
    assert_int_equal(pool_open(PAGES), 0);
    kma_page_t *first = get_page();
    free_page(first);
    for (int call = 0; call < CALLS; call++) {
        int growth = call / 5000 % 3 == 0 ? 80 : call / 5000 % 3 == 1 ? 50 : 10;
        if (random_between(&seed, 1, 100) <= growth) {
            int expected = stack > 0       ? given_back[--stack]
                           : fresh < PAGES ? fresh++
                                           : NO_PAGE;
            assert_int_equal(id_of(get_page()), expected);
            if (expected != NO_PAGE)
                held[holds++] = expected;
        } else if (holds > 0) {
            int victim = random_between(&seed, 0, holds - 1);
            int page = held[victim];
            free_page(first + page);
            held[victim] = held[--holds];
            given_back[stack++] = page;
            if (holds == 0)
                stack = fresh = 0;
        }
    }
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

/* Reads a byte also where the address sanitizer holds the page closed; memcheck is told
 * to look away. */
__attribute__((no_sanitize("address"))) static int byte_of(const void *page, int offset)
{
    return ((const volatile unsigned char *)page)[offset];
}

static void assert_all_filled(const void *start, int size, int pattern)
{
    int i = 0;
    VALGRIND_DISABLE_ERROR_REPORTING;
    while (i < size && byte_of(start, i) == pattern)
        i++;
    VALGRIND_ENABLE_ERROR_REPORTING;
    if (i < size)
        fail_msg("byte %d of %d is not 0x%02x", i, size, (unsigned)pattern);
}

static void assert_filled(const void *page, int pattern)
{
    assert_all_filled(page, PAGESIZE, pattern);
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

static void test_poison_of_a_run(void **state)
{
    (void)state;
    const int size = 4 * PAGESIZE;
    kma_page_t *before = get_pages(2), *run = get_pages(2), *after = get_pages(2);
    const kma_page_t *neighbours[] = {before, after};
    for (int i = 0; i < 2; i++)
        memset(neighbours[i]->ptr, 0x55, (size_t)size);
    memset(run->ptr, 0x11, (size_t)size);
    free_pages(run);
    assert_all_filled(run->ptr, size, 0x11);
    pool_set_poison(1);
    assert_ptr_equal(get_pages(2), run);
    assert_all_filled(run->ptr, size, 0xa5);
    memset(run->ptr, 0x22, (size_t)size);
    free_pages(run);
    assert_all_filled(run->ptr, size, 0xdb);
    for (int i = 0; i < 2; i++)
        assert_all_filled(neighbours[i]->ptr, size, 0x55);
}

enum watcher { NOBODY, MARKED, CLOSED };

/* What the address sanitizer or memcheck thinks of a byte, if one of them is there. */
static enum watcher mark_of(const char *byte)
{
    char bits;
    (void)byte;
    (void)bits;
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    return __asan_address_is_poisoned(byte) ? CLOSED : MARKED;
#else
    int answer = (int)VALGRIND_GET_VBITS(byte, &bits, 1);
    return answer == 0 ? NOBODY : answer == 3 ? CLOSED : MARKED;
#endif
}

/* Bit i: page i of 16 is held. */
static void assert_closed_but(const char *base, unsigned held)
{
    for (int i = 0; i < 16; i++) {
        const char *start = base + i * PAGESIZE;
        enum watcher expected = held >> i & 1 ? MARKED : CLOSED;
        assert_int_equal(mark_of(start), expected);
        assert_int_equal(mark_of(start + PAGESIZE / 2), expected);
        assert_int_equal(mark_of(start + PAGESIZE - 1), expected);
    }
}

/* Under these tools only pages that are held can be touched at all. */
static void test_closed_pages(void **state)
{
    (void)state;
    kma_page_t *page[2] = {get_page(), get_page()};
    char *base = page[0]->ptr;
    if (mark_of(base) == NOBODY)
        return;
    for (int poison = 0; poison < 2; poison++) {
        pool_set_poison(poison);
        free_page(page[0]);
        assert_closed_but(base, 0x0002);
        kma_page_t *run = get_pages(2);
        assert_closed_but(base, 0x00f2);
        page[0] = get_page();
        assert_closed_but(base, 0x00f3);
        free_pages(run);
        assert_closed_but(base, 0x0003);
    }
}

static struct {
    int got, freed; /* how many, and which was the last */
    int got_id, freed_id;
    int first_byte; /* of the page, as `freed` saw it */
    int got_size, freed_size;
    const char *call; /* that was refused */
    const void *bad;
    const char *why;
    jmp_buf back;
} seen;

static void saw_got(const kma_page_t *page)
{
    seen.got++;
    seen.got_id = page->id;
    seen.got_size = page->size;
}

static void saw_freed(const kma_page_t *page)
{
    seen.freed++;
    seen.freed_id = page->id;
    seen.freed_size = page->size;
    seen.first_byte = *(const unsigned char *)page->ptr;
}

static void saw_bad_free(const char *call, const void *page, const char *why)
{
    seen.call = call;
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

/* One call for a run, and damage to its descriptor does not matter. */
static void test_observer_of_runs(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    pool_set_observer(&observer);
    kma_page_t *page = get_page(), *run = get_pages(3);
    assert_int_equal(seen.got, 2);
    assert_int_equal(seen.got_id, 8);
    assert_int_equal(seen.got_size, 8 * PAGESIZE);
    const kma_page_t before = *run;
    memset(run->ptr, 0x66, (size_t)run->size);
    *run = (kma_page_t){-1, NULL, INT_MAX};
    free_pages(run);
    assert_int_equal(seen.freed, 1);
    assert_int_equal(seen.freed_id, 8);
    assert_int_equal(seen.freed_size, 8 * PAGESIZE);
    assert_int_equal(seen.first_byte, 0x66);
    assert_stats(9, 8, 1);
    assert_ptr_equal(get_pages(3), run);
    assert_memory_equal(run, &before, sizeof before);
    *page = (kma_page_t){-1, NULL, INT_MAX};
    free_page(page);
    assert_int_equal(seen.freed_id, 0);
    assert_int_equal(seen.freed_size, PAGESIZE);
    seen.got = 0;
    assert_null(get_pages(4)); /* no run, nothing to report */
    assert_null(get_pages(MAX_PAGE_ORDER + 1));
    assert_int_equal(seen.got, 0);
}

static void assert_call_refused(void (*call)(kma_page_t *), void *page, const char *why)
{
    const kma_page_stat_t before = *page_stats();
    memset(&seen, 0, sizeof seen);
    pool_set_observer(&observer);
    if (setjmp(seen.back) == 0) {
        call(page);
        fail_msg("the free of page %p was let pass", page);
    }
    assert_string_equal(seen.call, call == free_page ? "free_page" : "free_pages");
    assert_ptr_equal(seen.bad, page);
    assert_string_equal(seen.why, why);
    assert_int_equal(seen.freed, 0);
    pool_set_observer(&silent);
    assert_error(call, page, why);
    pool_set_observer(NULL);
    assert_error(call, page, why);
    assert_memory_equal(&before, page_stats(), sizeof before);
}

static void assert_refused(void *page, const char *why)
{
    assert_call_refused(free_page, page, why);
    assert_call_refused(free_pages, page, why);
}

static void test_bad_free(void **state)
{
    (void)state;
    const char *freed = freed_already;
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

/* A run is given back by its first page's descriptor and as a whole. */
static void test_bad_free_of_runs(void **state)
{
    (void)state;
    kma_page_t *page = get_page(), *run = get_pages(2), *other = get_pages(1);
    assert_ptr_equal(run, page + 4);
    assert_ptr_equal(other, page + 2);
    assert_call_refused(free_page, run, a_run);
    assert_call_refused(free_page, other, a_run);
    for (int i = 1; i < 4; i++)
        assert_refused(run + i, unknown);
    assert_refused(other + 1, unknown);
    assert_refused(page + 1, freed_already); /* in the buddy system */
    assert_refused(page + 8, freed_already); /* was never handed out */
    assert_refused((char *)run + 1, unknown);
    free_pages(run);
    for (int i = 0; i < 4; i++)
        assert_refused(run + i, freed_already);
    free_pages(other); /* becomes part of no larger block, and then of one */
    assert_refused(other, freed_already);
    free_pages(page);
    for (int i = 0; i < 16; i++)
        assert_refused(page + i, freed_already);
    /* None of this has hurt what is free. */
    assert_ptr_equal(get_pages(4), page);
    assert_null(get_page());
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

/* Of every page of a run the same descriptor, until it is given back. */
static void test_page_of_runs(void **state)
{
    (void)state;
    assert_int_equal(pool_open(2 * LONGEST), 0);
    kma_page_t *page = get_page();
    char *base = page->ptr;
    for (int order = MAX_PAGE_ORDER; order > 0; order--) {
        kma_page_t *run = get_pages(order);
        char *first = run->ptr;
        for (int i = 0; i < 1 << order; i++) {
            assert_ptr_equal(pool_page_of(first + (size_t)i * PAGESIZE), run);
            assert_ptr_equal(pool_page_of(first + (size_t)(i + 1) * PAGESIZE - 1), run);
        }
        assert_ptr_not_equal(pool_page_of(first - 1), run);
        assert_ptr_not_equal(pool_page_of(first + run->size), run);
    }
    assert_null(pool_page_of(base + PAGESIZE)); /* the one page that is left */
    free_pages(page + 4);
    for (int i = 0; i < 16; i++) {
        const kma_page_t *expected = i == 0             ? page
                                     : i == 2 || i == 3 ? page + 2
                                     : i >= 8           ? page + 8
                                                        : NULL;
        assert_ptr_equal(pool_page_of(base + i * PAGESIZE + 9), expected);
    }
}

/* A run has all its pages, at a multiple of its length also in a pool that is hardly
 * longer, whatever order it is of. */
static void test_runs(void **state)
{
    (void)state;
    for (int order = 0; order <= MAX_PAGE_ORDER; order++) {
        int count = 1 << order;
        size_t size = (size_t)PAGESIZE << order;
        const int pools[] = {count, count + 1, 2 * count, 3 * count + count / 2};
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pool_open(pools[i]), 0);
            kma_page_t *runs[4] = {NULL}, *last = NULL;
            int had = 0;
            while ((last = get_pages(order)) != NULL) {
                runs[had] = last;
                assert_int_equal(last->size, size);
                assert_int_equal((uintptr_t)last->ptr % size, 0);
                memset(last->ptr, ++had, size);
            }
            assert_int_equal(had, pools[i] / count);
            assert_stats(had * count, 0, had * count);
            for (int run = 0; run < had; run++)
                for (size_t at = 0; at < size; at += PAGESIZE)
                    assert_int_equal(((char *)runs[run]->ptr)[at], run + 1);
            while (had > 0)
                free_pages(runs[--had]);
            assert_int_equal(page_stats()->num_in_use, 0);
        }
    }
}

static void test_orders_out_of_range(void **state)
{
    (void)state;
    const int orders[] = {-1, MAX_PAGE_ORDER + 1, 32, 64, INT_MIN, INT_MAX};
    assert_int_equal(MAX_PAGE_ORDER, 10);
    assert_int_equal(pool_open(4 * LONGEST), 0);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        assert_null(get_pages(orders[i]));
    assert_stats(0, 0, 0);
    assert_int_equal(id_of(get_page()), 0);
}

/* get_pages(0) is get_page, and free_pages takes what either has returned. */
static void test_runs_of_one_page(void **state)
{
    (void)state;
    kma_page_t *page[4] = {get_pages(0), get_page(), get_pages(0), get_page()};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(id_of(page[i]), i);
        assert_int_equal(page[i]->size, PAGESIZE);
    }
    free_pages(page[1]);
    free_page(page[2]);
    free_pages(page[0]);
    assert_int_equal(id_of(get_page()), 0);
    assert_int_equal(id_of(get_pages(0)), 2);
    assert_int_equal(id_of(get_page()), 1);
    assert_stats(7, 3, 4);
}

/* Fills `pages` pages with runs of any order, given back in random order; while one is
 * missing they are not one run, and then they are. */
static void check_coalescing(uint64_t *seed, int order, int largest)
{
    enum { MOST = 2 * LONGEST };
    static kma_page_t *run[MOST];
    static int turn[MOST];
    int pages = 1 << order, runs = 0;
    assert_int_equal(pool_open(2 * pages), 0);
    kma_page_t *keeper = get_pages(order); /* or all is forgotten in the end */
    for (int filled = 0; filled < pages; filled += run[runs++]->size / PAGESIZE) {
        int left = pages - filled, most = largest;
        while (1 << most > left)
            most--;
        run[runs] = get_pages(random_between(seed, 0, most));
        if (run[runs] == NULL) /* what is left is in smaller runs */
            run[runs] = get_page();
        turn[runs] = runs;
    }
    assert_null(get_page());
    shuffle(seed, turn, runs);
    for (int i = 0; i < runs; i++) {
        assert_null(get_pages(order));
        free_pages(run[turn[i]]);
        /* Now and then some are taken again. */
        if (random_between(seed, 0, 9) == 0) {
            kma_page_t *again = get_pages(random_between(seed, 0, 2));
            if (again != NULL)
                free_pages(again);
        }
    }
    assert_int_equal(id_of(get_pages(order)), pages);
    assert_int_equal(keeper->id, 0);
}

static void test_coalescing(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (int order = 1; order <= MAX_PAGE_ORDER; order++) {
        for (int largest = 0; largest < order; largest += 1 + order / 4)
            check_coalescing(&seed, order, largest);
    }
}

/* The smallest block that has room is split, and its halves are rejoined. */
static void test_splitting(void **state)
{
    (void)state;
    kma_page_t *run[4];
    for (int i = 0; i < 4; i++)
        run[i] = get_pages(2);
    free_pages(run[0]); /* free: 0 to 3 */
    kma_page_t *pair = get_pages(1);
    free_pages(run[3]); /* and 12 to 15, but 2 and 3 will do: */
    assert_int_equal(id_of(pair), 0);
    assert_int_equal(id_of(get_page()), 2);
    assert_int_equal(id_of(get_page()), 3);
    assert_int_equal(id_of(get_pages(1)), 12);
    assert_null(get_pages(2));
    free_pages(pair);
    free_page(run[0] + 2);
    free_page(run[0] + 3);
    assert_int_equal(id_of(get_pages(2)), 0);
}

/* Pages that were skipped so that a run is aligned are not lost. */
static void test_skipped_pages(void **state)
{
    (void)state;
    assert_int_equal(id_of(get_page()), 0);
    assert_int_equal(id_of(get_pages(3)), 8);
    assert_int_equal(id_of(get_page()), 1); /* 1, 2 and 3, 4 to 7 were left over */
    assert_int_equal(id_of(get_pages(2)), 4);
    assert_int_equal(id_of(get_pages(1)), 2);
    assert_null(get_page());
    assert_null(get_pages(1));
    assert_stats(16, 0, 16);
}

/* A call that finds no run while nothing is held changes nothing. */
static void test_no_run_while_idle(void **state)
{
    (void)state;
    assert_int_equal(pool_open(11), 0);
    assert_null(get_pages(4));
    for (int i = 0; i < 11; i++)
        assert_int_equal(id_of(get_page()), i);
    assert_null(get_page());
}

/* What the pool says about a call that found none. */
static void test_miss(void **state)
{
    (void)state;
    assert_int_equal(pool_miss().wanted, 0);
    kma_page_t *page[16];
    for (int i = 0; i < 16; i++)
        page[i] = get_page();
    assert_int_equal(pool_miss().wanted, 0);
    assert_null(get_page());
    assert_int_equal(pool_miss().wanted, 1);
    assert_int_equal(pool_miss().in_use, 16);
    free_page(page[3]);
    free_page(page[4]);
    assert_int_equal(pool_miss().wanted, 1); /* until the next call */
    assert_null(get_pages(1));
    assert_int_equal(pool_miss().wanted, 2);
    assert_int_equal(pool_miss().in_use, 14);
    get_page();
    assert_int_equal(pool_miss().wanted, 0);
    assert_null(get_pages(3));
    assert_int_equal(pool_miss().wanted, 8);
    assert_int_equal(pool_open(16), 0);
    assert_int_equal(pool_miss().wanted, 0);
}

/* Counts that an int cannot hold stay at the most it can. */
static void test_counts_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(pool_open(2 * LONGEST), 0);
    page_stats()->num_requested = INT_MAX - LONGEST;
    page_stats()->num_freed = INT_MAX - LONGEST - 1;
    kma_page_t *run = get_pages(MAX_PAGE_ORDER), *page = get_page();
    assert_stats(INT_MAX, INT_MAX - LONGEST - 1, LONGEST + 1);
    free_pages(run);
    assert_stats(INT_MAX, INT_MAX - 1, 1);
    run = get_pages(1);
    free_pages(run);
    assert_stats(INT_MAX, INT_MAX, 1);
    free_page(page);
    assert_stats(INT_MAX, INT_MAX, 0);
}

/* The plain model of what is free: a flag a page. */
static struct {
    bool held[4 * LONGEST];
    kma_page_t *run[4 * LONGEST];
    int pages, runs, in_use;
    int end; /* of the highest run since all was free */
} model;

static bool has_free_run(int below, int order)
{
    int length = 1 << order;
    for (int start = 0; start + length <= below; start += length) {
        int page = start;
        while (page < start + length && !model.held[page])
            page++;
        if (page == start + length)
            return TRUE;
    }
    return FALSE;
}

/* Served whenever there is a free run of that order, from one, and not from pages above
 * all others while there is one below. */
static void model_get(int order, bool ran_out)
{
    int length = 1 << order;
    kma_page_t *run =
        order == 0 && model.in_use % 2 == 0 ? get_page() : get_pages(order);
    if (run == NULL) {
        assert_false(has_free_run(model.pages, order));
        return;
    }
    assert_int_equal(run->size, PAGESIZE * length);
    assert_int_equal(run->id % length, 0);
    assert_int_equal((uintptr_t)run->ptr % (size_t)run->size, 0);
    assert_in_range(run->id, 0, model.pages - length);
    if (!ran_out && run->id + length > model.end)
        assert_false(has_free_run(model.end, order));
    for (int page = run->id; page < run->id + length; page++) {
        assert_false(model.held[page]);
        model.held[page] = TRUE;
    }
    if (run->id + length > model.end)
        model.end = run->id + length;
    char *start = run->ptr;
    assert_ptr_equal(pool_page_of(start), run);
    assert_ptr_equal(pool_page_of(start + run->size / 2), run);
    assert_ptr_equal(pool_page_of(start + run->size - 1), run);
    *(int *)start = run->id;
    model.run[model.runs++] = run;
    model.in_use += length;
}

static void model_free(int which)
{
    kma_page_t *run = model.run[which];
    model.run[which] = model.run[--model.runs];
    assert_int_equal(*(int *)run->ptr, run->id);
    for (int page = run->id; page < run->id + run->size / PAGESIZE; page++)
        model.held[page] = FALSE;
    model.in_use -= run->size / PAGESIZE;
    if (run->size == PAGESIZE && which % 2 == 0)
        free_page(run);
    else
        free_pages(run);
    if (model.in_use == 0)
        model.end = 0;
}

static void assert_as_modelled(void)
{
    const char *base = model.run[0]->ptr;
    base -= (size_t)model.run[0]->id * PAGESIZE;
    for (int page = 0; page < model.pages; page++)
        assert_int_equal(pool_page_of(base + (size_t)page * PAGESIZE) != NULL,
                         model.held[page]);
}

/* Single pages mostly, some runs of every length, in pools that are always too small. */
static void play_model(uint64_t *seed, int pages, int largest, int calls)
{
    memset(&model, 0, sizeof model);
    model.pages = pages;
    assert_int_equal(pool_open(pages), 0);
    bool ran_out = FALSE;
    for (int call = 0; call < calls; call++) {
        int growth = call / 1000 % 3 == 0 ? 70 : call / 1000 % 3 == 1 ? 50 : 35;
        if (model.runs == 0 || random_between(seed, 1, 100) <= growth) {
            int order = random_between(seed, 0, largest);
            order = random_between(seed, 0, order); /* small ones more often */
            int before = model.in_use;
            model_get(order, ran_out);
            ran_out |= model.in_use == before;
        } else {
            model_free(random_between(seed, 0, model.runs - 1));
            ran_out &= model.in_use > 0;
        }
        assert_int_equal(page_stats()->num_in_use, model.in_use);
        if (call % 997 == 0 && model.runs > 0)
            assert_as_modelled();
    }
    while (model.runs > 0)
        model_free(random_between(seed, 0, model.runs - 1));
    assert_int_equal(page_stats()->num_in_use, 0);
    assert_int_equal(id_of(get_page()), 0);
}

static void test_against_a_model(void **state)
{
    (void)state;
    static const int pools[] = {1, 2, 3, 7, 64, 100, 1000, LONGEST, 2 * LONGEST + 77};
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        play_model(&seed, pools[i], 0, 5000);
        play_model(&seed, pools[i], 3, 20000);
        play_model(&seed, pools[i], MAX_PAGE_ORDER, 15000);
    }
}

/* Random calls with runs; writes down what they got. Returns the end of the highest. */
static int play_runs(uint64_t seed, int *got, int calls)
{
    kma_page_t *held[100];
    int holds = 0, end = 0;
    for (int call = 0; call < calls; call++) {
        got[call] = NO_PAGE;
        if (holds < 100 && random_between(&seed, 0, 99) < 52) {
            int order = random_between(&seed, 0, random_between(&seed, 0, 5));
            kma_page_t *run = get_pages(order);
            got[call] = id_of(run);
            if (run == NULL)
                continue;
            held[holds++] = run;
            end = run->id + (1 << order) > end ? run->id + (1 << order) : end;
        } else if (holds > 0) {
            int victim = random_between(&seed, 0, holds - 1);
            free_pages(held[victim]);
            held[victim] = held[--holds];
        }
    }
    while (holds > 0)
        free_pages(held[--holds]);
    return end;
}

/* The same pages for the same calls, in every pool that reaches as far, and in no
 * smaller one. */
static void test_same_calls_same_runs(void **state)
{
    (void)state;
    enum { CALLS = 1000 };
    static int first[CALLS], again[CALLS];
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(pool_open(4 * LONGEST), 0);
        int end = play_runs(seed, first, CALLS);
        play_runs(seed + 100, again, CALLS / 3);
        assert_int_equal(play_runs(seed, again, CALLS), end);
        assert_memory_equal(first, again, sizeof first);
        assert_int_equal(pool_open(end), 0);
        assert_int_equal(play_runs(seed, again, CALLS), end);
        assert_memory_equal(first, again, sizeof first);
        assert_int_equal(pool_open(end - 1), 0);
        play_runs(seed, again, CALLS);
        assert_memory_not_equal(first, again, sizeof first);
    }
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
        cmocka_unit_test(test_unopened_for_a_run),
        cmocka_unit_test(test_unopened),
        POOL_TEST(test_exhaustion),
        POOL_TEST(test_last_in_first_out),
        POOL_TEST(test_single_pages_in_order),
        POOL_TEST(test_same_calls_same_pages),
        POOL_TEST(test_sizes),
        POOL_TEST(test_base_alignment),
        POOL_TEST(test_dropped_pool),
        POOL_TEST(test_runs),
        POOL_TEST(test_orders_out_of_range),
        POOL_TEST(test_runs_of_one_page),
        POOL_TEST(test_coalescing),
        POOL_TEST(test_splitting),
        POOL_TEST(test_skipped_pages),
        POOL_TEST(test_against_a_model),
        POOL_TEST(test_same_calls_same_runs),
        POOL_TEST(test_no_run_while_idle),
        POOL_TEST(test_miss),
        POOL_TEST(test_counts_do_not_overflow),
        POOL_TEST(test_poison),
        POOL_TEST(test_poison_of_a_run),
        POOL_TEST(test_closed_pages),
        POOL_TEST(test_observer),
        POOL_TEST(test_observer_of_runs),
        POOL_TEST(test_bad_free),
        POOL_TEST(test_bad_free_of_runs),
        POOL_TEST(test_page_of),
        POOL_TEST(test_page_of_runs),
        POOL_TEST(test_warm),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
