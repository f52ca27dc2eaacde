/* program_traces.h - the raw files of a recording become traces. */
#ifndef KMA_CAPTURE_PROGRAM_TRACES_H
#define KMA_CAPTURE_PROGRAM_TRACES_H

#include <time.h>

/* Writes a trace for each process image that allocated: the first one to `output`, the
 * others to files with a number put before its ending, in the order in which they began.
 * `began`: when the command was started. Each is told of on standard error. Ends the run
 * when there is none, or one cannot be written, or a signal comes. */
void traces_write(const char *output, char **command, time_t began);

#endif
