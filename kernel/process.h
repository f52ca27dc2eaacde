/* process.h - kernel threads, which share one processor by turns.
 *
 * A process is a structure and a stack, both from kmalloc; there is no table of them, so
 * there are as many as memory has room for. The timer takes the processor from one that
 * does not give it up. */
#ifndef KMA_KERNEL_PROCESS_H
#define KMA_KERNEL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include "file.h"

/* Bytes of a process's stack. */
enum { PROCESS_STACK = 3072 };

/* Makes what runs now the first process, number 0. */
void processes_start(void);

/* A new process, which calls run(argument) and ends when that returns: its number, or -1
 * when there is no memory for it. Open files are not passed on. */
int process_create(void (*run)(void *), void *argument);

/* Waits until a process that this one created has ended, and gives back its memory. Its
 * number, or -1 when there is none to wait for. */
int process_wait(void);

/* Gives up the processor for a turn. */
void process_yield(void);

/* Goes on after so many ticks of the timer, which must be running; others run meanwhile. */
void process_sleep(uint32_t ticks);

/* Ends the process that runs: its files are closed, and its memory goes to the one that
 * created it or, if that has ended, to process 0. */
_Noreturn void process_exit(void);

int process_number(void);
struct open_files *process_files(void);

/* Since processes_start. */
struct process_counts {
    uint32_t created;
    uint32_t ended;
    uint32_t most_at_once; /* of those that were created and not waited for yet */
    uint32_t preempted;    /* times that the timer took the processor from one */
};

struct process_counts process_counts(void);

#endif
