/* kmalloc.h - the kernel's memory: the algorithm that it is built with, behind a lock. */
#ifndef KMA_KERNEL_KMALLOC_H
#define KMA_KERNEL_KMALLOC_H

#include <stdbool.h>
#include <stdint.h>
#include "kma.h"

/* The largest request that is served. */
#define KMALLOC_MOST ((kma_size_t)(4096 - sizeof(void *)))

/* kma_malloc and kma_free, which may be called by any process, and from an interrupt. */
void *kmalloc(kma_size_t size);
void kfree(void *block, kma_size_t size);

/* Around every other call into the algorithm, and everything else that processes share:
 * nobody else runs in between. Returns what kernel_unlock needs. */
bool kernel_lock(void);
void kernel_unlock(bool locked);

/* To see what becomes of a kernel without: from now on the lock does not lock. */
void kernel_lock_disable(void);

#endif
