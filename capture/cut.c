/* cut.c - the tool `cut`: a part of a trace as a trace of its own.
 *
 * The input is read to its end although the part may end before: only there a trace says
 * how many events its recording has lost, and whether it is whole. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/run.h"
#include "edit.h"
#include "tool.h"

enum { FROM = 1000, TO, WITH_LIVE, FREE, FORMAT, HELP, VERSION };

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"from", required_argument, NULL, FROM},
    {"to", required_argument, NULL, TO},
    {"with-live", no_argument, NULL, WITH_LIVE},
    {"free", no_argument, NULL, FREE},
    {"format", required_argument, NULL, FORMAT},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {0},
};

/* Where the part begins or ends. */
struct bound {
    const char *text; /* NULL: at the trace's own beginning or end */
    bool is_time;
    uint64_t value; /* number of the event, or ns */
};

struct options {
    const char *input;
    struct edit_options output;
    struct bound from, to;
    bool with_live;
};

struct cut {
    struct options options;
    struct vocabulary vocabulary;
    struct feed feed;
    struct edit edit;
    struct entry
        *live; /* by slot, the request; size 0: not live. For with_live alone */
    uint32_t room;
    uint64_t number; /* of the present event */
    uint64_t start;  /* time that becomes 0 */
    bool begun;      /* the part has */
};

static _Noreturn void print_help(const char *program)
{
    run_print(
        "Usage: %s IN [OPTION]... -o OUT\n"
        "Writes the events of IN from A to B as a trace of their own.\n\n"
        "  -o, --output OUT   the trace to write\n"
        "  --from A, --to B   the first and the last event: numbers, counted from\n"
        "                     1, or times such as 1.5s, 200ms, 30us, 9ns since the\n"
        "                     recording began. What happened at time B itself is no\n"
        "                     longer in the part.\n",
        program);
    run_print("  --with-live        begin with a request for each block that is live\n"
              "                     then; without it their frees are left out\n"
              "  --free             free at the end what is live then\n"
              "  --format FORMAT    of OUT, whatever its ending: text, compact, perf,\n"
              "                     ftrace, rep, mtrace\n"
              "  --help             print this and exit\n"
              "  --version          print the version and exit\n\n"
              "IN may be - for standard input, OUT for standard output.\n"
              "Exit status: 0 done, 2 the input, the command line or the output is at "
              "fault.\n");
    exit(0);
}

/* "1.5s" in ns. False when it is no time. */
static bool read_time(const char *text, uint64_t *value)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    const double most = 9e18;
    char number[32];
    double count;
    size_t length = strspn(text, "0123456789.");
    if (length >= sizeof number)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + length, units[i].name) != 0)
            continue;
        if (!tool_real(number, &count) || count * units[i].ns > most)
            return false;
        *value = (uint64_t)(count * units[i].ns + 0.5);
        return true;
    }
    return false;
}

static struct bound read_bound(const char *program, const char *option,
                               const char *text)
{
    struct bound bound = {.text = text};
    bound.is_time = read_time(text, &bound.value);
    if (!bound.is_time && (!tool_number(text, &bound.value) || bound.value == 0))
        run_refuse(
            "%s: --%s wants the number of an event, from 1 on, or a time such as "
            "1.5s, not '%s' (try --help)",
            program, option, text);
    return bound;
}

static void read_option(struct options *options, char **argv, int result)
{
    switch (result) {
    case 'o':
        options->output.path = optarg;
        break;
    case FROM:
        options->from = read_bound(argv[0], "from", optarg);
        break;
    case TO:
        options->to = read_bound(argv[0], "to", optarg);
        break;
    case WITH_LIVE:
        options->with_live = true;
        break;
    case FREE:
        options->output.free_at_end = true;
        break;
    case FORMAT:
        options->output.format = tool_format(argv[0], "format", optarg);
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
    while ((result = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1)
        read_option(options, argv, result);
    options->input = tool_trace(argc, argv);
    options->output.path = tool_output(argv[0], options->output.path);
    const struct bound *from = &options->from, *to = &options->to;
    if (from->text != NULL && to->text != NULL && from->is_time == to->is_time &&
        from->value > to->value)
        run_refuse("%s: --from %s is behind --to %s (try --help)", argv[0], from->text,
                   to->text);
    tool_keep_apart(argv[0], options->output.path, options->input);
}

static void check_times(const struct cut *cut)
{
    const struct bound *bounds[] = {&cut->options.from, &cut->options.to};
    bool timed = (feed_columns(&cut->feed) >> COMPACT_TIME & 1) != 0;
    for (int i = 0; i < 2; i++) {
        if (bounds[i]->text != NULL && bounds[i]->is_time && !timed)
            run_refuse("%s: has no times, so %s is no place in it", cut->options.input,
                       bounds[i]->text);
    }
}

/* Opened with the first event: before it the columns are not known. */
static void open_output(struct cut *cut)
{
    const struct options *options = &cut->options;
    struct about about = {0};
    char done[200];
    const struct bound *from = &options->from, *to = &options->to;
    snprintf(done, sizeof done, "cut%s%.40s%s%.40s%s%s",
             from->text != NULL ? " --from " : "", from->text != NULL ? from->text : "",
             to->text != NULL ? " --to " : "", to->text != NULL ? to->text : "",
             options->with_live ? " --with-live" : "",
             options->output.free_at_end ? " --free" : "");
    about_add(&about, source_about(cut->feed.source), "; ");
    edit_open(&cut->edit, &options->output, &about, done, feed_columns(&cut->feed),
              &cut->vocabulary);
    about_release(&about);
}

/* An event before the part. */
static void remember(struct cut *cut, const struct entry *entry)
{
    uint32_t slot = entry->event.slot;
    if (!cut->options.with_live)
        return;
    if (slot >= cut->room) {
        /* New slots come one by one. */
        uint32_t room = cut->room == 0 ? 1024 : cut->room * 2;
        struct entry *larger = reallocarray(cut->live, room, sizeof *larger);
        if (larger == NULL)
            run_refuse("no memory for more than %lu live blocks",
                       (unsigned long)cut->room);
        memset(larger + cut->room, 0, (room - cut->room) * sizeof *larger);
        cut->live = larger;
        cut->room = room;
    }
    cut->live[slot] = *entry;
}

/* `first`: the part's first event, NULL when there is none. */
static void begin_part(struct cut *cut, const struct entry *first)
{
    const struct bound *from = &cut->options.from;
    cut->begun = true;
    if (from->text != NULL && from->is_time)
        cut->start = from->value;
    else if (first != NULL)
        cut->start = first->time;
    for (uint32_t slot = 0; slot < cut->room; slot++) {
        if (cut->live[slot].event.size == 0)
            continue;
        cut->live[slot].time = 0;
        edit_put(&cut->edit, &cut->live[slot], 0);
    }
    free(cut->live);
    cut->live = NULL;
    cut->room = 0;
}

static uint64_t place_of(const struct cut *cut, const struct bound *bound,
                         const struct entry *entry)
{
    return bound->is_time ? entry->time : cut->number;
}

static bool is_before(const struct cut *cut, const struct entry *entry)
{
    const struct bound *from = &cut->options.from;
    return from->text != NULL && place_of(cut, from, entry) < from->value;
}

static bool is_after(const struct cut *cut, const struct entry *entry)
{
    const struct bound *to = &cut->options.to;
    /* An event is at a number, but before or after a moment. */
    return to->text != NULL && place_of(cut, to, entry) >= to->value + !to->is_time;
}

static void put_event(struct cut *cut, struct entry *entry)
{
    cut->number++;
    if (!cut->begun && is_before(cut, entry)) {
        remember(cut, entry);
        return;
    }
    if (!cut->begun)
        begin_part(cut, entry);
    if (is_after(cut, entry))
        return;
    entry->time -= cut->start;
    edit_put(&cut->edit, entry, 0);
}

static void report(const struct cut *cut, const struct ledger_counts *counts)
{
    run_report_to(STDERR_FILENO);
    run_print("%s: %llu events of %llu\n", cut->options.output.path,
              (unsigned long long)counts->events, (unsigned long long)cut->number);
    if (counts->unknown_frees > 0)
        run_print("  %llu %s from before the part: left out\n",
                  (unsigned long long)counts->unknown_frees,
                  counts->unknown_frees == 1 ? "free of a block" : "frees of blocks");
    if (counts->left > 0)
        run_print("  %llu %s live at the end: %s\n", (unsigned long long)counts->left,
                  counts->left == 1 ? "block" : "blocks",
                  cut->options.output.free_at_end ? "freed there" : "left so");
}

int main(int argc, char **argv)
{
    static struct cut cut;
    struct entry entry;
    run_begin(argv[0]);
    read_options(&cut.options, argc, argv);
    run_watch_signals();
    feed_open(&cut.feed, cut.options.input, &cut.vocabulary);
    bool more = feed_next(&cut.feed, &entry);
    if (more)
        check_times(&cut);
    open_output(&cut);
    for (; more; more = feed_next(&cut.feed, &entry))
        put_event(&cut, &entry);
    if (!cut.begun)
        begin_part(&cut, NULL);
    struct ledger_counts counts = edit_finish(&cut.edit, feed_lost(&cut.feed));
    feed_close(&cut.feed);
    report(&cut, &counts);
    names_release(&cut.vocabulary.sites);
    names_release(&cut.vocabulary.caches);
    return 0;
}
