/* program_command.c - processes and signals. The signals are blocked and asked for, so
 * nothing is ever interrupted halfway. */

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../driver/run.h"
#include "program_command.h"

/* Seconds that what is left behind may take to end before it is told of. */
enum { PATIENCE = 1 };

static struct {
    sigset_t ending;
    sigset_t before; /* the caller's mask */
    pid_t pid;       /* 0: it has ended */
    int status;
    bool passed_on; /* a signal */
} command;

void command_prepare(void)
{
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t blocked;
    sigemptyset(&command.ending);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        sigaction(numbers[i], NULL, &action);
        if (action.sa_handler != SIG_IGN)
            sigaddset(&command.ending, numbers[i]);
    }
    /* Ignored, it would take the command's status with it. */
    signal(SIGCHLD, SIG_DFL);
    blocked = command.ending;
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &command.before);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int command_start(char **words)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    /* run_begin has them ignored. */
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &command.before);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawnp(&command.pid, words[0], NULL, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        command.pid = 0;
    return error;
}

/* False: nothing is left. */
static bool reap(void)
{
    int status;
    pid_t ended;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended != command.pid)
            continue;
        command.status =
            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        command.pid = 0;
    }
    return ended == 0;
}

/* True: the waiting is over. */
static bool take_signal(const siginfo_t *info)
{
    if (command.pid != 0 && info->si_code == SI_KERNEL)
        return false;
    if (command.pid != 0 && !command.passed_on) {
        command.passed_on = true;
        kill(command.pid, info->si_signo);
        return false;
    }
    run_note("what still runs goes on without being recorded");
    return true;
}

int command_wait(void)
{
    const struct timespec moment = {.tv_sec = PATIENCE};
    sigset_t awaited = command.ending;
    sigaddset(&awaited, SIGCHLD);
    bool told = false;
    while (reap()) {
        siginfo_t info;
        bool left_behind = command.pid == 0;
        int number = sigtimedwait(&awaited, &info, &moment);
        if (number < 0 && errno == EAGAIN && left_behind && !told) {
            run_note("the command has ended; waiting for what it left running");
            told = true;
        }
        if (number > 0 && number != SIGCHLD && take_signal(&info))
            break;
    }
    return command.status;
}

int command_signal(void)
{
    const struct timespec none = {0};
    int number = sigtimedwait(&command.ending, NULL, &none);
    return number > 0 ? number : 0;
}
