/* input.h - the bytes of a trace, wherever they come from: a file is mapped, anything
 * else (a pipe, a terminal, a file the system cannot map) is read into memory. */
#ifndef KMA_DRIVER_INPUT_H
#define KMA_DRIVER_INPUT_H

#include <stdbool.h>
#include <stddef.h>

struct input {
    char *data;
    size_t size;
    size_t room; /* of the table that it was read into; 0: the file is mapped */
};

/* `path`, or standard input for "-". False with a phrase in `why` when it cannot be
 * read. */
bool input_open(struct input *input, const char *path, char *why, size_t why_size);

void input_close(struct input *input);

#endif
