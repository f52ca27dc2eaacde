/* getpage.c - kmalloc and kmfree for an exercise OS, from any of kma's algorithms.
 *
 * The OS has one thread and no interrupt handler that allocates, so there is no lock. Its
 * header "os.h" has GETPAGE(), a page's address or 0, and FREEPAGE(address).
 * kernel/PORTING.md has the steps. */
#include "os.h"
#include "single_pages.h"

/* 1 to PAGESIZE - sizeof(void *) bytes. 0: there is no page left. */
void *kmalloc(int size)
{
    return kma_malloc(single_page_size(size));
}

/* Takes back a block got from kmalloc(size), with that same size. */
void kmfree(void *block, int size)
{
    kma_free(block, single_page_size(size));
}

/* Put your own way to stop here. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as kma.h has it */
void error(char *message, char *arg)
{
    (void)message, (void)arg;
    __builtin_trap();
}
