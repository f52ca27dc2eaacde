/* threads.c - threads that allocate at the same time, hand blocks over, come and go, and
 * are cancelled. */

#include "case.h"
#include "model.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4 };

static void start(pthread_t *thread, void *(*run)(void *), uintptr_t argument)
{
    CHECK(pthread_create(thread, NULL, run, (void *)argument) == 0);
}

static void *join(pthread_t thread)
{
    void *result;
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

/* ---- all of it at the same time */

static void *run_model(void *argument)
{
    struct model *model = malloc(sizeof *model);
    CHECK(model != NULL);
    model_start(model, (uint32_t)(uintptr_t)argument, 300, 300000);
    for (int i = 0; i < 8; i++) {
        model_steps(model, 1000);
        model_check(model);
    }
    model_end(model);
    free(model);
    return NULL;
}

static void stress(void)
{
    pthread_t thread[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        start(&thread[i], run_model, i + 1);
    for (int i = 0; i < THREADS; i++)
        join(thread[i]);
}

/* ---- blocks that go from thread to thread */

enum { SLOTS = 64, HANDED_OVER = 10000, PRODUCERS = 2, CONSUMERS = 2 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct block block[SLOTS];
    uint32_t put, taken;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void queue_put(struct block block)
{
    CHECK(pthread_mutex_lock(&queue.lock) == 0);
    while (queue.put - queue.taken == SLOTS)
        CHECK(pthread_cond_wait(&queue.changed, &queue.lock) == 0);
    queue.block[queue.put++ % SLOTS] = block;
    CHECK(pthread_cond_broadcast(&queue.changed) == 0);
    CHECK(pthread_mutex_unlock(&queue.lock) == 0);
}

static struct block queue_take(void)
{
    CHECK(pthread_mutex_lock(&queue.lock) == 0);
    while (queue.put == queue.taken)
        CHECK(pthread_cond_wait(&queue.changed, &queue.lock) == 0);
    struct block block = queue.block[queue.taken++ % SLOTS];
    CHECK(pthread_cond_broadcast(&queue.changed) == 0);
    CHECK(pthread_mutex_unlock(&queue.lock) == 0);
    return block;
}

static void *produce(void *argument)
{
    uint32_t state = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < HANDED_OVER; i++) {
        uint32_t draw = next_random(&state);
        size_t size = 1 + (draw >> 4) % (draw % 16 == 0 ? 30000 : 1000);
        struct block block = {malloc(size), size, draw};
        CHECK(block.ptr != NULL);
        fill(block.ptr, size, draw);
        queue_put(block);
    }
    return NULL;
}

static void *consume(void *argument)
{
    for (int i = 0; i < HANDED_OVER * PRODUCERS / CONSUMERS; i++) {
        struct block block = queue_take();
        CHECK(is_filled(block.ptr, block.size, block.seed));
        if (block.seed % 3 == 0) {
            block.ptr = realloc(block.ptr, block.size * 2);
            CHECK(block.ptr != NULL);
        }
        model_free(&block);
    }
    return argument;
}

static void producers_and_consumers(void)
{
    pthread_t producer[PRODUCERS], consumer[CONSUMERS];
    for (uintptr_t i = 0; i < CONSUMERS; i++)
        start(&consumer[i], consume, i);
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        start(&producer[i], produce, i + 1);
    for (int i = 0; i < PRODUCERS; i++)
        join(producer[i]);
    for (int i = 0; i < CONSUMERS; i++)
        join(consumer[i]);
    CHECK(queue.put == queue.taken);
}

/* ---- threads that end while others go on */

static void *leave_a_block(void *argument)
{
    uint32_t seed = (uint32_t)(uintptr_t)argument;
    struct block *block = malloc(sizeof *block);
    CHECK(block != NULL);
    *block = (struct block){malloc(seed * 30), seed * 30, seed};
    CHECK(block->ptr != NULL);
    fill(block->ptr, block->size, seed);
    return block;
}

static void threads_that_end(void)
{
    enum { ROUNDS = 100 };
    pthread_t going_on, thread[THREADS];
    start(&going_on, run_model, 7);
    for (uintptr_t round = 0; round < ROUNDS; round++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            start(&thread[i], leave_a_block, round * THREADS + i + 1);
        for (int i = 0; i < THREADS; i++) {
            struct block *block = join(thread[i]);
            model_free(block);
            free(block);
        }
    }
    join(going_on);
}

/* What a thread had set aside for itself goes back when it ends. */
static void *use_small_blocks(void *argument)
{
    enum { BLOCKS = 400 };
    unsigned char *block[BLOCKS];
    (void)argument;
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = malloc(1 + i * 37 % 500);
        CHECK(block[i] != NULL);
        memset(block[i], 1, 1 + i * 37 % 500);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(block[i]);
    return NULL;
}

static void ended_threads_keep_nothing(void)
{
    size_t before = 0;
    for (int round = 0; round < 1050; round++) {
        pthread_t thread;
        start(&thread, use_small_blocks, 0);
        join(thread);
        if (round == 50)
            before = resident();
    }
    CHECK(resident() < before + ((size_t)4 << 20));
}

/* ---- threads that are cancelled between calls */

static void clean_up(void *argument)
{
    struct block *block = argument;
    model_free(block);
}

static void *until_cancelled(void *argument)
{
    struct block block = {NULL, 0, (uint32_t)(uintptr_t)argument};
    pthread_cleanup_push(clean_up, &block);
    for (;;) {
        block.size = next_random(&block.seed) % 9000;
        block.ptr = malloc(block.size);
        CHECK(block.ptr != NULL);
        fill(block.ptr, block.size, block.seed);
        pthread_testcancel();
        model_free(&block);
    }
    pthread_cleanup_pop(1);
    return NULL;
}

static void cancelled_threads(void)
{
    enum { ROUNDS = 60 };
    pthread_t thread[2];
    for (uintptr_t round = 0; round < ROUNDS; round++) {
        for (uintptr_t i = 0; i < COUNT(thread); i++)
            start(&thread[i], until_cancelled, round + i);
        for (uintptr_t i = 0; i < COUNT(thread); i++) {
            void *between = malloc(round * 1000);
            CHECK(between != NULL);
            free(between);
            CHECK(pthread_cancel(thread[i]) == 0);
            CHECK(join(thread[i]) == PTHREAD_CANCELED);
        }
    }
}

/* None of the family is a cancellation point: a thread that is to be cancelled comes back
 * from all of them. */
static void *with_cancellation_pending(void *argument)
{
    CHECK(pthread_cancel(pthread_self()) == 0);
    run_model(argument);
    current_case = "cancelled_too_late";
    pthread_testcancel();
    return NULL;
}

static void no_cancellation_point(void)
{
    pthread_t thread;
    start(&thread, with_cancellation_pending, 11);
    CHECK(join(thread) == PTHREAD_CANCELED);
    CHECK(strcmp(current_case, "cancelled_too_late") == 0);
    run_model((void *)12);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"stress", stress},
        {"producers_and_consumers", producers_and_consumers},
        {"threads_that_end", threads_that_end},
        {"ended_threads_keep_nothing", ended_threads_keep_nothing},
        {"cancelled_threads", cancelled_threads},
        {"no_cancellation_point", no_cancellation_point},
    };
    return run_cases(cases, COUNT(cases), argc, argv);
}
