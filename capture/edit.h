/* edit.h - the trace that cut, merge and sample write: events of other traces, their
 * blocks given slots anew. */
#ifndef KMA_CAPTURE_EDIT_H
#define KMA_CAPTURE_EDIT_H

#include "about.h"
#include "feed.h"
#include "sink.h"

struct edit_options {
    const char *path;
    enum format format; /* FORMAT_UNKNOWN: by the path's ending */
    bool free_at_end;
};

/* What all three tools write with. */
struct edit {
    struct ledger *ledger;
    struct sink *sink;
};

/* `done`, such as "cut --from 5", becomes a line of `about`, which stays the caller's. */
void edit_open(struct edit *edit, const struct edit_options *options,
               struct about *about, const char *done, unsigned columns,
               const struct vocabulary *vocabulary);

/* A FREE of a block that was not put is left out. */
void edit_put(struct edit *edit, const struct entry *entry, uint32_t owner);

/* Frees what is live if that was asked for, writes the trace to its end and puts it in
 * place. Returns what was written and what was left out. */
struct ledger_counts edit_finish(struct edit *edit, uint64_t lost);

#endif
