/* test_word_runs.h - part of test_word.c: how runs of units are taken and given back, against a model of every unit. */
#ifndef KMA_TESTS_TEST_WORD_RUNS_H
#define KMA_TESTS_TEST_WORD_RUNS_H

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

#endif
