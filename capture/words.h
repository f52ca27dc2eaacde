/* words.h - the words and numbers of a line, found without copying. */
#ifndef KMA_CAPTURE_WORDS_H
#define KMA_CAPTURE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "../driver/scan.h"

/* [at, end) of a line. */
struct span {
    const char *at;
    const char *end;
};

static inline size_t span_length(struct span span)
{
    return (size_t)(span.end - span.at);
}

static inline bool span_is(struct span span, const char *text)
{
    size_t length = strlen(text);
    return span_length(span) == length && memcmp(span.at, text, length) == 0;
}

static inline bool span_begins(struct span span, const char *text)
{
    size_t length = strlen(text);
    return span_length(span) >= length && memcmp(span.at, text, length) == 0;
}

/* The word at or behind `at`; an empty one at the end. */
static inline struct span next_word(const char *at, const char *end)
{
    struct span word = {skip_blanks(at, end), end};
    for (word.end = word.at; word.end < end && !is_blank(*word.end);)
        word.end++;
    return word;
}

/* The word at or before `end`; an empty one at the beginning. */
static inline struct span last_word(const char *at, const char *end)
{
    while (end > at && is_blank(end[-1]))
        end--;
    struct span word = {end, end};
    while (word.at > at && !is_blank(word.at[-1]))
        word.at--;
    return word;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* False when the whole of it is no number, or one over 64 bits. */
static inline bool read_decimal(struct span span, uint64_t *value)
{
    uint64_t number = 0;
    if (span.at == span.end)
        return false;
    for (; span.at < span.end; span.at++) {
        if (!is_digit(*span.at) || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (unsigned)(*span.at - '0'), &number))
            return false;
    }
    *value = number;
    return true;
}

/* Hexadecimal digits, with or without a 0x before them. */
static inline bool read_hex(struct span span, uint64_t *value)
{
    uint64_t number = 0;
    if (span_begins(span, "0x"))
        span.at += 2;
    if (span.at == span.end || span_length(span) > 16)
        return false;
    for (; span.at < span.end; span.at++) {
        unsigned letter = (unsigned)((*span.at | 32) - 'a');
        if (!is_digit(*span.at) && letter > 5)
            return false;
        unsigned digit = is_digit(*span.at) ? (unsigned)(*span.at - '0') : letter + 10;
        number = number << 4 | digit;
    }
    *value = number;
    return true;
}

/* As printf's %p has it, of glibc or of the kernel. */
static inline bool read_pointer(struct span span, uint64_t *value)
{
    *value = 0;
    return span_is(span, "(nil)") || span_is(span, "(null)") || read_hex(span, value);
}

#endif
