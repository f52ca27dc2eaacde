/* my_malloc.c - the static flavour, libkma.a: kma_bt.c and pages of 4 KiB at the break,
 * without a preloaded library, an environment or a lock.
 *
 * kma_bt.c serves what fits a page, and larger blocks are runs of pages side by side, in
 * which three blocks that are freed make room for one of their sum (pages.c). */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "kma.h"
#include "kma_page.h"
#include "my_malloc.h"
#include "pages.h"

_Static_assert(KMA_FREED == 0 && KMA_FREE_NULL == 1 && KMA_FREE_UNKNOWN == 2 &&
                   KMA_FREE_INSIDE == 3 && KMA_FREE_TWICE == 4,
               "my_free answers what kma_try_free does");

enum { LIMIT = PAGESIZE - sizeof(void *) };

/* The client's duty: the message, which names a bug in here, and the end. */
void error(char *message, char *arg)
{
    dprintf(STDERR_FILENO, "libkma: %s %s\n", message, arg);
    abort();
}

void *my_malloc(unsigned long size)
{
    static bool is_open;
    if (!is_open)
        pages_open(&brk_source);
    is_open = TRUE;
    if (size <= LIMIT)
        return kma_malloc((kma_size_t)size);
    bool zeroes;
    return run_get(size / PAGESIZE + (size % PAGESIZE != 0), 1, &zeroes);
}

int my_free(void *address)
{
    enum kma_free_result what;
    if (!run_tells(address, &what))
        return kma_try_free(address);
    if (what == KMA_FREED)
        run_free(address);
    return what;
}
