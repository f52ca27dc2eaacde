/* machine.c - the x86 machine: its start and its end, interrupts, and the count of
 * instructions. */

#include <stdint.h>
#include "machine.h"
#include "x86.h"

const char machine_name[] = "x86, 32 bits";

/* Whether the time-stamp counter counts instructions. */
static bool counter_is_exact;

/* What it counts during 2 * steps + 3 instructions. */
static uint32_t count_loop(uint32_t steps)
{
    uint32_t start;
    uint32_t end;
    __asm__ volatile("rdtsc\n\t"
                     "mov %%eax, %0\n\t"
                     "mov %2, %%ecx\n"
                     "1: dec %%ecx\n\t"
                     "jnz 1b\n\t"
                     "rdtsc"
                     : "=&r"(start), "=&a"(end)
                     : "g"(steps)
                     : "ecx", "edx", "cc");
    return end - start;
}

_Noreturn void machine_start(uint32_t magic, const struct multiboot_info *info);
_Noreturn void machine_start(uint32_t magic, const struct multiboot_info *info)
{
    console_start();
    timer_reset();
    traps_start();
    multiboot_read(magic, info);
    paging_start();
    counter_is_exact = count_loop(100) == 203 && count_loop(1000) == 2003;
    kernel_main();
}

/* QEMU's isa-debug-exit ends it with twice the value and 1. Where it is missing, the port
 * is the one by which QEMU's ACPI is switched off; where that is missing too, we rest. */
_Noreturn void machine_off(bool passed)
{
    interrupts_off();
    console_drain();
    out8(0xf4, passed ? 0x10 : 0x11);
    out16(0x604, 0x2000);
    for (;;)
        __asm__ volatile("hlt");
}

bool interrupts_off(void)
{
    uint32_t eflags;
    __asm__ volatile("pushf\n\t"
                     "pop %0\n\t"
                     "cli"
                     : "=r"(eflags)
                     :
                     : "memory");
    return (eflags & 0x200) != 0;
}

/* sti lets one more instruction pass. */
void interrupts_restore(bool on)
{
    if (on)
        __asm__ volatile("sti\n\t"
                         "nop"
                         :
                         :
                         : "memory");
}

/* Where QEMU's clock goes by instructions we stay awake: it skips a sleep, but now and
 * then by some nanoseconds too many, and no two runs would be the same. */
void machine_wait(void)
{
    if (counter_is_exact) {
        while (!timer_is_pending())
            count_loop(200); /* QEMU is quick at that, and slow at reading ports */
        interrupts_restore(true);
        interrupts_off();
        return;
    }
    __asm__ volatile("sti\n\t"
                     "hlt\n\t"
                     "cli"
                     :
                     :
                     : "memory");
}

/* With -icount shift=0 an instruction takes a nanosecond, and QEMU's time-stamp counter
 * counts nanoseconds: those that the processor sleeps as well. */
uint64_t machine_instructions(void)
{
    if (!counter_is_exact)
        return 0;
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

void machine_fault(void)
{
    __asm__ volatile("ud2");
}
