/* feed.h - a trace or recording of any kind as a row of events: a source behind a
 * ledger, asked for one event after the other. */
#ifndef KMA_CAPTURE_FEED_H
#define KMA_CAPTURE_FEED_H

#include "ledger.h"
#include "source.h"

/* Events that one record may become: a lost free, a request, the free of a realloc. */
enum { FEED_MOST_AT_ONCE = 4 };

struct feed {
    const char *path;
    struct source *source;
    struct ledger *ledger;
    struct entry waiting[FEED_MOST_AT_ONCE];
    unsigned first; /* of those waiting */
    unsigned end;
};

/* Opens `path`, "-" for standard input. Names go into `vocabulary`, which outlives the
 * feed. Ends the run when it cannot be read, as feed_next does. */
void feed_open(struct feed *feed, const char *path, struct vocabulary *vocabulary);

/* The next event, with times in ns since the recording began. False at the end; blocks
 * that are live then stay so. */
bool feed_next(struct feed *feed, struct entry *entry);

/* May be relied upon once an event came. */
unsigned feed_columns(const struct feed *feed);

uint64_t feed_lost(const struct feed *feed);

void feed_close(struct feed *feed);

/* The event as a record of a recording in which the blocks of many traces, each with an
 * owner's number of its own, do not meet. */
struct record feed_record(const struct entry *entry, uint32_t owner);

#endif
