/* test_lzbud.c - the lazy buddy system, from within: kma_lzbud.c is included. The
 * rules tested are those of DELAY-2 (Barkley and Lee, SOSP 1989): how a free is done
 * follows from the class's slack, and what it may cost from counted joining steps. */

#define WRAP_GET_PAGE
#include "harness.h"
#include "../kma_lzbud.c"
#include "white_box.h"

enum { CONTROL_PAGES = 2 /* root and leaf */ };

/* Orders by their share of a page. */
enum { HALF = TOP_ORDER - 1, QUARTER = TOP_ORDER - 2, EIGHTH = TOP_ORDER - 3 };

static void *take(int order)
{
    return kma_malloc(order == TOP_ORDER ? MAX_REQUEST : MIN_BLOCK << order);
}

static void give(void *block, int order)
{
    kma_free(block, order == TOP_ORDER ? MAX_REQUEST : MIN_BLOCK << order);
}

static int eighths(const void *block)
{
    return (int)(((uintptr_t)block & (PAGESIZE - 1)) * 8 / PAGESIZE);
}

static void assert_class(int order, int blocks, int local, int global)
{
    assert_int_equal(class_of(order)->blocks, blocks);
    assert_int_equal(class_of(order)->locally_free, local);
    assert_int_equal(class_of(order)->globally_free, global);
    assert_int_equal(kma_audit(), 0);
}

static bool on_list(const struct link *head, const void *block)
{
    for (const struct link *member = head->next; member != head; member = member->next)
        if (member == block)
            return TRUE;
    return FALSE;
}

static bool is_local(const void *block, int order)
{
    return on_list(&class_of(order)->local_list, block);
}

static bool is_global(const void *block, int order)
{
    return on_list(&class_of(order)->global_list, block);
}

/* An example worked by hand, in eighths of a page: N, L and G of the three classes
 * after each step. The guard keeps the page; slack is N - 2 L - G of the eighths. */
static void test_delay_2(void **state)
{
    (void)state;
    char *guard = take(HALF); /* 0; 4 to 7 globally free */
    assert_class(HALF, 2, 0, 1);
    char *a = take(EIGHTH); /* splits that half: 5 and 6 to 7 are left */
    assert_int_equal(eighths(a), 4);
    assert_class(HALF, 1, 0, 0);
    assert_class(QUARTER, 1, 0, 1);
    assert_class(EIGHTH, 2, 0, 1);
    char *b = take(EIGHTH); /* the free one */
    assert_int_equal(eighths(b), 5);
    assert_class(EIGHTH, 2, 0, 0);
    char *c = take(EIGHTH); /* splits the quarter */
    assert_int_equal(eighths(c), 6);
    assert_class(QUARTER, 0, 0, 0);
    assert_class(EIGHTH, 4, 0, 1); /* slack 3 */

    give(b, EIGHTH);               /* slack 3: lazy */
    assert_class(EIGHTH, 4, 1, 1); /* slack 1 */
    assert_true(is_local(b, EIGHTH));

    give(c, EIGHTH); /* slack 1: reclaiming; joins 7, not the guard's or a's half */
    assert_class(EIGHTH, 2, 1, 0); /* slack 0 */
    assert_class(QUARTER, 1, 0, 1);
    assert_true(is_global(c, QUARTER));

    /* Slack 0: accelerated. a finds its buddy b kept and does not join; then b, kept,
     * is freed too, joins a to a quarter, and that joins c's to a half. */
    give(a, EIGHTH);
    assert_class(EIGHTH, 0, 0, 0);
    assert_class(QUARTER, 0, 0, 0);
    assert_class(HALF, 2, 0, 1);
    assert_true(is_global(a, HALF));
    give(guard, HALF);
}

/* Both buddies of a kept pair stay as they are, and come back, oldest first, without
 * a bit of the map or a count but L being touched. */
static void test_lazy_state(void **state)
{
    (void)state;
    char *block[8];
    for (int i = 0; i < 8; i++) {
        block[i] = take(EIGHTH);
        assert_int_equal(eighths(block[i]), i);
    }
    struct granule_map before = page_record(block[0])->map;
    const int freed[] = {5, 2, 4, 3}; /* slack 8, 6, 4, 2 */
    for (int i = 0; i < 4; i++) {
        give(block[freed[i]], EIGHTH);
        assert_class(EIGHTH, 8, i + 1, 0);
        assert_memory_equal(&before, &page_record(block[0])->map, sizeof before);
    }
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(take(EIGHTH), block[freed[i]]);
        assert_class(EIGHTH, 8, 3 - i, 0);
        assert_memory_equal(&before, &page_record(block[0])->map, sizeof before);
    }
    for (int i = 0; i < 8; i++)
        give(block[i], EIGHTH);
}

/* A request prefers a kept block of its class to a free one, and a kept larger block
 * to split to a free one; the halves of a kept block that is split are free. */
static void test_kept_first(void **state)
{
    (void)state;
    char *a = take(QUARTER), *b = take(QUARTER), *c = take(QUARTER);
    assert_class(QUARTER, 4, 0, 1); /* the last quarter is free */
    give(b, QUARTER);               /* slack 3: kept */
    assert_class(QUARTER, 4, 1, 1);
    char *d = take(EIGHTH); /* there is none: out of b */
    assert_ptr_equal(d, b);
    assert_class(QUARTER, 3, 0, 1); /* slack 2 */
    assert_class(EIGHTH, 2, 0, 1);  /* slack 1 */
    assert_true(is_global(b + PAGESIZE / 8, EIGHTH));
    give(c, QUARTER); /* slack 2: kept, though its buddy is free */
    assert_class(QUARTER, 3, 1, 1);
    assert_ptr_equal(take(QUARTER), c);
    give(d, EIGHTH); /* slack 1: joined to b's quarter; the first is a's */
    assert_class(EIGHTH, 0, 0, 0);
    assert_class(QUARTER, 4, 0, 2);
    assert_true(is_global(b, QUARTER));
    give(a, QUARTER); /* slack 2: kept */
    assert_class(QUARTER, 4, 1, 2);
    give(c, QUARTER); /* the last of the page */
}

/* A page in which nothing is allocated goes, with its kept and its free blocks, while
 * the classes keep what they have in other pages. */
static void test_dissolve(void **state)
{
    (void)state;
    char *block[8];
    for (int i = 0; i < 8; i++)
        block[i] = take(EIGHTH);
    char *far = take(EIGHTH), *far_half = take(HALF);
    assert_ptr_not_equal(BASEADDR(far), BASEADDR(block[0]));
    assert_ptr_equal(BASEADDR(far), BASEADDR(far_half));
    assert_class(EIGHTH, 10, 0, 1); /* in the far page: far, one free eighth, */
    assert_class(QUARTER, 1, 0, 1); /* a free quarter and a half */
    assert_int_equal(pages_in_use(), CONTROL_PAGES + 2);
    for (int i = 0; i < 4; i++)
        give(block[i], EIGHTH); /* slack 9, 7, 5, 3: kept */
    assert_class(EIGHTH, 10, 4, 1);
    give(block[4], EIGHTH); /* slack 1: freed; its buddy 5 is in use */
    assert_class(EIGHTH, 10, 4, 2);
    assert_true(is_global(block[4], EIGHTH));
    give(block[6], EIGHTH); /* slack 0: freed, and with it 0, the oldest kept */
    assert_class(EIGHTH, 10, 3, 4);
    assert_true(is_global(block[0], EIGHTH));
    give(block[7], EIGHTH); /* slack 0: joins 6; and 1 is freed, and joins 0 */
    assert_class(EIGHTH, 6, 2, 2);
    assert_class(QUARTER, 3, 0, 3);
    give(block[5], EIGHTH); /* the last: what was 0 to 7 goes, 2 and 3 kept */
    assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
    assert_class(EIGHTH, 2, 0, 1);
    assert_class(QUARTER, 1, 0, 1);
    give(far, EIGHTH); /* slack 1: all joined but for the half in use */
    assert_class(HALF, 2, 0, 1);
    give(far_half, HALF);
}

/* The last block of a page was its class's last allocated one as well, and the class
 * keeps one in another page: slack would fall to -1, so that one is freed. */
static void test_dissolve_accelerates(void **state)
{
    (void)state;
    char *guard = take(QUARTER); /* first page: 0, and 2 to 3 free */
    char *kept = take(HALF);     /* 4 to 7 */
    char *last = take(HALF);     /* second page: 0, and 4 to 7 free */
    assert_class(HALF, 3, 0, 1);
    give(kept, HALF); /* slack 2 */
    assert_class(HALF, 3, 1, 1);
    give(last, HALF);
    assert_int_equal(pages_in_use(), CONTROL_PAGES + 1);
    assert_class(HALF, 1, 0, 1);
    assert_true(is_global(kept, HALF));
    give(guard, QUARTER);
}

struct counts {
    int blocks[ORDERS], local[ORDERS], global[ORDERS];
};

static struct counts count_classes(void)
{
    struct counts counts = {{0}, {0}, {0}};
    for (int order = 0; order < ORDERS && root != NULL; order++) {
        counts.blocks[order] = class_of(order)->blocks;
        counts.local[order] = class_of(order)->locally_free;
        counts.global[order] = class_of(order)->globally_free;
    }
    return counts;
}

/* Takes the blocks of one page, but for those allocated, off the counts. */
static void discount_page(struct counts *counts, const void *page)
{
    for (int order = 0; order < ORDERS; order++) {
        const struct link *head = &class_of(order)->local_list, *m;
        for (m = head->next; m != head; m = m->next) {
            counts->local[order] -= BASEADDR(m) == page;
            counts->blocks[order] -= BASEADDR(m) == page;
        }
        head = &class_of(order)->global_list;
        for (m = head->next; m != head; m = m->next) {
            counts->global[order] -= BASEADDR(m) == page;
            counts->blocks[order] -= BASEADDR(m) == page;
        }
    }
}

/* The joins between two counts, by order. A join of two blocks of order k lowers N of
 * class k by 2 and raises that of class k + 1 by 1, so from below:
 * joins[k] = (joins[k - 1] - change of N[k]) / 2. Returns their sum. */
static int count_joins(const struct counts *before, const struct counts *after,
                       int *joins)
{
    int sum = 0, below = 0;
    for (int order = 0; order < ORDERS; order++) {
        int twice = below - (after->blocks[order] - before->blocks[order]);
        assert_int_equal(twice % 2, 0);
        below = joins[order] = twice / 2;
        sum += below;
    }
    assert_int_equal(below, 0); /* pages are not joined */
    return sum;
}

/* Frees a block and holds what happened against the rules. */
static void check_free(char *block, int order)
{
    struct counts before = count_classes();
    int slack_before = slack(class_of(order)), chains, kept = 0, joins[ORDERS];
    bool last = page_record(block)->allocated == 1;
    if (last) {
        discount_page(&before, BASEADDR(block));
        before.blocks[order]--;
        chains =
            before.blocks[order] - 2 * before.local[order] - before.global[order] < 0;
    } else {
        kept = slack_before >= 2;
        chains = slack_before >= 2 ? 0 : slack_before == 1 ? 1 : 2;
    }
    int from_local = last ? chains : chains == 2;
    give(block, order);
    struct counts after = count_classes();
    int sum = count_joins(&before, &after, joins);
    assert_in_range(sum, 0, chains * TOP_ORDER);
    for (int k = 0; k < ORDERS; k++) {
        /* Each chain begins at the block's order and does not skip one. */
        int most = k < order ? 0 : k == order ? chains : joins[k - 1];
        assert_in_range(joins[k], 0, most);
        assert_int_equal(after.local[k] - before.local[k],
                         k == order ? kept - from_local : 0);
        int ends = k < order ? 0 : (k == order ? chains : joins[k - 1]) - joins[k];
        assert_int_equal(after.global[k] - before.global[k], ends - joins[k]);
        assert_true(root == NULL || slack(class_of(k)) >= 0);
    }
}

/* Random blocks, many pages, phases that grow and shrink: every free by the rules,
 * and slack = A - L at or above 0 after every call. */
static void test_every_free(void **state)
{
    (void)state;
    enum { LIVE = 1500, STEPS = 60000 };
    static char *block[LIVE];
    static int order[LIVE];
    int live = 0;
    uint64_t seed = 1;
    for (int step = 0; step < STEPS || live > 0; step++) {
        int growth = step / 5000 % 2 == 0 ? 6 : 4; /* in ten */
        if (step < STEPS && live < LIVE && random_between(&seed, 0, 9) < growth) {
            int largest = random_between(&seed, 0, 19) == 0 ? TOP_ORDER : 4;
            order[live] = random_between(&seed, 0, largest);
            block[live] = take(order[live]);
            assert_non_null(block[live++]);
        } else if (live > 0) {
            int which = random_between(&seed, 0, live - 1);
            check_free(block[which], order[which]);
            block[which] = block[--live];
            order[which] = order[live];
        }
        if (step % 500 == 0)
            assert_int_equal(kma_audit(), 0);
    }
}

/* Each invariant broken on purpose, and how many complaints that makes. */
static void test_audit(void **state)
{
    (void)state;
    char *a = take(QUARTER), *b = take(QUARTER);
    give(b, QUARTER); /* kept; the upper half is free */
    struct page_record *record = page_record(a);
    struct size_class *class = class_of(QUARTER), *half = class_of(HALF);
    struct free_block *upper = (void *)(a + PAGESIZE / 2);
    assert_class(QUARTER, 2, 1, 0);
    assert_class(HALF, 1, 0, 1);
    class->locally_free--; /* Z1: the length alone, slack being 2 */
    assert_int_equal(kma_audit(), 1);
    class->locally_free++;
    half->globally_free--; /* Z1: the length alone */
    assert_int_equal(kma_audit(), 1);
    half->globally_free++;
    /* Z1: slack -1, the length being right. Z6: a granule too many in the classes. */
    ((struct free_block *)(void *)a)->order = 0;
    keep_locally(class_of(0), (void *)a);
    class_of(0)->blocks = 1;
    assert_int_equal(kma_audit(), 2);
    take_local(class_of(0));
    class_of(0)->blocks = 0;
    assert_int_equal(kma_audit(), 0);

    size_t granule = granule_of(b);
    mark_free(&record->map, granule, 0); /* Z2 of the kept block, Z4 */
    assert_int_equal(kma_audit(), 2);
    mark_busy(&record->map, granule, 0);
    mark_busy(&record->map, granule_of(upper), 0); /* Z2 of the free block, Z4 */
    assert_int_equal(kma_audit(), 2);
    mark_free(&record->map, granule_of(upper), 0);
    mark_free(&record->map, 0, 0); /* Z4: a clear bit in an allocated block */
    assert_int_equal(kma_audit(), 1);
    mark_busy(&record->map, 0, 0);
    upper->order--; /* a block that misnames its order */
    assert_int_equal(kma_audit(), 1);
    upper->order++;

    /* Z3: the upper half in two free pieces, both listed right. */
    struct free_block *top = (void *)(a + PAGESIZE / 4 * 3);
    remove_global(half, upper);
    half->blocks--;
    upper->order = top->order = QUARTER;
    add_global(class, upper);
    add_global(class, top);
    class->blocks += 2;
    assert_int_equal(kma_audit(), 2);
    remove_global(class, upper);
    remove_global(class, top);
    class->blocks -= 2;
    upper->order = HALF;
    add_global(half, upper);
    half->blocks++;
    assert_int_equal(kma_audit(), 0);

    class_of(0)->blocks++; /* Z6: a granule and an allocated block too many */
    assert_int_equal(kma_audit(), 2);
    class_of(0)->blocks--;
    record->allocated++; /* Z6: a block the classes do not have */
    assert_int_equal(kma_audit(), 1);
    record->allocated -= 2; /* Z5, Z6: a page to be dissolved */
    assert_int_equal(kma_audit(), 2);
    record->allocated++;
    assert_int_equal(kma_audit(), 0);
    give(a, QUARTER);

    /* Z5: a whole page on a list of its order. Kept: slack is -1 (Z1), and no block is
     * allocated where the record says one is (Z6). Free: all its bits are clear (Z5),
     * and Z6; or else the record says that nothing is allocated (Z5). */
    a = take(TOP_ORDER);
    ((struct free_block *)(void *)a)->order = TOP_ORDER;
    keep_locally(class_of(TOP_ORDER), (void *)a);
    assert_int_equal(kma_audit(), 3);
    take_local(class_of(TOP_ORDER));
    add_global(class_of(TOP_ORDER), (void *)a);
    mark_free(&page_record(a)->map, 0, TOP_ORDER);
    assert_int_equal(kma_audit(), 3);
    page_record(a)->allocated = 0;
    assert_int_equal(kma_audit(), 2);
    page_record(a)->allocated = 1;
    mark_busy(&page_record(a)->map, 0, TOP_ORDER);
    take_global(class_of(TOP_ORDER));
    give(a, TOP_ORDER);
}

#define LZBUD_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LZBUD_TEST(test_delay_2),
        LZBUD_TEST(test_lazy_state),
        LZBUD_TEST(test_kept_first),
        LZBUD_TEST(test_dissolve),
        LZBUD_TEST(test_dissolve_accelerates),
        LZBUD_TEST(test_every_free),
        LZBUD_TEST(test_audit),
    };
    return cmocka_run_group_tests_name("lzbud", tests, NULL, NULL);
}
