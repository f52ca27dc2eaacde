/* settings.h - what the environment says, and what is said about a run. */
#ifndef KMA_HOST_SETTINGS_H
#define KMA_HOST_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include "kma.h"
#include "page_source.h"

struct settings {
    const struct page_source *source; /* KMA_PAGES */
    bool stats;                       /* KMA_STATS */
    bool check;                       /* KMA_CHECK */
};

extern struct settings settings;

/* Reads KMA_PAGES, KMA_STATS and KMA_CHECK; a value that they do not have ends the
 * process. */
void read_settings(void);

/* The line for a free that was refused, of `call` for an address. */
void report_bad_free(const char *call, const void *ptr, enum kma_free_result why);

/* ---- KMA_STATS: what the program asked for. With settings.stats alone. */

/* A block for `bytes` bytes was returned, or none. */
void count_got(const void *block, size_t bytes);

/* A block is about to be freed. */
void count_freed(const void *block);

/* A block, whose program had `bytes` requested, is another one now, or the same. */
void count_moved(const void *from, const void *to, size_t bytes);

/* What was counted so far was the parent's. */
void forget_counts(void);

#endif
