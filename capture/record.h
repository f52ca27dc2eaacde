/* record.h - what a recording says of one call, before blocks are renamed to slots: the
 * form that every source hands out and that the ledger takes. */
#ifndef KMA_CAPTURE_RECORD_H
#define KMA_CAPTURE_RECORD_H

#include <stdint.h>

enum record_op { RECORD_ALLOC, RECORD_FREE, RECORD_REALLOC };

struct record {
    enum record_op op;
    uint64_t pointer; /* the block; 0: ALLOC and REALLOC failed, FREE of NULL */
    uint64_t old;     /* REALLOC: the block given up for it, 0: none */
    uint64_t size;    /* ALLOC, REALLOC: bytes requested */
    uint64_t time;    /* ns, from any moment on */
    uint64_t spent;   /* bytes that the recorded allocator spent on it; 0: unknown */
    uint32_t cpu;
    uint32_t site;  /* of the call: a number of names.h; 0: unknown */
    uint32_t cache; /* a number of names.h; 0: unknown */
};

#endif
