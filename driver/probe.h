/* probe.h - whether something else uses the core while calls are timed.
 *
 * A core's other hardware thread, which may belong to another machine on the same host,
 * slows whatever runs here by a third or more for seconds at a time, and no clock of this
 * process shows it. So a fixed piece of work that keeps all of the core's units busy is
 * timed now and then between the passes: it takes longer exactly while that goes on. Runs
 * whose probe is near the least of all runs can be compared, others are to be repeated. */
#ifndef KMA_DRIVER_PROBE_H
#define KMA_DRIVER_PROBE_H

enum { PROBE_SAMPLES = 64 };

struct probe {
    int count;
    double ns[PROBE_SAMPLES];
};

/* Call before each of `passes` passes: up to PROBE_SAMPLES of the calls, evenly spread,
 * take a sample of about a tenth of a millisecond. */
void probe_before(struct probe *probe, int pass, int passes);

/* The median of the samples, in ns; 0 without any. Orders the samples. */
double probe_median(struct probe *probe);

#endif
