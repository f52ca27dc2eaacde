/* probe.c - a fixed piece of work, timed. */

#include <stdint.h>
#include <stdlib.h>
#include "probe.h"
#include "timer.h"

enum { ROUNDS = 100000 };

/* Six chains that do not wait for each other: one thread can use all that a core has, so
 * another on the same core slows it. All is in registers, so no cache has a say. */
static uint64_t work(uint64_t seed)
{
    uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4, f = seed;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        a = a * 5 + 1;
        b += b >> 3;
        c ^= c << 1;
        d += i ^ c;
        e = (e << 1) | (e >> 63);
        f += e & 7;
        /* Keeps the compiler from finding a shorter way. */
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
        __asm__ volatile("" : "+r"(d), "+r"(e), "+r"(f));
    }
    return a + b + c + d + e + f;
}

void probe_before(struct probe *probe, int pass, int passes)
{
    int64_t due = (int64_t)probe->count * passes / PROBE_SAMPLES;
    if (probe->count == PROBE_SAMPLES || pass < due)
        return;
    uint64_t start = timer_clock_ns();
    uint64_t result = work(start);
    uint64_t stop = timer_clock_ns();
    __asm__ volatile("" : : "r"((uint32_t)result));
    probe->ns[probe->count++] = (double)(stop - start);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double probe_median(struct probe *probe)
{
    if (probe->count == 0)
        return 0;
    qsort(probe->ns, (size_t)probe->count, sizeof probe->ns[0], compare);
    return probe->ns[probe->count / 2];
}
