/* plotter.c - gnuplot as a child. It waits for its script while a trace is read, and sees
 * the script's end when the run ends in whatever way. */

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../driver/run.h"
#include "plotter.h"

extern char **environ;

void plotter_begin(struct plotter *plotter, int file)
{
    int script[2], complaints[2];
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {"gnuplot", "--default-settings", "-", NULL};
    if (pipe2(script, O_CLOEXEC) != 0 || pipe2(complaints, O_CLOEXEC) != 0)
        run_refuse("gnuplot cannot be run: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, script[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, file, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, complaints[1], STDERR_FILENO);
    int problem =
        posix_spawnp(&plotter->process, "gnuplot", &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(script[0]);
    close(complaints[1]);
    if (problem == ENOENT)
        run_refuse("gnuplot is not installed: analysis/need gnuplot");
    plotter->script = problem == 0 ? fdopen(script[1], "w") : NULL;
    if (plotter->script == NULL)
        run_refuse("gnuplot cannot be run: %s",
                   strerror(problem != 0 ? problem : errno));
    plotter->complaints = complaints[0];
}

void plotter_end(struct plotter *plotter)
{
    char complaint[300];
    size_t length = 0;
    ssize_t got;
    int status = 0;
    /* That it reads no more shows in how it ends. */
    fclose(plotter->script);
    while (length < sizeof complaint - 1 &&
           (got = read(plotter->complaints, complaint + length,
                       sizeof complaint - 1 - length)) > 0)
        length += (size_t)got;
    complaint[length] = '\0';
    close(plotter->complaints);
    while (waitpid(plotter->process, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        run_refuse("gnuplot failed: %s", complaint + strspn(complaint, " \n"));
}
