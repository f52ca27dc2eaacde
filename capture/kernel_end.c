/* kernel_end.c - the clock, the child and the signals, watched in one place.
 *
 * The signals are blocked and asked for while the recorder waits, so nothing is ever
 * interrupted halfway. */

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include "../driver/run.h"
#include "kernel_end.h"
#include "recording.h"

/* Between two readings of the buffers. */
enum { MOMENT = 10 * 1000 * 1000 };

static struct {
    struct recording_signals signals;
    sigset_t awaited; /* those that end it all, and SIGCHLD */
    struct timespec start;
    double seconds;
    pid_t command; /* 0: none, or it has ended */
    int status;
    bool passed_on; /* a signal, to the command */
} end;

void end_watch_signals(void)
{
    end.signals = recording_keep_signals();
    end.awaited = end.signals.ending;
    sigaddset(&end.awaited, SIGCHLD);
}

int end_start(double seconds, char **command)
{
    end.seconds = seconds;
    clock_gettime(CLOCK_MONOTONIC, &end.start);
    if (command == NULL)
        return 0;
    int error = recording_start(&end.signals, command, &end.command);
    if (error != 0)
        end.command = 0;
    return error;
}

double end_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - end.start.tv_sec) +
           (double)(now.tv_nsec - end.start.tv_nsec) / 1e9;
}

static bool command_has_ended(void)
{
    int status;
    if (end.command == 0 || waitpid(end.command, &status, WNOHANG) != end.command)
        return false;
    end.status = recording_status(status);
    end.command = 0;
    return true;
}

/* What the terminal sends goes to the command as well; it decides. What a process sends
 * came to us alone. */
static bool signal_ends(const siginfo_t *info)
{
    if (end.command == 0)
        return true;
    if (info->si_code == SI_KERNEL)
        return false;
    if (end.passed_on)
        run_note("process %ld goes on without being recorded", (long)end.command);
    else
        kill(end.command, info->si_signo);
    bool ends = end.passed_on;
    end.passed_on = true;
    return ends;
}

bool end_wait(void)
{
    struct timespec moment = {.tv_nsec = MOMENT};
    double left = end.seconds - end_seconds();
    if (end.seconds > 0 && left <= 0)
        return true;
    if (end.seconds > 0 && left < MOMENT / 1e9)
        moment.tv_nsec = (long)(left * 1e9);
    siginfo_t info;
    int number = sigtimedwait(&end.awaited, &info, &moment);
    if (number > 0 && number != SIGCHLD && signal_ends(&info))
        return true;
    return command_has_ended();
}

int end_status(void)
{
    return end.status;
}
