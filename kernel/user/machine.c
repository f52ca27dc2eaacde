/* machine.c - a machine that is a process: where gdb and valgrind are at hand.
 *
 * RAM is a mapping, the console is standard output, the timer a signal, and a thread of
 * the kernel a thread of the process, of which only one runs at a time: the others wait
 * for their turn, each at a semaphore of its own. Interrupts are off while a flag says
 * so; a signal that comes then is noted, and taken when they are on again.
 *
 * A signal needs more stack than a kernel's thread has, so threads run on stacks of the
 * C library's; the memory that the kernel has for one is left alone. There are no counts of instructions: `make icount` has those. */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "machine.h"
#include "print.h"

enum {
    RAM_BYTES = 64 << 20,
    RAM_ALIGNMENT = 16 << 20,
    THREAD_STACK = 256 << 10,
    LEAST_PERIOD = 100 /* microseconds */
};

struct thread {
    sem_t turn;
    void (*entry)(void);
};

const char machine_name[] = "a process";

static struct thread boot;
static _Thread_local struct thread *self = &boot;
static volatile sig_atomic_t enabled;
static volatile sig_atomic_t pending;
static char command_line[512];
static size_t ram_bytes = RAM_BYTES;

static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "kernel: %s: %s\n", what, strerror(errno));
    exit(2);
}

void machine_put(char byte)
{
    if (putchar_unlocked(byte) == EOF)
        refuse("standard output");
}

int machine_memory(struct memory_range *ranges, int room)
{
    char *start = mmap(NULL, ram_bytes + RAM_ALIGNMENT, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        refuse("no memory to serve as RAM");
    if (room < 1)
        return 0;
    uintptr_t first =
        ((uintptr_t)start + RAM_ALIGNMENT - 1) & -(uintptr_t)RAM_ALIGNMENT;
    ranges[0] = (struct memory_range){first, first + ram_bytes};
    return 1;
}

const char *machine_command_line(void)
{
    return command_line;
}

/* Threads that wait for their turn are left as they are. */
void machine_off(bool passed)
{
    enabled = 0;
    if (fflush(stdout) != 0)
        refuse("standard output");
    _exit(passed ? 0 : 1);
}

/* ---- interrupts */

static void take_interrupt(void)
{
    enabled = 0;
    pending = 0;
    timer_tick();
    enabled = 1;
}

static void on_signal(int number)
{
    (void)number;
    int error = errno;
    if (enabled)
        take_interrupt();
    else
        pending = 1;
    errno = error;
}

bool interrupts_off(void)
{
    bool on = enabled;
    enabled = 0;
    return on;
}

void interrupts_restore(bool on)
{
    if (!on)
        return;
    enabled = 1;
    if (pending)
        take_interrupt();
}

/* Blocked in every thread but the one whose turn it is: what comes waits for that. */
static sigset_t block_timer(void)
{
    sigset_t alarm, before;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before);
    return before;
}

void machine_wait(void)
{
    sigset_t before = block_timer();
    while (!pending)
        sigsuspend(&before);
    pending = 0;
    timer_tick();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void set_timer(uint32_t microseconds)
{
    struct timeval period = {microseconds / 1000000, microseconds % 1000000};
    struct itimerval timer = {period, period};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* A signal takes longer than an interrupt: more of them would leave no time in between. */
void timer_start(uint32_t microseconds)
{
    if (microseconds < LEAST_PERIOD)
        microseconds = LEAST_PERIOD;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    set_timer(microseconds);
}

void timer_stop(void)
{
    set_timer(0);
    bool on = interrupts_off();
    pending = 0;
    interrupts_restore(on);
}

uint64_t machine_instructions(void)
{
    return 0;
}

/* ---- threads */

static void wait_for_turn(struct thread *thread)
{
    while (sem_wait(&thread->turn) != 0)
        continue;
}

static void *run_thread(void *argument)
{
    self = argument;
    wait_for_turn(self);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    self->entry();
    return NULL;
}

static int start_thread(struct thread *thread)
{
    pthread_attr_t attributes;
    pthread_t handle;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t before = block_timer();
    int status = pthread_create(&handle, &attributes, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

void *context_new(void *stack, size_t size, void (*entry)(void))
{
    (void)stack;
    (void)size;
    struct thread *thread = malloc(sizeof *thread);
    if (thread == NULL)
        return NULL;
    thread->entry = entry;
    sem_init(&thread->turn, 0, 0);
    if (start_thread(thread) == 0)
        return thread;
    free(thread);
    return NULL;
}

void context_switch(void **from, void *to)
{
    struct thread *own = self;
    sigset_t before = block_timer();
    *from = own;
    sem_post(&((struct thread *)to)->turn);
    wait_for_turn(own);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void context_exit(void *to)
{
    struct thread *own = self;
    block_timer();
    sem_post(&((struct thread *)to)->turn);
    sem_destroy(&own->turn);
    free(own);
    pthread_exit(NULL);
}

void machine_fault(void)
{
    __builtin_trap();
}

/* ---- the start */

static const struct {
    int number;
    const char *name;
} faults[] = {{SIGSEGV, "bad address"},
              {SIGBUS, "bad address"},
              {SIGILL, "invalid opcode"},
              {SIGFPE, "divide error"},
              {SIGABRT, "abort"}};

enum { FAULTS = sizeof faults / sizeof *faults };

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    enabled = 0;
    const char *name = "signal";
    for (int i = 0; i < FAULTS; i++)
        if (faults[i].number == number)
            name = faults[i].name;
    print("panic: %s at address %p\n", name, info->si_addr);
    panic_end();
}

/* On a stack of its own, for the thread that boots: a fault may be a stack that ran out. */
static void watch_faults(void)
{
    static char stack[64 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < FAULTS; i++)
        sigaction(faults[i].number, &action, NULL);
}

static void read_arguments(int argc, char **argv)
{
    size_t used = 0;
    for (int i = 1; i < argc; i++) {
        size_t length = strlen(argv[i]);
        if (used + length + 2 > sizeof command_line) {
            fprintf(stderr, "kernel: the command line is longer than %zu bytes\n",
                    sizeof command_line - 2);
            exit(2);
        }
        if (used > 0)
            command_line[used++] = ' ';
        memcpy(command_line + used, argv[i], length);
        used += length;
        unsigned long megabytes;
        if (sscanf(argv[i], "memory=%luM", &megabytes) == 1 && megabytes > 0 &&
            megabytes <= 1024)
            ram_bytes = (size_t)megabytes << 20;
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    sem_init(&boot.turn, 0, 0);
    watch_faults();
    kernel_main();
}
