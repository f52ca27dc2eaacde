/* kma_slab_cache.h - caches of objects and their slabs, the layer under kma_slab.c, whose
 * first page explains it. A cache serves objects of one size from slabs; a slab is a run
 * of pages.
 *
 *   small objects     | slab | colour | object | object | ...      | object | rest |
 *   (below LARGE)     '- control data, at the start of the run
 *
 *   large objects     | colour | object | object | object                   | rest |
 *                     '- its struct slab is an object of the cache "kmem_slab"
 *
 *   kmem_cache        current ->  the slab that objects are taken from
 *                     level[7] -> the fullest partial slabs
 *                       ...
 *                     level[0] -> the emptiest ones
 *                     spare ->    an empty slab
 *
 *   root page         | struct kmem: page -> its slab, ... | owner's state | boot slab |
 *
 * A level is for 1 << level_shift successive numbers of objects in use, as few as will do
 * with LEVELS levels. So neither a slab's change of level nor the choice of the fullest
 * walks a list that grows with the load: among the slabs of the highest level CANDIDATES
 * are looked at.
 *
 * Invariants (kma_slab_audit.h):
 *   S1  the pages of a slab, and no others, lead to it in the tree; they are one run of
 *       the cache's order, aligned to its length
 *   S2  in_use <= carved <= capacity; the places of objects are inside the slab, behind
 *       its control data; the free list has carved - in_use of them
 *   S3  a cache's counts of slabs and of active objects are those of its slabs
 *   S4  current has a free object; a slab is in the list of its level exactly if it has
 *       objects in use and free and is not current, and no such level is above that of
 *       current; one slab at most is empty, as spare or as current, and none of a cache
 *       of at most SLABS_FOR_SPARE; the bits of `levels` and `serving` say which lists
 *       and which currents there are
 *   and those of the tree. */
#ifndef KMA_SLAB_CACHE_H
#define KMA_SLAB_CACHE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_slab.h"
#include "kma_count.h"
#include "kma_radix.h"

enum {
    GRAIN = 8,            /* bytes; objects are aligned to it at least */
    LARGE = PAGESIZE / 8, /* bytes; as in the paper */
    MOST_WASTE = 8,       /* a slab wastes at most 1/8 of its bytes */
    COLOUR_STEP = 64,     /* bytes; a line of a processor's cache */
    LEVELS = 8,
    CANDIDATES = 16,     /* slabs of the highest level that are compared */
    SLABS_FOR_SPARE = 8, /* a cache of more slabs than this may keep an empty one */
    NO_NUMBER = UINT8_MAX
};

struct slab {
    struct slab *next, *prev; /* in the list of its level */
    struct kmem_cache *cache;
    kma_page_t *pages; /* NULL: the boot slab */
    char *objects;     /* the first one */
    void *free;        /* objects given back */
    uint16_t in_use;   /* objects that are taken */
    uint16_t carved;   /* objects ever taken, the first ones; all of them constructed */
};

struct kmem_cache {
    struct slab *current;
    uint32_t stride;       /* bytes from an object to the next */
    uint32_t link_offset;  /* bytes from an object to its link in the free list */
    uint16_t capacity;     /* objects in a slab */
    uint16_t first_offset; /* bytes before a slab's first object, without colour */
    uint16_t colour_step;  /* bytes */
    uint16_t colours;
    uint16_t next_colour;
    uint16_t listed_most; /* no slab seen in a list has more objects in use */
    uint8_t number;       /* its bit in `serving`, or NO_NUMBER */
    uint8_t order;        /* a slab has 1 << order pages */
    uint8_t level_shift;
    uint8_t levels;             /* bit: the level has slabs */
    struct slab *level[LEVELS]; /* partial slabs by fullness */
    struct slab *spare;
    size_t slabs;
    size_t active; /* objects that are taken */
    void (*constructor)(void *, size_t);
    void (*destructor)(void *, size_t);
    size_t size;             /* that these two are told */
    struct kmem_cache *next; /* of the clients' caches */
    char name[KMEM_NAME_BYTES];
};

static_assert(sizeof(struct slab) <= COLOUR_STEP,
              "control data takes one line at most");
static_assert(LARGE <= UINT16_MAX, "an alignment fits");
static_assert(PAGESIZE / GRAIN <= UINT16_MAX,
              "capacities fit: those of more than a page are below 2 * MOST_WASTE");
static_assert(KMEM_MAX_SIZE + sizeof(void *) <=
                  (size_t)(PAGESIZE << MAX_PAGE_ORDER) / MOST_WASTE,
              "of the longest run an object leaves less than it may waste");

/* The state of the caches, at the start of the root page. Behind it follows that of
 * kma_slab.c, and behind that the boot slab: the first objects of the cache of caches. */
struct kmem {
    struct radix slab_of_page;
    uint64_t serving; /* bit n: the cache with number n has a current slab */
    struct kmem_cache *slab_cache;
    struct kmem_cache *clients;
    struct kmem_cache cache_cache;
    unsigned phantoms; /* first objects of the boot slab: no room, always in use */
    struct slab boot;
};

static kma_page_t *root;

static inline struct kmem *kmem_state(void)
{
    return root->ptr;
}

/* ---- partial slabs */

/* The level of a slab with in_use objects taken, 1 to capacity - 1. */
static inline int level_of(const struct kmem_cache *cache, unsigned in_use)
{
    return (int)(in_use - 1) >> cache->level_shift;
}

static void list_slab(struct kmem_cache *cache, struct slab *slab)
{
    int level = level_of(cache, slab->in_use);
    slab->prev = NULL;
    slab->next = cache->level[level];
    if (slab->next != NULL)
        slab->next->prev = slab;
    cache->level[level] = slab;
    cache->levels |= (uint8_t)(1 << level);
    if (slab->in_use > cache->listed_most)
        cache->listed_most = slab->in_use;
}

static void unlist_slab(struct kmem_cache *cache, struct slab *slab, int level)
{
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        cache->level[level] = slab->next;
    if (cache->level[level] == NULL)
        cache->levels &= (uint8_t) ~(1 << level);
}

static inline void set_current(struct kmem_cache *cache, struct slab *slab)
{
    struct kmem *kmem = kmem_state();
    cache->current = slab;
    if (cache->number != NO_NUMBER) {
        uint64_t bit = (uint64_t)1 << cache->number;
        kmem->serving = slab != NULL ? kmem->serving | bit : kmem->serving & ~bit;
    }
}

/* Of the partial slabs in lists, of which there are some. */
static struct slab *fullest_listed(const struct kmem_cache *cache)
{
    struct slab *fullest = cache->level[LOG2_FLOOR(cache->levels)];
    struct slab *slab = fullest->next;
    for (int i = 1; i < CANDIDATES && slab != NULL; i++, slab = slab->next) {
        COUNT(STEP);
        if (slab->in_use > fullest->in_use)
            fullest = slab;
    }
    return fullest;
}

/* Makes the fullest slab with a free object current; the empty one, if no other. */
static void choose_current(struct kmem_cache *cache)
{
    struct slab *slab = cache->spare;
    if (cache->levels != 0) {
        slab = fullest_listed(cache);
        cache->listed_most = slab->in_use;
        unlist_slab(cache, slab, level_of(cache, slab->in_use));
    } else {
        cache->listed_most = 0;
        cache->spare = NULL;
    }
    set_current(cache, slab);
}

/* ---- slabs */

/* The slab of an object. */
static inline struct slab *slab_of(const void *object)
{
    struct kmem *kmem = kmem_state();
    if (BASEADDR(object) == (void *)kmem)
        return &kmem->boot;
    return radix_get(&kmem->slab_of_page, page_number(object));
}

/* The slab in whose pages an address lies; NULL when it lies in none. */
static inline struct slab *slab_at(const void *address)
{
    return radix_find(&kmem_state()->slab_of_page, page_number(address));
}

static inline size_t slab_bytes(const struct kmem_cache *cache)
{
    return (size_t)PAGESIZE << cache->order;
}

/* Bytes before the first object of a slab, without colour. */
static inline size_t control_bytes(size_t stride, size_t align)
{
    return stride < LARGE ? (sizeof(struct slab) + align - 1) & ~(align - 1) : 0;
}

static void *take_object(struct kmem_cache *cache);
static void give_object(struct slab *slab, void *object);
static struct kmem_cache *cache_new(const char *name, size_t size, size_t align,
                                    size_t link);
static void cache_delete(struct kmem_cache *cache);

/* The cache of slabs' control data, which exists while it has a slab. */
static void slab_cache_settle(void)
{
    struct kmem *kmem = kmem_state();
    if (kmem->slab_cache->slabs > 0)
        return;
    cache_delete(kmem->slab_cache);
    kmem->slab_cache = NULL;
}

/* Room for a slab's control data, in its pages or outside. NULL: no page. */
static struct slab *control_new(const struct kmem_cache *cache, kma_page_t *pages)
{
    struct kmem *kmem = kmem_state();
    if (cache->stride < LARGE)
        return pages->ptr;
    if (kmem->slab_cache == NULL)
        kmem->slab_cache = cache_new("kmem_slab", sizeof(struct slab), GRAIN, 0);
    if (kmem->slab_cache == NULL)
        return NULL;
    struct slab *slab = take_object(kmem->slab_cache);
    slab_cache_settle();
    return slab;
}

static void control_delete(const struct kmem_cache *cache, struct slab *slab)
{
    if (cache->stride < LARGE)
        return;
    give_object(slab_of(slab), slab);
    slab_cache_settle();
}

/* Takes the first `count` pages of a slab out of the tree. */
static void forget_pages(const struct slab *slab, uintptr_t count)
{
    uintptr_t first = page_number(slab->pages->ptr);
    while (count > 0)
        radix_remove(&kmem_state()->slab_of_page, first + --count);
}

static int enter_pages(struct slab *slab)
{
    uintptr_t first = page_number(slab->pages->ptr);
    for (uintptr_t i = 0; i < (uintptr_t)1 << slab->cache->order; i++) {
        if (!radix_put(&kmem_state()->slab_of_page, first + i, slab)) {
            forget_pages(slab, i);
            return FALSE;
        }
    }
    return TRUE;
}

/* Makes a new slab current. FALSE: no page; all is as before. */
static int grow(struct kmem_cache *cache)
{
    kma_page_t *pages = get_pages(cache->order);
    if (pages == NULL)
        return FALSE;
    struct slab *slab = control_new(cache, pages);
    if (slab == NULL) {
        free_pages(pages);
        return FALSE;
    }
    size_t colour = (size_t)cache->next_colour * cache->colour_step;
    *slab = (struct slab){.cache = cache, .pages = pages};
    slab->objects = (char *)pages->ptr + cache->first_offset + colour;
    if (!enter_pages(slab)) {
        control_delete(cache, slab);
        free_pages(pages);
        return FALSE;
    }
    cache->next_colour = (uint16_t)((cache->next_colour + 1) % cache->colours);
    cache->slabs++;
    set_current(cache, slab);
    return TRUE;
}

/* Gives back a slab that is in no list and has no object taken. */
static void release(struct kmem_cache *cache, struct slab *slab)
{
    kma_page_t *pages = slab->pages;
    if (cache->destructor != NULL) {
        for (size_t i = 0; i < slab->carved; i++)
            cache->destructor(slab->objects + i * cache->stride, cache->size);
    }
    forget_pages(slab, (uintptr_t)1 << cache->order);
    control_delete(cache, slab);
    free_pages(pages);
    cache->slabs--;
}

/* Gives back the empty slab that a cache keeps, if it does. */
static void release_kept(struct kmem_cache *cache)
{
    struct slab *slab = cache->spare;
    cache->spare = NULL;
    if (slab == NULL && cache->current != NULL && cache->current->in_use == 0) {
        slab = cache->current;
        set_current(cache, NULL);
    }
    if (slab != NULL)
        release(cache, slab);
}

/* Keeps a slab that is in no list and has no object taken, or gives it back. */
static void retire(struct kmem_cache *cache, struct slab *slab)
{
    struct slab *current = cache->current;
    if (cache->slabs > SLABS_FOR_SPARE && current == NULL) {
        set_current(cache, slab);
    } else if (cache->slabs > SLABS_FOR_SPARE && cache->spare == NULL &&
               current->in_use > 0) {
        cache->spare = slab;
    } else {
        release(cache, slab);
        if (cache->slabs <= SLABS_FOR_SPARE)
            release_kept(cache);
    }
}

/* ---- objects */

static inline void **link_of(const struct kmem_cache *cache, void *object)
{
    return (void **)(void *)((char *)object + cache->link_offset);
}

/* An object of the fullest slab. NULL: no page; all is as before. */
static void *take_object(struct kmem_cache *cache)
{
    if (cache->current == NULL && !grow(cache))
        return NULL;
    struct slab *slab = cache->current;
    void *object = slab->free;
    if (object != NULL) {
        slab->free = *link_of(cache, object);
    } else {
        object = slab->objects + (size_t)slab->carved++ * cache->stride;
        if (cache->constructor != NULL)
            cache->constructor(object, cache->size);
    }
    cache->active++;
    if (++slab->in_use == cache->capacity)
        choose_current(cache);
    return object;
}

/* Makes a slab current that was full. */
static void promote(struct kmem_cache *cache, struct slab *slab)
{
    struct slab *current = cache->current;
    if (slab->in_use == 0) { /* it holds a single object */
        retire(cache, slab);
        return;
    }
    set_current(cache, slab);
    if (current != NULL && current->in_use > 0)
        list_slab(cache, current);
    else if (current != NULL)
        retire(cache, current);
}

/* Lets another slab be current if that is fuller now. */
static void demote(struct kmem_cache *cache, struct slab *slab)
{
    if (slab->in_use == 0) {
        choose_current(cache);
        retire(cache, slab);
    } else if (slab->in_use < cache->listed_most) {
        list_slab(cache, slab);
        choose_current(cache);
    }
}

/* Takes an object back into its slab. */
static void give_object(struct slab *slab, void *object)
{
    struct kmem_cache *cache = slab->cache;
    *link_of(cache, object) = slab->free;
    slab->free = object;
    cache->active--;
    unsigned in_use = --slab->in_use;
    if (in_use + 1 == cache->capacity) {
        promote(cache, slab);
    } else if (slab == cache->current) {
        demote(cache, slab);
    } else if (in_use == 0) {
        unlist_slab(cache, slab, 0);
        retire(cache, slab);
    } else if (level_of(cache, in_use) != level_of(cache, in_use + 1)) {
        unlist_slab(cache, slab, level_of(cache, in_use + 1));
        list_slab(cache, slab);
    }
}

/* ---- caches */

/* Objects in a slab of an order; 0 if it would waste more than it may. */
static size_t capacity_of(size_t stride, size_t align, int order)
{
    size_t bytes = (size_t)PAGESIZE << order;
    size_t capacity = (bytes - control_bytes(stride, align)) / stride;
    return (bytes - capacity * stride) * MOST_WASTE <= bytes ? capacity : 0;
}

static void cache_init(struct kmem_cache *cache, const char *name, size_t size,
                       size_t align, size_t link)
{
    size_t stride = (size + link + align - 1) & ~(align - 1);
    *cache = (struct kmem_cache){.number = NO_NUMBER, .size = size};
    char *to = cache->name, *end = to + KMEM_NAME_BYTES - 1;
    while (*name != '\0' && to < end)
        *to++ = *name++;
    while (capacity_of(stride, align, cache->order) == 0)
        cache->order++;
    size_t capacity = capacity_of(stride, align, cache->order);
    cache->stride = (uint32_t)stride;
    cache->link_offset = (uint32_t)(link > 0 ? stride - link : 0);
    cache->capacity = (uint16_t)capacity;
    while (level_of(cache, cache->capacity) >= LEVELS)
        cache->level_shift++;
    cache->first_offset = (uint16_t)control_bytes(stride, align);
    cache->colour_step = (uint16_t)(align > COLOUR_STEP ? align : COLOUR_STEP);
    size_t rest = slab_bytes(cache) - cache->first_offset - capacity * stride;
    /* Beyond a page they would begin at the same lines again. */
    size_t room = rest < PAGESIZE ? rest : PAGESIZE - 1;
    cache->colours = (uint16_t)(room / cache->colour_step + 1);
}

/* Makes the root page with the owner's state, `state_bytes` with struct kmem first, all
 * zero; cache_bytes is what the owner takes for a cache. FALSE: no page. */
static int root_open(size_t state_bytes, size_t cache_bytes)
{
    root = get_page();
    if (root == NULL)
        return FALSE;
    state_bytes = (state_bytes + GRAIN - 1) & ~(size_t)(GRAIN - 1);
    memset(root->ptr, 0, state_bytes);
    struct kmem *kmem = root->ptr;
    struct kmem_cache *caches = &kmem->cache_cache;
    cache_init(caches, "kmem_cache", cache_bytes, GRAIN, 0);
    size_t room = (PAGESIZE - state_bytes) / caches->stride;
    kmem->phantoms = caches->capacity - (unsigned)room;
    kmem->boot = (struct slab){.cache = caches};
    kmem->boot.objects =
        (char *)kmem + state_bytes - (size_t)kmem->phantoms * caches->stride;
    kmem->boot.in_use = kmem->boot.carved = (uint16_t)kmem->phantoms;
    caches->slabs = 1;
    caches->current = &kmem->boot;
    return TRUE;
}

/* Gives the root page back when there is no cache. */
static void root_close_if_idle(void)
{
    if (kmem_state()->cache_cache.active == 0) {
        free_page(root);
        root = NULL;
    }
}

/* NULL: no page; all is as before. */
static struct kmem_cache *cache_new(const char *name, size_t size, size_t align,
                                    size_t link)
{
    struct kmem_cache *cache = take_object(&kmem_state()->cache_cache);
    if (cache != NULL)
        cache_init(cache, name, size, align, link);
    return cache;
}

/* Gives up a cache without slabs. */
static void cache_delete(struct kmem_cache *cache)
{
    give_object(slab_of(cache), cache);
}

#endif
