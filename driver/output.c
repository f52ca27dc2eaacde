/* output.c - files written aside, then renamed.
 *
 * What is not a regular file (a terminal, a pipe, /dev/full) cannot be replaced by
 * renaming and is written directly. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "output.h"
#include "run.h"

enum { MOST_OUTPUTS = 8 };

struct output {
    const char *path; /* as given, for messages */
    FILE *stream;
    char target[PATH_MAX];
    char aside[PATH_MAX];
    volatile bool has_aside; /* the file of that name may be there, and is ours */
};

static struct output outputs[MOST_OUTPUTS];
static size_t output_count;

static _Noreturn void refuse(const struct output *output)
{
    run_refuse("%s: cannot be written: %s", output->path, strerror(errno));
}

/* The file behind `path`: a symbolic link is kept, and what it names is replaced. */
static void resolve(struct output *output)
{
    if (realpath(output->path, output->target) != NULL)
        return;
    if (errno == ENOENT && strlen(output->path) < sizeof output->target)
        memcpy(output->target, output->path, strlen(output->path) + 1);
    else
        refuse(output);
}

/* A name of its own in the target's folder, with the rights of a new file, or of the
 * old one. */
static int open_aside(struct output *output, const struct stat *old)
{
    const char *slash = strrchr(output->target, '/');
    int folder = slash == NULL ? 0 : (int)(slash - output->target) + 1;
    int length = snprintf(output->aside, sizeof output->aside, "%.*s.kma-XXXXXX",
                          folder, output->target);
    if (length >= (int)sizeof output->aside) {
        errno = ENAMETOOLONG;
        return -1;
    }
    output->has_aside = true;
    int file = mkostemp(output->aside, O_CLOEXEC);
    if (file < 0) {
        output->has_aside = false;
        return -1;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(file, old != NULL ? old->st_mode & 0777 : 0666 & ~mask);
    return file;
}

static int open_target(struct output *output)
{
    if (strcmp(output->path, "-") == 0)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    resolve(output);
    struct stat old;
    if (stat(output->target, &old) != 0)
        return errno == ENOENT ? open_aside(output, NULL) : -1;
    if (!S_ISREG(old.st_mode))
        return open(output->target, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (access(output->target, W_OK) != 0)
        return -1;
    return open_aside(output, &old);
}

struct output *output_open(const char *path)
{
    struct output *output = &outputs[output_count++];
    *output = (struct output){.path = path};
    int file = open_target(output);
    if (file >= 0)
        output->stream = fdopen(file, "w");
    if (output->stream == NULL)
        refuse(output);
    return output;
}

FILE *output_stream(struct output *output)
{
    return output->stream;
}

static char *put_number(char *before, uint64_t number)
{
    do {
        *--before = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return before;
}

void output_numbers(struct output *output, uint64_t a, uint64_t b, uint64_t c)
{
    char text[3 * 21];
    char *end = text + sizeof text;
    char *at = end;
    *--at = '\n';
    at = put_number(at, c);
    *--at = ' ';
    at = put_number(at, b);
    *--at = ' ';
    at = put_number(at, a);
    fwrite(at, 1, (size_t)(end - at), output->stream);
}

void output_check(struct output *output)
{
    if (ferror(output->stream))
        refuse(output);
}

static void finish(struct output *output)
{
    if (fflush(output->stream) != 0 || ferror(output->stream))
        refuse(output);
    FILE *stream = output->stream;
    output->stream = NULL;
    if (fclose(stream) != 0)
        refuse(output);
}

void output_finish_all(void)
{
    for (size_t i = 0; i < output_count; i++)
        finish(&outputs[i]);
    for (size_t i = 0; i < output_count; i++) {
        struct output *output = &outputs[i];
        if (output->has_aside && rename(output->aside, output->target) != 0)
            refuse(output);
        output->has_aside = false;
    }
    output_count = 0;
}

void output_abandon_all(void)
{
    for (size_t i = 0; i < output_count; i++) {
        if (outputs[i].has_aside)
            unlink(outputs[i].aside);
        outputs[i].has_aside = false;
    }
}
