/* text.h - the reader of traces that are text. */
#ifndef KMA_DRIVER_TEXT_H
#define KMA_DRIVER_TEXT_H

#include "input.h"
#include "trace.h"

/* Fills in the events of a trace from an input that is there as a whole. False, with the
 * line and the reason in *error, when it is not one; what is there of the trace then is
 * still to be released. */
bool text_read(struct trace *trace, const struct input *input,
               struct trace_error *error);

#endif
