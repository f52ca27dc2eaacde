/* record_program.c - the command line of `record program`. */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "program_session.h"
#include "record_program.h"
#include "tool.h"

#define NAME program_invocation_name

enum { HELP = 1000, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

static _Noreturn void print_help(void)
{
    run_print("Usage: %s program [OPTION]... -o FILE -- COMMAND [ARGUMENT]...\n"
              "Records the calls of malloc, calloc, realloc, reallocarray, free, "
              "aligned_alloc,\nposix_memalign, memalign, valloc and pvalloc that a "
              "program and its threads make.\n\n"
              "  -o, --output FILE  the trace to write\n"
              "  --help             print this and exit\n"
              "  --version          print the version and exit\n\n",
              NAME);
    run_print(
        "What COMMAND starts is recorded, too: each process, and each program that a "
        "process\nbecomes, has a trace of its own. FILE is that of the first one; the "
        "others are\nnamed FILE with a number put before its ending, in the order in "
        "which they began:\nout.ktr, out-2.ktr, ... One that never allocates has "
        "none. A child of fork has the\nblocks of its parent, and frees of them are "
        "left out.\n\n"
        "Each event has its time and its call site, as an offset in a file. The clock "
        "is\nread for at least every 32nd call of a thread and once a millisecond; "
        "calls in\nbetween are spread evenly. What is not freed in "
        "the end stays so\nin FILE.\n\n");
    run_print(
        "Static programs, set-user-ID programs, programs started with an environment "
        "that\nlacks LD_PRELOAD, and 32-bit programs under a 64-bit recorder, or the "
        "other way\nround, cannot be recorded. Nor can blocks that a program does not "
        "get from the\nC library's functions. When the disk is full, or a program has "
        "given up the right to\nwrite, its recording stops and FILE says what was "
        "lost; the program runs on.\n\n"
        "The recording is over when COMMAND and all that it started have ended. A "
        "signal from\noutside is passed on to COMMAND; a second one, or one while only "
        "what COMMAND left\nrunning is waited for, ends the recording. What was "
        "recorded is written whole.\n\n"
        "Exit status: that of COMMAND, 128 and the number of the signal that killed "
        "it,\n127 when it is not found, 126 when it cannot be started; 2 when the "
        "command line,\nthe system or FILE is at fault, or nothing was recorded.\n");
    exit(0);
}

int record_program(int argc, char **argv)
{
    const char *output = "";
    int result;
    opterr = 0;
    while ((result = getopt_long(argc, argv, "+:o:", long_options, NULL)) != -1) {
        switch (result) {
        case 'o':
            output = optarg;
            break;
        case HELP:
            print_help();
        case VERSION:
            tool_version(NAME);
        default:
            run_refuse("%s program: %s %s (try --help)", NAME, argv[optind - 1],
                       result == ':' ? "wants a value"
                                     : "is no option, or takes no value");
        }
    }
    if (output[0] == '\0')
        run_refuse("%s program: no output given: -o (try --help)", NAME);
    if (strcmp(output, "-") == 0)
        run_refuse("%s program: standard output is the command's, -o - cannot have it "
                   "(try --help)",
                   NAME);
    if (optind == argc)
        run_refuse("%s program: no command given (try --help)", NAME);
    return program_session(output, argv + optind);
}
