/* read_rep.c - the traces of the CS:APP malloc lab:
 *
 *     0           a size of the heap that somebody suggested
 *     2           ids
 *     4           operations
 *     1           the weight of the trace
 *     a 0 512     allocate 512 bytes as id 0
 *     r 0 1000    reallocate them; an id that is not live is allocated
 *     f 0         free them; id -1 is NULL
 */

#include <stdlib.h>
#include "pointers.h"
#include "read.h"
#include "words.h"

struct state {
    uint64_t ids;
    uint64_t announced; /* operations */
    uint64_t read;
    struct pointers live; /* an id serves as a pointer, one up: 0 is none */
};

/* The number in the whole of the present line. */
static bool read_header(struct source *source, const char *what, uint64_t *value,
                        struct trace_error *error)
{
    struct lines *lines = &source->lines;
    switch (lines_next(lines, &source->input, error)) {
    case LINES_BAD:
        return false;
    case LINES_END:
        return lines_reject(lines, error, "cut short: %s expected", what);
    case LINES_LINE:
        break;
    }
    struct span word = next_word(lines->at, lines->end);
    if (read_decimal(word, value) && skip_blanks(word.end, lines->end) == lines->end)
        return true;
    return lines_reject(lines, error, "%s expected, not %s", what,
                        lines_quote(word.at, lines->end).text);
}

static bool open(struct source *source, struct trace_error *error)
{
    struct state *state = calloc(1, sizeof *state);
    uint64_t unused;
    *error = (struct trace_error){.place = 1, .text = "no memory"};
    if (state == NULL)
        return false;
    source->state = state;
    if (read_header(source, "a size of the heap", &unused, error) &&
        read_header(source, "the number of ids", &state->ids, error) &&
        read_header(source, "the number of operations", &state->announced, error) &&
        read_header(source, "the weight", &unused, error))
        return true;
    free(state);
    return false;
}

static bool reject(const struct source *source, struct trace_error *error,
                   const char *reason)
{
    const struct lines *lines = &source->lines;
    return lines_reject(lines, error, "%s: %s", reason,
                        lines_quote(lines->at, lines->end).text);
}

/* Which blocks are live must be known for the sake of 'r' alone. */
static bool settle(struct source *source, struct record *record,
                   struct trace_error *error)
{
    struct state *state = source->state;
    uint64_t unused;
    bool live =
        record->pointer != 0 && pointers_take(&state->live, record->pointer, &unused);
    if (record->op == RECORD_REALLOC && live)
        record->old = record->pointer;
    else if (record->op == RECORD_REALLOC)
        record->op = RECORD_ALLOC;
    if (record->op != RECORD_FREE && !pointers_put(&state->live, record->pointer, 0))
        return lines_reject(&source->lines, error, "no memory for another live block");
    return true;
}

static bool read_operation(struct source *source, struct record *record,
                           struct trace_error *error)
{
    const struct lines *lines = &source->lines;
    const struct state *state = source->state;
    struct span operation = next_word(lines->at, lines->end);
    struct span id = next_word(operation.end, lines->end);
    struct span size = next_word(id.end, lines->end);
    char letter = *operation.at;
    uint64_t number = 0;
    *record = (struct record){.op = letter == 'a'   ? RECORD_ALLOC
                                    : letter == 'r' ? RECORD_REALLOC
                                                    : RECORD_FREE};
    if (span_length(operation) != 1 ||
        (letter != 'a' && letter != 'r' && letter != 'f'))
        return reject(source, error, "'a', 'r' or 'f' expected");
    bool null = letter == 'f' && span_is(id, "-1");
    if (!null && !read_decimal(id, &number))
        return reject(source, error, "the id is no number");
    if (!null && number >= state->ids)
        return lines_reject(lines, error,
                            "id %llu is not below %llu, which line 2 says",
                            (unsigned long long)number, (unsigned long long)state->ids);
    const char *end = id.end;
    if (letter != 'f') {
        if (!read_decimal(size, &record->size))
            return reject(source, error, "the size is no number");
        end = size.end;
    }
    if (skip_blanks(end, lines->end) != lines->end)
        return reject(source, error, "something follows the operation");
    record->pointer = null ? 0 : number + 1;
    if (letter == 'r' && record->size == 0)
        record->op = RECORD_FREE;
    return settle(source, record, error);
}

static enum source_next next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    struct state *state = source->state;
    struct lines *lines = &source->lines;
    enum lines_next found;
    do {
        found = lines_next(lines, &source->input, error);
    } while (found == LINES_LINE && skip_blanks(lines->at, lines->end) == lines->end);
    if (found == LINES_BAD)
        return SOURCE_BAD;
    bool more = found == LINES_LINE;
    if (more != (state->read < state->announced)) {
        lines_reject(lines, error, "%s the %llu operations that line 3 announces",
                     more ? "something follows" : "cut short: it ends before",
                     (unsigned long long)state->announced);
        return SOURCE_BAD;
    }
    state->read++;
    if (!more)
        return SOURCE_END;
    return read_operation(source, record, error) ? SOURCE_RECORD : SOURCE_BAD;
}

static void close(struct source *source)
{
    struct state *state = source->state;
    pointers_release(&state->live);
    free(state);
}

/* A number alone in the first line, and another one in the second. */
static bool is_rep(const struct input *input)
{
    const char *at = input->data;
    const char *end = at + input->size;
    for (int i = 0; i < 2; i++) {
        uint64_t number;
        at = read_number(skip_blanks(at, end), end, &number);
        if (at == NULL)
            return false;
        at = skip_blanks(at, end);
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL || !is_line_end(at, end))
            return false;
        at = line_end + 1;
    }
    return true;
}

const struct reader_kind read_rep = {FORMAT_REP, is_rep, open, next, close};
