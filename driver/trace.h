/* trace.h - a trace in memory: what the reader makes of a file.
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

struct trace {
    const char *path;     /* as given */
    struct event *events; /* the replay needs these alone, in order */
    uint32_t *ids;        /* per event the id in the file, for messages */
    size_t count;
    size_t room;         /* events that the tables are for, one more than there are */
    uint32_t slots;      /* also the most blocks live at once */
    uint64_t peak_bytes; /* the most bytes requested and not yet freed */
};

struct trace_error {
    size_t line;
    char text[200];
};

/* Event k of a trace is on this line of its file: the first line is the header. */
static inline size_t trace_line(size_t event)
{
    return event + 2;
}

/* Reads the file at `path`, or standard input for "-". False, with nothing to release
 * and the place and the reason in *error, when it is not a trace. */
bool trace_load(struct trace *trace, const char *path, struct trace_error *error);

void trace_release(struct trace *trace);

#endif
