/* recording.h - what recordings of the kernel and of programs have in common: a command
 * that is started, signals that end it all, and lines about where and when. */
#ifndef KMA_CAPTURE_RECORDING_H
#define KMA_CAPTURE_RECORDING_H

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

struct recording_signals {
    sigset_t ending; /* SIGINT, SIGTERM, SIGHUP and SIGQUIT, unless the caller has them
                        ignored */
    sigset_t before; /* what the caller has blocked */
};

/* From here on these signals and SIGCHLD are kept until they are asked for. */
struct recording_signals recording_keep_signals(void);

/* Starts a command with the caller's signals. Returns 0, or an error number. */
int recording_start(const struct recording_signals *signals, char **command,
                    pid_t *pid);

/* Says why the command cannot be started, and returns the exit status: 127 when it is not
 * found, else 126. */
int recording_not_started(const char *command, int error);

/* The exit status of what ended with this status of waitpid: its own, or 128 and the
 * number of the signal that killed it. */
int recording_status(int status);

/* Lines of key=value: the system, the machine, when the recording began. */
void recording_tell_system(FILE *about, time_t began);

/* A line of key=value; the value is the words with spaces between them. What would end
 * the line is a '?', and very much is cut. */
void recording_tell_words(FILE *about, const char *key, char *const *words);

#endif
