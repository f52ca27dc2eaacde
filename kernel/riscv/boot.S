/* boot.S - from reset to C.
 *
 * Every hart starts here, in machine mode with interrupts off: a0 is its number, a1 the
 * address of the device tree. Hart 0 is the one that we use. */

    .section .text.boot, "ax"
    .globl boot
boot:
    csrw mie, zero
    csrr t0, mhartid
    bnez t0, park

    /* No interrupts, and the floating point unit off: nothing saves its registers. */
    csrw mstatus, zero

    /* Physical memory protection as kernel.ld draws it. Each entry ends where its address
     * says and begins where the one before ends; the lowest that matches counts, and L
     * makes it bind machine mode too. A processor without protection takes an illegal
     * instruction trap at the first of these, and goes on behind them. */
#define R   0x01
#define W   0x02
#define X   0x04
#define TOR 0x08
#define L   0x80
    la t0, unprotected
    csrw mtvec, t0
    la t0, kernel_start
    srli t0, t0, 2
    csrw pmpaddr0, t0
    la t0, writable_start
    srli t0, t0, 2
    csrw pmpaddr1, t0
    la t0, stack_guard
    srli t0, t0, 2
    csrw pmpaddr2, t0
    la t0, boot_stack
    srli t0, t0, 2
    csrw pmpaddr3, t0
    li t0, -1
    csrw pmpaddr4, t0
    li t0, (L | TOR | R | W) << 0  /* below RAM: devices */ \
         | (L | TOR | R | X) << 8  /* to writable_start */ \
         | (L | TOR | R | W) << 16 /* to stack_guard */ \
         | (L | TOR) << 24         /* to boot_stack */ \
         | (L | TOR | R | W) << 32 /* all the rest */
    csrw pmpcfg0, t0
    .balign 4
unprotected:

    la t0, emergency_stack_end
    csrw mscratch, t0
    la t0, trap_entry
    csrw mtvec, t0

    la t0, bss_start
    la t1, bss_end
1:  bgeu t0, t1, 2f
    sd zero, (t0)
    addi t0, t0, 8
    j 1b

    /* No global pointer, no thread pointer, and here the chain of calls begins. */
2:  la sp, kernel_end
    li gp, 0
    li tp, 0
    li s0, 0
    li ra, 0
    mv a0, a1
    tail machine_start

park:
    wfi
    j park
