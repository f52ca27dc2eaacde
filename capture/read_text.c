/* read_text.c - traces that are text, by the driver's reader. Its slots serve as
 * pointers; 0 is none. */

#include <stdlib.h>
#include "../driver/scan.h"
#include "../driver/text.h"
#include "read.h"

static bool open(struct source *source, struct trace_error *error)
{
    struct trace *trace = calloc(1, sizeof *trace);
    *error = (struct trace_error){.place = 1, .text = "no memory"};
    if (trace == NULL)
        return false;
    bool good = input_whole(&source->input, error->text, sizeof error->text) &&
                text_read(trace, &source->input, error);
    source->state = trace;
    if (!good) {
        trace_release(trace);
        free(trace);
    }
    return good;
}

static enum source_next next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    struct trace *trace = source->state;
    (void)error;
    if (trace->at == trace->count)
        return SOURCE_END;
    struct event event = trace->events[trace->at++];
    *record = (struct record){.op = event.size > 0 ? RECORD_ALLOC : RECORD_FREE,
                              .pointer = (uint64_t)event.slot + 1,
                              .size = (uint64_t)event.size};
    return SOURCE_RECORD;
}

static void close(struct source *source)
{
    trace_release(source->state);
    free(source->state);
}

/* A number alone in the first line. */
static bool is(const struct input *input)
{
    const char *at = input->data;
    const char *end = at + input->size;
    uint64_t number;
    at = read_number(skip_blanks(at, end), end, &number);
    return at != NULL && is_line_end(skip_blanks(at, end), end);
}

const struct reader_kind read_text = {FORMAT_TEXT, is, open, next, close};
