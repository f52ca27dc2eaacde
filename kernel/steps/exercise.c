/* exercise.c - the first step: blocks of all sizes, refusals, and memory that runs out. */

#include <stdint.h>
#include "kmalloc.h"
#include "page.h"
#include "step.h"

enum { CALLS = 20000, MOST_BLOCKS = 300, ALIKE = 100, AUDIT_EVERY = 1000, LIMIT = 100 };

static struct block blocks[MOST_BLOCKS];

/* How many were changed. */
static int free_all(void)
{
    int changed = 0;
    for (int i = 0; i < MOST_BLOCKS; i++)
        changed += !block_free(&blocks[i]);
    return changed;
}

static void random_calls(void)
{
    struct random random = {12345};
    int requests = 0, denied = 0, changed = 0, misplaced = 0, unsound = 0;
    for (uint32_t call = 0; call < CALLS; call++) {
        struct block *block = &blocks[random_next(&random) % MOST_BLOCKS];
        if (block->at != NULL) {
            changed += !block_free(block);
            continue;
        }
        requests++;
        if (block_get(block, random_size(&random, KMALLOC_MOST), call))
            misplaced += !block_is_well_placed(block);
        else
            denied++;
        if (call % AUDIT_EVERY == 0)
            unsound += !is_sound();
    }
    changed += free_all();
    step_check(denied == 0 && changed == 0 && misplaced == 0 && unsound == 0,
               "%d requests and as many frees: %d denied, %d misplaced, %d changed, %d "
               "audits failed",
               requests, denied, misplaced, changed, unsound);
}

static void every_size(void)
{
    int denied = 0, wrong = 0;
    for (int size = 1; size <= KMALLOC_MOST; size++) {
        struct block block;
        if (!block_get(&block, size, (uint32_t)size))
            denied++;
        else
            wrong += !block_is_well_placed(&block) + !block_free(&block);
    }
    step_check(denied == 0 && wrong == 0, "sizes from 1 to %d: %d denied, %d wrong",
               KMALLOC_MOST, denied, wrong);
}

/* What a kernel does most: many structures of one kind, which go in another order than
 * they came. */
static void of_one_size(int size)
{
    struct random random = {(uint32_t)size};
    int denied = 0, changed = 0, misplaced = 0;
    for (int i = 0; i < ALIKE; i++) {
        denied += !block_get(&blocks[i], size, (uint32_t)i);
        misplaced += !block_is_well_placed(&blocks[i]);
    }
    for (int turn = 0; turn < ALIKE; turn++) {
        struct block *block = &blocks[random_next(&random) % ALIKE];
        changed += !block_free(block);
        if (turn % 3 == 0)
            denied += !block_get(block, size, (uint32_t)turn);
    }
    changed += free_all();
    step_check(denied == 0 && misplaced == 0 && changed == 0,
               "%d blocks of %d bytes: %d denied, %d misplaced, %d changed", ALIKE,
               size, denied, misplaced, changed);
}

static void refusals(void)
{
    static const int sizes[] = {0,        -1,      INT32_MIN, KMALLOC_MOST + 1,
                                PAGESIZE, 1 << 20, INT32_MAX};
    int pages = page_stats()->num_requested;
    int served = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        served += kmalloc(sizes[i]) != NULL;
    pages = page_stats()->num_requested - pages;
    step_check(served == 0 && pages == 0,
               "0, negative sizes and those over %d: %d served, for %d pages",
               KMALLOC_MOST, served, pages);
}

/* Blocks of random sizes until there is no page; as many as are freed then can be had
 * again, after a round in which each request is denied. */
static void run_out(void)
{
    struct random random = {777};
    int count = 0, changed = 0, served = 0, again = 0;
    pages_limit(LIMIT);
    while (count < MOST_BLOCKS &&
           block_get(&blocks[count], 1000 + random_size(&random, KMALLOC_MOST - 1000),
                     (uint32_t)count))
        count++;
    int in_use = page_stats()->num_in_use;
    for (int i = 0; i < 10; i++)
        served += kmalloc(KMALLOC_MOST) != NULL;
    step_check(count < MOST_BLOCKS && served == 0 && in_use <= LIMIT && is_sound(),
               "of %d pages: NULL after %d blocks in %d pages", LIMIT, count, in_use);
    for (int i = 0; i < count; i += 2)
        changed += !block_free(&blocks[i]);
    for (int i = 0; i < count; i += 2)
        again += block_get(&blocks[i], blocks[i].size, blocks[i].seed);
    changed += free_all();
    pages_limit(0);
    step_check(changed == 0 && again > 0,
               "every second one freed: %d of %d had again, %d changed", again,
               (count + 1) / 2, changed);
}

/* All RAM there is, in blocks linked through their first words. */
static void take_all(int size)
{
    void **last = NULL;
    int count = 0;
    void **block;
    while ((block = kmalloc(size)) != NULL) {
        *block = last;
        last = block;
        count++;
    }
    int in_use = page_stats()->num_in_use;
    bool sound = is_sound();
    for (; last != NULL; last = block) {
        block = *last;
        kfree(last, size);
    }
    step_check(sound && in_use <= pages_total() && in_use >= pages_total() - 2 &&
                   page_stats()->num_in_use == 0,
               "all RAM: NULL after %d blocks of %d bytes in %d of %d pages; %d in use "
               "when they are freed",
               count, size, in_use, pages_total(), page_stats()->num_in_use);
}

void step_exercise(void)
{
    pages_poison(true);
    random_calls();
    every_size();
    of_one_size(24);
    of_one_size(1000);
    of_one_size(3000);
    refusals();
    run_out();
    pages_poison(false);
    take_all(KMALLOC_MOST);
    take_all(500);
    random_calls();
}
