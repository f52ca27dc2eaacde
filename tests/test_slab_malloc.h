/* test_slab_malloc.h - of test_slab.c: kma_malloc and kma_free, which have a cache for
 * each class of sizes, a magazine before it, and borrow. */
#ifndef KMA_TESTS_TEST_SLAB_MALLOC_H
#define KMA_TESTS_TEST_SLAB_MALLOC_H

enum { THIRD = PAGESIZE / 3 / 8 * 8, FIFTH = PAGESIZE / 5 / 8 * 8 };

static uint32_t bytes_of(const void *block)
{
    return slab_of(block)->cache->stride;
}

static void test_class_sizes(void **state)
{
    (void)state;
    char *anchor = kma_malloc(1);
    int fine = 0, below = 0, above = 0;
    for (int i = 1; i < CLASSES; i++)
        assert_true(class_bytes(i) > class_bytes(i - 1));
    assert_int_equal(class_bytes(CLASSES - 1), PAGESIZE);
    for (int size = 1; size <= MAX_REQUEST; size++) {
        int size_class = class_of(size);
        int bytes = (int)class_bytes(size_class), waste = bytes - size;
        assert_true(bytes >= size);
        assert_true(size_class == 0 || (int)class_bytes(size_class - 1) < size);
        assert_int_equal(kma_block_size(size), bytes);
        if (size <= 64)
            fine = waste > fine ? waste : fine;
        else if (size <= PAGESIZE / 8)
            below = 1000 * waste / bytes > below ? 1000 * waste / bytes : below;
        else
            above = waste - PAGESIZE / 3 > above ? waste - PAGESIZE / 3 : above;
        if (size > PAGESIZE / 8)
            assert_true(waste <= bytes / 3 + 7);
    }
    assert_int_equal(fine, 7);
    assert_in_range(below, 150, 199); /* less than a fifth */
    assert_in_range(above, 0, 7);
    kma_free(anchor, 1);
}

/* A request alone gets an object of its class. Slabs of more than a page's eighth leave
 * less than a line of each page over. */
static void test_class_slabs(void **state)
{
    (void)state;
    for (int size_class = 0; size_class < CLASSES; size_class++) {
        int bytes = (int)class_bytes(size_class);
        int size = bytes < MAX_REQUEST ? bytes : MAX_REQUEST;
        char *block = kma_malloc(size);
        assert_int_equal(bytes_of(block), bytes);
        assert_int_equal(slab_of(block)->cache->number, size_class);
        const struct kmem_cache *cache = slab_of(block)->cache;
        size_t rest = slab_bytes(cache) - (size_t)cache->capacity * cache->stride;
        if (bytes > PAGESIZE / 8)
            assert_true(rest < 64u << cache->order);
        memset(block, 1, (size_t)size);
        assert_int_equal(kma_audit(), 0);
        kma_free(block, size);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* Nothing but a request's own slab, and control data, is held for it. */
static void test_pages_of_requests(void **state)
{
    (void)state;
    const struct {
        int size, pages;
    } of[] = {{1, 2}, {64, 2}, {PAGESIZE / 8, 3}, {PAGESIZE / 2, 3}, {MAX_REQUEST, 3}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char *block = kma_malloc(of[i].size);
        assert_int_equal(pages_in_use(), of[i].pages);
        kma_free(block, of[i].size);
        assert_int_equal(pages_in_use(), 0);
        assert_null(root);
    }
}

static const struct size_cache *own_cache(int size)
{
    return allocator()->of_class[class_of(size)];
}

static void test_magazine_bounds(void **state)
{
    (void)state;
    enum { BLOCKS = 400 };
    const int sizes[] = {8, 100, LARGE + 1};
    seed = 6;
    assert_int_equal(pool_open(1024), 0);
    for (int i = 0; i < 3; i++) {
        int live = 0, most = 0;
        for (int step = 0; step < 6000; step++) {
            if (live == 0 ||
                (live < BLOCKS && random_between(&seed, 0, 2) > step / 3000)) {
                object[live++] = kma_malloc(sizes[i]);
            } else {
                int which = random_between(&seed, 0, live - 1);
                kma_free(object[which], sizes[i]);
                object[which] = object[--live];
            }
            if (root == NULL)
                continue;
            const struct size_cache *own = own_cache(sizes[i]);
            int rounds = own == NULL ? 0 : (int)own->rounds;
            assert_true(rounds <= ROUNDS && rounds <= live / SHARE_OF_HELD);
            most = rounds > most ? rounds : most;
            assert_int_equal(allocator()->held[class_of(sizes[i])], live);
        }
        assert_int_equal(most, ROUNDS);
        assert_int_equal(kma_audit(), 0);
        while (live > 0)
            kma_free(object[--live], sizes[i]);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* What is freed with room in the magazine stays taken from its slab, and is what the next
 * requests get, the last one first. */
static void test_magazine_order(void **state)
{
    (void)state;
    int live = 0;
    while (live < 200 || own_cache(100)->rounds > 0)
        object[live++] = kma_malloc(100);
    size_t active = own_cache(100)->cache.active;
    for (int i = 0; i < ROUNDS / 2; i++)
        kma_free(object[i], 100);
    assert_int_equal(own_cache(100)->rounds, ROUNDS / 2);
    assert_int_equal(own_cache(100)->cache.active, active);
    for (int i = ROUNDS / 2; i > 0; i--)
        assert_ptr_equal(kma_malloc(100), object[i - 1]);
    assert_int_equal(own_cache(100)->rounds, 0);
    for (int i = 0; i <= ROUNDS; i++) /* one more than it has room for */
        kma_free(object[i], 100);
    assert_int_equal(own_cache(100)->rounds, ROUNDS / 2 + 1);
    assert_int_equal(own_cache(100)->cache.active, active - ROUNDS / 2);
    assert_ptr_equal(kma_malloc(100), object[ROUNDS]);
    assert_ptr_equal(kma_malloc(100), object[ROUNDS - 1]);
    assert_int_equal(kma_audit(), 0);
    for (int i = ROUNDS - 1; i < live; i++)
        kma_free(object[i], 100);
    assert_int_equal(pages_in_use(), 0);
}

/* A magazine takes objects from a slab that is there, but no slab. */
static void test_magazine_takes_no_slab(void **state)
{
    (void)state;
    enum { BLOCKS = 20 * SHARE_OF_HELD };
    for (int i = 0; i < BLOCKS; i++) {
        page_calls.calls = 0;
        object[i] = kma_malloc(THIRD);
        assert_true(page_calls.calls <= (i == 0 ? 3 : 1));
        const struct kmem_cache *cache = slab_of(object[i])->cache;
        assert_int_equal(cache->slabs, (cache->active + 2) / 3);
        assert_int_equal(cache->active, (size_t)i + 1 + own_cache(THIRD)->rounds);
    }
    for (int i = 0; i < BLOCKS; i++)
        kma_free(object[i], THIRD);
}

/* A class without a slab takes objects of the next larger one that has some, until these
 * waste BORROWED_MOST; then it has a slab of its own. */
static void test_borrowing(void **state)
{
    (void)state;
    enum { WASTE = 64 - 24, LENT = BORROWED_MOST / WASTE };
    char *near = kma_malloc(64), *larger = kma_malloc(128);
    int lender = class_of(64), borrower = class_of(24), pages = pages_in_use();
    int room = allocator()->of_class[lender]->cache.capacity - 1;
    assert_in_range(LENT, 2, room - 1);
    for (int i = 0; i < LENT; i++) {
        assert_int_equal(allocator()->borrowed[borrower], i * WASTE);
        object[i] = kma_malloc(24);
        assert_int_equal(bytes_of(object[i]), 64);
        assert_int_equal(kma_audit(), 0);
    }
    assert_null(allocator()->of_class[borrower]);
    assert_int_equal(pages_in_use(), pages);
    object[LENT] = kma_malloc(24);
    assert_int_equal(bytes_of(object[LENT]), 24);
    assert_int_equal(pages_in_use(), pages + 1);
    kma_free(near, 64); /* the lender has no block of its own then */
    assert_int_equal(kma_audit(), 0);
    assert_non_null(allocator()->of_class[lender]);
    for (int i = 0; i <= LENT; i++) {
        kma_free(object[i], 24);
        assert_int_equal(kma_audit(), 0);
    }
    assert_int_equal(allocator()->borrowed[borrower], 0);
    assert_null(allocator()->of_class[lender]);
    assert_null(allocator()->of_class[borrower]);
    kma_free(larger, 128);
}

/* The next larger class that has an object, not any; and none if that wastes more than
 * BORROWED_MOST, as long as there are pages. */
static void test_what_is_borrowed(void **state)
{
    (void)state;
    char *half = kma_malloc(PAGESIZE / 2), *quarter = kma_malloc(PAGESIZE / 4);
    char *line = kma_malloc(128);
    char *block[3] = {kma_malloc(24), kma_malloc(FIFTH), kma_malloc(THIRD)};
    assert_int_equal(bytes_of(block[0]), 128);
    assert_int_equal(bytes_of(block[1]), PAGESIZE / 4);
    assert_int_equal(bytes_of(block[2]), THIRD);
    assert_true(PAGESIZE / 2 - THIRD > BORROWED_MOST);
    char *own = kma_malloc(PAGESIZE / 4); /* it has a free object itself */
    assert_int_equal(bytes_of(own), PAGESIZE / 4);
    assert_int_equal(kma_audit(), 0);
    kma_free(own, PAGESIZE / 4);
    kma_free(block[2], THIRD);
    kma_free(block[1], FIFTH);
    kma_free(block[0], 24);
    kma_free(line, 128);
    kma_free(quarter, PAGESIZE / 4);
    kma_free(half, PAGESIZE / 2);
}

/* With no page to be had, any larger object will do; and when it is freed nothing of it
 * is left over. */
static void test_exhaustion_is_served_by_borrowing(void **state)
{
    (void)state;
    char *half = kma_malloc(PAGESIZE / 2), *last;
    fail_pages(1, LONG_MAX);
    last = kma_malloc(8);
    assert_non_null(last);
    assert_int_equal(bytes_of(last), PAGESIZE / 2);
    assert_int_equal(allocator()->borrowed[class_of(8)], PAGESIZE / 2 - 8);
    assert_int_equal(kma_audit(), 0);
    assert_null(kma_malloc(8));
    assert_null(kma_malloc(PAGESIZE / 2));
    assert_int_equal(kma_audit(), 0);
    kma_free(last, 8);
    assert_int_equal(allocator()->borrowed[class_of(8)], 0);
    assert_non_null(last = kma_malloc(PAGESIZE / 2));
    serve_pages();
    kma_free(half, PAGESIZE / 2);
    kma_free(last, PAGESIZE / 2);
}

static void *request_fifth(void)
{
    return kma_malloc(FIFTH);
}

/* A class whose blocks are all borrowed is to have a slab and with that a cache: neither
 * is left over when there is no page. */
static void test_request_out_of_pages(void **state)
{
    (void)state;
    char *lender = fail_each_page(request_fifth, 3), *block[4]; /* from nothing */
    kma_free(lender, FIFTH);
    lender = kma_malloc(PAGESIZE / 4);
    for (int i = 0; i < 3; i++)
        block[i] = kma_malloc(FIFTH);
    assert_null(own_cache(FIFTH));
    block[3] = fail_each_page(request_fifth, 1);
    assert_int_equal(bytes_of(block[3]), FIFTH);
    for (int i = 0; i < 4; i++)
        kma_free(block[i], FIFTH);
    kma_free(lender, PAGESIZE / 4);
}

/* Requests beside object caches: an idle kma_malloc leaves nothing but theirs. */
static void test_requests_beside_caches(void **state)
{
    (void)state;
    kmem_cache_t *cache = create("beside", 64, 0);
    object[0] = take(cache);
    int pages = pages_in_use();
    seed = 7;
    for (int i = 1; i < 500; i++) {
        object[i] = kma_malloc(i * 3);
        assert_ptr_not_equal(slab_of(object[i])->cache, cache);
    }
    kmem_cache_free(cache, object[0]);
    assert_int_equal(kma_audit(), 0);
    object[0] = take(cache);
    for (int i = 1; i < 500; i++)
        kma_free(object[i], i * 3);
    assert_int_equal(pages_in_use(), pages);
    kmem_cache_free(cache, object[0]);
    assert_int_equal(pages_in_use(), 1);
    destroy(cache);
}

#endif
