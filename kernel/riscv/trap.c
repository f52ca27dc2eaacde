/* trap.c - what becomes of interrupts and exceptions. */

#include <stdbool.h>
#include "machine.h"
#include "print.h"
#include "riscv.h"

#define INTERRUPT (UINT64_C(1) << 63)
#define TIMER_INTERRUPT (INTERRUPT | 7)

void trap_handle(struct trap_frame *frame);
_Noreturn void trap_in_emergency(const struct trap_frame *frame);

static const char *trap_name(uint64_t cause)
{
    static const char *const names[] = {
        "instruction address misaligned",
        "instruction access fault",
        "illegal instruction",
        "breakpoint",
        "load address misaligned",
        "load access fault",
        "store address misaligned",
        "store access fault",
    };
    if (cause == TIMER_INTERRUPT)
        return "timer interrupt";
    if ((cause & INTERRUPT) != 0)
        return "unexpected interrupt";
    if (cause < sizeof(names) / sizeof(names[0]))
        return names[cause];
    return "unexpected exception";
}

static void print_register(const char *name, uint64_t value, const char *end)
{
    print("%7s %016llx%s", name, (unsigned long long)value, end);
}

static void print_registers(const struct trap_frame *frame)
{
    static const char names[31][4] = {
        "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0", "a1",
        "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5", "s6",
        "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    };
    for (int i = 0; i < 31; i++)
        print_register(names[i], frame->x[i + 1], i % 3 == 2 || i == 30 ? "\n" : "  ");
    print_register("mstatus", frame->mstatus, "  ");
    print_register("mepc", frame->mepc, "  ");
    print_register("mtval", csr_read(mtval), "\n");
}

/* A trap that comes out of this very function ends the run without another word. */
static _Noreturn void trap_panic(const struct trap_frame *frame, const char *remark)
{
    static bool panicking;
    if (panicking)
        machine_off(false);
    panicking = true;

    uint64_t cause = csr_read(mcause);
    print("panic: %s%s (mcause %llu) at 0x%016llx, mtval 0x%016llx\n", remark,
          trap_name(cause), (unsigned long long)(cause & ~INTERRUPT),
          (unsigned long long)frame->mepc, (unsigned long long)csr_read(mtval));
    print_registers(frame);
    panic_end();
}

void trap_handle(struct trap_frame *frame)
{
    if (csr_read(mcause) == TIMER_INTERRUPT)
        timer_interrupt();
    else
        trap_panic(frame, "");
}

void trap_in_emergency(const struct trap_frame *frame)
{
    trap_panic(frame, "bad stack pointer: ");
}
