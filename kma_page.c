/* kma_page.c - the simulated page-level allocator.
 *
 * One address range is reserved at the start, PAGESIZE * max_pages bytes, aligned
 * to the next power of two of its length; beside it stands a table with one
 * descriptor and one link a page. Pages above `fresh` were never handed out since
 * the pool was last full; pages below it are held (link = HELD) or on a last-in
 * first-out list of given back pages (link = next one, or END). So get_page and
 * free_page take a constant number of steps.
 *
 * Once every page is back, `fresh` returns to 0 and the list is forgotten: the next
 * replay gets the same pages in the same order as the first. Together with the
 * alignment this makes every memory figure of an algorithm the same on every run,
 * also when it keeps tables indexed by address. */

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "kma.h"
#include "kma_page.h"
#include "driver/pool.h"

#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_UNDEFINED(ptr, size) ((void)0)
#define VALGRIND_MAKE_MEM_NOACCESS(ptr, size) ((void)0)
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)0)
#endif

_Static_assert((PAGESIZE & (PAGESIZE - 1)) == 0, "PAGESIZE is a power of two");
_Static_assert(PAGESIZE >= 4096 && PAGESIZE <= 65536, "PAGESIZE in 4096..65536");

enum { END = -1, HELD = -2 };
enum { GOT_PATTERN = 0xa5, FREED_PATTERN = 0xdb };

static struct {
    char *base;        /* first page */
    kma_page_t *pages; /* descriptor of page i */
    int32_t *link;     /* state of page i, for i < fresh */
    int max_pages;     /* 0: not opened */
    int fresh;         /* pages from here on are free and not on the list */
    int free_head;     /* first of the list, or END */
    bool poison;
    bool on_valgrind;
    const struct pool_observer *observer;
    kma_page_stat_t stats;
} pool;

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

static void pool_close(void)
{
    if (pool.max_pages == 0)
        return;
    size_t count = (size_t)pool.max_pages;
    ASAN_UNPOISON_MEMORY_REGION(pool.base, count * PAGESIZE);
    munmap(pool.base, count * PAGESIZE);
    munmap(pool.pages, count * sizeof *pool.pages);
    munmap(pool.link, count * sizeof *pool.link);
    pool.max_pages = 0;
}

int pool_open(int max_pages)
{
    if (max_pages < 1 || max_pages > (int)POOL_MAX_PAGES) {
        errno = EINVAL;
        return -1;
    }
    pool_close();
    pool.stats = (kma_page_stat_t){0, 0, 0, PAGESIZE};
    size_t count = (size_t)max_pages;
    size_t alignment = PAGESIZE;
    while (alignment < count * PAGESIZE)
        alignment *= 2;
    char *base = map_aligned(count * PAGESIZE, alignment);
    kma_page_t *pages = map_memory(count * sizeof *pages);
    int32_t *link = map_memory(count * sizeof *link);
    if (base == NULL || pages == NULL || link == NULL) {
        if (base != NULL)
            munmap(base, count * PAGESIZE);
        if (pages != NULL)
            munmap(pages, count * sizeof *pages);
        if (link != NULL)
            munmap(link, count * sizeof *link);
        errno = ENOMEM;
        return -1;
    }
    pool.base = base;
    pool.pages = pages;
    pool.link = link;
    pool.max_pages = max_pages;
    pool.fresh = 0;
    pool.free_head = END;
    pool.on_valgrind = RUNNING_ON_VALGRIND != 0;
    VALGRIND_MAKE_MEM_NOACCESS(base, count * PAGESIZE);
    ASAN_POISON_MEMORY_REGION(base, count * PAGESIZE);
    return 0;
}

void pool_set_poison(int on)
{
    pool.poison = on != 0;
}

void pool_set_observer(const struct pool_observer *observer)
{
    pool.observer = observer;
}

void pool_warm(int pages)
{
#ifdef MADV_POPULATE_WRITE
    int count = pages < pool.max_pages ? pages : pool.max_pages;
    if (count > 0)
        madvise(pool.base, (size_t)count * PAGESIZE, MADV_POPULATE_WRITE);
#else
    (void)pages;
#endif
}

int pool_max_pages(void)
{
    return pool.max_pages;
}

const kma_page_t *pool_page_of(const void *ptr)
{
    uintptr_t offset = (uintptr_t)ptr - (uintptr_t)pool.base;
    if (pool.max_pages == 0 || (const char *)ptr < pool.base)
        return NULL;
    uintptr_t index = offset / PAGESIZE;
    if (index >= (uintptr_t)pool.fresh || pool.link[index] != HELD)
        return NULL;
    return &pool.pages[index];
}

/* Makes a page's bytes usable, or unusable, for the tools that watch accesses. */
static void page_open(kma_page_t *page)
{
    ASAN_UNPOISON_MEMORY_REGION(page->ptr, PAGESIZE);
    if (pool.on_valgrind)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, PAGESIZE);
    if (pool.poison)
        memset(page->ptr, GOT_PATTERN, PAGESIZE);
    if (pool.poison && pool.on_valgrind)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, PAGESIZE);
}

static void page_close(kma_page_t *page)
{
    ASAN_UNPOISON_MEMORY_REGION(page->ptr, PAGESIZE);
    if (pool.on_valgrind)
        VALGRIND_MAKE_MEM_UNDEFINED(page->ptr, PAGESIZE);
    if (pool.poison)
        memset(page->ptr, FREED_PATTERN, PAGESIZE);
    if (pool.on_valgrind)
        VALGRIND_MAKE_MEM_NOACCESS(page->ptr, PAGESIZE);
    ASAN_POISON_MEMORY_REGION(page->ptr, PAGESIZE);
}

kma_page_t *get_page(void)
{
    if (pool.max_pages == 0 && pool_open(MAXPAGES) != 0)
        return NULL;
    int index = pool.free_head;
    if (index != END) {
        pool.free_head = pool.link[index];
    } else {
        if (pool.fresh == pool.max_pages)
            return NULL;
        index = pool.fresh++;
    }
    pool.link[index] = HELD;
    pool.stats.num_requested++;
    pool.stats.num_in_use++;
    kma_page_t *page = &pool.pages[index];
    *page = (kma_page_t){index, pool.base + (size_t)index * PAGESIZE, PAGESIZE};
    page_open(page);
    if (pool.observer != NULL && pool.observer->got != NULL)
        pool.observer->got(page);
    return page;
}

static void refuse(const void *page, const char *why)
{
    if (pool.observer != NULL && pool.observer->bad_free != NULL)
        pool.observer->bad_free(page, why);
    error("free_page: the page", (char *)why);
}

void free_page(kma_page_t *page)
{
    uintptr_t offset = (uintptr_t)page - (uintptr_t)pool.pages;
    uintptr_t index = offset / sizeof *page;
    if (pool.max_pages == 0 || (uintptr_t)page < (uintptr_t)pool.pages ||
        offset % sizeof *page != 0 || index >= (uintptr_t)pool.max_pages)
        refuse(page, "is not a descriptor that get_page returned");
    if (index >= (uintptr_t)pool.fresh || pool.link[index] != HELD)
        refuse(page, "is free already");
    if (pool.observer != NULL && pool.observer->freed != NULL)
        pool.observer->freed(page);
    page->ptr = pool.base + index * PAGESIZE;
    page_close(page);
    pool.link[index] = pool.free_head;
    pool.free_head = (int)index;
    pool.stats.num_freed++;
    pool.stats.num_in_use--;
    if (pool.stats.num_in_use == 0) {
        pool.fresh = 0;
        pool.free_head = END;
    }
}

kma_page_stat_t *page_stats(void)
{
    pool.stats.page_size = PAGESIZE;
    return &pool.stats;
}
