/* kernel_caches.c - cache names by size, and learned by call site.
 *
 * A call site requests from one cache, as a rule. Which one, the first free of a block
 * from there tells. Only the latest blocks are remembered, in a table where a later block
 * takes the place of an earlier one: most blocks are freed soon, and one is enough. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "kernel_caches.h"

enum { SIZES = 64, BLOCKS = 1 << 14 };

struct caches {
    struct names *names;
    struct {
        uint64_t bytes;
        uint32_t number;
    } size[SIZES]; /* of kmalloc's caches, those used last */
    struct {
        uint64_t pointer;
        uint32_t site;
    } block[BLOCKS];
    uint32_t *of_site; /* by the site's number; 0: not known yet */
    uint32_t sites;
};

struct caches *caches_open(struct names *names)
{
    struct caches *caches = calloc(1, sizeof *caches);
    if (caches == NULL)
        run_refuse("no memory for the names of caches");
    caches->names = names;
    return caches;
}

uint32_t caches_kmalloc(struct caches *caches, uint64_t bytes)
{
    if (bytes == 0)
        return 0;
    /* The caches' sizes are multiples of 8 with few bits set. */
    size_t at = (bytes >> 3 ^ bytes >> 8) % SIZES;
    if (caches->size[at].bytes != bytes) {
        char name[40];
        int length = snprintf(name, sizeof name, "kmalloc-%" PRIu64, bytes);
        caches->size[at].bytes = bytes;
        caches->size[at].number = names_number(caches->names, name, (size_t)length);
    }
    return caches->size[at].number;
}

static void make_room(struct caches *caches, uint32_t site)
{
    if (site < caches->sites)
        return;
    uint32_t sites = site < 512 ? 1024 : site * 2;
    uint32_t *larger = realloc(caches->of_site, sites * sizeof *larger);
    if (larger == NULL)
        run_refuse("no memory for %lu call sites", (unsigned long)sites);
    memset(larger + caches->sites, 0, (sites - caches->sites) * sizeof *larger);
    caches->of_site = larger;
    caches->sites = sites;
}

void caches_learn(struct caches *caches, struct record *record)
{
    /* Blocks are 8 bytes at least. */
    size_t at = (record->pointer >> 3 ^ record->pointer >> 17) % BLOCKS;
    if (record->pointer == 0 || record->site == 0)
        return;
    if (record->op == RECORD_ALLOC && record->cache == 0) {
        make_room(caches, record->site);
        caches->block[at].pointer = record->pointer;
        caches->block[at].site = record->site;
        record->cache = caches->of_site[record->site];
    } else if (caches->block[at].pointer == record->pointer) {
        if (record->op == RECORD_FREE && record->cache != 0)
            caches->of_site[caches->block[at].site] = record->cache;
        caches->block[at].pointer = 0;
    }
}

void caches_close(struct caches *caches)
{
    free(caches->of_site);
    free(caches);
}
