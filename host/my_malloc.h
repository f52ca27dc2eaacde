/* my_malloc.h - malloc and free for exercises and small systems, in libkma.a: boundary
 * tags (kma_bt.c) over the break. Nothing is locked: one thread. */
#ifndef MY_MALLOC_H
#define MY_MALLOC_H

/* `size` bytes, aligned to 8, contents undefined; 0 for a size of 0, and when the break
 * cannot grow: all else goes on working. What is larger than a page gets whole pages. */
void *my_malloc(unsigned long size);

/* 0: freed. Anything else: nothing happened, as `address` is
 * 1  a null pointer
 * 2  no address that my_malloc returned, or one in a page that is no longer in use
 * 3  inside of a block
 * 4  that of a block that was freed already */
int my_free(void *address);

#endif
