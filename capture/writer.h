/* writer.h - compact traces (FORMAT.md), written block by block as events arrive. */
#ifndef KMA_CAPTURE_WRITER_H
#define KMA_CAPTURE_WRITER_H

#include <stdio.h>
#include "sink.h"

struct writer;

/* Takes the options as sink_open does and writes to `stream`, which stays the caller's.
 * Ends the run for want of memory; a stream that cannot be written to is seen by its
 * owner. */
struct writer *writer_open(const struct sink_options *options, FILE *stream);

void writer_put(struct writer *writer, const struct entry *entry);

void writer_finish(struct writer *writer, uint64_t lost);

#endif
