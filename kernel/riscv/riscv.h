/* riscv.h - what the files of this machine share.
 *
 * Sources: The RISC-V Instruction Set Manual, volume II (privileged architecture), for
 * the control and status registers; QEMU's virt machine for the addresses of devices. */
#ifndef KMA_KERNEL_RISCV_H
#define KMA_KERNEL_RISCV_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MSTATUS_MIE 8u /* interrupts are let through */
#define MIE_TIMER (1u << 7)

#define csr_read(name)                                                      \
    ({                                                                      \
        uint64_t csr_value;                                                 \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value) : : "memory"); \
        csr_value;                                                          \
    })

/* Sets or clears the bits and returns what the register was before. */
#define csr_change(instruction, name, bits)               \
    ({                                                    \
        uint64_t csr_value;                               \
        __asm__ volatile(instruction " %0, " #name ", %1" \
                         : "=r"(csr_value)                \
                         : "rK"((uint64_t)(bits))         \
                         : "memory");                     \
        csr_value;                                        \
    })
#define csr_set(name, bits) csr_change("csrrs", name, bits)
#define csr_clear(name, bits) csr_change("csrrc", name, bits)

/* A device's register. */
static inline volatile uint8_t *register8(uintptr_t address)
{
    return (volatile uint8_t *)address;
}

static inline volatile uint32_t *register32(uintptr_t address)
{
    return (volatile uint32_t *)address;
}

static inline volatile uint64_t *register64(uintptr_t address)
{
    return (volatile uint64_t *)address;
}

/* From kernel.ld. */
extern char kernel_start[], kernel_end[];

/* What a trap saves on the stack of the thread that it interrupts; trap_entry.S knows the
 * layout. */
struct trap_frame {
    uint64_t x[32]; /* x[0] is not used */
    uint64_t mepc;
    uint64_t mstatus;
};
static_assert(sizeof(struct trap_frame) == 272, "as trap_entry.S has it");

/* From here on no stack can be: the end of RAM, once that is known. */
extern uintptr_t stacks_end;

/* The first C function that runs, on the boot stack. */
_Noreturn void machine_start(const void *device_tree);

void console_flush(void);

void timer_interrupt(void);
void timer_set_frequency(uint32_t ticks_per_second);

#endif
