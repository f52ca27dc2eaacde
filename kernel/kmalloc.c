/* kmalloc.c - the algorithm behind a lock.
 *
 * No algorithm knows of other callers, so one call must end before the next begins. On
 * one processor it is enough that nothing interrupts: then a process cannot lose the
 * processor half-way, and an interrupt handler may allocate, too. The price is that the
 * timer waits for the longest call; of kma_tlsf that is bounded. With more processors
 * there would be a spin lock inside of this. */

#include "kmalloc.h"
#include "machine.h"

static bool disabled;

void kernel_lock_disable(void)
{
    disabled = true;
}

bool kernel_lock(void)
{
    return disabled ? false : interrupts_off();
}

void kernel_unlock(bool locked)
{
    if (!disabled)
        interrupts_restore(locked);
}

void *kmalloc(kma_size_t size)
{
    bool locked = kernel_lock();
    void *block = kma_malloc(size);
    kernel_unlock(locked);
    return block;
}

void kfree(void *block, kma_size_t size)
{
    bool locked = kernel_lock();
    kma_free(block, size);
    kernel_unlock(locked);
}
