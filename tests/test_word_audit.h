/* test_word_audit.h - part of test_word.c: that each invariant is noticed when it is broken. */
#ifndef KMA_TESTS_TEST_WORD_AUDIT_H
#define KMA_TESTS_TEST_WORD_AUDIT_H

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

#endif
