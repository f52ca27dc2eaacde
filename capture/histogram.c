/* histogram.c - how often numbers of every magnitude came. */

#include "histogram.h"

enum {
    /* The numbers from here on share buckets. */
    BINARY_EXACT = 16,
    DECIMAL_EXACT = 100,
    /* Buckets to an octave, and to a decade. */
    TO_OCTAVE = 16,
    TO_DECADE = 90,
    OCTAVES = 60,
    BINARY_BUCKETS = BINARY_EXACT + OCTAVES * TO_OCTAVE
};

static unsigned binary_index(uint64_t value)
{
    if (value < BINARY_EXACT)
        return (unsigned)value;
    unsigned shift = 59 - (unsigned)__builtin_clzll(value);
    return BINARY_EXACT + shift * TO_OCTAVE + (unsigned)(value >> shift) - TO_OCTAVE;
}

static uint64_t binary_low(unsigned index)
{
    if (index < BINARY_EXACT)
        return index;
    if (index >= BINARY_BUCKETS)
        return UINT64_MAX;
    unsigned shift = (index - BINARY_EXACT) / TO_OCTAVE;
    uint64_t digits = TO_OCTAVE + (index - BINARY_EXACT) % TO_OCTAVE;
    return digits << shift;
}

static unsigned decimal_index(uint64_t value)
{
    unsigned decade = 0;
    for (; value >= DECIMAL_EXACT; value /= 10)
        decade++;
    return (unsigned)value + decade * TO_DECADE;
}

static uint64_t decimal_low(unsigned index)
{
    if (index < DECIMAL_EXACT)
        return index;
    unsigned decade = (index - DECIMAL_EXACT) / TO_DECADE + 1;
    uint64_t low = 10 + (index - DECIMAL_EXACT) % TO_DECADE;
    for (; decade > 0; decade--) {
        if (__builtin_mul_overflow(low, 10, &low))
            return UINT64_MAX;
    }
    return low;
}

unsigned histogram_index(const struct histogram *histogram, uint64_t value)
{
    return histogram->scale == BINARY ? binary_index(value) : decimal_index(value);
}

uint64_t histogram_low(const struct histogram *histogram, unsigned index)
{
    return histogram->scale == BINARY ? binary_low(index) : decimal_low(index);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    struct bucket *bucket = &histogram->bucket[histogram_index(histogram, value)];
    bucket->count++;
    bucket->sum += value;
    histogram->count++;
    histogram->sum += value;
}

struct bucket histogram_range(const struct histogram *histogram, unsigned first,
                              unsigned end)
{
    struct bucket all = {0};
    for (unsigned i = first; i < end && i < HISTOGRAM_BUCKETS; i++) {
        all.count += histogram->bucket[i].count;
        all.sum += histogram->bucket[i].sum;
    }
    return all;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count);
    if ((double)wanted < share * (double)histogram->count)
        wanted++;
    uint64_t passed = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        passed += histogram->bucket[i].count;
        if (passed >= wanted && passed > 0) {
            uint64_t low = histogram_low(histogram, i);
            return low + (histogram_low(histogram, i + 1) - 1 - low) / 2;
        }
    }
    return 0;
}

bool histogram_extent(const struct histogram *histogram, unsigned *first, unsigned *end)
{
    *first = *end = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->bucket[i].count == 0)
            continue;
        if (*end == 0)
            *first = i;
        *end = i + 1;
    }
    return *end > 0;
}
