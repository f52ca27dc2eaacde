/* pointers.h - a value for each of a set of pointers: a hash table with open addressing.
 *
 * An entry lies at the place that its pointer's hash gives, or in the row of entries
 * without a gap that begins there. What is taken out of a row is replaced by a later
 * entry that may stand there, and so on to the row's end: no marks of what once was stay
 * behind, and a search is as short after a billion frees as it was before. */
#ifndef KMA_CAPTURE_POINTERS_H
#define KMA_CAPTURE_POINTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { POINTERS_FIRST_ROOM = 1 << 10 };

struct pointers_entry {
    uint64_t pointer; /* 0: none is here */
    uint64_t value;
};

/* All 0 at first, but for the seed. */
struct pointers {
    struct pointers_entry *table;
    size_t room; /* a power of two, or 0; at most half of it is used */
    size_t count;
    uint64_t seed; /* of the hash: who knows it can choose pointers that all collide */
};

static inline size_t pointers_home(const struct pointers *map, uint64_t pointer)
{
    uint64_t hash = (pointer ^ map->seed) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(hash >> 32 ^ hash) & (map->room - 1);
}

/* Where the pointer is, or where it belongs. */
static inline struct pointers_entry *pointers_place(const struct pointers *map,
                                                    uint64_t pointer)
{
    size_t at = pointers_home(map, pointer);
    while (map->table[at].pointer != 0 && map->table[at].pointer != pointer)
        at = (at + 1) & (map->room - 1);
    return &map->table[at];
}

static inline bool pointers_grow(struct pointers *map)
{
    struct pointers larger = {.seed = map->seed};
    larger.room = map->room == 0 ? POINTERS_FIRST_ROOM : map->room * 2;
    larger.table = calloc(larger.room, sizeof *larger.table);
    if (larger.table == NULL)
        return false;
    for (size_t i = 0; i < map->room; i++) {
        if (map->table[i].pointer != 0)
            *pointers_place(&larger, map->table[i].pointer) = map->table[i];
    }
    larger.count = map->count;
    free(map->table);
    *map = larger;
    return true;
}

/* The pointer, which is not 0, has this value from now on. False: there is no memory. */
static inline bool pointers_put(struct pointers *map, uint64_t pointer, uint64_t value)
{
    if (map->count >= map->room / 2 && !pointers_grow(map))
        return false;
    struct pointers_entry *entry = pointers_place(map, pointer);
    map->count += entry->pointer == 0;
    *entry = (struct pointers_entry){pointer, value};
    return true;
}

/* False when it is not there; else its value, and it is there no longer. */
static inline bool pointers_take(struct pointers *map, uint64_t pointer,
                                 uint64_t *value)
{
    if (map->count == 0)
        return false;
    struct pointers_entry *gap = pointers_place(map, pointer);
    if (gap->pointer == 0)
        return false;
    *value = gap->value;
    map->count--;
    size_t mask = map->room - 1;
    size_t hole = (size_t)(gap - map->table);
    for (size_t at = (hole + 1) & mask; map->table[at].pointer != 0;
         at = (at + 1) & mask) {
        /* May move to the hole unless its home lies behind that. */
        size_t home = pointers_home(map, map->table[at].pointer);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->table[hole] = map->table[at];
            hole = at;
        }
    }
    map->table[hole].pointer = 0;
    return true;
}

static inline void pointers_release(struct pointers *map)
{
    free(map->table);
    *map = (struct pointers){.seed = map->seed};
}

#endif
