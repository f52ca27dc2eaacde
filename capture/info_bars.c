/* info_bars.c - the histograms of a report: blocks by size, and how long they lived. */

#include <stdio.h>
#include <string.h>
#include "../driver/compact.h"
#include "../driver/run.h"
#include "info.h"

/* A class of sizes: from bucket `first` on and before bucket `end`. */
struct class
{
    unsigned first;
    unsigned end;
    struct bucket in;
};

enum {
    MOST_CLASSES = 64,
    /* Octaves are halved, the fullest first, down to quarters, while one has more than
     * this share of the requests and the rows are not too many. */
    FULL_PERCENT = 10,
    MOST_ROWS = 22,
    LOWEST_CLASS = 8, /* buckets: sizes 1 to 8 */
    LABEL = 15,
    COUNT = 13,
    SHARE = 7
};

static struct class class_of(const struct histogram *sizes, unsigned first,
                             unsigned end)
{
    return (struct class){first, end, histogram_range(sizes, first, end)};
}

/* Buckets of a quarter of the octave that the class lies in; no class is smaller. */
static unsigned quarter_of(const struct class *class)
{
    return class->first < 16 ? 2 : 4;
}

/* The fullest class that may be halved, or -1. */
static int fullest(const struct class *classes, int count, uint64_t requests)
{
    int found = -1;
    for (int i = 0; i < count; i++) {
        const struct class *class = &classes[i];
        if (class->end - class->first <= quarter_of(class) ||
            class->in.count * 100 <= requests * FULL_PERCENT)
            continue;
        if (found < 0 || class->in.count > classes[found].in.count)
            found = i;
    }
    return found;
}

/* Powers of two, from the first to the last in which there is something; those in which
 * there is much in parts. Returns how many. */
static int make_classes(const struct histogram *sizes, struct class *classes)
{
    unsigned first, end;
    int count = 0, full;
    if (!histogram_extent(sizes, &first, &end))
        return 0;
    for (unsigned low = 0, high = LOWEST_CLASS; low < end;
         low = high, high = high < 16 ? 16 : high + 16) {
        if (high > first && count < MOST_CLASSES)
            classes[count++] = class_of(sizes, low, high);
    }
    while (count < MOST_ROWS && (full = fullest(classes, count, sizes->count)) >= 0) {
        struct class *class = &classes[full];
        unsigned middle = (class->first + class->end) / 2, last = class->end;
        memmove(class + 1, class, (size_t)(count++ - full) * sizeof *class);
        class[0] = class_of(sizes, class->first, middle);
        class[1] = class_of(sizes, middle, last);
    }
    while (classes[count - 1].in.count == 0)
        count--;
    int empty = 0;
    while (classes[empty].in.count == 0)
        empty++;
    memmove(classes, classes + empty, (size_t)(count - empty) * sizeof *classes);
    return count - empty;
}

/* "129-192"; beyond 64 KiB in units: "64-80 KiB" is for what is over 64 KiB. */
static struct number size_label(uint64_t low, uint64_t high)
{
    struct number label;
    static const char *const units[] = {"", " KiB", " MiB", " GiB"};
    unsigned unit = 0;
    if (high <= 65536) {
        snprintf(label.text, sizeof label.text, low == high ? "%llu" : "%llu-%llu",
                 (unsigned long long)low, (unsigned long long)high);
        return label;
    }
    /* The class ends with `high` and begins behind low - 1, both of them round. */
    for (low--; unit < 3 && (low & 1023) == 0 && (high & 1023) == 0; unit++) {
        low >>= 10;
        high >>= 10;
    }
    snprintf(label.text, sizeof label.text, "%llu-%llu%s", (unsigned long long)low,
             (unsigned long long)high, units[unit]);
    return label;
}

static struct number size_range(const struct class *class,
                                const struct histogram *sizes)
{
    return size_label(histogram_low(sizes, class->first) + 1,
                      histogram_low(sizes, class->end));
}

static uint64_t bytes_in(const struct class *class)
{
    return class->in.sum + class->in.count;
}

static void put_bar(const struct terminal *terminal, uint64_t part, uint64_t largest,
                    unsigned width, enum ink ink, bool is_last)
{
    double share = largest == 0 ? 0 : (double)part / (double)largest;
    if (is_last && part == 0)
        return;
    struct shown bar = shown_bar(terminal, share, width, !is_last);
    run_print(" %s%s%s", terminal_ink(terminal, ink), bar.text,
              terminal_ink(terminal, PLAIN));
}

static void put_class(const struct terminal *terminal, const struct class *class,
                      const struct histogram *sizes, const struct class *largest,
                      unsigned bar)
{
    run_print("%*s%*s%*s", LABEL, size_range(class, sizes).text, COUNT,
              number_of(class->in.count).text, SHARE,
              number_of_share(class->in.count, sizes->count).text);
    put_bar(terminal, class->in.count, largest->in.count, bar, FIRST_BAR, false);
    run_print("%*s", SHARE,
              number_of_share(bytes_in(class), sizes->sum + sizes->count).text);
    put_bar(terminal, bytes_in(class), largest->in.sum, bar, SECOND_BAR, true);
    run_print("\n");
}

void info_report_sizes(const struct info *info, const struct terminal *terminal)
{
    const struct histogram *sizes = &info->statistics->sizes;
    struct class classes[MOST_CLASSES];
    struct class largest = {0}; /* `sum`: of the bytes */
    int count = make_classes(sizes, classes);
    unsigned bar = (terminal->width - LABEL - COUNT - 2 * SHARE - 2) / 2;
    for (int i = 0; i < count; i++) {
        if (classes[i].in.count > largest.in.count)
            largest.in.count = classes[i].in.count;
        if (bytes_in(&classes[i]) > largest.in.sum)
            largest.in.sum = bytes_in(&classes[i]);
    }
    run_print("\n%s%-*s%*s%*s %-*s%*s%s\n", terminal_ink(terminal, BOLD), LABEL,
              "Sizes in bytes", COUNT, "requests", SHARE, "", (int)bar, "", SHARE,
              "bytes", terminal_ink(terminal, PLAIN));
    for (int i = 0; i < count; i++)
        put_class(terminal, &classes[i], sizes, &largest, bar);
}

/* ---- how long blocks lived */

/* The first buckets of decades, as far as there is something. */
struct decades {
    const struct histogram *histogram;
    bool is_time;
    int first;
    int end;
    uint64_t largest; /* count in one of them */
};

static unsigned decade_start(const struct histogram *histogram, int decade)
{
    uint64_t low = 1;
    for (int i = 0; i < decade; i++)
        low *= 10;
    return decade == 0 ? 0 : histogram_index(histogram, low);
}

static uint64_t decade_count(const struct histogram *histogram, int decade)
{
    return histogram_range(histogram, decade_start(histogram, decade),
                           decade_start(histogram, decade + 1))
        .count;
}

enum { DECADES = 19 };

static struct decades find_decades(const struct histogram *histogram, bool is_time)
{
    struct decades decades = {.histogram = histogram, .is_time = is_time};
    for (int i = 0; i < DECADES; i++) {
        uint64_t count = decade_count(histogram, i);
        if (count == 0)
            continue;
        if (decades.largest == 0)
            decades.first = i;
        decades.end = i + 1;
        if (count > decades.largest)
            decades.largest = count;
    }
    return decades;
}

/* "100-999", and "10 us-100 us" for times. */
static struct number decade_label(int decade, bool is_time)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    struct number label;
    uint64_t low = 1;
    int unit = is_time && decade >= 9 ? 3 : is_time ? decade / 3 : 0;
    for (int i = 3 * unit; i < decade; i++)
        low *= 10;
    if (is_time)
        snprintf(label.text, sizeof label.text, "%llu-%llu %s",
                 (unsigned long long)(decade == 0 ? 0 : low),
                 (unsigned long long)low * 10, units[unit]);
    else if (decade < 6)
        snprintf(label.text, sizeof label.text, "%llu-%llu", (unsigned long long)low,
                 (unsigned long long)(low * 10 - 1));
    else
        snprintf(label.text, sizeof label.text, "%llu-%llu M",
                 (unsigned long long)(low / 1000000),
                 (unsigned long long)(low / 100000));
    return label;
}

static struct number value_text(uint64_t value, bool is_time)
{
    return is_time ? number_of_time(value) : number_of(value);
}

static void put_percentiles(const struct decades *decades)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
    run_print("  %-9s", decades->is_time ? "in time" : "in events");
    for (int i = 0; i < 3; i++)
        run_print(i < 2 ? "  %s %-12s" : "  %s %s", points[i].name,
                  value_text(histogram_percentile(decades->histogram, points[i].share),
                             decades->is_time)
                      .text);
    run_print("\n");
}

static void put_decade(const struct decades *decades, const struct terminal *terminal,
                       int row, unsigned bar, bool is_last)
{
    int decade = decades->first + row;
    if (decade >= decades->end) {
        run_print("%*s", is_last ? 0 : LABEL + SHARE + 1 + (int)bar, "");
        return;
    }
    uint64_t count = decade_count(decades->histogram, decade);
    run_print("%*s%*s", LABEL, decade_label(decade, decades->is_time).text, SHARE,
              number_of_share(count, decades->histogram->count).text);
    put_bar(terminal, count, decades->largest, bar, FIRST_BAR, is_last);
}

void info_report_lifetimes(const struct info *info, const struct terminal *terminal)
{
    const struct statistics *statistics = info->statistics;
    bool timed = info_has(info, COMPACT_TIME);
    struct decades events = find_decades(&statistics->lifetimes, false);
    struct decades times = find_decades(&statistics->durations, true);
    int rows = events.end - events.first;
    unsigned bar = terminal->width / (timed ? 2 : 1) - LABEL - SHARE - 1;
    run_print("\n%sLifetimes%s of %s %s freed; %s (%s) never %s\n",
              terminal_ink(terminal, BOLD), terminal_ink(terminal, PLAIN),
              number_of(statistics->lifetimes.count).text,
              statistics->lifetimes.count == 1 ? "block" : "blocks",
              number_of(statistics->live_blocks).text,
              number_of_share(statistics->live_blocks, statistics->requests).text,
              statistics->live_blocks == 1 ? "was" : "were");
    if (statistics->lifetimes.count == 0)
        return;
    put_percentiles(&events);
    if (timed) {
        put_percentiles(&times);
        if (times.end - times.first > rows)
            rows = times.end - times.first;
    }
    for (int row = 0; row < rows; row++) {
        put_decade(&events, terminal, row, bar, !timed);
        if (timed)
            put_decade(&times, terminal, row, bar, true);
        run_print("\n");
    }
}
