/* read_mtrace.c - the log of glibc's mtrace():
 *
 *     = Start
 *     @ ./prog:(main+0x1e)[0x401136] + 0x4052a0 0x64    malloc and the like
 *     @ ./prog:[0x401140] < 0x4052a0                    realloc: what is given up,
 *     @ ./prog:[0x401140] > 0x405310 0xc8               and what there is for it
 *     @ ./prog:[0x401150] ! 0x405310 0x7fffffffffff     realloc that failed
 *     @ ./prog:[0x401160] - 0x405310                    free
 *     = End
 *
 * Sizes are hexadecimal, 0 stands without its 0x, and the place of the call may be
 * missing. */

#include "../driver/compact.h"
#include "read.h"
#include "words.h"

struct call {
    char sign;
    uint64_t pointer;
    uint64_t size;
    struct span place; /* of the call */
};

static bool is_sign(struct span span, const char *signs)
{
    return span_length(span) == 1 && *span.at != '\0' &&
           strchr(signs, *span.at) != NULL;
}

/* From its end, since the name of the program may have blanks. */
static bool read_call(const struct lines *lines, struct call *call)
{
    struct span last = last_word(lines->at, lines->end);
    struct span middle = last_word(lines->at, last.at);
    struct span sign = middle;
    call->size = 0;
    if (is_sign(middle, "-<")) {
        if (!read_pointer(last, &call->pointer))
            return false;
    } else {
        sign = last_word(lines->at, middle.at);
        if (!is_sign(sign, "+>!") || !read_pointer(middle, &call->pointer) ||
            !read_hex(last, &call->size))
            return false;
    }
    call->sign = *sign.at;
    call->place = (struct span){lines->at, last_word(lines->at, sign.at).end};
    if (call->place.at == call->place.end)
        return true;
    struct span mark = next_word(lines->at, call->place.end);
    call->place.at = skip_blanks(mark.end, call->place.end);
    return span_is(mark, "@");
}

/* "prog:(main+0x1e)[0x401136]" says enough without the address, which may be another in
 * the next run; where nothing else is known of the place it stays. */
static uint32_t site_of(struct source *source, const struct call *call)
{
    static const char none[] = ":[0x0]"; /* what our own writer adds */
    const size_t length = sizeof none - 1;
    struct span place = call->place;
    size_t size = span_length(place);
    const char *bracket = memrchr(place.at, '[', size);
    if (size > length && memcmp(place.end - length, none, length) == 0)
        place.end -= length;
    else if (bracket != NULL && bracket > place.at && bracket[-1] == ')')
        place.end = bracket;
    return names_number(&source->vocabulary->sites, place.at, span_length(place));
}

static enum lines_next next_call(struct source *source, struct call *call,
                                 struct trace_error *error)
{
    struct lines *lines = &source->lines;
    for (;;) {
        enum lines_next found = lines_next(lines, &source->input, error);
        if (found != LINES_LINE)
            return found;
        if (lines->at == lines->end || lines->at[0] == '=')
            continue;
        if (read_call(lines, call))
            return LINES_LINE;
        lines_reject(lines, error, "no line of mtrace(): %s",
                     lines_quote(lines->at, lines->end).text);
        return LINES_BAD;
    }
}

/* The line behind the '<' of a realloc. */
static enum source_next next_half(struct source *source, struct record *record,
                                  uint64_t old, struct trace_error *error)
{
    struct call call;
    enum lines_next found = next_call(source, &call, error);
    if (found == LINES_BAD)
        return SOURCE_BAD;
    if (found == LINES_END || call.sign != '>') {
        lines_reject(&source->lines, error,
                     "'>' expected, the second half of a realloc");
        return SOURCE_BAD;
    }
    *record = (struct record){.op = RECORD_REALLOC,
                              .pointer = call.pointer,
                              .old = old,
                              .size = call.size,
                              .site = site_of(source, &call)};
    return SOURCE_RECORD;
}

static enum source_next next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    struct call call;
    enum lines_next found = next_call(source, &call, error);
    if (found != LINES_LINE)
        return found == LINES_END ? SOURCE_END : SOURCE_BAD;
    if (call.sign == '<')
        return next_half(source, record, call.pointer, error);
    if (call.sign == '>') {
        lines_reject(&source->lines, error, "'>' without the '<' before it");
        return SOURCE_BAD;
    }
    *record = (struct record){.op = call.sign == '-' ? RECORD_FREE : RECORD_ALLOC,
                              .pointer = call.pointer,
                              .size = call.size,
                              .site = site_of(source, &call)};
    if (call.sign == '!') {
        record->op = RECORD_REALLOC;
        record->old = call.pointer;
        record->pointer = 0;
    }
    return SOURCE_RECORD;
}

static bool is_mtrace(const struct input *input)
{
    const char *at = input->data;
    size_t size = input->size;
    if (size >= 7 && memcmp(at, "= Start", 7) == 0)
        return true;
    if (size < 4 || at[0] == '\0' || strchr("@+-<!", at[0]) == NULL || at[1] != ' ')
        return false;
    return at[0] == '@' || memcmp(at + 2, "0x", 2) == 0 || at[2] == '(';
}

static bool open(struct source *source, struct trace_error *error)
{
    (void)error;
    source->columns = 1U << COMPACT_SITE;
    source->about = "origin=program\n";
    return true;
}

const struct reader_kind read_mtrace = {FORMAT_MTRACE, is_mtrace, open, next, NULL};
