/* summary.h - everything one run measured, as one JSON object. */
#ifndef KMA_DRIVER_SUMMARY_H
#define KMA_DRIVER_SUMMARY_H

#include "latency.h"
#include "memory.h"
#include "options.h"
#include "replay.h"

struct summary {
    const char *program; /* argv[0] */
    const struct options *options;
    const struct trace *trace;
    const struct memory *memory; /* of the source that the options say */
    const struct memory *pages;  /* with calls */
    const struct replay_time *time;
    const struct latency *latency;
};

void summary_write(const struct summary *summary, struct output *output);

/* replay seconds x (1 + penalty) */
double summary_score(const struct replay_time *time, const struct memory *memory);

#endif
