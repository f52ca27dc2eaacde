/* trace.c - a trace as the replays see it: held or streamed. */

#include <string.h>
#include "compact.h"
#include "input.h"
#include "table.h"
#include "text.h"
#include "trace.h"

/* Of a held trace: short enough to show progress, long enough not to be seen in a timed
 * loop. */
enum { CHUNK = 1 << 16 };

/* What a streamed trace is read from. */
struct stream {
    struct compact compact;
    struct input input;
    bool fresh; /* nothing was read since it was opened or rewound */
};

static bool append(struct trace *trace, const struct compact *block)
{
    uint64_t count = trace->count + block->count;
    if (count > trace->room) {
        size_t room = count < SIZE_MAX / 2 ? (size_t)count * 2 : SIZE_MAX;
        struct event *larger =
            table_grow(trace->events, trace->room, room, sizeof *larger);
        if (larger == NULL)
            return false;
        trace->events = larger;
        trace->room = room;
    }
    memcpy(trace->events + trace->count, block->event,
           block->count * sizeof *trace->events);
    trace->count = count;
    return true;
}

static bool hold(struct trace *trace, struct compact *compact,
                 struct trace_error *error)
{
    trace->room = CHUNK;
    trace->events = table_new(trace->room, sizeof *trace->events);
    bool good = trace->events != NULL;
    while (good) {
        enum compact_block block = compact_next(compact);
        if (block == COMPACT_BAD)
            return false;
        if (block == COMPACT_END)
            break;
        good = block != COMPACT_EVENTS || append(trace, compact);
    }
    trace->slots = compact->slots;
    trace->bytes = compact->input->offset + compact->used;
    if (!good)
        *error = (struct trace_error){.in_bytes = true,
                                      .place = compact->frame_offset,
                                      .text = "no memory for so many events"};
    return good;
}

static bool load_compact(struct trace *trace, struct input *input, enum trace_use use,
                         struct trace_error *error)
{
    struct stream *stream = table_new(1, sizeof *stream);
    *error = (struct trace_error){.in_bytes = true, .text = "no memory"};
    bool good = stream != NULL && (use != TRACE_AGAIN ||
                                   input_keep(input, error->text, sizeof error->text));
    if (good) {
        stream->input = *input;
        stream->fresh = true;
        good = compact_open(&stream->compact, &stream->input, 0, error);
        if (good && use == TRACE_HELD) {
            good = hold(trace, &stream->compact, error);
            compact_close(&stream->compact);
        }
        *input = stream->input;
    }
    if (good && use != TRACE_HELD) {
        trace->stream = stream;
        input->file = -1; /* the stream's from here on */
        input->data = NULL;
    } else {
        table_release(stream, sizeof *stream);
    }
    return good;
}

bool trace_load(struct trace *trace, const char *path, enum trace_use use,
                struct trace_error *error)
{
    struct input input;
    *trace = (struct trace){.path = path};
    *error = (struct trace_error){.place = 1};
    if (!input_open(&input, path, error->text, sizeof error->text))
        return false;
    bool good = compact_is(input.data, input.size)
                    ? load_compact(trace, &input, use, error)
                    : input_whole(&input, error->text, sizeof error->text) &&
                          text_read(trace, &input, error);
    if (trace->stream == NULL)
        input_close(&input);
    if (!good)
        trace_release(trace);
    return good;
}

bool trace_rewind(struct trace *trace, struct trace_error *error)
{
    trace->at = 0;
    if (trace->stream == NULL || trace->stream->fresh)
        return true;
    trace->stream->compact.error = error;
    trace->stream->fresh = true;
    return compact_rewind(&trace->stream->compact);
}

static enum trace_next next_held(struct trace *trace, struct chunk *chunk)
{
    uint64_t left = trace->count - trace->at;
    size_t count = left < CHUNK ? (size_t)left : CHUNK;
    *chunk = (struct chunk){trace->events + trace->at, count, trace->at, trace->slots};
    trace->at += count;
    return count > 0 ? TRACE_CHUNK : TRACE_END;
}

enum trace_next trace_next(struct trace *trace, struct chunk *chunk,
                           struct trace_error *error)
{
    if (trace->stream == NULL)
        return next_held(trace, chunk);
    struct compact *compact = &trace->stream->compact;
    trace->stream->fresh = false;
    compact->error = error;
    enum compact_block block;
    do {
        block = compact_next(compact);
    } while (block == COMPACT_NAMES);
    if (block == COMPACT_BAD)
        return TRACE_BAD;
    trace->slots = compact->slots;
    if (block == COMPACT_END) {
        trace->count = compact->events;
        trace->bytes = compact->input->offset + compact->used;
        return TRACE_END;
    }
    *chunk = (struct chunk){compact->event, compact->count, trace->at, compact->slots};
    trace->at += compact->count;
    return TRACE_CHUNK;
}

void trace_release(struct trace *trace)
{
    if (trace->stream != NULL) {
        compact_close(&trace->stream->compact);
        input_close(&trace->stream->input);
    }
    table_release(trace->stream, sizeof *trace->stream);
    table_release(trace->events, trace->room * sizeof *trace->events);
    table_release(trace->ids, trace->room * sizeof *trace->ids);
    *trace = (struct trace){.path = trace->path};
}
