/* alloc_heavy.c - a program that does little but request and free: alloc_heavy THREADS
 * ROUNDS. Each thread keeps some thousand blocks of mixed small sizes, and in each round
 * frees one of them, requests another in its place and fills it. The cost of recording is
 * measured with it, and a trace of it has a known number of events. */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE = 4000, MOST_THREADS = 1000 };

static long rounds;

/* Most blocks are small, few are up to 2 KB. */
static size_t next_size(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    uint32_t draw = *state >> 8;
    return (size_t)16 + (draw >> 3) % (16U << (draw % 8));
}

static void *work(void *argument)
{
    uint32_t state = (uint32_t)(uintptr_t)argument;
    char *block[LIVE] = {NULL};
    for (long i = 0; i < rounds; i++) {
        size_t size = next_size(&state);
        size_t at = (size_t)(state >> 4) % LIVE;
        free(block[at]);
        block[at] = malloc(size);
        if (block[at] == NULL)
            abort();
        memset(block[at], 1, size);
    }
    for (size_t at = 0; at < LIVE; at++)
        free(block[at]);
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_t thread[MOST_THREADS];
    long threads = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (threads < 1 || threads > MOST_THREADS || rounds < 1) {
        fprintf(stderr, "alloc_heavy THREADS ROUNDS\n");
        return 2;
    }
    for (long i = 1; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0)
            abort();
    }
    work((void *)(uintptr_t)1);
    for (long i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
