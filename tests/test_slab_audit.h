/* test_slab_audit.h - of test_slab.c: each invariant broken on purpose, and how many
 * complaints that makes. */
#ifndef KMA_TESTS_TEST_SLAB_AUDIT_H
#define KMA_TESTS_TEST_SLAB_AUDIT_H

/* So many complaints while the lvalue has that value. */
#define COMPLAINTS(number, lvalue, value)     \
    do {                                      \
        __typeof__(lvalue) was = lvalue;      \
        lvalue = value;                       \
        int complaints = kma_audit();         \
        lvalue = was;                         \
        assert_int_equal(complaints, number); \
        assert_int_equal(kma_audit(), 0);     \
    } while (0)

#define AUDIT_OBJECTS 16

/* Slabs of four objects: the second and third have one free, the fourth three. */
static kmem_cache_t *audited_cache(void)
{
    kmem_cache_t *cache = create("audited", PAGESIZE / 4, 0);
    take_many(cache, 0, AUDIT_OBJECTS);
    kmem_cache_free(cache, object[12]);
    kmem_cache_free(cache, object[13]);
    kmem_cache_free(cache, object[14]);
    kmem_cache_free(cache, object[4]);
    kmem_cache_free(cache, object[8]);
    assert_int_equal(kma_audit(), 0);
    return cache;
}

static void end_audited(kmem_cache_t *cache)
{
    give_many(cache, 0, 4);
    give_many(cache, 5, 3);
    give_many(cache, 9, 3);
    kmem_cache_free(cache, object[15]);
    destroy(cache);
}

static void test_audit_of_pages(void **state)
{
    (void)state;
    kmem_cache_t *cache = audited_cache(), *other = create("other", 3 * PAGESIZE, 0);
    char *wide = take(other);
    struct radix *tree = &kmem_state()->slab_of_page;
    struct slab *full = slab_of(object[0]);
    uintptr_t number = page_number(wide) + 1;
    radix_remove(tree, number); /* S1: a page of a slab is not there */
    assert_int_equal(kma_audit(), 1);
    assert_true(radix_put(tree, number, full)); /* S1: it is another's */
    assert_int_equal(kma_audit(), 3);
    radix_remove(tree, number);
    assert_true(radix_put(tree, number, slab_of(wide)));
    assert_int_equal(kma_audit(), 0);
    number = page_number(wide) + ((uintptr_t)1 << other->order);
    assert_null(radix_find(tree, number));
    assert_true(radix_put(tree, number, slab_of(wide))); /* S1: one too many */
    assert_int_equal(kma_audit(), 2);
    radix_remove(tree, number);
    struct slab *slab = slab_of(wide);
    kma_page_t *pages = slab->pages, shifted = *pages;
    shifted.ptr = (char *)shifted.ptr + PAGESIZE;
    slab->pages = &shifted; /* S1: not aligned, and for its first page not it */
    slab->objects += PAGESIZE;
    int complaints = kma_audit();
    slab->pages = pages;
    slab->objects -= PAGESIZE;
    assert_int_equal(complaints, 1 << other->order);
    struct kmem_cache stranger = *cache; /* S1, S3: of a cache that nobody knows */
    COMPLAINTS(2, full->cache, &stranger);
    kmem_cache_free(other, wide);
    destroy(other);
    end_audited(cache);
}

/* S2 */
static void test_audit_of_slabs(void **state)
{
    (void)state;
    kmem_cache_t *cache = audited_cache();
    struct slab *slab = slab_of(object[15]);
    void **link = link_of(cache, object[14]);
    assert_ptr_equal(slab->free, object[14]);
    COMPLAINTS(1, slab->carved, 3);   /* one free object too many */
    COMPLAINTS(1, slab->carved, 5);   /* more than there are */
    COMPLAINTS(1, slab->free, NULL);  /* too short */
    COMPLAINTS(1, *link, object[14]); /* a circle */
    COMPLAINTS(1, *link, object[4]);  /* of another slab */
    *(void **)(void *)(object[13] + 8) = object[12];
    COMPLAINTS(1, *link, object[13] + 8);            /* not an object's place */
    COMPLAINTS(1, slab->objects, slab->objects + 8); /* beyond the slab's end */
    COMPLAINTS(1, slab->objects, slab->objects - 8); /* before its begin */
    struct slab *full = slab_of(object[0]);
    COMPLAINTS(1, full->objects, full->objects + 8); /* beyond the end */
    COMPLAINTS(1, full->free, object[0]);            /* it has none */
    end_audited(cache);
    cache = create("small", 8, 0);
    char *small = take(cache);
    slab = slab_of(small);
    COMPLAINTS(1, slab->objects, slab->objects - 8); /* where control data is */
    COMPLAINTS(2, slab->in_use, 2);                  /* S2, and S3 */
    char *second = take(cache);
    kmem_cache_free(cache, second);
    *(void **)(void *)(second + 8) = NULL;
    COMPLAINTS(1, slab->free, second + 8); /* an object that was never taken */
    kmem_cache_free(cache, small);
    destroy(cache);
}

/* S3 */
static void test_audit_of_counts(void **state)
{
    (void)state;
    kmem_cache_t *cache = audited_cache();
    COMPLAINTS(1, cache->active, 10);
    COMPLAINTS(1, cache->active, 12);
    COMPLAINTS(1, cache->slabs, 3);
    COMPLAINTS(1, cache->slabs, 5);
    struct kmem_cache *caches = &kmem_state()->cache_cache;
    COMPLAINTS(1, caches->active, 1); /* of caches: this one, and kmem_slab */
    COMPLAINTS(1, kmem_state()->phantoms, 0);
    end_audited(cache);
}

/* S4 */
static void test_audit_of_lists(void **state)
{
    (void)state;
    kmem_cache_t *cache = audited_cache(), *other = create("other", PAGESIZE / 4, 0);
    struct slab *current = slab_of(object[8]), *second = slab_of(object[4]);
    struct slab *fourth = slab_of(object[15]), *full = slab_of(object[0]);
    assert_ptr_equal(cache->current, current);
    assert_ptr_equal(cache->level[2], second);
    assert_ptr_equal(cache->level[0], fourth);
    COMPLAINTS(2, cache->current, full);  /* it has no free object; another is lost */
    COMPLAINTS(2, cache->level[2], NULL); /* the bit; one is lost */
    COMPLAINTS(1, cache->levels, 4 + 2 + 1); /* a bit without slabs */
    COMPLAINTS(1, cache->levels, 4);         /* slabs without a bit */
    COMPLAINTS(1, cache->level[2], full);    /* full slabs are in no list */
    COMPLAINTS(1, cache->level[2], current); /* nor is current */
    COMPLAINTS(1, cache->level[2], fourth);  /* of another level */
    COMPLAINTS(1, fourth->next, fourth);     /* a circle */
    COMPLAINTS(1, second->prev, second);     /* not what is before it */
    object[16] = take(other);
    COMPLAINTS(1, cache->level[0], slab_of(object[16])); /* of another cache */
    kmem_cache_free(other, object[16]);
    end_audited(cache);
    destroy(other);
}

/* S4: of the slab that serves, and of the empty one. */
static void test_audit_of_current(void **state)
{
    (void)state;
    kmem_cache_t *cache = create("audited", PAGESIZE / 4, 0);
    enum { SLABS = SLABS_FOR_SPARE + 2 };
    take_many(cache, 0, 4 * SLABS);
    give_many(cache, 0, 2);
    give_many(cache, 4, 4);
    struct slab *partial = slab_of(object[2]), *empty = slab_of(object[4]);
    assert_ptr_equal(cache->current, partial);
    assert_ptr_equal(cache->spare, empty);
    assert_int_equal(kma_audit(), 0);
    COMPLAINTS(1, cache->spare, NULL);               /* an empty slab is nowhere */
    COMPLAINTS(1, cache->spare, partial);            /* it is current, and not empty */
    COMPLAINTS(1, cache->spare, slab_of(object[8])); /* it is full */
    kmem_cache_free(cache, object[8]);
    kmem_cache_free(cache, object[9]);
    kmem_cache_free(cache, object[10]);
    struct slab *emptier = slab_of(object[11]);
    assert_ptr_equal(cache->level[0], emptier);
    assert_ptr_equal(cache->current, partial);
    assert_int_equal(kma_audit(), 0);
    cache->current = emptier; /* the other way round: a fuller one is in a list */
    cache->level[0] = NULL;
    cache->level[1] = partial;
    cache->levels = 2;
    assert_int_equal(kma_audit(), 1);
    cache->current = partial;
    cache->level[0] = emptier;
    cache->level[1] = NULL;
    cache->levels = 1;
    assert_int_equal(kma_audit(), 0);
    give_many(cache, 2, 2);
    give_many(cache, 11, 4 * SLABS - 11);
    destroy(cache);
}

/* S4: no empty slab is kept of few. */
static void test_audit_of_few_slabs(void **state)
{
    (void)state;
    kmem_cache_t *cache = create("audited", PAGESIZE / 4, 0);
    char *only = take(cache);
    struct slab *slab = slab_of(only);
    assert_int_equal(kma_audit(), 0);
    *link_of(cache, only) = NULL;
    slab->free = only;
    slab->in_use = 0;
    cache->active = 0;
    assert_int_equal(kma_audit(), 1);
    slab->free = NULL;
    slab->in_use = 1;
    cache->active = 1;
    kmem_cache_free(cache, only);
    destroy(cache);
}

/* K1, and the bits of `serving` (S4). */
static void test_audit_of_classes(void **state)
{
    (void)state;
    char *block = kma_malloc(64), *lent = kma_malloc(56);
    int size_class = class_of(64);
    struct size_cache *own = allocator()->of_class[size_class];
    assert_int_equal(bytes_of(lent), 64);
    assert_int_equal(kma_audit(), 0);
    COMPLAINTS(1, allocator()->kmem.serving, 0);                 /* S4 */
    COMPLAINTS(2, own->cache.number, (uint8_t)(size_class + 1)); /* K1, S4 */
    COMPLAINTS(1, own->cache.stride, 56);                        /* K1 */
    COMPLAINTS(1, own->cache.number, NO_NUMBER);                 /* K1 */
    kma_free(lent, 56);
    kma_free(block, 64);

    kmem_cache_t *other = create("other", 8, 0);
    own = size_cache_new(size_class); /* nobody needs it (K1) */
    assert_int_equal(kma_audit(), 1);
    size_cache_settle(size_class);
    assert_int_equal(kma_audit(), 0);
    destroy(other);
}

/* K2 */
static void test_audit_of_magazines(void **state)
{
    (void)state;
    enum { BLOCKS = 10 * SHARE_OF_HELD };
    kmem_cache_t *cache = create("other", 64, 0);
    void **smaller = kma_malloc(56), **other = take(cache);
    for (int i = 0; i < BLOCKS; i++)
        object[i] = kma_malloc(64);
    kma_free(object[0], 64);
    struct size_cache *own = allocator()->of_class[class_of(64)];
    uint32_t *held = &allocator()->held[class_of(64)];
    assert_in_range(own->rounds, 1, BLOCKS / SHARE_OF_HELD - 1);
    assert_int_equal(kma_audit(), 0);
    COMPLAINTS(3, own->rounds, own->rounds + 1); /* K2, and K3, K4 */
    COMPLAINTS(1, own->magazine, NULL);
    COMPLAINTS(1, *(void **)own->magazine, own->magazine);
    *smaller = *other = *(void **)own->magazine;
    COMPLAINTS(1, own->magazine, smaller);        /* of a smaller class */
    COMPLAINTS(1, own->magazine, other);          /* of no class */
    COMPLAINTS(1, own->magazine, (void *)&table); /* of no slab */
    uint32_t too_few = own->rounds * SHARE_OF_HELD - 1;
    COMPLAINTS(3, *held, too_few); /* K2, and K3, K4 */
    for (int i = 1; i < BLOCKS; i++)
        kma_free(object[i], 64);
    kma_free(smaller, 56);
    kmem_cache_free(cache, other);
    destroy(cache);
}

/* K3, K4 */
static void test_audit_of_blocks(void **state)
{
    (void)state;
    char *block = kma_malloc(64), *lent = kma_malloc(56);
    uint32_t *held = allocator()->held, *borrowed = allocator()->borrowed;
    COMPLAINTS(2, held[class_of(64)], 2);
    COMPLAINTS(3, held[class_of(56)], 0); /* and it borrowed, with no block held */
    COMPLAINTS(1, borrowed[class_of(56)], 0);
    COMPLAINTS(1, borrowed[class_of(64)], 8);
    COMPLAINTS(2, borrowed[class_of(24)], 8); /* of which no block is held */
    /* As many blocks as objects, but not as many bytes. */
    held[class_of(56)] = 2;
    held[class_of(64)] = 0;
    int complaints = kma_audit();
    held[class_of(56)] = held[class_of(64)] = 1;
    assert_int_equal(complaints, 1);
    assert_int_equal(kma_audit(), 0);
    kma_free(lent, 56);
    kma_free(block, 64);
}

#endif
