/* kma.h - the upper contract: what an allocation algorithm offers its clients.
 *
 * Every kma_<algorithm>.c implements it over kma_page.h, so that one file runs
 * under a trace, under a real program and on bare metal. */
#ifndef KMA_H
#define KMA_H

#include <stdbool.h>

typedef int kma_size_t;

#define TRUE 1
#define FALSE 0

/* `size` bytes, aligned to 8 at least, contents undefined. NULL when size <= 0,
 * when size > PAGESIZE - sizeof(void *), and when a page is needed and none is
 * left; the allocator's state is then as if the call had not been made. */
void *kma_malloc(kma_size_t size);

/* Frees a block got from kma_malloc(size), with that same size. */
void kma_free(void *ptr, kma_size_t size);

/* Optional. Walks the whole structure and returns the number of invariants found
 * broken; 0 is sound. */
int kma_audit(void) __attribute__((weak));

/* Optional. The bytes that a request of `size` occupies, so that waste can be
 * split into internal (inside the block) and external (around blocks). */
kma_size_t kma_block_size(kma_size_t size) __attribute__((weak));

/* Provided by the client: prints both strings on stderr and ends the run. */
void error(char *message, char *arg);

#endif
