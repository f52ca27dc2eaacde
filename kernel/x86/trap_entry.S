/* trap_entry.S - where the processor goes on when it traps. */

    .text

/* Where the task of each trap begins, 16 bytes apart: on an empty stack, on which is the
 * error code, or nothing where the processor has none for that vector. */
    .globl trap_tasks
    .balign 16
trap_tasks:
    .set vector, 0
    .rept 48
    .balign 16
    .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21
    push $0
    .endif
    push $vector
    jmp call_panic
    .set vector, vector + 1
    .endr

call_panic:
    call trap_panic

/* An interrupt that is returned from. What C does not keep is saved; C wants the stack
 * aligned to 16 and the direction flag clear. */
    .macro interrupt name, handler
    .globl \name
    .type \name, @function
\name:
    push %eax
    push %ecx
    push %edx
    push %ebp
    mov %esp, %ebp
    cld
    lea 16(%ebp), %eax /* struct interrupt_frame */
    and $-16, %esp
    sub $12, %esp
    push %eax
    call \handler
    mov %ebp, %esp
    pop %ebp
    pop %edx
    pop %ecx
    pop %eax
    iret
    .size \name, . - \name
    .endm

    interrupt timer_entry, timer_interrupt
    interrupt spurious_entry_7, spurious_interrupt_7
    interrupt spurious_entry_15, spurious_interrupt_15

    .section .note.GNU-stack, "", @progbits
