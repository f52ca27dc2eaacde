/* x86.h - what the files of the x86 machine share, and the instructions that C has no
 * words for. */
#ifndef KMA_KERNEL_X86_H
#define KMA_KERNEL_X86_H

#include <stdbool.h>
#include <stdint.h>

/* The image, by kernel.ld. */
extern char kernel_start[];
extern char kernel_end[];

/* The lowest byte of the running thread's stack. context.S changes it at each switch. */
extern uintptr_t stack_limit;

/* What the processor pushes when it takes an interrupt in ring 0. */
struct interrupt_frame {
    uint32_t eip;
    uint32_t cs;
    uint32_t eflags;
};

struct multiboot_info;

void console_start(void);
void console_drain(void);
void traps_start(void);
void timer_reset(void);

/* An interrupt of the timer waits to be let through. */
bool timer_is_pending(void);

/* To be called when machine_memory() can be. */
void paging_start(void);
extern uint32_t page_directory[];

/* Copies what the kernel needs of it; afterwards it may be overwritten. */
void multiboot_read(uint32_t magic, const struct multiboot_info *info);

/* Bytes [start, end) become ones that machine_memory() returns, or none of them. */
void memory_add(uint64_t start, uint64_t end);
void memory_remove(uint64_t start, uint64_t end);

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

#endif
