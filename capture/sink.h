/* sink.h - a trace being written, in any of the formats. */
#ifndef KMA_CAPTURE_SINK_H
#define KMA_CAPTURE_SINK_H

#include "format.h"
#include "ledger.h"
#include "names.h"

struct sink;

struct sink_options {
    const char *path; /* "-": standard output */
    enum format format;
    unsigned columns;  /* of a compact trace, 1 << enum compact_column */
    int level;         /* of zstd's compression, 1 to 19; 0: 3 */
    const char *about; /* lines of key=value for the first block */
    const struct vocabulary *vocabulary; /* may grow until the end */
};

/* Nothing appears under the path before sink_finish and output_finish_all (output.h).
 * Like everything here it ends the run when it cannot go on. */
struct sink *sink_open(const struct sink_options *options);

/* A ledger_emit. */
void sink_put(void *sink, const struct entry *entry);

/* Completes and closes it. `lost`: events that the recording has lost. */
void sink_finish(struct sink *sink, uint64_t lost);

/* The format that a path's ending asks for: .trace and .txt text, .ktr compact, .perf,
 * .ftrace, .rep, .mtrace; compact for all else. */
enum format sink_format_of(const char *path);

#endif
