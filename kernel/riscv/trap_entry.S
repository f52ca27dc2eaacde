/* trap_entry.S - saves what a trap interrupts, and goes on with it.
 *
 * All registers go to the stack of the interrupted thread. So trap_handle() can switch to
 * another thread, which may be interrupted in turn; this one goes on from its own frame
 * when somebody switches back.
 *
 * The stack may be the very thing that is broken. Unless the stack pointer leaves room for
 * a frame in RAM above the code, off the guard (see kernel.ld), the frame goes to an
 * emergency stack, from which nobody returns. mscratch always holds that stack's end. It
 * serves as scratch space for the check too: interrupts are off, so one is enough. */

/* struct trap_frame */
#define FRAME 272
#define MEPC 256
#define MSTATUS 264

    .text
    .balign 4
    .globl trap_entry
trap_entry:
    csrrw sp, mscratch, sp
    sd t0, -8(sp)
    sd t1, -16(sp)
    csrr t0, mscratch
    la t1, stack_guard
    bleu t0, t1, below_guard
    la t1, boot_stack + FRAME
    bltu t0, t1, emergency
    ld t1, stacks_end
    bgtu t0, t1, emergency
good:
    ld t1, -16(sp)
    ld t0, -8(sp)
    csrrw sp, mscratch, sp

    addi sp, sp, -FRAME
    sd t0, 5*8(sp)
    addi t0, sp, FRAME
    sd t0, 2*8(sp)
    jal t0, save
    mv a0, sp
    call trap_handle

    ld t0, MEPC(sp)
    csrw mepc, t0
    ld t0, MSTATUS(sp)
    csrw mstatus, t0
    ld ra, 1*8(sp)
    ld gp, 3*8(sp)
    ld tp, 4*8(sp)
    ld t0, 5*8(sp)
    ld t1, 6*8(sp)
    ld t2, 7*8(sp)
    ld s0, 8*8(sp)
    ld s1, 9*8(sp)
    ld a0, 10*8(sp)
    ld a1, 11*8(sp)
    ld a2, 12*8(sp)
    ld a3, 13*8(sp)
    ld a4, 14*8(sp)
    ld a5, 15*8(sp)
    ld a6, 16*8(sp)
    ld a7, 17*8(sp)
    ld s2, 18*8(sp)
    ld s3, 19*8(sp)
    ld s4, 20*8(sp)
    ld s5, 21*8(sp)
    ld s6, 22*8(sp)
    ld s7, 23*8(sp)
    ld s8, 24*8(sp)
    ld s9, 25*8(sp)
    ld s10, 26*8(sp)
    ld s11, 27*8(sp)
    ld t3, 28*8(sp)
    ld t4, 29*8(sp)
    ld t5, 30*8(sp)
    ld t6, 31*8(sp)
    ld sp, 2*8(sp)
    mret

below_guard:
    la t1, writable_start + FRAME
    bgeu t0, t1, good

/* sp is the end of the emergency stack, and the interrupted one is in mscratch. t0 and t1
 * lie where the frame will be: they are read before it is written. */
emergency:
    ld t1, -16(sp)
    ld t0, -8(sp)
    addi sp, sp, -FRAME
    sd t0, 5*8(sp)
    addi t0, sp, FRAME
    csrrw t0, mscratch, t0
    sd t0, 2*8(sp)
    jal t0, save
    mv a0, sp
    tail trap_in_emergency

/* Fills the frame at sp, but for sp and t0, which are in it already; returns to t0. */
save:
    sd ra, 1*8(sp)
    sd gp, 3*8(sp)
    sd tp, 4*8(sp)
    sd t1, 6*8(sp)
    sd t2, 7*8(sp)
    sd s0, 8*8(sp)
    sd s1, 9*8(sp)
    sd a0, 10*8(sp)
    sd a1, 11*8(sp)
    sd a2, 12*8(sp)
    sd a3, 13*8(sp)
    sd a4, 14*8(sp)
    sd a5, 15*8(sp)
    sd a6, 16*8(sp)
    sd a7, 17*8(sp)
    sd s2, 18*8(sp)
    sd s3, 19*8(sp)
    sd s4, 20*8(sp)
    sd s5, 21*8(sp)
    sd s6, 22*8(sp)
    sd s7, 23*8(sp)
    sd s8, 24*8(sp)
    sd s9, 25*8(sp)
    sd s10, 26*8(sp)
    sd s11, 27*8(sp)
    sd t3, 28*8(sp)
    sd t4, 29*8(sp)
    sd t5, 30*8(sp)
    sd t6, 31*8(sp)
    csrr t1, mepc
    sd t1, MEPC(sp)
    csrr t1, mstatus
    sd t1, MSTATUS(sp)
    jr t0

    .bss
    .balign 16
    .skip 4096
    .globl emergency_stack_end
emergency_stack_end:
