/* trap.c - what the processor does when it cannot go on, and when a device calls.
 *
 * Nothing that traps is ever resumed, but for three interrupts: the timer's and the two
 * spurious ones. All other vectors end in a panic, and they do so by task gates (Intel SDM
 * 3A, chapter 8): the processor saves all registers in the task state segment of the
 * kernel, and takes those of a task that is there for that one vector, among them a stack
 * pointer. So nothing depends on the stack of the thread that trapped, which may be what
 * is broken, and a stack that overflowed does not become a triple fault.
 *
 *     gdt   0     1     2     3               4              5             ...
 *           null  code  data  kernel's state  vector 0's     vector 1's    ...
 *     idt   0 .. 31, 33 .. 47  a task gate to gdt[4 + vector]
 *           32, 39, 47         an interrupt gate to trap_entry.S */

#include <stddef.h>
#include <stdint.h>
#include <assert.h>
#include "print.h"
#include "machine.h"
#include "x86.h"

enum {
    CODE_SEGMENT = 0x08,
    DATA_SEGMENT = 0x10,
    KERNEL_TASK = 0x18,
    TRAP_TASKS = 0x20, /* and 8 further for each vector */
};

enum { PAGE_FAULT = 14, INTERRUPTS = 32, VECTORS = 48 };

enum { EFLAGS_ONE = 2 }; /* the bit that is always set */

/* A task state segment of 32 bits. */
struct task {
    uint32_t previous;
    uint32_t rings[6];
    uint32_t cr3;
    uint32_t eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs;
    uint32_t ldt;
    uint32_t port_map; /* where it begins, in the upper half; from the end on: none */
};

static_assert(sizeof(struct task) == 104, "as the processor has it");

struct __attribute__((packed)) table_pointer {
    uint16_t last_byte;
    const void *table;
};

/* Flat segments of 4 GiB. The base of a task's is its address, filled in later. */
static uint64_t gdt[4 + VECTORS] = {
    0,
    0x00cf9b000000ffff,
    0x00cf93000000ffff,
};

extern const struct table_pointer gdt_pointer;
const struct table_pointer gdt_pointer = {sizeof(gdt) - 1, gdt};

static uint64_t idt[VECTORS];

static struct task kernel_task;
static struct task trap_task[VECTORS];
static _Alignas(16) char panic_stack[4096];

extern char trap_tasks[][16];
void timer_entry(void);
void spurious_entry_7(void);
void spurious_entry_15(void);

static const char *const exceptions[INTERRUPTS] = {
    [0] = "divide error",
    [1] = "debug exception",
    [2] = "non-maskable interrupt",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range exceeded",
    [6] = "invalid opcode",
    [7] = "device not available",
    [8] = "double fault",
    [9] = "coprocessor segment overrun",
    [10] = "invalid task state segment",
    [11] = "segment not present",
    [12] = "stack fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [16] = "floating-point error",
    [17] = "alignment check",
    [18] = "machine check",
    [19] = "SIMD floating-point error",
    [20] = "virtualization exception",
    [21] = "control protection exception",
};

/* As in trap_entry.S. */
static inline bool has_error_code(uint32_t vector)
{
    uint32_t vectors = 1u << 8 | 0x1fu << 10 | 1u << 17 | 1u << 21;
    return vector < INTERRUPTS && (vectors >> vector & 1) != 0;
}

/* A fault at the end of a stack comes before the stack pointer passes it, or after. */
static void print_reason(uint32_t vector, uint32_t error)
{
    print("panic: ");
    if (kernel_task.esp <= stack_limit)
        print("stack overflow: ");
    if (vector >= INTERRUPTS)
        print("unexpected interrupt %u", vector - INTERRUPTS);
    else if (exceptions[vector] == NULL)
        print("exception %u", vector);
    else
        print("%s", exceptions[vector]);
    if (has_error_code(vector))
        print(" (error 0x%x)", error);
    print(" at 0x%08x\n", kernel_task.eip);
}

static void print_registers(uint32_t vector)
{
    const struct task *task = &kernel_task;
    print("eax %08x  ebx %08x  ecx    %08x  edx %08x\n", task->eax, task->ebx,
          task->ecx, task->edx);
    print("esi %08x  edi %08x  ebp    %08x  esp %08x\n", task->esi, task->edi,
          task->ebp, task->esp);
    print("cs  %08x  ds  %08x  eflags %08x", task->cs, task->ds, task->eflags);
    if (vector == PAGE_FAULT) {
        uint32_t address;
        __asm__ volatile("mov %%cr2, %0" : "=r"(address));
        print("  cr2 %08x", address);
    }
    print("\n");
}

/* The body of the task of a trap. The first one comes from the kernel; one that comes
 * from such a task means that telling of the first failed as well. */
_Noreturn void trap_panic(uint32_t vector, uint32_t error);
_Noreturn void trap_panic(uint32_t vector, uint32_t error)
{
    if ((uint16_t)trap_task[vector].previous != KERNEL_TASK)
        machine_off(false);
    print_reason(vector, error);
    print_registers(vector);
    panic_end();
}

static uint64_t task_descriptor(const struct task *task)
{
    uint64_t base = (uintptr_t)task;
    uint64_t available_task = 0x89;
    return (sizeof(*task) - 1) | (base & 0xffffff) << 16 | available_task << 40 |
           (base >> 24) << 56;
}

static void gate_to_task(unsigned vector)
{
    struct task *task = &trap_task[vector];
    task->cr3 = (uintptr_t)page_directory;
    task->eip = (uintptr_t)trap_tasks[vector];
    /* With the error code and the vector on it, what is left is aligned to 16. */
    task->esp = (uintptr_t)panic_stack + sizeof(panic_stack) - 8;
    task->eflags = EFLAGS_ONE;
    task->cs = CODE_SEGMENT;
    task->es = task->ss = task->ds = task->fs = task->gs = DATA_SEGMENT;
    task->port_map = sizeof(*task) << 16;
    gdt[TRAP_TASKS / 8 + vector] = task_descriptor(task);
    uint64_t selector = TRAP_TASKS + 8 * vector;
    uint64_t task_gate = 0x85;
    idt[vector] = task_gate << 40 | selector << 16;
}

static void gate_to_interrupt(unsigned interrupt, void (*entry)(void))
{
    uint64_t offset = (uintptr_t)entry;
    uint64_t selector = CODE_SEGMENT;
    uint64_t interrupt_gate = 0x8e;
    idt[INTERRUPTS + interrupt] = (offset & 0xffff) | selector << 16 |
                                  interrupt_gate << 40 | (offset >> 16) << 48;
}

void traps_start(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++)
        gate_to_task(vector);
    gate_to_interrupt(0, timer_entry);
    gate_to_interrupt(7, spurious_entry_7);
    gate_to_interrupt(15, spurious_entry_15);
    struct table_pointer idt_pointer = {sizeof(idt) - 1, idt};
    __asm__ volatile("lidt %0" : : "m"(idt_pointer), "m"(idt));

    kernel_task.cr3 = (uintptr_t)page_directory;
    kernel_task.port_map = sizeof(kernel_task) << 16;
    gdt[KERNEL_TASK / 8] = task_descriptor(&kernel_task);
    __asm__ volatile("ltr %w0" : : "r"(KERNEL_TASK) : "memory");
}
