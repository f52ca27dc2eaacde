/* checked.c - frees of what is no block, for KMA_CHECK=1. Each address that is to be
 * refused is first a line on standard output; the program goes on, and its blocks and
 * its heap are sound. */

#include "case.h"
#include "model.h"

#include <pthread.h>
#include <stdlib.h>

enum { MEBIBYTE = 1 << 20, ANY_ERROR = 4711 };

static struct block live[100];
static struct model model;

static void live_start(void)
{
    for (uint32_t i = 0; i < COUNT(live); i++) {
        live[i] = (struct block){malloc(i * 30 + 1), i * 30 + 1, i};
        CHECK(live[i].ptr != NULL);
        fill(live[i].ptr, live[i].size, i);
    }
}

static void live_end(void)
{
    for (size_t i = 0; i < COUNT(live); i++)
        model_free(&live[i]);
}

/* The compiler must not see where an address comes from. */
static void *address(const void *start, ptrdiff_t offset)
{
    const char *volatile hidden = start;
    return (void *)(hidden + offset);
}

static void announce(const void *ptr)
{
    char line[40];
    (void)snprintf(line, sizeof line, "%p", ptr);
    put_line(STDOUT_FILENO, line);
}

static void refuse(void *ptr)
{
    announce(ptr);
    errno = ANY_ERROR;
    free(ptr);
    CHECK(errno == ANY_ERROR);
}

static void refuse_resize(void *ptr)
{
    announce(ptr);
    CHECK(realloc(ptr, 5000) == NULL);
}

static void freed_twice(void)
{
    static const size_t some[] = {1, 24, 100, 1000, 4000, 8000};
    for (size_t i = 0; i < COUNT(some); i++) {
        void *neighbour = malloc(some[i]), *block = malloc(some[i]);
        void *again = address(block, 0);
        free(block);
        refuse(again);
        refuse(again);
        refuse_resize(again);
        free(neighbour);
    }
}

static void inside_of_blocks(void)
{
    for (size_t size = 100; size < 8000; size *= 3) {
        unsigned char *block = malloc(size);
        CHECK(block != NULL);
        fill(block, size, 1);
        for (ptrdiff_t offset = 1; offset < (ptrdiff_t)size; offset *= 2)
            refuse(address(block, offset));
        refuse_resize(address(block, 16));
        CHECK(is_filled(block, size, 1));
        free(block);
    }
}

static void no_blocks_at_all(void)
{
    static char in_data[100];
    char on_stack[100];
    refuse(address(on_stack, 0));
    refuse(address(on_stack, 48));
    refuse(address(in_data, 0));
    refuse(address(in_data, 33));
    refuse(address(NULL, 1));
    refuse(address(NULL, 16));
    refuse(address(NULL, 4096));
    refuse(address(NULL, -1));
    refuse(address(NULL, -16));
    refuse(address(NULL, PTRDIFF_MAX & ~(ptrdiff_t)15));
    refuse_resize(address(on_stack, 0));
}

static void large_blocks_twice(void)
{
    for (size_t size = 200000; size < 100 * MEBIBYTE; size *= 10) {
        void *block = malloc(size), *again = address(block, 0);
        CHECK(block != NULL);
        free(block);
        refuse(again);
        refuse(again);
        refuse_resize(again);
    }
}

static void inside_of_large_blocks(void)
{
    unsigned char *block = malloc(MEBIBYTE);
    CHECK(block != NULL);
    fill(block, MEBIBYTE, 1);
    for (ptrdiff_t offset = 1; offset < MEBIBYTE; offset *= 2)
        refuse(address(block, offset));
    refuse(address(block, MEBIBYTE - 16));
    refuse_resize(address(block, 65536));
    CHECK(is_filled(block, MEBIBYTE, 1));
    free(block);
}

static void aligned_blocks(void)
{
    for (size_t alignment = 32; alignment <= 65536; alignment *= 2) {
        void *block = aligned_alloc(alignment, 100), *again = address(block, 0);
        CHECK(block != NULL);
        refuse(address(block, 16));
        free(block);
        refuse(again);
    }
}

/* A thread that is to be cancelled comes back from a free that is refused. */
static bool came_back;

static void *with_cancellation_pending(void *block)
{
    CHECK(pthread_cancel(pthread_self()) == 0);
    free(address(block, 16));
    came_back = true;
    pthread_testcancel();
    return NULL;
}

static void refused_in_a_cancelled_thread(void)
{
    pthread_t thread;
    void *block = malloc(100), *result;
    announce((char *)block + 16);
    CHECK(pthread_create(&thread, NULL, with_cancellation_pending, block) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(came_back);
    free(block);
}

/* After each case everything still works. */
static void and_the_heap_is_sound(void (*run)(void))
{
    live_start();
    model_start(&model, 1, 200, 100000);
    model_steps(&model, 500);
    run();
    model_steps(&model, 500);
    model_end(&model);
    live_end();
}

#define SOUND(name)                  \
    static void sound_##name(void)   \
    {                                \
        and_the_heap_is_sound(name); \
    }

SOUND(freed_twice)
SOUND(inside_of_blocks)
SOUND(no_blocks_at_all)
SOUND(large_blocks_twice)
SOUND(inside_of_large_blocks)
SOUND(aligned_blocks)
SOUND(refused_in_a_cancelled_thread)

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"freed_twice", sound_freed_twice},
        {"inside_of_blocks", sound_inside_of_blocks},
        {"no_blocks_at_all", sound_no_blocks_at_all},
        {"large_blocks_twice", sound_large_blocks_twice},
        {"inside_of_large_blocks", sound_inside_of_large_blocks},
        {"aligned_blocks", sound_aligned_blocks},
        {"refused_in_a_cancelled_thread", sound_refused_in_a_cancelled_thread},
    };
    return run_cases(cases, COUNT(cases), argc, argv);
}
