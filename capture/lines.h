/* lines.h - the lines of a text, as its bytes arrive. */
#ifndef KMA_CAPTURE_LINES_H
#define KMA_CAPTURE_LINES_H

#include "../driver/input.h"
#include "../driver/trace.h"

/* Bytes of a line with its end; a longer one is an error. */
enum { LONGEST_LINE = 1 << 16 };

/* All 0 at first. */
struct lines {
    size_t used;     /* of the input's window */
    uint64_t number; /* of the present line, from 1 on */
    const char *at;  /* its bytes, good until the next line is asked for */
    const char *end; /* without the line end */
};

enum lines_next { LINES_LINE, LINES_END, LINES_BAD };

/* The next line. LINES_BAD, with *error, when the input cannot be read on, a line is too
 * long, or the last one has no line end. */
enum lines_next lines_next(struct lines *lines, struct input *input,
                           struct trace_error *error);

/* What is wrong with the present line: fills in *error and returns false. */
__attribute__((format(printf, 3, 4), cold)) bool lines_reject(const struct lines *lines,
                                                              struct trace_error *error,
                                                              const char *format, ...);

/* The beginning of [at, end) as a message can show it: quoted, on one line. */
struct quote {
    char text[48];
};

struct quote lines_quote(const char *at, const char *end);

#endif
