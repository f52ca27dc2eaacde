/* kma_slab_audit.h - whether the invariants S1 to S4 of kma_slab_cache.h hold.
 *
 * The tree knows every page of every slab, so a cache's slabs are found there, by their
 * first pages, and then held against what the cache says of them and has in its lists. */
#ifndef KMA_SLAB_AUDIT_H
#define KMA_SLAB_AUDIT_H

#include "kma_slab_cache.h"

struct cache_audit {
    const struct kmem_cache *cache;
    size_t pages, slabs, active, empty;
    size_t listed; /* slabs that belong in a list */
    int broken;
};

/* S2 of a slab whose counts are as they should be. */
static int audit_free_list(const struct kmem_cache *cache, const struct slab *slab)
{
    size_t length = 0, expected = (size_t)slab->carved - slab->in_use;
    for (char *object = slab->free; object != NULL; object = *link_of(cache, object)) {
        size_t offset = (size_t)(object - slab->objects);
        if (++length > expected || offset % cache->stride != 0 ||
            offset / cache->stride >= slab->carved)
            return 1;
    }
    return length != expected;
}

/* Whether all places of objects are where they may be. */
static int audit_places(const struct kmem_cache *cache, const struct slab *slab)
{
    if (slab->pages == NULL)
        return 0;
    size_t offset = (size_t)(slab->objects - (char *)slab->pages->ptr);
    return offset < cache->first_offset || offset > slab_bytes(cache) ||
           slab_bytes(cache) - offset < (size_t)cache->capacity * cache->stride;
}

static void audit_slab(struct cache_audit *audit, const struct slab *slab)
{
    const struct kmem_cache *cache = audit->cache;
    audit->slabs++;
    audit->active += slab->in_use;
    audit->empty += slab->in_use == 0;
    audit->listed +=
        slab != cache->current && slab->in_use > 0 && slab->in_use < cache->capacity;
    if (slab->in_use > slab->carved || slab->carved > cache->capacity ||
        audit_places(cache, slab))
        audit->broken++; /* S2 */
    else
        audit->broken += audit_free_list(cache, slab); /* S2 */
}

/* For each page in the tree. */
static int audit_page(uintptr_t number, void *value, void *context)
{
    struct cache_audit *audit = context;
    const struct slab *slab = value;
    if (slab->cache != audit->cache)
        return 0;
    uintptr_t first = page_number(slab->pages->ptr);
    uintptr_t pages = (uintptr_t)1 << audit->cache->order;
    audit->pages++;
    audit->broken += number - first >= pages || first % pages != 0; /* S1 */
    if (number == first)
        audit_slab(audit, slab);
    return 0;
}

/* S4 of the lists, in which there shall be so many slabs. */
static int audit_lists(const struct kmem_cache *cache, size_t slabs)
{
    int broken = 0;
    for (int level = 0; level < LEVELS; level++) {
        const struct slab *before = NULL, *slab = cache->level[level];
        broken += (cache->levels >> level & 1) != (slab != NULL);
        for (; slab != NULL; before = slab, slab = slab->next) {
            bool misplaced = slab->cache != cache || slab == cache->current ||
                             slab->in_use == 0 || slab->in_use >= cache->capacity ||
                             level_of(cache, slab->in_use) != level;
            if (slab->prev != before || misplaced || slabs-- == 0)
                return broken + 1;
        }
    }
    return broken + (slabs != 0);
}

/* S4 of current and spare; so many slabs are empty. */
static int audit_current(const struct kmem_cache *cache, size_t empty)
{
    const struct slab *current = cache->current, *spare = cache->spare;
    size_t kept = (spare != NULL) + (current != NULL && current->in_use == 0);
    int level =
        current == NULL || current->in_use == 0 ? -1 : level_of(cache, current->in_use);
    int broken = current != NULL && current->in_use >= cache->capacity;
    broken += spare != NULL && (spare->in_use > 0 || spare == current);
    broken += empty != kept || empty > (cache->slabs > SLABS_FOR_SPARE);
    broken += cache->levels >> (level + 1) != 0;
    if (cache->number != NO_NUMBER)
        broken += (kmem_state()->serving >> cache->number & 1) != (current != NULL);
    return broken;
}

/* The number of broken invariants of a cache; adds its pages in the tree to *pages. */
static int cache_audit(const struct kmem_cache *cache, size_t *pages)
{
    const struct kmem *kmem = kmem_state();
    struct cache_audit audit = {.cache = cache};
    radix_audit(&kmem->slab_of_page, audit_page, &audit);
    *pages += audit.pages;
    if (cache == &kmem->cache_cache) {
        audit_slab(&audit, &kmem->boot);
        audit.active -= kmem->phantoms;
        audit.pages += (size_t)1 << cache->order;
    }
    audit.broken +=
        audit.slabs != cache->slabs || audit.active != cache->active; /* S3 */
    audit.broken += audit.pages != audit.slabs << cache->order;       /* S1 */
    return audit.broken + audit_lists(cache, audit.listed) +
           audit_current(cache, audit.empty);
}

static int count_page(uintptr_t number, void *value, void *context)
{
    (void)number, (void)value;
    ++*(size_t *)context;
    return 0;
}

/* The number of broken invariants of the tree, in which there shall be so many pages. */
static int tree_audit(size_t pages)
{
    size_t found = 0;
    int broken = radix_audit(&kmem_state()->slab_of_page, count_page, &found);
    return broken + (found != pages); /* S1 */
}

#endif
