/* kma_nothing.c - an allocator that does nothing, behind the same driver: what the
 * replay itself and the reading of a trace cost. Every block is at the same address, so
 * only what writes no block can be asked of it (competition mode). */

#ifdef KMA_NOTHING

#include <stddef.h>
#include "../kma.h"
#include "../kma_page.h"

static _Alignas(16) char block[PAGESIZE];

void *kma_malloc(kma_size_t size)
{
    return size > 0 && size <= (kma_size_t)(PAGESIZE - sizeof(void *)) ? block : NULL;
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)ptr;
    (void)size;
}

#endif
