/* kma_word.c - a word for each page: runs of units, spans of small objects, two zones.
 *
 * Entered in the competition. The ideas, and where they are from:
 * - The caller says the size when it frees, so no block has a header, and a page cut into
 *   64 units is described by one word, a bit for each unit (kma_page_units.h). Blocks of
 *   whole units, and all above four units, are runs of them.
 * - Other small blocks are objects of a span: a run of units with a head, in which again
 *   one word says which objects are free, as in a slab (J. Bonwick, "The Slab Allocator",
 *   USENIX 1994) whose length is the class's choice. The more objects a class has, the
 *   longer its spans, from two units to half a page.
 * - Small and large blocks have pages of their own as long as the small ones are few, less
 *   than a quarter of all bytes. A page of a few large blocks drains soon; a single small
 *   block that outlives them holds it. When most is small that does not help, and a
 *   request that finds no run in its own zone looks into the other one.
 * - Freed small blocks are kept on lists, one for each class, and are requested again
 *   mostly; what is kept is at most a quarter of the small bytes in use. Who would exceed
 *   that gives back blocks of one class after another.
 *
 *     kma_malloc --> classes[c].kept --> block --> block          (most requests)
 *                    classes[c].partial --> span --> span         (with a free object)
 *                    units (kma_page_units.h)                     (spans, whole units)
 *
 *     page   |span of 9 units      |large  |   |span: 3    |          |  64 units
 *     span   |head|obj|obj|///|obj|...   free: a bit for an object
 *
 * The state shares the first page with blocks. Pages go back when they are empty, the
 * first one with the last block.
 *
 * Invariants (kma_audit), besides those of kma_page_units.h:
 *   W1  a span of a class is on its list exactly while an object is free and one is not
 *       (a kept one is not free), and never holds more objects than it has room for;
 *   W2  its page's word has a bit where it begins, and none of its units is free;
 *   W3  classes count the objects of their spans right;
 *   W4  what is kept weighs as much as is counted, at most a quarter of the small bytes;
 *   W5  some block is in use.
 *
 * Cost: each step is constant, whatever the heap's size. A free that exceeds what may be
 * kept gives back ten blocks at most, as each of them weighs an eighth of the largest at
 * least, and most frees none. A call takes at most 900 instructions, a free 4000,
 * a request that finds no page held 1500, those of the page source aside (gcc 12 -O3 for
 * x86-64, 8 KB pages). A request that gets no page gives back all that is kept before it
 * tries again; only that takes longer, and pages that kept blocks alone had held have
 * gone back when it is NULL in the end.
 *
 * What else was tried, and what it brought, is in DOC, "The champion". */
#ifdef KMA_WORD

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_bits.h"
#include "kma_page_units.h"

enum { SMALL_ZONE, LARGE_ZONE };

/* Classes of small blocks are 16 bytes apart up to a 16th of a page, and a unit from there
 * to an eighth. */
enum {
    GRANULE = 16,
    FINE_LARGEST = 4 * UNIT, /* bytes */
    FINE_CLASSES = FINE_LARGEST / GRANULE,
    SMALL_LARGEST = 8 * UNIT,
    CLASSES = FINE_CLASSES + (SMALL_LARGEST - FINE_LARGEST) / UNIT,
    MAX_REQUEST = PAGESIZE - sizeof(void *)
};

enum {
    SPAN_HEAD = 32,       /* bytes */
    MOST_SPAN_UNITS = 32, /* of a span */
    MOST_OBJECTS = 64,
    MIXED_SHARE = 4, /* zones mix when so much of all bytes is small: 1 / 4 */
    KEPT_SHARE = 4,  /* of the small bytes in use: 1 / 4 */
    LEAST_WEIGHT = SMALL_LARGEST / 8
};

struct span {
    uint64_t free; /* a bit for each object */
    struct span *next, *prev;
    uint32_t reciprocal; /* of the objects' bytes, times 65536 */
    uint8_t objects;
    uint8_t units;
    uint16_t size_class;
};

/* A freed block that is kept. */
struct block {
    struct block *next;
};

struct size_class {
    struct block *kept;
    struct span *partial;
    uint16_t bytes;
    uint16_t weight;  /* of a kept block */
    uint32_t objects; /* of all spans */
};

/* The state, at the start of the first page. */
struct allocator {
    size_t small; /* bytes requested of blocks in use */
    size_t large;
    size_t kept;   /* what the kept blocks weigh */
    unsigned hand; /* the class that gives back next */
    struct size_class classes[CLASSES];
    struct units units;
};

enum { ROOT_UNITS = (sizeof(struct allocator) + UNIT - 1) / UNIT };

static_assert(sizeof(struct span) <= SPAN_HEAD && SPAN_HEAD % GRANULE == 0,
              "objects are aligned to a granule");
static_assert(UNIT % GRANULE == 0, "and so are all blocks");
static_assert((int)ROOT_UNITS < (int)UNITS, "the state fits the root page");
static_assert(SMALL_LARGEST <= UINT16_MAX, "a class's bytes are 16 bits");
static_assert(MOST_SPAN_UNITS * UNIT < 65536, "reciprocals are exact in a span");

static kma_page_t *root;

static inline unsigned units_of(kma_size_t bytes)
{
    return ((unsigned)bytes + UNIT - 1) / UNIT;
}

/* Of 1 to SMALL_LARGEST bytes. Both lines meet at FINE_LARGEST. */
static inline unsigned class_of(kma_size_t bytes)
{
    unsigned last = (unsigned)bytes - 1;
    unsigned fine = last / GRANULE;
    unsigned coarse = FINE_CLASSES - FINE_LARGEST / UNIT + last / UNIT;
    return fine < coarse ? fine : coarse;
}

static unsigned bytes_of_class(unsigned size_class)
{
    if (size_class < FINE_CLASSES)
        return (size_class + 1) * GRANULE;
    return FINE_LARGEST + (size_class - FINE_CLASSES + 1) * UNIT;
}

/* ---- runs of units */

static inline bool zones_mix(const struct allocator *self)
{
    return self->small >= (self->small + self->large) / MIXED_SHARE;
}

/* NULL: no page. */
static inline void *get_run(struct allocator *self, unsigned zone, unsigned length)
{
    struct page_record *record = page_that_fits(&self->units, zone, length);
    if (record == NULL && zones_mix(self))
        record = page_that_fits(&self->units, !zone, length);
    if (record == NULL)
        record = add_page(&self->units, zone);
    return record == NULL ? NULL : take_run(&self->units, record, length);
}

/* ---- spans */

static inline void link_span(struct size_class *class, struct span *span)
{
    span->prev = NULL;
    span->next = class->partial;
    if (span->next != NULL)
        span->next->prev = span;
    class->partial = span;
}

static inline void unlink_span(struct size_class *class, struct span *span)
{
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        class->partial = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
}

/* The units of a class's next span: for half as many objects as it has, but for two and a
 * unit at least. */
static inline unsigned span_units(const struct size_class *class)
{
    unsigned bytes = class->bytes, objects = class->objects / 2;
    unsigned least = 2 + (UNIT - 1) / bytes;
    unsigned most = (MOST_SPAN_UNITS * UNIT - SPAN_HEAD) / bytes;
    objects = objects < least ? least : objects;
    objects = objects > most ? most : objects;
    objects = objects > MOST_OBJECTS ? MOST_OBJECTS : objects;
    return units_of((kma_size_t)(SPAN_HEAD + objects * bytes));
}

static inline uint64_t all_objects(const struct span *span)
{
    return first_bits(span->objects);
}

static inline uint64_t bit_of_unit(const void *ptr)
{
    return (uint64_t)1 << unit_at(ptr);
}

static __attribute__((noinline)) struct span *add_span(struct allocator *self,
                                                       struct size_class *class)
{
    unsigned length = span_units(class);
    struct span *span = get_run(self, SMALL_ZONE, length);
    if (span == NULL)
        return NULL;
    unsigned objects = (length * UNIT - SPAN_HEAD) / class->bytes;
    objects = objects > MOST_OBJECTS ? MOST_OBJECTS : objects;
    *span = (struct span){.free = first_bits(objects),
                          .reciprocal = 65536u / class->bytes + 1,
                          .objects = (uint8_t)objects,
                          .units = (uint8_t)length,
                          .size_class = (uint16_t)(class - self->classes)};
    record_of(&self->units, span)->spans |= bit_of_unit(span);
    class->objects += objects;
    link_span(class, span);
    return span;
}

static __attribute__((noinline)) void
remove_span(struct allocator *self, struct size_class *class, struct span *span)
{
    unlink_span(class, span);
    class->objects -= span->objects;
    record_of(&self->units, span)->spans &= ~bit_of_unit(span);
    give_run(&self->units, span, span->units);
}

static inline char *first_object(struct span *span)
{
    return (char *)span + SPAN_HEAD;
}

/* NULL: no page. */
static inline void *take_object(struct allocator *self, struct size_class *class)
{
    struct span *span = class->partial;
    if (span == NULL)
        span = add_span(self, class);
    if (span == NULL)
        return NULL;
    unsigned number = lowest_bit(span->free);
    span->free &= span->free - 1;
    if (span->free == 0)
        unlink_span(class, span);
    return first_object(span) + number * class->bytes;
}

/* The span in which an object lies: the last one that begins at its unit or before. */
static inline struct span *span_of(const struct allocator *self, const void *object)
{
    unsigned unit = unit_at(object);
    uint64_t spans = record_of(&self->units, object)->spans << (63 - unit);
    unsigned start = unit - (unsigned)__builtin_clzll(spans);
    return (void *)((char *)BASEADDR(object) + start * UNIT);
}

static inline uint64_t bit_of_object(struct span *span, const void *object)
{
    unsigned offset = (unsigned)((const char *)object - first_object(span));
    return (uint64_t)1 << (offset * span->reciprocal >> 16);
}

/* Gives an object back to its span, and the span with its last one. */
static inline void give_object(struct allocator *self, struct size_class *class,
                               void *object)
{
    struct span *span = span_of(self, object);
    if (span->free == 0)
        link_span(class, span);
    span->free |= bit_of_object(span, object);
    if (span->free == all_objects(span))
        remove_span(self, class, span);
}

/* ---- small blocks */

static inline bool is_run(const struct size_class *class)
{
    return class->bytes % UNIT == 0;
}

static inline void *take_small(struct allocator *self, struct size_class *class)
{
    return is_run(class) ? get_run(self, SMALL_ZONE, class->bytes / UNIT)
                         : take_object(self, class);
}

static inline void give_small(struct allocator *self, struct size_class *class,
                              void *block)
{
    if (is_run(class))
        give_run(&self->units, block, class->bytes / UNIT);
    else
        give_object(self, class, block);
}

/* ---- what is kept */

static inline bool keeps_too_much(const struct allocator *self)
{
    return self->kept > self->small / KEPT_SHARE;
}

static void give_kept(struct allocator *self)
{
    while (self->classes[self->hand].kept == NULL)
        self->hand = (self->hand == 0 ? CLASSES : self->hand) - 1;
    struct size_class *class = &self->classes[self->hand];
    struct block *block = class->kept;
    class->kept = block->next;
    self->kept -= class->weight;
    give_small(self, class, block);
}

static bool open_allocator(void)
{
    root = get_page();
    if (root == NULL)
        return FALSE;
    struct allocator *self = root->ptr;
    memset(self, 0, offsetof(struct allocator, units));
    units_init(&self->units);
    for (unsigned i = 0; i < CLASSES; i++) {
        unsigned bytes = bytes_of_class(i);
        self->classes[i].bytes = (uint16_t)bytes;
        self->classes[i].weight =
            (uint16_t)(bytes < LEAST_WEIGHT ? LEAST_WEIGHT : bytes);
    }
    take_page_in(&self->units, root, SMALL_ZONE, ROOT_UNITS);
    return TRUE;
}

static void close_allocator(void)
{
    free_page(root);
    root = NULL;
}

/* Of the last block in use, all that is kept. */
static __attribute__((noinline)) void give_what_is_too_much(struct allocator *self)
{
    while (keeps_too_much(self))
        give_kept(self);
    if (self->small + self->large == 0)
        close_allocator();
}

/* ---- requests */

/* What is on no list: an object of a span, or a run. NULL: no page. */
static inline void *get_block(struct allocator *self, kma_size_t bytes)
{
    size_t *in_use = bytes <= SMALL_LARGEST ? &self->small : &self->large;
    void *block = bytes <= SMALL_LARGEST
                      ? take_small(self, &self->classes[class_of(bytes)])
                      : get_run(self, LARGE_ZONE, units_of(bytes));
    *in_use += block != NULL ? (size_t)bytes : 0;
    return block;
}

/* No page is left: what is kept may be a block of this size, or make room for one. */
static __attribute__((noinline)) void *malloc_from_kept(struct allocator *self,
                                                        kma_size_t bytes)
{
    if (self->kept == 0)
        return NULL;
    while (self->kept > 0)
        give_kept(self);
    return get_block(self, bytes);
}

static __attribute__((noinline)) void *malloc_first(kma_size_t bytes)
{
    if (!open_allocator())
        return NULL;
    void *block = get_block(root->ptr, bytes);
    if (block == NULL)
        close_allocator();
    return block;
}

static __attribute__((noinline)) void *malloc_large(kma_size_t bytes)
{
    if (bytes <= 0 || bytes > (kma_size_t)MAX_REQUEST)
        return NULL;
    if (root == NULL)
        return malloc_first(bytes);
    void *block = get_block(root->ptr, bytes);
    return block != NULL ? block : malloc_from_kept(root->ptr, bytes);
}

static __attribute__((noinline)) void *malloc_small(struct allocator *self,
                                                    kma_size_t bytes)
{
    void *block = get_block(self, bytes);
    return block != NULL ? block : malloc_from_kept(self, bytes);
}

void *kma_malloc(kma_size_t bytes)
{
    if ((unsigned)bytes - 1 >= SMALL_LARGEST)
        return malloc_large(bytes);
    if (root == NULL)
        return malloc_first(bytes);
    struct allocator *self = root->ptr;
    struct size_class *class = &self->classes[class_of(bytes)];
    struct block *block = class->kept;
    if (block == NULL)
        return malloc_small(self, bytes);
    class->kept = block->next;
    self->kept -= class->weight;
    self->small += (size_t)bytes;
    return block;
}

static __attribute__((noinline)) void free_large(void *ptr, kma_size_t bytes)
{
    struct allocator *self = root->ptr;
    give_run(&self->units, ptr, units_of(bytes));
    self->large -= (size_t)bytes;
    if (self->small + self->large == 0)
        close_allocator();
}

void kma_free(void *ptr, kma_size_t bytes)
{
    if (bytes > SMALL_LARGEST) {
        free_large(ptr, bytes);
        return;
    }
    struct allocator *self = root->ptr;
    struct size_class *class = &self->classes[class_of(bytes)];
    struct block *block = ptr;
    block->next = class->kept;
    class->kept = block;
    self->kept += class->weight;
    self->small -= (size_t)bytes;
    if (keeps_too_much(self))
        give_what_is_too_much(self);
}

kma_size_t kma_block_size(kma_size_t bytes)
{
    return (kma_size_t)(bytes <= SMALL_LARGEST ? bytes_of_class(class_of(bytes))
                                               : units_of(bytes) * UNIT);
}

#include "kma_word_audit.h"

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    const struct allocator *self = root->ptr;
    struct word_audit audit = {.self = self};
    size_t weight = 0;
    int broken = units_audit(&self->units, audit_page, &audit);
    for (unsigned i = 0; i < CLASSES; i++)
        broken += audit_class(&audit, i, &weight);
    broken += weight != self->kept || keeps_too_much(self); /* W4 */
    return broken + (self->small + self->large == 0);       /* W5 */
}

#endif
