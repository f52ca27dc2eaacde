/* xv6.c - kmalloc and kmfree for xv6 (RISC-V), from any of kma's algorithms.
 *
 * Pages come from kalloc and go back to kfree; the algorithm has no lock of its own, so
 * a spinlock stands around it. xv6's acquire turns interrupts off: interrupt handlers may
 * call these, too. main() calls kmalloc_init() once, after kinit(). kernel/PORTING.md has
 * the steps. */
#include "types.h"
#include "spinlock.h"
#include "riscv.h"
#include "defs.h"

#define GETPAGE() kalloc()
#define FREEPAGE(address) kfree(address)
#include "single_pages.h"

static_assert(PAGESIZE == PGSIZE, "the pages are those of kalloc: -DPAGESIZE=4096");

static struct spinlock kmalloc_lock;

void kmalloc_init(void)
{
    initlock(&kmalloc_lock, "kmalloc");
}

/* 1 to PGSIZE - 8 bytes; a whole page is kalloc's. 0: there is no page left. */
void *kmalloc(int size)
{
    acquire(&kmalloc_lock);
    void *block = kma_malloc(single_page_size(size));
    release(&kmalloc_lock);
    return block;
}

/* Takes back a block got from kmalloc(size), with that same size. */
void kmfree(void *block, int size)
{
    acquire(&kmalloc_lock);
    kma_free(block, single_page_size(size));
    release(&kmalloc_lock);
}

void error(char *message, char *arg)
{
    printf("kma: %s %s\n", message, arg);
    panic("kma");
}
