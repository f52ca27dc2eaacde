/* ledger.h - which blocks are live: makes of a recording, with all that is missing from
 * its beginning and its end, a trace in which every FREE has its REQUEST. */
#ifndef KMA_CAPTURE_LEDGER_H
#define KMA_CAPTURE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include "../driver/trace.h"
#include "record.h"

/* An event of the trace with its columns. */
struct entry {
    struct event event;
    uint64_t time; /* ns since the first record; never falls */
    uint64_t spent;
    uint32_t cpu;
    uint32_t site;
    uint32_t cache;
};

typedef void ledger_emit(void *context, const struct entry *entry);

/* What was found, and what was done about it. */
struct ledger_counts {
    uint64_t records;
    uint64_t events;        /* emitted */
    uint64_t unknown_frees; /* of blocks from before the recording: left out */
    uint64_t null_frees;    /* left out */
    uint64_t failed;        /* calls that returned NULL: left out */
    uint64_t empty;         /* requests of 0 bytes: made requests of 1 byte */
    uint64_t lost_frees;    /* a pointer handed out again: freed just before */
    uint64_t reallocs;      /* each a REQUEST, and a FREE of the old block after it */
    uint64_t too_large;     /* requests over the limit: left out, and their frees */
    uint64_t left;          /* blocks not freed at the end */
    uint64_t late;          /* records earlier than one before them: given its time */
};

struct ledger_options {
    uint64_t largest; /* bytes of a request; a larger one is left out. 0: INT_MAX */
    bool keep;        /* what is not freed at the end is left so */
    ledger_emit *emit;
    void *context;
    /* The requests that are left out, and their frees, in slots of their own; NULL:
     * nowhere. */
    ledger_emit *emit_large;
    void *large_context;
    bool times_from_0; /* the first record's time is kept, not made 0 */
    uint64_t seed;     /* of the table of pointers; 0: one that no input can foresee */
};

struct ledger;

/* Ends the run for want of memory. */
struct ledger *ledger_open(const struct ledger_options *options);

void ledger_put(struct ledger *ledger, const struct record *record);

/* The blocks that are live now, in the order of their slots, are freed unless they are
 * kept. */
void ledger_end(struct ledger *ledger);

const struct ledger_counts *ledger_counts(const struct ledger *ledger);

/* Blocks live at once at most, which is also the number of slots. */
uint32_t ledger_slots(const struct ledger *ledger);

/* A line for each count that is not 0, such as
 * "  12 frees of blocks from before the recording: left out", each with its line end, as
 * run_print takes them. */
void ledger_print(const struct ledger *ledger, void (*print)(const char *format, ...));

void ledger_close(struct ledger *ledger);

#endif
