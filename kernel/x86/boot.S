/* boot.S - from the boot loader to C.
 *
 * The loader is one of the Multiboot Specification, version 0.6.96 (QEMU's -kernel, or
 * GRUB): it finds the header, loads the ELF file's segments and jumps to boot in 32-bit
 * protected mode, with paging and interrupts off, a magic number in eax and the address
 * of what it knows in ebx. Its stack and its segment descriptors are not ours to keep. */

#define HEADER_MAGIC 0x1badb002
#define HEADER_FLAGS 2 /* the amount of memory is wanted */
#define BOOT_STACK_SIZE 16384
#define CODE_SEGMENT 0x08
#define DATA_SEGMENT 0x10
#define CR0_MP 2
#define CR0_EM 4

    .section .multiboot, "a", @progbits
    .balign 4
    .long HEADER_MAGIC
    .long HEADER_FLAGS
    .long -(HEADER_MAGIC + HEADER_FLAGS)

    .bss
    .balign 4096
    .globl boot_stack_guard /* paging.c makes it trap */
boot_stack_guard:
    .skip 4096
boot_stack:
    .skip BOOT_STACK_SIZE
boot_stack_top:

    .data
    .balign 4
    .globl stack_limit
stack_limit:
    .long boot_stack

    .text
    .globl boot
    .type boot, @function
boot:
    cli
    cld
    lgdt gdt_pointer
    ljmp $CODE_SEGMENT, $1f
1:  mov $DATA_SEGMENT, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %fs
    mov %ecx, %gs
    mov %ecx, %ss
    mov $boot_stack_top, %esp

    mov %eax, %edx
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl

    /* A context has no floating-point registers: using them shall trap. */
    mov %cr0, %eax
    and $~CR0_MP, %eax
    or $CR0_EM, %eax
    mov %eax, %cr0

    xor %ebp, %ebp /* where a debugger's backtrace ends */
    sub $8, %esp
    push %ebx
    push %edx
    call machine_start
    .size boot, . - boot

    .section .note.GNU-stack, "", @progbits
