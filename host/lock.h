/* lock.h - the lock around the heap of a process, and what becomes of it when the process
 * forks; for malloc.c.
 *
 * One mutex guards everything. It is left alone while the process has had one thread only
 * (__libc_single_threaded). At a fork the thread that forks holds it, so that the child
 * gets a heap that nobody was changing; the handlers that the program or its libraries
 * registered may allocate meanwhile, as the forking thread is let in without the lock. */
#ifndef KMA_HOST_LOCK_H
#define KMA_HOST_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/single_threaded.h>
#include "heap.h"
#include "pages.h"
#include "settings.h"

#define LIKELY(condition) __builtin_expect(condition, 1)
#define UNLIKELY(condition) __builtin_expect(condition, 0)

static pthread_mutex_t mutex = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static bool is_open;

static bool is_forking; /* and this thread does: */
static pthread_t forking_thread;

/* Whether there is something to unlock. */
static __attribute__((noinline)) bool lock_mutex(void)
{
    if (__atomic_load_n(&is_forking, __ATOMIC_ACQUIRE) &&
        pthread_equal(forking_thread, pthread_self()))
        return FALSE;
    pthread_mutex_lock(&mutex);
    return TRUE;
}

static __attribute__((noinline)) void open_heap(void)
{
    is_open = TRUE;
    read_settings();
    pages_open(settings.source);
    heap_open();
}

static inline bool enter(void)
{
    bool locked = LIKELY(__libc_single_threaded) ? FALSE : lock_mutex();
    if (UNLIKELY(!is_open))
        open_heap();
    return locked;
}

static inline void leave(bool locked)
{
    if (UNLIKELY(locked))
        pthread_mutex_unlock(&mutex);
}

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
    forking_thread = pthread_self();
    __atomic_store_n(&is_forking, TRUE, __ATOMIC_RELEASE);
}

static void after_fork_in_parent(void)
{
    __atomic_store_n(&is_forking, FALSE, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void)
{
    is_forking = FALSE;
    mutex = (pthread_mutex_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    if (settings.stats)
        forget_counts();
}

#endif
