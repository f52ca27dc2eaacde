/* edit.c - the trace that cut, merge and sample write. The ledger that makes traces of
 * recordings also gives the slots here: a free of a block that is not in the part, or
 * not in the sample, is to it one of a block from before the recording. */

#include "../driver/output.h"
#include "../driver/run.h"
#include "edit.h"

void edit_open(struct edit *edit, const struct edit_options *options,
               struct about *about, const char *done, unsigned columns,
               const struct vocabulary *vocabulary)
{
    about_append(about, "edited", done, "; ");
    struct sink_options to = {.path = options->path,
                              .format = options->format != FORMAT_UNKNOWN
                                            ? options->format
                                            : sink_format_of(options->path),
                              .columns = columns,
                              .about = about->text,
                              .vocabulary = vocabulary};
    edit->sink = sink_open(&to);
    struct ledger_options in = {.keep = !options->free_at_end,
                                .emit = sink_put,
                                .context = edit->sink,
                                .times_from_0 = true};
    edit->ledger = ledger_open(&in);
}

void edit_put(struct edit *edit, const struct entry *entry, uint32_t owner)
{
    struct record record = feed_record(entry, owner);
    ledger_put(edit->ledger, &record);
}

struct ledger_counts edit_finish(struct edit *edit, uint64_t lost)
{
    ledger_end(edit->ledger);
    struct ledger_counts counts = *ledger_counts(edit->ledger);
    sink_finish(edit->sink, lost);
    output_finish_all();
    ledger_close(edit->ledger);
    return counts;
}
