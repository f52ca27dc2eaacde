/* main.c - a kernel that shows one of kma's algorithms at work where it counts: no C
 * library below it, no virtual memory, and all RAM of a machine to hand out.
 *
 *     steps/      exercise     traces       processes     files      what is looked at
 *                    |            |             |           |
 *                    |            |         process.c <-- file.c
 *                    '----------- | ------------'-----------'
 *                            kmalloc.c            interrupts off around each call
 *                         kma.h   |
 *                            kma_<algorithm>.c    unchanged
 *                    kma_page.h   |
 *                              page.c             all RAM, as pages of 4096 bytes
 *                       machine.h |
 *                  x86/, riscv/ or user/          boot, traps, timer, console, switches
 *
 * There is one processor and one address space. Processes are threads of the kernel, which
 * the timer interrupts; their structures and stacks come from kmalloc like everything
 * else. Nothing is allocated before the first step, and each step gives back all.
 *
 * The kernel tells on the serial console what it found, in lines that steps/step.h
 * describes, and ends the machine's run with a status: whether all was as it must be.
 * kernel/boot reads both. Words on the command line choose and change steps: `step=NAME`,
 * `processes=N`, `unlocked`, and `fault`, `panic` and `hang` to see what becomes of those. */

#include "embedded.h"
#include "machine.h"
#include "page.h"
#include "print.h"
#include "process.h"
#include "steps/step.h"

#ifndef KMA_VERSION
#define KMA_VERSION "unversioned"
#endif

/* To show what becomes of a kernel that errs. */
static void err_as_told(void)
{
    if (option_given("fault"))
        machine_fault();
    if (option_given("panic"))
        panic("asked for");
    if (option_given("hang"))
        for (;;)
            process_yield();
}

static void step_err(void)
{
    processes_start();
    err_as_told();
}

void kernel_main(void)
{
    print("kma %s: kma_%s on %s\n", KMA_VERSION, embedded_algorithm, machine_name);
    pages_open();
    pages_print();
    traces_reserve();
    if (option_given("fault") || option_given("panic") || option_given("hang"))
        step_run("err", step_err);
    step_run("exercise", step_exercise);
    step_run("traces", step_traces);
    step_run("processes", step_processes);
    step_run("files", step_files);
    struct step_counts counts = step_counts();
    if (counts.passed + counts.failed == 0)
        print("kernel: no step has that name: exercise, traces, processes, files\n");
    print("kernel: %d steps passed, %d failed\n", counts.passed, counts.failed);
    machine_off(counts.failed == 0 && counts.passed > 0);
}
