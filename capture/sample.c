/* sample.c - the tool `sample`: some of the blocks of a trace, each with its request and
 * its free. Sizes and lifetimes keep their mix, and the load is the smaller. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "../driver/run.h"
#include "edit.h"
#include "tool.h"

enum { SHARE = 1000, SEED, TO, HELP, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"share", required_argument, NULL, SHARE},
    {"seed", required_argument, NULL, SEED},
    {"to", required_argument, NULL, TO},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

struct options {
    const char *input;
    struct edit_options output;
    double share; /* 0: not given */
    uint64_t seed;
};

static _Noreturn void print_help(const char *program)
{
    run_print(
        "Usage: %s IN --share P [OPTION]... -o OUT\n"
        "Keeps each block of IN, its request and its free, with probability P.\n\n"
        "  -o, --output OUT  the trace to write\n"
        "  --share P         over 0 and at most 1\n"
        "  --seed N          another number gives another sample (1); the same one\n"
        "                    gives the same sample\n"
        "  --to FORMAT       of OUT, whatever its ending: text, compact, perf,\n"
        "                    ftrace, rep, mtrace\n"
        "  --help            print this and exit\n"
        "  --version         print the version and exit\n\n",
        program);
    run_print("IN may be - for standard input, OUT for standard output.\n"
              "Exit status: 0 done, 2 the input, the command line or the output is at "
              "fault.\n");
    exit(0);
}

static void read_option(struct options *options, char **argv, int result)
{
    switch (result) {
    case 'o':
        options->output.path = optarg;
        break;
    case SHARE:
        if (!tool_real(optarg, &options->share) || options->share <= 0 ||
            options->share > 1)
            run_refuse("%s: --share wants a number over 0 and at most 1, not '%s' (try "
                       "--help)",
                       argv[0], optarg);
        break;
    case SEED:
        if (!tool_number(optarg, &options->seed))
            run_refuse("%s: --seed wants a number from 0 on, not '%s' (try --help)",
                       argv[0], optarg);
        break;
    case TO:
        options->output.format = tool_format(argv[0], "to", optarg);
        break;
    case HELP:
        print_help(argv[0]);
    case VERSION:
        tool_version(argv[0]);
    default:
        tool_refuse_option(argv, result);
    }
}

static void read_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.seed = 1};
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1)
        read_option(options, argv, result);
    options->input = tool_trace(argc, argv);
    options->output.path = tool_output(argv[0], options->output.path);
    if (options->share == 0)
        run_refuse("%s: no share given: --share (try --help)", argv[0]);
    tool_keep_apart(argv[0], options->output.path, options->input);
}

/* A number drawn for a request: of a seed and the request's own number, so that it does
 * not depend on what was drawn before. The finish is that of splitmix64. */
static uint64_t draw(uint64_t seed, uint64_t number)
{
    uint64_t x =
        seed * UINT64_C(0xd1342543de82ef95) + number * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static bool is_drawn(const struct options *options, uint64_t number)
{
    return options->share == 1 ||
           draw(options->seed, number) < (uint64_t)(options->share * 0x1p64);
}

int main(int argc, char **argv)
{
    struct options options;
    struct vocabulary vocabulary = {0};
    struct about about = {0};
    struct feed feed;
    struct edit edit;
    struct entry entry;
    char done[120];
    uint64_t requests = 0, drawn = 0;
    run_begin(argv[0]);
    read_options(&options, argc, argv);
    run_watch_signals();
    feed_open(&feed, options.input, &vocabulary);
    bool more = feed_next(&feed, &entry);
    about_add(&about, source_about(feed.source), "; ");
    snprintf(done, sizeof done, "sample --share %g --seed %llu", options.share,
             (unsigned long long)options.seed);
    edit_open(&edit, &options.output, &about, done, feed_columns(&feed), &vocabulary);
    for (; more; more = feed_next(&feed, &entry)) {
        bool request = entry.event.size > 0;
        requests += request;
        if (request && !is_drawn(&options, requests))
            continue;
        drawn += request;
        edit_put(&edit, &entry, 0);
    }
    struct ledger_counts counts = edit_finish(&edit, feed_lost(&feed));
    feed_close(&feed);
    run_report_to(STDERR_FILENO);
    run_print("%s: %llu events, %llu blocks of %llu\n", options.output.path,
              (unsigned long long)counts.events, (unsigned long long)drawn,
              (unsigned long long)requests);
    about_release(&about);
    names_release(&vocabulary.sites);
    names_release(&vocabulary.caches);
    return 0;
}
