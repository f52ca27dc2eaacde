/* kernel_symbols.c - the kernel's functions, sorted by address, and the sites seen.
 *
 * Names are stored one after the other in one text. A site is looked up among the
 * functions once; after that a hash table has its number. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "kernel_symbols.h"

/* What lies farther behind a function's start is of something that is not listed. */
enum { LONGEST_FUNCTION = 1 << 17, FIRST_ROOM = 1 << 10 };

struct symbol {
    uint64_t address;
    size_t name; /* where it begins in the text */
};

struct site {
    uint64_t address; /* 0: none */
    uint32_t number;
};

struct symbols {
    struct symbol *symbol;
    size_t count;
    size_t room;
    char *text;
    size_t text_size;
    size_t text_room;
    struct site *site;
    size_t site_count;
    size_t site_room; /* a power of two */
};

static void *grown(void *memory, size_t *room, size_t size)
{
    *room = *room == 0 ? FIRST_ROOM : *room * 2;
    void *larger = realloc(memory, *room * size);
    if (larger == NULL)
        run_refuse("no memory for the kernel's symbols");
    return larger;
}

static void add(struct symbols *symbols, uint64_t address, const char *name,
                const char *module)
{
    size_t most = strlen(name) + strlen(module) + 2;
    if (symbols->count == symbols->room)
        symbols->symbol =
            grown(symbols->symbol, &symbols->room, sizeof *symbols->symbol);
    while (symbols->text_room - symbols->text_size < most)
        symbols->text = grown(symbols->text, &symbols->text_room, 1);
    symbols->symbol[symbols->count++] = (struct symbol){address, symbols->text_size};
    char *text = symbols->text + symbols->text_size;
    /* A tab is between the two: no name has one. */
    symbols->text_size += (size_t)sprintf(text, "%s\t%s", name, module) + 1;
}

/* "address type name", and "[module]" behind a tab for a function of a module. */
static void add_line(struct symbols *symbols, char *line)
{
    char *end;
    uint64_t address = strtoull(line, &end, 16);
    if (address == 0 || end[0] != ' ' || end[1] == '\0' || end[2] != ' ')
        return;
    if (strchr("tTwW", end[1]) == NULL)
        return;
    char *rest = NULL;
    char *name = strtok_r(end + 3, " \t\n", &rest);
    char *module = strtok_r(NULL, " \t\n", &rest);
    if (name != NULL)
        add(symbols, address, name, module == NULL ? "" : module);
}

/* Of several names for one address the first in the file comes first. */
static int by_address(const void *a, const void *b)
{
    const struct symbol *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return left->name < right->name ? -1 : 1;
}

struct symbols *symbols_open(const char *path)
{
    struct symbols *symbols = calloc(1, sizeof *symbols);
    if (symbols == NULL)
        run_refuse("no memory for the kernel's symbols");
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return symbols;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0)
        add_line(symbols, line);
    free(line);
    fclose(file);
    if (symbols->count > 0)
        qsort(symbols->symbol, symbols->count, sizeof *symbols->symbol, by_address);
    return symbols;
}

bool symbols_known(const struct symbols *symbols)
{
    return symbols->count > 0;
}

/* The first of the names of the last function that begins at or before the address. */
static const struct symbol *find(const struct symbols *symbols, uint64_t address)
{
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->symbol[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - symbols->symbol[low - 1].address >= LONGEST_FUNCTION)
        return NULL;
    const struct symbol *symbol = &symbols->symbol[low - 1];
    while (symbol > symbols->symbol && symbol[-1].address == symbol->address)
        symbol--;
    return symbol;
}

static uint32_t resolve(const struct symbols *symbols, uint64_t address,
                        struct names *sites)
{
    char name[LONGEST_NAME + 1];
    const struct symbol *symbol = find(symbols, address);
    if (symbol == NULL) {
        snprintf(name, sizeof name, "0x%" PRIx64, address);
    } else {
        const char *text = symbols->text + symbol->name;
        int length = (int)strcspn(text, "\t");
        const char *module = text + length + 1;
        snprintf(name, sizeof name, "%.*s+0x%" PRIx64 "%s%s", length, text,
                 address - symbol->address, module[0] == '\0' ? "" : " ", module);
    }
    return names_number(sites, name, strlen(name));
}

/* The site's place in the table, or the empty one where it belongs. */
static struct site *place_of(const struct symbols *symbols, uint64_t address)
{
    /* Fibonacci hashing: the upper half of the product is well mixed. */
    size_t at = (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    for (;; at++) {
        struct site *site = &symbols->site[at & (symbols->site_room - 1)];
        if (site->address == address || site->address == 0)
            return site;
    }
}

/* The table stays at most half full. */
static void make_room(struct symbols *symbols)
{
    struct site *old = symbols->site;
    size_t room = symbols->site_room;
    symbols->site_room = room == 0 ? FIRST_ROOM : room * 2;
    symbols->site = calloc(symbols->site_room, sizeof *symbols->site);
    if (symbols->site == NULL)
        run_refuse("no memory for %zu call sites", symbols->site_count);
    for (size_t i = 0; i < room; i++) {
        if (old[i].address != 0)
            *place_of(symbols, old[i].address) = old[i];
    }
    free(old);
}

uint32_t symbols_number(struct symbols *symbols, uint64_t address, struct names *sites)
{
    if (address == 0)
        return 0;
    if (symbols->site_count >= symbols->site_room / 2)
        make_room(symbols);
    struct site *site = place_of(symbols, address);
    if (site->address == 0) {
        *site = (struct site){address, resolve(symbols, address, sites)};
        symbols->site_count++;
    }
    return site->number;
}

void symbols_close(struct symbols *symbols)
{
    free(symbols->symbol);
    free(symbols->text);
    free(symbols->site);
    free(symbols);
}
