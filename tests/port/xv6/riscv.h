/* riscv.h - of xv6's what the adapter needs. Like there, it can be included once. */
#define PGSIZE 4096

typedef uint64 *pagetable_t;
