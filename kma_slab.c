/* kma_slab.c - the slab allocator: object caches, and kma_malloc over a set of them.
 *
 * Source: J. Bonwick, "The Slab Allocator: An Object-Caching Kernel Memory Allocator",
 * USENIX Summer 1994; the magazines: J. Bonwick and J. Adams, "Magazines and Vmem",
 * USENIX 2001. kma_slab.h is what a client of object caches sees; kma_slab_cache.h has
 * the caches and their slabs, with pictures and the invariants S1 to S4.
 *
 * A cache serves objects of one size. Its memory comes in slabs: a run of pages, cut into
 * objects. The order of the run is the smallest with which a slab wastes at most 1/8 of
 * its bytes. A free object is in the free list of its slab, linked through its first word
 * or, so that what a constructor made of it stays, through a word behind it. Where a slab
 * has bytes left over, each next one begins COLOUR_STEP later, so that objects of
 * different slabs do not meet in the same lines of a processor's cache.
 *
 * Objects come from the fullest partial slab, which is current. Full slabs are in no list;
 * one that gets an object back is the fullest then. The other partial ones are in lists,
 * by levels of fullness. When current is full, or falls behind one of them, the fullest
 * of the first CANDIDATES of the highest level takes its place, which is the fullest of
 * all unless that level has more. A slab whose last object comes back is given back; a
 * cache of more than SLABS_FOR_SPARE slabs keeps one, less than 1/8 of its slabs.
 *
 * kma_malloc has a cache for each of a set of sizes; kma_slab_sizes.h has the rule and
 * what it wastes. Two things stand between a request and its cache:
 *
 *     request of 56 bytes -> class 56 -> magazine -> cache "size-56" -> slab -> pages
 *                                             or, borrowed, from "size-64", ...
 *
 * A magazine keeps the few objects that were freed last, and most requests find theirs
 * there and touch no slab. It has at most ROUNDS, and at most 1/SHARE_OF_HELD of the
 * blocks of its class that are held; a free for which there is no room makes room for
 * half of that.
 *
 * And a class without a free object borrows: it takes an object of the next larger class
 * that has one, as long as all it borrowed wastes at most BORROWED_MOST. On small heaps
 * most of the penalty is slabs with few objects in them, one for each size in use. It is
 * also how requests are served when no more pages can be had.
 *
 * Invariants, beside those of the caches:
 *   K1  the cache of a class has its size and number, and a slab while no block is held
 *   K2  a magazine holds the number of objects it counts, at most as many as said, all
 *       of them from slabs of its class or a larger one
 *   K3  the objects taken from the caches of classes are in magazines or held
 *   K4  their bytes are those of the classes they serve and what these borrowed; a class
 *       of which no block is held borrows nothing
 *
 * Cost: constant for malloc and free. At worst they take or give back ROUNDS objects, and
 * make one slab or give back as many, each with control data, a cache and nodes of the
 * tree, in a number of steps that only the pages of a slab add to; in an object cache
 * also its objects, when there is a destructor.
 *
 * Departures: a free object's slab is found through a radix tree over pages, not a hash
 * table of objects; objects are constructed one by one as they are first used; one
 * magazine a class, as there is one processor, linked through the objects, not an array;
 * the cache of a class exists only while it is used, so that an idle allocator holds no
 * page; nothing reaps empty slabs, they go at once; classes borrow. Object caches have no
 * magazine: there the fullest slab counts. */
#ifdef KMA_SLAB

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_bits.h"
#include "kma_slab.h"
#include "kma_slab_cache.h"
#include "kma_slab_audit.h"
#include "kma_slab_sizes.h"

enum {
    MAX_REQUEST = PAGESIZE - sizeof(void *),
    ALIGNMENT = 16,              /* bytes; of objects that are multiples of it */
    ROUNDS = 16,                 /* objects in a magazine at most */
    SHARE_OF_HELD = 8,           /* and 1/8 of the class's blocks that are held */
    BORROWED_MOST = PAGESIZE / 6 /* bytes wasted in what a class borrowed */
};

/* The cache of a class, with free objects that are no longer, or not yet, in use. */
struct size_cache {
    struct kmem_cache cache;
    void *magazine;  /* the object freed last, linked through first words */
    uint32_t rounds; /* objects in it */
};

struct allocator {
    struct kmem kmem;
    struct size_cache *of_class[CLASSES];
    uint32_t held[CLASSES];     /* blocks that the client holds */
    uint32_t borrowed[CLASSES]; /* bytes that are wasted by blocks of larger classes */
    struct class_table classes;
};

static_assert(offsetof(struct size_cache, cache) == 0, "a size_cache is a kmem_cache");
static_assert(sizeof(struct size_cache) < LARGE,
              "control data of the caches' own slabs needs no other cache");
static_assert(sizeof(struct allocator) + sizeof(struct size_cache) <= PAGESIZE - GRAIN,
              "the root page holds the state and a cache");
static_assert(CLASSES <= 64, "each class has a bit of `serving`");

static inline struct allocator *allocator(void)
{
    return root->ptr;
}

static inline int class_of(kma_size_t size)
{
    return class_in(&allocator()->classes, size);
}

/* Objects in a magazine, at most, of a class of which so many blocks are held. */
static inline uint32_t most_rounds(uint32_t held)
{
    uint32_t share = held / SHARE_OF_HELD;
    return share < ROUNDS ? share : ROUNDS;
}

static inline void push_round(struct size_cache *own, void *object)
{
    *(void **)object = own->magazine;
    own->magazine = object;
    own->rounds++;
}

static inline void *pop_round(struct size_cache *own)
{
    void *object = own->magazine;
    own->magazine = *(void **)object;
    own->rounds--;
    return object;
}

static void *malloc_slow(kma_size_t size);
static void free_slow(void *ptr, int size_class);

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    if (root == NULL)
        return malloc_slow(size);
    int size_class = class_of(size);
    struct size_cache *own = allocator()->of_class[size_class];
    if (own == NULL || own->rounds == 0)
        return malloc_slow(size);
    allocator()->held[size_class]++;
    return pop_round(own);
}

void kma_free(void *ptr, kma_size_t size)
{
    int size_class = class_of(size);
    struct size_cache *own = allocator()->of_class[size_class];
    uint32_t held = --allocator()->held[size_class];
    if (own == NULL || own->rounds >= most_rounds(held))
        free_slow(ptr, size_class);
    else
        push_round(own, ptr);
}

/* ---- classes */

kma_size_t kma_block_size(kma_size_t size)
{
    int size_class = 0;
    while ((kma_size_t)class_bytes(size_class) < size)
        size_class++;
    return (kma_size_t)class_bytes(size_class);
}

static int allocator_open(void)
{
    if (!root_open(sizeof(struct allocator), sizeof(struct size_cache)))
        return FALSE;
    class_table_init(&allocator()->classes);
    return TRUE;
}

static struct size_cache *size_cache_new(int size_class)
{
    char name[KMEM_NAME_BYTES];
    uint32_t bytes = class_bytes(size_class);
    size_name(name, bytes);
    size_t align = bytes % ALIGNMENT == 0 ? ALIGNMENT : GRAIN;
    struct size_cache *own = (struct size_cache *)cache_new(name, bytes, align, 0);
    if (own != NULL) {
        own->cache.number = (uint8_t)size_class;
        own->magazine = NULL;
        own->rounds = 0;
        allocator()->of_class[size_class] = own;
    }
    return own;
}

/* Gives up the cache of a class, which has no slab. */
static void size_cache_delete(int size_class)
{
    struct size_cache *own = allocator()->of_class[size_class];
    allocator()->of_class[size_class] = NULL;
    cache_delete(&own->cache);
}

/* The same if there is one that is no longer used. */
static void size_cache_settle(int size_class)
{
    const struct size_cache *own = allocator()->of_class[size_class];
    if (own != NULL && own->cache.slabs == 0 && allocator()->held[size_class] == 0)
        size_cache_delete(size_class);
}

/* Bytes by which the objects of a class are larger than those of another. */
static inline uint32_t difference(int larger, int smaller)
{
    const uint16_t *grains = allocator()->classes.grains;
    return (uint32_t)(grains[larger] - grains[smaller]) * GRAIN;
}

/* Takes back an object that served a request of this class. */
static void put_object(void *object, int size_class)
{
    struct slab *slab = slab_of(object);
    int owner = slab->cache->number;
    give_object(slab, object);
    if (owner != size_class) {
        allocator()->borrowed[size_class] -= difference(owner, size_class);
        size_cache_settle(owner);
    }
}

/* Gives back all but the `kept` objects that were freed last. */
static void unload(struct size_cache *own, int size_class, uint32_t kept)
{
    void **place = &own->magazine;
    for (uint32_t i = 0; i < kept; i++)
        place = *place;
    void *object = *place;
    *place = NULL;
    own->rounds = kept;
    while (object != NULL) {
        void *next = *(void **)object;
        put_object(object, size_class);
        object = next;
    }
}

/* An object of the class itself, and some more for its magazine. NULL: no page; all is
 * as before. */
static void *take_own(int size_class)
{
    struct size_cache *own = allocator()->of_class[size_class];
    bool is_new = own == NULL;
    if (is_new)
        own = size_cache_new(size_class);
    if (own == NULL)
        return NULL;
    void *object = take_object(&own->cache);
    if (object == NULL && is_new)
        size_cache_delete(size_class);
    if (object == NULL)
        return NULL;
    uint32_t most = most_rounds(allocator()->held[size_class]);
    while (own->rounds < most && own->rounds < ROUNDS / 2 && own->cache.current != NULL)
        push_round(own, take_object(&own->cache));
    return object;
}

/* An object of the next larger class that has one free. */
static void *borrow(int size_class, uint32_t most)
{
    struct allocator *state = allocator();
    uint64_t larger = state->kmem.serving >> size_class >> 1;
    if (larger == 0)
        return NULL;
    int lender = size_class + 1 + (int)lowest_bit(larger);
    uint32_t waste = difference(lender, size_class);
    if (waste > most || state->borrowed[size_class] > most - waste)
        return NULL;
    state->borrowed[size_class] += waste;
    return take_object(&state->of_class[lender]->cache);
}

static __attribute__((noinline)) void *malloc_slow(kma_size_t size)
{
    if (root == NULL && !allocator_open())
        return NULL;
    int size_class = class_of(size);
    struct size_cache *own = allocator()->of_class[size_class];
    void *object = NULL;
    if (own == NULL || own->cache.current == NULL)
        object = borrow(size_class, BORROWED_MOST);
    if (object == NULL)
        object = take_own(size_class);
    if (object == NULL)
        object = borrow(size_class, UINT32_MAX);
    if (object != NULL)
        allocator()->held[size_class]++;
    else
        root_close_if_idle();
    return object;
}

/* Frees a block where there is no magazine, or none with room for it. */
static __attribute__((noinline)) void free_slow(void *ptr, int size_class)
{
    struct size_cache *own = allocator()->of_class[size_class];
    uint32_t most = most_rounds(allocator()->held[size_class]);
    if (own != NULL && own->rounds > most / 2)
        unload(own, size_class, most / 2);
    if (own != NULL && most > 0) {
        push_round(own, ptr);
        return;
    }
    put_object(ptr, size_class);
    size_cache_settle(size_class);
    root_close_if_idle();
}

/* ---- object caches */

kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t align,
                                void (*constructor)(void *, size_t),
                                void (*destructor)(void *, size_t))
{
    if (size == 0 || size > KMEM_MAX_SIZE || align > LARGE ||
        (align & (align - 1)) != 0 || (root == NULL && !allocator_open()))
        return NULL;
    bool keeps_state = constructor != NULL || destructor != NULL;
    struct kmem_cache *cache = cache_new(name, size, align < GRAIN ? GRAIN : align,
                                         keeps_state ? sizeof(void *) : 0);
    if (cache == NULL)
        return NULL; /* and not idle: a root page that was just made has room */
    cache->constructor = constructor;
    cache->destructor = destructor;
    cache->next = kmem_state()->clients;
    kmem_state()->clients = cache;
    return cache;
}

void *kmem_cache_alloc(kmem_cache_t *cache)
{
    return take_object(cache);
}

void kmem_cache_free(kmem_cache_t *cache, void *object)
{
    struct slab *slab = slab_at(object);
    assert(slab != NULL && slab->cache == cache);
    (void)cache; /* where nothing is asserted */
    give_object(slab, object);
}

int kmem_cache_shrink(kmem_cache_t *cache)
{
    size_t before = cache->slabs;
    release_kept(cache);
    return (int)(before - cache->slabs) << cache->order;
}

enum kmem_result kmem_cache_destroy(kmem_cache_t *cache)
{
    if (cache->active > 0)
        return KMEM_OBJECTS_LIVE; /* otherwise it has no slab, since of few none is kept */
    struct kmem_cache **place = &kmem_state()->clients;
    while (*place != cache)
        place = &(*place)->next;
    *place = cache->next;
    cache_delete(cache);
    root_close_if_idle();
    return KMEM_DESTROYED;
}

/* ---- looking at it */

static void describe(const kmem_cache_t *cache,
                     void (*visit)(const struct kmem_slabinfo *, void *), void *context)
{
    const struct kmem *kmem = kmem_state();
    const struct slab *current = cache->current;
    size_t phantoms = 0;
    size_t empty = (cache->spare != NULL) + (current != NULL && current->in_use == 0);
    if (cache == &kmem->cache_cache) {
        phantoms = kmem->phantoms;
        empty += kmem->boot.in_use == phantoms;
    }
    const struct kmem_slabinfo info = {
        .name = cache->name,
        .active_objects = cache->active,
        .objects = cache->slabs * cache->capacity - phantoms,
        .object_size = cache->stride,
        .objects_per_slab = cache->capacity,
        .pages_per_slab = (size_t)1 << cache->order,
        .active_slabs = cache->slabs - empty,
        .slabs = cache->slabs,
    };
    visit(&info, context);
}

void kmem_slabinfo(void (*visit)(const struct kmem_slabinfo *, void *), void *context)
{
    if (root == NULL)
        return;
    const struct allocator *state = allocator();
    describe(&state->kmem.cache_cache, visit, context);
    if (state->kmem.slab_cache != NULL)
        describe(state->kmem.slab_cache, visit, context);
    for (int size_class = 0; size_class < CLASSES; size_class++) {
        if (state->of_class[size_class] != NULL)
            describe(&state->of_class[size_class]->cache, visit, context);
    }
    for (const kmem_cache_t *cache = state->kmem.clients; cache; cache = cache->next)
        describe(cache, visit, context);
}

static int audit_class(int size_class)
{
    const struct allocator *state = allocator();
    const struct size_cache *own = state->of_class[size_class];
    uint32_t held = state->held[size_class];
    int broken = held == 0 && state->borrowed[size_class] > 0; /* K4 */
    if (own == NULL)
        return broken;
    broken += own->cache.number != size_class ||
              own->cache.stride != class_bytes(size_class); /* K1 */
    broken += held == 0 && own->cache.slabs == 0;           /* K1 */
    if (own->rounds > most_rounds(held))
        return broken + 1; /* K2 */
    uint32_t rounds = 0;
    for (void *const *round = own->magazine; round != NULL; round = *round) {
        const struct slab *slab = slab_at(round);
        if (slab == NULL || slab->cache->number == NO_NUMBER ||
            slab->cache->number < size_class || rounds++ == own->rounds)
            return broken + 1; /* K2 */
    }
    broken += rounds != own->rounds; /* K2 */
    return broken;
}

/* Of what lies between the client and the caches of classes. */
static int audit_classes(void)
{
    const struct allocator *state = allocator();
    uint64_t taken = 0, taken_bytes = 0, serving = 0, serving_bytes = 0;
    int broken = 0;
    for (int size_class = 0; size_class < CLASSES; size_class++) {
        const struct size_cache *own = state->of_class[size_class];
        uint64_t bytes = class_bytes(size_class), count = state->held[size_class];
        broken += audit_class(size_class);
        if (own != NULL) {
            count += own->rounds;
            taken += own->cache.active;
            taken_bytes += own->cache.active * bytes;
        }
        serving += count;
        serving_bytes += count * bytes + state->borrowed[size_class];
    }
    return broken + (taken != serving) + (taken_bytes != serving_bytes); /* K3, K4 */
}

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    const struct allocator *state = allocator();
    size_t pages = 0;
    int broken = cache_audit(&state->kmem.cache_cache, &pages);
    if (state->kmem.slab_cache != NULL)
        broken += cache_audit(state->kmem.slab_cache, &pages);
    for (int size_class = 0; size_class < CLASSES; size_class++) {
        if (state->of_class[size_class] != NULL)
            broken += cache_audit(&state->of_class[size_class]->cache, &pages);
    }
    for (const kmem_cache_t *cache = state->kmem.clients; cache; cache = cache->next)
        broken += cache_audit(cache, &pages);
    return broken + audit_classes() + tree_audit(pages);
}

#endif
