/* embedded.h - the traces that are built into the kernel, each with the page figures that
 * the simulated driver has for it. kernel/embed writes both. */
#ifndef KMA_KERNEL_EMBEDDED_H
#define KMA_KERNEL_EMBEDDED_H

#include <stdint.h>

/* In pages, but for the checksum, which is over the requested bytes and the pages in use
 * after each event. */
struct page_figures {
    uint32_t requested;
    uint32_t freed;
    uint32_t in_use; /* in the end */
    uint32_t peak;
    uint64_t checksum;
};

/* `data` has the events in order, in numbers of seven bits a byte, the least significant
 * first, with the top bit on in all bytes but a number's last. A request is its size times
 * two, plus one, and its slot; a free is its slot times two. */
struct embedded_trace {
    const char *name;
    const unsigned char *data;
    uint32_t bytes;
    uint32_t events;
    uint32_t slots; /* all are below this */
    struct page_figures expected;
};

extern const struct embedded_trace embedded_traces[];
extern const int embedded_count;

/* The algorithm that was built in, "bud". */
extern const char embedded_algorithm[];

/* By name, or NULL. */
const struct embedded_trace *embedded_find(const char *name);

/* One step of the checksum, which begins with CHECKSUM_START: FNV-1a, a number at a time. */
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t checksum_add(uint64_t sum, uint32_t number)
{
    return (sum ^ number) * UINT64_C(0x100000001b3);
}

#endif
