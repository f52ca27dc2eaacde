/* kma_slab.h - object caches: what kma_slab.c offers beside kma_malloc and kma_free.
 *
 * A cache hands out objects of one size. With a constructor each object is constructed
 * once, before its first use, and its client gives it back constructed: the next one
 * gets it as it is. The destructor is called before the object's memory is given up. */
#ifndef KMA_SLAB_H
#define KMA_SLAB_H

#include <stddef.h>
#include "kma_page.h"

typedef struct kmem_cache kmem_cache_t;

enum {
    KMEM_NAME_BYTES = 24, /* of a name, with its end */
    /* Bytes of an object: an eighth of the longest run, with a word for the cache. */
    KMEM_MAX_SIZE = (PAGESIZE << MAX_PAGE_ORDER) / 8 - 8
};

/* Why a cache was not destroyed. */
enum kmem_result { KMEM_DESTROYED = 0, KMEM_OBJECTS_LIVE = 1 };

/* A cache of objects of `size` bytes, 1 to KMEM_MAX_SIZE, aligned to `align`, a power of
 * two of at most PAGESIZE / 8, or 0 for 8. The name is copied, its first
 * KMEM_NAME_BYTES - 1 characters. Constructor and destructor may be NULL; they get an
 * object and the size, and must not call this allocator. With either, all bytes of an
 * object stay as its client left them; with neither, its contents are undefined. NULL
 * when a size or an alignment is not as said, or when no page can be had. */
kmem_cache_t *kmem_cache_create(const char *name, size_t size, size_t align,
                                void (*constructor)(void *, size_t),
                                void (*destructor)(void *, size_t));

/* An object, or NULL when no page can be had; all is then as before. */
void *kmem_cache_alloc(kmem_cache_t *cache);

/* Takes back an object, which must be of this cache: that is asserted. */
void kmem_cache_free(kmem_cache_t *cache, void *object);

/* Gives up the cache and its pages: KMEM_DESTROYED. Or changes nothing and returns
 * KMEM_OBJECTS_LIVE, while the client holds objects of it. */
enum kmem_result kmem_cache_destroy(kmem_cache_t *cache);

/* Gives back the slab that the cache keeps empty, if it does. Returns the number of its
 * pages. */
int kmem_cache_shrink(kmem_cache_t *cache);

/* The columns of /proc/slabinfo. */
struct kmem_slabinfo {
    const char *name;
    size_t active_objects; /* taken from slabs, for a client or a magazine */
    size_t objects;        /* in all slabs */
    size_t object_size;    /* bytes, from one object to the next */
    size_t objects_per_slab;
    size_t pages_per_slab;
    size_t active_slabs; /* with an active object */
    size_t slabs;
};

/* Calls visit for each cache: the allocator's own ("kmem_cache", of the caches, and
 * "kmem_slab", of control data), those of kma_malloc by size ("size-8"), those of clients
 * from the newest. Optional: a driver prints it where it is present. */
void kmem_slabinfo(void (*visit)(const struct kmem_slabinfo *, void *context),
                   void *context) __attribute__((weak));

#endif
