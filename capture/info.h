/* info.h - what `info` has read, and the forms in which it can be shown. */
#ifndef KMA_CAPTURE_INFO_H
#define KMA_CAPTURE_INFO_H

#include <stdio.h>
#include "about.h"
#include "feed.h"
#include "statistics.h"
#include "terminal.h"

/* Names of a trace that the report shows of each kind. */
enum { INFO_MOST_NAMES = 10 };

struct info {
    const char *name;        /* of the trace */
    const struct feed *feed; /* read to its end */
    const struct statistics *statistics;
    const struct vocabulary *vocabulary;
};

/* Whether the trace has this column, an enum compact_column. */
static inline bool info_has(const struct info *info, unsigned column)
{
    return (feed_columns(info->feed) >> column & 1) != 0;
}

/* On the run's report (run.h). */
void info_report(const struct info *info, const struct terminal *terminal);

/* Blocks by size, and how long they lived. */
void info_report_sizes(const struct info *info, const struct terminal *terminal);
void info_report_lifetimes(const struct info *info, const struct terminal *terminal);

void info_json(const struct info *info, FILE *stream);

/* A script that has gnuplot draw sizes and lifetimes, as PNG. */
void info_plot(const struct info *info, FILE *script);

#endif
