/* info.c - the tool `info`: what is in a trace. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/output.h"
#include "../driver/run.h"
#include "info.h"
#include "plotter.h"
#include "tool.h"

enum { JSON = 1000, PNG, HELP, VERSION };

static const struct option long_options[] = {
    {"json", required_argument, NULL, JSON},
    {"png", required_argument, NULL, PNG},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

struct options {
    const char *input;
    const char *json; /* NULL: not written */
    const char *png;
};

static _Noreturn void print_help(const char *program)
{
    run_print(
        "Usage: %s [OPTION]... TRACE\n"
        "Shows what is in a trace or recording of any kind: sizes, lifetimes, call\n"
        "sites, caches, and what the recorded allocator lost by rounding.\n\n"
        "  --json FILE  write all figures as one JSON object\n"
        "  --png FILE   draw sizes and lifetimes, with gnuplot\n"
        "  --help       print this and exit\n"
        "  --version    print the version and exit\n\n",
        program);
    run_print(
        "TRACE may be - for standard input, FILE may be - for standard output; the\n"
        "report then moves to standard error. A lifetime in events is how many\n"
        "events lie from a block's request to its free, 1 when the free is next.\n"
        "Exit status: 0 done, 2 the trace, the command line or an output is at\n"
        "fault.\n");
    exit(0);
}

static void read_option(struct options *options, char **argv, int result)
{
    switch (result) {
    case JSON:
        options->json = optarg;
        break;
    case PNG:
        options->png = optarg;
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
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":", long_options, NULL)) != -1)
        read_option(options, argv, result);
    options->input = tool_trace(argc, argv);
    if (options->json != NULL)
        tool_keep_apart(argv[0], options->json, options->input);
    if (options->png != NULL)
        tool_keep_apart(argv[0], options->png, options->input);
    if (options->json != NULL && options->png != NULL &&
        strcmp(options->json, options->png) == 0)
        run_refuse("%s: two outputs go to %s (try --help)", argv[0], options->json);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct vocabulary vocabulary = {0};
    struct feed feed;
    struct entry entry;
    struct output *json = NULL, *png = NULL;
    struct plotter plotter = {0};
    int report = STDOUT_FILENO;
    run_begin(argv[0]);
    read_options(&options, argc, argv);
    run_watch_signals();
    feed_open(&feed, options.input, &vocabulary);
    if (options.json != NULL)
        json = output_open(options.json);
    if (options.png != NULL) {
        png = output_open(options.png);
        plotter_begin(&plotter, fileno(output_stream(png)));
    }
    struct statistics *statistics = statistics_new();
    while (feed_next(&feed, &entry))
        statistics_put(statistics, &entry);
    bool standard = strcmp(options.input, "-") == 0;
    const struct info info = {standard ? "standard input" : options.input, &feed,
                              statistics, &vocabulary};
    if (png != NULL) {
        info_plot(&info, plotter.script);
        plotter_end(&plotter);
    }
    if (json != NULL)
        info_json(&info, output_stream(json));
    if ((json != NULL && strcmp(options.json, "-") == 0) ||
        (png != NULL && strcmp(options.png, "-") == 0))
        report = STDERR_FILENO;
    run_report_to(report);
    struct terminal terminal = terminal_of(report);
    info_report(&info, &terminal);
    output_finish_all();
    statistics_release(statistics);
    feed_close(&feed);
    names_release(&vocabulary.sites);
    names_release(&vocabulary.caches);
    return 0;
}
