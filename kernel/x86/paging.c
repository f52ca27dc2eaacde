/* paging.c - which addresses are good. Each address is that of the same byte of RAM: the
 * kernel has no virtual memory. Paging is on for what it does not let pass:
 *
 *     0                  page 0         nothing: a null pointer
 *     4 KB ..            free RAM
 *     1 MiB ..           .data .bss     with a page of nothing below the boot stack
 *                        .text .rodata  not to be written
 *     kernel_end ..      free RAM
 *     above the last RAM                nothing: a wild pointer
 *
 * What goes astray is a page fault and so a panic, and so is a stack that overflows. The
 * boot stack's ends in the page of nothing. A thread's, which is in free RAM, runs on
 * through what lies below it, but no farther than to the read-only part of the image,
 * which is therefore the upper one, or to page 0; nothing that a panic needs is on the
 * way. (If a tick comes first, timer.c sees it.)
 *
 * The first 4 MiB have pages of 4 KB, the rest pages of 4 MiB (Intel SDM 3A, 4.3), so
 * that the tables take 8 KB however much RAM there is. */

#include <stdint.h>
#include "machine.h"
#include "x86.h"

enum { PRESENT = 1 << 0, WRITABLE = 1 << 1, LARGE = 1 << 7 };
enum { SMALL_SHIFT = 12, LARGE_SHIFT = 22, ENTRIES = 1024, RANGES = 64 };

_Alignas(4096) uint32_t page_directory[ENTRIES];
static _Alignas(4096) uint32_t first_pages[ENTRIES];

extern char boot_stack_guard[]; /* in boot.S */
extern char read_only_start[];  /* in kernel.ld */

static inline uint32_t page_of(const char *address)
{
    return (uintptr_t)address >> SMALL_SHIFT;
}

static void map_first_pages(void)
{
    for (uint32_t page = 1; page < ENTRIES; page++)
        first_pages[page] = page << SMALL_SHIFT | PRESENT | WRITABLE;
    first_pages[page_of(boot_stack_guard)] = 0;
    for (uint32_t page = page_of(read_only_start); page < page_of(kernel_end); page++)
        first_pages[page] &= ~(uint32_t)WRITABLE;
    page_directory[0] = (uintptr_t)first_pages | PRESENT | WRITABLE;
}

static void map_large_pages(struct memory_range range)
{
    for (uint32_t page = range.start >> LARGE_SHIFT;
         page <= (range.end - 1) >> LARGE_SHIFT; page++)
        if (page > 0)
            page_directory[page] = page << LARGE_SHIFT | PRESENT | WRITABLE | LARGE;
}

void paging_start(void)
{
    struct memory_range ranges[RANGES];
    int count = machine_memory(ranges, RANGES);
    map_first_pages();
    for (int i = 0; i < count; i++)
        map_large_pages(ranges[i]);

    uint32_t cr4_large_pages = 1u << 4;
    uint32_t cr0_paging = 1u << 31 | 1u << 16; /* for writes by the kernel, too */
    uint32_t old;
    __asm__ volatile("mov %%cr4, %0\n\t"
                     "or %1, %0\n\t"
                     "mov %0, %%cr4\n\t"
                     "mov %2, %%cr3\n\t"
                     "mov %%cr0, %0\n\t"
                     "or %3, %0\n\t"
                     "mov %0, %%cr0"
                     : "=&r"(old)
                     : "r"(cr4_large_pages), "r"(page_directory), "r"(cr0_paging)
                     : "memory", "cc");
}
