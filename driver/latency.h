/* latency.h - how long each single call takes.
 *
 * A replay is deterministic, so each event is timed once in every one of several
 * passes over the same addresses and the least time is kept: what remains is the
 * algorithm, not what else the machine was doing. */
#ifndef KMA_DRIVER_LATENCY_H
#define KMA_DRIVER_LATENCY_H

#include "replay.h"
#include "timer.h"

struct latency {
    struct timer timer;
    int passes;
    double probe;    /* ns, see probe.h */
    uint32_t *ticks; /* by event, the timer's overhead included */
};

/* The blocks are empty before and after. */
void latency_measure(struct latency *latency, const struct trace *trace,
                     struct blocks *blocks, int passes);

/* An event without a call: the FREE of what was too large to be served. */
bool latency_has_call(const struct latency *latency, size_t event);

/* The time of an event's call without the timer's overhead. */
double latency_ns(const struct latency *latency, size_t event);

struct latency_figures {
    size_t count;
    double mean, p50, p90, p99, p99_9, max; /* ns, nearest rank */
};

/* Over all calls of kma_malloc, or of kma_free. */
struct latency_figures latency_figures(const struct latency *latency,
                                       const struct trace *trace, bool of_malloc);

/* The events with the longest calls, longest first; returns how many, up to `most`. */
size_t latency_worst(const struct latency *latency, const struct trace *trace,
                     size_t *events, size_t most);

/* A line for each event with a call: index, command, size, ns. */
void latency_write(const struct latency *latency, const struct trace *trace,
                   struct blocks *blocks, struct output *output);

void latency_release(struct latency *latency);

#endif
