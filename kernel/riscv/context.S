/* context.S - from one thread to another.
 *
 * A context is the stack pointer of a thread that called context_switch(). What the
 * caller of a function expects to find again is saved there, 14 words, ra first. */

#define FRAME 112

    .text

/* void context_switch(void **from, void *to) */
    .globl context_switch
context_switch:
    addi sp, sp, -FRAME
    sd ra, 0*8(sp)
    sd s0, 1*8(sp)
    sd s1, 2*8(sp)
    sd s2, 3*8(sp)
    sd s3, 4*8(sp)
    sd s4, 5*8(sp)
    sd s5, 6*8(sp)
    sd s6, 7*8(sp)
    sd s7, 8*8(sp)
    sd s8, 9*8(sp)
    sd s9, 10*8(sp)
    sd s10, 11*8(sp)
    sd s11, 12*8(sp)
    sd sp, (a0)
    mv a0, a1

/* _Noreturn void context_exit(void *to) */
    .globl context_exit
context_exit:
    mv sp, a0
    ld ra, 0*8(sp)
    ld s0, 1*8(sp)
    ld s1, 2*8(sp)
    ld s2, 3*8(sp)
    ld s3, 4*8(sp)
    ld s4, 5*8(sp)
    ld s5, 6*8(sp)
    ld s6, 7*8(sp)
    ld s7, 8*8(sp)
    ld s8, 9*8(sp)
    ld s9, 10*8(sp)
    ld s10, 11*8(sp)
    ld s11, 12*8(sp)
    addi sp, sp, FRAME
    ret

/* void *context_new(void *stack, size_t size, void (*entry)(void)) */
    .globl context_new
context_new:
    add a0, a0, a1
    andi a0, a0, -16
    addi a0, a0, -FRAME
    la t0, context_begin
    sd t0, 0*8(a0)
    sd zero, 1*8(a0)
    sd a2, 2*8(a0)
    ret

/* Where a new thread's first switch leads, with entry in s1 and no frame above: s0 is 0.
 * The other registers hold what happened to be on the stack. Should entry return, it
 * meets an illegal instruction. */
context_begin:
    jalr s1
    unimp
