/* source.h - a recording of any kind, a record at a time. */
#ifndef KMA_CAPTURE_SOURCE_H
#define KMA_CAPTURE_SOURCE_H

#include <stdbool.h>
#include "../driver/trace.h"
#include "format.h"
#include "names.h"
#include "record.h"

struct source;

enum source_next { SOURCE_RECORD, SOURCE_END, SOURCE_BAD };

/* Opens `path`, "-" for standard input; the kind is recognised from the content. NULL,
 * with the place and the reason in *error, when it is of no known kind. Names go into
 * `vocabulary`, which outlives the source. */
struct source *source_open(const char *path, struct vocabulary *vocabulary,
                           struct trace_error *error);

/* SOURCE_BAD: the place and the reason are in *error, and nothing more comes. */
enum source_next source_next(struct source *source, struct record *record,
                             struct trace_error *error);

enum format source_format(const struct source *source);

/* The columns that its records have, 1 << enum compact_column each; may be relied upon
 * once the first record came. */
unsigned source_columns(const struct source *source);

/* What is known of the recording, lines of key=value as a compact trace has them, but for
 * its columns; "" when nothing is. */
const char *source_about(const struct source *source);

/* Events that the recording says it has lost, so far. */
uint64_t source_lost(const struct source *source);

/* Lines, so far, that speak of something else than memory. */
uint64_t source_skipped(const struct source *source);

void source_close(struct source *source);

/* Ends the run with the message `path:line: ...` or `path: byte N: ...`. */
_Noreturn void source_refuse(const char *path, const struct trace_error *error);

#endif
