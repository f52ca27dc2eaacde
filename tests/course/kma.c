/* A course's driver: one file, a few checks. With COMPETITION it checks nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"

struct block {
    unsigned char *ptr;
    kma_size_t size;
};

void error(char *message, char *arg)
{
    fprintf(stderr, "ERROR: %s %s\n", message, arg);
    printf("Test: FAILED\n");
    exit(1);
}

static void check(const struct block *block, int id)
{
    for (int i = 0; i < block->size; i++) {
        if (block->ptr[i] != (unsigned char)(id * 7 + 1))
            error("a block was", "changed");
    }
}

int main(int argc, char **argv)
{
    int count = 0, id, size;
    char command[16];
    double sum = 0, requested = 0;
    int summed = 0;
    FILE *trace = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (trace == NULL || fscanf(trace, "%d", &count) != 1)
        error("no trace", argc == 2 ? argv[1] : "");
    struct block *blocks = calloc((size_t)count, sizeof *blocks);
#ifdef COMPETITION
    printf("%s: Running in competition mode\n", argv[0]);
#else
    printf("%s: Running in correctness mode\n", argv[0]);
#endif
    while (fscanf(trace, "%15s %d", command, &id) == 2) {
        struct block *block = &blocks[id];
        if (strcmp(command, "REQUEST") == 0) {
            if (fscanf(trace, "%d", &size) != 1)
                error("no size", "");
            block->ptr = kma_malloc(size);
            block->size = size;
            requested += size;
            if (block->ptr == NULL)
                error("kma_malloc returned", "NULL");
#ifndef COMPETITION
            memset(block->ptr, id * 7 + 1, (size_t)size);
#endif
        } else {
#ifndef COMPETITION
            check(block, id);
#endif
            kma_free(block->ptr, block->size);
            requested -= block->size;
        }
        if (requested > 0) {
            sum +=
                (page_stats()->num_in_use * (double)PAGESIZE - requested) / requested;
            summed++;
        }
    }
    (void)check;
    kma_page_stat_t *stats = page_stats();
    printf("Page Requested/Freed/In Use: %5d/%5d/%5d\n", stats->num_requested,
           stats->num_freed, stats->num_in_use);
    if (stats->num_in_use != 0)
        error("pages still", "in use");
#ifdef COMPETITION
    printf("Competition average ratio: %f\n", summed ? sum / summed : 0);
#else
    (void)sum;
    (void)summed;
#endif
    printf("Test: PASS\n");
    return 0;
}
