/* kma_slab_sizes.h - the sizes of the objects that kma_malloc hands out.
 *
 * There is a class for each of 8, 16 .. 64 bytes; for four sizes a doubling from there to
 * a page's eighth; and for sizes of which slabs leave next to nothing over: a page's 7th,
 * 6th, 5th, 4th, third, half, two thirds (three in two pages), and the page. A request is
 * for the smallest class that holds it. At worst one of up to 64 bytes wastes 7 bytes,
 * one of up to a page's eighth less than a fifth of its object, and a larger one a third
 * and the 7 bytes by which sizes are rounded.
 *
 * Of the sets tried (1, 2, 4 or 8 a doubling, to the page or to its eighth; sizes of the
 * form page / n throughout, 4 or 8 a doubling) this one has the least penalty, in the
 * geometric mean over the traces that ship.
 *
 *     last grain of a request   0 .. 7 | 8 9 .. 15 | 16-17 .. 30-31 | 32-35 .. 60-63 | ...
 *     parts                     0 .. 7 | 8 9 .. 15 | 16    ..    23 | 24    ..    31 | ...
 *
 * The class of a size comes from a table with PARTS entries for each doubling of sizes. So
 * it takes little of the root page, and no branch, which sizes at random would mispredict.
 * No part has sizes of more than two classes. */
#ifndef KMA_SLAB_SIZES_H
#define KMA_SLAB_SIZES_H

#include <stddef.h>
#include <stdint.h>
#include "kma.h"
#include "kma_slab_cache.h"

enum {
    FINE_END = 64, /* bytes: 8, 16, 24, ... */
    FINE_CLASSES = FINE_END / GRAIN,
    STEPS = 4, /* classes a doubling, from there to LARGE */
    STEP_CLASSES = STEPS * (LOG2_FLOOR(LARGE) - LOG2_FLOOR(FINE_END)),
    FIRST_SHARE = FINE_CLASSES + STEP_CLASSES,
    MOST_SHARES = 7, /* PAGESIZE / 7, ... PAGESIZE / 2 */
    TWO_THIRDS = FIRST_SHARE + MOST_SHARES - 1,
    WHOLE_PAGE,
    CLASSES,
    PART_BITS = 3,
    PARTS = 1 << PART_BITS,
    ALL_PARTS = PARTS * (LOG2_FLOOR(PAGESIZE / GRAIN) - PART_BITS + 1)
};

struct class_table {
    uint16_t grains[CLASSES];         /* of an object */
    uint8_t class_of_part[ALL_PARTS]; /* of the least size in it */
};

/* The size of the objects of a class. */
static uint32_t class_bytes(int size_class)
{
    uint32_t bytes = PAGESIZE;
    if (size_class < FINE_CLASSES) {
        bytes = ((uint32_t)size_class + 1) * GRAIN;
    } else if (size_class < FIRST_SHARE) {
        int step = size_class - FINE_CLASSES;
        uint32_t base = (uint32_t)FINE_END << (step / STEPS);
        bytes = base + base / STEPS * (uint32_t)(step % STEPS + 1);
    } else if (size_class < TWO_THIRDS) {
        bytes = PAGESIZE / (uint32_t)(MOST_SHARES - (size_class - FIRST_SHARE));
    } else if (size_class == TWO_THIRDS) {
        bytes = 2 * PAGESIZE / 3;
    }
    return bytes & -(uint32_t)GRAIN;
}

/* The part for sizes whose last grain, from 0, has this number. */
static inline uint32_t part_of(uint32_t last_grain)
{
    int doubling = LOG2_FLOOR(last_grain | PARTS) - PART_BITS;
    return (uint32_t)(doubling << PART_BITS) + (last_grain >> doubling);
}

static inline int class_in(const struct class_table *table, kma_size_t size)
{
    uint32_t last_grain = (uint32_t)(size - 1) / GRAIN;
    int size_class = table->class_of_part[part_of(last_grain)];
    return size_class + (table->grains[size_class] <= last_grain);
}

static void class_table_init(struct class_table *table)
{
    for (int size_class = 0; size_class < CLASSES; size_class++)
        table->grains[size_class] = (uint16_t)(class_bytes(size_class) / GRAIN);
    int size_class = 0;
    for (uint32_t part = 0; part < ALL_PARTS; part++) {
        uint32_t shift = part < PARTS ? 0 : part / PARTS - 1;
        uint32_t grain = (part - shift * PARTS) << shift; /* the least in it */
        while (table->grains[size_class] <= grain)
            size_class++;
        table->class_of_part[part] = (uint8_t)size_class;
    }
}

/* "size-" and a number of bytes. */
static void size_name(char *name, uint32_t bytes)
{
    char digits[10];
    int count = 0;
    for (; bytes > 0; bytes /= 10)
        digits[count++] = (char)('0' + bytes % 10);
    memcpy(name, "size-", 5);
    name += 5;
    while (count > 0)
        *name++ = digits[--count];
    *name = '\0';
}

#endif
