/* test_bt.c - boundary tags, from within: kma_bt.c is included. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_bt.c"
#include "white_box.h"

/* What a block holds, with what it was not worth cutting off. */
static int room(const void *ptr)
{
    return is_whole_page(ptr) ? PAGESIZE : (int)(size_of(tag_of(ptr)) - TAG_BYTES);
}

static char *take(int size)
{
    char *ptr = kma_malloc(size);
    assert_non_null(ptr);
    assert_true(room(ptr) >= size);
    memset(ptr, 0x5a, (size_t)size);
    return ptr;
}

/* What kma_what_is says before, kma_try_free does: the one has freed nothing. */
static int try_free(void *ptr)
{
    int said = kma_what_is(ptr), answer = kma_try_free(ptr);
    assert_int_equal(said, answer);
    return answer;
}

static void give(void *ptr)
{
    assert_int_equal(try_free(ptr), KMA_FREED);
}

static char *resized(void *ptr, int size)
{
    char *now = kma_realloc(ptr, size);
    assert_non_null(now);
    assert_true(room(now) >= size);
    return now;
}

static void assert_sound(void)
{
    assert_int_equal(kma_audit(), 0);
}

/* The request whose block has so many granules. */
static int granules(int count)
{
    return count * GRANULE - TAG_BYTES;
}

/* Live blocks in all that is free in the pages in use, so that the next request finds
 * what is freed after that, or gets a page. */
static struct {
    char *block[200];
    int count;
} filler;

static void fill_up(void)
{
    for (int size = MAX_IN_BLOCK; size > 0; size -= GRANULE) {
        while (find_among(allocator(), BACK, block_for(size)) != NULL) {
            assert_in_range(filler.count, 0, 199);
            filler.block[filler.count++] = take(size);
        }
    }
}

static void empty_filler(void)
{
    while (filler.count > 0)
        give(filler.block[--filler.count]);
}

/* A block of just this size: not one that got a rest of its page, too. */
static char *take_exactly(int size)
{
    char *ptr = take(size);
    while (room(ptr) != size) {
        filler.block[filler.count++] = ptr;
        ptr = take(size);
    }
    return ptr;
}

/* A page is 2 bits a granule, two granules around the first tag and the end tag, and
 * blocks in a row; a block is what it holds and a tag of 4 bytes, up to a multiple of 8. */
static void test_layout(void **state)
{
    (void)state;
    assert_int_equal(PAGE_BLOCKS, PAGESIZE - PAGESIZE / 32 - 16);
    assert_int_equal(MIN_BLOCK, sizeof(void *) == 8 ? 24 : 16);
    assert_int_equal(kma_block_size(1), MIN_BLOCK);
    assert_int_equal(kma_block_size(MIN_BLOCK - 4), MIN_BLOCK);
    assert_int_equal(kma_block_size(MIN_BLOCK - 3), MIN_BLOCK + 8);
    assert_int_equal(kma_block_size(16), 24);
    assert_int_equal(kma_block_size(PAGE_BLOCKS - 4), PAGE_BLOCKS);
    assert_int_equal(kma_block_size(PAGE_BLOCKS - 3), PAGESIZE);

    const int sizes[] = {1, 16, 20, 21, 100, 1000, 7};
    char *block[7], *next = NULL;
    for (int i = 0; i < 7; i++) {
        block[i] = take(sizes[i]);
        assert_int_equal(pages_in_use(), 2); /* the root page and a page of blocks */
        assert_true(BASEADDR(block[i]) != root->ptr);
        assert_true(i == 0 || block[i] == next);
        next = block[i] + kma_block_size(sizes[i]);
        assert_int_equal((uintptr_t)block[i] % 8, 0);
    }
    assert_int_equal((uintptr_t)block[0] % PAGESIZE, PAGESIZE / 32 + 16);
    assert_sound();
    for (int i = 0; i < 7; i++)
        give(block[i]);
}

/* The largest request that shares a page has a page's blocks; the next takes a page. */
static void test_whole_page(void **state)
{
    (void)state;
    char *anchor = take(1), *most = take(MAX_IN_BLOCK), *page = take(MAX_IN_BLOCK + 1);
    assert_int_equal(pages_in_use(), 4);
    assert_true(!is_whole_page(most) && is_whole_page(page));
    assert_sound();
    give(page);
    assert_int_equal(pages_in_use(), 3);
    give(most);
    assert_int_equal(pages_in_use(), 2);
    page = take(MAX_REQUEST);
    give(anchor);
    assert_int_equal(pages_in_use(), 2);
    assert_sound();
    kma_free(page, 1);
}

/* Blocks A, B, C that lie in a row serve one request of A + B + C from the same place
 * when they are freed, in whatever order: A, C, B is the one where the last joins both
 * sides. Before A is the page's beginning, a live or a free block; C has a live one
 * behind, or the free rest of the page. */
static void test_joins(void **state)
{
    (void)state;
    const int order[6][3] = {{0, 2, 1}, {0, 1, 2}, {1, 0, 2},
                             {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int most = PAGE_BLOCKS / 4 - 100;
    const int size[4][3] = {
        {24, 24, 24}, {100, 200, 300}, {500, 1, 9}, {most, most, most}};
    for (int run = 0; run < 6 * 4 * 3; run++) {
        const int *sizes = size[run / 6 % 4];
        char *before = run / 24 > 0 ? take(40) : NULL, *block[3];
        for (int i = 0; i < 3; i++)
            block[i] = take(sizes[i]);
        char *behind = run / 24 != 1 ? take(60) : NULL;
        assert_ptr_equal(tag_after(tag_of(block[0])), tag_of(block[1]));
        assert_ptr_equal(tag_after(tag_of(block[1])), tag_of(block[2]));
        for (int i = 0; i < 3; i++) {
            give(block[order[run % 6][i]]);
            assert_sound();
        }
        char *all = take(sizes[0] + sizes[1] + sizes[2]);
        assert_ptr_equal(all, block[0]);
        assert_sound();
        give(all);
        if (before != NULL)
            give(before);
        if (behind != NULL)
            give(behind);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* Each joining, as seen in the tags: sizes add up, both neighbours' tags included. */
static void test_neighbours(void **state)
{
    (void)state;
    char *block[5];
    for (int i = 0; i < 5; i++)
        block[i] = take(granules(10 + i));
    struct tag *first = tag_of(block[0]);
    give(block[1]);
    give(block[3]);
    assert_int_equal(size_of(tag_of(block[1])), 11 * GRANULE);
    assert_int_equal(tag_of(block[2])->before, 11 * GRANULE);
    give(block[2]);
    assert_int_equal(size_of(tag_of(block[1])), (11 + 12 + 13) * GRANULE);
    assert_int_equal(tag_of(block[4])->before, (11 + 12 + 13) * GRANULE);
    assert_int_equal(first->before, 0);
    assert_int_equal(tag_of(block[1])->before, 10 * GRANULE);
    give(block[4]); /* with the rest of the page */
    assert_int_equal(size_of(tag_of(block[1])), PAGE_BLOCKS - 10 * GRANULE);
    assert_sound();
    give(block[0]);
    assert_int_equal(pages_in_use(), 0);
}

/* Blocks of one size are reused in the order they were freed in, the first freed first,
 * over several pages. */
static void test_queue(void **state)
{
    (void)state;
    enum { COUNT = 5 * PAGE_BLOCKS / (2 * 10 * GRANULE) };
    char *block[COUNT], *between[COUNT];
    int order[COUNT];
    uint64_t seed = 1;
    for (int i = 0; i < COUNT; i++) {
        block[i] = take_exactly(granules(10));
        between[i] = take_exactly(granules(10));
        order[i] = i;
    }
    fill_up();
    int pages = pages_in_use();
    assert_true(pages >= 5);
    shuffle(&seed, order, COUNT);
    for (int i = 0; i < COUNT; i++)
        give(block[order[i]]);
    assert_sound();
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(take(granules(10)), block[order[i]]);
    assert_int_equal(pages_in_use(), pages);
    for (int i = 0; i < COUNT; i++) {
        give(block[i]);
        give(between[i]);
    }
    empty_filler();
}

/* Within a bin the block freed first that is large enough; and where none is, the one
 * freed first of the next bin with any. */
static void test_fit(void **state)
{
    (void)state;
    /* Sizes, in granules, of which the first two and then again two share a bin. */
    enum {
        SMALL = 8 << BIN_BITS,
        LARGE = SMALL + 7,
        NEXT = SMALL + 8,
        LAST = SMALL + 15
    };
    assert_int_equal(bin_of(SMALL * GRANULE), bin_of(LARGE * GRANULE));
    assert_int_equal(bin_of(LARGE * GRANULE) + 1, bin_of(NEXT * GRANULE));
    assert_int_equal(bin_of(NEXT * GRANULE), bin_of(LAST * GRANULE));
    const int size[] = {SMALL, LARGE, SMALL + 1, LAST, NEXT};
    char *block[5], *between[5];
    for (int i = 0; i < 5; i++) {
        block[i] = take(granules(size[i]));
        between[i] = take(1);
    }
    fill_up();
    for (int i = 0; i < 5; i++)
        give(block[i]);
    assert_ptr_equal(take(granules(SMALL + 1)), block[1]); /* SMALL is passed over */
    assert_ptr_equal(take(granules(SMALL + 1)), block[2]);
    assert_ptr_equal(take(granules(SMALL + 1)), block[3]); /* from the next bin */
    assert_ptr_equal(take(granules(SMALL)), block[0]);
    give(block[1]);
    give(block[0]);
    assert_ptr_equal(take(granules(SMALL)), block[1]); /* freed first, not best fit */
    assert_ptr_equal(take(granules(SMALL)), block[0]);
    assert_ptr_equal(take(granules(SMALL)), block[4]);
    assert_sound();
    for (int i = 0; i < 5; i++) {
        give(block[i]);
        give(between[i]);
    }
    empty_filler();
}

/* Each size has the bin that the head comment says, and a bin's sizes lie in a row. */
static void test_bins(void **state)
{
    (void)state;
    for (unsigned size = GRANULE; size < PAGESIZE; size += GRANULE) {
        unsigned bin = bin_of(size), count = size / GRANULE;
        unsigned width = 1;
        while (count / width >= 2 << BIN_BITS)
            width *= 2;
        assert_true(bin < BINS);
        if (count > 1)
            assert_int_equal(bin, bin_of(size - GRANULE) + (count % width == 0));
    }
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(lowest_bit((uint64_t)1 << i), i);
        assert_int_equal(lowest_bit(~(uint64_t)0 << i), i);
    }
}

/* What is cut off a larger block is free, and was freed now; but less than an eighth of
 * the request and a block is left to it. */
static void test_rests(void **state)
{
    (void)state;
    const int size = 160, least = 160 + 160 / 8 + MIN_BLOCK / GRANULE; /* granules */
    char *large = take(granules(least)), *fence = take(1);
    give(large);
    char *block = take(granules(size));
    assert_ptr_equal(block, large);
    assert_int_equal(room(block), granules(size));
    struct tag *rest = tag_after(tag_of(block));
    assert_true(!is_live(rest) && tag_after(rest) == tag_of(fence));
    assert_sound();
    give(block);
    assert_int_equal(room(large), granules(least)); /* joined again */
    block = take(granules(size + 1));
    assert_ptr_equal(block, large);
    assert_int_equal(room(block), granules(least));
    assert_sound();
    give(block);
    give(fence);
}

/* kma_free does not look at the size. */
static void test_any_size(void **state)
{
    (void)state;
    const int sizes[] = {0, -1, 1, 24, PAGESIZE, INT_MAX, INT_MIN};
    char *anchor = take(1), *fence[7];
    for (int i = 0; i < 7; i++) {
        char *block = take(100 + i), *page = take(MAX_REQUEST);
        fence[i] = take(5);
        kma_free(block, sizes[i]);
        kma_free(page, sizes[i]);
        assert_int_equal(size_of(tag_of(block)), block_for(100 + i));
        assert_int_equal(pages_in_use(), 2);
        assert_sound();
        char *again = take(granules((int)(block_for(100 + i) / GRANULE)));
        assert_ptr_equal(again, block);
    }
    for (int i = 0; i < 7; i++) {
        kma_free((char *)tag_before(tag_of(fence[i])) + TAG_BYTES, i);
        kma_free(fence[i], -i);
    }
    kma_free(anchor, 12345);
    assert_int_equal(pages_in_use(), 0);
}

/* 1024 requests of 16 bytes take at most 32 KB of pages, control data included; or three
 * pages where a page is larger than 8 KB. */
static void test_overhead(void **state)
{
    (void)state;
    const int most = PAGESIZE <= 8192 ? 32 * 1024 : 3 * PAGESIZE;
    char *block[1024];
    for (int i = 0; i < 1024; i++) {
        block[i] = take(16);
        assert_in_range(room(block[i]), 20, 20 + MIN_BLOCK);
    }
    assert_true(pages_in_use() * PAGESIZE <= most);
    assert_sound();
    for (int i = 0; i < 1024; i++)
        give(block[i]);
}

/* The root page's blocks serve when no other page has room, before a further page is
 * got; while nothing in it is live no bin has them. */
static void test_root_page(void **state)
{
    (void)state;
    char *first = take(MAX_IN_BLOCK), *in_root = take(ROOT_BLOCKS - TAG_BYTES);
    assert_int_equal(pages_in_use(), 2);
    assert_ptr_equal(in_root, link_of(root_block()));
    assert_sound();
    char *third = take(1);
    assert_int_equal(pages_in_use(), 3);
    give(in_root);
    assert_true(root_is_free());
    char *small = take(1);
    assert_true(BASEADDR(small) == BASEADDR(third));
    give(first);
    give(third);
    give(small);
    assert_int_equal(pages_in_use(), 0);
    /* Alone it serves when there is no other page. */
    fail_pages(2, LONG_MAX);
    small = take(1);
    assert_ptr_equal(small, link_of(root_block()));
    assert_null(kma_malloc(ROOT_BLOCKS));
    assert_sound();
    give(small);
    assert_null(root);
    fail_pages(2, LONG_MAX);
    assert_null(kma_malloc(ROOT_BLOCKS));
    assert_null(root);
    serve_pages();
}

/* A page far from the others needs nodes of the radix tree. When there is none for them
 * it goes back, and all is as before. */
static void test_no_node(void **state)
{
    (void)state;
    enum { PAGES = RADIX_SLOTS + 4 };
    if (PAGES > (1 << (sizeof(void *) > 4 ? 30 : 28)) / PAGESIZE)
        skip();
    static kma_page_t *page[PAGES];
    pool_set_poison(0);
    assert_int_equal(pool_open(PAGES), 0);
    for (int i = 0; i < PAGES; i++)
        page[i] = get_page();
    for (int i = PAGES - 1; i >= (int)RADIX_SLOTS; i--)
        free_page(page[i]);
    free_page(page[1]);
    free_page(page[0]);
    int held = pages_in_use();
    char *near = take(1);
    assert_int_equal(pages_in_use(), held + 2);
    for (int call = 1; call <= 3; call++) { /* the page, two nodes */
        fail_pages(call, LONG_MAX);
        assert_null(kma_malloc(MAX_REQUEST));
        assert_null(kma_malloc(MAX_IN_BLOCK));
        assert_int_equal(pages_in_use(), held + 2);
        assert_sound();
    }
    serve_pages();
    char *far = take(MAX_REQUEST);
    assert_int_equal(pages_in_use(), held + 5);
    assert_int_equal(allocator()->pages.height, 2);
    assert_int_equal(try_free(far + 1), KMA_FREE_INSIDE);
    assert_sound();
    give(near); /* the root page stays while far does */
    assert_sound();
    give(far);
    assert_int_equal(pages_in_use(), held);
    for (int i = 2; i < (int)RADIX_SLOTS; i++)
        free_page(page[i]);
}

/* One page in FRONT_SHARE of a large heap is a front page, whose blocks serve before
 * those of back pages, freed when they may. */
static void test_front_pages(void **state)
{
    (void)state;
    enum { PAGES = SMALL_HEAP + 3 * FRONT_SHARE, PARTS = 4 };
    const int size = PAGE_BLOCKS / PARTS / GRANULE * GRANULE - TAG_BYTES;
    static char *block[PAGES][PARTS];
    int front[PAGES] = {0}, fronts = 0;
    for (int i = 1; i < PAGES; i++) { /* page 0 is the root page */
        block[i][0] = take(MAX_IN_BLOCK);
        front[i] = (int)owner_bit(tag_of(block[i][0]));
        assert_int_equal(front[i], i >= SMALL_HEAP && i % FRONT_SHARE == 0);
        fronts += front[i];
    }
    assert_int_equal(allocator()->pages_of_blocks[FRONT], fronts);
    assert_int_equal(fronts, 3);
    for (int i = 1; i < PAGES; i++) {
        block[i][0] = resized(block[i][0], size);
        for (int j = 1; j < PARTS; j++)
            block[i][j] = take(size);
    }
    for (int i = 1; i < PAGES; i++)
        give(block[i][1]);
    assert_sound();
    char *taken[PAGES];
    for (int i = 0; i < PAGES - 1; i++) {
        taken[i] = take(size);
        assert_int_equal(owner_bit(tag_of(taken[i])), i < fronts);
    }
    assert_sound();
    for (int i = 1; i < PAGES; i++) {
        give(taken[i - 1]);
        for (int j = 0; j < PARTS; j++) {
            if (j != 1)
                give(block[i][j]);
        }
    }
}

/* A block grows into a free neighbour: all of it, a part, and not where too little is. */
static void test_grow_in_place(void **state)
{
    (void)state;
    const int sizes[] = {granules(60), granules(59), granules(41)};
    for (int i = 0; i < 3; i++) {
        char *block = take(granules(20)), *neighbour = take(granules(40));
        char *fence = take(1);
        memset(block, 7, (size_t)granules(20));
        give(neighbour);
        char *same = resized(block, sizes[i]);
        assert_ptr_equal(same, block);
        assert_int_equal(room(block), i < 2 ? granules(60) : sizes[i]);
        for (int at = 0; at < granules(20); at++)
            assert_int_equal(block[at], 7);
        assert_sound();
        if (i == 2) { /* the rest of the neighbour serves */
            char *rest = take(granules(19));
            assert_ptr_equal(tag_of(rest), tag_after(tag_of(block)));
            give(rest);
        }
        char *moved = resized(block, granules(61));
        assert_true(moved != block);
        for (int at = 0; at < granules(20); at++)
            assert_int_equal(moved[at], 7);
        assert_int_equal(try_free(block), KMA_FREE_TWICE);
        assert_sound();
        give(moved);
        give(fence);
    }
    /* Into the rest of the page, and up to its end. */
    char *block = take(1);
    char *same = resized(block, MAX_IN_BLOCK);
    assert_ptr_equal(same, block);
    assert_sound();
    give(block);
}

/* A block that shrinks stays, and gives its end back to a free neighbour, or to a bin,
 * or keeps it where it is too little for a block. */
static void test_shrink_in_place(void **state)
{
    (void)state;
    char *block = take(granules(60)), *neighbour = take(granules(20)), *fence = take(1);
    memset(block, 9, (size_t)granules(60));
    assert_ptr_equal(resized(block, granules(60) - 1), block);
    assert_ptr_equal(resized(block, granules(59)), block);
    assert_int_equal(room(block), granules(60));
    assert_ptr_equal(resized(block, granules(40)), block);
    assert_int_equal(room(block), granules(40));
    assert_sound();
    struct tag *rest = tag_after(tag_of(block));
    assert_true(!is_live(rest) && tag_after(rest) == tag_of(neighbour));
    give(neighbour);
    assert_int_equal(size_of(rest), 40 * GRANULE);
    assert_ptr_equal(resized(block, granules(39)), block);
    assert_int_equal(room(block), granules(40)); /* nor does it take from there */
    assert_ptr_equal(resized(block, granules(10)), block);
    rest = tag_after(tag_of(block));
    assert_int_equal(size_of(rest), 70 * GRANULE);
    assert_ptr_equal(tag_after(rest), tag_of(fence));
    for (int at = 0; at < granules(10); at++)
        assert_int_equal(block[at], 9);
    assert_sound();
    assert_ptr_equal(resized(block, 1), block);
    assert_int_equal(room(block), MIN_BLOCK - TAG_BYTES);
    assert_sound();
    give(block);
    give(fence);
}

/* A block that is a page stays in it, whatever it shrinks to; a block that has to become
 * a page moves. */
static void test_resize_whole_page(void **state)
{
    (void)state;
    char *page = take(MAX_REQUEST);
    memset(page, 3, MAX_REQUEST);
    assert_ptr_equal(resized(page, 1), page);
    assert_ptr_equal(resized(page, MAX_IN_BLOCK), page);
    assert_ptr_equal(resized(page, MAX_REQUEST), page);
    assert_int_equal(pages_in_use(), 2);
    for (int at = 0; at < MAX_REQUEST; at++)
        assert_int_equal(page[at], 3);
    char *block = take(1000);
    memset(block, 4, 1000);
    char *moved = resized(block, MAX_IN_BLOCK + 1);
    assert_true(is_whole_page(moved) && moved != page);
    assert_int_equal(pages_in_use(), 3); /* that of the block went back */
    for (int at = 0; at < 1000; at++)
        assert_int_equal(moved[at], 4);
    assert_sound();
    give(page);
    give(moved);
}

/* NULL leaves the block as it was: no page, no such size. NULL asks for a new block. */
static void test_resize_refused(void **state)
{
    (void)state;
    const int sizes[] = {0, -1, INT_MIN, MAX_REQUEST + 1, INT_MAX};
    char *block = kma_realloc(NULL, 50), *fence = take(1);
    assert_non_null(block);
    assert_null(kma_realloc(NULL, 0));
    assert_null(kma_realloc(NULL, MAX_REQUEST + 1));
    memset(block, 6, 50);
    for (int i = 0; i < 5; i++)
        assert_null(kma_realloc(block, sizes[i]));
    int requested = page_stats()->num_requested;
    fail_pages(1, LONG_MAX);
    assert_null(kma_realloc(block, MAX_IN_BLOCK));
    assert_null(kma_realloc(block, MAX_REQUEST));
    assert_int_equal(page_calls.failed, 2);
    serve_pages();
    assert_int_equal(page_stats()->num_requested, requested);
    assert_int_equal(size_of(tag_of(block)), block_for(50));
    for (int at = 0; at < 50; at++)
        assert_int_equal(block[at], 6);
    assert_sound();
    give(block);
    give(fence);
}

/* Whether `size` bytes all hold the same value. */
static bool holds(const char *ptr, int size, char value)
{
    return ptr[0] == value && memcmp(ptr, ptr + 1, (size_t)size - 1) == 0;
}

static int random_size(uint64_t *seed)
{
    int bits = random_between(seed, 3, LOG2_FLOOR(PAGESIZE));
    int size = random_between(seed, 1, 1 << bits);
    return size > MAX_REQUEST ? MAX_REQUEST : size;
}

/* A million calls, every fourth without a page to be had: contents stay, blocks move
 * where the block and what is free behind it are too small and nowhere else, and what
 * cannot move stays as it is. */
static void test_random_resizing(void **state)
{
    (void)state;
    enum { BLOCKS = 100 };
    char *block[BLOCKS] = {0};
    int size[BLOCKS];
    long moves = 0, stays = 0, refusals = 0;
    uint64_t seed = 3;
    pool_set_poison(0);
    for (long step = 0; step < 1000000; step++) {
        int i = random_between(&seed, 0, BLOCKS - 1), wanted = random_size(&seed);
        if (block[i] == NULL) {
            block[i] = take(wanted);
            size[i] = wanted;
        }
        bool fits = is_whole_page(block[i]);
        if (!fits) {
            struct tag *after = tag_after(tag_of(block[i]));
            unsigned behind = is_live(after) ? 0 : size_of(after);
            fits = wanted <= (int)MAX_IN_BLOCK &&
                   block_for(wanted) <= size_of(tag_of(block[i])) + behind;
        }
        if (step % 4 == 0)
            fail_pages(1, LONG_MAX);
        char *now = kma_realloc(block[i], wanted);
        serve_pages();
        assert_true(fits ? now == block[i] : now != block[i]);
        assert_true(now != NULL || step % 4 == 0);
        const char *kept = now != NULL ? now : block[i];
        assert_true(
            holds(kept, now != NULL && wanted < size[i] ? wanted : size[i], 0x5a));
        moves += now != NULL && !fits;
        stays += fits;
        refusals += now == NULL;
        if (now != NULL) {
            block[i] = now;
            size[i] = wanted;
            memset(now, 0x5a, (size_t)wanted);
        }
        if (step % 7 == 0) {
            give(block[i]);
            block[i] = NULL;
        }
        if (step % 10007 == 0)
            assert_sound();
    }
    assert_true(moves > 100000 && stays > 100000 && refusals > 1000);
    for (int i = 0; i < BLOCKS; i++) {
        if (block[i] != NULL)
            give(block[i]);
    }
}

/* Blocks that are multiples of 16 bytes are aligned to that, resized or not. */
static void test_alignment(void **state)
{
    (void)state;
    enum { BLOCKS = 200 };
    char *block[BLOCKS] = {0};
    uint64_t seed = 5;
    pool_set_poison(0);
    for (int step = 0; step < 100000; step++) {
        int i = random_between(&seed, 0, BLOCKS - 1), size = random_size(&seed);
        while (kma_block_size(size) % 16 != 0)
            size++;
        block[i] = resized(block[i], size);
        assert_int_equal((uintptr_t)block[i] % 16, 0);
        if (step % 4 == 0) {
            give(block[i]);
            block[i] = NULL;
        }
    }
    assert_sound();
    for (int i = 0; i < BLOCKS; i++) {
        if (block[i] != NULL)
            give(block[i]);
    }
}

/* Each answer of kma_try_free, in the plainest case. */
static void test_answers(void **state)
{
    (void)state;
    char local = 0;
    assert_int_equal(try_free(NULL), KMA_FREE_NULL);
    assert_int_equal(try_free(&local), KMA_FREE_UNKNOWN); /* nothing is live */
    char *block = take(100), *fence = take(100), *page = take(MAX_REQUEST);
    assert_int_equal(try_free(NULL), KMA_FREE_NULL);
    assert_int_equal(try_free(&local), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(BASEADDR(block)), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(root->ptr), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(block - 5), KMA_FREE_UNKNOWN);
    for (int at = -4; at < (int)block_for(100) - 4; at++) {
        if (at != 0)
            assert_int_equal(try_free(block + at), KMA_FREE_INSIDE);
    }
    for (int at = 1; at < PAGESIZE; at++)
        assert_int_equal(try_free(page + at), KMA_FREE_INSIDE);
    char *free_memory = fence + block_for(100);
    assert_int_equal(try_free(free_memory), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(block), KMA_FREED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(try_free(block), KMA_FREE_TWICE);
    assert_int_equal(try_free(block + 8), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(block + 1), KMA_FREE_UNKNOWN);
    assert_int_equal(try_free(page), KMA_FREED);
    assert_int_equal(try_free(page), KMA_FREE_UNKNOWN); /* its page went back */
    assert_sound();
    give(fence);
    assert_int_equal(try_free(fence), KMA_FREE_UNKNOWN);
}

/* An address freed once is so when a free block covers it that begins elsewhere, is
 * inside a live block that does, and then is freed again. */
static void test_freed_and_covered(void **state)
{
    (void)state;
    char *first = take(100), *second = take(100), *third = take(100), *fence = take(1);
    give(second);
    assert_int_equal(try_free(second), KMA_FREE_TWICE);
    give(first);
    assert_int_equal(try_free(second), KMA_FREE_TWICE);
    char *both = take(200);
    assert_ptr_equal(both, first);
    memset(both, 0, 200);
    assert_int_equal(try_free(second), KMA_FREE_INSIDE);
    give(both);
    assert_int_equal(try_free(second), KMA_FREE_TWICE);
    give(third);
    assert_int_equal(try_free(third), KMA_FREE_TWICE);
    give(fence);
}

/* A client that writes all over its own block, as if there were blocks in it, fools
 * nobody. */
static void test_forged_blocks(void **state)
{
    (void)state;
    char *block = take(400), *fence = take(400);
    struct tag forged = {64, 64};
    for (int at = 4; at + 4 <= 400; at += 8)
        memcpy(block + at, &forged, sizeof forged);
    for (int at = 8; at < 400; at += 8)
        assert_int_equal(try_free(block + at), KMA_FREE_INSIDE);
    assert_sound();
    give(block);
    assert_sound();
    for (int at = 8; at < 400; at += 8)
        assert_int_equal(try_free(block + at), KMA_FREE_UNKNOWN);
    give(fence);
}

/* What an address is, kept without looking at any byte in the pages: for each page in
 * which a block has been since it was got, what lies where. */
enum {
    SLOTS = 600, /* blocks live at a time, at most */
    UNIT = TAG_BYTES,
    POOL =
        4 * RADIX_SLOTS < (1 << 28) / PAGESIZE ? 4 * RADIX_SLOTS : (1 << 28) / PAGESIZE,
    FOREIGN = 4, /* pages that the test itself holds */
    REMEMBERED = 500
};

struct model_page {
    uint16_t slot[PAGESIZE / UNIT]; /* of the block here, + 1 */
    bool returned[PAGESIZE / GRANULE];
};

static struct {
    struct model_page *page[POOL];
    struct {
        char *ptr; /* NULL: not live */
        int size;
        size_t extent; /* with the tag */
        uint64_t contents;
    } slot[SLOTS];
    char *freed[REMEMBERED]; /* addresses of blocks that were freed or moved */
    kma_page_t *foreign[FOREIGN];
    long answers[KMA_FREE_TWICE + 1];
    long of_freed[KMA_FREE_TWICE + 1]; /* for addresses in `freed` */
} model;

static void model_page_freed(const kma_page_t *page)
{
    free(model.page[page->id]);
    model.page[page->id] = NULL;
}

static void model_mark(int i, int value)
{
    const char *ptr = model.slot[i].ptr;
    struct model_page **page = &model.page[pool_page_of(ptr)->id];
    if (*page == NULL)
        *page = calloc(1, sizeof **page);
    assert_non_null(*page);
    size_t begin = (size_t)(ptr - (char *)BASEADDR(ptr)) / UNIT;
    size_t before = is_whole_page(ptr) ? 0 : 1;
    for (size_t unit = 0; unit < model.slot[i].extent / UNIT; unit++)
        (*page)->slot[begin - before + unit] = (uint16_t)value;
    (*page)->returned[begin * UNIT / GRANULE] = TRUE;
}

static enum kma_free_result model_answer(const char *ptr)
{
    if (ptr == NULL)
        return KMA_FREE_NULL;
    const kma_page_t *held = pool_page_of(ptr);
    const struct model_page *page = held == NULL ? NULL : model.page[held->id];
    if (page == NULL)
        return KMA_FREE_UNKNOWN;
    size_t offset = (uintptr_t)ptr % PAGESIZE;
    int slot = page->slot[offset / UNIT];
    if (slot > 0)
        return model.slot[slot - 1].ptr == ptr ? KMA_FREED : KMA_FREE_INSIDE;
    bool returned = offset % GRANULE == 0 && page->returned[offset / GRANULE];
    return returned ? KMA_FREE_TWICE : KMA_FREE_UNKNOWN;
}

static int random_live(uint64_t *seed)
{
    int i = random_between(seed, 0, SLOTS - 1);
    while (model.slot[i].ptr == NULL)
        i = (i + 1) % SLOTS;
    return i;
}

/* Eight bytes that clients fill their blocks with: anything; or tags as they stand before
 * another block, or at its end, or the end of its page, beside anything; or addresses of
 * other blocks and of bins, as in a free block's link. */
static uint64_t hostile_contents(uint64_t *seed)
{
    uint64_t contents = next_random(seed);
    char *other = model.slot[random_live(seed)].ptr;
    int kind = random_between(seed, 0, 5);
    if (!is_whole_page(other) && kind > 0) {
        struct tag *tag = kind == 1   ? tag_of(other)
                          : kind == 2 ? tag_after(tag_of(other))
                                      : tag_from_end(BASEADDR(other), 0);
        const void *address = kind == 5 ? (void *)&allocator()->bin[BACK][20] : other;
        if (kind < 4)
            memcpy((char *)&contents + sizeof contents - sizeof *tag, tag, sizeof *tag);
        else
            memcpy(&contents, &address, sizeof address);
    }
    return contents;
}

static void fill(int i, uint64_t contents)
{
    model.slot[i].contents = contents;
    for (int at = 0; at < model.slot[i].size; at++)
        model.slot[i].ptr[at] = ((char *)&contents)[at % 8];
}

static void check_contents(int i, int size)
{
    const char *contents = (char *)&model.slot[i].contents;
    for (int at = 0; at < size; at++) {
        if (model.slot[i].ptr[at] != contents[at % 8])
            fail_msg("block %p was written to", (void *)model.slot[i].ptr);
    }
}

static void model_put(int i, char *ptr, int size, uint64_t *seed)
{
    model.slot[i].ptr = ptr;
    model.slot[i].size = size;
    model.slot[i].extent = is_whole_page(ptr) ? PAGESIZE : size_of(tag_of(ptr));
    model_mark(i, i + 1);
    fill(i, hostile_contents(seed));
}

static void model_remember(char *ptr, uint64_t *seed)
{
    model.freed[random_between(seed, 0, REMEMBERED - 1)] = ptr;
}

/* A request, a resizing, or a free that is right. */
static void valid_call(uint64_t *seed)
{
    int i = random_between(seed, 0, SLOTS - 1);
    int size = random_size(seed);
    if (random_between(seed, 0, 50) == 0)
        size = MAX_REQUEST - random_between(seed, 0, 100);
    char *ptr = model.slot[i].ptr;
    if (ptr == NULL) {
        char *new = kma_malloc(size);
        assert_non_null(new);
        model_put(i, new, size, seed);
        return;
    }
    check_contents(i, model.slot[i].size);
    if (random_between(seed, 0, 2) > 0) {
        model_mark(i, 0);
        model.slot[i].ptr = NULL;
        model_remember(ptr, seed);
        assert_int_equal(try_free(ptr), KMA_FREED);
        return;
    }
    int kept = size < model.slot[i].size ? size : model.slot[i].size;
    model_mark(i, 0); /* its page may go, and the model's with it */
    char *now = kma_realloc(ptr, size);
    assert_non_null(now);
    model.slot[i].ptr = now;
    check_contents(i, kept);
    if (now != ptr)
        model_remember(ptr, seed);
    model_put(i, now, size, seed);
}

enum { KINDS = 18, FREED_BEFORE = 15 /* this kind and the rest */ };

/* An address of some kind, mostly a bad one. */
static char *some_address(int kind, uint64_t *seed)
{
    static char in_data[64];
    static char *in_heap;
    if (in_heap == NULL)
        in_heap = malloc(64);
    char *live = model.slot[random_live(seed)].ptr;
    char *page = BASEADDR(live);
    uintptr_t pool =
        (uintptr_t)model.foreign[0]->ptr - (uintptr_t)model.foreign[0]->id * PAGESIZE;
    int small = random_between(seed, 0, 63);
    switch (kind) {
    case 0:
        return NULL;
    case 1:
        return (char *)((uintptr_t)seed + (uintptr_t)small); /* on the stack */
    case 2:
        return in_data + small;
    case 3:
        return (char *)((uintptr_t)kma_malloc + (uintptr_t)small);
    case 4:
        return in_heap + small;
    case 5: /* pages held, given back, never handed out, and pages that hold the tree */
        return (char *)(pool +
                        (uintptr_t)next_random(seed) % ((uintptr_t)POOL * PAGESIZE));
    case 6:
        return (char *)model.foreign[small % FOREIGN]->ptr +
               random_between(seed, 0, PAGESIZE - 1);
    case 7: /* start bits, and the state */
        return page + random_between(seed, 0, PAGESIZE / 32 + 7);
    case 8:
        return (char *)root->ptr + random_between(seed, 0, PAGESIZE - 1);
    case 9: /* the tag */
        return live - random_between(seed, 1, 8);
    case 10: /* what lies beyond: another tag, and what follows it */
        return live + room(live) + random_between(seed, -8, 16);
    case 11: /* the page's end */
        return page + PAGESIZE - 12 + random_between(seed, 0, 24);
    case 12:
        return live + random_between(seed, 1, room(live) - 1);
    case 13:
        return live + 8 * (small + 1);
    case 14:
        return (char *)(uintptr_t)next_random(seed);
    default:
        return model.freed[random_between(seed, 0, REMEMBERED - 1)];
    }
}

static void check_all(void)
{
    for (int i = 0; i < SLOTS; i++) {
        if (model.slot[i].ptr != NULL)
            check_contents(i, model.slot[i].size);
    }
    assert_sound();
}

/* Pages come from all over the pool, so that the radix tree has nodes: all pages are
 * handed out once, and all but the test's own come back in random order. */
static void scatter_pages(uint64_t *seed)
{
    static kma_page_t *page[POOL];
    static int turn[POOL];
    for (int i = 0; i < POOL; i++) {
        page[i] = get_page();
        assert_non_null(page[i]);
        turn[i] = i;
    }
    shuffle(seed, turn, POOL);
    for (int i = 0; i < POOL; i++) {
        if (i < FOREIGN)
            model.foreign[i] = page[turn[i]];
        else
            free_page(page[turn[i]]);
    }
}

/* A million addresses of every bad kind into a busy heap of clients that write what
 * looks like tags and links: each gets the answer that the model gives, and no block is
 * harmed. */
static void test_bad_frees(void **state)
{
    (void)state;
    static const struct pool_observer observer = {NULL, model_page_freed, NULL};
    uint64_t seed = 4;
    memset(&model, 0, sizeof model);
    pool_set_poison(0);
    assert_int_equal(pool_open(POOL), 0);
    scatter_pages(&seed);
    pool_set_observer(&observer);
    for (int i = 0; i < SLOTS / 2; i++) {
        model.slot[i].ptr = kma_malloc(i + 1);
        model_put(i, model.slot[i].ptr, i + 1, &seed);
    }
    for (long bad = 0, step = 0; bad < 1000000; step++) {
        if (step % 8 == 0)
            valid_call(&seed);
        int kind = random_between(&seed, 0, KINDS - 1);
        char *ptr = some_address(kind, &seed);
        enum kma_free_result answer = model_answer(ptr);
        if (kind >= FREED_BEFORE)
            model.of_freed[answer]++;
        if (answer == KMA_FREED)
            continue;
        int got = try_free(ptr);
        if (got != (int)answer)
            fail_msg("%p: %d instead of %d", (void *)ptr, got, (int)answer);
        model.answers[answer]++;
        bad++;
        if (bad % 20000 == 0)
            check_all();
    }
    for (int answer = KMA_FREE_NULL; answer <= KMA_FREE_TWICE; answer++)
        assert_true(model.answers[answer] > 40000);
    for (int answer = KMA_FREED; answer <= KMA_FREE_TWICE; answer++)
        assert_true(answer == KMA_FREE_NULL || model.of_freed[answer] > 2000);
    assert_int_equal(allocator()->pages.height, POOL > (int)RADIX_SLOTS ? 2 : 1);
    for (int i = 0; i < SLOTS; i++) {
        if (model.slot[i].ptr != NULL)
            give(model.slot[i].ptr);
    }
    assert_int_equal(pages_in_use(), FOREIGN);
    for (int i = 0; i < FOREIGN; i++)
        free_page(model.foreign[i]);
    pool_set_observer(NULL);
}

/* Each invariant broken on purpose; how many complaints follow depends on what else the
 * broken thing belongs to. */
#define ASSERT_FOUND(complaints, thing, broken)      \
    do {                                             \
        __typeof__(thing) was = (thing);             \
        (thing) = (broken);                          \
        assert_int_equal(kma_audit(), (complaints)); \
        (thing) = was;                               \
        assert_int_equal(kma_audit(), 0);            \
    } while (0)

static void test_audit_of_tags(void **state)
{
    (void)state;
    char *block[4];
    for (int i = 0; i < 4; i++)
        block[i] = take(granules(10));
    give(block[1]); /* live, free, live, live, free rest */
    struct tag *tag[4], *end = tag_from_end(BASEADDR(block[0]), 0);
    for (int i = 0; i < 4; i++)
        tag[i] = tag_of(block[i]);
    struct starts *starts = starts_of(tag[0]), *last = starts_of(end);
    assert_int_equal(kma_audit(), 0);

    /* B1: a size of nothing, too small, no multiple of a granule, beyond the end: the
     * walk ends, and the free block behind is not seen, but in its bin (1). */
    ASSERT_FOUND(2, tag[2]->size, 0);
    ASSERT_FOUND(2, tag[2]->size, MIN_BLOCK - GRANULE);
    ASSERT_FOUND(2, tag[2]->size, 10 * GRANULE + 2);
    ASSERT_FOUND(2, tag[2]->size, PAGE_BLOCKS + GRANULE);
    ASSERT_FOUND(1, tag[0]->before, GRANULE);
    ASSERT_FOUND(1, tag[2]->before, 9 * GRANULE);
    ASSERT_FOUND(1, end->before, 0);
    ASSERT_FOUND(1, end->size, GRANULE);
    /* B2; the free block in the middle is in the bin of the wrong pages (1), too. */
    ASSERT_FOUND(1, tag[0]->size, tag[0]->size | FRONT);
    ASSERT_FOUND(3, tag[1]->size, tag[1]->size | FRONT);
    /* B3: live bits of a block in a bin, which begins to live without being returned and
     * is missed in its bin (1); of no block; of a page without an end. */
    starts->returned &= ~start_bit(tag[1]);
    ASSERT_FOUND(2, starts->live, starts->live | start_bit(tag[1]));
    starts->returned |= start_bit(tag[1]);
    ASSERT_FOUND(1, starts->live, starts->live | start_bit(tag[0]) << 1);
    ASSERT_FOUND(1, last->live, last->live & ~start_bit(end));
    ASSERT_FOUND(1, starts->returned, starts->returned & ~start_bit(tag[0]));
    ASSERT_FOUND(1, last->returned, last->returned | start_bit(end));
    struct tagged_page *page = BASEADDR(block[0]);
    ASSERT_FOUND(1, page->starts[0].returned, page->starts[0].returned | 1);
    /* B4: and a free block that is in no bin (1). */
    ASSERT_FOUND(2, starts->live, starts->live & ~start_bit(tag[0]));
    for (int i = 0; i < 4; i++) {
        if (i != 1)
            give(block[i]);
    }
}

static void test_audit_of_state(void **state)
{
    (void)state;
    char *block = take(granules(10)), *hole = take(granules(10)), *fence = take(1);
    give(hole);
    struct allocator *self = allocator();
    struct link *bin = &self->bin[BACK][bin_of(10 * GRANULE)];
    assert_ptr_equal(bin->next, link_of(tag_of(hole)));

    /* 1: a free block in no bin, in two, in that of another size, bits without blocks
     * and blocks without bits, and the idle root page in a bin. */
    list_remove(bin->next);
    assert_int_equal(kma_audit(), 2);
    list_add_first(bin + 1, link_of(tag_of(hole)));
    assert_int_equal(kma_audit(), 4);
    list_remove(link_of(tag_of(hole)));
    list_add_first(bin, link_of(tag_of(hole)));
    ASSERT_FOUND(1, self->nonempty[BACK], self->nonempty[BACK] | 1);
    ASSERT_FOUND(1, self->nonempty[FRONT], 1);
    ASSERT_FOUND(1, self->nonempty[BACK],
                 self->nonempty[BACK] & (self->nonempty[BACK] - 1));
    add_free(self, root_block());
    assert_int_equal(kma_audit(), 1);
    remove_free(self, root_block());
    assert_int_equal(kma_audit(), 0);
    /* 2 */
    ASSERT_FOUND(1, self->pages_of_blocks[BACK], 1);
    ASSERT_FOUND(1, self->pages_of_blocks[FRONT], 1);
    /* 3: a page where its number does not say; its blocks, in two bins, are not seen. */
    void **slot = NULL;
    for (size_t i = 0; i < RADIX_SLOTS; i++) {
        if (self->pages.top.slot[i] != NULL && self->pages.top.slot[i] != root)
            slot = &self->pages.top.slot[i];
    }
    kma_page_t elsewhere = {0, root->ptr, PAGESIZE};
    ASSERT_FOUND(4, *slot, (void *)&elsewhere);
    /* 4: a page without a live block; a root page without another. */
    struct page_of_nothing {
        void *ptr;
    } spare = {add_page(0)};
    assert_non_null(spare.ptr);
    struct tag *rest = add_blocks(self, spare.ptr, PAGE_BLOCKS);
    add_free(self, rest);
    assert_int_equal(kma_audit(), 1);
    remove_free(self, rest);
    self->pages_of_blocks[BACK]--;
    remove_page(spare.ptr);
    assert_int_equal(kma_audit(), 0);
    give(block);
    give(fence);
    assert_true(open_allocator());
    assert_int_equal(kma_audit(), 1);
    /* And the radix tree's own. */
    allocator()->pages.top.used++;
    assert_int_equal(kma_audit(), 1);
    allocator()->pages.top.used--;
    close_if_idle();
}

#define BT_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BT_TEST(test_layout),
        BT_TEST(test_whole_page),
        BT_TEST(test_joins),
        BT_TEST(test_neighbours),
        BT_TEST(test_queue),
        BT_TEST(test_fit),
        BT_TEST(test_bins),
        BT_TEST(test_rests),
        BT_TEST(test_any_size),
        BT_TEST(test_overhead),
        BT_TEST(test_root_page),
        BT_TEST(test_no_node),
        BT_TEST(test_front_pages),
        BT_TEST(test_grow_in_place),
        BT_TEST(test_shrink_in_place),
        BT_TEST(test_resize_whole_page),
        BT_TEST(test_resize_refused),
        BT_TEST(test_random_resizing),
        BT_TEST(test_alignment),
        BT_TEST(test_answers),
        BT_TEST(test_freed_and_covered),
        BT_TEST(test_forged_blocks),
        BT_TEST(test_bad_frees),
        BT_TEST(test_audit_of_tags),
        BT_TEST(test_audit_of_state),
    };
    return cmocka_run_group_tests_name("boundary tags", tests, NULL, NULL);
}
