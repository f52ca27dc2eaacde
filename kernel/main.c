/* main.c - what the kernel does once the machine is up: its steps, and a last line. */

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
    print("kernel: %d steps passed, %d failed\n", counts.passed, counts.failed);
    machine_off(counts.failed == 0 && counts.passed > 0);
}
