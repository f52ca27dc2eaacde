/* defs.h - of xv6's functions those that an adapter and the compiler's output call, and
 * one that shows why "riscv.h" comes first. The memory functions take a uint: who includes
 * this cannot include <string.h>. */
struct spinlock;

void *kalloc(void);
void kfree(void *);
void panic(char *) __attribute__((noreturn));
int printf(char *, ...) __attribute__((format(printf, 1, 2)));
void initlock(struct spinlock *, char *);
void acquire(struct spinlock *);
void release(struct spinlock *);
int memcmp(const void *, const void *, uint);
void *memmove(void *, const void *, uint);
void *memset(void *, int, uint);
void uvmclear(pagetable_t, uint64);
