/* input.h - the bytes of a trace, wherever they come from: looked at as they arrive, a
 * window at a time, or all at once. */
#ifndef KMA_DRIVER_INPUT_H
#define KMA_DRIVER_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    int file;
    bool standard;   /* standard input, which is not ours to close */
    char *data;      /* the window */
    size_t size;     /* bytes in it */
    size_t room;     /* of the table that it is; 0: the file is mapped */
    uint64_t offset; /* of the window's first byte in the source */
    int64_t start;   /* where the source began in its file; -1: it can be read once */
    bool ended;      /* nothing follows the window */
};

/* `path`, or standard input for "-", with its beginning in the window. False with a
 * phrase in `why` when it cannot be read. */
bool input_open(struct input *input, const char *path, char *why, size_t why_size);

/* Drops the first `used` bytes of the window and reads until it is full or the source
 * ends. False with a phrase in `why`. */
bool input_advance(struct input *input, size_t used, char *why, size_t why_size);

/* Puts all that the source has in the window: a file is mapped, anything else is read
 * until it is longer than the number in its first line can make a trace of text. To be
 * called before the first input_advance. False with a phrase in `why`. */
bool input_whole(struct input *input, char *why, size_t why_size);

/* Makes sure that the source can be rewound: what can be read only once is copied to a
 * file without a name in $TMPDIR or /tmp first. To be called before the first
 * input_advance. False with a phrase in `why`. */
bool input_keep(struct input *input, char *why, size_t why_size);

/* An empty file without a name in $TMPDIR or /tmp, whose name goes to `folder`. Negative
 * with errno when it cannot be made. */
int input_open_nameless(char *folder, size_t room);

/* Back to the first byte, of a source that can be rewound. */
bool input_rewind(struct input *input, char *why, size_t why_size);

void input_close(struct input *input);

#endif
