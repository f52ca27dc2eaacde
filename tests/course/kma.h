/* A course's kma.h: the same names and types as ours, and nothing more. */
#ifndef __KMA_H__
#define __KMA_H__

#define bool short
#define TRUE 1
#define FALSE 0

typedef int kma_size_t;

extern void *kma_malloc(kma_size_t);
extern void kma_free(void *, kma_size_t);
extern void error(char *, char *);

#endif
