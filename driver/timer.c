/* timer.c - choosing and calibrating the clock for single calls. */

#include <stdlib.h>
#include "timer.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* The counter runs at one rate whatever the processor does, and rdtscp exists. */
static bool has_invariant_counter(void)
{
    enum { LEAF_FEATURES = (int)0x80000001, LEAF_POWER = (int)0x80000007 };
    unsigned a, b, c, d;
    if (!__get_cpuid((unsigned)LEAF_FEATURES, &a, &b, &c, &d) || !(d >> 27 & 1))
        return false;
    return __get_cpuid((unsigned)LEAF_POWER, &a, &b, &c, &d) && (d >> 8 & 1);
}

#else

static bool has_invariant_counter(void)
{
    return false;
}

#endif

enum { SAMPLES = 4096, PAIR_TRIES = 32, CALIBRATION_NS = 20 * 1000 * 1000 };

/* One moment on both clocks: the try with the least time between the readings. */
static void read_both(const struct timer *timer, uint64_t *cycles, uint64_t *ns)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = timer_start(timer);
        uint64_t clock = timer_clock_ns();
        uint64_t after = timer_stop(timer);
        if (after - before < least) {
            least = after - before;
            *cycles = before + (after - before) / 2;
            *ns = clock;
        }
    }
}

static int compare_ticks(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The overhead is the least that an empty measurement takes; the resolution the least
 * by which two of them differ. */
static void measure_itself(struct timer *timer)
{
    static uint64_t samples[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t start = timer_start(timer);
        samples[i] = timer_stop(timer) - start;
    }
    qsort(samples, SAMPLES, sizeof samples[0], compare_ticks);
    timer->overhead = samples[0];
    timer->resolution = 0;
    for (int i = 1; i < SAMPLES; i++) {
        uint64_t step = samples[i] - samples[i - 1];
        if (step > 0 && (timer->resolution == 0 || step < timer->resolution))
            timer->resolution = step;
    }
    if (timer->resolution == 0)
        timer->resolution = 1;
}

void timer_begin(struct timer *timer)
{
    bool counter = has_invariant_counter();
    *timer = (struct timer){.counts_cycles = counter,
                            .source = counter ? "rdtsc" : "clock_gettime",
                            .ns_per_tick = 1};
    measure_itself(timer);
    if (counter)
        read_both(timer, &timer->start_cycles, &timer->start_ns);
}

void timer_calibrate(struct timer *timer)
{
    if (!timer->counts_cycles)
        return;
    uint64_t cycles, ns;
    do {
        read_both(timer, &cycles, &ns);
    } while (ns - timer->start_ns < CALIBRATION_NS);
    timer->ns_per_tick =
        (double)(ns - timer->start_ns) / (double)(cycles - timer->start_cycles);
}
