/* names.c - numbers for names: a list in the order of the numbers, and a hash table. */

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "names.h"

enum { FIRST_ROOM = 64 };

/* FNV-1a. */
static uint32_t hash_of(const char *name, size_t length)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619U;
    return hash;
}

/* The place of a name in the table, or the empty one where it belongs. */
static uint32_t *place_of(const struct names *names, const char *name, size_t length)
{
    uint32_t mask = names->room - 1;
    for (uint32_t at = hash_of(name, length) & mask;; at = (at + 1) & mask) {
        uint32_t number = names->table[at];
        if (number == 0)
            return &names->table[at];
        const char *other = names->name[number - 1];
        if (strncmp(other, name, length) == 0 && other[length] == '\0')
            return &names->table[at];
    }
}

/* The table stays at most half full; the list has half of its room. */
static void grow(struct names *names)
{
    uint32_t room = names->room == 0 ? FIRST_ROOM : names->room * 2;
    free(names->table);
    names->table = calloc(room, sizeof *names->table);
    char **larger = realloc(names->name, room / 2 * sizeof *larger);
    if (names->table == NULL || larger == NULL)
        run_refuse("no memory for %lu names", (unsigned long)room);
    names->name = larger;
    names->room = room;
    for (uint32_t i = 0; i < names->count; i++)
        *place_of(names, larger[i], strlen(larger[i])) = i + 1;
}

uint32_t names_number(struct names *names, const char *name, size_t length)
{
    const char *zero = memchr(name, '\0', length);
    if (zero != NULL)
        length = (size_t)(zero - name);
    if (length > LONGEST_NAME)
        length = LONGEST_NAME;
    if (length == 0)
        return 0;
    if (names->count >= names->room / 2)
        grow(names);
    uint32_t *place = place_of(names, name, length);
    if (*place == 0) {
        names->name[names->count] = strndup(name, length);
        if (names->name[names->count] == NULL)
            run_refuse("no memory for a name");
        *place = ++names->count;
    }
    return *place;
}

const char *names_text(const struct names *names, uint32_t number)
{
    return number == 0 || number > names->count ? "?" : names->name[number - 1];
}

void names_release(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    free(names->table);
    *names = (struct names){0};
}
