/* test_host_pages.c - the pages of a process, from both sources: runs of all kinds held
 * against a plain model, what goes back to the kernel, and sources that have none. */

#include <sys/mman.h>
#include <unistd.h>
#include "harness.h"
#include "apart.h"
#include "../host/page_map.h"
#include "../host/pages.h"

enum { PLACES = 400, STEPS = 60000, BATCH = 16 << 10 };

struct held {
    char *start;
    size_t pages;
    kma_page_t *page; /* NULL: a large run */
    uint64_t stamp;
};

/* A source that can be told to have nothing. */
static const struct page_source *real;
static bool has_none;

static char *grow(size_t *pages)
{
    return has_none ? NULL : real->grow(pages);
}

static struct page_source source;

static void open_source(const struct page_source *of)
{
    real = of;
    source = *of;
    source.grow = grow;
    has_none = FALSE;
    pages_open(&source);
}

static uint64_t *word_of(const struct held *held, size_t page)
{
    return (uint64_t *)(void *)(held->start + page * PAGESIZE + page % 7 * 8);
}

static void write_stamps(const struct held *held, size_t from)
{
    for (size_t page = from; page < held->pages; page++)
        *word_of(held, page) = held->stamp + page;
}

static void check_stamps(const struct held *held, size_t pages)
{
    for (size_t page = 0; page < pages; page++)
        assert_true(*word_of(held, page) == held->stamp + page);
}

static size_t some_length(uint64_t *seed)
{
    int kind = random_between(seed, 0, 9);
    return (size_t)random_between(seed, 1, kind < 6 ? 4 : kind < 9 ? 60 : 700);
}

static void get_something(struct held *held, uint64_t *seed)
{
    size_t alignment = 1;
    bool zeroes = FALSE;
    held->page = NULL;
    if (random_between(seed, 0, 1) == 0) {
        int order = random_between(seed, 0, 2) == 0 ? random_between(seed, 1, 6) : 0;
        held->page = get_pages(order);
        held->pages = alignment = (size_t)1 << order;
        held->start = held->page == NULL ? NULL : held->page->ptr;
        if (held->page != NULL)
            assert_int_equal(held->page->size, PAGESIZE << order);
    } else {
        held->pages = some_length(seed);
        if (random_between(seed, 0, 3) == 0)
            alignment = (size_t)1 << random_between(seed, 1, 8);
        held->start = run_get(held->pages, alignment, &zeroes);
        if (held->start != NULL)
            assert_int_equal(run_pages(held->start), held->pages);
    }
    if (held->start == NULL)
        return;
    assert_int_equal((uintptr_t)held->start % (alignment * PAGESIZE), 0);
    for (size_t page = 0; zeroes && page < held->pages; page++)
        assert_true(*word_of(held, page) == 0);
    held->stamp = next_random(seed);
    write_stamps(held, 0);
}

static void free_something(struct held *held)
{
    check_stamps(held, held->pages);
    if (held->page == NULL)
        run_free(held->start);
    else
        free_pages(held->page);
    held->start = NULL;
}

static void resize_something(struct held *held, uint64_t *seed)
{
    size_t pages = some_length(seed), before = held->pages;
    if (!run_resize(held->start, pages)) {
        assert_true(pages > before);
        return;
    }
    held->pages = pages;
    assert_int_equal(run_pages(held->start), pages);
    check_stamps(held, before < pages ? before : pages);
    write_stamps(held, before);
}

/* No two that are held overlap: their stamps would not last. */
static void run_model(const struct page_source *of, uint64_t seed)
{
    static struct held held[PLACES];
    size_t pages = 0;
    open_source(of);
    for (int step = 0; step < STEPS; step++) {
        /* It grows and shrinks in turns, and now and then there is nothing to be had. */
        int used = step / 10000 % 2 == 0 ? PLACES : PLACES / 20;
        struct held *one = &held[random_between(&seed, 0, PLACES - 1)];
        has_none = step % 1000 > 900;
        pages -= one->start != NULL ? one->pages : 0;
        if (one->start != NULL && one->page == NULL && random_between(&seed, 0, 2) == 0)
            resize_something(one, &seed);
        else if (one->start != NULL)
            free_something(one);
        else if (one - held < used)
            get_something(one, &seed);
        pages += one->start != NULL ? one->pages : 0;
        assert_int_equal(pages_held(), pages);
        if (step % 64 == 0)
            assert_int_equal(pages_audit(), 0);
    }
    for (int i = 0; i < PLACES; i++) {
        if (held[i].start != NULL)
            free_something(&held[i]);
    }
    assert_int_equal(pages_held(), 0);
    assert_int_equal(page_stats()->num_in_use, 0);
    assert_int_equal(pages_audit(), 0);
}

static void test_model_mmap(void **state)
{
    run_model(&mmap_source, 1);
}

static void test_model_brk(void **state)
{
    run_model(&brk_source, 2);
}

static void test_orders(void **state)
{
    open_source(&mmap_source);
    assert_null(get_pages(-1));
    assert_null(get_pages(MAX_PAGE_ORDER + 1));
    kma_page_t *run = get_pages(MAX_PAGE_ORDER);
    assert_non_null(run);
    assert_int_equal((uintptr_t)run->ptr % ((size_t)PAGESIZE << MAX_PAGE_ORDER), 0);
    assert_int_equal(page_stats()->num_in_use, 1 << MAX_PAGE_ORDER);
    free_pages(run);
    assert_int_equal(page_stats()->num_in_use, 0);
}

/* Not a call of the kernel for a page, and the break is back where it was. */
static void test_break_moves_in_batches(void **state)
{
    enum { COUNT = 2000 };
    static kma_page_t *page[COUNT];
    open_source(&brk_source);
    char *before = sbrk(0);
    uint64_t calls = source_calls.brk;
    for (int i = 0; i < COUNT; i++)
        page[i] = get_page();
    assert_in_range(source_calls.brk - calls, 1, COUNT / 20);
    assert_true((char *)sbrk(0) >= before + (size_t)COUNT * PAGESIZE);
    for (int i = 0; i < COUNT; i++)
        free_page(page[i]);
    assert_true((char *)sbrk(0) <= before + PAGESIZE);
    assert_in_range(source_calls.brk - calls, 2, COUNT / 10);
}

/* What is free at the end goes back although something below is held; while nothing
 * moves when the same page comes and goes. */
static void test_break_follows_the_last_held_page(void **state)
{
    bool zeroes;
    open_source(&brk_source);
    char *low = run_get(1, 1, &zeroes), *high = run_get(300, 1, &zeroes);
    assert_true(high > low);
    assert_true((char *)sbrk(0) >= high + 300 * PAGESIZE);
    run_free(high);
    assert_true((char *)sbrk(0) <= low + PAGESIZE + BATCH + (4 << 10));
    uint64_t calls = source_calls.brk;
    for (int i = 0; i < 1000; i++)
        free_page(get_page());
    assert_in_range(source_calls.brk - calls, 0, 1);
    run_free(low);
}

/* A part of the data segment that somebody else got is left alone. */
static void test_break_moved_by_others(void **state)
{
    enum { COUNT = 600 };
    static kma_page_t *page[COUNT];
    char *foreign[COUNT / 100];
    open_source(&brk_source);
    for (int i = 0; i < COUNT; i++) {
        if (i % 100 == 50) {
            foreign[i / 100] = sbrk(1000);
            memset(foreign[i / 100], 0x5a, 1000);
        }
        page[i] = get_page();
        memset(page[i]->ptr, 0xff, PAGESIZE);
    }
    assert_int_equal(pages_audit(), 0);
    for (int i = 0; i < COUNT; i++)
        free_page(page[i]);
    for (int i = 0; i < COUNT / 100; i++) {
        for (int byte = 0; byte < 1000; byte++)
            assert_int_equal(foreign[i][byte], 0x5a);
    }
    assert_int_equal(pages_audit(), 0);
}

static size_t resident_pages(const char *start, size_t bytes)
{
    size_t kernel_page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *in_core = calloc(bytes / kernel_page, 1);
    if (mincore((void *)start, bytes, in_core) == 0) {
        for (size_t i = 0; i < bytes / kernel_page; i++)
            count += in_core[i] & 1;
    }
    free(in_core);
    return count * kernel_page;
}

/* A long run is unmapped when it is freed; of many short ones the kernel gets the
 * contents, all but an eighth of what is held or 1 MiB. */
static void test_mappings_go_back(void **state)
{
    enum { COUNT = 200 };
    static char *run[COUNT];
    bool zeroes;
    size_t pages = (64u << 20) / PAGESIZE, part = (64 << 10) / PAGESIZE;
    open_source(&mmap_source);
    char *large = run_get(pages, 1, &zeroes);
    assert_true(zeroes);
    memset(large, 1, pages * PAGESIZE);
    run_free(large);
    assert_int_equal(resident_pages(large, pages * PAGESIZE), 0);
    for (int i = 0; i < COUNT; i++) {
        run[i] = run_get(part, 1, &zeroes);
        memset(run[i], 1, part * PAGESIZE);
    }
    size_t resident = 0;
    for (int i = 0; i < COUNT; i += 2)
        run_free(run[i]);
    for (int i = 0; i < COUNT; i += 2)
        resident += resident_pages(run[i], part * PAGESIZE);
    assert_in_range(resident, 0, 1 << 20);
    for (int i = 1; i < COUNT; i += 2) {
        assert_int_equal(run[i][part * PAGESIZE - 1], 1);
        run_free(run[i]);
    }
    assert_int_equal(pages_audit(), 0);
}

/* Three blocks that are freed in any order make room for one of their sum. */
static void test_sum_fits_the_same_area(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        bool zeroes;
        open_source(&brk_source);
        char *run[3], *last = NULL;
        char *below = run_get(1, 1, &zeroes);
        for (size_t k = 0; k < 3; k++)
            run[k] = run_get(100 + 11 * k, 1, &zeroes);
        last = run[2] + 122 * PAGESIZE;
        for (int k = 0; k < 3; k++)
            run_free(run[orders[i][k]]);
        char *sum = run_get(100 + 111 + 122, 1, &zeroes);
        assert_ptr_equal(sum, run[0]);
        assert_ptr_equal(sum + (100 + 111 + 122) * PAGESIZE, last);
        run_free(sum);
        run_free(below);
    }
}

static void test_addresses_that_are_nothing(void **state)
{
    bool zeroes;
    open_source(&mmap_source);
    char *run = run_get(10, 1, &zeroes);
    int local;
    assert_int_equal(run_pages(run), 10);
    assert_int_equal(run_pages(run + PAGESIZE), 0);
    assert_int_equal(run_pages(run + 9 * PAGESIZE), 0);
    assert_int_equal(run_pages(&local), 0);
    assert_int_equal(run_pages(NULL), 0);
    assert_int_equal(run_pages((void *)(UINTPTR_MAX & ~(uintptr_t)(PAGESIZE - 1))), 0);
    assert_int_equal(run_around(run + 10 * PAGESIZE - 1), RUN_LARGE);
    assert_int_equal(run_around(run + 10 * PAGESIZE), RUN_FREE);
    assert_int_equal(run_around(&local), NOTHING_HERE);
    run_free(run);
    assert_int_equal(run_pages(run), 0);
    assert_int_equal(run_around(run + 3 * PAGESIZE), RUN_FREE);
    kma_page_t *page = get_page();
    assert_int_equal(run_around((char *)page->ptr + 1), RUN_OF_ALGORITHM);
    free_page(page);
}

/* The audit sees what it is there to see. */
static void test_audit_finds_damage(void **state)
{
    bool zeroes;
    open_source(&mmap_source);
    char *run = run_get(8, 1, &zeroes), *other = run_get(1, 1, &zeroes);
    run_free(run);
    struct page_entry *entry = entry_of(run);
    assert_int_equal(pages_audit(), 0);
    assert_int_equal(entry->state, RUN_FREE);
    uint32_t length = entry->length;
    entry->length = 3;
    assert_true(pages_audit() > 0); /* P1, P2 */
    entry->length = length;
    entry->state = RUN_LARGE;
    assert_true(pages_audit() > 0); /* P2 */
    entry->state = RUN_FREE;
    struct page_entry *behind = entry_of(run + length * PAGESIZE);
    uint32_t state_behind = behind->state;
    behind->state = RUN_FREE;
    assert_true(pages_audit() > 0); /* P3 */
    behind->state = state_behind;
    leaf_of(run)->touched[number_of_page(run) % LEAF_PAGES / 64] ^=
        (uint64_t)1 << number_of_page(run) % 64;
    assert_true(pages_audit() > 0); /* P4 */
    leaf_of(run)->touched[number_of_page(run) % LEAF_PAGES / 64] ^=
        (uint64_t)1 << number_of_page(run) % 64;
    assert_int_equal(pages_audit(), 0);
    run_free(other);
}

static void test_wrong_descriptor_ends_the_run(void **state)
{
    open_source(&mmap_source);
    kma_page_t *page = get_page();
    kma_page_t copy = *page;
    last_error.expected = TRUE;
    if (setjmp(last_error.back) == 0) {
        free_page(&copy);
        fail_msg("a copy of a descriptor was taken");
    }
    free_page(page);
}

/* Each test has a process of its own, as the pages of a process are there but once. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_mmap),
        cmocka_unit_test(test_model_brk),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_break_moves_in_batches),
        cmocka_unit_test(test_break_follows_the_last_held_page),
        cmocka_unit_test(test_break_moved_by_others),
        cmocka_unit_test(test_mappings_go_back),
        cmocka_unit_test(test_sum_fits_the_same_area),
        cmocka_unit_test(test_addresses_that_are_nothing),
        cmocka_unit_test(test_audit_finds_damage),
        cmocka_unit_test(test_wrong_descriptor_ends_the_run),
    };
    return run_apart(tests, sizeof tests / sizeof *tests);
}
