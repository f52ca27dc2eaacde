/* program_command.c - processes and signals. The signals are blocked and asked for, so
 * nothing is ever interrupted halfway. */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../driver/run.h"
#include "program_command.h"
#include "recording.h"

/* Seconds that what is left behind may take to end before it is told of. */
enum { PATIENCE = 1 };

static struct {
    struct recording_signals signals;
    pid_t pid; /* 0: it has ended */
    int status;
    bool passed_on; /* a signal */
} command;

void command_prepare(void)
{
    command.signals = recording_keep_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int command_start(char **words)
{
    int error = recording_start(&command.signals, words, &command.pid);
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
        command.status = recording_status(status);
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
    sigset_t awaited = command.signals.ending;
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
    int number = sigtimedwait(&command.signals.ending, NULL, &none);
    return number > 0 ? number : 0;
}
