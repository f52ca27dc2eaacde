/* kernel_caches.h - which slab cache a block is from, where the kernel does not say. */
#ifndef KMA_CAPTURE_KERNEL_CACHES_H
#define KMA_CAPTURE_KERNEL_CACHES_H

#include "names.h"
#include "record.h"

struct caches;

/* Numbers are those of `names`, which outlive it. Ends the run for want of memory. */
struct caches *caches_open(struct names *names);

/* The cache that kmalloc took so many bytes from: "kmalloc-64". */
uint32_t caches_kmalloc(struct caches *caches, uint64_t bytes);

/* For kernels that name the cache of a block when it is freed and not when it is
 * requested: fills in the cache of a request from what was freed before of blocks
 * requested at the same call site. Takes every record, in the order of time. */
void caches_learn(struct caches *caches, struct record *record);

void caches_close(struct caches *caches);

#endif
