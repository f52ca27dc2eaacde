/* info_report.c - what is in a trace, to be read by a person: where it comes from, its
 * totals, who made the requests, and what rounding cost. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/compact.h"
#include "../driver/run.h"
#include "info.h"

enum { LABEL = 12, MOST_CPUS_SHOWN = 16, MOST_ABOUT_LINES = 40 };

/* "1 block", "1,234 blocks". */
static struct number counted(uint64_t count, const char *what)
{
    struct number text;
    snprintf(text.text, sizeof text.text, "%.32s %s%s", number_of(count).text, what,
             count == 1 ? "" : "s");
    return text;
}

/* "  peak          " and what is to follow. */
static void begin_line(const char *label)
{
    run_print("  %-*s  ", LABEL, label);
}

static void put_about(const struct info *info, const struct terminal *terminal)
{
    struct about_line line = about_line(source_about(info->feed->source));
    for (int i = 0; line.next != NULL && i < MOST_ABOUT_LINES; i++) {
        struct shown key = shown_name(terminal, line.key, LABEL, true);
        struct shown value =
            shown_name(terminal, line.value, terminal->width - LABEL - 4, false);
        run_print("  %s  %s\n", key.text, value.text);
        line = about_line(line.next);
    }
}

static void put_kind(const struct info *info, const struct terminal *terminal)
{
    const char *separator = "";
    begin_line("kind");
    run_print("%s", format_names[source_format(info->feed->source)]);
    for (unsigned i = 0; i < COMPACT_COLUMNS; i++) {
        if (!info_has(info, i))
            continue;
        run_print("%s%s", separator[0] == '\0' ? ", with " : separator,
                  compact_column_names[i]);
        separator = ", ";
    }
    run_print("\n");
    put_about(info, terminal);
}

static void put_lost(const struct info *info, const struct terminal *terminal)
{
    uint64_t lost = feed_lost(info->feed);
    if (lost == 0)
        return;
    run_print("  %sINCOMPLETE: %s %s lost%s\n", terminal_ink(terminal, ALARM),
              counted(lost, "event").text, lost == 1 ? "was" : "were",
              terminal_ink(terminal, PLAIN));
}

static void put_duration(const struct info *info)
{
    const struct statistics *statistics = info->statistics;
    uint64_t ns = statistics->last_time - statistics->first_time;
    if (!info_has(info, COMPACT_TIME) || statistics->events == 0)
        return;
    begin_line("duration");
    run_print("%s", number_of_time(ns).text);
    if (ns > 0)
        run_print(
            ", %s events/s",
            number_of((uint64_t)((double)statistics->events * 1e9 / (double)ns)).text);
    run_print("\n");
}

static void put_live(const char *label, uint64_t bytes, uint64_t blocks)
{
    begin_line(label);
    run_print("%s in %s\n", number_of_bytes(bytes).text, counted(blocks, "block").text);
}

static void put_peaks(const struct statistics *statistics)
{
    begin_line("peak");
    if (statistics->peak_bytes_event == 0) {
        run_print("nothing was requested\n");
        return;
    }
    run_print("%s at event %s", number_of_bytes(statistics->peak_bytes).text,
              number_of(statistics->peak_bytes_event).text);
    run_print(", %s at event %s\n", counted(statistics->peak_blocks, "block").text,
              number_of(statistics->peak_blocks_event).text);
    begin_line("mean request");
    run_print("%.1f bytes\n",
              (double)statistics->sizes.sum / (double)statistics->requests + 1);
}

static void put_totals(const struct info *info, const struct terminal *terminal)
{
    const struct statistics *statistics = info->statistics;
    begin_line("events");
    run_print("%s: %s, %s\n", number_of(statistics->events).text,
              counted(statistics->requests, "request").text,
              counted(statistics->events - statistics->requests, "free").text);
    put_lost(info, terminal);
    put_duration(info);
    put_peaks(statistics);
    put_live("at the end", statistics->live_bytes, statistics->live_blocks);
    for (int i = 0; i < PAGES && statistics->requests > 0; i++) {
        unsigned limit = statistics_page[i] - (unsigned)sizeof(void *);
        begin_line(i == 0 ? "over a page" : "");
        run_print("%s (%s) over %s bytes (%s-byte pages)\n",
                  counted(statistics->over_limit[i], "request").text,
                  number_of_share(statistics->over_limit[i], statistics->requests).text,
                  number_of(limit).text, number_of(statistics_page[i]).text);
    }
}

/* What a recording lacked, and what was made of it. */
static void put_mended(const struct info *info, const struct terminal *terminal)
{
    const struct ledger_counts *counts = ledger_counts(info->feed->ledger);
    uint64_t skipped = source_skipped(info->feed->source);
    uint64_t mended = counts->unknown_frees + counts->null_frees + counts->failed +
                      counts->empty + counts->lost_frees + counts->reallocs +
                      counts->too_large + counts->late;
    if (mended + skipped == 0)
        return;
    run_print("\n%sMended%s\n", terminal_ink(terminal, BOLD),
              terminal_ink(terminal, PLAIN));
    ledger_print(info->feed->ledger, run_print);
    if (skipped > 0)
        run_print("  %s of something else: passed over\n",
                  counted(skipped, "line").text);
}

/* A table of names: four columns of numbers behind them. */
enum { NUMBER_COLUMNS = 4, NUMBERS_WIDTH = 45 };
static const int number_width[NUMBER_COLUMNS] = {12, 10, 10, 13};

static unsigned name_width(const struct terminal *terminal)
{
    return terminal->width - 2 - NUMBERS_WIDTH;
}

static void put_heading(const struct terminal *terminal, const char *what,
                        uint32_t count, const char *const columns[NUMBER_COLUMNS])
{
    char title[64];
    const char *bold = terminal_ink(terminal, BOLD);
    if (count > INFO_MOST_NAMES)
        snprintf(title, sizeof title, "%s: %d of %.32s", what, INFO_MOST_NAMES,
                 number_of(count).text);
    else
        snprintf(title, sizeof title, "%s", what);
    run_print("\n%s%-*s", bold, (int)name_width(terminal) + 2, title);
    for (int i = 0; i < NUMBER_COLUMNS; i++)
        run_print("%*s", number_width[i], columns[i]);
    run_print("%s\n", terminal_ink(terminal, PLAIN));
}

static void put_group(const struct terminal *terminal, const struct names *names,
                      const struct group *group,
                      const struct number numbers[NUMBER_COLUMNS])
{
    const char *text = names_text(names, group->number);
    struct shown name = shown_name(terminal, text, name_width(terminal), true);
    run_print("  %s", name.text);
    for (int i = 0; i < NUMBER_COLUMNS; i++)
        run_print("%*s", number_width[i], numbers[i].text);
    run_print("\n");
}

static void put_groups(const struct info *info, const struct terminal *terminal,
                       const char *what, const struct groups *groups,
                       const struct names *names)
{
    static const char *const columns[] = {"requests", "share", "requested",
                                          "live at end"};
    uint32_t count;
    struct group *ranked = groups_ranked(groups, BY_REQUESTS, &count);
    if (count > 0)
        put_heading(terminal, what, count, columns);
    for (uint32_t i = 0; i < count && i < INFO_MOST_NAMES; i++) {
        const struct group *group = &ranked[i];
        const struct number numbers[] = {
            number_of(group->requests),
            number_of_share(group->requests, info->statistics->requests),
            number_of_bytes(group->bytes), number_of_bytes(group->live_bytes)};
        put_group(terminal, names, group, numbers);
    }
    free(ranked);
}

static int compare_cpus(const void *a, const void *b)
{
    const uint64_t *const *one = a, *const *other = b;
    if (**one != **other)
        return **one < **other ? 1 : -1;
    return *one < *other ? -1 : 1;
}

static void put_cpus(const struct info *info, const struct terminal *terminal)
{
    const struct statistics *statistics = info->statistics;
    static const uint64_t *ranked[MOST_CPUS];
    unsigned count = 0, column = 0;
    uint64_t shown = 0;
    for (unsigned i = 0; i < MOST_CPUS; i++) {
        if (statistics->cpu[i] > 0)
            ranked[count++] = &statistics->cpu[i];
    }
    qsort(ranked, count, sizeof *ranked, compare_cpus);
    run_print("\n%sCPUs by events%s\n", terminal_ink(terminal, BOLD),
              terminal_ink(terminal, PLAIN));
    for (unsigned i = 0; i < count && i < MOST_CPUS_SHOWN; i++) {
        if (column + 13 > terminal->width) {
            run_print("\n");
            column = 0;
        }
        run_print("%6u %6s", (unsigned)(ranked[i] - statistics->cpu),
                  number_of_share(*ranked[i], statistics->events).text);
        column += 13;
        shown += *ranked[i];
    }
    run_print("\n");
    if (shown < statistics->events)
        run_print("  all others: %s\n",
                  number_of_share(statistics->events - shown, statistics->events).text);
    run_print("  freed on another CPU than requested on: %s of the frees\n",
              number_of_share(statistics->moved, statistics->lifetimes.count).text);
}

static void put_waste(const char *label, const struct rounding *rounding)
{
    begin_line(label);
    run_print("%s requested, %s spent: %.1f%% wasted\n",
              number_of_bytes(rounding->requested).text,
              number_of_bytes(rounding->spent).text, 100 * rounding_waste(rounding));
}

static void put_wasteful(const struct terminal *terminal, const char *what,
                         const struct groups *groups, const struct names *names)
{
    static const char *const columns[] = {"requested", "spent", "wasted", "per cent"};
    uint32_t count;
    struct group *ranked = groups_ranked(groups, BY_WASTE, &count);
    if (count > 0)
        put_heading(terminal, what, count, columns);
    for (uint32_t i = 0; i < count && i < INFO_MOST_NAMES; i++) {
        const struct group *group = &ranked[i];
        uint64_t waste = group->spent - group->known_bytes;
        const struct number numbers[] = {
            number_of_bytes(group->known_bytes), number_of_bytes(group->spent),
            number_of_bytes(waste), number_of_share(waste, group->known_bytes)};
        put_group(terminal, names, group, numbers);
    }
    free(ranked);
}

static void put_rounding(const struct info *info, const struct terminal *terminal)
{
    const struct statistics *statistics = info->statistics;
    run_print("\n%sRounding by the recorded allocator%s\n",
              terminal_ink(terminal, BOLD), terminal_ink(terminal, PLAIN));
    if (statistics->known_requests < statistics->requests) {
        begin_line("known for");
        run_print(
            "%s of the requests\n",
            number_of_share(statistics->known_requests, statistics->requests).text);
    }
    put_waste("at the peak", &statistics->peak);
    put_waste("all requests", &statistics->all);
    begin_line("mean");
    run_print("%.1f%% wasted after each event: a penalty of %.3f\n",
              100 * statistics_penalty(statistics), statistics_penalty(statistics));
    if (info_has(info, COMPACT_CACHE))
        put_wasteful(terminal, "Caches by waste", &statistics->caches,
                     &info->vocabulary->caches);
    else if (info_has(info, COMPACT_SITE))
        put_wasteful(terminal, "Call sites by waste", &statistics->sites,
                     &info->vocabulary->sites);
}

void info_report(const struct info *info, const struct terminal *terminal)
{
    const struct statistics *statistics = info->statistics;
    const struct vocabulary *vocabulary = info->vocabulary;
    struct shown name = shown_name(terminal, info->name, terminal->width, false);
    run_print("%s%s%s\n", terminal_ink(terminal, BOLD), name.text,
              terminal_ink(terminal, PLAIN));
    put_kind(info, terminal);
    put_totals(info, terminal);
    put_mended(info, terminal);
    if (statistics->requests == 0)
        return;
    info_report_sizes(info, terminal);
    info_report_lifetimes(info, terminal);
    if (info_has(info, COMPACT_SITE))
        put_groups(info, terminal, "Call sites", &statistics->sites,
                   &vocabulary->sites);
    if (info_has(info, COMPACT_CACHE))
        put_groups(info, terminal, "Caches", &statistics->caches, &vocabulary->caches);
    if (info_has(info, COMPACT_CPU))
        put_cpus(info, terminal);
    if (info_has(info, COMPACT_SPENT))
        put_rounding(info, terminal);
}
