/* table.h - the driver's tables: zeroed memory straight from the system.
 *
 * None of it comes from malloc, which may be the very allocator that is looked at
 * (kma_libc): what the driver gives back there would be used again by the replay and
 * not be seen as memory that it takes. Only under the address sanitizer it does, so
 * that a step over a table's end is found. */
#ifndef KMA_DRIVER_TABLE_H
#define KMA_DRIVER_TABLE_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

static inline void *table_new(size_t count, size_t size)
{
    return calloc(count, size);
}

static inline void *table_grow(void *table, size_t bytes, size_t more)
{
    (void)bytes;
    return realloc(table, more);
}

static inline void table_release(void *table, size_t bytes)
{
    (void)bytes;
    free(table);
}

#else

/* NULL when there is no memory; `count` and `size` are not 0. */
static inline void *table_new(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *table =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return table == MAP_FAILED ? NULL : table;
}

/* The table with `more` bytes, elsewhere perhaps; NULL leaves it as it was. */
static inline void *table_grow(void *table, size_t bytes, size_t more)
{
    void *larger = mremap(table, bytes, more, MREMAP_MAYMOVE);
    return larger == MAP_FAILED ? NULL : larger;
}

static inline void table_release(void *table, size_t bytes)
{
    if (table != NULL)
        munmap(table, bytes);
}

#endif

#endif
