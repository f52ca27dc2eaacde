/* tool.c - what the command lines of the tools have in common. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "../driver/run.h"
#include "tool.h"

#ifndef KMA_VERSION
#define KMA_VERSION "unversioned"
#endif

const char *tool_trace(int argc, char **argv)
{
    if (optind == argc)
        run_refuse("%s: no trace given (try --help)", argv[0]);
    if (optind < argc - 1)
        run_refuse("%s: more than one trace given: '%s' (try --help)", argv[0],
                   argv[optind + 1]);
    return argv[optind];
}

const char *tool_output(const char *program, const char *path)
{
    if (path == NULL)
        run_refuse("%s: no output given: -o (try --help)", program);
    return path;
}

void tool_version(const char *program)
{
    run_print("%s (kma) %s\n", program, KMA_VERSION);
    exit(0);
}

void tool_refuse_option(char **argv, int result)
{
    if (result == ':')
        run_refuse("%s: %s wants a value (try --help)", argv[0], argv[optind - 1]);
    run_refuse("%s: %s is no option, or takes no value (try --help)", argv[0],
               argv[optind - 1]);
}

bool tool_number(const char *text, uint64_t *value)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

uint64_t tool_number_within(const char *program, const char *option, const char *text,
                            uint64_t least, uint64_t most)
{
    uint64_t value;
    if (!tool_number(text, &value) || value < least || value > most)
        run_refuse("%s: --%s wants a number from %llu to %llu, not '%s' (try --help)",
                   program, option, (unsigned long long)least, (unsigned long long)most,
                   text);
    return value;
}

bool tool_real(const char *text, double *value)
{
    size_t whole = strspn(text, "0123456789");
    size_t part = text[whole] == '.' ? 1 + strspn(text + whole + 1, "0123456789") : 0;
    if (whole == 0 || part == 1 || text[whole + part] != '\0')
        return false;
    *value = strtod(text, NULL);
    return true;
}

enum format tool_format(const char *program, const char *option, const char *name)
{
    for (int i = FORMAT_UNKNOWN + 1; i < FORMATS; i++) {
        if (strcmp(format_names[i], name) == 0)
            return (enum format)i;
    }
    run_refuse("%s: --%s wants text, compact, perf, ftrace, rep or mtrace, not '%s' "
               "(try --help)",
               program, option, name);
}

void tool_keep_apart(const char *program, const char *path, const char *input)
{
    struct stat to, from;
    if (strcmp(path, "-") == 0)
        return;
    if (strcmp(path, input) == 0 ||
        (stat(path, &to) == 0 && stat(input, &from) == 0 && S_ISREG(to.st_mode) &&
         to.st_dev == from.st_dev && to.st_ino == from.st_ino))
        run_refuse("%s: %s is the input (try --help)", program, path);
}
