/* ledger.h - the size requested for each live block, for KMA_STATS: a hash table with
 * linear probing, outside of the pages that are counted. */
#ifndef KMA_HOST_LEDGER_H
#define KMA_HOST_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "page_source.h"

enum { LEAST_PLACES = 1 << 12 };

struct note {
    uintptr_t block; /* 0: nobody's place */
    size_t bytes;
};

static struct {
    struct note *note;
    size_t places; /* a power of two; half of them are free at least */
    size_t used;
} ledger;

static inline size_t place_of(uintptr_t block)
{
    return (size_t)((block >> 4) * (uintptr_t)0x9e3779b97f4a7c15u >> 7) &
           (ledger.places - 1);
}

/* The place of a block, or the free one where it belongs. */
static inline struct note *look_up(uintptr_t block)
{
    size_t place = place_of(block);
    while (ledger.note[place].block != 0 && ledger.note[place].block != block)
        place = (place + 1) & (ledger.places - 1);
    return &ledger.note[place];
}

static bool widen_ledger(void)
{
    struct note *old = ledger.note;
    size_t places = ledger.places;
    size_t wider = places == 0 ? LEAST_PLACES : 2 * places;
    struct note *note = map_zeroes(NULL, wider * sizeof *note);
    if (note == NULL)
        return 0;
    ledger.note = note;
    ledger.places = wider;
    for (size_t place = 0; place < places; place++) {
        if (old[place].block != 0)
            *look_up(old[place].block) = old[place];
    }
    if (old != NULL)
        unmap(old, places * sizeof *old);
    return 1;
}

/* FALSE: no memory for it. */
static bool note_block(const void *block, size_t bytes)
{
    if (2 * (ledger.used + 1) > ledger.places && !widen_ledger())
        return 0;
    struct note *note = look_up((uintptr_t)block);
    ledger.used += note->block == 0;
    *note = (struct note){(uintptr_t)block, bytes};
    return 1;
}

/* Takes a note out and returns its bytes; 0 for a block that has none. What comes behind
 * it and belongs before its place moves there (Knuth 3, 6.4, algorithm R). */
static size_t strike_out(const void *block)
{
    if (ledger.places == 0)
        return 0;
    struct note *note = look_up((uintptr_t)block);
    size_t bytes = note->bytes, hole = (size_t)(note - ledger.note);
    if (note->block == 0)
        return 0;
    ledger.used--;
    size_t mask = ledger.places - 1;
    for (size_t place = (hole + 1) & mask; ledger.note[place].block != 0;
         place = (place + 1) & mask) {
        size_t home = place_of(ledger.note[place].block);
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            ledger.note[hole] = ledger.note[place];
            hole = place;
        }
    }
    ledger.note[hole] = (struct note){0, 0};
    return bytes;
}

#endif
