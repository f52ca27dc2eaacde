/* machine.h - what the kernel needs of the machine that it runs on.
 *
 * x86/ and riscv/ implement this on bare metal, under QEMU; user/ implements it as a
 * process, where gdb and valgrind are at hand. There is one processor. Unless said
 * otherwise a function may be called with interrupts on or off. */
#ifndef KMA_KERNEL_MACHINE_H
#define KMA_KERNEL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what a machine provides */

/* "x86, 32 bits" */
extern const char machine_name[];

/* A byte to the serial console. May wait until there is room for it. */
void machine_put(char byte);

/* Bytes of RAM [start, end). */
struct memory_range {
    uintptr_t start;
    uintptr_t end;
};

/* The RAM that nobody uses yet: as the firmware's map has it, less the kernel's own
 * image, less page 0, and less what the firmware left there for the kernel as long as the
 * kernel still needs it. In any order, not adjoining, with bounds that need not be
 * multiples of a page. Writes at most `room` of them and returns how many. */
int machine_memory(struct memory_range *ranges, int room);

/* What QEMU's -append said, "" without it. Stays valid. */
const char *machine_command_line(void);

/* Ends the machine's run, which QEMU's exit status then tells. */
_Noreturn void machine_off(bool passed);

/* Lets no interrupt through from now on; returns whether they were let through. */
bool interrupts_off(void);

/* Lets interrupts through again, if `on`, and takes one that came meanwhile. */
void interrupts_restore(bool on);

/* To be called with interrupts off: lets them through and sleeps until one has been
 * taken; they are off again when it returns. None can slip in before the sleep. */
void machine_wait(void);

/* From now on timer_tick() is called every so many microseconds. */
void timer_start(uint32_t microseconds);
void timer_stop(void);

/* Instructions executed since some moment, exact and the same on each run under QEMU's
 * -icount shift=0; 0 where that cannot be had. The call itself counts, always the same. */
uint64_t machine_instructions(void);

/* A thread of execution, not running: on metal its stack pointer, with what a switch
 * saves below it. The new one will run entry() on that stack, with interrupts off; entry
 * must not return. NULL when the machine cannot have another. */
void *context_new(void *stack, size_t size, void (*entry)(void));

/* With interrupts off: leaves the running thread in *from and goes on with `to`. Returns
 * when somebody switches back to *from. */
void context_switch(void **from, void *to);

/* The same for a thread that ends. Its stack is not touched once `to` runs. */
_Noreturn void context_exit(void *to);

/* Makes a fault that the processor traps, to show what becomes of it. */
void machine_fault(void);

/* ---- what the kernel provides */

/* Called once, on the boot stack, with interrupts off. Never returns. */
_Noreturn void kernel_main(void);

/* Called by the timer's interrupt, with interrupts off, when the interrupt controller
 * expects nothing more. It may switch to another thread before it returns. */
void timer_tick(void);

/* The end of a panic whose reason and registers were printed: says which process it was
 * in, and calls machine_off(false). */
_Noreturn void panic_end(void);

#endif
