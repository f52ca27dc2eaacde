/* merge.c - the tool `merge`: several traces as one, as if they ran side by side on one
 * allocator.
 *
 * When all have times, each from its own beginning, the earliest event is next. Else the
 * one that is next is that of the trace which is the least far, by its share of events:
 * the k-th of n stands at k/n. The counts that this needs are found by reading the
 * traces once before. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/run.h"
#include "edit.h"
#include "tool.h"

enum { SEQUENTIAL = 1000, TO, HELP, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"sequential", no_argument, NULL, SEQUENTIAL},
    {"to", required_argument, NULL, TO},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

struct options {
    char **inputs;
    uint32_t count;
    struct edit_options output;
    bool sequential;
};

/* One of the traces that are merged. */
struct strand {
    struct feed feed;
    struct entry next;
    bool more;      /* `next` is an event that still has to be written */
    uint64_t done;  /* events that were written */
    uint64_t total; /* where it is needed */
};

enum order { BY_TIME, BY_SHARE, ONE_BY_ONE };

struct merge {
    struct options options;
    struct vocabulary vocabulary;
    struct strand *strands;
    enum order order;
    struct edit edit;
};

static _Noreturn void print_help(const char *program)
{
    run_print("Usage: %s IN... [OPTION]... -o OUT\n"
              "Writes several traces as one, as if they ran side by side on one "
              "allocator.\n"
              "Each keeps its own order. When all have times, each since its own "
              "beginning,\n"
              "the times decide which event is next; else all advance evenly, and end "
              "together.\n\n",
              program);
    run_print(
        "  -o, --output OUT  the trace to write\n"
        "  --sequential      one after the other\n"
        "  --to FORMAT       of OUT, whatever its ending: text, compact, perf,\n"
        "                    ftrace, rep, mtrace\n"
        "  --help            print this and exit\n"
        "  --version         print the version and exit\n\n"
        "The columns that all of them have are kept. One IN may be - for standard\n"
        "input, unless they advance evenly: they are read twice then. OUT may be\n"
        "- for standard output.\n");
    run_print("Exit status: 0 done, 2 an input, the command line or the output is at "
              "fault.\n");
    exit(0);
}

static void read_option(struct options *options, char **argv, int result)
{
    switch (result) {
    case 'o':
        options->output.path = optarg;
        break;
    case SEQUENTIAL:
        options->sequential = true;
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
    bool standard = false;
    opterr = 0;
    int result;
    while ((result = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1)
        read_option(options, argv, result);
    if (optind == argc)
        run_refuse("%s: no trace given (try --help)", argv[0]);
    options->inputs = argv + optind;
    options->count = (uint32_t)(argc - optind);
    options->output.path = tool_output(argv[0], options->output.path);
    for (uint32_t i = 0; i < options->count; i++) {
        bool is_standard = strcmp(options->inputs[i], "-") == 0;
        tool_keep_apart(argv[0], options->output.path, options->inputs[i]);
        if (is_standard && standard)
            run_refuse("%s: standard input is given twice (try --help)", argv[0]);
        standard = standard || is_standard;
    }
}

/* Traces without an event have no say in the columns. */
static unsigned common_columns(const struct merge *merge)
{
    unsigned columns = (1U << COMPACT_COLUMNS) - 1;
    bool any = false;
    for (uint32_t i = 0; i < merge->options.count; i++) {
        const struct strand *strand = &merge->strands[i];
        if (strand->more)
            columns &= feed_columns(&strand->feed);
        any = any || strand->more;
    }
    return any ? columns : 0;
}

static void check_twice(const char *path)
{
    struct stat status;
    if (strcmp(path, "-") == 0 ||
        (stat(path, &status) == 0 && !S_ISREG(status.st_mode)))
        run_refuse("%s: can be read only once, but without times in all traces each is "
                   "read twice: give a file, or --sequential",
                   strcmp(path, "-") == 0 ? "standard input" : path);
}

static void count_events(struct strand *strand)
{
    struct vocabulary vocabulary = {0};
    struct entry entry;
    struct feed feed;
    feed_open(&feed, strand->feed.path, &vocabulary);
    while (feed_next(&feed, &entry))
        strand->total++;
    feed_close(&feed);
    names_release(&vocabulary.sites);
    names_release(&vocabulary.caches);
}

/* Opens the traces, up to the first event of each, which tells its columns. */
static unsigned open_strands(struct merge *merge)
{
    const struct options *options = &merge->options;
    merge->strands = calloc(options->count, sizeof *merge->strands);
    if (merge->strands == NULL)
        run_refuse("no memory for %lu traces", (unsigned long)options->count);
    for (uint32_t i = 0; i < options->count; i++) {
        struct strand *strand = &merge->strands[i];
        feed_open(&strand->feed, options->inputs[i], &merge->vocabulary);
        strand->more = feed_next(&strand->feed, &strand->next);
    }
    unsigned columns = common_columns(merge);
    merge->order = options->sequential             ? ONE_BY_ONE
                   : (columns >> COMPACT_TIME & 1) ? BY_TIME
                                                   : BY_SHARE;
    for (uint32_t i = 0; i < options->count && merge->order == BY_SHARE; i++)
        check_twice(options->inputs[i]);
    for (uint32_t i = 0; i < options->count && merge->order == BY_SHARE; i++)
        count_events(&merge->strands[i]);
    return columns;
}

static void open_output(struct merge *merge, unsigned columns)
{
    static const char *const orders[] = {" by time", " by share", " --sequential"};
    struct about about = {0};
    char done[80];
    for (uint32_t i = 0; i < merge->options.count; i++)
        about_add(&about, source_about(merge->strands[i].feed.source), " + ");
    snprintf(done, sizeof done, "merge of %lu%s", (unsigned long)merge->options.count,
             orders[merge->order]);
    edit_open(&merge->edit, &merge->options.output, &about, done, columns,
              &merge->vocabulary);
    about_release(&about);
}

/* Where in the merged trace a strand's next event wants to be; of two that want the same
 * place the one of the earlier strand comes first. */
static bool is_earlier(const struct merge *merge, const struct strand *a,
                       const struct strand *b)
{
    if (merge->order == BY_TIME)
        return a->next.time < b->next.time;
    double place_a = (double)(a->done + 1) / (double)a->total;
    double place_b = (double)(b->done + 1) / (double)b->total;
    return merge->order == BY_SHARE && place_a < place_b;
}

/* NULL when all are at their ends. */
static struct strand *next_strand(const struct merge *merge)
{
    struct strand *best = NULL;
    for (uint32_t i = 0; i < merge->options.count; i++) {
        struct strand *strand = &merge->strands[i];
        if (!strand->more)
            continue;
        if (best == NULL || is_earlier(merge, strand, best))
            best = strand;
        if (merge->order == ONE_BY_ONE)
            break;
    }
    return best;
}

static void write_all(struct merge *merge)
{
    struct strand *strand;
    const struct strand *last = NULL;
    uint64_t start = 0, latest = 0; /* of the present strand when they go one by one */
    while ((strand = next_strand(merge)) != NULL) {
        struct entry entry = strand->next;
        if (merge->order == ONE_BY_ONE && strand != last)
            start = latest;
        last = strand;
        entry.time += start;
        latest = entry.time;
        edit_put(&merge->edit, &entry, (uint32_t)(strand - merge->strands));
        strand->done++;
        strand->more = feed_next(&strand->feed, &strand->next);
        if (merge->order == BY_SHARE && strand->more != (strand->done < strand->total))
            run_refuse("%s: was changed while it was read", strand->feed.path);
    }
}

int main(int argc, char **argv)
{
    static struct merge merge;
    uint64_t lost = 0;
    run_begin(argv[0]);
    read_options(&merge.options, argc, argv);
    run_watch_signals();
    open_output(&merge, open_strands(&merge));
    write_all(&merge);
    for (uint32_t i = 0; i < merge.options.count; i++) {
        lost += feed_lost(&merge.strands[i].feed);
        feed_close(&merge.strands[i].feed);
    }
    struct ledger_counts counts = edit_finish(&merge.edit, lost);
    run_report_to(STDERR_FILENO);
    run_print("%s: %llu events of %lu traces\n", merge.options.output.path,
              (unsigned long long)counts.events, (unsigned long)merge.options.count);
    free(merge.strands);
    names_release(&merge.vocabulary.sites);
    names_release(&merge.vocabulary.caches);
    return 0;
}
