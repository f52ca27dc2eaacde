/* text.c - the reader of text: to events, in one pass over a mapped file.
 *
 *     2000                    the number of events N
 *     REQUEST 0 112           REQUEST id size, 0 <= id < N, 0 < size <= INT_MAX
 *     FREE 0                  FREE id, of an id that is live
 *
 * There is one event a line, so the line of an event follows from its number. The
 * expected text is parsed inline; whatever is not expected leaves for one of the
 * explain functions, which have all the time they need.
 *
 * No number in the file decides how much memory is taken: N events need at least
 * 7 bytes each ("FREE 0" and a line end), and a header that says more than the
 * input can hold is refused first. Everything else is indexed by ids below N.
 */

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "scan.h"
#include "table.h"
#include "text.h"

_Static_assert(sizeof(struct event) == 8, "8 bytes an event");

enum { SHORTEST_EVENT = 7 };

struct reader {
    const char *at;
    const char *end;
    uint64_t line;
    struct trace *trace;  /* trace->count events are read so far */
    uint32_t announced;   /* N */
    uint32_t *slot_of;    /* by id: slot + 1, or 0 when not live */
    uint32_t *free_slots; /* a stack */
    uint32_t free_count;
    struct trace_error *error;
};

__attribute__((format(printf, 2, 3), cold)) static bool reject(struct reader *reader,
                                                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    reader->error->in_bytes = false;
    reader->error->place = reader->line;
    vsnprintf(reader->error->text, sizeof reader->error->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool at_line_end(const struct reader *reader)
{
    return is_line_end(reader->at, reader->end);
}

/* The word at the reader's place as a message can show it: quoted, cut short, and with
 * everything that is not printable escaped. */
struct word {
    char text[40];
};

static struct word next_word(const struct reader *reader)
{
    struct word word = {"'"};
    size_t length = 1;
    const char *at = reader->at;
    while (at < reader->end && *at != '\n' && (at == reader->at || !ends_word(*at))) {
        if (length > sizeof word.text - 10) {
            length += (size_t)sprintf(word.text + length, "...");
            break;
        }
        unsigned char c = (unsigned char)*at++;
        if (c > ' ' && c < 127)
            word.text[length++] = (char)c;
        else
            length += (size_t)sprintf(word.text + length, "\\x%02x", c);
    }
    word.text[length++] = '\'';
    word.text[length] = '\0';
    return word;
}

__attribute__((cold)) static bool is_negative_number(const struct reader *reader)
{
    const char *at = reader->at;
    if (at == reader->end || *at++ != '-' || at == reader->end)
        return false;
    while (at < reader->end && isdigit((unsigned char)*at))
        at++;
    return at > reader->at + 1 && (at == reader->end || ends_word(*at));
}

/* Why read_number found no number, or not a good one, where the id or size begins. */
__attribute__((cold)) static bool explain_number(struct reader *reader, const char *at,
                                                 bool is_size)
{
    const char *what = is_size ? "size" : "id";
    reader->at = at;
    if (at_line_end(reader))
        return reject(reader, "the %s is missing", what);
    struct word word = next_word(reader);
    uint64_t value = 0;
    bool negative = is_negative_number(reader);
    if (!negative && read_number(at, reader->end, &value) == NULL)
        return reject(reader, "the %s is not a number: %s", what, word.text);
    if (!is_size)
        return reject(reader, "id %s is out of range: 0 to %lu", word.text,
                      (unsigned long)reader->announced - 1);
    if (negative || value == 0)
        return reject(reader, "size %s is not positive", word.text);
    return reject(reader, "size %s is over %d", word.text, INT_MAX);
}

/* Only blanks and line ends follow; counts the lines while it looks. */
__attribute__((cold)) static bool skip_blank_rest(struct reader *reader)
{
    for (; reader->at < reader->end; reader->at++) {
        if (*reader->at == '\n')
            reader->line++;
        else if (!is_blank(*reader->at) && !at_line_end(reader))
            return false;
    }
    return true;
}

__attribute__((cold)) static bool explain_command(struct reader *reader, const char *at)
{
    reader->at = at;
    uint64_t line = reader->line;
    bool blank = at_line_end(reader);
    if (skip_blank_rest(reader)) {
        reader->line = line;
        return reject(
            reader, "the trace ends after %lu of the %lu events that line 1 announces",
            (unsigned long)reader->trace->count, (unsigned long)reader->announced);
    }
    reader->line = line;
    if (blank)
        return reject(reader, "blank line: REQUEST or FREE expected");
    return reject(reader, "unknown command %s: REQUEST or FREE expected",
                  next_word(reader).text);
}

/* The line of the last event before this one that has this id, or 0. */
__attribute__((cold)) static unsigned long line_of_last(const struct trace *trace,
                                                        uint32_t id)
{
    for (uint64_t event = trace->count; event-- > 0;) {
        if (trace->ids[event] == id)
            return (unsigned long)trace_line(event);
    }
    return 0;
}

__attribute__((cold)) static bool explain_state(struct reader *reader, uint32_t id)
{
    unsigned long since = line_of_last(reader->trace, id);
    unsigned long shown = id;
    if (reader->slot_of[id] != 0)
        return reject(reader, "REQUEST of id %lu, which is live since line %lu", shown,
                      since);
    if (since != 0)
        return reject(reader, "FREE of id %lu, which is free since line %lu", shown,
                      since);
    return reject(reader, "FREE of id %lu, which was never requested", shown);
}

__attribute__((cold)) static bool explain_garbage(struct reader *reader, const char *at)
{
    reader->at = at;
    return reject(reader, "%s after the end of the line's fields",
                  next_word(reader).text);
}

/* Leaves the reader at the next line, if nothing more stands on this one. */
static inline bool end_line(struct reader *reader, const char *at)
{
    at = skip_blanks(at, reader->end);
    if (!is_line_end(at, reader->end))
        return explain_garbage(reader, at);
    if (at < reader->end && *at == '\r')
        at++;
    reader->at = at < reader->end ? at + 1 : at;
    return true;
}

static inline uint32_t take_slot(struct reader *reader)
{
    if (reader->free_count > 0)
        return reader->free_slots[--reader->free_count];
    return reader->trace->slots++;
}

static inline bool read_event(struct reader *reader, struct event *event, uint32_t *id)
{
    const char *end = reader->end;
    const char *start = skip_blanks(reader->at, end);
    const char *at = match_word(start, end, "REQUEST", 7);
    bool request = at != NULL;
    if (!request && (at = match_word(start, end, "FREE", 4)) == NULL)
        return explain_command(reader, start);

    const char *field = skip_blanks(at, end);
    uint64_t number;
    at = read_number(field, end, &number);
    if (at == NULL || number >= reader->announced)
        return explain_number(reader, field, false);
    *id = (uint32_t)number;
    uint32_t *slot_of = &reader->slot_of[number];
    uint64_t size = 0;
    if (request) {
        field = skip_blanks(at, end);
        at = read_number(field, end, &size);
        if (at == NULL || size == 0 || size > INT_MAX)
            return explain_number(reader, field, true);
    }
    if (!end_line(reader, at))
        return false;
    if (request != (*slot_of == 0))
        return explain_state(reader, *id);

    if (request) {
        event->slot = take_slot(reader);
        *slot_of = event->slot + 1;
    } else {
        event->slot = *slot_of - 1;
        *slot_of = 0;
        reader->free_slots[reader->free_count++] = event->slot;
    }
    event->size = (int32_t)size;
    return true;
}

static bool read_header(struct reader *reader, size_t bytes)
{
    if (bytes == 0)
        return reject(reader, "empty: the first line must be the number of events");
    reader->at = skip_blanks(reader->at, reader->end);
    struct word word = next_word(reader);
    uint64_t number;
    const char *at = read_number(reader->at, reader->end, &number);
    if (at == NULL)
        return reject(reader, "the first line must be the number of events%s%s",
                      at_line_end(reader) ? "" : ", not ",
                      at_line_end(reader) ? "" : word.text);
    if (number > bytes / SHORTEST_EVENT + 1 || number >= UINT32_MAX)
        return reject(reader, "%s events announced: more than %zu bytes can hold",
                      word.text, bytes);
    reader->announced = (uint32_t)number;
    return end_line(reader, at);
}

static bool read_events(struct reader *reader)
{
    struct trace *trace = reader->trace;
    while (trace->count < reader->announced) {
        reader->line = trace_line(trace->count);
        if (!read_event(reader, &trace->events[trace->count],
                        &trace->ids[trace->count]))
            return false;
        trace->count++;
    }
    reader->line = trace_line(trace->count);
    if (!skip_blank_rest(reader))
        return reject(reader,
                      "%s after the last of the %lu events that line 1 announces",
                      next_word(reader).text, (unsigned long)reader->announced);
    return true;
}

static bool read_trace(struct reader *reader)
{
    if (!read_header(reader, (size_t)(reader->end - reader->at)))
        return false;
    /* One more, so that an empty trace has tables too. */
    size_t room = (size_t)reader->announced + 1;
    struct trace *trace = reader->trace;
    trace->room = room;
    trace->events = table_new(room, sizeof *trace->events);
    trace->ids = table_new(room, sizeof *trace->ids);
    reader->slot_of = table_new(room, sizeof *reader->slot_of);
    reader->free_slots = table_new(room, sizeof *reader->free_slots);
    if (trace->events == NULL || trace->ids == NULL || reader->slot_of == NULL ||
        reader->free_slots == NULL)
        return reject(reader, "no memory for %lu events",
                      (unsigned long)reader->announced);
    return read_events(reader);
}

bool text_read(struct trace *trace, const struct input *input,
               struct trace_error *error)
{
    struct reader reader = {.at = input->data,
                            .end = input->data + input->size,
                            .line = 1,
                            .trace = trace,
                            .error = error};
    trace->bytes = input->size;
    bool good = read_trace(&reader);
    table_release(reader.slot_of, trace->room * sizeof *reader.slot_of);
    table_release(reader.free_slots, trace->room * sizeof *reader.free_slots);
    return good;
}
