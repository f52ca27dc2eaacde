/* trace.h - a trace as the replays see it: events, a chunk at a time.
 *
 * A trace is either held, all of its events in memory, or streamed: read anew for each
 * replay, in memory that depends on the most blocks live at once. Text is always held.
 *
 * The ids of the file are renamed to slots as they are read. A slot that a FREE gives
 * up is the next one taken, so there are as many slots as blocks are ever live at
 * once, and a replay touches memory in proportion to that. */
#ifndef KMA_DRIVER_TRACE_H
#define KMA_DRIVER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
    uint32_t slot;
    int32_t size; /* of the request; 0: the event is a FREE */
};

/* Where in the file something is wrong: `path:7: text`, or `path: byte 1234: text` in a
 * compact trace. */
struct trace_error {
    bool in_bytes;
    uint64_t place;
    char text[200];
};

struct stream;

struct trace {
    const char *path;      /* as given */
    struct event *events;  /* of a held trace, in order; NULL: it is streamed */
    uint32_t *ids;         /* per event the id in the file; NULL: it is compact */
    uint64_t count;        /* of events; of a streamed trace, once it was read whole */
    size_t room;           /* events that the tables are for */
    uint32_t slots;        /* of a streamed trace: as far as it has been read */
    uint64_t bytes;        /* read */
    uint64_t at;           /* events handed out since the last rewind */
    struct stream *stream; /* of a streamed trace */
};

/* A part of the trace. */
struct chunk {
    const struct event *events;
    size_t count;
    uint64_t first; /* number of events before it */
    uint32_t slots; /* all of its slots are below this */
};

enum trace_use {
    TRACE_ONCE,  /* one replay */
    TRACE_AGAIN, /* several replays */
    TRACE_HELD,  /* in memory: figures of each event are asked for */
};

/* Opens the file at `path`, or standard input for "-"; whether it is text or compact is
 * seen from the first bytes. False, with nothing to release and the place and the reason
 * in *error, when it is not a trace. A streamed trace is looked at as it is replayed. */
bool trace_load(struct trace *trace, const char *path, enum trace_use use,
                struct trace_error *error);

/* To the first event again. False with *error. Not needed before the first replay. */
bool trace_rewind(struct trace *trace, struct trace_error *error);

enum trace_next { TRACE_CHUNK, TRACE_END, TRACE_BAD };

/* The next chunk; what it points to is good until the next call. TRACE_BAD: *error. */
enum trace_next trace_next(struct trace *trace, struct chunk *chunk,
                           struct trace_error *error);

/* Event k of a text stands on this line of its file: the first line is the header. */
static inline uint64_t trace_line(uint64_t event)
{
    return event + 2;
}

/* How messages say where an event is: "line 7" of a text, "event 6" of a compact trace.
 * The first event is number 0. */
static inline bool trace_has_lines(const struct trace *trace)
{
    return trace->ids != NULL;
}

void trace_release(struct trace *trace);

#endif
