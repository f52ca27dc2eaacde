/* options.c - the command line. */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "options.h"
#include "pool.h"
#include "run.h"

#ifndef KMA_VERSION
#define KMA_VERSION "unversioned"
#endif

#ifdef COMPETITION
enum { COMPETITION_BY_DEFAULT = 1 };
#else
enum { COMPETITION_BY_DEFAULT = 0 };
#endif

/* One pass is what a score means; figures that are kept deserve more. */
enum { PASSES_OF_A_SCORE = 1, PASSES_OF_A_MEASUREMENT = 9, MOST_PASSES = 100000 };

enum {
    CORRECTNESS = 1000,
    COMPETE,
    OUTPUT,
    NO_OUTPUT,
    AUDIT,
    MAX_PAGES,
    PASSES,
    JSON,
    LATENCY,
    HEAPMAP,
    OPERATIONS,
    CALLS_ONLY,
    READ,
    RESIDENT,
    SLABINFO,
    HELP,
    VERSION,
};

static const struct option long_options[] = {
    {"correctness", no_argument, NULL, CORRECTNESS},
    {"competition", no_argument, NULL, COMPETE},
    {"output", required_argument, NULL, OUTPUT},
    {"no-output", no_argument, NULL, NO_OUTPUT},
    {"audit", optional_argument, NULL, AUDIT},
    {"max-pages", required_argument, NULL, MAX_PAGES},
    {"passes", required_argument, NULL, PASSES},
    {"json", required_argument, NULL, JSON},
    {"latency", required_argument, NULL, LATENCY},
    {"heapmap", required_argument, NULL, HEAPMAP},
    {"operations", required_argument, NULL, OPERATIONS},
    {"calls-only", no_argument, NULL, CALLS_ONLY},
    {"read", no_argument, NULL, READ},
    {"resident", no_argument, NULL, RESIDENT},
    {"slabinfo", optional_argument, NULL, SLABINFO},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

static const char default_output[] = "kma_output.dat";

/* The option that asks for each file. */
static const char *const file_options[FILES] = {"output", "json", "latency", "heapmap",
                                                "operations"};

const char *options_version(void)
{
    return KMA_VERSION;
}

static _Noreturn void print_help(const char *program)
{
    const char *note = " (default)";
    run_print("Usage: %s [OPTION]... TRACE\n"
              "Replays a trace of requests and frees through a memory allocator.\n\n"
              "Modes:\n"
              "  --correctness    check every block and page, write the data file%s\n"
              "  --competition    check nothing, time the replay, print its score%s\n",
              program, COMPETITION_BY_DEFAULT ? "" : note,
              COMPETITION_BY_DEFAULT ? note : "");
    run_print(
        "\nIn correctness mode:\n"
        "  --output FILE    the data file (kma_output.dat): after each event its\n"
        "                   index, the bytes requested and the bytes in pages\n"
        "  --no-output      no data file\n"
        "  --audit[=K]      have the allocator audit itself every K events (1)\n");
    run_print("\nIn both modes:\n"
              "  --max-pages N    pages in the pool (%d)\n"
              "  --passes K       replays to time; the fastest counts (1, or 9 with\n"
              "                   --json or --latency)\n",
              MAXPAGES);
    run_print(
        "  --json FILE      write all figures as one JSON object\n"
        "  --latency FILE   write the time of each call: index command size ns\n"
        "  --operations FILE\n"
        "                   write what each call did: index command size pages_got\n"
        "                   pages_freed splits joins steps; - for the last three\n"
        "                   unless built with COUNTED=1\n"
        "  --heapmap FILE   write how full the pages are as the trace goes on\n"
        "  --resident       memory figures from the resident set of the process, not\n"
        "                   the pool's pages: for allocators with their own memory;\n"
        "                   the data file then has a line for each event looked at\n");
    run_print(
        "  --slabinfo[=N]   print the object caches of kma_slab after event N (the\n"
        "                   last), in the columns of /proc/slabinfo\n"
        "  --calls-only     make the calls of the trace once and nothing else, for\n"
        "                   profilers\n"
        "  --read           read the trace, replay nothing, and say how long it\n"
        "                   took; with --json FILE also there\n"
        "  --help           print this and exit\n"
        "  --version        print the version and exit\n\n");
    run_print(
        "TRACE is text or compact, as its first bytes say.\n"
        "TRACE may be - for standard input, FILE may be - for standard output; the\n"
        "report then moves to standard error.\n"
        "Process time is the processor time of the process, user and system.\n"
        "Exit status: 0 passed, 1 the allocator failed, 2 the trace, the command\n"
        "line or an output is at fault.\n");
    exit(0);
}

static long number(const char *program, const char *option, const char *text,
                   long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0';
    if (!digits || errno != 0 || value < least || value > most)
        run_refuse("%s: --%s wants a number from %ld to %ld, not '%s' (try --help)",
                   program, option, least, most, text);
    return value;
}

/* getopt has moved past the argument that it did not like. */
static _Noreturn void refuse_option(char **argv, int result)
{
    const char *program = argv[0];
    if (result == ':')
        run_refuse("%s: %s wants a value (try --help)", program, argv[optind - 1]);
    if (optopt >= CORRECTNESS)
        run_refuse("%s: %s takes no value (try --help)", program, argv[optind - 1]);
    if (optopt != 0)
        run_refuse("%s: unknown option -%c (try --help)", program, optopt);
    run_refuse("%s: unknown option %s (try --help)", program, argv[optind - 1]);
}

static void read_option(struct options *options, char **argv, int result)
{
    const char *program = argv[0];
    switch (result) {
    case CORRECTNESS:
        options->competition = false;
        break;
    case COMPETE:
        options->competition = true;
        break;
    case OUTPUT:
        options->paths[DATA_FILE] = optarg;
        break;
    case NO_OUTPUT:
        options->paths[DATA_FILE] = NULL;
        break;
    case AUDIT:
        options->audit_every =
            optarg == NULL ? 1 : number(program, "audit", optarg, 1, LONG_MAX);
        break;
    case MAX_PAGES:
        options->max_pages =
            (int)number(program, "max-pages", optarg, 1, POOL_MAX_PAGES);
        break;
    case PASSES:
        options->passes = (int)number(program, "passes", optarg, 1, MOST_PASSES);
        break;
    case JSON:
        options->paths[JSON_FILE] = optarg;
        break;
    case LATENCY:
        options->paths[LATENCY_FILE] = optarg;
        break;
    case HEAPMAP:
        options->paths[HEAPMAP_FILE] = optarg;
        break;
    case OPERATIONS:
        options->paths[OPERATIONS_FILE] = optarg;
        break;
    case CALLS_ONLY:
        options->calls_only = true;
        break;
    case READ:
        options->read_only = true;
        break;
    case RESIDENT:
        options->resident = true;
        break;
    case SLABINFO:
        options->slabinfo = true;
        if (optarg != NULL)
            options->slabinfo_after =
                (uint64_t)number(program, "slabinfo", optarg, 1, LONG_MAX);
        break;
    case HELP:
        print_help(program);
    case VERSION:
        run_print("%s (kma) %s\n", program, options_version());
        exit(0);
    default:
        refuse_option(argv, result);
    }
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    if (strcmp(a, b) == 0)
        return true;
    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && S_ISREG(of_a.st_mode) &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* No file may be written over the trace, nor two outputs over each other. */
static void check_paths(const struct options *options, const char *program)
{
    for (int i = 0; i < FILES; i++) {
        const char *path = options->paths[i];
        if (path == NULL)
            continue;
        if (strcmp(path, "-") != 0 && is_same_file(path, options->trace_path))
            run_refuse("%s: %s is the trace (try --help)", program, path);
        for (int j = 0; j < i; j++) {
            if (options->paths[j] != NULL && is_same_file(path, options->paths[j]))
                run_refuse("%s: two outputs go to %s (try --help)", program, path);
        }
    }
}

static void refuse_if(bool asked, const char *option, const char *where,
                      const char *program)
{
    if (asked)
        run_refuse("%s: --%s has no meaning %s (try --help)", program, option, where);
}

/* What is not done cannot be asked for. The data file of competition mode is that of
 * the resident set. */
static void refuse_idle_options(struct options *options, const char *program)
{
    const char *where = options->read_only    ? "with --read"
                        : options->calls_only ? "with --calls-only"
                                              : "in competition mode";
    bool replays = !options->calls_only && !options->read_only;
    bool checks = !options->competition && replays;
    if (!checks && options->paths[DATA_FILE] == default_output)
        options->paths[DATA_FILE] = NULL;
    for (int i = 0; i < FILES; i++) {
        bool idle = i == DATA_FILE && !checks && !options->resident;
        bool wanted = replays || (options->read_only && i == JSON_FILE);
        refuse_if(options->paths[i] != NULL && (idle || !wanted), file_options[i],
                  where, program);
    }
    refuse_if(options->audit_every != 0 && !checks, "audit", where, program);
    refuse_if(options->passes != 0 && !replays, "passes", where, program);
    refuse_if(options->resident && !replays, "resident", where, program);
    refuse_if(options->slabinfo && !replays, "slabinfo", where, program);
}

void options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){.competition = COMPETITION_BY_DEFAULT,
                                .paths[DATA_FILE] = default_output,
                                .max_pages = MAXPAGES};
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":", long_options, NULL)) != -1)
        read_option(options, argv, result);
    if (optind == argc)
        run_refuse("%s: no trace given (try --help)", argv[0]);
    if (optind < argc - 1)
        run_refuse("%s: more than one trace given: '%s' (try --help)", argv[0],
                   argv[optind + 1]);
    options->trace_path = argv[optind];
    refuse_idle_options(options, argv[0]);
    bool measures =
        options->paths[JSON_FILE] != NULL || options->paths[LATENCY_FILE] != NULL;
    if (options->passes == 0)
        options->passes = measures ? PASSES_OF_A_MEASUREMENT : PASSES_OF_A_SCORE;
    check_paths(options, argv[0]);
}
