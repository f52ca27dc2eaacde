/* slab_sizes.c - of which sizes kma_slab makes do with single pages: ranges of bytes that
 * kma_malloc refuses, and of objects that a cache serves without and with a constructor. */
#include <stdbool.h>
#include <stdio.h>
#include "../../kma.h"
#include "../../kma_page.h"
#include "../../kma_slab.h"
#include "ram.h"

static bool is_refused(int size)
{
    void *block = kma_malloc(size);
    if (block != NULL)
        kma_free(block, size);
    return block == NULL;
}

static void construct(void *object, size_t size)
{
    *(char *)object = (char)size;
}

static bool has_objects(int size, void (*constructor)(void *, size_t))
{
    kmem_cache_t *cache = kmem_cache_create("", (size_t)size, 0, constructor, NULL);
    if (cache == NULL)
        fail("no cache");
    void *object = kmem_cache_alloc(cache);
    if (object != NULL)
        kmem_cache_free(cache, object);
    if (kmem_cache_destroy(cache) != KMEM_DESTROYED || page_stats()->num_in_use != 0)
        fail("a cache is not destroyed");
    return object != NULL;
}

static bool has_plain(int size)
{
    return has_objects(size, NULL);
}

static bool has_constructed(int size)
{
    return has_objects(size, construct);
}

static void print_ranges(const char *name, bool (*is_so)(int), int last)
{
    printf("%s:", name);
    for (int size = 1, first = 0; size <= last + 1; size++) {
        bool in = size <= last && is_so(size);
        if (in && first == 0)
            first = size;
        if (!in && first != 0) {
            printf(" %d-%d", first, size - 1);
            first = 0;
        }
    }
    printf("\n");
}

int main(void)
{
    ram_limit(RAM_PAGES);
    print_ranges("refused", is_refused, PAGESIZE - (int)sizeof(void *));
    print_ranges("objects", has_plain, 4 * PAGESIZE);
    print_ranges("constructed", has_constructed, 4 * PAGESIZE);
    return 0;
}
