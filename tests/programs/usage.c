/* usage.c - runs a command and says what it took: analysis/programs starts everything
 * through it.
 *
 *     usage REPORT SECONDS PRELOAD COMMAND...
 *
 * The command, and only it, gets PRELOAD as its LD_PRELOAD, unless that is empty. What it
 * took goes to the file REPORT, as one line: seconds of the clock, of the processor in
 * user code and in the system, KiB of the largest resident set that any of its processes
 * had, and a wait status. Its own status is 0 when there is such a line.
 *
 * Why not from Python? What a process is charged for as its largest resident set begins
 * with that of the process it was forked from; this one is small. And whatever ends this
 * program, the command, the time limit, a signal or the end of its parent, no process that
 * the command has started lives on. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_STOPPED = 3, EXIT_TIMEOUT = 4 };

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* What the command leaves behind: processes of its group, and those that left the group,
 * which have become children of this process. */
static void end_all(pid_t group)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    do {
        FILE *children = fopen(path, "r");
        int child;

        kill(-group, SIGKILL);
        while (children != NULL && fscanf(children, "%d", &child) == 1)
            kill(child, SIGKILL);
        if (children != NULL)
            fclose(children);
    } while (waitpid(-1, NULL, 0) > 0);
}

static pid_t start(char **command, const char *preload, const sigset_t *old_mask)
{
    const pid_t parent = getpid();
    const pid_t child = fork();

    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_STOPPED);
    setsid();
    sigprocmask(SIG_SETMASK, old_mask, NULL);
    if (*preload != '\0')
        setenv("LD_PRELOAD", preload, 1);
    execvp(command[0], command);
    fprintf(stderr, "usage: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* True when the command has ended. Others that end are orphans of it. */
static int has_ended(pid_t child, int *status, struct rusage *taken)
{
    struct rusage used;
    pid_t ended;
    int how;

    while ((ended = wait4(-1, &how, WNOHANG, &used)) > 0) {
        if (ended == child) {
            *status = how;
            *taken = used;
            return 1;
        }
    }
    return 0;
}

static int report(const char *path, double wall, const struct rusage *taken, int status)
{
    FILE *file = fopen(path, "w");
    int failed;

    if (file == NULL)
        return -1;
    failed = fprintf(file, "%.6f %.6f %.6f %ld %d\n", wall, seconds(taken->ru_utime),
                     seconds(taken->ru_stime), taken->ru_maxrss, status) < 0;
    return fclose(file) != 0 || failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct rusage taken;
    sigset_t mask, old_mask;
    double begin, wall;
    int status, number;
    pid_t child;

    if (argc < 5) {
        fprintf(stderr, "usage: usage REPORT SECONDS PRELOAD COMMAND...\n");
        return EXIT_USAGE;
    }
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGALRM);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, &old_mask);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    alarm((unsigned)strtoul(argv[2], NULL, 10));
    begin = now();
    child = start(argv + 4, argv[3], &old_mask);
    if (child < 0) {
        perror("usage: fork");
        return EXIT_USAGE;
    }
    do {
        sigwait(&mask, &number);
        wall = now() - begin;
        if (number != SIGCHLD) {
            end_all(child);
            return number == SIGALRM ? EXIT_TIMEOUT : EXIT_STOPPED;
        }
    } while (!has_ended(child, &status, &taken));
    end_all(child);
    if (report(argv[1], wall, &taken, status) != 0) {
        perror(argv[1]);
        return EXIT_USAGE;
    }
    return 0;
}
