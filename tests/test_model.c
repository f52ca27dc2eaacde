/* test_model.c - what every algorithm owes its clients, against a plain model: which
 * bytes of which page, or run of pages, belong to a live block, and what they hold. Built once for each
 * algorithm, with ALGORITHM its name. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"

enum {
    MAX_REQUEST = PAGESIZE - (int)sizeof(void *),
    WORD = 8,                     /* bytes; blocks are aligned to it at least, */
    UNIT = 16,                    /* and to that where all are multiples of it */
    PAGE_WORDS = PAGESIZE / WORD, /* a bit each */
    MAP_WORDS = PAGE_WORDS / 64,  /* of 64 bits, for a page */
    LIVE = (1 << 26) / PAGESIZE,  /* blocks at a time: a page each, at worst */
    SPREAD_SHIFT = sizeof(void *) > 4 ? 31 : 28,
    SPREAD = 1 << (SPREAD_SHIFT - 2) >> (29 - __builtin_clz(PAGESIZE)) /* pages */
};

struct block {
    char *ptr;         /* NULL: not live */
    int size;          /* that was asked for */
    int room;          /* bytes that are written to */
    unsigned char tag; /* what these hold */
};

/* By the numbers of pages. What is said of a run stands at its first page. */
static struct {
    uint64_t *words; /* MAP_WORDS a page; bit: the word belongs to a live block */
    int *blocks;     /* live, in the page or run */
    int span;        /* the highest number of a page in use, plus 1 */
    int alignment;   /* of blocks: those asked for are multiples of it */
    bool fills;      /* blocks are written to up to what kma_usable_size says */
} model;

static void page_got(const kma_page_t *page)
{
    int end = page->id + page->size / PAGESIZE;
    for (int i = page->id; i < end; i++)
        assert_int_equal(model.blocks[i], 0);
    if (end > model.span)
        model.span = end;
}

static void page_freed(const kma_page_t *page)
{
    if (model.blocks[page->id] > 0)
        fail_msg("page %d freed with %d blocks live", page->id, model.blocks[page->id]);
}

static void open_model(int pages, bool poison)
{
    static const struct pool_observer observer = {page_got, page_freed, NULL};
    serve_pages();
    assert_int_equal(pool_open(pages), 0);
    free(model.words);
    free(model.blocks);
    model.words = calloc((size_t)pages * MAP_WORDS, sizeof *model.words);
    model.blocks = calloc((size_t)pages, sizeof *model.blocks);
    model.span = 0;
    model.alignment = WORD;
    model.fills = FALSE;
    assert_non_null(model.words);
    assert_non_null(model.blocks);
    pool_set_observer(&observer);
    pool_set_poison(poison);
}

static void assert_sound(void)
{
    if (kma_audit != NULL)
        assert_int_equal(kma_audit(), 0);
}

/* Turns the bits of a block over; they must all be as they should. */
static void turn_words(const struct block *block, const kma_page_t *page, bool live)
{
    uint64_t *words = model.words + (size_t)page->id * MAP_WORDS;
    int first = (int)(block->ptr - (char *)page->ptr) / WORD;
    int end = first + (block->room + WORD - 1) / WORD;
    while (first < end) {
        int bit = first % 64, count = end - first < 64 - bit ? end - first : 64 - bit;
        uint64_t mask = ~(uint64_t)0 >> (64 - count) << bit;
        if ((words[first / 64] & mask) != (live ? 0 : mask))
            fail_msg("blocks overlap in page %d, bytes %d to %d", page->id,
                     first * WORD, (first + count) * WORD);
        words[first / 64] ^= mask;
        first += count;
    }
}

/* A request; what is served is held against everything that is live. */
static bool request(struct block *block, int size)
{
    static unsigned char tags;
    char *ptr = kma_malloc(size);
    if (ptr == NULL)
        return FALSE;
    int room = model.fills && kma_usable_size != NULL ? kma_usable_size(ptr) : size;
    assert_true(room >= size);
    const kma_page_t *page = pool_page_of(ptr);
    if (page == NULL || pool_page_of(ptr + room - 1) != page)
        fail_msg("block %p of %d bytes is not inside a held page or run", (void *)ptr,
                 room);
    assert_int_equal((uintptr_t)ptr % (size_t)model.alignment, 0);
    *block = (struct block){ptr, size, room, ++tags};
    turn_words(block, page, TRUE);
    model.blocks[page->id]++;
    memset(ptr, block->tag, (size_t)room);
    return TRUE;
}

/* An algorithm that has kma_usable_size ignores the size it is told. */
static int size_for_free(const struct block *block)
{
    const int wrong[] = {0, 1, -1, block->size + WORD, PAGESIZE, INT_MAX, INT_MIN};
    enum { WRONG = sizeof wrong / sizeof *wrong };
    if (!model.fills || kma_usable_size == NULL)
        return block->size;
    assert_int_equal(kma_usable_size(block->ptr), block->room);
    return wrong[block->tag % WRONG];
}

static void release(struct block *block)
{
    size_t rest = (size_t)block->room - 1;
    if ((unsigned char)*block->ptr != block->tag ||
        memcmp(block->ptr, block->ptr + 1, rest) != 0)
        fail_msg("block %p of %d bytes was written to", (void *)block->ptr,
                 block->room);
    const kma_page_t *page = pool_page_of(block->ptr);
    turn_words(block, page, FALSE);
    model.blocks[page->id]--;
    char *ptr = block->ptr;
    int size = size_for_free(block);
    block->ptr = NULL;
    kma_free(ptr, size);
}

enum law { TINY, EVEN, LOGARITHMIC, POWERS, LARGE, MIXED, LAWS };

static int random_size(uint64_t *seed, enum law law)
{
    int bits = random_between(seed, 0, 30 - __builtin_clz(PAGESIZE));
    int size = 0;
    switch (law == MIXED ? (enum law)random_between(seed, TINY, LARGE) : law) {
    case TINY:
        return random_between(seed, 1, 64);
    case EVEN:
        return random_between(seed, 1, MAX_REQUEST);
    case LOGARITHMIC:
        size = random_between(seed, 1 << bits, 2 << bits);
        break;
    case POWERS:
        size = (2 << bits) - random_between(seed, -1, 9);
        break;
    default:
        return random_between(seed, PAGESIZE / 2 - 16, MAX_REQUEST);
    }
    return size < 1 ? 1 : size > MAX_REQUEST ? MAX_REQUEST : size;
}

/* Or the next larger size whose blocks may be aligned as the model wants them. */
static int random_request(uint64_t *seed, enum law law)
{
    int size = random_size(seed, law);
    while (model.alignment > WORD && kma_block_size(size) % model.alignment != 0) {
        size++;
        assert_true(size <= MAX_REQUEST);
    }
    return size;
}

/* Sizes that must and must not be served. What is refused costs no page. */
static void test_contract(void **state)
{
    (void)state;
    open_model(64, TRUE);
    const int refused[] = {0,        -1,      -8,         INT_MIN, MAX_REQUEST + 1,
                           PAGESIZE, INT_MAX, INT_MAX - 7};
    enum { REFUSED = sizeof refused / sizeof *refused };
    struct block anchor, block;
    for (int round = 0; round < 2; round++) { /* idle, and with a block live */
        int before = pages_in_use();
        for (int i = 0; i < REFUSED; i++) {
            assert_null(kma_malloc(refused[i]));
            assert_int_equal(pages_in_use(), before);
            assert_int_equal(page_stats()->num_requested, before);
            assert_sound();
        }
        if (round == 0)
            assert_true(request(&anchor, 24));
    }
    pool_set_poison(0);
    for (int size = 1; size <= MAX_REQUEST; size++) {
        assert_true(request(&block, size));
        if (kma_block_size != NULL)
            assert_in_range(kma_block_size(size), size, PAGESIZE);
        release(&block);
    }
    assert_sound();
    release(&anchor);
    assert_int_equal(pages_in_use(), 0);
}

/* Random calls until `steps` are made; `growth` in a hundred are requests. Which
 * block is freed: any, or one of the newest, by turns of 1000 calls. */
static int play(struct block *block, int live, enum law law, uint64_t *seed, int steps,
                int growth)
{
    for (int step = 0; step < steps; step++) {
        bool grow = random_between(seed, 1, 100) <= growth;
        if (live == 0 || (grow && live < LIVE)) {
            assert_true(request(&block[live++], random_request(seed, law)));
        } else {
            int oldest = step / 1000 % 3 == 0 && live > 10 ? live - 10 : 0;
            int which = random_between(seed, oldest, live - 1);
            release(&block[which]);
            block[which] = block[--live];
        }
        if (step % 9973 == 0)
            assert_sound();
    }
    assert_sound();
    return live;
}

/* Three million calls: for each law of sizes, phases that grow, churn, shrink, churn
 * and empty the allocator. Poisoned pages by turns, since that takes its time. */
static void test_random(void **state)
{
    (void)state;
    static struct block block[LIVE];
    static const int growth[] = {80, 50, 30, 50};
    const int steps = PAGESIZE > 8192 ? 15000 : 60000; /* large blocks take longer */
    uint64_t seed = 1;
    open_model(3 * LIVE, FALSE);
    for (int law = 0; law < LAWS; law++) {
        int live = 0;
        for (int phase = 0; phase < 8; phase++) {
            pool_set_poison(phase % 4 == 1);
            live = play(block, live, (enum law)law, &seed, steps, growth[phase % 4]);
        }
        while (live > 0) {
            int which = random_between(&seed, 0, live - 1);
            release(&block[which]);
            block[which] = block[--live];
            if (live == LIVE / 4 || live == 1)
                assert_sound();
        }
        assert_sound();
        assert_int_equal(pages_in_use(), 0);
    }
}

/* A phase that grows, and one that churns, for each law of sizes; then all is freed. */
static void play_all_laws(uint64_t seed)
{
    static struct block block[LIVE];
    for (int law = 0; law < LAWS; law++) {
        int live = play(block, 0, (enum law)law, &seed, 10000, 80);
        live = play(block, live, (enum law)law, &seed, 10000, 50);
        while (live > 0)
            release(&block[--live]);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* Where all blocks are multiples of 16 bytes, they are aligned to that; and some size is
 * of that kind, however large a request is. Without that, or with it, a block holds what
 * kma_usable_size says, to its last byte. */
static void test_alignment(void **state)
{
    (void)state;
    const int alignment[] = {WORD, kma_block_size != NULL ? UNIT : WORD};
    for (int i = 0; i < 2; i++) {
        open_model(3 * LIVE, FALSE);
        model.alignment = alignment[i];
        model.fills = TRUE;
        play_all_laws((uint64_t)i + 5);
    }
}

/* Pages in random order from a wide range, as another page source may give them. */
static void test_scattered_pages(void **state)
{
    (void)state;
    static struct block block[LIVE];
    static kma_page_t *page[SPREAD];
    static int turn[SPREAD];
    uint64_t seed = 2;
    open_model(SPREAD, FALSE);
    for (int i = 0; i < SPREAD; i++) {
        page[i] = get_page();
        turn[i] = i;
    }
    shuffle(&seed, turn, SPREAD);
    for (int i = 1; i < SPREAD; i++) /* one stays, or the pool starts afresh */
        free_page(page[turn[i]]);
    int live = play(block, 0, MIXED, &seed, 30000, 60);
    live = play(block, live, MIXED, &seed, 30000, 50);
    while (live > 0)
        release(&block[--live]);
    assert_sound();
    assert_int_equal(pages_in_use(), 1);
    free_page(page[turn[0]]);
}

/* A fixed sequence of calls: a request for `size` bytes into a slot, or, when size is
 * 0, the free of that slot if it is live. */
static struct {
    struct {
        int slot;
        int size;
        int pages; /* in use after it, when no page is missing */
    } step[12000];
    struct block block[4000]; /* by slot */
    int steps, slots;
} script;

static void script_requests(uint64_t *seed, int count, enum law law)
{
    for (int i = 0; i < count; i++) {
        script.step[script.steps].slot = script.slots++;
        script.step[script.steps++].size = random_size(seed, law);
    }
}

/* The frees, in random order, of all slots or of the even ones. */
static void script_frees(uint64_t *seed, bool even_only)
{
    static int turn[4000];
    for (int i = 0; i < script.slots; i++)
        turn[i] = i;
    shuffle(seed, turn, script.slots);
    for (int i = 0; i < script.slots; i++) {
        script.step[script.steps].slot = turn[i];
        script.step[script.steps].size = 0;
        script.steps += !even_only || turn[i] % 2 == 0;
    }
}

enum mode { RECORD, ONCE, FOR_GOOD, FOR_HALF };

/* Plays the script; the call `fail_from` for pages fails, and, unless it is to fail
 * once, all those after it, for good or for half of the script. Returns how many
 * requests got nothing. Each of these leaves everything as it was: when the one that
 * failed is made once more, all goes on as if it had not been. */
static int play_script(enum mode mode, long fail_from)
{
    bool as_recorded = mode == ONCE;
    int refusals = 0;
    fail_pages(fail_from, mode == ONCE ? fail_from : LONG_MAX);
    for (int i = 0; i < script.steps; i++) {
        if (mode == FOR_HALF && i == script.steps / 2)
            serve_pages();
        int size = script.step[i].size, before = pages_in_use();
        struct block *block = &script.block[script.step[i].slot];
        long failed = page_calls.failed;
        if (size > 0 && !request(block, size)) {
            assert_true(page_calls.failed > failed);
            assert_int_equal(pages_in_use(), before);
            if (refusals++ < 4 || refusals % 64 == 0)
                assert_sound();
            if (mode == ONCE)
                assert_true(request(block, size));
        } else {
            if (size == 0 && block->ptr != NULL)
                release(block);
            /* An algorithm may get by without a page it asked for. */
            as_recorded &= page_calls.failed == failed;
        }
        if (mode == RECORD)
            script.step[i].pages = pages_in_use();
        if (as_recorded)
            assert_int_equal(pages_in_use(), script.step[i].pages);
    }
    assert_sound();
    assert_int_equal(pages_in_use(), 0);
    return refusals;
}

/* Plays the script with every one of its calls for pages failing, then in pools that end
 * with the last page it used, which for single pages is its peak of pages, and a page
 * before. */
static void check_out_of_pages(void)
{
    open_model(2 * script.slots + 64, TRUE);
    assert_int_equal(play_script(RECORD, LONG_MAX), 0);
    long calls = page_calls.calls;
    int span = model.span;
    assert_true(calls > 1);
    pool_set_poison(0);
    /* kma_dummy has as many calls as requests, and all are alike: some will do. */
    for (long n = 1; n <= calls; n += 1 + calls / 1000) {
        pool_set_poison(n % 8 == 0);
        play_script(ONCE, n);
        int refusals = play_script(FOR_GOOD, n);
        assert_true(n > 1 || refusals == script.slots);
        play_script(FOR_HALF, n);
    }
    open_model(span, FALSE);
    assert_int_equal(play_script(RECORD, LONG_MAX), 0);
    open_model(span - 1, FALSE);
    play_script(FOR_GOOD, LONG_MAX); /* may do without one that a free asked for */
    assert_true(page_calls.failed > 0);
}

/* More data pages than one control page has records for. */
static void test_out_of_pages(void **state)
{
    (void)state;
    uint64_t seed = 3;
    script.steps = script.slots = 0;
    script_requests(&seed, 160, LARGE);
    script_requests(&seed, 100, MIXED);
    script_frees(&seed, TRUE);
    script_requests(&seed, 100, MIXED);
    script_frees(&seed, FALSE);
    check_out_of_pages();
}

/* More free extents than one control page has entries for. */
static void test_out_of_pages_in_pieces(void **state)
{
    (void)state;
    uint64_t seed = 4;
    script.steps = script.slots = 0;
    script_requests(&seed, PAGESIZE < 8192 ? 1500 : 3000, TINY);
    script_frees(&seed, TRUE);
    script_requests(&seed, 20, LOGARITHMIC);
    script_frees(&seed, FALSE);
    check_out_of_pages();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_scattered_pages),
        cmocka_unit_test(test_out_of_pages),
        cmocka_unit_test(test_out_of_pages_in_pieces),
    };
    return cmocka_run_group_tests_name("model of " ALGORITHM, tests, NULL, NULL);
}
