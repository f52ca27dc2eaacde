/* test_bud.c - the binary buddy system, from within: kma_bud.c is included. Offsets
 * and orders are given relative to the page, so they hold for every PAGESIZE. */

#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_bud.c"
#include "white_box.h"

enum { CONTROL_PAGES = 2 /* root and leaf */ };

static int block_bytes(int order)
{
    return MIN_BLOCK << order;
}

/* A request for as much of a block of this order as a request may ask for. */
static void *take(int order)
{
    return kma_malloc(order == TOP_ORDER ? MAX_REQUEST : block_bytes(order));
}

static void give(void *block, int order)
{
    kma_free(block, order == TOP_ORDER ? MAX_REQUEST : block_bytes(order));
}

static int offset_of(const void *block)
{
    return (int)((uintptr_t)block & (PAGESIZE - 1));
}

static int free_blocks(int order)
{
    return (int)list_length(&allocator()->free[order]);
}

/* Whether the block at this offset of the page at `page` is a free block of the
 * order: on its list, its granules marked free, and not its buddy's. */
static bool is_free_block(void *page, int offset, int order)
{
    struct link *block = (void *)((char *)page + offset);
    struct link *head = &allocator()->free[order];
    for (struct link *member = head->next; member != head; member = member->next)
        if (member == block)
            return is_free(&page_record(block)->map, granule_of(block), order);
    return FALSE;
}

/* A page full of blocks of one order; block[i] is the one at i times its size. */
static int fill_page(int order, char **block)
{
    int count = GRANULES >> order;
    for (int i = 0; i < count; i++) {
        block[i] = take(order);
        assert_int_equal(offset_of(block[i]), i * block_bytes(order));
        assert_ptr_equal(BASEADDR(block[i]), block[0]);
    }
    for (int k = 0; k < ORDERS; k++)
        assert_int_equal(free_blocks(k), 0);
    assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
    return count;
}

static void assert_sound(void)
{
    assert_int_equal(kma_audit(), 0);
}

/* At each power of two, and one to either side of it. */
static void test_sizes(void **state)
{
    (void)state;
    const int sizes[][2] = {{1, 32}, {31, 32}, {32, 32}, {33, 64}, {63, 64}, {64, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(kma_block_size(sizes[i][0]), sizes[i][1]);
    for (int bytes = 64; bytes < PAGESIZE; bytes *= 2) {
        for (int size = bytes - 1; size <= bytes + 1; size++) {
            int expected = size <= bytes ? bytes : 2 * bytes;
            assert_int_equal(kma_block_size(size), expected);
            char *block = kma_malloc(size);
            assert_int_equal(offset_of(block) % expected, 0);
            struct granule_map *map = &page_record(block)->map;
            assert_int_equal(busy_granules(map, 0, TOP_ORDER), expected / MIN_BLOCK);
            assert_int_equal(busy_granules(map, granule_of(block), 0), 1);
            memset(block, 1, (size_t)size);
            assert_sound();
            kma_free(block, size);
        }
    }
    assert_int_equal(kma_block_size(MAX_REQUEST), PAGESIZE);
    assert_null(kma_malloc(MAX_REQUEST + 1));
    assert_null(kma_malloc(0));
    assert_null(kma_malloc(-1));
}

/* The least request splits a fresh page all the way: block 0 is the client's, and of
 * each order below the page's the upper half, at its own size, is free. */
static void test_split(void **state)
{
    (void)state;
    char *page = take(0);
    assert_int_equal(offset_of(page), 0);
    for (int order = 0; order < TOP_ORDER; order++) {
        assert_int_equal(free_blocks(order), 1);
        assert_true(is_free_block(page, block_bytes(order), order));
    }
    assert_int_equal(free_blocks(TOP_ORDER), 0);
    assert_int_equal(allocator()->nonempty, (1 << TOP_ORDER) - 1);
    /* The next takes the free block of order 0; the one after that has to split the
     * one of order 1, and leaves its upper half. */
    assert_ptr_equal(take(0), page + block_bytes(0));
    assert_int_equal(free_blocks(0), 0);
    assert_ptr_equal(take(0), page + block_bytes(1));
    assert_int_equal(free_blocks(1), 0);
    assert_true(is_free_block(page, 3 * block_bytes(0), 0));
    assert_sound();
    for (int i = 0; i < 3; i++)
        give(page + i * block_bytes(0), 0);
}

/* The picture in the head of kma_bud.c: with 8 KB pages, blocks of 1 KB, 512, 512 and
 * 2 KB at 0, 1 KB, 1.5 KB and 2 KB, and then the first 512 freed. */
static void test_picture(void **state)
{
    (void)state;
    enum { EIGHTH = TOP_ORDER - 3, SIXTEENTH = TOP_ORDER - 4, QUARTER = TOP_ORDER - 2 };
    char *page = take(EIGHTH);
    assert_ptr_equal(take(SIXTEENTH), page + PAGESIZE / 8);
    assert_ptr_equal(take(SIXTEENTH), page + PAGESIZE / 16 * 3);
    assert_ptr_equal(take(QUARTER), page + PAGESIZE / 4);
    give(page + PAGESIZE / 8, SIXTEENTH);
    assert_true(is_free_block(page, PAGESIZE / 8, SIXTEENTH));
    assert_true(is_free_block(page, PAGESIZE / 2, TOP_ORDER - 1));
    assert_int_equal(allocator()->nonempty, 1 << SIXTEENTH | 1 << (TOP_ORDER - 1));
    assert_sound();
    /* The rest in an order in which everything joins at the end only. */
    give(page + PAGESIZE / 4, QUARTER);
    assert_true(is_free_block(page, PAGESIZE / 4, QUARTER));
    give(page, EIGHTH);
    assert_true(is_free_block(page, 0, EIGHTH));
    assert_sound();
    give(page + PAGESIZE / 16 * 3, SIXTEENTH);
}

/* Both buddies of each pair of each order, the lower freed first and the upper: they
 * are one block of the next order, at the lower's place, and nothing else joins. */
static void test_merge(void **state)
{
    (void)state;
    char *block[GRANULES];
    for (int order = 0; order < TOP_ORDER - 1; order++) {
        int count = fill_page(order, block);
        for (int pair = 0; pair < count; pair += 2) {
            for (int lower_first = 0; lower_first < 2; lower_first++) {
                give(block[pair + !lower_first], order);
                assert_int_equal(free_blocks(order), 1);
                assert_true(is_free_block(
                    block[0], (pair + !lower_first) * block_bytes(order), order));
                give(block[pair + lower_first], order);
                assert_int_equal(free_blocks(order), 0);
                assert_int_equal(free_blocks(order + 1), 1);
                assert_true(
                    is_free_block(block[0], pair * block_bytes(order), order + 1));
                assert_sound();
                assert_ptr_equal(take(order), block[pair]);
                assert_ptr_equal(take(order), block[pair + 1]);
            }
        }
        for (int i = 0; i < count; i++)
            give(block[i], order);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* Blocks 1 and 2 touch but are halves of different blocks; 0 joins 1 and not 2. */
static void test_neighbours_are_not_buddies(void **state)
{
    (void)state;
    char *block[GRANULES];
    for (int order = 0; order < TOP_ORDER - 2; order++) {
        int count = fill_page(order, block);
        give(block[1], order);
        give(block[2], order);
        assert_int_equal(free_blocks(order), 2);
        assert_int_equal(free_blocks(order + 1), 0);
        give(block[0], order);
        assert_true(is_free_block(block[0], 0, order + 1));
        assert_true(is_free_block(block[0], 2 * block_bytes(order), order));
        give(block[3], order); /* joins 2, and the two joined are buddies */
        assert_true(is_free_block(block[0], 0, order + 2));
        assert_int_equal(free_blocks(order) + free_blocks(order + 1), 0);
        assert_sound();
        for (int i = 4; i < count; i++)
            give(block[i], order);
    }
}

/* A buddy that is split and half free is not free. */
static void test_buddy_in_pieces(void **state)
{
    (void)state;
    char *block[GRANULES];
    for (int order = 1; order < TOP_ORDER; order++) {
        int count = fill_page(order - 1, block);
        give(block[0], order - 1);
        give(block[2], order - 1);
        give(block[3], order - 1);
        assert_true(is_free_block(block[0], 0, order - 1));
        assert_true(is_free_block(block[0], block_bytes(order), order));
        assert_int_equal(free_blocks(order - 1), 1);
        assert_int_equal(free_blocks(order), 1);
        assert_sound();
        give(block[1], order - 1);
        for (int i = 4; i < count; i++)
            give(block[i], order - 1);
    }
}

/* One data page costs two control pages; it goes back with its last block, whatever
 * the order of the frees, and with it, here, everything. */
static void test_page_goes_back(void **state)
{
    (void)state;
    char *block[GRANULES];
    uint64_t seed = 1;
    for (int order = 0; order <= TOP_ORDER; order++) {
        int turn[GRANULES];
        int count = fill_page(order, block);
        char *other = take(TOP_ORDER);
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
        for (int i = 0; i < count; i++)
            turn[i] = i;
        shuffle(&seed, turn, count);
        for (int i = 0; i < count; i++) {
            assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
            give(block[turn[i]], order);
            assert_sound();
        }
        assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
        give(other, TOP_ORDER);
        assert_int_equal(pages_in_use(), 0);
        assert_null(root);
    }
}

/* Among free blocks of an order, the one that has been free for longest is taken. */
static void test_first_in_first_out(void **state)
{
    (void)state;
    char *block[GRANULES];
    int count = fill_page(0, block), turn[GRANULES / 2];
    uint64_t seed = 2;
    for (int i = 0; i < count / 2; i++)
        turn[i] = 2 * i + (i & 1); /* one of each pair: nothing joins */
    shuffle(&seed, turn, count / 2);
    for (int i = 0; i < count / 2; i++)
        give(block[turn[i]], 0);
    for (int i = 0; i < count / 2; i++)
        assert_ptr_equal(take(0), block[turn[i]]);
    for (int i = 0; i < count; i++)
        give(block[i], 0);
}

/* What the bitmaps should say, by page id and granule. */
static bool busy[64][GRANULES];

/* A block changes hands: its granules must change theirs, and no other in its page. */
static void note_block(const char *block, int order, bool got)
{
    bool *page = busy[pool_page_of(block)->id];
    size_t first = granule_of(block), count = (size_t)1 << order;
    for (size_t i = first; i < first + count; i++) {
        assert_int_equal(page[i], !got);
        page[i] = got;
    }
}

static void check_bitmap(const void *page)
{
    const struct granule_map *map = &page_record(page)->map;
    const bool *expected = busy[pool_page_of(page)->id];
    for (size_t i = 0; i < GRANULES; i++)
        assert_int_equal(busy_granules(map, i, 0), expected[i]);
}

/* The bitmap of the page after every step of a random run. */
static void test_bitmap(void **state)
{
    (void)state;
    enum { LIVE = 300, STEPS = 20000 };
    char *block[LIVE];
    int order[LIVE], live = 0;
    uint64_t seed = 3;
    memset(busy, 0, sizeof busy);
    for (int step = 0; step < STEPS || live > 0; step++) {
        if (step < STEPS && live < LIVE && (live == 0 || next_random(&seed) % 2 == 0)) {
            int largest = random_between(&seed, 0, 9) == 0 ? TOP_ORDER : 3;
            order[live] = random_between(&seed, 0, largest);
            block[live] = take(order[live]);
            note_block(block[live], order[live], TRUE);
            check_bitmap(block[live++]);
        } else {
            int which = random_between(&seed, 0, live - 1);
            char *page = BASEADDR(block[which]);
            note_block(block[which], order[which], FALSE);
            give(block[which], order[which]);
            block[which] = block[--live];
            order[which] = order[live];
            if (pool_page_of(page) != NULL)
                check_bitmap(page);
        }
        if (step % 100 == 0)
            assert_sound();
    }
}

/* Each invariant broken on purpose, and how many complaints that makes. */
static void test_audit(void **state)
{
    (void)state;
    char *page = take(1); /* at 0; free: orders 1, 2, ... TOP_ORDER - 1 */
    struct allocator *self = allocator();
    struct granule_map *map = &page_record(page)->map;
    char *buddy = page + block_bytes(1);
    assert_sound();
    mark_busy(map, granule_of(buddy), 0); /* B1: of the block, and of the sum */
    assert_int_equal(kma_audit(), 2);
    mark_free(map, granule_of(buddy), 0);
    mark_free(map, 0, 0); /* B1: a clear bit in no free block */
    assert_int_equal(kma_audit(), 1);
    mark_busy(map, 0, 0);
    remove_free(self, buddy, 1); /* B2: both halves of a free block listed */
    add_free(self, buddy, 0);
    add_free(self, buddy + block_bytes(0), 0);
    assert_int_equal(kma_audit(), 2);
    remove_free(self, buddy, 0);
    remove_free(self, buddy + block_bytes(0), 0);
    add_free(self, buddy, 1);
    assert_sound();
    self->nonempty ^= 1u << 2; /* B3: a block nobody will find */
    assert_int_equal(kma_audit(), 1);
    self->nonempty ^= 1u << 2 | 1u << 0; /* B3: an empty list */
    assert_int_equal(kma_audit(), 1);
    self->nonempty ^= 1u << 0;
    assert_sound();
    /* B4: the page is wholly free, in one block; its granules are on no other list. */
    for (int order = 1; order < TOP_ORDER; order++)
        remove_free(self, page + block_bytes(order), order);
    mark_free(map, 0, TOP_ORDER);
    list_add_last(&self->free[TOP_ORDER], (struct link *)(void *)page);
    assert_int_equal(kma_audit(), 3); /* the page, the list, and the sum of B1 */
    list_init(&self->free[TOP_ORDER]);
    assert_int_equal(kma_audit(), 2);
    mark_busy(map, 0, TOP_ORDER);
    assert_sound();
    give(page, TOP_ORDER);
}

#define BUD_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUD_TEST(test_sizes),
        BUD_TEST(test_split),
        BUD_TEST(test_picture),
        BUD_TEST(test_merge),
        BUD_TEST(test_neighbours_are_not_buddies),
        BUD_TEST(test_buddy_in_pieces),
        BUD_TEST(test_page_goes_back),
        BUD_TEST(test_first_in_first_out),
        BUD_TEST(test_bitmap),
        BUD_TEST(test_audit),
    };
    return cmocka_run_group_tests_name("bud", tests, NULL, NULL);
}
