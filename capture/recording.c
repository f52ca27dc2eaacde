/* recording.c - the command, the signals, and what is told. */

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../driver/run.h"
#include "recording.h"

enum { NOT_STARTED = 126, NOT_FOUND = 127, KILLED = 128, MOST_WORDS = 4000 };

struct recording_signals recording_keep_signals(void)
{
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct recording_signals signals;
    sigemptyset(&signals.ending);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        sigaction(numbers[i], NULL, &action);
        if (action.sa_handler != SIG_IGN)
            sigaddset(&signals.ending, numbers[i]);
    }
    /* Ignored, it would take the command's status with it. */
    signal(SIGCHLD, SIG_DFL);
    sigset_t kept = signals.ending;
    sigaddset(&kept, SIGCHLD);
    sigprocmask(SIG_BLOCK, &kept, &signals.before);
    return signals;
}

int recording_start(const struct recording_signals *signals, char **command, pid_t *pid)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    /* run_begin has them ignored. */
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &signals->before);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawnp(pid, command[0], NULL, &attributes, command, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int recording_not_started(const char *command, int error)
{
    run_note("%s: %s", command,
             error == ENOENT ? "command not found" : strerror(error));
    return error == ENOENT ? NOT_FOUND : NOT_STARTED;
}

int recording_status(int status)
{
    return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

void recording_tell_system(FILE *about, time_t began)
{
    struct utsname system;
    char date[40];
    uname(&system);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&began));
    fprintf(about, "system=%s %s\nmachine=%s\nrecorded=%s\n", system.sysname,
            system.release, system.machine, date);
}

void recording_tell_words(FILE *about, const char *key, char *const *words)
{
    int room = MOST_WORDS;
    fprintf(about, "%s=", key);
    for (char *const *word = words; *word != NULL; word++) {
        if (word != words)
            fputc(' ', about);
        for (const char *at = *word; *at != '\0' && room > 0; at++, room--)
            fputc((unsigned char)*at < ' ' || *at == 127 ? '?' : *at, about);
    }
    fputc('\n', about);
}
