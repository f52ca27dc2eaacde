/* test_word_kept.h - part of test_word.c: what is kept of freed blocks, and what happens
 * when no page is left. */
#ifndef KMA_TESTS_TEST_WORD_KEPT_H
#define KMA_TESTS_TEST_WORD_KEPT_H

/* ---- what is kept */

enum { MOST_KEPT = 2048, NO_CLASS = -1 };

/* The blocks that are kept, of each class, the last one last. */
static struct {
    char *block[CLASSES][MOST_KEPT];
    int count[CLASSES];
    int total;
    int amid; /* the class that gave some of its blocks the last time, and has more */
} kept;

static void forget_kept(void)
{
    memset(kept.count, 0, sizeof kept.count);
    kept.total = 0;
    kept.amid = NO_CLASS;
}

static int length_of_kept(unsigned number)
{
    int length = 0;
    for (struct block *block = state_of_root()->classes[number].kept; block != NULL;
         block = block->next)
        length++;
    return length;
}

/* What is on a class's list is what was freed, but for the last ones that were given
 * back. Returns how many these are. */
static int drop_given(unsigned number)
{
    int length = length_of_kept(number), given = kept.count[number] - length;
    assert_true(given >= 0);
    kept.count[number] = length;
    for (struct block *block = state_of_root()->classes[number].kept; block != NULL;
         block = block->next)
        assert_ptr_equal(block, kept.block[number][--length]);
    return given;
}

/* Blocks weigh what they hold, but an eighth of the largest small ones at least. */
static size_t naive_weight(void)
{
    size_t weight = 0;
    for (unsigned i = 0; i < CLASSES; i++) {
        size_t bytes = bytes_of_class(i), least = PAGESIZE / 64;
        weight += (size_t)kept.count[i] * (bytes < least ? least : bytes);
    }
    return weight;
}

/* What a free has given back: ten blocks at most, none when there was no need, and all of
 * a class before any of the next, the class first that was amid that the last time. */
static int check_given(void)
{
    int given = 0, cut = NO_CLASS;
    size_t heaviest = UNIT;
    bool passed_over = FALSE;
    for (int i = 0; i < CLASSES; i++) {
        int before = kept.count[i], here = drop_given((unsigned)i);
        given += here;
        if (here > 0 && bytes_of_class((unsigned)i) > heaviest)
            heaviest = bytes_of_class((unsigned)i);
        if (here > 0 && kept.count[i] > 0) {
            assert_int_equal(cut, NO_CLASS);
            cut = i;
        }
        passed_over |= i == kept.amid && before > 0 && here == 0;
    }
    assert_in_range(given, 0, 10);
    assert_true(given == 0 || naive_weight() + heaviest > live.small / 4);
    assert_false(given > 0 && passed_over);
    kept.amid = given > 0 ? cut : kept.amid;
    kept.total -= given;
    return given;
}

static void check_bytes(void)
{
    assert_int_equal(state_of_root()->small, live.small);
    assert_int_equal(state_of_root()->large, live.large);
    assert_int_equal(kma_audit(), 0);
}

static void check_weight(void)
{
    assert_int_equal(state_of_root()->kept, naive_weight());
    assert_true(naive_weight() <= live.small / 4);
    check_bytes();
}

static void kept_take(kma_size_t bytes)
{
    unsigned number = bytes <= PAGESIZE / 8 ? class_of(bytes) : 0;
    bool is_kept = bytes <= PAGESIZE / 8 && kept.count[number] > 0;
    live_take(bytes);
    if (is_kept) {
        assert_ptr_equal(live.block[live.count - 1],
                         kept.block[number][--kept.count[number]]);
        kept.total--;
    }
    assert_int_equal(check_given(), 0);
    check_weight();
}

/* Returns how many blocks were given back; the last one of all lets everything go. */
static int kept_give(int which)
{
    char *block = live.block[which];
    kma_size_t bytes = live.bytes[which];
    if (bytes <= PAGESIZE / 8) {
        unsigned number = class_of(bytes);
        assert_in_range(kept.count[number], 0, MOST_KEPT - 1);
        kept.block[number][kept.count[number]++] = block;
        kept.total++;
    }
    live_give(which);
    if (live.count == 0) {
        assert_null(root);
        forget_kept();
        return 0;
    }
    int given = check_given();
    check_weight();
    return given;
}

static int start_with_none_kept(void **state)
{
    forget_kept();
    return start_with_none(state);
}

static void test_kept_in_random_use(void **state)
{
    (void)state;
    const int some[] = {8, 16, 100, UNIT, UNIT + 1, 3 * UNIT, SMALL_LARGEST};
    uint64_t seed = 7;
    int most_given = 0, most_kept = 0;
    for (int step = 0; step < 12000; step++) {
        bool more = random_between(&seed, 1, 100) <= (step / 1000 % 2 ? 35 : 65);
        int bytes = step % 50 == 0  ? random_between(&seed, 1, MAX_REQUEST)
                    : step % 4 == 0 ? random_between(&seed, 1, SMALL_LARGEST)
                                    : some[random_between(&seed, 0, 6)];
        if (live.count == 0 || (more && live.count < MOST_LIVE)) {
            kept_take(bytes);
        } else {
            int given = kept_give(random_between(&seed, 0, live.count - 1));
            most_given = given > most_given ? given : most_given;
        }
        most_kept = kept.total > most_kept ? kept.total : most_kept;
    }
    assert_true(most_given >= 4);
    assert_true(most_kept >= 50);
    while (live.count > 0)
        kept_give(random_between(&seed, 0, live.count - 1));
}

/* The largest small block, freed when a quarter is kept and all of it are tiny blocks:
 * ten of these are given back, and not one less is kept than may be. Classes then give
 * from where the last one stopped, each all it has before the next lower one. */
static void test_ten_given(void **state)
{
    (void)state;
    enum { LARGEST_ONES = 40, TINY_ONES = 2 * LARGEST_ONES };
    for (int i = 0; i < LARGEST_ONES; i++)
        kept_take(SMALL_LARGEST);
    for (int i = 0; i < TINY_ONES; i++)
        kept_take(8);
    for (int i = 0; i < TINY_ONES; i++)
        assert_int_equal(kept_give(live.count - 1), 0);
    assert_int_equal(state_of_root()->kept, live.small / 4);
    assert_int_equal(kept_give(live.count - 1), 10);
    assert_int_equal(kept.count[0], TINY_ONES - 10);
    assert_int_equal(kept.count[CLASSES - 1], 1);
    assert_int_equal(state_of_root()->kept, live.small / 4);
    while (kept.count[0] >= 10)
        assert_int_equal(kept_give(live.count - 1), 10);
    assert_int_equal(kept.count[0], 0);
    assert_int_equal(kept.count[CLASSES - 1], 8);
    assert_int_equal(kept_give(live.count - 1), 2); /* two of 8 units for ten of one */
    while (live.count > 0)
        kept_give(live.count - 1);
}

/* Blocks of a class come back the last one first, and those of no other class do. */
static void test_kept_order(void **state)
{
    (void)state;
    enum { BLOCKS = 6 };
    char *anchor = take(SMALL_LARGEST), *more[8], *block[BLOCKS];
    for (int i = 0; i < 8; i++)
        more[i] = take(SMALL_LARGEST);
    for (int i = 0; i < BLOCKS; i++)
        block[i] = take(i % 2 ? 40 : 48);
    for (int i = 0; i < BLOCKS; i++)
        kma_free(block[i], i % 2 ? 40 : 48); /* both are of the class of 48 bytes */
    assert_int_equal(state_of_root()->kept, BLOCKS * UNIT);
    char *other = take(49), *smaller = take(32);
    assert_int_equal(state_of_root()->kept, BLOCKS * UNIT);
    for (int i = BLOCKS - 1; i >= 0; i--)
        assert_ptr_equal(take(i % 3 ? 33 : 48), block[i]);
    assert_int_equal(state_of_root()->kept, 0);
    assert_int_equal(kma_audit(), 0);
    for (int i = BLOCKS - 1; i >= 0; i--)
        kma_free(block[i], i % 3 ? 33 : 48);
    kma_free(other, 49);
    kma_free(smaller, 32);
    for (int i = 0; i < 8; i++)
        kma_free(more[i], SMALL_LARGEST);
    kma_free(anchor, SMALL_LARGEST);
}

/* ---- no more pages */

enum { OBJECT = 2 * UNIT - 16, OBJECTS = 40 };

/* Objects in spans, the first of these kept as a whole, and no free run. */
static void fill_with_kept(char **object)
{
    for (int i = 0; i < OBJECTS; i++)
        object[i] = take(OBJECT);
    struct span *span = span_of(state_of_root(), object[0]);
    assert_int_equal(span->objects, 2);
    assert_ptr_equal(span_of(state_of_root(), object[1]), span);
    while (class_for(OBJECT)->partial != NULL)
        live_take(OBJECT);
    fill_up();
    kma_free(object[0], OBJECT);
    kma_free(object[1], OBJECT);
    assert_int_equal(state_of_root()->kept, 2 * OBJECT);
    assert_int_equal(kma_audit(), 0);
}

static void empty_filled(char **object, int first)
{
    serve_pages();
    empty_filler();
    while (live.count > 0)
        live_give(live.count - 1);
    for (int i = first; i < OBJECTS; i++)
        kma_free(object[i], OBJECT);
}

/* Without a page a block that is kept serves its own class without a call for one; others
 * when the units of its span are enough. */
static void test_kept_serves(void **state)
{
    (void)state;
    char *object[OBJECTS];
    fill_with_kept(object);
    int pages = pages_in_use();
    fail_pages(1, LONG_MAX);
    assert_ptr_equal(take(OBJECT), object[1]);
    assert_int_equal(page_calls.calls, 0);
    kma_free(object[1], OBJECT);
    char *other = take(17); /* of a span of two units */
    assert_int_equal(page_calls.failed, 1);
    assert_ptr_equal(other, object[0]);
    char *run = take(UNIT);
    assert_ptr_equal(BASEADDR(run), BASEADDR(object[0]));
    assert_int_equal(page_calls.failed, 1);
    assert_int_equal(state_of_root()->kept, 0);
    assert_sound(pages);
    kma_free(other, 17);
    kma_free(run, UNIT);
    empty_filled(object, 2);
}

/* With nothing free and no page, and then with one. */
static void check_refused(kma_size_t bytes)
{
    struct allocator *self = state_of_root();
    size_t small = self->small, large = self->large;
    int pages = pages_in_use();
    bool is_kept = self->kept > 0;
    fail_pages(1, LONG_MAX);
    assert_null(kma_malloc(bytes));
    assert_int_equal(page_calls.failed, is_kept ? 2 : 1);
    serve_pages();
    assert_int_equal(self->small, small);
    assert_int_equal(self->large, large);
    assert_int_equal(self->kept, 0);
    assert_sound(pages);
    char *block = take(bytes);
    assert_sound(pages + 1);
    kma_free(block, bytes);
    while (self->kept > 0)
        give_kept(self);
    assert_sound(pages);
}

/* A request that gets nothing leaves all as it was but what was kept, and is served when
 * there is a page. */
static void test_refused(void **state)
{
    (void)state;
    char *object[OBJECTS];
    fill_with_kept(object);
    check_refused((kma_size_t)MAX_REQUEST);
    object[0] = take(OBJECT);
    object[1] = take(OBJECT);
    fill_up();
    check_refused((kma_size_t)MAX_REQUEST);
    check_refused(SMALL_LARGEST + 1);
    check_refused(SMALL_LARGEST);
    check_refused(1);
    empty_filled(object, 0);
}

/* A pool of few pages, full again and again: every refusal is one of the pool, and all
 * that is served is. */
static void test_random_use_of_few_pages(void **state)
{
    (void)state;
    uint64_t seed = 8;
    int refusals = 0;
    assert_int_equal(pool_open(10), 0);
    for (int step = 0; step < 12000; step++) {
        bool small = random_between(&seed, 0, 3) > 0;
        int bytes = random_between(&seed, 1, small ? SMALL_LARGEST : (int)MAX_REQUEST);
        bool more = random_between(&seed, 1, 100) <= 55;
        int pages = pages_in_use();
        page_calls.failed = 0;
        char *block = more && live.count < MOST_LIVE ? kma_malloc(bytes) : NULL;
        if (block != NULL) {
            live_add(block, bytes);
        } else if (page_calls.failed > 0) {
            refusals++;
            assert_int_equal(pages_in_use(), pages);
            assert_int_equal(pages, 10);
            assert_int_equal(state_of_root()->kept, 0);
        } else if (live.count > 0) {
            live_give(random_between(&seed, 0, live.count - 1));
        }
        if (live.count > 0)
            check_bytes();
    }
    assert_true(refusals > 100);
    give_all(&seed);
}

#endif
