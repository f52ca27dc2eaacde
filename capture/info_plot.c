/* info_plot.c - sizes and lifetimes of a trace as a picture: a script for gnuplot. Colours
 * and look are those of analysis/style.py and plotting.py. */

#include <stdio.h>
#include <string.h>
#include "../driver/compact.h"
#include "info.h"

#define INK "#303030"
#define FAINT "#707070"
#define BLOCKS "#0072b2"
#define BYTES "#d55e00"

enum { WIDTH = 1600, HEIGHT = 760, TOP = 190, BOTTOM = 92 };

/* Pixels from the left: of the panels' edges. */
enum { LEFT_1 = 120, RIGHT_1 = 800, LEFT_2 = 920, RIGHT_2 = 1560 };

static const char prelude[] =
    "set terminal pngcairo size 1600,760 font 'sans-serif,15' noenhanced\n"
    "set encoding utf8\n"
    "set border 3 linecolor rgb '" INK "'\n"
    "set tics nomirror out textcolor rgb '" INK "'\n"
    "set grid linetype 1 linecolor rgb '#e2e2e2'\n"
    "unset key\n"
    "set multiplot\n";

/* A text at pixels from the upper left corner. What a quote would end, or what cannot be
 * shown, has been taken out of it by the caller. */
static void put_label(FILE *script, const char *text, int x, int y, int points,
                      const char *colour)
{
    fprintf(script,
            "set label '%s' at screen %.5f, screen %.5f left font 'sans-serif,%d' "
            "textcolor rgb '%s'\n",
            text, (double)x / WIDTH, 1 - (double)y / HEIGHT, points, colour);
}

static void put_swatch(FILE *script, int x, int y, const char *colour, int height)
{
    fprintf(script,
            "set object rectangle from screen %.5f, screen %.5f to screen %.5f, screen "
            "%.5f front fillcolor rgb '%s' fillstyle solid noborder\n",
            (double)x / WIDTH, 1 - (double)(y + height) / HEIGHT,
            (double)(x + 32) / WIDTH, 1 - (double)(y - height) / HEIGHT, colour);
}

/* The last part of a path, fit to stand between quotes. */
static struct shown plain_name(const char *path)
{
    const struct terminal plain = {.width = USUAL, .unicode = true};
    const char *slash = strrchr(path, '/');
    struct shown name = shown_name(&plain, slash == NULL ? path : slash + 1, 60, false);
    for (char *at = name.text; *at != '\0'; at++) {
        if (*at == '\'')
            *at = '`';
    }
    return name;
}

static void put_head(FILE *script, const struct info *info)
{
    const struct statistics *statistics = info->statistics;
    char text[1000];
    uint64_t lost = feed_lost(info->feed);
    snprintf(text, sizeof text, "Sizes and lifetimes in %s",
             plain_name(info->name).text);
    put_label(script, text, LEFT_1, 34, 22, INK);
    snprintf(text, sizeof text, "%s events, at most %s requested at once",
             number_of(statistics->events).text,
             number_of_bytes(statistics->peak_bytes).text);
    put_label(script, text, LEFT_1, 70, 15, FAINT);
    if (lost == 0)
        return;
    snprintf(text, sizeof text, "incomplete: %s events were lost",
             number_of(lost).text);
    put_label(script, text, LEFT_2, 70, 15, BYTES);
}

/* `most` is the largest percentage; there is room above it. */
static void put_panel(FILE *script, int left, int right, double most, const char *below)
{
    fprintf(script,
            "set margins screen %.5f, screen %.5f, screen %.5f, screen %.5f\n"
            "set xlabel '%s' textcolor rgb '" INK "'\n"
            "set yrange [0:%.5f]\nset format y '%%g%%%%'\n",
            (double)left / WIDTH, (double)right / WIDTH, (double)BOTTOM / HEIGHT,
            1 - (double)TOP / HEIGHT, below, most > 0 ? most * 1.2 : 1);
}

static void end_panel(FILE *script)
{
    fputs("unset label\nunset object\nunset arrow\nunset xlabel\nunset logscale\n",
          script);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* The class of buckets behind the one that begins with this one. */
static unsigned next_size(unsigned index)
{
    return index < 8 ? index + 1 : index < 16 ? index + 2 : index + 4;
}

/* Left of the blocks of 1 byte, where a scale of powers has no 0. */
#define SIZE_0 0.7

/* Quarters of octaves, as far as a bucket is not more already; a class ends at its
 * largest size and begins at the largest of the class before. Puts a line for each class
 * and returns the largest share. */

static double put_size_data(FILE *script, const struct histogram *sizes, unsigned first,
                            unsigned end)
{
    uint64_t bytes = sizes->sum + sizes->count;
    double most = 0;
    unsigned low = 0, high;
    fputs("$sizes << END\n", script);
    for (; low < end; low = high) {
        high = next_size(low);
        if (high <= first)
            continue;
        struct bucket in = histogram_range(sizes, low, high);
        double from = low == 0 ? SIZE_0 : (double)histogram_low(sizes, low);
        double requests = percent(in.count, sizes->count);
        double share = percent(in.sum + in.count, bytes);
        fprintf(script, "%.9g %.9g %.5f %.5f\n", from,
                (double)histogram_low(sizes, high), requests, share);
        most = larger(most, larger(requests, share));
    }
    double last = (double)histogram_low(sizes, low);
    fprintf(script, "%.9g %.9g 0 0\nEND\n", last, last);
    return most;
}

/* How many powers of `base` there may be from `low` to `high`. */
static int powers_between(double low, double high, int base)
{
    int count = 1;
    while (low < high) {
        low *= base;
        count++;
    }
    return count;
}

/* Powers of two, not more than there is room for. */
static void put_size_tics(FILE *script, double low, double high)
{
    static const char *const units[] = {"", "K", "M", "G"};
    int octaves = powers_between(low, high, 2);
    int step = octaves <= 12 ? 1 : octaves <= 24 ? 2 : 4;
    const char *separator = "";
    fprintf(script, "set logscale x 2\nset xrange [%.9g:%.9g]\nset xtics (", low,
            high * 1.01);
    for (int power = 0; power <= 31; power++) {
        double at = (double)(UINT64_C(1) << power);
        if (at < low || at > high * 1.001 || power % step != 0)
            continue;
        fprintf(script, "%s'%u%s' %.9g", separator, 1U << power % 10, units[power / 10],
                at);
        separator = ", ";
    }
    fputs(")\n", script);
}

static void put_sizes(FILE *script, const struct histogram *sizes)
{
    unsigned first, end, low = 0, high;
    histogram_extent(sizes, &first, &end);
    double most = put_size_data(script, sizes, first, end);
    while ((high = next_size(low)) <= first)
        low = high;
    double least = low == 0 ? SIZE_0 : (double)histogram_low(sizes, low);
    while (high < end)
        high = next_size(high);
    put_label(script, "Sizes", LEFT_1, 118, 18, INK);
    put_swatch(script, LEFT_1, 156, BLOCKS, 8);
    put_label(script, "share of the requests", LEFT_1 + 42, 156, 15, INK);
    put_swatch(script, LEFT_1 + 320, 156, BYTES, 2);
    put_label(script, "share of the bytes", LEFT_1 + 362, 156, 15, INK);
    put_panel(script, LEFT_1, RIGHT_1, most, "bytes requested, in quarters of octaves");
    put_size_tics(script, least, (double)histogram_low(sizes, high));
    fputs("plot $sizes using 1:3:1:2:(0):3 with boxxyerror fillcolor rgb '" BLOCKS
          "' fillstyle solid 0.85 border linecolor rgb 'white', "
          "$sizes using 1:4 with steps linewidth 3 linecolor rgb '" BYTES "'\n",
          script);
    end_panel(script);
}

/* Fifths of decades as near as whole numbers go: their first digits. */
static const unsigned fifths[] = {10, 16, 25, 40, 63};

enum { FIFTHS = 5 };

static uint64_t fifth_low(int number)
{
    uint64_t low = fifths[number % FIFTHS];
    for (int i = number / FIFTHS; i > 1; i--)
        low *= 10;
    /* 1, 2, 3, 4 and 7 are the first numbers in the fifths from 1 to 10. */
    return number >= FIFTHS ? low : (fifths[number] + 9) / 10;
}

/* Puts a line for each fifth in which there is something and returns the largest share;
 * tells the first of them and the one behind the last. */
static double put_life_data(FILE *script, const struct histogram *lives, int *first,
                            int *end)
{
    enum { MOST = 18 * FIFTHS };
    double most = 0;
    *first = *end = 0;
    fputs("$lives << END\n", script);
    for (int i = 0; i < MOST; i++) {
        uint64_t low = fifth_low(i), high = fifth_low(i + 1);
        unsigned from = i == 0 ? 0 : histogram_index(lives, low);
        struct bucket in = histogram_range(lives, from, histogram_index(lives, high));
        if (in.count == 0)
            continue;
        if (*end == 0)
            *first = i;
        *end = i + 1;
        double share = percent(in.count, lives->count);
        fprintf(script, "%.9g %.9g %.5f\n", (double)low, (double)high, share);
        most = larger(most, share);
    }
    fputs("END\n", script);
    return most;
}

static void put_life_tics(FILE *script, double low, double high, bool timed)
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    const char *separator = "";
    int step = powers_between(low, high, 10) <= 8 ? 1 : 2;
    double at = 1;
    fprintf(script, "set logscale x 10\nset xrange [%.9g:%.9g]\nset xtics (", low,
            high);
    for (int decade = 0; decade < 18; decade++, at *= 10) {
        if (at < low * 0.999 || at > high * 1.001 || decade % step != 0)
            continue;
        int unit = decade >= 9 ? 3 : decade / 3;
        uint64_t shown = 1;
        for (int i = timed ? 3 * unit : 0; i < decade; i++)
            shown *= 10;
        fprintf(script, "%s'%s%s' %.9g", separator,
                timed || decade < 6 ? number_of(shown).text : "",
                timed ? units[unit] : "", at);
        separator = ", ";
    }
    fputs(")\n", script);
}

/* Dotted lines with their values, on the left if there is room. A line ends at its value
 * and those right of it are higher, so that no line runs through another's value. */
static void put_percentiles(FILE *script, const struct histogram *lives, bool timed,
                            double low, double high)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
    for (int i = 0; i < 3; i++) {
        uint64_t value = histogram_percentile(lives, points[i].share);
        double at = larger((double)value, 1), part = at / low, whole = high / low;
        bool room = part * part * part > whole;
        double top = 0.87 + 0.05 * i;
        fprintf(
            script,
            "set arrow from first %.9g, graph 0 to first %.9g, graph %.3f nohead front "
            "dashtype (8, 10) linewidth 1.5 linecolor rgb '" FAINT "'\n",
            at, at, top + 0.02);
        fprintf(script,
                "set label '%s  %s' at first %.9g, graph %.3f %s front textcolor rgb "
                "'" FAINT "'\n",
                points[i].name, (timed ? number_of_time(value) : number_of(value)).text,
                at, top, room ? "right offset -0.5, 0" : "left offset 0.5, 0");
    }
}

static void put_lifetimes(FILE *script, const struct info *info)
{
    const struct statistics *statistics = info->statistics;
    bool timed = info_has(info, COMPACT_TIME);
    const struct histogram *lives =
        timed ? &statistics->durations : &statistics->lifetimes;
    char text[200];
    int first, end;
    double most = put_life_data(script, lives, &first, &end);
    put_label(script, "Lifetimes", LEFT_2, 118, 18, INK);
    snprintf(text, sizeof text, "share of the %s blocks freed; %s of all never were",
             number_of(lives->count).text,
             number_of_share(statistics->live_blocks, statistics->requests).text);
    put_label(script, text, LEFT_2, 156, 15, INK);
    put_panel(script, LEFT_2, RIGHT_2, most,
              timed ? "time from request to free, in fifths of decades"
                    : "events from request to free, in fifths of decades");
    double low = (double)fifth_low(first);
    double high = (double)fifth_low(end > 0 ? end : FIFTHS);
    put_life_tics(script, low, high, timed);
    if (end > 0)
        put_percentiles(script, lives, timed, low, high);
    fputs(end > 0
              ? "plot $lives using 1:3:1:2:(0):3 with boxxyerror fillcolor rgb '" BLOCKS
                "' fillstyle solid 0.85 border linecolor rgb 'white'\n"
              : "set yrange [0:1]\nplot NaN\n",
          script);
    end_panel(script);
}

void info_plot(const struct info *info, FILE *script)
{
    fputs(prelude, script);
    put_head(script, info);
    if (info->statistics->requests > 0) {
        put_sizes(script, &info->statistics->sizes);
        put_lifetimes(script, info);
    } else {
        fputs(
            "set xrange [0:1]\nset yrange [0:1]\nunset border\nunset tics\nunset grid\n"
            "plot NaN\n",
            script);
    }
    fputs("unset multiplot\n", script);
}
