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

/* `size` bytes, contents undefined, aligned to 8 at least, and to 16 as long as
 * kma_block_size() of every size asked for is a multiple of 16. NULL when size <= 0,
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

/* Optional. The most bytes that a client may write into the live block at ptr: what
 * was asked for at least. An algorithm that has it finds out the sizes of blocks itself,
 * and its kma_free ignores the size it is told. */
kma_size_t kma_usable_size(const void *ptr) __attribute__((weak));

/* Optional. Frees like kma_free, but only after it has made sure that ptr is a block,
 * whatever ptr is and whatever clients wrote into their blocks. Anything else changes
 * nothing and has an answer of its own. What an address in a page was is forgotten when
 * the page goes back to the page source, which is when nothing in it is live: then, and
 * while nothing at all is live, any address in it is KMA_FREE_UNKNOWN. */
enum kma_free_result {
    KMA_FREED = 0,
    KMA_FREE_NULL,    /* a null pointer */
    KMA_FREE_UNKNOWN, /* an address that was never returned */
    KMA_FREE_INSIDE,  /* an address inside a live block, or inside its control data */
    KMA_FREE_TWICE    /* a block that was freed already */
};

int kma_try_free(void *ptr) __attribute__((weak));

/* Optional. What kma_try_free would answer; nothing is freed. */
int kma_what_is(const void *ptr) __attribute__((weak));

/* Optional. Makes the block at ptr, from kma_malloc or kma_realloc, one of `size` bytes,
 * and returns where it is then: in place where there is room, otherwise at a new place,
 * with its contents up to the lesser of both sizes. ptr NULL: kma_malloc(size). NULL
 * where kma_malloc(size) would be NULL, size <= 0 included; the old block is then as it
 * was. A block that gets smaller never moves, and that never fails. */
void *kma_realloc(void *ptr, kma_size_t size) __attribute__((weak));

/* Provided by the client: prints both strings on stderr and ends the run. */
void error(char *message, char *arg);

#endif
