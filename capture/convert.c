/* convert.c - recordings and traces of any kind into a trace of any kind. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/output.h"
#include "../driver/run.h"
#include "about.h"
#include "ledger.h"
#include "sink.h"
#include "source.h"
#include "tool.h"

enum { MOST_SET = 20 };

enum { PAGE_SIZE = 8192, SMALLEST_PAGE = 64, LARGEST_PAGE = 1 << 30, BEST_LEVEL = 19 };

enum { TO = 1000, COLUMNS, LEVEL, PAGE, OVER, KEEP, SET, QUIET, HELP, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"to", required_argument, NULL, TO},
    {"columns", required_argument, NULL, COLUMNS},
    {"level", required_argument, NULL, LEVEL},
    {"page-size", required_argument, NULL, PAGE},
    {"over", required_argument, NULL, OVER},
    {"keep", no_argument, NULL, KEEP},
    {"set", required_argument, NULL, SET},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

struct options {
    const char *program;
    const char *output;
    const char *over;   /* NULL: nothing is split off */
    enum format format; /* FORMAT_UNKNOWN: by an output's ending */
    bool chosen;        /* of columns */
    unsigned columns;
    int level;
    uint64_t page_size; /* 0: any */
    bool keep;
    bool quiet;
    const char *set[MOST_SET]; /* lines of key=value */
    int set_count;
    char **inputs;
    int input_count;
};

static _Noreturn void print_help(const char *program)
{
    run_print("Usage: %s [OPTION]... IN... -o OUT\n"
              "Converts recordings and traces. Several INs are the parts of one "
              "recording.\n\n"
              "Read and written are:\n"
              "  text     kma-trace(5)\n"
              "  compact  compressed, with columns beside the events\n"
              "  perf     what `perf script` prints of kmem events\n"
              "  ftrace   the trace file of tracefs, and `trace-cmd report`\n"
              "  rep      the traces of the CS:APP malloc lab\n"
              "  mtrace   the log of glibc's mtrace()\n",
              program);
    run_print(
        "What IN is shows in its content, what OUT shall be in its ending: .trace\n"
        "and .txt text, .perf, .ftrace, .rep, .mtrace, and compact for all else.\n\n"
        "  -o, --output OUT  the trace to write\n"
        "  --to FORMAT       its format, whatever its ending\n"
        "  --columns LIST    of a compact OUT: all, none, or some of time, cpu, "
        "site,\n"
        "                    cache, spent, with commas (those of the first IN)\n"
        "  --level N         how hard it is compressed, 1 to %d (3)\n",
        BEST_LEVEL);
    run_print(
        "  --page-size P     leave out requests that no page of P bytes can hold,\n"
        "                    and their frees (%d); any: leave out none\n"
        "  --over FILE       write those to FILE instead\n"
        "  --keep            do not free at the end what is never freed\n"
        "  --set KEY=VALUE   what a compact OUT shall tell of itself\n"
        "  --quiet           do not print what was counted\n"
        "  --help            print this and exit\n"
        "  --version         print the version and exit\n\n",
        PAGE_SIZE);
    run_print("IN may be - for standard input, OUT and FILE for standard output.\n"
              "Exit status: 0 done, 2 an input, the command line or an output is at "
              "fault.\n");
    exit(0);
}

static unsigned read_columns(const struct options *options, const char *list)
{
    unsigned columns = 0;
    if (strcmp(list, "none") == 0)
        return 0;
    if (strcmp(list, "all") == 0)
        return (1U << COMPACT_COLUMNS) - 1;
    for (;;) {
        size_t length = strcspn(list, ",");
        int found = 0;
        while (found < COMPACT_COLUMNS &&
               (strlen(compact_column_names[found]) != length ||
                strncmp(compact_column_names[found], list, length) != 0))
            found++;
        if (found == COMPACT_COLUMNS)
            run_refuse("%s: no column is called '%.*s' (try --help)", options->program,
                       (int)length, list);
        columns |= 1U << found;
        if (list[length] == '\0')
            return columns;
        list += length + 1;
    }
}

/* Columns are what the file has, not what somebody says. */
static void add_set(struct options *options, const char *line)
{
    size_t key = strcspn(line, "=");
    if (key == 0 || line[key] == '\0' || strchr(line, '\n') != NULL ||
        (key == strlen("columns") && memcmp(line, "columns", key) == 0))
        run_refuse("%s: --set wants KEY=VALUE, not '%s' (try --help)", options->program,
                   line);
    if (options->set_count == MOST_SET)
        run_refuse("%s: no more than %d --set (try --help)", options->program,
                   MOST_SET);
    options->set[options->set_count++] = line;
}

static void read_option(struct options *options, char **argv, int result)
{
    switch (result) {
    case 'o':
        options->output = optarg;
        break;
    case TO:
        options->format = tool_format(options->program, "to", optarg);
        break;
    case COLUMNS:
        options->columns = read_columns(options, optarg);
        options->chosen = true;
        break;
    case LEVEL:
        options->level =
            (int)tool_number_within(options->program, "level", optarg, 1, BEST_LEVEL);
        break;
    case PAGE:
        options->page_size =
            strcmp(optarg, "any") == 0
                ? 0
                : tool_number_within(options->program, "page-size", optarg,
                                     SMALLEST_PAGE, LARGEST_PAGE);
        break;
    case OVER:
        options->over = optarg;
        break;
    case SET:
        add_set(options, optarg);
        break;
    case KEEP:
        options->keep = true;
        break;
    case QUIET:
        options->quiet = true;
        break;
    case HELP:
        print_help(options->program);
    case VERSION:
        tool_version(options->program);
    default:
        tool_refuse_option(argv, result);
    }
}

static enum format format_of(const struct options *options, const char *path)
{
    return options->format != FORMAT_UNKNOWN ? options->format : sink_format_of(path);
}

static void read_options(struct options *options, int argc, char **argv)
{
    *options = (struct options){.program = argv[0], .page_size = PAGE_SIZE};
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1)
        read_option(options, argv, result);
    options->inputs = argv + optind;
    options->input_count = argc - optind;
    if (options->input_count == 0)
        run_refuse("%s: no input given (try --help)", argv[0]);
    options->output = tool_output(argv[0], options->output);
    if (options->over != NULL && strcmp(options->over, options->output) == 0)
        run_refuse("%s: two outputs go to %s (try --help)", argv[0], options->over);
    if (options->over != NULL && options->page_size == 0)
        run_refuse("%s: --over has no meaning with --page-size any (try --help)",
                   argv[0]);
    for (int i = 0; i < options->input_count; i++) {
        tool_keep_apart(argv[0], options->output, options->inputs[i]);
        if (options->over != NULL)
            tool_keep_apart(argv[0], options->over, options->inputs[i]);
    }
    enum format format = format_of(options, options->output);
    const char *idle = options->chosen           ? "columns"
                       : options->level != 0     ? "level"
                       : options->set_count != 0 ? "set"
                                                 : NULL;
    if (format != FORMAT_COMPACT && idle != NULL)
        run_refuse("%s: --%s has no meaning for the format %s (try --help)", argv[0],
                   idle, format_names[format]);
}

struct conversion {
    struct options options;
    struct vocabulary vocabulary;
    struct about about;
    struct ledger *ledger;
    struct sink *sink;
    struct sink *over;
    uint64_t latest; /* time of the last record */
    uint64_t lost;
    uint64_t skipped;
};

/* What is known of the first input goes for the whole. */
static void open_outputs(struct conversion *conversion, const struct source *source)
{
    const struct options *options = &conversion->options;
    struct about *about = &conversion->about;
    about_add(about, source_about(source), "");
    for (int i = 0; i < options->set_count; i++)
        about_set(about, options->set[i]);
    struct sink_options to = {.path = options->output,
                              .format = format_of(options, options->output),
                              .columns = options->chosen ? options->columns
                                                         : source_columns(source),
                              .level = options->level,
                              .about = about->text,
                              .vocabulary = &conversion->vocabulary};
    conversion->sink = sink_open(&to);
    if (options->over != NULL) {
        to.path = options->over;
        to.format = format_of(options, options->over);
        conversion->over = sink_open(&to);
    }
    struct ledger_options in = {.keep = options->keep,
                                .emit = sink_put,
                                .context = conversion->sink,
                                .emit_large = options->over != NULL ? sink_put : NULL,
                                .large_context = conversion->over,
                                .times_from_0 =
                                    source_format(source) == FORMAT_COMPACT};
    if (options->page_size != 0)
        in.largest = options->page_size - sizeof(void *);
    conversion->ledger = ledger_open(&in);
}

static void convert(struct conversion *conversion, const char *path)
{
    struct trace_error error;
    struct record record;
    enum source_next found;
    struct source *source = source_open(path, &conversion->vocabulary, &error);
    if (source == NULL)
        source_refuse(path, &error);
    if (conversion->ledger == NULL)
        open_outputs(conversion, source);
    uint64_t before = conversion->latest;
    while ((found = source_next(source, &record, &error)) == SOURCE_RECORD) {
        /* The times of a compact part count from its own beginning. */
        if ((source_columns(source) >> COMPACT_TIME & 1) == 0)
            record.time = before;
        else if (source_format(source) == FORMAT_COMPACT)
            record.time += before;
        conversion->latest = record.time;
        ledger_put(conversion->ledger, &record);
    }
    if (found == SOURCE_BAD)
        source_refuse(path, &error);
    conversion->lost += source_lost(source);
    conversion->skipped += source_skipped(source);
    source_close(source);
}

static void print_count(uint64_t count, const char *one, const char *more)
{
    if (count > 0)
        run_print("  %llu %s\n", (unsigned long long)count, count == 1 ? one : more);
}

static void print_counts(const struct conversion *conversion)
{
    uint64_t events = ledger_counts(conversion->ledger)->events;
    uint32_t slots = ledger_slots(conversion->ledger);
    run_print("%s: %llu event%s, at most %lu block%s live\n",
              conversion->options.output, (unsigned long long)events,
              events == 1 ? "" : "s", (unsigned long)slots, slots == 1 ? "" : "s");
    ledger_print(conversion->ledger, run_print);
    print_count(conversion->skipped, "line of something else: passed over",
                "lines of something else: passed over");
    print_count(conversion->lost, "event lost by the recording",
                "events lost by the recording");
}

int main(int argc, char **argv)
{
    static struct conversion conversion;
    run_begin(argv[0]);
    read_options(&conversion.options, argc, argv);
    run_watch_signals();
    for (int i = 0; i < conversion.options.input_count; i++)
        convert(&conversion, conversion.options.inputs[i]);
    ledger_end(conversion.ledger);
    sink_finish(conversion.sink, conversion.lost);
    if (conversion.over != NULL)
        sink_finish(conversion.over, conversion.lost);
    output_finish_all();
    run_report_to(STDERR_FILENO);
    if (!conversion.options.quiet)
        print_counts(&conversion);
    ledger_close(conversion.ledger);
    about_release(&conversion.about);
    names_release(&conversion.vocabulary.sites);
    names_release(&conversion.vocabulary.caches);
    return 0;
}
