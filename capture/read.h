/* read.h - what the readers of the formats share. */
#ifndef KMA_CAPTURE_READ_H
#define KMA_CAPTURE_READ_H

#include "../driver/input.h"
#include "lines.h"
#include "source.h"

struct source {
    const struct reader_kind *kind;
    struct input input;
    struct lines lines; /* of the formats that are read line by line */
    struct vocabulary *vocabulary;
    void *state; /* the reader's own */
    unsigned columns;
    const char *about;
    uint64_t lost;
    uint64_t skipped;
};

/* A format's reader. `open` is false with *error filled in and nothing to close; `close`
 * may be NULL. */
struct reader_kind {
    enum format format;
    bool (*is)(const struct input *input); /* of this kind, by the first bytes */
    bool (*open)(struct source *source, struct trace_error *error);
    enum source_next (*next)(struct source *source, struct record *record,
                             struct trace_error *error);
    void (*close)(struct source *source);
};

extern const struct reader_kind read_text, read_compact, read_rep, read_mtrace,
    read_perf, read_ftrace;

#endif
