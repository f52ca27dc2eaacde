/* life_library.c - a library that allocates in its constructor, before that of a
 * preloaded malloc, and in its destructor, after all of the program's. */

#include "life.h"

#include <stdlib.h>

static unsigned char *block[LIFE_LIBRARY_BLOCKS];

static size_t size_of(size_t at)
{
    return 1 + at * at * at;
}

__attribute__((constructor)) static void start(void)
{
    for (size_t at = 0; at < LIFE_LIBRARY_BLOCKS; at++) {
        block[at] = malloc(size_of(at) / 2 + 1);
        CHECK(block[at] != NULL);
        block[at] = realloc(block[at], size_of(at));
        CHECK(block[at] != NULL);
        fill(block[at], size_of(at), (uint32_t)at);
    }
    put_line(STDOUT_FILENO, "library's constructor");
}

unsigned char *life_library_block(size_t at, size_t *size)
{
    unsigned char *mine = block[at];
    block[at] = NULL;
    *size = size_of(at);
    return mine;
}

__attribute__((destructor)) static void end(void)
{
    for (size_t at = 0; at < LIFE_LIBRARY_BLOCKS; at++) {
        if (block[at] == NULL)
            continue;
        CHECK(is_filled(block[at], size_of(at), (uint32_t)at));
        free(block[at]);
        block[at] = calloc(1, size_of(at));
        CHECK(block[at] != NULL && is_zero(block[at], size_of(at)));
        free(block[at]);
    }
    put_line(STDOUT_FILENO, "library's destructor");
}
