/* clock.h - the system's clocks, in seconds. */
#ifndef KMA_DRIVER_CLOCK_H
#define KMA_DRIVER_CLOCK_H

#include <time.h>

static inline double clock_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
