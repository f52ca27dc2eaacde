/* output.h - the files a run writes. Each is written beside its target under another
 * name and takes the target's name only when the whole run has succeeded. */
#ifndef KMA_DRIVER_OUTPUT_H
#define KMA_DRIVER_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

struct output;

/* Ends the run when `path` cannot be written. "-" is standard output. */
struct output *output_open(const char *path);

FILE *output_stream(struct output *output);

/* A line of three numbers, faster than printf. */
void output_numbers(struct output *output, uint64_t a, uint64_t b, uint64_t c);

/* Ends the run if something already could not be written. */
void output_check(struct output *output);

/* Completes every output, or ends the run and leaves none. Others may be opened then. */
void output_finish_all(void);

/* Removes what is not complete. Safe in a signal handler. */
void output_abandon_all(void);

#endif
