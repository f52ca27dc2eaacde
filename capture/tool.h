/* tool.h - what the command lines of the tools have in common. */
#ifndef KMA_CAPTURE_TOOL_H
#define KMA_CAPTURE_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include "format.h"

/* The one trace that is left on the command line when getopt_long is done with it; ends
 * the run when there is none, or more. */
const char *tool_trace(int argc, char **argv);

/* The path; ends the run when none was given. */
__attribute__((returns_nonnull)) const char *tool_output(const char *program,
                                                         const char *path);

/* The version that this was built as, on standard output; exit status 0. */
_Noreturn void tool_version(const char *program);

/* Refuses what getopt_long did not like and has moved past: its result is ':' or '?'. */
_Noreturn void tool_refuse_option(char **argv, int result);

/* A whole number, all of `text`. False when it is none or over UINT64_MAX. */
bool tool_number(const char *text, uint64_t *value);

/* The number that an option is given; ends the run when it is none from least to most. */
uint64_t tool_number_within(const char *program, const char *option, const char *text,
                            uint64_t least, uint64_t most);

/* A number such as 12 or 0.5, without sign or exponent, all of `text`. */
bool tool_real(const char *text, double *value);

/* A format by its name; ends the run when there is none. */
enum format tool_format(const char *program, const char *option, const char *name);

/* Ends the run when what is written to `path` would take the place of `input`. */
void tool_keep_apart(const char *program, const char *path, const char *input);

#endif
