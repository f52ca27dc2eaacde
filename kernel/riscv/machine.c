/* machine.c - the rest of what machine.h asks of a machine.
 *
 * QEMU's virt machine without firmware: everything runs in machine mode on hart 0. */

#include "machine.h"
#include "print.h"
#include "device_tree.h"
#include "riscv.h"

/* QEMU's test device: ends the run with the status that is written to it. */
#define TEST_DEVICE 0x100000
#define TEST_PASS 0x5555
#define TEST_FAIL 0x3333

/* The longest device tree that we read; QEMU's has at most half of this. */
#define DEVICE_TREE_ROOM (2 << 20)

const char machine_name[] = "riscv, 64 bits";

uintptr_t stacks_end = (uintptr_t)kernel_end;

static struct device_facts facts;
static bool instructions_are_counted;
static uint64_t counted_asleep; /* by the counter of instructions */

/* Runs through an empty loop. Returns by how much the counter went on: two instructions a
 * round and one more, if it is exact. */
static uint64_t spin(uint64_t rounds)
{
    uint64_t start;
    uint64_t end;
    __asm__ volatile("csrr %0, minstret\n"
                     "1: addi %1, %1, -1\n"
                     "bnez %1, 1b\n"
                     "csrr %2, minstret"
                     : "=&r"(start), "+r"(rounds), "=r"(end)
                     :
                     : "memory");
    return end - start;
}

/* Whether the counter can be trusted. Without -icount QEMU shows the host's clock there,
 * with a greater shift an instruction is 2, 4, 8... */
static bool counter_is_exact(void)
{
    return spin(1) == 3 && spin(10) == 21 && spin(100) == 201;
}

void machine_start(const void *device_tree)
{
    const char *wrong = device_tree_read(device_tree, DEVICE_TREE_ROOM, &facts);
    if (wrong != NULL)
        panic("device tree at %p: %s", device_tree, wrong);
    for (int i = 0; i < facts.ram.count; i++)
        if (facts.ram.ranges[i].end > stacks_end)
            stacks_end = facts.ram.ranges[i].end;
    timer_set_frequency(facts.timer_frequency);
    instructions_are_counted = counter_is_exact();
    kernel_main();
}

/* Takes what lies in the hole off the ranges, and returns how many there are then. A
 * hole within a range leaves two, or the lower one when there is no room. */
static int cut_hole(struct memory_range *ranges, int count, int room,
                    struct memory_range hole)
{
    for (int i = count - 1; i >= 0; i--) {
        struct memory_range *range = &ranges[i];
        if (hole.end <= range->start || range->end <= hole.start)
            continue;
        if (range->start < hole.start && hole.end < range->end && count < room)
            ranges[count++] = (struct memory_range){hole.end, range->end};
        if (range->start < hole.start)
            range->end = hole.start;
        else if (hole.end < range->end)
            range->start = hole.end;
        else
            *range = ranges[--count];
    }
    return count;
}

int machine_memory(struct memory_range *ranges, int room)
{
    struct memory_range page_0 = {0, 4096};
    struct memory_range image = {(uintptr_t)kernel_start, (uintptr_t)kernel_end};
    int count = 0;
    while (count < room && count < facts.ram.count) {
        ranges[count] = facts.ram.ranges[count];
        count++;
    }
    count = cut_hole(ranges, count, room, page_0);
    count = cut_hole(ranges, count, room, image);
    for (int i = 0; i < facts.reserved.count; i++)
        count = cut_hole(ranges, count, room, facts.reserved.ranges[i]);
    return count;
}

const char *machine_command_line(void)
{
    return facts.command_line;
}

void machine_off(bool passed)
{
    interrupts_off();
    console_flush();
    *register32(TEST_DEVICE) = passed ? TEST_PASS : 1 << 16 | TEST_FAIL;
    for (;;)
        __asm__ volatile("wfi");
}

bool interrupts_off(void)
{
    return (csr_clear(mstatus, MSTATUS_MIE) & MSTATUS_MIE) != 0;
}

/* Without a branch: either way as many instructions. */
void interrupts_restore(bool on)
{
    csr_set(mstatus, on * MSTATUS_MIE);
}

static bool interrupt_pending(void)
{
    return (csr_read(mip) & csr_read(mie)) != 0;
}

/* wfi ends its sleep for an interrupt that is pending even while none is let through, and
 * may end it for no reason. The interrupt is taken between the two writes of mstatus.
 *
 * Where QEMU's clock goes by instructions we stay awake: it skips a sleep, but now and
 * then by some nanoseconds too many, when its main loop sees the hart asleep before the
 * hart's last instructions have been added to the clock. No two runs would be the same.
 * A wait is no instructions either way. */
void machine_wait(void)
{
    uint64_t before = csr_read(minstret);
    while (!interrupt_pending()) {
        if (instructions_are_counted)
            spin(200); /* QEMU is quick at that, and slow at reading mip */
        else
            __asm__ volatile("wfi" : : : "memory");
    }
    counted_asleep += csr_read(minstret) - before;
    csr_set(mstatus, MSTATUS_MIE);
    csr_clear(mstatus, MSTATUS_MIE);
}

uint64_t machine_instructions(void)
{
    bool on = interrupts_off();
    uint64_t count = instructions_are_counted ? csr_read(minstret) - counted_asleep : 0;
    interrupts_restore(on);
    return count;
}

/* Nothing is at address 0. */
void machine_fault(void)
{
    __asm__ volatile("lw zero, 0(zero)" : : : "memory");
}
