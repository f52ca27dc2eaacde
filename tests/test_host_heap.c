/* test_host_heap.c - the heap of a program over one algorithm (-DALGORITHM): blocks of
 * all sizes and alignments against a model that knows their contents, with the audits of
 * the algorithm and of the pages, and a source of pages that runs out. */

#include "harness.h"
#include "apart.h"
#include "../host/heap.h"
#include "../host/page_map.h"
#include "../host/pages.h"

enum { PLACES = 300, STEPS = 40000, AUDIT_EVERY = 256 };

struct block {
    unsigned char *start;
    size_t bytes;
    unsigned char fill;
};

static struct page_source source;
static bool has_none;

static char *grow(size_t *pages)
{
    return has_none ? NULL : mmap_source.grow(pages);
}

static void open_all(void)
{
    source = mmap_source;
    source.grow = grow;
    pages_open(&source);
    heap_open();
}

static int audit(void)
{
    return pages_audit() + (kma_audit == NULL ? 0 : kma_audit());
}

static size_t some_bytes(uint64_t *seed)
{
    static const int most[] = {64, 64, 600, 600, 3000, PAGESIZE + 100, 300000};
    return (size_t)random_between(seed, 0, most[random_between(seed, 0, 6)]);
}

/* The whole of small blocks, both ends of large ones. */
static void fill(struct block *block, size_t from)
{
    for (size_t i = from; i < block->bytes; i++) {
        if (i == 2000 && block->bytes > 4000)
            i = block->bytes - 2000;
        block->start[i] = (unsigned char)(block->fill + i % 251);
    }
}

static void check(const struct block *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (i == 2000 && bytes > 4000)
            i = bytes - 2000;
        if (i >= 2000 && i + 2000 < block->bytes)
            continue; /* of a block that was longer: never written */
        assert_int_equal(block->start[i], (unsigned char)(block->fill + i % 251));
    }
}

static void get_block(struct block *block, uint64_t *seed)
{
    size_t bytes = some_bytes(seed), alignment = UNIT;
    int how = random_between(seed, 0, 5);
    if (how == 0)
        alignment = (size_t)1 << random_between(seed, 3, 16);
    unsigned char *start = how == 0   ? heap_aligned(alignment, bytes)
                           : how == 1 ? heap_calloc(bytes)
                                      : heap_malloc(bytes);
    if (start == NULL) {
        assert_true(has_none);
        return;
    }
    assert_int_equal((uintptr_t)start % UNIT, 0);
    assert_int_equal((uintptr_t)start % alignment, 0);
    assert_int_equal(heap_what_is(start), KMA_FREED);
    for (size_t i = 0; how == 1 && i < bytes; i++)
        assert_int_equal(start[i], 0);
    size_t usable = heap_usable_size(start);
    assert_in_range(usable, bytes == 0 ? 1 : bytes, SIZE_MAX / 2);
    *block = (struct block){start, bytes < 16 ? usable : bytes,
                            (unsigned char)next_random(seed)};
    fill(block, 0);
}

static void resize_block(struct block *block, uint64_t *seed)
{
    size_t bytes = some_bytes(seed) + 1, before = block->bytes;
    size_t usable = heap_usable_size(block->start);
    unsigned char *start = heap_realloc(block->start, bytes);
    if (start == NULL) {
        assert_true(has_none);
        assert_true(bytes > usable);
        check(block, before);
        return;
    }
    if (bytes <= usable && usable <= PAGESIZE / 2)
        assert_ptr_equal(start, block->start); /* what has the room does not move */
    assert_int_equal((uintptr_t)start % UNIT, 0);
    assert_in_range(heap_usable_size(start), bytes, SIZE_MAX / 2);
    block->start = start;
    block->bytes = bytes < before ? bytes : before;
    for (size_t i = 0; i < block->bytes && i < 2000 && i + 2000 < before; i++)
        assert_int_equal(start[i], (unsigned char)(block->fill + i % 251));
    block->bytes = bytes;
    fill(block, 0);
}

static void test_model(void **state)
{
    static struct block block[PLACES];
    uint64_t seed = 7;
    open_all();
    for (int step = 0; step < STEPS; step++) {
        int used = step / 5000 % 2 == 0 ? PLACES : PLACES / 20;
        struct block *one = &block[random_between(&seed, 0, PLACES - 1)];
        has_none = step % 1000 > 800;
        if (one->start != NULL && random_between(&seed, 0, 2) == 0) {
            resize_block(one, &seed);
        } else if (one->start != NULL) {
            check(one, one->bytes);
            heap_free(one->start);
            one->start = NULL;
        } else if (one - block < used) {
            get_block(one, &seed);
        }
        if (step % AUDIT_EVERY == 0)
            assert_int_equal(audit(), 0);
    }
    for (int i = 0; i < PLACES; i++) {
        if (block[i].start != NULL)
            heap_free(block[i].start);
    }
    assert_int_equal(audit(), 0);
    assert_int_equal(pages_held(), 0);
}

/* Every request is served, with what an allocator owes it: one page at most while the
 * algorithm can have it, and the next size does not get less. */
static void test_every_size(void **state)
{
    open_all();
    size_t before = 0;
    for (size_t bytes = 1; bytes <= PAGESIZE + 1; bytes++) {
        unsigned char *block = heap_malloc(bytes);
        size_t usable = heap_usable_size(block);
        assert_in_range(usable, bytes, 2 * PAGESIZE);
        assert_true(usable >= before || before > PAGESIZE - 2 * UNIT);
        block[0] = block[usable - 1] = 1;
        heap_free(block);
        before = usable;
    }
    assert_int_equal(pages_held(), 0);
}

/* No header: so many blocks of a size take the pages that the algorithm takes for them
 * when it is asked for what they can hold. A node of its tables more or less depends on
 * the addresses. */
static void test_pages_are_the_algorithms(void **state)
{
    enum { COUNT = 4000 };
    static void *block[COUNT];
    open_all();
    for (size_t bytes = 16; bytes <= 1024; bytes *= 2) {
        for (int i = 0; i < COUNT; i++)
            block[i] = heap_malloc(bytes);
        size_t pages = pages_held(), usable = heap_usable_size(block[0]);
        for (int i = 0; i < COUNT; i++)
            heap_free(block[i]);
        for (int i = 0; i < COUNT; i++)
            block[i] = kma_malloc((kma_size_t)usable);
        assert_in_range(pages_held(), pages - 2, pages + 2);
        for (int i = 0; i < COUNT; i++)
            kma_free(block[i], (kma_size_t)usable);
        assert_int_equal(pages_held(), 0);
    }
}

/* A large block is made longer where it is when what is behind it is free. */
static void test_large_grow_in_place(void **state)
{
    open_all();
    char *one = heap_malloc(20 * PAGESIZE), *two = heap_malloc(30 * PAGESIZE);
    one[20 * PAGESIZE - 1] = 1;
    assert_ptr_equal(two, one + 20 * PAGESIZE);
    heap_free(two);
    assert_ptr_equal(heap_realloc(one, 45 * PAGESIZE), one);
    assert_int_equal(one[20 * PAGESIZE - 1], 1);
    assert_ptr_equal(heap_realloc(one, 20 * PAGESIZE), one);
    assert_int_equal(pages_held(), 20);
    heap_free(one);
    assert_int_equal(pages_held(), 0);
}

static void test_bad_addresses(void **state)
{
    open_all();
    char *large = heap_malloc(3 * PAGESIZE), *small = heap_malloc(100);
    int local;
    assert_int_equal(heap_what_is(NULL), KMA_FREE_NULL);
    assert_int_equal(heap_what_is(&local), KMA_FREE_UNKNOWN);
    assert_int_equal(heap_what_is(small), KMA_FREED);
    assert_int_not_equal(heap_what_is(small + 1), KMA_FREED);
    assert_int_equal(heap_what_is(large), KMA_FREED);
    assert_int_not_equal(heap_what_is(large + 8), KMA_FREED);
    if (kma_what_is != NULL) {
        assert_int_equal(heap_what_is(small + 16), KMA_FREE_INSIDE);
        assert_int_not_equal(heap_what_is(large + PAGESIZE), KMA_FREED);
    }
    heap_free(large);
    assert_int_equal(heap_what_is(large), KMA_FREE_TWICE);
    char *aligned = heap_aligned(512, 40);
    assert_int_equal(heap_what_is(aligned), KMA_FREED);
    heap_free(aligned);
    heap_free(small);
}

/* An alignment that the algorithm does not have by itself costs no more than the room
 * for it: hundreds of such blocks do not take a page each. */
static void test_aligned_blocks_share_pages(void **state)
{
    enum { COUNT = 500 };
    void *block[COUNT];
    open_all();
    for (int i = 0; i < COUNT; i++)
        block[i] = heap_aligned(64, 40);
    if (strcmp(ALGORITHM, "dummy") != 0)
        assert_in_range(pages_held(), 1, COUNT / 8);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        heap_free(block[i]);
    }
    assert_int_equal(pages_held(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_pages_are_the_algorithms),
        cmocka_unit_test(test_large_grow_in_place),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_aligned_blocks_share_pages),
    };
    return run_apart(tests, sizeof tests / sizeof *tests);
}
