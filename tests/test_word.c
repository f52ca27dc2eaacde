/* test_word.c - a word for each page, from within: kma_word.c is included, and with it
 * kma_page_units.h. The numbers are those of their head comments. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_word.c"
#include "white_box.h"

static struct allocator *state_of_root(void)
{
    return root->ptr;
}

static struct size_class *class_for(kma_size_t bytes)
{
    return &state_of_root()->classes[class_of(bytes)];
}

static struct page_record *record_for(const void *ptr)
{
    return record_of(&state_of_root()->units, ptr);
}

static char *take(kma_size_t bytes)
{
    char *block = kma_malloc(bytes);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 16, 0);
    memset(block, 0x5a, (size_t)bytes);
    return block;
}

static void assert_sound(int pages)
{
    assert_int_equal(kma_audit(), 0);
    assert_int_equal(pages_in_use(), pages);
}

/* All that is free in the pages in use, so that the next run is what is given back after
 * that, or needs a page. */
static struct {
    char *run[4 * UNITS];
    unsigned length[4 * UNITS];
    int count;
} filler;

static void fill_up(void)
{
    struct units *units = &state_of_root()->units;
    for (unsigned zone = 0; zone < ZONES; zone++) {
        struct page_record *record;
        while ((record = page_that_fits(units, zone, 1)) != NULL) {
            assert_in_range(filler.count, 0, 4 * UNITS - 1);
            filler.length[filler.count] = record->length;
            filler.run[filler.count++] = take_run(units, record, record->length);
        }
    }
}

static void empty_filler(void)
{
    while (filler.count > 0) {
        filler.count--;
        give_run(&state_of_root()->units, filler.run[filler.count],
                 filler.length[filler.count]);
    }
}

/* ---- bits */

static uint64_t word_of(const bool *set)
{
    uint64_t word = 0;
    for (int i = 63; i >= 0; i--)
        word = word << 1 | set[i];
    return word;
}

static void bits_of(uint64_t word, bool *set)
{
    for (int i = 0; i < 64; i++)
        set[i] = word >> i & 1;
}

/* The run in which `at` lies; of no length when it is not set. */
static struct run naive_run_at(const bool *set, unsigned at)
{
    struct run run = {at, 0};
    while (run.start > 0 && set[at] && set[run.start - 1])
        run.start--;
    while (run.start + run.length < 64 && set[run.start + run.length])
        run.length++;
    return run;
}

/* The first of the longest runs. */
static struct run naive_longest(const bool *set)
{
    struct run longest = {0, 0};
    for (unsigned i = 0; i < 64; i++) {
        struct run run = naive_run_at(set, i);
        if (run.length > longest.length)
            longest = run;
    }
    return longest;
}

static void check_longest(uint64_t word, struct run expected)
{
    struct run run = longest_run(word);
    if (run.length != expected.length ||
        (run.length > 0 && run.start != expected.start))
        fail_msg("longest run of %llx: %u at %u, not %u at %u",
                 (unsigned long long)word, run.length, run.start, expected.length,
                 expected.start);
}

/* All words of one run or two. */
static void test_longest_of_few_runs(void **state)
{
    (void)state;
    check_longest(0, (struct run){0, 0});
    for (unsigned end = 1; end <= 64; end++) {
        for (unsigned at = end == 64; at < end; at++) {
            struct run first = {at, end - at};
            uint64_t word = first_bits(first.length) << at;
            check_longest(word, first);
            for (unsigned next = end + 1; next < 64; next++) {
                for (unsigned length = 1; next + length <= 64; length++) {
                    struct run second = {next, length};
                    check_longest(word | first_bits(length) << next,
                                  length > first.length ? second : first);
                }
            }
        }
    }
}

/* Of words with few bits set, half of them, and most. */
static void test_longest_of_random_words(void **state)
{
    (void)state;
    uint64_t seed = 1;
    bool set[64];
    for (int i = 0; i < 100000; i++) {
        uint64_t word = next_random(&seed);
        for (int more = i % 5; more > 0; more--)
            word = i % 2 ? word & next_random(&seed) : word | next_random(&seed);
        if (word == ~(uint64_t)0)
            continue;
        bits_of(word, set);
        check_longest(word, naive_longest(set));
    }
}

static void test_first_bits(void **state)
{
    (void)state;
    bool set[64] = {0};
    for (unsigned count = 1; count <= 64; count++) {
        set[count - 1] = TRUE;
        assert_true(first_bits(count) == word_of(set));
    }
}

/* Classes are 16 bytes apart up to a 16th of a page, a unit up to an eighth, and a
 * request is of the least that holds it. What is larger has whole units. */
static void test_classes(void **state)
{
    (void)state;
    unsigned expected = 0, bytes = 16;
    for (int size = 1; size <= PAGESIZE / 8; size++) {
        if (size > (int)bytes) {
            bytes += size > PAGESIZE / 16 ? PAGESIZE / 64 : 16;
            expected++;
        }
        assert_int_equal(class_of(size), expected);
        assert_int_equal(bytes_of_class(expected), bytes);
        assert_int_equal(kma_block_size(size), bytes);
    }
    assert_int_equal(bytes_of_class(class_of(PAGESIZE / 16)), PAGESIZE / 16);
    assert_int_equal(bytes, PAGESIZE / 8);
    assert_int_equal(expected, CLASSES - 1);
    for (int size = PAGESIZE / 8 + 1; size <= (int)MAX_REQUEST; size++) {
        int units = (size + PAGESIZE / 64 - 1) / (PAGESIZE / 64);
        assert_int_equal(kma_block_size(size), units * (PAGESIZE / 64));
    }
    assert_int_equal(MAX_REQUEST, PAGESIZE - sizeof(void *));
}

#include "test_word_runs.h"

/* ---- spans */

/* Half as many objects as the class has, but as many as make a unit, and one more, at
 * least; at most 64, and what fits in half a page. */
static unsigned naive_objects(unsigned bytes, unsigned objects)
{
    unsigned least = 1;
    while (least * bytes < PAGESIZE / 64)
        least++;
    unsigned wanted = objects / 2 < least + 1 ? least + 1 : objects / 2;
    while (wanted > 64 || 32 + wanted * bytes > PAGESIZE / 2)
        wanted--;
    return wanted;
}

/* Blocks of other classes are runs. */
static bool has_spans(unsigned number)
{
    return bytes_of_class(number) % (PAGESIZE / 64) != 0;
}

static void test_span_units(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLASSES; i++) {
        unsigned bytes = bytes_of_class(i), objects = 0;
        while (has_spans(i) && objects < 200000) {
            struct size_class class = {.bytes = (uint16_t)bytes, .objects = objects};
            unsigned wanted = naive_objects(bytes, objects), units = span_units(&class);
            assert_in_range(wanted, 2, 64);
            assert_in_range(units, 2, 32);
            assert_true(32 + wanted * bytes <= units * UNIT);
            assert_true(32 + wanted * bytes > (units - 1) * UNIT);
            objects = objects < 140 ? objects + 1 : objects * 7;
        }
    }
}

/* A new span of a class that seems to have many objects. */
static struct span *longest_span(struct allocator *self, struct size_class *class)
{
    uint32_t objects = class->objects;
    class->objects = 1000000;
    struct span *span = add_span(self, class);
    assert_non_null(span);
    class->objects = objects + span->objects;
    return span;
}

/* Objects are taken from the lowest on; each, given back, is the one that is free. */
static void check_objects(uint64_t *seed, unsigned number)
{
    struct allocator *self = state_of_root();
    struct size_class *class = &self->classes[number];
    struct span *span = longest_span(self, class);
    unsigned bytes = bytes_of_class(number);
    unsigned count = (span->units * UNIT - 32) / bytes;
    int turn[64];
    assert_int_equal(span->objects, count < 64 ? count : 64);
    for (unsigned i = 0; i < span->objects; i++) {
        turn[i] = (int)i;
        assert_ptr_equal(class->partial, span);
        assert_ptr_equal(take_object(self, class), (char *)span + 32 + i * bytes);
        assert_true(span->free == (all_objects(span) & ~first_bits(i + 1)));
    }
    assert_null(class->partial);
    assert_int_equal(kma_audit(), 0);
    shuffle(seed, turn, span->objects);
    uint64_t free = 0;
    for (int i = span->objects - 1; i > 0; i--) {
        give_object(self, class, (char *)span + 32 + (unsigned)turn[i] * bytes);
        free |= (uint64_t)1 << turn[i];
        assert_true(span->free == free);
        assert_ptr_equal(class->partial, span);
    }
    assert_int_equal(kma_audit(), 0);
    give_object(self, class, (char *)span + 32 + (unsigned)turn[0] * bytes);
    assert_null(class->partial);
    assert_int_equal(class->objects, 0);
}

static void test_objects_of_spans(void **state)
{
    (void)state;
    uint64_t seed = 4;
    char *anchor = take((kma_size_t)MAX_REQUEST);
    for (unsigned i = 0; i < CLASSES; i++) {
        if (has_spans(i))
            check_objects(&seed, i);
        assert_sound(2);
    }
    kma_free(anchor, (kma_size_t)MAX_REQUEST);
}

/* Spans of all lengths and classes side by side, a few units of large blocks between. */
static struct size_class *random_class(uint64_t *seed)
{
    int number = random_between(seed, 0, CLASSES - 1);
    while (!has_spans((unsigned)number))
        number = random_between(seed, 0, CLASSES - 1);
    return &state_of_root()->classes[number];
}

static void test_spans_side_by_side(void **state)
{
    (void)state;
    enum { SPANS = 120 };
    struct span *span[SPANS];
    char *between[SPANS];
    uint64_t seed = 5;
    char *anchor = take(1);
    struct allocator *self = state_of_root();
    for (int i = 0; i < SPANS; i++) {
        struct size_class *class = random_class(&seed);
        uint32_t objects = class->objects;
        class->objects = (uint32_t)random_between(&seed, 0, 140);
        span[i] = add_span(self, class);
        class->objects = objects + span[i]->objects;
        between[i] = i % 3 == 0 ? get_run(self, SMALL_ZONE, 1 + (unsigned)i % 5) : NULL;
        span[i]->free &= span[i]->free - 1; /* the others are on the list */
    }
    assert_int_equal(kma_audit(), 0);
    for (int i = 0; i < SPANS; i++) {
        unsigned bytes = self->classes[span[i]->size_class].bytes;
        for (unsigned j = 0; j < span[i]->objects; j++) {
            char *object = first_object(span[i]) + j * bytes;
            assert_ptr_equal(span_of(self, object), span[i]);
            assert_ptr_equal(span_of(self, object + bytes - 1), span[i]);
        }
    }
    for (int i = 0; i < SPANS; i++) {
        if (between[i] != NULL)
            give_run(&self->units, between[i], 1 + (unsigned)i % 5);
        struct size_class *class = &self->classes[span[i]->size_class];
        give_object(self, class, first_object(span[i]));
        assert_int_equal(kma_audit(), 0);
    }
    assert_int_equal(pages_in_use(), 1);
    kma_free(anchor, 1);
}

/* Requests of one class: its spans get longer as it has more objects. */
static void check_growth(kma_size_t bytes)
{
    enum { BLOCKS = 600 };
    char *block[BLOCKS];
    block[0] = take(bytes);
    struct size_class *class = class_for(bytes);
    unsigned in_use = 1, objects = class->objects, longest = 0;
    assert_int_equal(
        span_of(state_of_root(), block[0])->units,
        units_of((kma_size_t)(32 + naive_objects(class->bytes, 0) * class->bytes)));
    for (; in_use < BLOCKS; in_use++) {
        bool full = in_use == objects;
        assert_true((class->partial == NULL) == full);
        block[in_use] = take(bytes);
        struct span *span = span_of(state_of_root(), block[in_use]);
        if (full) {
            unsigned wanted = naive_objects(class->bytes, objects);
            assert_int_equal(span->units,
                             units_of((kma_size_t)(32 + wanted * class->bytes)));
            assert_in_range(span->objects, wanted, 64);
            objects += span->objects;
            longest = span->units;
        }
        assert_int_equal(class->objects, objects);
    }
    unsigned most = naive_objects(class->bytes, BLOCKS) * class->bytes + 32;
    assert_int_equal(longest, units_of((kma_size_t)most));
    assert_int_equal(kma_audit(), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        kma_free(block[i], bytes);
}

static void test_spans_grow(void **state)
{
    (void)state;
    const kma_size_t sizes[] = {1, 16, 17, 100, UNIT + 1, 3 * UNIT - 16, 4 * UNIT - 16};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_growth(sizes[i]);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* The lowest free object of the span that last became one with a free object. */
static void test_order_of_spans(void **state)
{
    (void)state;
    char *anchor = take((kma_size_t)MAX_REQUEST);
    struct allocator *self = state_of_root();
    struct size_class *class = class_for(48);
    struct span *span[3];
    for (int i = 0; i < 3; i++) {
        span[i] = longest_span(self, class);
        while (span[i]->free != 0)
            take_object(self, class);
    }
    assert_null(class->partial);
    const int turn[] = {2, 0, 1};
    for (int i = 0; i < 3; i++) {
        for (unsigned object = 5; object > 2; object -= 2)
            give_object(self, class, first_object(span[turn[i]]) + object * 48);
    }
    assert_int_equal(kma_audit(), 0);
    for (int i = 2; i >= 0; i--) {
        for (unsigned object = 3; object < 6; object += 2)
            assert_ptr_equal(take_object(self, class),
                             first_object(span[turn[i]]) + object * 48);
    }
    give_object(self, class, first_object(span[0])); /* unlinked amid the others */
    give_object(self, class, first_object(span[1]));
    give_object(self, class, first_object(span[2]));
    const int gone[] = {1, 0, 2};
    const unsigned objects = span[0]->objects;
    for (int i = 0; i < 3; i++) {
        for (unsigned object = 1; object < objects; object++)
            give_object(self, class, first_object(span[gone[i]]) + object * 48);
        assert_int_equal(kma_audit(), 0);
    }
    assert_sound(2);
    kma_free(anchor, (kma_size_t)MAX_REQUEST);
}

/* Blocks of whole units, and all above four, are runs of them; no span is near. */
static void check_whole_units(int bytes, int units)
{
    char *block = take(bytes);
    struct page_record *record = record_for(block);
    uint64_t mine = first_bits((unsigned)units) << unit_at(block);
    assert_int_equal((uintptr_t)block % UNIT, 0);
    assert_int_equal(kma_block_size(bytes), units * UNIT);
    assert_true(record->spans == 0);
    assert_true((record->free & mine) == 0);
    assert_int_equal(record->free_units, (int)UNITS - units);
    assert_int_equal(kma_audit(), 0);
    kma_free(block, bytes);
}

static void test_whole_units(void **state)
{
    (void)state;
    char *anchor = take((kma_size_t)MAX_REQUEST);
    fill_up();
    for (int units = 1; units < (int)UNITS; units++) {
        check_whole_units(units * UNIT, units);
        check_whole_units(units * UNIT - 15, units);
        if (units > 4)
            check_whole_units((units - 1) * UNIT + 1, units);
        if (units <= 4)
            assert_int_not_equal(kma_block_size(units * UNIT - 16), units * UNIT);
    }
    empty_filler();
    assert_sound(2);
    kma_free(anchor, (kma_size_t)MAX_REQUEST);
}

/* ---- zones */

enum { MOST_LIVE = 400 };

static struct {
    char *block[MOST_LIVE];
    kma_size_t bytes[MOST_LIVE];
    int count;
    size_t small, large;
} live;

static void live_add(char *block, kma_size_t bytes)
{
    memset(block, 0x5a, (size_t)bytes);
    live.block[live.count] = block;
    live.bytes[live.count++] = bytes;
    *(bytes <= PAGESIZE / 8 ? &live.small : &live.large) += (size_t)bytes;
}

static void live_take(kma_size_t bytes)
{
    live_add(take(bytes), bytes);
}

static void live_give(int which)
{
    char *block = live.block[which];
    kma_size_t bytes = live.bytes[which];
    assert_int_equal(block[0], 0x5a);
    assert_int_equal(block[bytes - 1], 0x5a);
    *(bytes <= PAGESIZE / 8 ? &live.small : &live.large) -= (size_t)bytes;
    live.count--;
    live.block[which] = live.block[live.count];
    live.bytes[which] = live.bytes[live.count];
    kma_free(block, bytes);
}

static int start_with_none(void **state)
{
    live.count = 0;
    live.small = live.large = 0;
    return start(state);
}

static void give_all(uint64_t *seed)
{
    while (live.count > 0) {
        live_give(random_between(seed, 0, live.count - 1));
        assert_int_equal(kma_audit(), 0);
    }
}

static void assert_apart(void)
{
    static bool has[256][ZONES];
    memset(has, 0, sizeof has);
    for (int i = 0; i < live.count; i++) {
        int page = pool_page_of(live.block[i])->id;
        unsigned zone = live.bytes[i] <= PAGESIZE / 8 ? SMALL_ZONE : LARGE_ZONE;
        has[page][zone] = TRUE;
        assert_false(has[page][!zone]);
    }
}

static bool are_few(size_t small, size_t large)
{
    return small < (small + large) / 4;
}

/* Random calls of which none lets the small ones be a quarter: no page has both. */
static void test_zones_apart(void **state)
{
    (void)state;
    uint64_t seed = 6;
    live_take((kma_size_t)MAX_REQUEST); /* it has no room in the first page */
    for (int step = 0; step < 12000; step++) {
        bool small = random_between(&seed, 0, 2) > 0;
        int bytes = random_between(&seed, small ? 1 : PAGESIZE / 8 + 1,
                                   small ? PAGESIZE / 8 : PAGESIZE / 4);
        int which = random_between(&seed, 0, live.count - 1);
        size_t gone = (size_t)live.bytes[which];
        if (random_between(&seed, 1, 100) <= (step / 1500 % 2 ? 40 : 70)) {
            size_t more = small ? (size_t)bytes : 0;
            if (live.count < MOST_LIVE && are_few(live.small + more, live.large))
                live_take(bytes);
        } else if (gone <= PAGESIZE / 8 || are_few(live.small, live.large - gone)) {
            live_give(which);
        }
        assert_apart();
        assert_int_equal(kma_audit(), 0);
    }
    assert_true(live.small > 0);
    give_all(&seed);
}

/* When all is small, or nothing is in use, a large block goes where small ones are, if
 * there is room. */
static void test_zones_mix(void **state)
{
    (void)state;
    const kma_size_t large = SMALL_LARGEST + 1;
    char *small = take(1);
    bool has_room = record_for(small)->length >= 9;
    int pages = pages_in_use() + !has_room;
    assert_int_equal(record_for(small)->zone, SMALL_ZONE);
    char *beside = take(large);
    assert_int_equal(BASEADDR(beside) == BASEADDR(small), has_room);
    assert_sound(pages);
    char *apart = take(large); /* of what is in use, one byte is small */
    assert_int_equal(record_for(apart)->zone, LARGE_ZONE);
    assert_sound(pages + has_room);
    kma_free(small, 1);
    kma_free(beside, large);
    kma_free(apart, large);

    char *first = take(large);
    has_room = UNITS - ROOT_UNITS >= 9;
    assert_int_equal(BASEADDR(first) == root->ptr, has_room);
    assert_sound(has_room ? 1 : 2);
    kma_free(first, large);
}

static void give_back_run(void *run, unsigned length)
{
    give_run(&state_of_root()->units, run, length);
}

/* The page in which a run of the zone is found, with so many bytes in use. */
static struct page_record *found_in(unsigned zone, unsigned length, size_t small,
                                    size_t large)
{
    struct allocator *self = state_of_root();
    size_t was_small = self->small, was_large = self->large;
    self->small = small;
    self->large = large;
    char *run = get_run(self, zone, length);
    self->small = was_small;
    self->large = was_large;
    struct page_record *record = record_for(run);
    int pages = pages_in_use();
    give_back_run(run, length);
    return pages_in_use() < pages ? NULL : record; /* NULL: a new one */
}

/* A run is looked for in its own zone, in the other one once a quarter is small, and in a
 * new page. */
static void test_order_of_zones(void **state)
{
    (void)state;
    char *anchor = take(1);
    int pages = pages_in_use();
    fill_up();
    struct units *units = &state_of_root()->units;
    struct page_record *page[ZONES];
    char *rest[ZONES];
    for (unsigned zone = 0; zone < ZONES; zone++) {
        page[zone] = add_page(units, zone);
        rest[zone] = take_run(units, page[zone], 60);
    }
    for (unsigned zone = 0; zone < ZONES; zone++) {
        assert_ptr_equal(found_in(zone, 3, 100, 300), page[zone]);
        assert_ptr_equal(found_in(zone, 3, 99, 301), page[zone]);
        assert_null(found_in(zone, 5, 100, 300));
        char *hole = take_run(units, page[zone], 4);
        assert_ptr_equal(found_in(zone, 3, 100, 300), page[!zone]);
        assert_ptr_equal(found_in(zone, 4, 400, 0), page[!zone]);
        assert_ptr_equal(found_in(zone, 4, 1, 0), page[!zone]);
        assert_null(found_in(zone, 3, 99, 301));
        assert_null(found_in(zone, 1, 0, 4));
        assert_sound(pages + 2);
        give_back_run(hole, 4);
    }
    give_back_run(rest[SMALL_ZONE], 60);
    give_back_run(rest[LARGE_ZONE], 60);
    empty_filler();
    assert_sound(pages);
    kma_free(anchor, 1);
}

/* ---- pages */

/* A page goes back with its last block, the first one with the last of all. */
static void test_pages_go_back(void **state)
{
    (void)state;
    char *small = take(1), *large[3];
    int pages = pages_in_use();
    for (int i = 0; i < 3; i++)
        large[i] = take((kma_size_t)MAX_REQUEST);
    assert_sound(pages + 3);
    assert_null(kma_malloc((kma_size_t)MAX_REQUEST + 1));
    kma_free(large[1], (kma_size_t)MAX_REQUEST);
    assert_sound(pages + 2);
    kma_free(small, 1); /* with the last small block all that is kept goes back */
    assert_int_equal(class_for(1)->objects, 0);
    assert_sound(3);
    kma_free(large[0], (kma_size_t)MAX_REQUEST);
    assert_sound(2);
    kma_free(large[2], (kma_size_t)MAX_REQUEST);
    assert_null(root);
    assert_int_equal(pages_in_use(), 0);
}

/* The first request needs a page, and a second one when the first has no room. */
static void test_refused_first_request(void **state)
{
    (void)state;
    const kma_size_t sizes[] = {1, SMALL_LARGEST, SMALL_LARGEST + 1, MAX_REQUEST};
    const int needed[] = {2, 8, 9, UNITS};
    for (int i = 0; i < 4; i++) {
        bool has_room = UNITS - (int)ROOT_UNITS >= needed[i];
        fail_pages(1, 1);
        assert_null(kma_malloc(sizes[i]));
        assert_null(root);
        fail_pages(2, LONG_MAX);
        char *block = kma_malloc(sizes[i]);
        assert_int_equal(block != NULL, has_room);
        assert_int_equal(page_calls.failed, !has_room);
        assert_int_equal(pages_in_use(), has_room);
        serve_pages();
        if (block == NULL)
            block = take(sizes[i]);
        kma_free(block, sizes[i]);
        assert_null(root);
    }
}

#include "test_word_kept.h"

#include "test_word_records.h"

#include "test_word_audit.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORD_TEST(test_longest_of_few_runs),
        WORD_TEST(test_longest_of_random_words),
        WORD_TEST(test_first_bits),
        WORD_TEST(test_classes),
        WORD_TEST(test_random_runs),
        WORD_TEST(test_joining),
        WORD_TEST(test_span_units),
        WORD_TEST(test_objects_of_spans),
        WORD_TEST(test_spans_side_by_side),
        WORD_TEST(test_spans_grow),
        WORD_TEST(test_order_of_spans),
        WORD_TEST(test_whole_units),
        WORD_TEST(test_zones_apart),
        WORD_TEST(test_zones_mix),
        WORD_TEST(test_order_of_zones),
        WORD_TEST(test_pages_go_back),
        WORD_TEST(test_refused_first_request),
        WORD_TEST(test_kept_in_random_use),
        WORD_TEST(test_ten_given),
        WORD_TEST(test_kept_order),
        WORD_TEST(test_kept_serves),
        WORD_TEST(test_refused),
        WORD_TEST(test_random_use_of_few_pages),
        WORD_TEST(test_first_leaf),
        SPREAD_TEST(test_farthest_page),
        SPREAD_TEST(test_spread_pages),
        SPREAD_TEST(test_blocks_in_spread_pages),
        AUDIT_TEST(test_some),
        AUDIT_TEST(test_audit_of_places),
        AUDIT_TEST(test_audit_of_free_units),
        AUDIT_TEST(test_audit_of_known_runs),
        AUDIT_TEST(test_audit_of_page_lists),
        AUDIT_TEST(test_audit_of_words),
        WORD_TEST(test_audit_of_leaves),
        WORD_TEST(test_ends_of_address_space),
        AUDIT_TEST(test_audit_of_spans),
        AUDIT_TEST(test_audit_of_kept_objects),
        AUDIT_TEST(test_audit_of_span_lists),
        AUDIT_TEST(test_audit_of_units_of_spans),
        AUDIT_TEST(test_audit_of_classes),
        AUDIT_TEST(test_audit_of_bytes),
    };
    return cmocka_run_group_tests_name("word", tests, NULL, NULL);
}
