/* record_kernel.c - the command line of `record kernel`. */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "kernel_session.h"
#include "record_kernel.h"
#include "tool.h"

enum { KILOBYTES = 16 << 10, MOST_KILOBYTES = 1 << 30, MOST_SECONDS = 1000 * 1000 };

enum { SECONDS = 1000, BUFFER, HELP, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"seconds", required_argument, NULL, SECONDS},
    {"buffer", required_argument, NULL, BUFFER},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

static _Noreturn void print_help(const char *program)
{
    run_print(
        "Usage: %s [OPTION]... -o FILE [-- COMMAND [ARGUMENT]...]\n"
        "Records what the running Linux kernel requests from its slab caches and\n"
        "frees: the tracepoints kmem:kmalloc, kfree, kmem_cache_alloc and\n"
        "kmem_cache_free.\n\n"
        "  -o, --output FILE  the trace to write; - for standard output\n"
        "  --seconds S        record for S seconds\n"
        "  --buffer KB        the kernel's buffer for each CPU (%d)\n"
        "  --help             print this and exit\n"
        "  --version          print the version and exit\n\n",
        program, KILOBYTES);
    run_print(
        "With COMMAND the recording lasts while it runs, without both until Ctrl-C.\n"
        "Either way the whole system is recorded: slab caches serve all processes,\n"
        "and what one requests another may free. The recorder's own share is in it,\n"
        "too: starting COMMAND and writing FILE. Reading the events requests nothing.\n"
        "\n"
        "Each event has its time, CPU and call site, the cache, and the bytes that "
        "the\n"
        "kernel spent on a request. Call sites have names if /proc/kallsyms tells\n"
        "them. Frees of blocks from before the recording are left out; blocks that\n"
        "are not freed when it ends stay so in FILE.\n\n");
    run_print(
        "The kernel does not trace what it requests or frees in bulk, nor, in some\n"
        "versions, what it frees with kfree_rcu. A block whose free was not traced is\n"
        "freed in FILE when the kernel hands it out again. Events that find the\n"
        "buffer full are lost; they are counted, and FILE says so. A larger --buffer\n"
        "helps.\n\n");
    run_print(
        "It takes root and tracefs, which is mounted while it is needed. The tracing\n"
        "of others is not touched: events go to an instance of our own, kma-PID,\n"
        "which is removed at the end. After kill -9 it stays, and the kernel goes on\n"
        "filling its buffers, until the next recording starts.\n\n"
        "A signal sent to the recorder is passed on to COMMAND; a second one ends the\n"
        "recording. Without COMMAND the first one ends it. What was recorded is\n"
        "written whole.\n\n"
        "Exit status: that of COMMAND, 128 and the signal that killed it, 127 when it\n"
        "is not found, 126 when it cannot be started; 0 without COMMAND; 2 when the\n"
        "command line, the system or FILE is at fault.\n");
    exit(0);
}

static double seconds_of(const char *program, const char *text)
{
    double seconds;
    if (!tool_real(text, &seconds) || seconds <= 0 || seconds > MOST_SECONDS)
        run_refuse("%s: --seconds wants a number over 0, to %d, not '%s' (try --help)",
                   program, MOST_SECONDS, text);
    return seconds;
}

static long kilobytes_of(const char *program, const char *text)
{
    uint64_t kilobytes;
    if (!tool_number(text, &kilobytes) || kilobytes == 0 || kilobytes > MOST_KILOBYTES)
        run_refuse("%s: --buffer wants a number from 1 to %d, not '%s' (try --help)",
                   program, MOST_KILOBYTES, text);
    return (long)kilobytes;
}

static void read_option(struct session *session, char **argv, int result)
{
    switch (result) {
    case 'o':
        session->output = optarg;
        break;
    case SECONDS:
        session->seconds = seconds_of(argv[0], optarg);
        break;
    case BUFFER:
        session->kilobytes = kilobytes_of(argv[0], optarg);
        break;
    case HELP:
        print_help(argv[0]);
    case VERSION:
        tool_version(argv[0]);
    default:
        tool_refuse_option(argv, result);
    }
}

/* The first argument that is no option is the command. */
static void read_options(struct session *session, int argc, char **argv)
{
    int result;
    opterr = 0;
    while ((result = getopt_long(argc, argv, "+:o:", long_options, NULL)) != -1)
        read_option(session, argv, result);
    if (optind < argc)
        session->command = argv + optind;
    else if (strcmp(argv[argc - 1], "--") == 0)
        run_refuse("%s: no command after -- (try --help)", argv[0]);
    if (session->output == NULL)
        run_refuse("%s: no output given: -o (try --help)", argv[0]);
    if (session->command != NULL && session->seconds > 0)
        run_refuse("%s: --seconds has no meaning with a command (try --help)", argv[0]);
    if (session->command != NULL && strcmp(session->output, "-") == 0)
        run_refuse("%s: standard output is the command's, -o - cannot have it (try "
                   "--help)",
                   argv[0]);
}

int record_kernel(int argc, char **argv)
{
    struct session session = {.kilobytes = KILOBYTES};
    /* Messages name the tool and the word behind it. */
    static char name[PATH_MAX];
    snprintf(name, sizeof name, "%s %s", program_invocation_name, argv[0]);
    argv[0] = name;
    read_options(&session, argc, argv);
    return session_run(&session);
}
