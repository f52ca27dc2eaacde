/* record.c - the recorder: of the kernel, or of one program. */

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "record_kernel.h"
#include "record_program.h"
#include "tool.h"

static _Noreturn void print_help(const char *program)
{
    run_print("Usage: %s kernel [OPTION]... -o FILE [-- COMMAND [ARGUMENT]...]\n"
              "       %s program [OPTION]... -o FILE -- COMMAND [ARGUMENT]...\n"
              "Records requests and frees, as they happen, in a trace.\n\n"
              "  kernel     of the running Linux kernel: its slab caches\n"
              "  program    of a program: its calls of malloc and free\n\n"
              "  --help     print this and exit; behind kernel or program: more\n"
              "  --version  print the version and exit\n",
              program, program);
    exit(0);
}

int main(int argc, char **argv)
{
    run_begin(argv[0]);
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "kernel") == 0)
        return record_kernel(argc - 1, argv + 1);
    if (strcmp(what, "program") == 0)
        return record_program(argc - 1, argv + 1);
    if (strcmp(what, "--help") == 0)
        print_help(argv[0]);
    if (strcmp(what, "--version") == 0)
        tool_version(argv[0]);
    run_refuse("%s: kernel or program wanted, not '%s' (try --help)", argv[0], what);
}
