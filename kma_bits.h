/* kma_bits.h - the highest and the lowest bit that is set. */
#ifndef KMA_BITS_H
#define KMA_BITS_H

#include <stdint.h>

/* The number of the highest bit of n, 1 to 2^32 - 1; a constant where n is one. */
#define LOG2_FLOOR(n) (31 - __builtin_clz((unsigned)(n)))

/* The number of the lowest bit; bits is not 0. Written out for 32 bits, where compilers
 * would call a function of their library. */
static inline unsigned lowest_bit(uint64_t bits)
{
    if (sizeof(long) == sizeof bits)
        return (unsigned)__builtin_ctzl((unsigned long)bits);
    unsigned low = (unsigned)bits, high = (unsigned)(bits >> 32);
    return (unsigned)(low != 0 ? __builtin_ctz(low) : 32 + __builtin_ctz(high));
}

#endif
