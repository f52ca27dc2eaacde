/* context.S - threads of execution. One that does not run is its stack pointer; there lie
 *
 *     esp ->  stack_limit  edi  esi  ebx  ebp  eip
 *
 * which are, by the i386 calling convention, all registers that the call of
 * context_switch() has to keep; eflags needs no room, as interrupts are off on both sides
 * and the direction flag is clear. */

    .text

/* void *context_new(void *stack, size_t size, void (*entry)(void)) */
    .globl context_new
    .type context_new, @function
context_new:
    mov 4(%esp), %ecx
    mov 8(%esp), %eax
    add %ecx, %eax
    and $-16, %eax
    movl $entry_returned, -4(%eax) /* 16 bytes aligned above it, as after a call */
    mov 12(%esp), %edx
    mov %edx, -8(%eax)
    movl $0, -12(%eax) /* ebp: where a debugger's backtrace ends */
    movl $0, -16(%eax)
    movl $0, -20(%eax)
    movl $0, -24(%eax)
    mov %ecx, -28(%eax)
    sub $28, %eax
    ret
    .size context_new, . - context_new

entry_returned:
    ud2

/* void context_switch(void **from, void *to) */
    .globl context_switch
    .type context_switch, @function
context_switch:
    mov 4(%esp), %eax
    mov 8(%esp), %edx
    push %ebp
    push %ebx
    push %esi
    push %edi
    pushl stack_limit
    mov %esp, (%eax)

continue: /* the thread whose stack pointer is in edx */
    mov %edx, %esp
    popl stack_limit
    pop %edi
    pop %esi
    pop %ebx
    pop %ebp
    ret
    .size context_switch, . - context_switch

/* void context_exit(void *to) */
    .globl context_exit
    .type context_exit, @function
context_exit:
    mov 4(%esp), %edx
    jmp continue
    .size context_exit, . - context_exit

    .section .note.GNU-stack, "", @progbits
