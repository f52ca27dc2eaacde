/* test_kernel.c - the parts of the kernel that need no machine: its text, its memory
 * functions, its physical pages over RAM of all shapes, and its reader of device trees. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The kernel's own, beside the C library's. */
#define memcpy kernel_memcpy
#define memmove kernel_memmove
#define memset kernel_memset
#define memcmp kernel_memcmp
#define strlen kernel_strlen
#define strcmp kernel_strcmp
#include <string.h>
#include "../kernel/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strcmp
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);
size_t strlen(const char *);
int strcmp(const char *, const char *);

#include "../kernel/print.c"
#include "../kernel/page.c"
/* That machine has 64 bits. */
#if UINTPTR_MAX > UINT32_MAX
#include <sys/mman.h>
#include "../kernel/riscv/device_tree.c"
#endif

/* ---- a machine */

static char console[4096];
static size_t printed;
static struct memory_range ranges[8];
static int range_count;
static jmp_buf after_panic;

void machine_put(char byte)
{
    assert_true(printed < sizeof console - 1);
    console[printed++] = byte;
    console[printed] = '\0';
}

bool interrupts_off(void)
{
    return false;
}

void interrupts_restore(bool on)
{
    assert_false(on);
}

int machine_memory(struct memory_range *found, int room)
{
    assert_true(range_count <= room);
    memcpy(found, ranges, (size_t)range_count * sizeof *found);
    return range_count;
}

void panic(const char *format, ...)
{
    (void)format;
    longjmp(after_panic, 1);
}

/* ---- text */

static void prints(const char *expected)
{
    assert_string_equal(console, expected);
    printed = 0;
    console[0] = '\0';
}

/* What printf of the C library makes of the same. */
#define AS_PRINTF(...)                                    \
    do {                                                  \
        char expected[256];                               \
        snprintf(expected, sizeof expected, __VA_ARGS__); \
        print(__VA_ARGS__);                               \
        prints(expected);                                 \
    } while (0)

static void test_text_is_as_printf_has_it(void **state)
{
    (void)state;
    AS_PRINTF("%s", "plain 100%% text");
    AS_PRINTF("100%%");
    AS_PRINTF("%d %d %d %i", 0, INT_MAX, INT_MIN, -1);
    AS_PRINTF("[%5d] [%-5d] [%05d] [%05d] [%2d]", 42, 42, 42, -42, 12345);
    AS_PRINTF("%u %x %08x %llx", UINT_MAX, 0xbeefu, 0xbeefu, ULLONG_MAX);
    AS_PRINTF("%ld %lu %lld %llu %zu %zd", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX,
              SIZE_MAX, (ptrdiff_t)-1);
    AS_PRINTF("[%8s] [%-8s] [%2s] [%c] [%3c]", "abc", "abc", "abc", 'x', 'y');
    AS_PRINTF("%020llx %-20llu|", 1ull, 1ull);
}

static void test_an_address_has_all_its_digits(void **state)
{
    (void)state;
    print("%p", (void *)0x1000);
    prints(sizeof(void *) == 8 ? "0x0000000000001000" : "0x00001000");
}

/* ---- memory functions */

static void test_memory_functions(void **state)
{
    (void)state;
    enum { LONGEST = 100, ROOM = 2 * LONGEST };
    char ours[ROOM], theirs[ROOM];
    for (size_t from = 0; from < 12; from++)
        for (size_t to = 0; to < 40; to++)
            for (size_t size = 0; size < LONGEST; size++) {
                for (size_t i = 0; i < ROOM; i++)
                    ours[i] = theirs[i] = (char)(i * 7);
                assert_ptr_equal(kernel_memmove(ours + to, ours + from, size),
                                 ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, ROOM);
                kernel_memset(ours + to, (int)size + 200, size);
                memset(theirs + to, (int)size + 200, size);
                assert_memory_equal(ours, theirs, ROOM);
            }
    kernel_memcpy(ours, theirs + 3, 50);
    assert_memory_equal(ours, theirs + 3, 50);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void test_comparisons(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "ab", "b", "\xff", "a\xff"};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++) {
            assert_int_equal(sign(kernel_strcmp(texts[i], texts[j])),
                             sign(strcmp(texts[i], texts[j])));
            assert_int_equal(sign(kernel_memcmp(texts[i], texts[j], 1)),
                             sign(memcmp(texts[i], texts[j], 1)));
        }
    assert_int_equal(kernel_strlen("abc"), 3);
}

/* ---- pages */

enum { MOST_PAGES = 24 << 20 >> 12 };

static char *space; /* 48 MiB, aligned to BIG */

static void open_ram(int count, const struct memory_range *offsets)
{
    memset(&ram, 0, sizeof ram);
    if (space == NULL)
        space = aligned_alloc(BIG, 3 * (size_t)BIG);
    assert_non_null(space);
    ASAN_UNPOISON_MEMORY_REGION(space, 3 * (size_t)BIG);
    for (int i = 0; i < count; i++)
        ranges[i] = (struct memory_range){(uintptr_t)space + offsets[i].start,
                                          (uintptr_t)space + offsets[i].end};
    range_count = count;
    pages_open();
}

static bool is_in_ram(const void *page, size_t size)
{
    for (int i = 0; i < range_count; i++)
        if ((uintptr_t)page >= ranges[i].start &&
            (uintptr_t)page + size <= ranges[i].end)
            return true;
    return false;
}

static kma_page_t *taken[3 * MOST_PAGES];

/* Takes runs of this order until there is none, checks them, and gives them back. Returns
 * how many pages they were. */
static int take_all_runs(int order)
{
    int count = 0;
    size_t size = (size_t)PAGESIZE << order;
    while ((taken[count] = get_pages(order)) != NULL) {
        char *start = taken[count]->ptr;
        assert_int_equal(taken[count]->size, size);
        assert_int_equal((uintptr_t)start % size, 0);
        assert_true(is_in_ram(start, size));
        assert_true(pages_hold(start, size));
        assert_false(pages_hold(start, size + 1));
        memset(start, count & 0xff, size); /* over no table, and no other run */
        count++;
    }
    for (int i = 0; i < count; i++) {
        char *start = taken[i]->ptr;
        assert_int_equal((unsigned char)start[0], i & 0xff);
        assert_int_equal((unsigned char)start[size - 1], i & 0xff);
        free_pages(taken[i]);
        assert_false(pages_hold(start, 1));
    }
    assert_int_equal(page_stats()->num_in_use, 0);
    return count << order;
}

static const struct memory_range odd[] = {
    {0x1000, 0x9fc00},                   /* no whole page at its end */
    {0x149123, 0xf00000},                /* begins within a page */
    {0xffe000, 0x1403000},               /* across BIG */
    {0x1500000, 0x1500fff},              /* no page at all */
    {0x1600000, 0x1601000},              /* no page besides its table's */
    {2 * BIG - 0x5000, 2 * BIG + 0x5000} /* a few pages on both sides */
};

static void test_every_page_of_odd_ram_is_had(void **state)
{
    (void)state;
    open_ram(6, odd);
    int total = pages_total();
    size_t bytes = 0;
    for (int i = 0; i < 6; i++)
        bytes += odd[i].end - odd[i].start;
    assert_in_range((size_t)total * PAGESIZE, bytes * 97 / 100 - 16 * PAGESIZE, bytes);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(take_all_runs(0), total);
        for (int order = 1; order <= MAX_PAGE_ORDER; order++)
            assert_true(take_all_runs(order) > total - (16 << order));
    }
    assert_null(get_pages(MAX_PAGE_ORDER + 1));
    assert_null(get_pages(-1));
}

/* The traces' figures depend on this. */
static void test_pages_come_as_in_the_simulation(void **state)
{
    (void)state;
    open_ram(1, (struct memory_range[]){{0x149000, BIG + (uintptr_t)BIG / 2}});
    kma_page_t *first = get_page();
    kma_page_t *second = get_page();
    kma_page_t *run = get_pages(2);
    assert_ptr_equal(first->ptr, space + BIG);
    assert_ptr_equal(second->ptr, space + BIG + PAGESIZE);
    assert_ptr_equal(run->ptr, space + BIG + 4 * PAGESIZE);
    free_page(first);
    free_pages(run);
    free_page(second);
    assert_ptr_equal(get_page()->ptr, space + BIG);
    assert_in_range(pages_as_simulated(), BIG / 2 / PAGESIZE * 98 / 100,
                    BIG / 2 / PAGESIZE);
}

static void test_a_limit(void **state)
{
    (void)state;
    open_ram(1, (struct memory_range[]){{0x100000, 0x200000}});
    pages_limit(5);
    kma_page_t *run = get_pages(2);
    assert_null(get_pages(1));
    kma_page_t *page = get_page();
    assert_non_null(page);
    assert_null(get_page());
    assert_int_equal(pages_peak(), 5);
    free_pages(run);
    assert_int_equal(pages_peak(), 5);
    assert_int_equal(pages_peak(), 1);
    pages_limit(0);
    for (int i = 0; i < 10; i++)
        assert_non_null(get_page());
    assert_int_equal(page_stats()->num_in_use, 11);
    assert_int_equal(page_stats()->num_requested, 15);
    assert_int_equal(page_stats()->num_freed, 4);
}

static void test_what_is_set_aside_is_nobodys(void **state)
{
    (void)state;
    open_ram(2, (struct memory_range[]){{0x100000, 0x180000}, {0x200000, 0x400000}});
    int total = pages_total();
    char *aside = pages_reserve(3 * PAGESIZE - 5);
    assert_true(is_in_ram(aside, 3 * PAGESIZE));
    assert_int_equal((uintptr_t)aside % PAGESIZE, 0);
    memset(aside, 0x77, 3 * PAGESIZE - 5);
    assert_int_equal(pages_total(), total - 3);
    assert_int_equal(take_all_runs(0), total - 3);
    for (int i = 0; i < 3 * PAGESIZE - 5; i++)
        assert_int_equal(aside[i], 0x77);
    assert_null(pages_reserve(0x400000));
}

static void test_no_ram(void **state)
{
    (void)state;
    open_ram(0, odd);
    assert_int_equal(pages_total(), 0);
    assert_null(get_page());
    assert_null(get_pages(3));
    assert_null(pages_reserve(1));
}

#define PANICS(call)                              \
    do {                                          \
        bool panicked = setjmp(after_panic) != 0; \
        if (!panicked)                            \
            call;                                 \
        assert_true(panicked);                    \
    } while (0)

static void test_bad_frees_are_panics(void **state)
{
    (void)state;
    open_ram(1, (struct memory_range[]){{0x100000, 0x200000}});
    kma_page_t *page = get_page();
    kma_page_t *run = get_pages(3);
    kma_page_t copy = *page;
    PANICS(free_page(NULL));
    PANICS(free_page(&copy));
    PANICS(free_page(run));
    PANICS(free_pages(run + 1));
    PANICS(free_page((kma_page_t *)(void *)((char *)page + 1)));
    PANICS(free_page(page + 100));
    free_pages(page); /* a single page is a run, too */
    PANICS(free_page(page));
    free_pages(run);
    PANICS(free_pages(run));
    assert_int_equal(page_stats()->num_in_use, 0);
}

static void test_a_poisoned_page_has_nothing_of_its_past(void **state)
{
    (void)state;
    open_ram(1, (struct memory_range[]){{0x100000, 0x200000}});
    pages_poison(true);
    kma_page_t *page = get_page();
    unsigned char *bytes = page->ptr;
    for (int i = 0; i < PAGESIZE; i++)
        assert_int_equal(bytes[i], GOT_PATTERN);
    memset(bytes, 0, PAGESIZE);
    free_page(page);
    ASAN_UNPOISON_MEMORY_REGION(bytes, PAGESIZE);
    assert_int_equal(bytes[17], FREED_PATTERN);
    assert_int_equal(bytes[PAGESIZE - 1], FREED_PATTERN);
}

/* ---- device trees */

#if UINTPTR_MAX > UINT32_MAX

enum { TREE_ROOM = 4096 };

/* A tree under construction: strings first, then the structure. */
static struct {
    unsigned char bytes[TREE_ROOM];
    size_t size;
} tree;

static void put(uint32_t word)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        tree.bytes[tree.size++] = (unsigned char)(word >> shift);
}

static void put_bytes(const void *bytes, size_t size)
{
    memcpy(tree.bytes + tree.size, bytes, size);
    tree.size = (tree.size + size + 3) & ~(size_t)3;
}

static const char names[] = "#address-cells\0#size-cells\0reg\0bootargs\0"
                            "timebase-frequency";

static uint32_t offset_of(const char *name)
{
    uint32_t offset = 0;
    while (strcmp(names + offset, name) != 0)
        offset += (uint32_t)strlen(names + offset) + 1;
    return offset;
}

static void put_node(const char *name)
{
    put(BEGIN_NODE);
    put_bytes(name, strlen(name) + 1);
}

static void put_property(const char *name, uint32_t size)
{
    put(PROPERTY);
    put(size);
    put(offset_of(name));
}

static void put_cells(const char *name, uint32_t value)
{
    put_property(name, 4);
    put(value);
}

static void put_reg(uint64_t start, uint64_t size)
{
    put_property("reg", 16);
    put((uint32_t)(start >> 32));
    put((uint32_t)start);
    put((uint32_t)(size >> 32));
    put((uint32_t)size);
}

static void put_header(size_t strings, size_t structure)
{
    size_t end = tree.size;
    tree.size = 0;
    put(MAGIC);
    put((uint32_t)end);
    put((uint32_t)structure);
    put((uint32_t)strings);
    put(HEADER_SIZE); /* reservations */
    put(VERSION);
    put(16);
    put(0);
    put(sizeof names);
    put((uint32_t)(end - structure));
    tree.size = end;
}

static void build_tree(void)
{
    memset(&tree, 0, sizeof tree);
    tree.size = HEADER_SIZE;
    uint32_t reserved[] = {0, 0x80200000, 0, 0x1000, 0, 0, 0, 0};
    for (int i = 0; i < 8; i++)
        put(reserved[i]);
    size_t strings = tree.size;
    put_bytes(names, sizeof names);
    size_t structure = tree.size;
    put_node("");
    put_cells("#address-cells", 2);
    put_cells("#size-cells", 2);
    put_node("chosen");
    put_property("bootargs", 12);
    put_bytes("step=traces", 12);
    put(END_NODE);
    put_node("memory@80000000");
    put_reg(0x80000000, 64 << 20);
    put(END_NODE);
    put_node("cpus");
    put_cells("timebase-frequency", 10000000);
    put(END_NODE);
    put(END_NODE);
    put(END);
    put_header(strings, structure);
}

static void test_a_device_tree(void **state)
{
    (void)state;
    static struct device_facts facts;
    build_tree();
    assert_null(device_tree_read(tree.bytes, tree.size, &facts));
    assert_string_equal(facts.command_line, "step=traces");
    assert_int_equal(facts.timer_frequency, 10000000);
    assert_int_equal(facts.ram.count, 1);
    assert_int_equal(facts.ram.ranges[0].start, 0x80000000);
    assert_int_equal(facts.ram.ranges[0].end, 0x84000000);
    assert_int_equal(facts.reserved.count, 1);
    assert_int_equal(facts.reserved.ranges[0].end, 0x80201000);
}

/* Each lies at the end of a page, behind which nothing may be touched. */
static void test_damaged_device_trees(void **state)
{
    (void)state;
    static struct device_facts facts;
    char *pages =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    build_tree();
    for (size_t size = 0; size < tree.size; size++) {
        memcpy(pages + 4096 - size, tree.bytes, size);
        assert_non_null(device_tree_read(pages + 4096 - size, size, &facts));
    }
    uint32_t random = 1;
    int refused = 0;
    for (int turn = 0; turn < 100000; turn++) {
        unsigned char *blob = (unsigned char *)pages + 4096 - tree.size;
        memcpy(blob, tree.bytes, tree.size);
        for (int change = 0; change < 1 + turn % 3; change++) {
            random = random * 1664525 + 1013904223;
            blob[(random >> 8) % tree.size] ^= (unsigned char)(1 << (random >> 28) % 8);
        }
        refused += device_tree_read(blob, tree.size, &facts) != NULL;
        assert_in_range(facts.ram.count, 0, 16);
    }
    assert_in_range(refused, 10000, 99999);
    munmap(pages, 8192);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_as_printf_has_it),
        cmocka_unit_test(test_an_address_has_all_its_digits),
        cmocka_unit_test(test_memory_functions),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_every_page_of_odd_ram_is_had),
        cmocka_unit_test(test_pages_come_as_in_the_simulation),
        cmocka_unit_test(test_a_limit),
        cmocka_unit_test(test_what_is_set_aside_is_nobodys),
        cmocka_unit_test(test_no_ram),
        cmocka_unit_test(test_bad_frees_are_panics),
        cmocka_unit_test(test_a_poisoned_page_has_nothing_of_its_past),
#if UINTPTR_MAX > UINT32_MAX
        cmocka_unit_test(test_a_device_tree),
        cmocka_unit_test(test_damaged_device_trees),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
