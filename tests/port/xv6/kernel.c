/* kernel.c - what xv6 has and its adapter calls, as a process: pages, and locks that
 * notice who takes them twice, releases what is not held, or forgets to. */
#include <stdarg.h>
#include "types.h"
#include "spinlock.h"
#include "riscv.h"
#include "defs.h"
#include "../ram.h"
#include "../client.h"

int vprintf(const char *format, va_list arguments);

static struct spinlock *kmalloc_lock; /* the only one */
static unsigned long acquired;

void initlock(struct spinlock *lock, char *name)
{
    if (kmalloc_lock != 0 || lock->locked != 0)
        fail("a lock is made twice");
    lock->name = name;
    kmalloc_lock = lock;
}

void acquire(struct spinlock *lock)
{
    if (lock != kmalloc_lock)
        fail("acquire of a lock that was never made");
    if (lock->locked)
        fail("acquire of a lock that is held: a deadlock");
    lock->locked = 1;
    acquired++;
}

void release(struct spinlock *lock)
{
    if (lock != kmalloc_lock || !lock->locked)
        fail("release of a lock that is not held");
    lock->locked = 0;
}

/* Others may call these without a lock; here only the adapter does. */
void *kalloc(void)
{
    if (!kmalloc_lock->locked)
        fail("the algorithm runs without its lock");
    return ram_take();
}

void kfree(void *page)
{
    if (!kmalloc_lock->locked)
        fail("the algorithm runs without its lock");
    ram_give(page);
}

void panic(char *why)
{
    fail(why);
}

int printf(char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vprintf(format, arguments);
    va_end(arguments);
    return length;
}

/* ---- what the client asks of a kernel */

void kmalloc_init(void);

void kernel_start(void)
{
    kmalloc_init();
}

void kernel_check(unsigned long calls)
{
    if (kmalloc_lock->locked)
        fail("the lock is held outside of kmalloc and kmfree");
    if (acquired != calls)
        fail("a call of kmalloc or kmfree takes no lock, or more than one");
}
