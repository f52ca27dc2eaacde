/* lines.c - the lines of a text, as its bytes arrive. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "lines.h"

bool lines_reject(const struct lines *lines, struct trace_error *error,
                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->in_bytes = false;
    error->place = lines->number;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

static const char *find_end(const struct lines *lines, const struct input *input)
{
    size_t left = input->size - lines->used;
    return left == 0 ? NULL : memchr(input->data + lines->used, '\n', left);
}

enum lines_next lines_next(struct lines *lines, struct input *input,
                           struct trace_error *error)
{
    const char *end = find_end(lines, input);
    lines->number++;
    if (end == NULL && !input->ended) {
        size_t used = lines->used;
        lines->used = 0;
        if (!input_advance(input, used, error->text, sizeof error->text)) {
            error->in_bytes = false;
            error->place = lines->number;
            return LINES_BAD;
        }
        end = find_end(lines, input);
    }
    lines->at = input->data + lines->used;
    size_t left = input->size - lines->used;
    if (end == NULL && left == 0)
        return LINES_END;
    size_t length = end == NULL ? left : (size_t)(end - lines->at) + 1;
    if (length > LONGEST_LINE) {
        lines_reject(lines, error, "a line of more than %d bytes", LONGEST_LINE);
        return LINES_BAD;
    }
    if (end == NULL) {
        lines_reject(lines, error, "cut short: the last line has no line end");
        return LINES_BAD;
    }
    lines->used += length;
    lines->end = end > lines->at && end[-1] == '\r' ? end - 1 : end;
    return LINES_LINE;
}

struct quote lines_quote(const char *at, const char *end)
{
    struct quote quote = {"'"};
    size_t length = 1;
    for (; at < end && length < sizeof quote.text - 8; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= ' ' && c < 127)
            quote.text[length++] = (char)c;
        else
            length += (size_t)sprintf(quote.text + length, "\\x%02x", c);
    }
    sprintf(quote.text + length, at < end ? "...'" : "'");
    return quote;
}
