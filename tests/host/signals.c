/* signals.c - handlers that interrupt code outside of malloc and allocate. */

#include "case.h"
#include "model.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

static struct model model, handler_model;
static volatile sig_atomic_t outside, handled, missed;
static sigjmp_buf back;

static void timer(long microseconds)
{
    struct itimerval every = {{0, microseconds}, {0, microseconds}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void handle_with(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK(sigemptyset(&action.sa_mask) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
}

static void allocate(int number)
{
    (void)number;
    int error = errno;
    if (outside) {
        model_steps(&handler_model, 10);
        handled++;
    } else {
        missed++;
    }
    errno = error;
}

static void jump(int number)
{
    allocate(number);
    if (outside)
        siglongjmp(back, 1);
}

static void compute(void)
{
    outside = 1;
    for (volatile uint32_t i = 0; i < 20000; i++)
        continue;
    outside = 0;
}

/* Until the handler has allocated that often; it also comes in the middle of malloc. */
static void run_with(void (*handler)(int), int times)
{
    model_start(&model, 1, 300, 300000);
    model_start(&handler_model, 2, 100, 100000);
    handled = 0;
    handle_with(handler);
    timer(300);
    while (handled < times) {
        model_steps(&model, 100);
        if (sigsetjmp(back, 1) == 0)
            compute();
        outside = 0;
    }
    timer(0);
    model_check(&model);
    model_end(&model);
    model_end(&handler_model);
}

static void handler_that_allocates(void)
{
    run_with(allocate, 200);
    CHECK(missed > 0);
}

static void handler_that_jumps(void)
{
    run_with(jump, 200);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"handler_that_allocates", handler_that_allocates},
        {"handler_that_jumps", handler_that_jumps},
    };
    return run_cases(cases, COUNT(cases), argc, argv);
}
