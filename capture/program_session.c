/* program_session.c - one recording of a command: it gets the recorder preloaded, and with
 * it all that it starts. When they have ended, the raw file of each process image becomes
 * a trace. */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/run.h"
#include "program_command.h"
#include "program_scratch.h"
#include "program_session.h"
#include "program_traces.h"
#include "recorder.h"
#include "recording.h"

#define LIBRARY "librecorder.so"
#define INSTALLED "../lib/kma/" LIBRARY

/* The recorder stands beside our own executable, or where `make install` puts it. */
static void find_library(char path[PATH_MAX + sizeof INSTALLED])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length <= 0)
        run_refuse("/proc/self/exe: cannot be read: %s", strerror(errno));
    path[length] = '\0';
    char *name = strrchr(path, '/') + 1;
    memcpy(name, INSTALLED, sizeof INSTALLED);
    if (access(path, R_OK) != 0)
        memcpy(name, LIBRARY, sizeof LIBRARY);
    if (access(path, R_OK) != 0)
        run_refuse("%s: cannot be read: %s", path, strerror(errno));
    if (strpbrk(path, " :") != NULL)
        run_refuse("%s: a library cannot be preloaded from a path with a space or a "
                   "colon in it",
                   path);
}

/* In front of what is preloaded already. */
static void set_environment(void)
{
    char path[PATH_MAX + sizeof INSTALLED];
    char *list = NULL;
    const char *others = getenv("LD_PRELOAD");
    find_library(path);
    bool alone = others == NULL || others[0] == '\0';
    if (asprintf(&list, "%s%s%s", path, alone ? "" : ":", alone ? "" : others) < 0 ||
        setenv("LD_PRELOAD", list, 1) != 0 ||
        setenv(RAW_VARIABLE, scratch_path(), 1) != 0)
        run_refuse("no memory for the environment of the command");
    free(list);
}

int program_session(const char *output, char **command)
{
    time_t began = time(NULL);
    scratch_open(output);
    set_environment();
    command_prepare();
    scratch_start();
    int error = command_start(command);
    if (error != 0)
        return recording_not_started(command[0], error);
    int status = command_wait();
    scratch_stop();
    traces_write(output, command, began);
    return status;
}
