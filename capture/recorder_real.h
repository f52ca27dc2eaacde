/* recorder_real.h - the functions that the recorder stands in front of, and the memory
 * that there is until they are known: finding them may request some. Part of recorder.c.
 */
#ifndef KMA_CAPTURE_RECORDER_REAL_H
#define KMA_CAPTURE_RECORDER_REAL_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "recorder_store.h"

enum { ARENA = 1 << 16 };

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} real;

static _Alignas(16) char arena[ARENA];
static size_t arena_used;

/* Zeroed; never given back. */
static void *arena_take(size_t alignment, size_t size)
{
    size_t room = size + alignment;
    size_t at = ARENA;
    if (room >= size && room < ARENA)
        at = __atomic_fetch_add(&arena_used, (room + 15) & ~(size_t)15,
                                __ATOMIC_RELAXED);
    if (at > ARENA - room || room > ARENA) {
        errno = ENOMEM;
        return NULL;
    }
    return (void *)(((uintptr_t)arena + at + alignment - 1) & ~(alignment - 1));
}

static bool in_arena(const void *pointer)
{
    return (uintptr_t)pointer - (uintptr_t)arena < ARENA;
}

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

/* False while they are being found. */
static __attribute__((noinline, cold)) bool find_real(void)
{
    static int finding;
    void *(*real_malloc)(size_t);
    struct kept kept = keep_signals();
    if (__atomic_exchange_n(&finding, 1, __ATOMIC_ACQUIRE) != 0) {
        return_signals(kept);
        return false;
    }
    find(&real.calloc, "calloc");
    find(&real.realloc, "realloc");
    find(&real.free, "free");
    find(&real.aligned_alloc, "aligned_alloc");
    find(&real.posix_memalign, "posix_memalign");
    find(&real.memalign, "memalign");
    find(&real.valloc, "valloc");
    find(&real.pvalloc, "pvalloc");
    find(&real_malloc, "malloc");
    __atomic_store_n(&real.malloc, real_malloc, __ATOMIC_RELEASE);
    return_signals(kept);
    return true;
}

static inline bool is_ready(void)
{
    return real.malloc != NULL || find_real();
}

#endif
