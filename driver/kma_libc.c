/* kma_libc.c - the C library's malloc and free as an allocator under the driver: what
 * the algorithms' speed is measured against, in the same loop over the same slots. It
 * gets no page from the pool, so it has no memory figures there. */
#ifdef KMA_LIBC

#include <stdlib.h>
#include "../kma.h"
#include "../kma_page.h"

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)(PAGESIZE - sizeof(void *)))
        return NULL;
    return malloc((size_t)size);
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    free(ptr);
}

#endif
