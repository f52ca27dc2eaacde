/* scan.h - the words and numbers of a trace's text, found without copying. Every
 * function looks at [at, end) alone, which no zero byte need follow. */
#ifndef KMA_DRIVER_SCAN_H
#define KMA_DRIVER_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool ends_word(char c)
{
    return is_blank(c) || c == '\n' || c == '\r';
}

static inline const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* Nothing but a line end, or the end of the input, is left on this line. */
static inline bool is_line_end(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    return left == 0 || at[0] == '\n' ||
           (at[0] == '\r' && (left == 1 || at[1] == '\n'));
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* Up to seven digits at `text`, of which eight bytes can be read, without a branch for
 * each: how many digits a number has is what a branch predictor cannot know. Returns
 * how many there are; 8 or more give 8 and no value. */
static inline unsigned take_digits(const char *text, uint64_t *value)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    word ^= UINT64_C(0x3030303030303030);
    /* The top bit of each byte: not 0 to 9. */
    uint64_t others = (word | ((word & UINT64_C(0x7f7f7f7f7f7f7f7f)) +
                               UINT64_C(0x7676767676767676))) &
                      UINT64_C(0x8080808080808080);
    unsigned count = others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
    if (count == 0 || count == 8)
        return count;
    word <<= 64 - 8 * count; /* zeros in front */
    word = (word * 10 + (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff); /* pairs */
    word = (word * 100 + (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    *value = (word * 10000 + (word >> 32)) & UINT64_C(0xffffffff);
    return count;
}

#else

static inline unsigned take_digits(const char *text, uint64_t *value)
{
    (void)text;
    (void)value;
    return 8;
}

#endif

/* The number at `at`, which a blank or a line end must follow, and the place behind it;
 * NULL when there is none. Whatever does not fit 32 bits comes out as some value above
 * UINT32_MAX. */
static inline const char *read_number(const char *at, const char *end, uint64_t *value)
{
    const char *start = at;
    uint64_t number = 0;
    unsigned digits = 8;
    if (end - at > 8)
        digits = take_digits(at, &number);
    if (digits < 8) {
        at += digits;
    } else {
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            if (number <= UINT32_MAX)
                number = number * 10 + (unsigned)(*at - '0');
        }
    }
    *value = number;
    return at == start || (at < end && !ends_word(*at)) ? NULL : at;
}

/* The place behind `word`, or NULL when something else is at `at`. */
static inline const char *match_word(const char *at, const char *end, const char *word,
                                     size_t length)
{
    if ((size_t)(end - at) < length || memcmp(at, word, length) != 0)
        return NULL;
    at += length;
    return at < end && !ends_word(*at) ? NULL : at;
}

#endif
