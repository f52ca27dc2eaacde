/* malloc.c - malloc and its family for a whole process, over heap.h: a lock (lock.h),
 * batches for threads (batches.h), errno.
 *
 * A signal handler may call these functions when it has interrupted anything but one of
 * them, as with the C library's own. */

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "batches.h"
#include "heap.h"
#include "kma_page.h"
#include "lock.h"
#include "settings.h"

#define EXPORTED __attribute__((visibility("default")))

/* Settings are read, and complained of, also where nothing is ever requested. */
static void __attribute__((constructor)) start(void)
{
    leave(enter());
    open_batches();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- getting and freeing, under the lock */

enum how { ANY_CONTENTS, ZEROES };

static inline void *get(size_t alignment, size_t bytes, enum how how)
{
    void *block = NULL;
    bool locked = enter();
    if (UNLIKELY(bytes > PTRDIFF_MAX))
        block = NULL;
    else if (alignment > 1)
        block = heap_aligned(alignment, bytes);
    else
        block = how == ZEROES ? heap_calloc(bytes) : heap_malloc(bytes);
    if (UNLIKELY(settings.stats))
        count_got(block, bytes);
    leave(locked);
    if (UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

/* A block of those that a thread gets several of at once, where it is small. */
static inline void *get_small(size_t bytes, enum how how)
{
    size_t units = heap_units(bytes);
    if (units > MOST_UNITS)
        return get(1, bytes, how);
    void *block = get_one(bytes, units);
    if (UNLIKELY(block == NULL))
        errno = ENOMEM;
    else if (how == ZEROES)
        memset(block, 0, bytes);
    return block;
}

/* Whether what is to be freed is a block; if not it is reported. */
static __attribute__((noinline)) bool check(const char *call, void *ptr)
{
    enum kma_free_result result = heap_what_is(ptr);
    if (result != KMA_FREED)
        report_bad_free(call, ptr, result);
    return result == KMA_FREED;
}

static inline bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

static void *get_aligned(size_t alignment, size_t bytes)
{
    if (is_power_of_two(alignment))
        return get(alignment, bytes, ANY_CONTENTS);
    errno = EINVAL;
    return NULL;
}

static void *resize(void *ptr, size_t bytes)
{
    if (UNLIKELY(has_batches()) && heap_fits(ptr, bytes))
        return ptr;
    void *block = NULL;
    bool locked = enter();
    bool is_block = LIKELY(!settings.check) || check("realloc", ptr);
    if (LIKELY(is_block && bytes <= PTRDIFF_MAX))
        block = heap_realloc(ptr, bytes);
    if (UNLIKELY(settings.stats) && is_block)
        count_moved(ptr, block, bytes);
    leave(locked);
    if (UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

/* ---- the C library's names */

EXPORTED void *malloc(size_t bytes)
{
    if (UNLIKELY(has_batches()))
        return get_small(bytes, ANY_CONTENTS);
    return get(1, bytes, ANY_CONTENTS);
}

EXPORTED void free(void *ptr)
{
    if (ptr == NULL)
        return;
    if (UNLIKELY(has_batches()) && (uintptr_t)ptr % PAGESIZE != 0) {
        free_one(ptr);
        return;
    }
    bool locked = enter();
    if (LIKELY(!settings.check) || check("free", ptr)) {
        if (UNLIKELY(settings.stats))
            count_freed(ptr);
        heap_free(ptr);
    }
    leave(locked);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    if (UNLIKELY(has_batches()))
        return get_small(bytes, ZEROES);
    return get(1, bytes, ZEROES);
}

/* As the C library's: a block that is made one of no bytes is freed. */
EXPORTED void *realloc(void *ptr, size_t bytes)
{
    if (ptr == NULL)
        return malloc(bytes);
    if (bytes > 0)
        return resize(ptr, bytes);
    free(ptr);
    return NULL;
}

EXPORTED void *reallocarray(void *ptr, size_t count, size_t size)
{
    size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes))
        return realloc(ptr, bytes);
    errno = ENOMEM;
    return NULL;
}

EXPORTED void *aligned_alloc(size_t alignment, size_t bytes)
{
    return get_aligned(alignment, bytes);
}

EXPORTED void *memalign(size_t alignment, size_t bytes)
{
    return get_aligned(alignment, bytes);
}

EXPORTED int posix_memalign(void **place, size_t alignment, size_t bytes)
{
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    int saved_errno = errno;
    void *block = get(alignment, bytes, ANY_CONTENTS);
    errno = saved_errno;
    if (block == NULL)
        return ENOMEM;
    *place = block;
    return 0;
}

EXPORTED void *valloc(size_t bytes)
{
    return get_aligned((size_t)sysconf(_SC_PAGESIZE), bytes);
}

EXPORTED void *pvalloc(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > SIZE_MAX - page)
        return get(page, SIZE_MAX, ANY_CONTENTS);
    return get(page, (bytes + page - 1) & ~(page - 1), ANY_CONTENTS);
}

EXPORTED size_t malloc_usable_size(void *ptr)
{
    if (ptr == NULL)
        return 0;
    bool locked = enter();
    size_t bytes = heap_usable_size(ptr);
    leave(locked);
    return bytes;
}
