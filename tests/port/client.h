/* client.h - between the client of the adapters and the kernel it runs in. */
#ifndef KMA_TESTS_PORT_CLIENT_H
#define KMA_TESTS_PORT_CLIENT_H

/* What adapters provide. */
void *kmalloc(int size);
void kmfree(void *block, int size);

/* Before the first of these, with memory open. */
void kernel_start(void);

/* After each of them: so many calls there were. */
void kernel_check(unsigned long calls);

#endif
