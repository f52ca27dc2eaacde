/* test_slab.c - the slab allocator, from within: kma_slab.c is included. Object caches
 * here, as their clients see them and then their slabs; the rest in test_slab_*.h. */

#include <limits.h>
#define WRAP_GET_PAGE
#include "harness.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../kma_slab.c"
#include "white_box.h"

enum {
    MANY = 70000, /* objects or blocks at a time */
    /* Caches, more than the root page has room for. */
    MORE_CACHES = PAGESIZE / sizeof(struct size_cache) + 1,
    /* Bytes of objects of which shorter runs would waste more than 1/8. */
    LONGEST_RUN = (PAGESIZE << MAX_PAGE_ORDER) / 256 * 27
};

static char *object[MANY];
static uint64_t seed;

static kmem_cache_t *create(const char *name, size_t size, size_t align)
{
    kmem_cache_t *cache = kmem_cache_create(name, size, align, NULL, NULL);
    assert_non_null(cache);
    return cache;
}

static void *take(kmem_cache_t *cache)
{
    void *got = kmem_cache_alloc(cache);
    assert_non_null(got);
    return got;
}

/* object[first] and those behind it. */
static void take_many(kmem_cache_t *cache, int first, int count)
{
    for (int i = first; i < first + count; i++)
        object[i] = take(cache);
}

static void give_many(kmem_cache_t *cache, int first, int count)
{
    for (int i = first; i < first + count; i++)
        kmem_cache_free(cache, object[i]);
}

static void destroy(kmem_cache_t *cache)
{
    assert_int_equal(kmem_cache_destroy(cache), KMEM_DESTROYED);
}

/* What kmem_slabinfo says, row by row. */
static struct {
    struct kmem_slabinfo row[CLASSES + MORE_CACHES + 9];
    int rows;
} table;

static void add_row(const struct kmem_slabinfo *row, void *context)
{
    assert_ptr_equal(context, &table);
    table.row[table.rows++] = *row;
}

static void read_table(void)
{
    table.rows = 0;
    kmem_slabinfo(add_row, &table);
}

/* The row of a cache; all zero if there is none of that name. */
static struct kmem_slabinfo row_of(const char *name)
{
    read_table();
    for (int i = 0; i < table.rows; i++) {
        if (strcmp(table.row[i].name, name) == 0)
            return table.row[i];
    }
    return (struct kmem_slabinfo){0};
}

static void assert_row(const char *name, const size_t columns[7])
{
    struct kmem_slabinfo row = row_of(name);
    assert_non_null(row.name);
    assert_int_equal(row.active_objects, columns[0]);
    assert_int_equal(row.objects, columns[1]);
    assert_int_equal(row.object_size, columns[2]);
    assert_int_equal(row.objects_per_slab, columns[3]);
    assert_int_equal(row.pages_per_slab, columns[4]);
    assert_int_equal(row.active_slabs, columns[5]);
    assert_int_equal(row.slabs, columns[6]);
}

#define ASSERT_ROW(name, ...) assert_row(name, (const size_t[7]){__VA_ARGS__})

/* ---- object caches: what a client sees */

static void test_create_refuses(void **state)
{
    (void)state;
    const struct {
        size_t size, align;
    } bad[] = {
        {0, 0},  {KMEM_MAX_SIZE + 1, 0}, {SIZE_MAX, 0},  {SIZE_MAX - 7, 8}, {8, 3},
        {8, 24}, {8, SIZE_MAX},          {8, LARGE + 1}, {8, 2 * LARGE}};
    for (int round = 0; round < 2; round++) { /* idle, and with a cache */
        kmem_cache_t *cache = round == 0 ? NULL : create("one", 8, 8);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            assert_null(
                kmem_cache_create("bad", bad[i].size, bad[i].align, NULL, NULL));
            assert_int_equal(pages_in_use(), round);
            assert_int_equal(kma_audit(), 0);
        }
        if (cache != NULL)
            destroy(cache);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* The least, the greatest, and one of a size for which only the longest run will do. */
static void test_least_and_greatest_size(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(3 << MAX_PAGE_ORDER), 0);
    kmem_cache_t *least = create("least", 1, 1);
    kmem_cache_t *greatest = create("greatest", KMEM_MAX_SIZE, LARGE);
    kmem_cache_t *longest = create("longest", LONGEST_RUN, 0);
    take_many(longest, 0, 9);
    take_many(greatest, 9, 3);
    take_many(least, 12, 2);
    assert_int_equal(object[13] - object[12], GRAIN);
    for (int i = 0; i < 12; i++)
        memset(object[i], i, i < 9 ? LONGEST_RUN : KMEM_MAX_SIZE);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(object[i][0], i);
        assert_int_equal(object[i][(i < 9 ? LONGEST_RUN : KMEM_MAX_SIZE) - 1], i);
    }
    assert_int_equal((uintptr_t)object[10] % LARGE, 0);
    ASSERT_ROW("greatest", 3, 3, (PAGESIZE << MAX_PAGE_ORDER) / 8, 1,
               1 << MAX_PAGE_ORDER >> 3, 3, 3);
    ASSERT_ROW("longest", 9, 9, LONGEST_RUN, 9, 1 << MAX_PAGE_ORDER, 1, 1);
    assert_int_equal(kma_audit(), 0);
    give_many(longest, 0, 9);
    give_many(greatest, 9, 3);
    give_many(least, 12, 2);
    destroy(longest);
    destroy(greatest);
    destroy(least);
}

static void test_names(void **state)
{
    (void)state;
    const char *name[] = {"", "inode", "exactly twenty-three ch",
                          "exactly twenty-four cha",
                          "a name that is longer than any cache keeps"};
    kmem_cache_t *cache[5];
    for (int i = 0; i < 5; i++) {
        char copy[80];
        strcpy(copy, name[i]);
        cache[i] = create(copy, 100, 0);
        memset(copy, 'x', sizeof copy);
    }
    read_table();
    assert_int_equal(table.rows, 1 + 5);
    for (int i = 0; i < 5; i++) { /* the newest first */
        const char *kept = table.row[5 - i].name;
        assert_int_equal(strncmp(kept, name[i], KMEM_NAME_BYTES - 1), 0);
        assert_int_equal(strlen(kept), strlen(name[i]) < KMEM_NAME_BYTES
                                           ? strlen(name[i])
                                           : KMEM_NAME_BYTES - 1);
    }
    assert_int_equal(kma_audit(), 0);
    for (int i = 0; i < 5; i++)
        destroy(cache[i * 2 % 5]); /* from amid the others too */
}

/* Destroying is refused as long as one object is live, and changes nothing then. */
static void test_destroy(void **state)
{
    (void)state;
    const size_t sizes[] = {40, LARGE, PAGESIZE + 8};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        kmem_cache_t *cache = create("busy", sizes[i], 0);
        take_many(cache, 0, 300 / (int)(1 + i * 10));
        give_many(cache, 1, 300 / (int)(1 + i * 10) - 1);
        struct kmem_slabinfo before = row_of("busy");
        int pages = pages_in_use();
        memset(object[0], 7, sizes[i]);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(kmem_cache_destroy(cache), KMEM_OBJECTS_LIVE);
            struct kmem_slabinfo after = row_of("busy");
            assert_memory_equal(&after, &before, sizeof after);
            assert_int_equal(pages_in_use(), pages);
            assert_int_equal(kma_audit(), 0);
        }
        assert_int_equal(object[0][sizes[i] - 1], 7);
        object[1] = take(cache); /* it still serves */
        give_many(cache, 0, 2);
        destroy(cache);
        assert_int_equal(pages_in_use(), 0);
    }
}

/* With an empty slab kept, as current or beside it. */
static void test_destroy_with_a_kept_slab(void **state)
{
    (void)state;
    for (int sooner = 0; sooner < 2; sooner++) {
        kmem_cache_t *cache = create("kept", PAGESIZE / 2, 0);
        enum { SLABS = 4 * SLABS_FOR_SPARE };
        take_many(cache, 0, 2 * SLABS);
        if (sooner)
            give_many(cache, 0, 2);
        else
            give_many(cache, 1, 2); /* the next two are half empty, then */
        if (!sooner)
            give_many(cache, 3, 1);
        assert_int_equal(kma_audit(), 0);
        assert_int_equal(row_of("kept").slabs, SLABS);
        assert_int_equal(row_of("kept").active_slabs, SLABS - 1);
        assert_int_equal(cache->spare == NULL, sooner);
        int pages = pages_in_use();
        assert_int_equal(kmem_cache_destroy(cache), KMEM_OBJECTS_LIVE);
        assert_int_equal(pages_in_use(), pages);
        if (!sooner)
            kmem_cache_free(cache, object[0]);
        give_many(cache, sooner ? 2 : 4, 2 * SLABS - (sooner ? 2 : 4));
        assert_int_equal(pages_in_use(), 1);
        destroy(cache);
    }
}

/* The state that a process gets to when it calls `wrong`: a signal, or none. */
static int signal_of(void (*wrong)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        wrong();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static kmem_cache_t *right_cache, *wrong_cache;

static void free_into_right_cache(void)
{
    kmem_cache_free(right_cache, object[0]);
}

static void free_into_wrong_cache(void)
{
    kmem_cache_free(wrong_cache, object[0]);
}

static void free_no_object(void)
{
    kmem_cache_free(right_cache, &seed);
}

static void test_free_into_the_wrong_cache(void **state)
{
    (void)state;
    right_cache = create("right", 40, 0);
    wrong_cache = create("wrong", 40, 0);
    object[0] = take(right_cache);
    object[1] = take(wrong_cache);
    assert_int_equal(signal_of(free_into_right_cache), 0);
    assert_int_equal(signal_of(free_into_wrong_cache), SIGABRT);
    assert_int_equal(signal_of(free_no_object), SIGABRT);
    kmem_cache_free(right_cache, object[0]);
    kmem_cache_free(wrong_cache, object[1]);
    destroy(right_cache);
    destroy(wrong_cache);
}

/* ---- object caches: where objects lie */

static size_t round_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) / align * align;
}

/* The order of a slab and its capacity, as the rule says. */
static int rule(size_t stride, size_t align, size_t *capacity)
{
    size_t control = stride < PAGESIZE / 8 ? round_up(sizeof(struct slab), align) : 0;
    for (int order = 0; order <= MAX_PAGE_ORDER; order++) {
        size_t bytes = (size_t)PAGESIZE << order;
        if (control + stride > bytes)
            continue;
        *capacity = (bytes - control) / stride;
        size_t used = *capacity * stride;
        if (bytes - used <= bytes / 8)
            return order;
    }
    return -1;
}

static void construct_nothing(void *ptr, size_t size)
{
    (void)ptr, (void)size;
}

static void check_layout(size_t size, size_t align, bool constructed)
{
    kmem_cache_t *cache = kmem_cache_create(
        "layout", size, align, constructed ? construct_nothing : NULL, NULL);
    assert_non_null(cache);
    size_t aligned = align < 8 ? 8 : align;
    size_t stride = round_up(size + (constructed ? sizeof(void *) : 0), aligned);
    size_t capacity = 0;
    int order = rule(stride, aligned, &capacity);
    if (cache->order != order || cache->capacity != capacity || cache->stride != stride)
        fail_msg(
            "%zu bytes aligned to %zu: %d objects of %u in order %d, not %zu in %d",
            size, align, cache->capacity, cache->stride, cache->order, capacity, order);
    int highest = level_of(cache, cache->capacity); /* as many as LEVELS allows */
    assert_true(highest < LEVELS);
    assert_true(2 * highest + 1 >= LEVELS || highest == (int)capacity - 1);
    destroy(cache);
}

/* The smallest slab that wastes at most 1/8, control data in it being waste. Strides are
 * multiples of 8, so steps of 7 bytes leave none of them out. */
static void test_slab_order(void **state)
{
    (void)state;
    kmem_cache_t *anchor = create("anchor", 8, 0);
    for (size_t size = 1; size <= KMEM_MAX_SIZE; size += size < 4 * PAGESIZE ? 1 : 7)
        check_layout(size, 0, FALSE);
    for (size_t align = 1; align <= LARGE; align *= 2) {
        for (size_t size = 1; size < 4 * PAGESIZE; size += align < 16 ? 8 : align / 2) {
            check_layout(size, align, FALSE);
            check_layout(size, align, TRUE);
        }
        check_layout(KMEM_MAX_SIZE, align, TRUE);
    }
    destroy(anchor);
}

/* Three slabs of objects of this size: aligned, apart from each other and from control
 * data, which a slab of small objects begins with and others do not have in them. */
static void check_places(size_t size, size_t align, bool constructed)
{
    kmem_cache_t *cache = kmem_cache_create(
        "places", size, align, constructed ? construct_nothing : NULL, NULL);
    assert_non_null(cache);
    int count = 2 * cache->capacity + 1;
    for (int i = 0; i < count; i++) {
        object[i] = take(cache);
        assert_int_equal((uintptr_t)object[i] % (align < 8 ? 8 : align), 0);
        const kma_page_t *pages = pool_page_of(object[i]);
        const struct slab *slab = slab_of(object[i]);
        assert_ptr_equal(slab->cache, cache);
        assert_ptr_equal(slab->pages, pages);
        assert_int_equal((const void *)slab == pages->ptr,
                         cache->stride < PAGESIZE / 8);
        size_t offset = (size_t)(object[i] - (char *)pages->ptr);
        if (cache->stride < PAGESIZE / 8)
            assert_true(offset >= sizeof *slab);
        assert_true(offset + size <= (size_t)pages->size);
        assert_int_equal((uintptr_t)link_of(cache, object[i]) % sizeof(void *), 0);
        memset(object[i], i, size);
    }
    for (int i = 0; i < count; i++) { /* nobody wrote into it */
        assert_int_equal((unsigned char)object[i][0], i % 256);
        assert_int_equal((unsigned char)object[i][size - 1], i % 256);
    }
    assert_int_equal(kma_audit(), 0);
    give_many(cache, 0, count);
    assert_int_equal(kma_audit(), 0);
    destroy(cache);
}

static void test_places(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(4096), 0);
    for (size_t align = 1; align <= LARGE; align *= 2) {
        const size_t sizes[] = {1,         align,        align + 1,
                                40,        LARGE - 9,    LARGE - 8,
                                LARGE - 7, LARGE,        LARGE + 1,
                                3 * LARGE, PAGESIZE / 2, PAGESIZE - 8,
                                PAGESIZE,  PAGESIZE + 1, 3 * PAGESIZE + 100};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            check_places(sizes[i], align, FALSE);
            check_places(sizes[i], align, TRUE);
        }
    }
}

/* The control data of large objects are objects of a cache, which exists as long. */
static void test_control_data_outside(void **state)
{
    (void)state;
    kmem_cache_t *below = create("below", LARGE - 8, 0),
                 *from = create("from", LARGE, 0);
    object[0] = take(below);
    assert_null(row_of("kmem_slab").name);
    take_many(from, 1, 9);
    assert_ptr_equal(BASEADDR(object[1]), object[1]); /* the slab's first byte */
    assert_int_equal(object[8] - object[1], 7 * LARGE);
    const struct slab *slab = slab_of(object[1]);
    assert_ptr_not_equal(slab, slab_of(object[9]));
    assert_string_equal(slab_of(slab)->cache->name, "kmem_slab");
    assert_int_equal(row_of("kmem_slab").active_objects, 2);
    assert_int_equal(pages_in_use(), 1 + 1 + 2 + 1);
    kmem_cache_free(from, object[9]);
    assert_int_equal(row_of("kmem_slab").active_objects, 1);
    give_many(from, 1, 8);
    assert_null(row_of("kmem_slab").name);
    assert_int_equal(pages_in_use(), 1 + 1);
    kmem_cache_free(below, object[0]);
    destroy(below);
    destroy(from);
}

/* A slab of several pages is found from any of them. */
static void test_objects_across_pages(void **state)
{
    (void)state;
    assert_int_equal(pool_open(1024), 0);
    for (size_t size = PAGESIZE / 2 + 8; size < 9 * PAGESIZE; size += PAGESIZE / 3) {
        kmem_cache_t *cache = create("wide", size, 0);
        int count = 2 * cache->capacity + 1, crossing = 0;
        take_many(cache, 0, count);
        for (int i = 0; i < count; i++) {
            const struct slab *slab = slab_of(object[i]);
            crossing += BASEADDR(object[i]) != BASEADDR(object[i] + size - 1);
            for (size_t at = 0; at < size; at += size / 7)
                assert_ptr_equal(slab_at(object[i] + at), slab);
            const kma_page_t *pages = slab->pages;
            assert_int_equal(pages->size, PAGESIZE << cache->order);
            assert_int_equal((uintptr_t)pages->ptr % (uintptr_t)pages->size, 0);
        }
        assert_true(crossing > 0);
        assert_int_equal(pages_in_use(), 1 + 1 + (3 << cache->order));
        assert_int_equal(kma_audit(), 0);
        give_many(cache, 0, count);
        assert_int_equal(pages_in_use(), 1);
        destroy(cache);
    }
}

/* The places where successive slabs begin, in lines: 0, 1, 2 .. and then 0 again. */
static void check_colours(size_t size, size_t align)
{
    kmem_cache_t *cache = create("colours", size, align);
    size_t step = align > 64 ? align : 64;
    size_t control =
        cache->stride < PAGESIZE / 8 ? round_up(sizeof(struct slab), align) : 0;
    size_t bytes = (size_t)PAGESIZE << cache->order;
    size_t rest = bytes - control - (size_t)cache->capacity * cache->stride;
    size_t colours = (rest < PAGESIZE ? rest : PAGESIZE - 1) / step + 1;
    int slabs = (int)colours < 3 ? 7 : (int)colours + 3;
    for (int i = 0; i < slabs; i++) {
        take_many(cache, i * cache->capacity, cache->capacity);
        const char *first = object[i * cache->capacity];
        const char *begin = pool_page_of(first)->ptr;
        assert_int_equal(first - begin, control + step * ((size_t)i % colours));
        const char *last = object[(i + 1) * cache->capacity - 1];
        assert_true(last + size <= begin + bytes);
        assert_int_equal((uintptr_t)first % align, 0);
    }
    assert_int_equal(kma_audit(), 0);
    give_many(cache, 0, slabs * cache->capacity);
    destroy(cache);
}

static void test_colours(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(8192), 0);
    check_colours(PAGESIZE / 16 + 8, 8);             /* lines left over: colours */
    check_colours(PAGESIZE / 16 + PAGESIZE / 64, 8); /* other ones */
    check_colours(PAGESIZE / 16 + 8, 128);
    check_colours(PAGESIZE / 8 + PAGESIZE / 64, 8); /* control data outside */
    check_colours(PAGESIZE / 8 + PAGESIZE / 64, PAGESIZE / 16);
    check_colours(PAGESIZE / 8, 8); /* nothing left over: one colour */
    check_colours(9 * PAGESIZE + PAGESIZE / 2,
                  PAGESIZE / 16); /* no more colours than in a page */
}

/* ---- object caches: which object is next */

/* Objects in use of the fullest slab that has one free, of those that hold object[0] to
 * object[count - 1]. */
static int fullest_partial(const kmem_cache_t *cache, int count)
{
    int most = 0;
    for (int i = 0; i < count; i++) {
        int in_use = slab_of(object[i])->in_use;
        if (in_use > most && in_use < cache->capacity)
            most = in_use;
    }
    return most;
}

/* Objects of so many slabs come and go at random, and each that comes is from a slab than
 * which none is fuller, or, where more than CANDIDATES are partial, of its level. */
static void check_fullest_first(size_t size, int slabs, int steps)
{
    kmem_cache_t *cache = create("fullest", size, 0);
    int live = cache->capacity * slabs, chosen = 0;
    assert_true(live < MANY);
    take_many(cache, 0, live);
    for (int step = 0; step < steps; step++) {
        for (int i = random_between(&seed, 1, live / 4); i > 0; i--) {
            int which = random_between(&seed, 0, live - 1);
            kmem_cache_free(cache, object[which]);
            object[which] = object[--live];
        }
        for (int i = random_between(&seed, 1, cache->capacity * slabs - live); i > 0;
             i--) {
            int most = fullest_partial(cache, live);
            object[live] = take(cache);
            int before = slab_of(object[live++])->in_use - 1;
            if (slabs <= CANDIDATES)
                assert_int_equal(before, most);
            else if (most > 0)
                assert_int_equal(level_of(cache, (unsigned)before),
                                 level_of(cache, (unsigned)most));
            chosen += most > 0;
        }
        assert_int_equal(kma_audit(), 0);
    }
    assert_true(chosen > steps);
    give_many(cache, 0, live);
    destroy(cache);
}

static void test_fullest_first(void **state)
{
    (void)state;
    seed = 1;
    assert_int_equal(pool_open(1024), 0);
    check_fullest_first(PAGESIZE / 4, 8, 100); /* 4 objects in a slab */
    check_fullest_first(PAGESIZE / 8, 15, 100);
    check_fullest_first(PAGESIZE / 20, 12, 40);
    check_fullest_first(PAGESIZE / 80, 8, 15);
    check_fullest_first(PAGESIZE / 20, 60, 10); /* more than are compared */
}

/* Three slabs emptied to different degrees: the order in which they fill up again, though
 * one level may have all of them. */
static void test_slabs_fill_up_in_order(void **state)
{
    (void)state;
    static const int turns[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    kmem_cache_t *cache = create("degrees", PAGESIZE / 100, 0);
    for (int turn = 0; turn < 6; turn++) {
        int capacity = cache->capacity, slab[4];
        take_many(cache, 0, 4 * capacity); /* the fourth stays full */
        for (int i = 0; i < 3; i++) {
            slab[i] = turns[turn][i];
            give_many(cache, slab[i] * capacity, i + 1);
        }
        for (int i = 0; i < 3; i++) {
            for (int freed = 0; freed <= i; freed++) {
                char *got = take(cache);
                assert_ptr_equal(BASEADDR(got),
                                 BASEADDR(object[slab[i] * capacity + i + 1]));
                object[slab[i] * capacity + freed] = got;
            }
        }
        assert_null(cache->current);
        give_many(cache, 0, 4 * capacity);
    }
    destroy(cache);
}

/* A full slab that gets an object back serves it next; of its objects the one given back
 * last comes first. */
static void test_full_slab_serves_again(void **state)
{
    (void)state;
    kmem_cache_t *cache = create("again", 100, 0);
    int capacity = cache->capacity;
    take_many(cache, 0, 2 * capacity + 1);
    kmem_cache_free(cache, object[3]);
    kmem_cache_free(cache, object[5]);
    assert_ptr_equal(take(cache), object[5]);
    assert_ptr_equal(take(cache), object[3]);
    object[2 * capacity + 1] = take(cache); /* full again: the third goes on */
    assert_ptr_equal(BASEADDR(object[2 * capacity + 1]),
                     BASEADDR(object[2 * capacity]));
    assert_int_equal(object[2 * capacity + 1] - object[2 * capacity], cache->stride);
    give_many(cache, 0, 2 * capacity + 2);
    destroy(cache);
}

/* ---- object caches: empty slabs */

static void test_empty_slab_goes_back(void **state)
{
    (void)state;
    kmem_cache_t *cache = create("few", 100, 0);
    int capacity = cache->capacity;
    take_many(cache, 0, SLABS_FOR_SPARE * capacity);
    for (int i = 0; i < SLABS_FOR_SPARE; i++) {
        assert_int_equal(pages_in_use(), 1 + SLABS_FOR_SPARE - i);
        give_many(cache, i * capacity, capacity);
        assert_int_equal(kma_audit(), 0);
        assert_int_equal(kmem_cache_shrink(cache), 0); /* nothing was kept */
    }
    assert_int_equal(pages_in_use(), 1);
    destroy(cache);
}

/* One empty slab is kept, and only beside more than SLABS_FOR_SPARE - 1 others. */
static void test_one_empty_slab_is_kept(void **state)
{
    (void)state;
    const size_t sizes[] = {100, PAGESIZE / 3, PAGESIZE, 2 * PAGESIZE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        enum { SLABS = SLABS_FOR_SPARE + 3 };
        kmem_cache_t *cache = create("many", sizes[i], 0);
        int capacity = cache->capacity;
        take_many(cache, 0, SLABS * capacity);
        for (int slab = SLABS; slab > 0; slab--) {
            give_many(cache, (slab - 1) * capacity, capacity);
            size_t kept = slab > SLABS_FOR_SPARE;
            assert_int_equal(row_of("many").slabs, (size_t)slab - 1 + kept);
            assert_int_equal(row_of("many").active_slabs, slab - 1);
            assert_int_equal(kma_audit(), 0);
        }
        assert_int_equal(pages_in_use(), 1);
        take_many(cache, 0, SLABS * capacity);
        give_many(cache, 0, capacity);
        page_calls.calls = 0;
        take_many(cache, 0, capacity); /* the one that was kept */
        assert_int_equal(page_calls.calls, 0);
        give_many(cache, 0, SLABS * capacity);
        destroy(cache);
    }
}

static void test_shrink(void **state)
{
    (void)state;
    assert_int_equal(pool_open(1024), 0);
    for (size_t size = 100; size < 5 * PAGESIZE; size = size * 3 / 2) {
        enum { SLABS = SLABS_FOR_SPARE + 3 };
        kmem_cache_t *cache = create("shrinks", size, 0);
        int capacity = cache->capacity, pages = 1 << cache->order;
        assert_int_equal(kmem_cache_shrink(cache), 0);
        take_many(cache, 0, SLABS * capacity);
        assert_int_equal(kmem_cache_shrink(cache), 0);
        int before = pages_in_use();
        give_many(cache, 0, capacity);
        assert_int_equal(pages_in_use(), before);
        assert_int_equal(kmem_cache_shrink(cache), pages);
        assert_int_equal(pages_in_use(), before - pages);
        assert_int_equal(kma_audit(), 0);
        assert_int_equal(kmem_cache_shrink(cache), 0);
        /* Now one that is kept while another slab is partial. */
        kmem_cache_free(cache, object[capacity]);
        give_many(cache, 2 * capacity, capacity);
        bool another = capacity > 1;
        assert_int_equal(kmem_cache_shrink(cache), pages);
        assert_int_equal(pages_in_use(), before - (another ? 2 : 3) * pages);
        assert_int_equal(kma_audit(), 0);
        give_many(cache, capacity + 1, capacity - 1);
        give_many(cache, 3 * capacity, (SLABS - 3) * capacity);
        destroy(cache);
    }
}

/* More caches than the root page has room for. */
static void test_many_caches(void **state)
{
    (void)state;
    kmem_cache_t *cache[MORE_CACHES];
    int turn[MORE_CACHES];
    seed = 4;
    assert_int_equal(pool_open(1024), 0);
    for (int i = 0; i < MORE_CACHES; i++) {
        cache[i] = create("one of many", 8 * ((size_t)i + 1), 0);
        assert_int_equal((uintptr_t)cache[i] % GRAIN, 0);
        turn[i] = i;
        assert_int_equal(row_of("kmem_cache").active_objects, i + 1);
    }
    struct kmem_slabinfo row = row_of("kmem_cache");
    size_t in_root = row.objects - (row.slabs - 1) * row.objects_per_slab;
    assert_int_equal(in_root, (PAGESIZE - sizeof(struct allocator)) / row.object_size);
    assert_in_range(in_root, 1, row.objects_per_slab - 1);
    assert_int_equal(pages_in_use(), row.slabs);
    assert_int_equal(row.active_slabs, row.slabs);
    assert_int_equal(kma_audit(), 0);
    shuffle(&seed, turn, MORE_CACHES);
    for (int i = 0; i < MORE_CACHES; i++) {
        object[turn[i]] = take(cache[turn[i]]);
        memset(object[turn[i]], 1, cache[turn[i]]->size);
    }
    assert_int_equal(kma_audit(), 0);
    for (int i = 0; i < MORE_CACHES; i++) {
        kmem_cache_free(cache[turn[i]], object[turn[i]]);
        destroy(cache[turn[i]]);
        assert_int_equal(kma_audit(), 0);
    }
}

/* ---- object caches: constructed objects */

enum { FRESH, CONSTRUCTED, DESTRUCTED };

/* What was done to the object at each place of the pool, in units of GRAIN. */
static struct {
    char *base; /* the pool's first byte */
    unsigned char state[256 * PAGESIZE / GRAIN];
    long constructed, destructed;
    size_t size;
} life;

static void open_life(void)
{
    kma_page_t *page = get_page();
    memset(&life, 0, sizeof life);
    life.base = (char *)page->ptr - (size_t)page->id * PAGESIZE;
    free_page(page);
}

static unsigned char *life_of(const void *ptr)
{
    return &life.state[((const char *)ptr - life.base) / GRAIN];
}

static void construct(void *ptr, size_t size)
{
    assert_int_not_equal(*life_of(ptr), CONSTRUCTED);
    *life_of(ptr) = CONSTRUCTED;
    life.constructed++;
    life.size = size;
    memset(ptr, 'c', size);
}

/* Its client gives an object back as it was constructed, but for its first byte. */
static void destruct(void *ptr, size_t size)
{
    const char *bytes = ptr;
    assert_int_equal(*life_of(ptr), CONSTRUCTED);
    *life_of(ptr) = DESTRUCTED;
    life.destructed++;
    for (size_t i = 1; i < size; i++)
        assert_int_equal(bytes[i], 'c');
    memset(ptr, 'd', size);
}

static void check_constructed(const char *ptr, size_t size)
{
    assert_int_equal(*life_of(ptr), CONSTRUCTED);
    for (size_t i = 1; i < size; i++)
        assert_int_equal(ptr[i], 'c');
}

/* Each object is constructed before it is first used, then never while its slab lives,
 * and destructed with its slab. */
static void check_lives(size_t size, int most)
{
    kmem_cache_t *cache = kmem_cache_create("alive", size, 0, construct, destruct);
    int live = 0;
    open_life();
    for (int step = 0; step < 4000; step++) {
        int growth = step / 500 % 2 ? 35 : 65;
        if (live == 0 || (live < most && random_between(&seed, 1, 100) <= growth)) {
            object[live] = take(cache);
            check_constructed(object[live], size);
            *object[live++] = (char)step; /* stays, as all else does */
        } else {
            int which = random_between(&seed, 0, live - 1);
            check_constructed(object[which], size);
            kmem_cache_free(cache, object[which]);
            object[which] = object[--live];
        }
        long alive = life.constructed - life.destructed;
        assert_true(alive >= live);
        assert_true((size_t)alive <= cache->slabs * cache->capacity);
    }
    assert_int_equal(life.size, size);
    assert_true(life.destructed > 0);
    assert_int_equal(kma_audit(), 0);
    give_many(cache, 0, live);
    kmem_cache_shrink(cache);
    assert_int_equal(life.constructed, life.destructed);
    destroy(cache);
    assert_int_equal(life.constructed, life.destructed);
}

static void test_lives_of_objects(void **state)
{
    (void)state;
    seed = 5;
    check_lives(1, 3000);
    check_lives(GRAIN, 3000); /* no room for a link but behind it */
    check_lives(100, 500);
    check_lives(LARGE - sizeof(void *), 100); /* large, with the link */
    check_lives(PAGESIZE / 2, 30);
    check_lives(PAGESIZE, 20);
}

/* The calls, one by one: none in advance, none for an object that was used before. */
static void test_constructor_calls(void **state)
{
    (void)state;
    open_life();
    kmem_cache_t *cache = kmem_cache_create("calls", 200, 0, construct, destruct);
    assert_int_equal(life.constructed, 0);
    for (int i = 0; i < 10; i++) {
        object[i] = take(cache);
        assert_int_equal(life.constructed, i + 1);
    }
    object[3][0] = 'k';
    for (int i = 0; i < 5; i++) {
        kmem_cache_free(cache, object[3]);
        assert_ptr_equal(take(cache), object[3]);
        assert_int_equal(object[3][0], 'k'); /* what its last client left */
    }
    give_many(cache, 0, 9);
    assert_int_equal(life.destructed, 0);
    kmem_cache_free(cache, object[9]); /* the slab goes */
    assert_int_equal(life.constructed, 10);
    assert_int_equal(life.destructed, 10);
    take_many(cache, 0, 1); /* the same page, and all anew */
    assert_int_equal(life.constructed, 11);
    assert_int_equal(kmem_cache_destroy(cache), KMEM_OBJECTS_LIVE);
    assert_int_equal(life.destructed, 10);
    kmem_cache_free(cache, object[0]);
    assert_int_equal(life.destructed, 11);
    destroy(cache);
}

static int destructed_as_left;

static void destruct_as_left(void *ptr, size_t size)
{
    const unsigned char *bytes = ptr;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0x5a);
    destructed_as_left++;
}

/* A destructor without a constructor: it gets what the client left. */
static void test_destructor_alone(void **state)
{
    (void)state;
    destructed_as_left = 0;
    kmem_cache_t *cache = kmem_cache_create("left", 24, 0, NULL, destruct_as_left);
    take_many(cache, 0, 1000);
    for (int i = 0; i < 1000; i++)
        memset(object[i], 0x5a, 24);
    give_many(cache, 0, 500);
    give_many(cache, 500, 500);
    destroy(cache);
    assert_int_equal(destructed_as_left, 1000);
}

/* A kept slab is destructed when it goes, not before. */
static void test_destructor_of_a_kept_slab(void **state)
{
    (void)state;
    open_life();
    kmem_cache_t *cache =
        kmem_cache_create("kept", PAGESIZE / 4 - 8, 0, construct, destruct);
    take_many(cache, 0, 4 * (SLABS_FOR_SPARE + 1));
    give_many(cache, 0, 4);
    assert_int_equal(life.destructed, 0);
    take_many(cache, 0, 2);
    assert_int_equal(life.constructed, 4 * (SLABS_FOR_SPARE + 1));
    give_many(cache, 0, 2);
    assert_int_equal(kmem_cache_shrink(cache), 1);
    assert_int_equal(life.destructed, 4);
    give_many(cache, 4, 4 * SLABS_FOR_SPARE);
    assert_int_equal(life.destructed, life.constructed);
    destroy(cache);
}

/* ---- object caches: no more pages */

/* Makes a call with each of its requests for a page failing in turn: it returns NULL and
 * all is as before, as far as pages, slabinfo and the audit can tell. Then lets it be. */
static void *fail_each_page(void *(*call)(void), int at_least)
{
    int pages = pages_in_use(), failures = 0;
    read_table();
    static struct kmem_slabinfo before[CLASSES + MORE_CACHES + 9];
    int rows = table.rows;
    memcpy(before, table.row, sizeof before);
    for (long n = 1;; n++) {
        fail_pages(n, n);
        void *got = call();
        if (page_calls.failed == 0) {
            serve_pages();
            assert_non_null(got);
            assert_true(failures >= at_least);
            return got;
        }
        assert_null(got);
        failures++;
        assert_int_equal(pages_in_use(), pages);
        assert_int_equal(kma_audit(), 0);
        read_table();
        assert_int_equal(table.rows, rows);
        assert_memory_equal(table.row, before, (size_t)rows * sizeof *before);
    }
}

static struct {
    const char *name;
    size_t size;
    kmem_cache_t *cache;
} wanted;

static void *create_wanted(void)
{
    return kmem_cache_create(wanted.name, wanted.size, 0, construct_nothing, NULL);
}

static void *take_wanted(void)
{
    return kmem_cache_alloc(wanted.cache);
}

/* The creation of caches takes the root page, then pages for caches beyond it. */
static void test_create_out_of_pages(void **state)
{
    (void)state;
    kmem_cache_t *cache[MORE_CACHES];
    int failing = 0;
    for (int i = 0; i < MORE_CACHES; i++) {
        int pages = pages_in_use();
        wanted.name = "wanted";
        wanted.size = 100;
        cache[i] = fail_each_page(create_wanted, i == 0);
        failing += pages_in_use() > pages;
    }
    assert_int_equal(failing, row_of("kmem_cache").slabs);
    for (int i = 0; i < MORE_CACHES; i++)
        destroy(cache[i]);
}

/* The first object of a cache takes a slab; control data, the cache and the page of that;
 * and nodes of the tree. */
static void test_alloc_out_of_pages(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(5 << MAX_PAGE_ORDER), 0);
    const struct {
        size_t size;
        int failures;
    } of[] = {{40, 1}, {LARGE, 2}, {PAGESIZE * 3, 1}, {LONGEST_RUN, 1}};
    kmem_cache_t *cache[4];
    for (int i = 0; i < 4; i++) {
        wanted.cache = cache[i] = create("wanted", of[i].size, 0);
        object[i] = fail_each_page(take_wanted, of[i].failures);
        kmem_cache_free(cache[i], object[i]);
        object[i] = take(cache[i]);
    }
    for (int i = 3; i >= 0; i--) {
        kmem_cache_free(cache[i], object[i]);
        destroy(cache[i]);
    }
    /* And with all of them there: the next slab, wherever its page lies. */
    cache[0] = create("small", PAGESIZE / 9, 0);
    cache[1] = create("large", PAGESIZE / 2, 0);
    kma_page_t *far = get_pages(MAX_PAGE_ORDER);
    for (int i = 0; i < 700; i++) {
        wanted.cache = cache[i % 2];
        object[i] = i % 50 < 2 ? fail_each_page(take_wanted, 0) : take(wanted.cache);
    }
    free_pages(far);
    for (int i = 0; i < 700; i++)
        kmem_cache_free(cache[i % 2], object[i]);
    destroy(cache[0]);
    destroy(cache[1]);
}

/* A slab of the longest run has pages enough for nodes of the tree to run out amid
 * them. */
static void test_tree_out_of_pages(void **state)
{
    (void)state;
    pool_set_poison(0);
    assert_int_equal(pool_open(8 << MAX_PAGE_ORDER), 0);
    wanted.cache = create("longest", LONGEST_RUN, 0);
    kmem_cache_t *small = create("small", 8, 0);
    char *first = take(small);
    kma_page_t *between = get_pages(MAX_PAGE_ORDER);
    int pages = 1 << MAX_PAGE_ORDER, nodes = 1 + pages / RADIX_SLOTS;
    nodes = pages < RADIX_SLOTS ? 0 : nodes;
    char *got = fail_each_page(take_wanted, 2 + nodes);
    kmem_cache_free(wanted.cache, got);
    free_pages(between);
    kmem_cache_free(small, first);
    destroy(wanted.cache);
    destroy(small);
}

/* ---- slabinfo */

static void test_slabinfo(void **state)
{
    (void)state;
    read_table();
    assert_int_equal(table.rows, 0);
    kmem_cache_t *inodes = create("inode", PAGESIZE / 100, 0);
    kmem_cache_t *pages = create("page", PAGESIZE, 0);
    char *small = kma_malloc(24), *large = kma_malloc(PAGESIZE / 2);
    object[0] = take(pages);
    read_table();
    const char *names[] = {"kmem_cache", "kmem_slab", "size-24", NULL, "page", "inode"};
    assert_int_equal(table.rows, 6);
    for (int i = 0; i < 6; i++) {
        if (names[i] != NULL)
            assert_string_equal(table.row[i].name, names[i]);
    }
    char half[KMEM_NAME_BYTES];
    snprintf(half, sizeof half, "size-%d", PAGESIZE / 2);
    assert_string_equal(table.row[3].name, half);

    size_t stride = round_up(PAGESIZE / 100, 8);
    size_t capacity = (PAGESIZE - sizeof(struct slab)) / stride;
    ASSERT_ROW("inode", 0, 0, stride, capacity, 1, 0, 0);
    take_many(inodes, 1, (int)capacity + 1);
    ASSERT_ROW("inode", capacity + 1, 2 * capacity, stride, capacity, 1, 2, 2);
    kmem_cache_free(inodes, object[capacity + 1]);
    ASSERT_ROW("inode", capacity, capacity, stride, capacity, 1, 1, 1);
    ASSERT_ROW("page", 1, 1, PAGESIZE, 1, 1, 1, 1);
    ASSERT_ROW(half, 1, 2, PAGESIZE / 2, 2, 1, 1, 1);
    size_t slabs = (PAGESIZE - sizeof(struct slab)) / sizeof(struct slab);
    size_t control = round_up(sizeof(struct slab), 8);
    slabs = (PAGESIZE - control) / control;
    ASSERT_ROW("kmem_slab", 2, slabs, control, slabs, 1, 1, 1);
    ASSERT_ROW("size-24", 1, (PAGESIZE - control) / 24, 24, (PAGESIZE - control) / 24,
               1, 1, 1);
    give_many(inodes, 1, (int)capacity);
    kmem_cache_free(pages, object[0]);
    kma_free(small, 24);
    kma_free(large, PAGESIZE / 2);
    ASSERT_ROW("page", 0, 0, PAGESIZE, 1, 1, 0, 0);
    read_table();
    assert_int_equal(table.rows, 3);
    destroy(inodes);
    destroy(pages);
}

/* An empty slab that is kept is not active; nor is the root page's, where no cache is. */
static void test_slabinfo_of_empty_slabs(void **state)
{
    (void)state;
    size_t stride = PAGESIZE * 2 / 3 / 8 * 8;
    kmem_cache_t *cache = create("slabs", stride, 0);
    size_t all = 3 * (SLABS_FOR_SPARE + 2);
    take_many(cache, 0, (int)all);
    give_many(cache, 0, 3);
    ASSERT_ROW("slabs", all - 3, all, stride, 3, 2, SLABS_FOR_SPARE + 1,
               SLABS_FOR_SPARE + 2);
    give_many(cache, 3, 2);
    ASSERT_ROW("slabs", all - 5, all, stride, 3, 2, SLABS_FOR_SPARE + 1,
               SLABS_FOR_SPARE + 2);
    give_many(cache, 5, (int)all - 5);

    kmem_cache_t *more[MORE_CACHES];
    struct kmem_slabinfo row = row_of("kmem_cache");
    int in_root = (int)row.objects;
    for (int i = 0; i < in_root; i++)
        more[i] = create("more", 8, 0);
    assert_int_equal(row_of("kmem_cache").slabs, 2);
    destroy(cache);
    for (int i = 0; i < in_root - 1; i++)
        destroy(more[i]); /* the last one is not in the root page */
    ASSERT_ROW("kmem_cache", 1, (size_t)in_root + row.objects_per_slab, row.object_size,
               row.objects_per_slab, 1, 1, 2);
    assert_int_equal(kma_audit(), 0);
    destroy(more[in_root - 1]);
}

/* ---- several caches at once */

static struct {
    kmem_cache_t *cache;
    size_t size, align;
    char **object;
    int live, most;
    bool constructed;
} client[8];

enum { CLIENTS = sizeof client / sizeof *client };

static void open_clients(void)
{
    static const size_t sizes[CLIENTS] = {
        8, 40, 200, LARGE - 8, LARGE + 8, PAGESIZE / 2, PAGESIZE, 5 * PAGESIZE};
    int first = 0;
    for (int i = 0; i < CLIENTS; i++) {
        client[i].size = sizes[i];
        client[i].align = (size_t)8 << random_between(&seed, 0, LOG2_FLOOR(LARGE) - 3);
        client[i].constructed = random_between(&seed, 0, 1);
        client[i].cache =
            kmem_cache_create("client", client[i].size, client[i].align,
                              client[i].constructed ? construct_nothing : NULL, NULL);
        assert_non_null(client[i].cache);
        client[i].object = object + first;
        client[i].most = i < 2 ? 2000 : i < 4 ? 300 : 40;
        client[i].live = 0;
        first += client[i].most;
    }
}

static void client_takes(int which)
{
    char *got = take(client[which].cache);
    assert_int_equal((uintptr_t)got % client[which].align, 0);
    memset(got, which * 17 + 1, client[which].size < 256 ? client[which].size : 256);
    got[client[which].size - 1] = (char)(which * 17 + 1);
    client[which].object[client[which].live++] = got;
}

static void client_gives(int which)
{
    int turn = random_between(&seed, 0, client[which].live - 1);
    char *back = client[which].object[turn];
    size_t size = client[which].size;
    for (size_t i = 0; i < (size < 32 ? size : 32); i++)
        assert_int_equal(back[i], (char)(which * 17 + 1));
    assert_int_equal(back[size - 1], (char)(which * 17 + 1));
    client[which].object[turn] = client[which].object[--client[which].live];
    kmem_cache_free(client[which].cache, back);
}

/* Objects of eight caches and requests for blocks come and go; now and then a cache that
 * happens to be idle is destroyed and made anew. */
static void test_random(void **state)
{
    (void)state;
    enum { BLOCKS = 500, FIRST = MANY - BLOCKS };
    static int size[BLOCKS];
    int blocks = 0;
    seed = 10;
    pool_set_poison(0);
    assert_int_equal(pool_open(4096), 0);
    open_clients();
    for (int step = 0; step < 400000; step++) {
        int which = random_between(&seed, 0, CLIENTS);
        bool more = random_between(&seed, 1, 100) <= (step / 40000 % 2 ? 42 : 56);
        if (which == CLIENTS && more && blocks < BLOCKS) {
            size[blocks] = random_between(&seed, 1, MAX_REQUEST);
            object[FIRST + blocks] = kma_malloc(size[blocks]);
            assert_non_null(object[FIRST + blocks]);
            memset(object[FIRST + blocks], 'b', (size_t)size[blocks]);
            blocks++;
        } else if (which == CLIENTS && blocks > 0) {
            blocks--;
            assert_int_equal(object[FIRST + blocks][size[blocks] - 1], 'b');
            kma_free(object[FIRST + blocks], size[blocks]);
        } else if (which < CLIENTS && more && client[which].live < client[which].most) {
            client_takes(which);
        } else if (which < CLIENTS && client[which].live > 0) {
            client_gives(which);
        }
        if (step % 5000 == 0)
            assert_int_equal(kma_audit(), 0);
        if (step % 100 == 0 && which < CLIENTS)
            kmem_cache_shrink(client[which].cache);
    }
    while (blocks-- > 0)
        kma_free(object[FIRST + blocks], size[blocks]);
    for (int i = 0; i < CLIENTS; i++) {
        while (client[i].live > 0)
            client_gives(i);
        assert_int_equal(kma_audit(), 0);
        destroy(client[i].cache);
    }
}

#include "test_slab_malloc.h"
#include "test_slab_files.h"
#include "test_slab_audit.h"

#define SLAB_TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLAB_TEST(test_create_refuses),
        SLAB_TEST(test_least_and_greatest_size),
        SLAB_TEST(test_names),
        SLAB_TEST(test_destroy),
        SLAB_TEST(test_destroy_with_a_kept_slab),
        SLAB_TEST(test_free_into_the_wrong_cache),
        SLAB_TEST(test_slab_order),
        SLAB_TEST(test_places),
        SLAB_TEST(test_control_data_outside),
        SLAB_TEST(test_objects_across_pages),
        SLAB_TEST(test_colours),
        SLAB_TEST(test_fullest_first),
        SLAB_TEST(test_slabs_fill_up_in_order),
        SLAB_TEST(test_full_slab_serves_again),
        SLAB_TEST(test_empty_slab_goes_back),
        SLAB_TEST(test_one_empty_slab_is_kept),
        SLAB_TEST(test_shrink),
        SLAB_TEST(test_many_caches),
        SLAB_TEST(test_lives_of_objects),
        SLAB_TEST(test_constructor_calls),
        SLAB_TEST(test_destructor_alone),
        SLAB_TEST(test_destructor_of_a_kept_slab),
        SLAB_TEST(test_create_out_of_pages),
        SLAB_TEST(test_alloc_out_of_pages),
        SLAB_TEST(test_tree_out_of_pages),
        SLAB_TEST(test_slabinfo),
        SLAB_TEST(test_slabinfo_of_empty_slabs),
        SLAB_TEST(test_class_sizes),
        SLAB_TEST(test_class_slabs),
        SLAB_TEST(test_pages_of_requests),
        SLAB_TEST(test_magazine_bounds),
        SLAB_TEST(test_magazine_order),
        SLAB_TEST(test_magazine_takes_no_slab),
        SLAB_TEST(test_borrowing),
        SLAB_TEST(test_what_is_borrowed),
        SLAB_TEST(test_exhaustion_is_served_by_borrowing),
        SLAB_TEST(test_request_out_of_pages),
        SLAB_TEST(test_requests_beside_caches),
        SLAB_TEST(test_open_files),
        SLAB_TEST(test_thousands_of_open_files),
        SLAB_TEST(test_ten_files_cost_a_page),
        SLAB_TEST(test_random),
        SLAB_TEST(test_audit_of_pages),
        SLAB_TEST(test_audit_of_slabs),
        SLAB_TEST(test_audit_of_counts),
        SLAB_TEST(test_audit_of_lists),
        SLAB_TEST(test_audit_of_current),
        SLAB_TEST(test_audit_of_few_slabs),
        SLAB_TEST(test_audit_of_classes),
        SLAB_TEST(test_audit_of_magazines),
        SLAB_TEST(test_audit_of_blocks),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
