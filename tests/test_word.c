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

/* ---- runs of units */

enum { MODEL_PAGES = 24, MODEL_RUNS = 400 };

struct model_page {
    struct page_record *record;
    bool free[UNITS];
    unsigned zone;
    struct run known;
    long entered; /* its list, by the model's clock */
};

struct model_run {
    char *block;
    unsigned length;
};

/* What kma_page_units.h should do, unit by unit. */
static struct {
    struct units units;
    struct model_page page[MODEL_PAGES];
    int pages;
    struct model_run run[MODEL_RUNS];
    int runs;
    long clock;
} model;

static int visit_none(struct page_record *record, void *context)
{
    (void)record;
    (void)context;
    return 0;
}

static unsigned count_free(const bool *free)
{
    unsigned count = 0;
    for (unsigned i = 0; i < UNITS; i++)
        count += free[i];
    return count;
}

static void check_page(const struct model_page *page)
{
    const struct page_record *record = page->record;
    assert_true(record->free == word_of(page->free));
    assert_int_equal(record->free_units, count_free(page->free));
    assert_int_equal(record->zone, page->zone);
    assert_int_equal(record->length, page->known.length);
    if (record->length > 0)
        assert_int_equal(record->start, page->known.start);
}

static void check_model(void)
{
    for (int i = 0; i < model.pages; i++)
        check_page(&model.page[i]);
    assert_int_equal(pages_in_use(), model.pages);
    assert_int_equal(units_audit(&model.units, visit_none, NULL), 0);
}

static struct model_page *model_page_of(const void *block)
{
    int i = 0;
    while (model.page[i].record->base != BASEADDR(block))
        i++;
    return &model.page[i];
}

/* Of the pages of the zone with a known run that is long enough, the one whose run is
 * the shortest; of these the one that was put on its list last. */
static struct model_page *model_fit(unsigned zone, unsigned length)
{
    struct model_page *best = NULL;
    for (int i = 0; i < model.pages; i++) {
        struct model_page *page = &model.page[i];
        if (page->zone != zone || page->known.length < length)
            continue;
        if (best == NULL || page->known.length < best->known.length ||
            (page->known.length == best->known.length && page->entered > best->entered))
            best = page;
    }
    return best;
}

static struct model_page *model_add(struct page_record *record, unsigned zone,
                                    unsigned taken)
{
    assert_non_null(record);
    struct model_page *page = &model.page[model.pages++];
    *page = (struct model_page){.record = record, .zone = zone};
    for (unsigned i = taken; i < UNITS; i++)
        page->free[i] = TRUE;
    page->known = (struct run){taken, UNITS - taken};
    page->entered = ++model.clock;
    return page;
}

/* A request takes the start of the known run; when less than an eighth of what is free is
 * left of it, the longest is the known one. */
static void model_take(unsigned zone, unsigned length)
{
    struct model_page *page = model_fit(zone, length);
    struct page_record *record = page_that_fits(&model.units, zone, length);
    assert_ptr_equal(record, page == NULL ? NULL : page->record);
    if (page == NULL && model.pages == MODEL_PAGES)
        return;
    if (page == NULL)
        page = model_add(add_page(&model.units, zone), zone, 0);
    char *block = take_run(&model.units, page->record, length);
    assert_ptr_equal(block, page->record->base + page->known.start * UNIT);
    for (unsigned i = 0; i < length; i++)
        page->free[page->known.start + i] = FALSE;
    page->known.start += length;
    page->known.length -= length;
    if (page->known.length * 8 < count_free(page->free))
        page->known = naive_longest(page->free);
    page->entered = ++model.clock;
    model.run[model.runs++] = (struct model_run){block, length};
}

static void model_give(int which)
{
    struct model_run run = model.run[which];
    struct model_page *page = model_page_of(run.block);
    unsigned start = unit_at(run.block);
    model.run[which] = model.run[--model.runs];
    give_run(&model.units, run.block, run.length);
    for (unsigned i = 0; i < run.length; i++)
        page->free[start + i] = TRUE;
    struct run joined = naive_run_at(page->free, start);
    if (joined.length == UNITS) {
        *page = model.page[--model.pages];
    } else if (joined.length > page->known.length) {
        page->known = joined;
        page->entered = ++model.clock;
    }
}

/* Runs of both zones come and go, in pages of which the first one, some of whose units
 * its owner has, stays. */
static void test_random_runs(void **state)
{
    (void)state;
    uint64_t seed = 2;
    units_init(&model.units);
    model.pages = model.runs = 0;
    kma_page_t *first = get_page();
    model_add(take_page_in(&model.units, first, LARGE_ZONE, 10), LARGE_ZONE, 10);
    for (int step = 0; step < 16000; step++) {
        bool more = random_between(&seed, 1, 100) <= (step / 2000 % 2 ? 40 : 60);
        int most = step % 3 == 0 ? (int)UNITS : step / 500 % 2 ? 3 : 12;
        if (model.runs == 0 || (more && model.runs < MODEL_RUNS))
            model_take((unsigned)random_between(&seed, 0, 1),
                       (unsigned)random_between(&seed, 1, most));
        else
            model_give(random_between(&seed, 0, model.runs - 1));
        check_model();
    }
    while (model.runs > 0)
        model_give(random_between(&seed, 0, model.runs - 1));
    check_model();
    assert_int_equal(pages_in_use(), 1);
    free_page(first);
}

/* What a block's neighbour is: in use, one free unit, or free to the end of the page. */
enum neighbour { USED, ONE, TO_THE_END, NEIGHBOURS };

static void lay_out(bool *free, uint64_t *seed, unsigned at, unsigned end,
                    enum neighbour below, enum neighbour above)
{
    bits_of(next_random(seed) & next_random(seed), free);
    for (unsigned i = at; i < end; i++)
        free[i] = FALSE;
    for (unsigned i = 0; i < at; i++) {
        if (below == TO_THE_END || i + 2 >= at)
            free[i] = below == TO_THE_END || (below == ONE && i + 1 == at);
    }
    for (unsigned i = end; i < UNITS; i++) {
        if (above == TO_THE_END || i < end + 2)
            free[i] = above == TO_THE_END || (above == ONE && i == end);
    }
}

/* A page in which just that is free. */
static struct page_record *page_with(struct units *units, const bool *free)
{
    struct page_record *record = add_page(units, SMALL_ZONE);
    struct run known = naive_longest(free);
    leave_bin(units, record);
    record->free = word_of(free);
    record->free_units = (uint8_t)count_free(free);
    enter_bin(units, record, known.start, known.length);
    return record;
}

static void check_join(uint64_t *seed, unsigned at, unsigned length,
                       enum neighbour below, enum neighbour above)
{
    static struct units units;
    bool free[UNITS];
    units_init(&units);
    lay_out(free, seed, at, at + length, below, above);
    struct page_record *record = page_with(&units, free);
    struct run known = naive_longest(free);
    assert_int_equal(units_audit(&units, visit_none, NULL), 0);
    give_run(&units, record->base + at * UNIT, length);
    for (unsigned i = at; i < at + length; i++)
        free[i] = TRUE;
    struct run joined = naive_run_at(free, at);
    assert_int_equal(units_audit(&units, visit_none, NULL), 0);
    assert_int_equal(pages_in_use(), joined.length < UNITS);
    if (joined.length == UNITS) {
        assert_true(radix_is_empty(&units.leaves));
        assert_true(units.nonempty[SMALL_ZONE] == 0);
        return;
    }
    if (joined.length <= known.length)
        joined = known;
    assert_true(record->free == word_of(free));
    assert_int_equal(record->start, joined.start);
    assert_int_equal(record->length, joined.length);
    free_page(record->page);
}

/* Every block of a page, between neighbours of all kinds. */
static void test_joining(void **state)
{
    (void)state;
    uint64_t seed = 3;
    pool_set_poison(0);
    for (unsigned at = 0; at < UNITS; at++) {
        for (unsigned length = 1; at + length <= UNITS; length++) {
            for (int kind = 0; kind < NEIGHBOURS * NEIGHBOURS; kind++)
                check_join(&seed, at, length, (enum neighbour)(kind / NEIGHBOURS),
                           (enum neighbour)(kind % NEIGHBOURS));
        }
    }
}

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

/* ---- records of pages */

/* As in a heap of 2 GB, or of 256 MB where addresses have 32 bits. */
enum {
    SPREAD_BITS = (sizeof(void *) > 4 ? 31 : 28) - LOG2_FLOOR(PAGESIZE),
    SPREAD = 1 << SPREAD_BITS,
    MOST_FAR = 60,
    WHOLE = MAX_REQUEST
};

/* The test holds all pages of the pool but those that it offers. */
static struct {
    kma_page_t *page[SPREAD];
    int count;
} held;

static void hold_all(void)
{
    while (pages_in_use() < SPREAD) {
        kma_page_t *page = __real_get_page();
        held.page[page->id] = page;
        held.count++;
    }
}

/* The page that was offered last is got first. */
static void offer(int id)
{
    if (held.page[id] == NULL)
        return;
    free_page(held.page[id]);
    held.page[id] = NULL;
    held.count--;
}

static int start_spread(void **state)
{
    int failed = start_with_none(state);
    pool_set_poison(0);
    failed |= pool_open(SPREAD);
    memset(&held, 0, sizeof held);
    hold_all();
    pool_set_poison(1);
    return failed;
}

static int finish_spread(void **state)
{
    assert_int_equal(pages_in_use(), held.count);
    return pool_open(1) | finish(state);
}

static int id_of(const void *block)
{
    return pool_page_of(block)->id;
}

/* How many different numbers the pages have, but for their last bits. */
static int count_distinct(const int *id, int count, int bits)
{
    static bool seen[SPREAD];
    int distinct = 0;
    for (int i = 0; i < count; i++) {
        distinct += !seen[id[i] >> bits];
        seen[id[i] >> bits] = TRUE;
    }
    for (int i = 0; i < count; i++)
        seen[id[i] >> bits] = FALSE;
    return distinct;
}

/* The nodes below the top, whose level is the first on which it stands alone. */
static int naive_nodes(const int *id, int count)
{
    int nodes = 0;
    for (int bits = 10;; bits += 5) {
        int distinct = count_distinct(id, count, bits);
        if (distinct == 1)
            return nodes;
        nodes += distinct;
    }
}

static int count_leaf_pages(const int *id, int count)
{
    static int page_of_leaf[MOST_FAR + 1];
    int outside = 0;
    for (int i = 0; i < count; i++) {
        struct leaf *leaf =
            radix_get(&state_of_root()->units.leaves,
                      page_number(root->ptr) / 32 - (uintptr_t)(id_of(root->ptr) / 32) +
                          (uintptr_t)(id[i] / 32));
        if (leaf != &state_of_root()->units.first)
            page_of_leaf[outside++] = id_of(leaf);
    }
    return count_distinct(page_of_leaf, outside, 0);
}

/* All pages that the live blocks, each of a page, should take. */
static int naive_pages(int *leaves)
{
    int id[MOST_FAR + 1], count = 0;
    if (live.count == 0)
        return 0;
    id[count++] = id_of(root->ptr);
    for (int i = 0; i < live.count; i++)
        id[count++] = id_of(live.block[i]);
    *leaves = count_distinct(id, count, 5);
    return count + naive_nodes(id, count) + count_leaf_pages(id, count);
}

static int check_spread(void)
{
    int leaves = 0;
    assert_int_equal(pages_in_use() - held.count, naive_pages(&leaves));
    assert_int_equal(kma_audit(), 0);
    return leaves;
}

/* The first 32 pages have the leaf in the first page. Each 32 pages more need another, of
 * which a page holds several, and a tree of height 1 does for 1024 pages. */
static void test_first_leaf(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(1024), 0);
    char *block[1000], *near[31];
    int control = 1;
    for (int i = 0; i < 31; i++) {
        near[i] = kma_malloc(WHOLE);
        assert_int_equal(pages_in_use(), i + 2);
    }
    for (int i = 0; i < 950; i++) {
        block[i] = kma_malloc(WHOLE);
        int leaves = (id_of(block[i]) + 1) / 32 + ((id_of(block[i]) + 1) % 32 > 0);
        control = 1 + (leaves - 1 + (int)LEAVES_IN_PAGE - 1) / (int)LEAVES_IN_PAGE;
        assert_int_equal(pages_in_use(), i + 32 + control);
        assert_int_equal(state_of_root()->units.leaves.height, 1);
    }
    assert_sound(950 + 31 + control);
    for (int i = 0; i < 950; i++)
        kma_free(block[i], WHOLE);
    assert_sound(32);
    for (int i = 0; i < 31; i++)
        kma_free(near[i], WHOLE);
}

/* Makes a request with each of its calls for a page refused in turn, and then with none.
 * Returns how many it made. */
static int take_at_last(void)
{
    int leaves = 0;
    for (int n = 1;; n++) {
        fail_pages(n, n);
        char *block = kma_malloc(WHOLE);
        if (page_calls.failed == 0) {
            serve_pages();
            assert_non_null(block);
            live_add(block, WHOLE);
            return n - 1;
        }
        assert_null(block);
        assert_int_equal(page_calls.calls, n);
        assert_int_equal(pages_in_use() - held.count, naive_pages(&leaves));
        assert_int_equal(kma_audit(), 0);
    }
}

/* The page farthest from all others takes a leaf's page, a node for each level by which
 * the tree gets higher, and one for each on the way down. */
static void test_farthest_page(void **state)
{
    (void)state;
    const int height = (SPREAD_BITS - 5 + 4) / 5, first = 5;
    for (int i = 0; i < 2; i++)
        offer(first + i);
    assert_int_equal(take_at_last(), 2);
    for (int i = 1; i < 2 * height; i++)
        offer(first + 50 + i);
    offer(SPREAD - 1);
    assert_int_equal(take_at_last(), 2 + 2 * (height - 1));
    assert_int_equal(id_of(live.block[1]), SPREAD - 1);
    assert_int_equal(state_of_root()->units.leaves.height, height);
    check_spread();
    hold_all();
    live_give(1);
    assert_int_equal(state_of_root()->units.leaves.height, 1);
    check_spread();
    live_give(0);
}

/* Near one of three places, at any scale. What is not held is free or in use already. */
static void offer_some(uint64_t *seed, int count)
{
    const int place[] = {0, 0x55555555 & (SPREAD - 1), SPREAD - 1};
    for (int i = 0; i < count; i++) {
        int low = (1 << random_between(seed, 1, SPREAD_BITS)) - 1;
        offer((place[random_between(seed, 0, 2)] & ~low) |
              random_between(seed, 0, low));
    }
}

/* Pages from anywhere: leaves and nodes come and go with them. A page for leaves is got
 * when no other has a vacant one. */
static void test_spread_pages(void **state)
{
    (void)state;
    uint64_t seed = 9;
    int most_calls = 0, most_leaves = 0;
    for (int step = 0; step < 1200; step++) {
        hold_all();
        bool more = random_between(&seed, 1, 100) <= (step / 200 % 2 ? 35 : 65);
        if (live.count == 0 || (more && live.count < MOST_FAR)) {
            bool vacant =
                live.count > 0 && !list_is_empty(&state_of_root()->units.leaf_pages);
            struct link *list = vacant ? state_of_root()->units.leaf_pages.next : NULL;
            offer_some(&seed, 40);
            int calls = take_at_last();
            most_calls = calls > most_calls ? calls : most_calls;
            if (vacant && state_of_root()->units.leaf_pages.next != list)
                assert_null(
                    LIST_OWNER(list, struct leaf_page, link)->vacant); /* used up */
        } else {
            live_give(random_between(&seed, 0, live.count - 1));
        }
        int leaves = check_spread();
        most_leaves = leaves > most_leaves ? leaves : most_leaves;
    }
    assert_true(most_calls >= 4);
    assert_true(most_leaves > 20);
    while (live.count > 0) {
        live_give(random_between(&seed, 0, live.count - 1));
        check_spread();
    }
}

/* Small and large blocks in pages from anywhere. */
static void test_blocks_in_spread_pages(void **state)
{
    (void)state;
    uint64_t seed = 10;
    for (int step = 0; step < 6000; step++) {
        bool small = random_between(&seed, 0, 2) > 0;
        int bytes = random_between(&seed, 1, small ? SMALL_LARGEST : WHOLE);
        bool more = random_between(&seed, 1, 100) <= (step / 1000 % 2 ? 40 : 60);
        if (live.count == 0 || (more && live.count < MOST_LIVE)) {
            offer_some(&seed, 25);
            live_take(bytes);
            hold_all();
        } else {
            live_give(random_between(&seed, 0, live.count - 1));
        }
        if (live.count > 0)
            check_bytes();
    }
    hold_all();
    give_all(&seed);
}

/* ---- the audit */

/* A value is put into a place, and what was there again. The audit complains meanwhile:
 * so many times, or, complaints 0, any number of times. */
#define ASSERT_NOTICED_AS(place, value, complaints)                          \
    do {                                                                     \
        __typeof__(place) was = (place);                                     \
        (place) = (__typeof__(place))(value);                                \
        int noticed = kma_audit();                                           \
        (place) = was;                                                       \
        if (noticed == 0 || (complaints > 0 && noticed != complaints))       \
            fail_msg("%s: %s makes %d complaints", #place, #value, noticed); \
        assert_int_equal(kma_audit(), 0);                                    \
    } while (0)

#define ASSERT_NOTICED(place, value) ASSERT_NOTICED_AS(place, value, 0)

/* What the audit tests start from: pages of three leaves, a page of large blocks with two
 * holes, a span that is full, one with free objects, and a block that is kept. */
static struct {
    char *far[70];
    char *large[4], *object, *pair[6], *kept;
    struct page_record *record; /* of the large blocks */
    struct span *span;          /* of the object, with free ones */
    struct span *full;          /* of the first pair */
} some;

enum { PART = 13 * UNIT, OBJECT_BYTES = 48, PAIR_BYTES = 4 * UNIT - 16 };

static int start_with_some(void **state)
{
    int failed = start_with_none(state);
    for (int i = 0; i < 70; i++)
        some.far[i] = take(WHOLE);
    for (int i = 0; i < 4; i++)
        some.large[i] = take(PART);
    for (int i = 0; i < 6; i++)
        some.pair[i] = take(PAIR_BYTES);
    some.object = take(OBJECT_BYTES);
    some.kept = take(OBJECT_BYTES);
    kma_free(some.kept, OBJECT_BYTES);
    kma_free(some.large[1], PART);
    some.record = record_for(some.large[0]);
    some.span = span_of(state_of_root(), some.object);
    some.full = span_of(state_of_root(), some.pair[0]);
    return failed;
}

static int finish_with_some(void **state)
{
    assert_int_equal(kma_audit(), 0);
    for (int i = 0; i < 70; i++)
        kma_free(some.far[i], WHOLE);
    for (int i = 0; i < 4; i++) {
        if (i != 1)
            kma_free(some.large[i], PART);
    }
    kma_free(some.object, OBJECT_BYTES);
    for (int i = 0; i < 6; i++)
        kma_free(some.pair[i], PAIR_BYTES);
    return finish(state);
}

static void test_some(void **state)
{
    (void)state;
    assert_int_equal(kma_audit(), 0);
    assert_int_equal(some.record->zone, LARGE_ZONE);
    assert_int_equal(some.record->start, 13);
    assert_int_equal(some.record->length, 13);
    assert_int_equal(some.record->free_units, 25);
    assert_ptr_equal(class_for(OBJECT_BYTES)->partial, some.span);
    assert_true(some.span->free != 0);
    assert_true(some.full->free == 0);
    assert_ptr_equal(class_for(OBJECT_BYTES)->kept, some.kept);
    assert_int_equal(state_of_root()->units.leaves.top.used, 3);
}

/* U1 */
static void test_audit_of_places(void **state)
{
    (void)state;
    struct page_record *record = some.record;
    ASSERT_NOTICED(record->base, record->base + PAGESIZE);
    ASSERT_NOTICED(record->base, record->base - PAGESIZE);
    ASSERT_NOTICED(record->page, root);
    struct radix *leaves = &state_of_root()->units.leaves;
    uintptr_t number = page_number(some.large[0]);
    struct leaf *leaf = radix_get(leaves, number / 32);
    ASSERT_NOTICED(leaf->used, leaf->used ^ (uint32_t)1 << number % 32);
    ASSERT_NOTICED(leaf->used, 0);
    ASSERT_NOTICED(leaf->used, ~(uint32_t)0);
    ASSERT_NOTICED(leaves->prefix, leaves->prefix + 1);
    ASSERT_NOTICED(leaves->top.used, leaves->top.used - 1);
}

/* When a unit is free besides the others. */
static int complaints_if_free(struct page_record *record, uint64_t bit)
{
    record->free |= bit;
    record->free_units++;
    int complaints = kma_audit();
    record->free &= ~bit;
    record->free_units--;
    return complaints;
}

/* U2 */
static void test_audit_of_free_units(void **state)
{
    (void)state;
    struct page_record *record = some.record, *small = record_for(some.span);
    ASSERT_NOTICED(record->free_units, record->free_units - 1);
    ASSERT_NOTICED(record->free_units, record->free_units + 1);
    ASSERT_NOTICED(record->free, record->free | 1);
    assert_int_equal(complaints_if_free(small, bit_of_unit(some.span)), 2); /* W2 */
    /* A page that is free as a whole. */
    record = record_for(some.far[0]);
    leave_bin(&state_of_root()->units, record);
    record->free = ~(uint64_t)0;
    record->free_units = UNITS;
    enter_bin(&state_of_root()->units, record, 0, UNITS);
    assert_int_equal(kma_audit(), 1);
    leave_bin(&state_of_root()->units, record);
    record->free = record->free_units = 0;
    enter_bin(&state_of_root()->units, record, UNITS, 0);
}

/* U3 */
static void test_audit_of_known_runs(void **state)
{
    (void)state;
    struct units *units = &state_of_root()->units;
    struct page_record *record = some.record, *full = record_for(some.far[0]);
    const struct run known = {record->start, record->length};
    ASSERT_NOTICED(record->start, record->start - 1);
    ASSERT_NOTICED(record->start, record->start + 1);
    ASSERT_NOTICED(record->start, UNITS);
    ASSERT_NOTICED(record->length, record->length + 1);
    ASSERT_NOTICED(record->length, UNITS + 1);
    const struct run wrong[] = {{known.start, 0}, {known.start, known.length + 1}};
    for (int i = 0; i < 2; i++) { /* and on the list for that */
        leave_bin(units, record);
        enter_bin(units, record, wrong[i].start, wrong[i].length);
        assert_int_equal(kma_audit(), 1);
    }
    leave_bin(units, record);
    enter_bin(units, record, known.start, known.length - 1);
    assert_int_equal(kma_audit(), 0); /* it need not be the longest */
    leave_bin(units, record);
    enter_bin(units, record, known.start, known.length);
    leave_bin(units, full);
    enter_bin(units, full, 0, 1);
    assert_int_equal(kma_audit(), 1);
    leave_bin(units, full);
    enter_bin(units, full, UNITS, 0);
}

/* U4 */
static void test_audit_of_page_lists(void **state)
{
    (void)state;
    struct units *units = &state_of_root()->units;
    struct page_record *record = some.record;
    struct page_record **head = &units->bin[LARGE_ZONE * BINS + record->length];
    assert_ptr_equal(*head, record);
    ASSERT_NOTICED(record->length, record->length - 1);
    ASSERT_NOTICED(record->zone, SMALL_ZONE);
    ASSERT_NOTICED(record->zone, ZONES);
    ASSERT_NOTICED(record->link, &record_for(some.far[0])->next);
    ASSERT_NOTICED(record->next, record);
    ASSERT_NOTICED(record->next, record_for(some.far[0]));
    ASSERT_NOTICED(*head, NULL);
    struct page_record **full = &units->bin[LARGE_ZONE * BINS];
    ASSERT_NOTICED(*full, (*full)->next);
    ASSERT_NOTICED((*full)->next, (*full)->next->next);
}

/* U5 */
static void test_audit_of_words(void **state)
{
    (void)state;
    uint64_t *nonempty = state_of_root()->units.nonempty;
    for (unsigned zone = 0; zone < ZONES; zone++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            nonempty[zone] ^= (uint64_t)1 << bit;
            assert_int_equal(kma_audit(), 1);
            nonempty[zone] ^= (uint64_t)1 << bit;
        }
    }
}

/* A leaf with a full page of this number, wherever that may lie. */
static struct page_record *add_made_up(struct units *units, kma_page_t *page,
                                       uintptr_t number)
{
    *page = (kma_page_t){0, (void *)(number * PAGESIZE), PAGESIZE};
    return take_page_in(units, page, LARGE_ZONE, UNITS - 1);
}

static void remove_made_up(struct units *units, struct page_record *record)
{
    uintptr_t number = page_number(record->base);
    struct leaf *leaf = radix_get(&units->leaves, number / 32);
    leave_bin(units, record);
    leaf->used &= ~((uint32_t)1 << number % 32);
    assert_int_equal(leaf->used, 0);
    radix_remove(&units->leaves, number / 32);
    give_leaf(units, leaf);
}

static int complaints_of(const struct units *units)
{
    return units_audit(units, visit_none, NULL);
}

/* The lists of pages of leaves, of which `full` has no vacant leaf and `last` has. */
static void break_leaf_lists(struct units *units, struct leaf_page *full,
                             struct leaf_page *last)
{
    list_remove(&last->link);
    assert_true(complaints_of(units) > 0);
    list_add_first(&units->leaf_pages, &full->link);
    assert_true(complaints_of(units) > 0);
    list_add_first(&units->leaf_pages, &last->link);
    assert_true(complaints_of(units) > 0);
    list_remove(&full->link);
    assert_int_equal(complaints_of(units), 0);
}

static void break_leaf_counts(struct units *units, struct leaf_page *last)
{
    struct leaf *vacant = last->vacant, *next = vacant->next_vacant;
    last->used++;
    assert_int_equal(complaints_of(units), 1);
    last->used -= 2;
    assert_true(complaints_of(units) > 0);
    last->used++;
    last->vacant = next;
    assert_true(complaints_of(units) > 0);
    last->vacant = NULL;
    assert_true(complaints_of(units) > 0);
    last->vacant = vacant;
    vacant->next_vacant = vacant;
    assert_true(complaints_of(units) > 0);
    vacant->next_vacant = next;
    assert_int_equal(complaints_of(units), 0);
}

/* A leaf with no page, and a page with no leaf in use, that are counted right. */
static void add_idle(struct units *units, struct page_record *record)
{
    struct leaf *leaf =
        radix_get(&units->leaves, page_number(record->base) / LEAF_PAGES);
    uint32_t used = leaf->used;
    leave_bin(units, record);
    leaf->used = 0;
    assert_int_equal(complaints_of(units), 1);
    leaf->used = used;
    enter_bin(units, record, record->start, record->length);
    assert_int_equal(complaints_of(units), 0);
    assert_true(add_leaf_page(units));
    assert_int_equal(complaints_of(units), 1);
    struct leaf_page *idle = LIST_OWNER(units->leaf_pages.next, struct leaf_page, link);
    list_remove(&idle->link);
    free_page(idle->page);
}

/* U6, and U1 of a leaf */
static void test_audit_of_leaves(void **state)
{
    (void)state;
    enum { LEAVES = 1 + LEAVES_IN_PAGE + 1 };
    static struct units units;
    static kma_page_t page[LEAVES];
    struct page_record *record[LEAVES];
    units_init(&units);
    for (int i = 0; i < LEAVES; i++) {
        record[i] = add_made_up(&units, &page[i], 7 + 32 * (uintptr_t)i);
        assert_int_equal(complaints_of(&units), 0);
    }
    assert_int_equal(record[0] == &units.first.record[7], 1);
    struct leaf_page *full = BASEADDR(record[1]), *last = BASEADDR(record[LEAVES - 1]);
    assert_ptr_equal(BASEADDR(record[LEAVES - 2]), full);
    assert_null(full->vacant);
    assert_int_equal(list_length(&units.leaf_pages), 1);
    break_leaf_lists(&units, full, last);
    break_leaf_counts(&units, last);
    full->used++;
    assert_true(complaints_of(&units) > 0);
    full->used--;
    add_idle(&units, record[LEAVES - 1]);
    for (int i = LEAVES - 1; i >= 0; i--) {
        remove_made_up(&units, record[i]);
        assert_int_equal(complaints_of(&units), 0);
    }
}

/* Pages from one end of the address space to the other. */
static void test_ends_of_address_space(void **state)
{
    (void)state;
    const uintptr_t last = UINTPTR_MAX / PAGESIZE;
    const uintptr_t number[] = {0, last, last / 2, 32, last - 32, last / 2 + 1};
    enum { COUNT = sizeof number / sizeof *number };
    static struct units units;
    kma_page_t page[COUNT];
    struct page_record *record[COUNT];
    units_init(&units);
    for (int i = 0; i < COUNT; i++) {
        record[i] = add_made_up(&units, &page[i], number[i]);
        assert_int_equal(complaints_of(&units), 0);
        for (int j = 0; j <= i; j++) {
            char *base = (char *)(number[j] * PAGESIZE);
            assert_ptr_equal(record_of(&units, base), record[j]);
            assert_ptr_equal(record_of(&units, base + PAGESIZE - 1), record[j]);
        }
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        remove_made_up(&units, record[i]);
        assert_int_equal(complaints_of(&units), 0);
    }
}

/* W1 */
static void test_audit_of_spans(void **state)
{
    (void)state;
    struct span *span = some.span, *full = some.full;
    struct size_class *class = class_for(OBJECT_BYTES);
    ASSERT_NOTICED(span->free, 0);
    ASSERT_NOTICED(span->free, all_objects(span));
    ASSERT_NOTICED(span->free, span->free | (all_objects(span) + 1));
    ASSERT_NOTICED(full->free, 1);
    ASSERT_NOTICED(span->objects, 0);
    ASSERT_NOTICED(span->objects, span->objects + 1);
    ASSERT_NOTICED(span->objects, MOST_OBJECTS + 1);
    ASSERT_NOTICED(full->objects, full->objects + 1);
    ASSERT_NOTICED(span->units, 0);
    ASSERT_NOTICED(span->units, 1);
    ASSERT_NOTICED(span->units, UNITS + 1);
    ASSERT_NOTICED(span->size_class, CLASSES);
    ASSERT_NOTICED(span->size_class, 0);
    ASSERT_NOTICED(span->size_class, CLASSES - 1);
    ASSERT_NOTICED_AS(class->partial, NULL, 1);
    ASSERT_NOTICED(span->prev, span);
    ASSERT_NOTICED(span->next, span);
    struct size_class *pairs = class_for(PAIR_BYTES);
    link_span(pairs, full);
    assert_true(kma_audit() > 0);
    unlink_span(pairs, full);
    unlink_span(class, span);
    link_span(pairs, span); /* where another class's are */
    assert_true(kma_audit() > 0);
    unlink_span(pairs, span);
    link_span(class, span);
}

/* W1: as if it were freed twice, to the list of its class and to its span */
static void test_audit_of_kept_objects(void **state)
{
    (void)state;
    char *block[3];
    for (int i = 0; i < 3; i++)
        block[i] = take(16);
    struct span *span = span_of(state_of_root(), block[0]);
    kma_free(block[0], 16);
    assert_ptr_equal(class_for(16)->kept, block[0]);
    uint64_t free = span->free, object = bit_of_object(span, block[0]);
    assert_true(free != 0 && (free | object) != all_objects(span));
    ASSERT_NOTICED_AS(span->free, free | object, 1);
    kma_free(block[1], 16);
    kma_free(block[2], 16);
}

/* W1, with lists of the right lengths */
static void test_audit_of_span_lists(void **state)
{
    (void)state;
    enum { BYTES = 32, MOST = MOST_OBJECTS + 1 };
    struct size_class *class = class_for(BYTES), *other = class_for(OBJECT_BYTES);
    char *block[MOST];
    block[0] = take(BYTES);
    struct span *full = class->partial;
    int count = full->objects + 1;
    for (int i = 1; i < count; i++)
        block[i] = take(BYTES);
    struct span *span = class->partial;
    assert_true(full->free == 0 && span != full);
    unlink_span(class, span);
    link_span(class, full);
    assert_int_equal(kma_audit(), 1);
    unlink_span(class, full);
    unlink_span(other, some.span);
    link_span(other, span);
    link_span(class, some.span);
    assert_int_equal(kma_audit(), 2); /* each on the other's list */
    unlink_span(other, span);
    unlink_span(class, some.span);
    link_span(other, some.span);
    link_span(class, span);
    assert_int_equal(kma_audit(), 0);
    for (int i = 0; i < count; i++)
        kma_free(block[i], BYTES);
}

/* W2 */
static void test_audit_of_units_of_spans(void **state)
{
    (void)state;
    struct page_record *record = record_for(some.span);
    uint64_t bit = bit_of_unit(some.span);
    ASSERT_NOTICED(record->spans, record->spans & ~bit);
    ASSERT_NOTICED(record->spans, record->spans | bit << 1);
    assert_int_equal(complaints_if_free(record, bit << 1), 1);
    record = record_for(some.full);
    bit = bit_of_unit(some.full);
    memset((char *)some.full + 4 * UNIT, 0, SPAN_HEAD); /* that is no head of a span */
    ASSERT_NOTICED_AS(record->spans, record->spans | bit << 4, 2);
}

/* W3 */
static void test_audit_of_classes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLASSES; i++) {
        struct size_class *class = &state_of_root()->classes[i];
        ASSERT_NOTICED_AS(class->objects, class->objects + 1, 1);
        ASSERT_NOTICED_AS(class->objects, class->objects - 1, 1);
    }
}

/* W4, W5 */
static void test_audit_of_bytes(void **state)
{
    (void)state;
    struct allocator *self = state_of_root();
    struct size_class *class = class_for(OBJECT_BYTES);
    size_t large = self->large;
    assert_int_equal(self->kept, UNIT);
    ASSERT_NOTICED_AS(self->kept, self->kept - 1, 1);
    ASSERT_NOTICED_AS(self->kept, self->kept + 1, 1);
    ASSERT_NOTICED_AS(self->kept, 0, 1);
    ASSERT_NOTICED_AS(class->kept, NULL, 1);
    ASSERT_NOTICED_AS(((struct block *)(void *)some.kept)->next, class->kept, 1);
    ASSERT_NOTICED_AS(self->small, 4 * UNIT - 1, 1);
    ASSERT_NOTICED_AS(self->small, 0, 1);
    size_t small = self->small;
    self->small = 4 * UNIT; /* just a quarter is kept */
    assert_int_equal(kma_audit(), 0);
    self->small = small;
    some.kept = take(OBJECT_BYTES);
    small = self->small;
    self->large = 0;
    ASSERT_NOTICED_AS(self->small, 0, 1); /* W5 */
    self->small = 0;
    self->large = 1;
    assert_int_equal(kma_audit(), 0);
    self->small = small;
    self->large = large;
    kma_free(some.kept, OBJECT_BYTES);
}

#define WORD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, start_with_none_kept, finish)
#define SPREAD_TEST(name) \
    cmocka_unit_test_setup_teardown(name, start_spread, finish_spread)
#define AUDIT_TEST(name) \
    cmocka_unit_test_setup_teardown(name, start_with_some, finish_with_some)

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
