/* batches.h - fewer turns at the lock for a process with several threads: a thread gets
 * small blocks of a size several at once, and gives back what it freed several at once.
 * The algorithm sees every request and every free, but in another order.
 *
 *     malloc     got[units] -> block -> block        empty: lock, get 1, 2, 4, ... 16
 *     free       freed -> block -> block -> ...      64 of them: lock, free all
 *
 * Blocks are linked through their first words: the program does not have them yet, or no
 * longer. What a thread has got and not handed out is at most BATCH blocks of each size
 * that it asks for. When it ends all goes back. While the process has one thread, and when
 * it is watched (KMA_STATS, KMA_CHECK), there are no batches. */
#ifndef KMA_HOST_BATCHES_H
#define KMA_HOST_BATCHES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "heap.h"
#include "lock.h"
#include "settings.h"

enum {
    MOST_UNITS = 32, /* of a block that is got with others: 512 bytes */
    BATCH = 16,      /* blocks */
    MOST_FREED = 64, /* blocks */
    INLINE_KEYS = 32 /* a value for a later key would have to be requested first */
};

enum thread_state { NEW_THREAD, WITH_BATCHES, WITHOUT_BATCHES };

static __thread struct {
    enum thread_state state;
    unsigned freed_count;
    void *freed;
    void *got[MOST_UNITS + 1];
    uint8_t batch[MOST_UNITS + 1]; /* blocks that were got last */
} mine __attribute__((tls_model("initial-exec")));

static pthread_key_t thread_end;
static bool has_key;

static inline void *next_of(void *block)
{
    return *(void **)block;
}

/* Frees a list of blocks. */
static void free_all(void *block)
{
    bool locked = enter();
    while (block != NULL) {
        void *next = next_of(block);
        heap_free(block);
        block = next;
    }
    leave(locked);
}

static void give_freed(void)
{
    void *blocks = mine.freed;
    mine.freed = NULL;
    mine.freed_count = 0;
    free_all(blocks);
}

/* What a thread still asks for on its way out it gets one by one. */
static void end_batches(void *unused)
{
    (void)unused;
    mine.state = WITHOUT_BATCHES;
    give_freed();
    for (int units = 0; units <= MOST_UNITS; units++) {
        void *blocks = mine.got[units];
        mine.got[units] = NULL;
        free_all(blocks);
    }
}

static void open_batches(void)
{
    has_key =
        pthread_key_create(&thread_end, end_batches) == 0 && thread_end < INLINE_KEYS;
}

static __attribute__((noinline)) bool begin_batches(void)
{
    bool wanted = has_key && !settings.stats && !settings.check;
    if (!wanted || pthread_setspecific(thread_end, &mine) != 0)
        mine.state = WITHOUT_BATCHES;
    else
        mine.state = WITH_BATCHES;
    return mine.state == WITH_BATCHES;
}

static inline bool has_batches(void)
{
    if (__builtin_expect(__libc_single_threaded, 1))
        return FALSE;
    return mine.state == WITH_BATCHES || (mine.state == NEW_THREAD && begin_batches());
}

/* A block, and more of its size for the next requests. NULL: no memory. */
static __attribute__((noinline)) void *get_batch(size_t bytes, size_t units)
{
    unsigned count = mine.batch[units] == 0 ? 1 : mine.batch[units] * 2u;
    count = count < BATCH ? count : BATCH;
    mine.batch[units] = (uint8_t)count;
    if (mine.freed_count >= MOST_FREED / 2)
        give_freed();
    bool locked = enter();
    void *block = heap_malloc(bytes);
    for (unsigned i = 1; block != NULL && i < count; i++) {
        void *more = heap_malloc(bytes);
        if (more == NULL)
            break;
        *(void **)more = mine.got[units];
        mine.got[units] = more;
    }
    leave(locked);
    if (block == NULL && mine.freed_count > 0) {
        give_freed();
        return get_batch(bytes, units);
    }
    return block;
}

/* For a thread with batches, `units` at most MOST_UNITS. */
static inline void *get_one(size_t bytes, size_t units)
{
    void *block = mine.got[units];
    if (block == NULL)
        return get_batch(bytes, units);
    mine.got[units] = next_of(block);
    return block;
}

/* For a thread with batches, a block that is no run of pages. */
static inline void free_one(void *block)
{
    *(void **)block = mine.freed;
    mine.freed = block;
    if (++mine.freed_count == MOST_FREED)
        give_freed();
}

#endif
