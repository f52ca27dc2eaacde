/* processes.c - the third step: processes come and go, and the timer interrupts them
 * wherever they are. */

#include "kmalloc.h"
#include "machine.h"
#include "page.h"
#include "process.h"
#include "step.h"

enum {
    PROCESSES = 10000,
    AT_ONCE = 200,
    TICK = 50, /* microseconds */
    SHORT_TICK = 7,
    BLOCKS = 4,
    PREEMPTIONS = 1000,
    MOST_ROUNDS = 1000000
};

static uint32_t ended_well;

static void count(uint32_t *counter)
{
    bool on = interrupts_off();
    (*counter)++;
    interrupts_restore(on);
}

/* Takes time, so that the timer comes in between. */
static void compute(uint32_t rounds)
{
    for (volatile uint32_t i = 0; i < rounds; i++)
        ;
}

/* Blocks of its own, which it finds as it left them after others have run. */
static void live(void *argument)
{
    struct random random = {(uint32_t)(uintptr_t)argument + 1};
    struct block blocks[BLOCKS];
    bool well = true;
    for (int i = 0; i < BLOCKS; i++) {
        well &= block_get(&blocks[i], random_size(&random, 1000), random.state);
        compute(200);
    }
    if (random_next(&random) % 4 == 0)
        process_yield();
    for (int i = 0; i < BLOCKS; i++)
        well &= block_free(&blocks[i]);
    if (well)
        count(&ended_well);
}

/* So many that no table of a kernel holds them, a few hundred at a time. */
static void generations(uint32_t processes)
{
    ended_well = 0;
    processes_start();
    timer_start(TICK);
    uint32_t waited = 0, denied = 0;
    for (uint32_t i = 0; i < processes; i++) {
        if (i - denied - waited == AT_ONCE)
            waited += process_wait() >= 0;
        denied += process_create(live, (void *)(uintptr_t)i) < 0;
    }
    while (process_wait() >= 0)
        waited++;
    timer_stop();
    struct process_counts counts = process_counts();
    step_check(
        counts.created == processes && counts.ended == processes &&
            waited == processes && ended_well == processes,
        "%u created, %u ended, %u waited for, %u found their blocks as they left "
        "them",
        counts.created, counts.ended, waited, ended_well);
    /* How often is up to the clock: an emulator's may come late where others are at work. */
    step_check(counts.most_at_once <= AT_ONCE && counts.preempted > 0,
               "%u at once at most, pre-empted %u times", counts.most_at_once,
               counts.preempted);
    step_check(page_stats()->num_in_use == 0, "%d pages in use when all have ended",
               page_stats()->num_in_use);
}

/* Nothing but requests and frees, until the timer has come in between often enough. */
static void allocate_on_and_on(void *argument)
{
    struct random random = {(uint32_t)(uintptr_t)argument};
    struct block blocks[BLOCKS];
    bool well = true;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        if (process_counts().preempted >= PREEMPTIONS)
            break;
        for (int i = 0; i < BLOCKS; i++)
            well &= block_get(&blocks[i], random_size(&random, 500), random.state);
        for (int i = 0; i < BLOCKS; i++)
            well &= block_free(&blocks[i]);
    }
    if (well)
        count(&ended_well);
}

static void interleaved(void)
{
    ended_well = 0;
    processes_start();
    timer_start(SHORT_TICK);
    process_create(allocate_on_and_on, (void *)(uintptr_t)17);
    process_create(allocate_on_and_on, (void *)(uintptr_t)4711);
    while (process_wait() >= 0)
        continue;
    timer_stop();
    step_check(
        ended_well == 2 && is_sound() && page_stats()->num_in_use == 0,
        "two that allocate without end: %u found all blocks as they left them, %d "
        "pages in use",
        ended_well, page_stats()->num_in_use);
    step_check(process_counts().preempted >= PREEMPTIONS, "pre-empted %u times",
               process_counts().preempted);
}

static void sleep_and_wake(void *argument)
{
    process_sleep((uint32_t)(uintptr_t)argument);
    count(&ended_well);
}

/* While all sleep the processor does, too. */
static void sleepers(void)
{
    ended_well = 0;
    processes_start();
    timer_start(TICK);
    for (uintptr_t ticks = 1; ticks <= 10; ticks++)
        process_create(sleep_and_wake, (void *)(100 * ticks));
    while (process_wait() >= 0)
        continue;
    timer_stop();
    step_check(ended_well == 10, "%u of 10 woke from a sleep", ended_well);
}

void step_processes(void)
{
    if (option_given("unlocked"))
        kernel_lock_disable();
    generations(option_number("processes", PROCESSES));
    interleaved();
    sleepers();
}
