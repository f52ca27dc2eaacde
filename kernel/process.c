/* process.c - processes, round robin.
 *
 * A process that can run and does not stands in the queue of those that are ready. One
 * that has ended is in no queue; its structure and stack stay until its parent waits for
 * it, since it runs on that stack to the last.
 *
 *     create -> ready <-> running -> ended -> waited for, freed
 *                 ^          |
 *                 '----------'-> waiting, for a child, or sleeping
 *
 * All of this is touched with interrupts off only, whatever kernel_lock does. */

#include <stddef.h>
#include <string.h>
#include "kmalloc.h"
#include "machine.h"
#include "print.h"
#include "process.h"

struct process {
    struct process *next;     /* in the queue, or NULL */
    struct process *parent;   /* NULL: of process 0 */
    struct process *children; /* those that were not waited for */
    struct process *sibling;  /* the next child of the parent */
    void *context;
    uint32_t *stack;
    void (*run)(void *);
    void *argument;
    int number;
    bool ended;
    bool waiting;
    uint32_t wake_at; /* while it sleeps: a tick */
    struct open_files files;
};

static struct process first; /* the boot thread, on the boot stack */
static struct process *running;
static struct process *ready_head;
static struct process **ready_tail;
static struct process *sleepers;
static uint32_t ticks;
static bool idle; /* `running` can not, and nobody else either */
static struct process_counts counts;
static uint32_t at_once;
static int next_number;

/* What stands at the end of a stack that was not overrun. */
enum { STACK_END = 0x57ac0e0d };

/* ---- the processor changes hands; interrupts are off */

static void make_ready(struct process *process)
{
    process->next = NULL;
    *ready_tail = process;
    ready_tail = &process->next;
}

/* Only the timer can wake somebody when nobody runs. */
static void wait_for_ready(void)
{
    idle = true;
    while (ready_head == NULL) {
        if (sleepers == NULL)
            panic("every process waits for another");
        machine_wait();
    }
    idle = false;
}

static struct process *next_ready(void)
{
    if (ready_head == NULL)
        wait_for_ready();
    struct process *process = ready_head;
    ready_head = process->next;
    if (ready_head == NULL)
        ready_tail = &ready_head;
    return process;
}

static void check_stack(const struct process *process)
{
    if (process->stack != NULL && *process->stack != STACK_END)
        panic("process %d has overrun its stack", process->number);
}

static void switch_to_next(void)
{
    struct process *from = running;
    check_stack(from);
    running = next_ready();
    if (running != from)
        context_switch(&from->context, running->context);
}

static void wake_sleepers(void)
{
    struct process **at = &sleepers;
    while (*at != NULL) {
        struct process *process = *at;
        if ((int32_t)(ticks - process->wake_at) < 0) {
            at = &process->next;
            continue;
        }
        *at = process->next;
        make_ready(process);
    }
}

void timer_tick(void)
{
    ticks++;
    wake_sleepers();
    if (running == NULL || idle || ready_head == NULL)
        return;
    counts.preempted++;
    make_ready(running);
    switch_to_next();
}

void process_yield(void)
{
    bool on = interrupts_off();
    make_ready(running);
    switch_to_next();
    interrupts_restore(on);
}

void process_sleep(uint32_t count)
{
    bool on = interrupts_off();
    running->wake_at = ticks + count;
    running->next = sleepers;
    sleepers = running;
    switch_to_next();
    interrupts_restore(on);
}

/* ---- their lives */

void processes_start(void)
{
    ready_tail = &ready_head;
    counts = (struct process_counts){0};
    next_number = 1;
    running = &first;
}

/* The first that a process does. */
static void begin(void)
{
    interrupts_restore(true);
    running->run(running->argument);
    process_exit();
}

static void adopt(struct process *child, struct process *parent)
{
    child->parent = parent;
    child->sibling = parent->children;
    parent->children = child;
}

static void release(struct process *process)
{
    if (process->stack != NULL)
        kfree(process->stack, PROCESS_STACK);
    kfree(process, sizeof *process);
}

static struct process *new_process(void)
{
    struct process *process = kmalloc(sizeof *process);
    if (process == NULL)
        return NULL;
    memset(process, 0, sizeof *process);
    process->stack = kmalloc(PROCESS_STACK);
    if (process->stack != NULL) {
        *process->stack = STACK_END;
        process->context = context_new(process->stack, PROCESS_STACK, begin);
    }
    if (process->context != NULL)
        return process;
    release(process);
    return NULL;
}

int process_create(void (*run)(void *), void *argument)
{
    struct process *process = new_process();
    if (process == NULL)
        return -1;
    process->run = run;
    process->argument = argument;
    bool on = interrupts_off();
    int number = next_number++;
    process->number = number;
    adopt(process, running);
    counts.created++;
    if (++at_once > counts.most_at_once)
        counts.most_at_once = at_once;
    make_ready(process);
    interrupts_restore(on);
    return number;
}

/* Takes a child that has ended from its parent's list, or NULL. */
static struct process *take_ended(struct process *parent)
{
    struct process **at = &parent->children;
    while (*at != NULL && !(*at)->ended)
        at = &(*at)->sibling;
    struct process *child = *at;
    if (child != NULL)
        *at = child->sibling;
    return child;
}

int process_wait(void)
{
    bool on = interrupts_off();
    struct process *child;
    while ((child = take_ended(running)) == NULL && running->children != NULL) {
        running->waiting = true;
        switch_to_next();
    }
    interrupts_restore(on);
    if (child == NULL)
        return -1;
    int number = child->number;
    release(child);
    on = interrupts_off();
    at_once--;
    interrupts_restore(on);
    return number;
}

static void wake(struct process *parent)
{
    if (!parent->waiting)
        return;
    parent->waiting = false;
    make_ready(parent);
}

void process_exit(void)
{
    files_close(&running->files);
    interrupts_off();
    struct process *process = running;
    while (process->children != NULL) {
        struct process *child = process->children;
        process->children = child->sibling;
        adopt(child, &first);
    }
    process->ended = true;
    counts.ended++;
    wake(process->parent);
    wake(&first); /* it may have got one that has ended */
    check_stack(process);
    running = next_ready();
    context_exit(running->context);
}

int process_number(void)
{
    return running == NULL ? 0 : running->number;
}

struct open_files *process_files(void)
{
    return &running->files;
}

struct process_counts process_counts(void)
{
    return counts;
}
