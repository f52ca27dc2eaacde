/* kma_page.c - the simulated page-level allocator.
 *
 * One address range is reserved at the start, PAGESIZE * max_pages bytes, aligned to
 * the next power of two of its length, so that a run of pages whose number is a
 * multiple of its length is aligned to its length in bytes. Beside it stands a table
 * with one descriptor a page. Which pages are free, and which are handed out next, is
 * the matter of kma_page_buddy.h; here pages have addresses, descriptors and contents,
 * and calls that no sound algorithm makes are refused.
 *
 * Once every page is back, all is forgotten: the next replay gets the same pages in the
 * same order as the first. Together with the alignment this makes every memory figure
 * of an algorithm the same on every run, also when it keeps tables indexed by address. */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_page_buddy.h"
#include "kma_page_counts.h"
#include "kma_page_marks.h"
#include "driver/pool.h"

_Static_assert((PAGESIZE & (PAGESIZE - 1)) == 0, "PAGESIZE is a power of two");
_Static_assert(PAGESIZE >= 4096 && PAGESIZE <= 65536, "PAGESIZE in 4096..65536");

enum { GOT_PATTERN = 0xa5, FREED_PATTERN = 0xdb };

static struct {
    char *base;        /* first page */
    kma_page_t *pages; /* descriptor of page i */
    struct page_numbers numbers;
    kma_page_stat_t stats;
    bool watched; /* by any of these */
    bool poison;
    bool on_memcheck;
    struct pool_observer observer;
    struct pool_miss miss;
} pool = {.numbers.single = NO_PAGE};

static void *map_memory(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

/* A mapping of `bytes` whose address is a multiple of `alignment`, a power of two of
 * at least `bytes`: the part around it is given back. */
static char *map_aligned(size_t bytes, size_t alignment)
{
    char *start = map_memory(bytes + alignment);
    if (start == NULL)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)start & (alignment - 1));
    if (before > 0)
        munmap(start, before);
    if (alignment > before)
        munmap(start + before + bytes, alignment - before);
    return start + before;
}

static void unmap(void *start, size_t bytes)
{
    if (start != NULL)
        munmap(start, bytes);
}

static void unmap_all(char *base, kma_page_t *pages, const struct page_numbers *numbers)
{
    size_t count = (size_t)numbers->count;
    unmap(base, count * PAGESIZE);
    unmap(pages, count * sizeof *pages);
    unmap(numbers->state, count * sizeof *numbers->state);
    unmap(numbers->links, count * sizeof *numbers->links);
}

static void pool_close(void)
{
    ASAN_UNPOISON_MEMORY_REGION(pool.base, (size_t)pool.numbers.count * PAGESIZE);
    unmap_all(pool.base, pool.pages, &pool.numbers);
    pool.base = NULL;
    pool.pages = NULL;
    pool.numbers = (struct page_numbers){.single = NO_PAGE};
}

static void note_watchers(void)
{
    pool.watched = pool.poison || pool.on_memcheck || pool.observer.got != NULL ||
                   pool.observer.freed != NULL;
}

int pool_open(int max_pages)
{
    if (max_pages < 1 || max_pages > (int)POOL_MAX_PAGES) {
        errno = EINVAL;
        return -1;
    }
    pool_close();
    pool.stats = (kma_page_stat_t){0, 0, 0, PAGESIZE};
    pool.miss = (struct pool_miss){0, 0};
    size_t count = (size_t)max_pages;
    size_t alignment = PAGESIZE;
    while (alignment < count * PAGESIZE)
        alignment *= 2;
    char *base = map_aligned(count * PAGESIZE, alignment);
    kma_page_t *pages = map_memory(count * sizeof *pages);
    struct page_numbers numbers = {.count = max_pages, .single = NO_PAGE};
    numbers.state = map_memory(count * sizeof *numbers.state);
    numbers.links = map_memory(count * sizeof *numbers.links);
    if (base == NULL || pages == NULL || numbers.state == NULL ||
        numbers.links == NULL) {
        unmap_all(base, pages, &numbers);
        errno = ENOMEM;
        return -1;
    }
    pool.base = base;
    pool.pages = pages;
    pool.numbers = numbers;
    /* The other tools of valgrind take no marks, and would count the making of them. */
    pool.on_memcheck = VALGRIND_MAKE_MEM_NOACCESS(base, count * PAGESIZE) != 0;
    note_watchers();
    ASAN_POISON_MEMORY_REGION(base, count * PAGESIZE);
    return 0;
}

void pool_set_poison(int on)
{
    pool.poison = on != 0;
    note_watchers();
}

void pool_set_observer(const struct pool_observer *observer)
{
    pool.observer = observer != NULL ? *observer : (struct pool_observer){0};
    note_watchers();
}

void pool_warm(int pages)
{
#ifdef MADV_POPULATE_WRITE
    int count = pages < pool.numbers.count ? pages : pool.numbers.count;
    if (count > 0)
        madvise(pool.base, (size_t)count * PAGESIZE, MADV_POPULATE_WRITE);
#else
    (void)pages;
#endif
}

int pool_max_pages(void)
{
    return pool.numbers.count;
}

struct pool_miss pool_miss(void)
{
    return pool.miss;
}

const kma_page_t *pool_page_of(const void *ptr)
{
    uintptr_t index = ((uintptr_t)ptr - (uintptr_t)pool.base) / PAGESIZE;
    int order = held_order(&pool.numbers, index);
    return order < 0 ? NULL : &pool.pages[run_start(index, order)];
}

static inline kma_page_t *describe(int index, int order)
{
    kma_page_t *page = &pool.pages[index];
    *page =
        (kma_page_t){index, pool.base + (size_t)index * PAGESIZE, PAGESIZE << order};
    return page;
}

/* What comes and goes while somebody watches; out of the way of a replay that is timed.
 * The bytes become usable, or unusable, for the tools that look at accesses. */
__attribute__((noinline)) static kma_page_t *watch_got(kma_page_t *page)
{
    size_t size = (size_t)page->size;
    if (pool.on_memcheck)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, size);
    if (pool.poison)
        memset(page->ptr, GOT_PATTERN, size);
    if (pool.poison && pool.on_memcheck)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, size);
    if (pool.observer.got != NULL)
        pool.observer.got(page);
    return page;
}

__attribute__((noinline)) static void watch_freed(kma_page_t *page)
{
    size_t size = (size_t)page->size;
    if (pool.observer.freed != NULL)
        pool.observer.freed(page);
    if (pool.on_memcheck)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, size);
    if (pool.poison)
        memset(page->ptr, FREED_PATTERN, size);
    if (pool.on_memcheck)
        VALGRIND_MAKE_MEM_NOACCESS(page->ptr, size);
}

static inline kma_page_t *hand_out(int index, int order)
{
    kma_page_t *page = describe(index, order);
    count_got(&pool.stats, 1 << order);
    pool.miss.wanted = 0;
    ASAN_UNPOISON_MEMORY_REGION(page->ptr, (size_t)page->size);
    return pool.watched ? watch_got(page) : page;
}

/* Who never opened the pool gets one of MAXPAGES pages. */
__attribute__((noinline)) static kma_page_t *have_none(int order)
{
    if (pool.numbers.count == 0 && pool_open(MAXPAGES) == 0)
        return get_pages(order);
    pool.miss = (struct pool_miss){1 << order, pool.stats.num_in_use};
    if (pool.stats.num_in_use == 0)
        forget_pages(&pool.numbers); /* the search has made blocks of them */
    return NULL;
}

kma_page_t *get_page(void)
{
    int page = take_page(&pool.numbers);
    return page != NO_PAGE ? hand_out(page, 0) : have_none(0);
}

kma_page_t *get_pages(int order)
{
    if (order < 0 || order > MAX_PAGE_ORDER)
        return NULL;
    if (order == 0)
        return get_page();
    int run = take_run(&pool.numbers, order);
    return run != NO_PAGE ? hand_out(run, order) : have_none(order);
}

/* The number of the page whose descriptor this is, or one that no page has. */
static inline uintptr_t number_of(const kma_page_t *page)
{
    uintptr_t index = ((uintptr_t)page - (uintptr_t)pool.pages) / sizeof *page;
    bool exact = (uintptr_t)pool.pages + index * sizeof *page == (uintptr_t)page;
    return exact ? index : UINTPTR_MAX;
}

static const char *why_not_free(uintptr_t index)
{
    int order = held_order(&pool.numbers, index);
    if (index >= (uintptr_t)pool.numbers.count ||
        (order > 0 && run_start(index, order) != (int)index))
        return "is not a descriptor that get_page returned";
    return order < 0 ? "is free already" : "is a run: free_pages gives it back";
}

__attribute__((noinline)) static void refuse(const char *call, char *of_what,
                                             const kma_page_t *page)
{
    const char *why = why_not_free(number_of(page));
    if (pool.observer.bad_free != NULL)
        pool.observer.bad_free(call, page, why);
    error(of_what, (char *)why);
}

/* The algorithm may have written into the descriptor. */
static inline void take_back(int index, int order)
{
    if (pool.watched)
        watch_freed(describe(index, order));
    ASAN_POISON_MEMORY_REGION(pool.base + (size_t)index * PAGESIZE,
                              (size_t)PAGESIZE << order);
    if (order == 0)
        give_page(&pool.numbers, index);
    else
        give_run(&pool.numbers, index, order);
    count_freed(&pool.stats, 1 << order);
    if (pool.stats.num_in_use == 0)
        forget_pages(&pool.numbers);
}

void free_page(kma_page_t *page)
{
    uintptr_t index = number_of(page);
    if (is_held_single(&pool.numbers, index))
        take_back((int)index, 0);
    else
        refuse("free_page", "free_page: the page", page);
}

void free_pages(kma_page_t *pages)
{
    uintptr_t index = number_of(pages);
    int order = held_order(&pool.numbers, index);
    if (order >= 0 && run_start(index, order) == (int)index)
        take_back((int)index, order);
    else
        refuse("free_pages", "free_pages: the page", pages);
}

kma_page_stat_t *page_stats(void)
{
    pool.stats.page_size = PAGESIZE;
    return &pool.stats;
}
