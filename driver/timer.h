/* timer.h - a clock for single calls, and how far it can be trusted.
 *
 * On x86 with an invariant time stamp counter that is what is read, fenced so that
 * nothing of the call is left outside and nothing else comes in, and its rate is
 * measured against CLOCK_MONOTONIC. Elsewhere clock_gettime is read. */
#ifndef KMA_DRIVER_TIMER_H
#define KMA_DRIVER_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct timer {
    bool counts_cycles;    /* the time stamp counter is used */
    const char *source;    /* its name */
    double ns_per_tick;    /* once timer_calibrate is through */
    uint64_t overhead;     /* ticks of an empty measurement */
    uint64_t resolution;   /* ticks */
    uint64_t start_cycles; /* where the calibration began */
    uint64_t start_ns;
};

/* Finds out what there is and measures overhead and resolution. The time until
 * timer_calibrate is what the rate is measured over. */
void timer_begin(struct timer *timer);

void timer_calibrate(struct timer *timer);

static inline uint64_t timer_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__) || defined(__i386__)

static inline uint64_t timer_start(const struct timer *timer)
{
    if (!timer->counts_cycles)
        return timer_clock_ns();
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t timer_stop(const struct timer *timer)
{
    if (!timer->counts_cycles)
        return timer_clock_ns();
    uint32_t low, high, cpu;
    __asm__ volatile("rdtscp\n\tlfence"
                     : "=a"(low), "=d"(high), "=c"(cpu)
                     :
                     : "memory");
    return (uint64_t)high << 32 | low;
}

#else

static inline uint64_t timer_start(const struct timer *timer)
{
    (void)timer;
    return timer_clock_ns();
}

static inline uint64_t timer_stop(const struct timer *timer)
{
    (void)timer;
    return timer_clock_ns();
}

#endif

#endif
