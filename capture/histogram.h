/* histogram.h - how often numbers of every magnitude came, in constant memory.
 *
 * Small numbers have a bucket each. Above, a bucket is for all numbers that begin with
 * the same digits: five binary digits, which makes 16 buckets an octave, or two decimal
 * ones, which makes 90 a decade. So bounds are round numbers of their scale, and no
 * bucket is wider than a tenth of its numbers. */
#ifndef KMA_CAPTURE_HISTOGRAM_H
#define KMA_CAPTURE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

enum histogram_scale { BINARY, DECIMAL };

enum { HISTOGRAM_BUCKETS = 1720 };

struct bucket {
    uint64_t count;
    uint64_t sum; /* of the numbers */
};

/* All 0 at first, but for the scale. */
struct histogram {
    enum histogram_scale scale;
    uint64_t count;
    uint64_t sum;
    struct bucket bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The bucket of a number. */
unsigned histogram_index(const struct histogram *histogram, uint64_t value);

/* The least number of a bucket; UINT64_MAX behind the last one. */
uint64_t histogram_low(const struct histogram *histogram, unsigned index);

/* All that came from bucket `first` on and before bucket `end`. */
struct bucket histogram_range(const struct histogram *histogram, unsigned first,
                              unsigned end);

/* The number that `share` of all that came do not exceed, right to within 5 %; 0 when
 * nothing came. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

/* The first bucket in which something came, and the one behind the last; false when
 * nothing came at all. */
bool histogram_extent(const struct histogram *histogram, unsigned *first,
                      unsigned *end);

#endif
