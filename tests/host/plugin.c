/* plugin.c - a library for dlopen: it allocates when it comes, while it is there and when
 * it goes, and has thread-local variables, which the loader allocates. */

#include "case.h"

#include <stdlib.h>

enum { KEPT = 20, EACH = 700 };

static unsigned char *kept[KEPT];
static __thread unsigned char local[5000];

__attribute__((constructor)) static void come(void)
{
    for (uint32_t i = 0; i < KEPT; i++) {
        kept[i] = malloc(EACH * (i + 1));
        CHECK(kept[i] != NULL);
        fill(kept[i], EACH * (i + 1), i);
    }
}

/* A block of `size` bytes, with the pattern of that number. */
unsigned char *plugin_work(size_t size)
{
    CHECK(is_zero(local, sizeof local) || is_filled(local, sizeof local, 1));
    fill(local, sizeof local, 1);
    unsigned char *block = calloc(size, 1);
    CHECK(block != NULL && is_zero(block, size));
    fill(block, size, (uint32_t)size);
    return block;
}

__attribute__((destructor)) static void leave(void)
{
    for (uint32_t i = 0; i < KEPT; i++) {
        CHECK(is_filled(kept[i], EACH * (i + 1), i));
        free(kept[i]);
    }
}
