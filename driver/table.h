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
#include <string.h>
#include <sys/mman.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

static inline void *table_new(size_t count, size_t size)
{
    return calloc(count, size);
}

static inline void *table_grow(void *table, size_t count, size_t more, size_t size)
{
    char *larger = reallocarray(table, more, size);
    if (larger != NULL)
        memset(larger + count * size, 0, (more - count) * size);
    return larger;
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

/* The table of `count` with room for `more`, elsewhere perhaps; a new one when it is NULL.
 * NULL leaves it as it was. */
static inline void *table_grow(void *table, size_t count, size_t more, size_t size)
{
    size_t bytes;
    if (table == NULL)
        return table_new(more, size);
    if (__builtin_mul_overflow(more, size, &bytes))
        return NULL;
    void *larger = mremap(table, count * size, bytes, MREMAP_MAYMOVE);
    return larger == MAP_FAILED ? NULL : larger;
}

static inline void table_release(void *table, size_t bytes)
{
    if (table != NULL)
        munmap(table, bytes);
}

#endif

#endif
