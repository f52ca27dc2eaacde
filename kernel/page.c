/* page.c - physical pages: kma_page.h over all RAM.
 *
 * RAM comes in ranges, some of which are short. Each becomes a zone, which numbers its
 * pages from the last multiple of the longest run's length before it; which of them are
 * free is the matter of kma_page_buddy.h, as in the simulated pool. A zone's tables stand
 * at its own end:
 *
 *     RUN_BYTES * n      start                                             end
 *     |  no pages        | page | page | page | ...        | tables | reserved |
 *     number 0           first                             count
 *
 * A range is cut where an address is a multiple of BIG, and the zones that begin at such
 * an address come first: there addresses are as in a simulated pool of up to BIG bytes.
 * So an algorithm gets the same pages there as here, in the same order, also one whose
 * tables depend on addresses. The others serve when these have no page left. */

#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page_buddy.h"
#include "kma_page_counts.h"
#include "kma_page_marks.h"
#include "machine.h"
#include "page.h"
#include "print.h"

enum {
    RUN_BYTES = PAGESIZE << MAX_PAGE_ORDER,
    BIG = 4 * RUN_BYTES, /* as MAXPAGES pages */
    MOST_ZONES = 16,
    GOT_PATTERN = 0xa5,
    FREED_PATTERN = 0xdb
};

_Static_assert(BIG == PAGESIZE * MAXPAGES, "zones begin where simulated pools do");

struct zone {
    char *base; /* of the page with number 0 */
    kma_page_t *descriptors;
    struct page_numbers numbers;
};

static struct {
    struct zone zones[MOST_ZONES];
    int zone_count;
    int total;
    int limit; /* 0: none */
    int peak;
    bool poison;
    kma_page_stat_t stats;
} ram;

static inline char *page_at(const struct zone *zone, int number)
{
    return zone->base + (uintptr_t)number * PAGESIZE;
}

static inline int pages_of(const struct zone *zone)
{
    return zone->numbers.count - zone->numbers.first;
}

/* Tells those who watch, and those who trust in contents, that pages come or go. */
static void watch(void *start, size_t bytes, int pattern)
{
    ASAN_UNPOISON_MEMORY_REGION(start, bytes);
    VALGRIND_MAKE_MEM_UNDEFINED(start, bytes);
    if (ram.poison)
        memset(start, pattern, bytes);
    if (pattern == GOT_PATTERN) {
        VALGRIND_MAKE_MEM_UNDEFINED(start, bytes);
    } else {
        VALGRIND_MAKE_MEM_NOACCESS(start, bytes);
        ASAN_POISON_MEMORY_REGION(start, bytes);
    }
}

/* All pages of a zone, when none was handed out yet. */
static void watch_zone(struct zone *zone)
{
    char *start = page_at(zone, zone->numbers.first);
    VALGRIND_MAKE_MEM_NOACCESS(start, (size_t)pages_of(zone) * PAGESIZE);
    ASAN_POISON_MEMORY_REGION(start, (size_t)pages_of(zone) * PAGESIZE);
}

/* ---- zones */

/* Bytes of tables for each number. */
enum { TABLES = sizeof(kma_page_t) + sizeof(int32_t) + sizeof(struct block_link) };

/* Cuts the zone's tables off its end; it has room for them. */
static void lay_tables(struct zone *zone)
{
    struct page_numbers *numbers = &zone->numbers;
    size_t tables = (size_t)numbers->count * TABLES;
    int pages = (int)((tables + PAGESIZE - 1) / PAGESIZE);
    numbers->count -= pages;
    char *at = page_at(zone, numbers->count);
    VALGRIND_MAKE_MEM_UNDEFINED(at, (size_t)pages * PAGESIZE);
    zone->descriptors = (kma_page_t *)(void *)at;
    at += (size_t)numbers->count * sizeof(kma_page_t);
    numbers->links = (struct block_link *)(void *)at;
    at += (size_t)numbers->count * sizeof(struct block_link);
    numbers->state = (int32_t *)(void *)at;
    for (int i = 0; i < numbers->count; i++)
        numbers->state[i] = NO_PAGE;
    forget_pages(numbers);
}

/* What is too short for its own tables is left alone. */
static void add_zone(uintptr_t start, uintptr_t end)
{
    struct zone *zone = &ram.zones[ram.zone_count];
    uintptr_t base = start & ~((uintptr_t)RUN_BYTES - 1);
    uintptr_t count = (end - base) / PAGESIZE;
    uintptr_t tables = (count * TABLES + PAGESIZE - 1) / PAGESIZE;
    if (ram.zone_count == MOST_ZONES || end - start <= tables * PAGESIZE ||
        count > INT32_MAX / PAGESIZE)
        return;
    *zone = (struct zone){.base = (char *)base};
    zone->numbers.first = (int)((start - base) / PAGESIZE);
    zone->numbers.count = (int)count;
    ram.zone_count++;
}

static void add_ram(const struct memory_range *range)
{
    uintptr_t start = (range->start + PAGESIZE - 1) & ~((uintptr_t)PAGESIZE - 1);
    uintptr_t end = range->end & ~((uintptr_t)PAGESIZE - 1);
    uintptr_t big = (start + BIG - 1) & ~((uintptr_t)BIG - 1);
    if (start < range->start || start >= end)
        return;
    if (big > start && big < end) {
        add_zone(big, end);
        end = big;
    }
    add_zone(start, end);
}

static bool is_big(const struct zone *zone)
{
    return zone->numbers.first == 0 && (uintptr_t)zone->base % BIG == 0;
}

static bool goes_before(const struct zone *a, const struct zone *b)
{
    if (is_big(a) != is_big(b))
        return is_big(a);
    return pages_of(a) > pages_of(b);
}

static void sort_zones(void)
{
    for (int i = 1; i < ram.zone_count; i++) {
        struct zone zone = ram.zones[i];
        int at = i;
        for (; at > 0 && goes_before(&zone, &ram.zones[at - 1]); at--)
            ram.zones[at] = ram.zones[at - 1];
        ram.zones[at] = zone;
    }
}

void pages_open(void)
{
    struct memory_range ranges[MOST_ZONES / 2];
    int count = machine_memory(ranges, MOST_ZONES / 2);
    for (int i = 0; i < count; i++)
        add_ram(&ranges[i]);
    sort_zones();
    for (int i = 0; i < ram.zone_count; i++) {
        lay_tables(&ram.zones[i]);
        ram.total += pages_of(&ram.zones[i]);
        watch_zone(&ram.zones[i]);
    }
    ram.stats.page_size = PAGESIZE;
}

void *pages_reserve(size_t bytes)
{
    struct zone *largest = &ram.zones[0];
    for (int i = 1; i < ram.zone_count; i++)
        if (pages_of(&ram.zones[i]) > pages_of(largest))
            largest = &ram.zones[i];
    size_t pages = (bytes + PAGESIZE - 1) / PAGESIZE;
    if (ram.zone_count == 0 || pages >= (size_t)pages_of(largest))
        return NULL;
    largest->numbers.count -= (int)pages;
    ram.total -= (int)pages;
    void *start = page_at(largest, largest->numbers.count);
    ASAN_UNPOISON_MEMORY_REGION(start, pages * PAGESIZE);
    VALGRIND_MAKE_MEM_UNDEFINED(start, pages * PAGESIZE);
    return start;
}

/* ---- getting and giving back */

static kma_page_t *hand_out(struct zone *zone, int number, int order)
{
    kma_page_t *page = &zone->descriptors[number];
    *page = (kma_page_t){number, page_at(zone, number), PAGESIZE << order};
    count_got(&ram.stats, 1 << order);
    if (ram.stats.num_in_use > ram.peak)
        ram.peak = ram.stats.num_in_use;
    watch(page->ptr, (size_t)page->size, GOT_PATTERN);
    return page;
}

static bool is_limited(int pages)
{
    return ram.limit > 0 && ram.stats.num_in_use + pages > ram.limit;
}

kma_page_t *get_page(void)
{
    if (is_limited(1))
        return NULL;
    for (struct zone *zone = ram.zones; zone < ram.zones + ram.zone_count; zone++) {
        int number = take_page(&zone->numbers);
        if (number != NO_PAGE)
            return hand_out(zone, number, 0);
    }
    return NULL;
}

kma_page_t *get_pages(int order)
{
    if (order == 0)
        return get_page();
    if (order < 0 || order > MAX_PAGE_ORDER || is_limited(1 << order))
        return NULL;
    for (struct zone *zone = ram.zones; zone < ram.zones + ram.zone_count; zone++) {
        int number = take_run(&zone->numbers, order);
        if (number != NO_PAGE)
            return hand_out(zone, number, order);
    }
    return NULL;
}

/* The zone and, in *number, the number of a page by its descriptor; NULL for any other
 * pointer. */
static struct zone *zone_of(const kma_page_t *page, int *number)
{
    for (struct zone *zone = ram.zones; zone < ram.zones + ram.zone_count; zone++) {
        uintptr_t offset = (uintptr_t)page - (uintptr_t)zone->descriptors;
        uintptr_t index = offset / sizeof *page;
        if (index < (uintptr_t)zone->numbers.count && index * sizeof *page == offset) {
            *number = (int)index;
            return zone;
        }
    }
    return NULL;
}

static void forget_all(void)
{
    for (int i = 0; i < ram.zone_count; i++)
        forget_pages(&ram.zones[i].numbers);
}

/* As the simulated pool: once every page is back, they come again in the same order. */
static void take_back(struct zone *zone, int number, int order)
{
    watch(page_at(zone, number), (size_t)PAGESIZE << order, FREED_PATTERN);
    if (order == 0)
        give_page(&zone->numbers, number);
    else
        give_run(&zone->numbers, number, order);
    count_freed(&ram.stats, 1 << order);
    if (ram.stats.num_in_use == 0)
        forget_all();
}

void free_page(kma_page_t *page)
{
    int number = 0;
    struct zone *zone = zone_of(page, &number);
    if (zone != NULL && is_held_single(&zone->numbers, (uintptr_t)number))
        take_back(zone, number, 0);
    else
        panic("free_page(%p): that is no single page that is held", (void *)page);
}

void free_pages(kma_page_t *pages)
{
    int number = 0;
    struct zone *zone = zone_of(pages, &number);
    int order = zone == NULL ? -1 : held_order(&zone->numbers, (uintptr_t)number);
    if (order >= 0 && run_start((uintptr_t)number, order) == number)
        take_back(zone, number, order);
    else
        panic("free_pages(%p): that is no run that is held", (void *)pages);
}

kma_page_stat_t *page_stats(void)
{
    return &ram.stats;
}

/* ---- what the kernel asks */

int pages_total(void)
{
    return ram.total;
}

int pages_as_simulated(void)
{
    return ram.zone_count > 0 && is_big(&ram.zones[0]) ? pages_of(&ram.zones[0]) : 0;
}

void pages_limit(int most)
{
    ram.limit = most;
}

void pages_poison(bool on)
{
    ram.poison = on;
}

int pages_peak(void)
{
    int peak = ram.peak;
    ram.peak = ram.stats.num_in_use;
    return peak;
}

bool pages_hold(const void *start, size_t size)
{
    for (int i = 0; i < ram.zone_count; i++) {
        const struct zone *zone = &ram.zones[i];
        uintptr_t offset = (uintptr_t)start - (uintptr_t)zone->base;
        int order = held_order(&zone->numbers, offset / PAGESIZE);
        if (order < 0)
            continue;
        uintptr_t first = (uintptr_t)run_start(offset / PAGESIZE, order) * PAGESIZE;
        return offset - first + size <= (uintptr_t)PAGESIZE << order;
    }
    return false;
}

void pages_print(void)
{
    for (int i = 0; i < ram.zone_count; i++) {
        const struct zone *zone = &ram.zones[i];
        const struct page_numbers *numbers = &zone->numbers;
        print("memory: %p to %p: %d pages\n", (void *)page_at(zone, numbers->first),
              (void *)(page_at(zone, numbers->count) - 1), pages_of(zone));
    }
    print("memory: %d pages of %d bytes\n", ram.total, PAGESIZE);
}
