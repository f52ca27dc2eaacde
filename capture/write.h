/* write.h - what the writers of the formats share. */
#ifndef KMA_CAPTURE_WRITE_H
#define KMA_CAPTURE_WRITE_H

#include <stdio.h>
#include <string.h>
#include "sink.h"

struct sink {
    const struct writer_kind *kind;
    struct output *output;
    FILE *stream; /* of the output */
    FILE *body;   /* what has to wait until the header is known, else NULL */
    const struct vocabulary *vocabulary;
    struct writer *compact;
    uint64_t events;
    uint32_t slots;
};

/* A format's writer. `put` is called before the event is counted. */
struct writer_kind {
    void (*open)(struct sink *sink, const struct sink_options *options);
    void (*put)(struct sink *sink, const struct entry *entry);
    void (*finish)(struct sink *sink, uint64_t lost);
};

extern const struct writer_kind write_text, write_compact, write_rep, write_mtrace,
    write_perf, write_ftrace;

/* A file without a name for the lines behind a header that counts them, in $TMPDIR or
 * /tmp. Ends the run when there can be none. */
void body_open(struct sink *sink);

/* Copies it behind what the output has, and closes it. */
void body_append(struct sink *sink);

/* A line put together; all that is added to one must fit. */
struct line {
    size_t length;
    char text[1000];
};

static inline void line_bytes(struct line *line, const char *text, size_t length)
{
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static inline void line_text(struct line *line, const char *text)
{
    line_bytes(line, text, strlen(text));
}

/* With zeros in front when it has fewer than `width` digits. */
static inline void line_number(struct line *line, uint64_t number, unsigned width)
{
    char digits[24];
    char *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || digits + sizeof digits - at < (long)width);
    line_bytes(line, at, (size_t)(digits + sizeof digits - at));
}

static inline void line_hex(struct line *line, uint64_t number)
{
    char digits[16];
    char *at = digits + sizeof digits;
    do {
        *--at = "0123456789abcdef"[number % 16];
        number /= 16;
    } while (number > 0);
    line_bytes(line, at, (size_t)(digits + sizeof digits - at));
}

/* A name as one word of a line: whatever might end the word becomes '_'. */
static inline void line_name(struct line *line, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        line->text[line->length++] = (char)(c <= ' ' || c == 127 ? '_' : c);
    }
}

/* An address for a block, which no other has that is live. */
static inline uint64_t line_address(uint32_t slot)
{
    return UINT64_C(0x100000000000) + (uint64_t)slot * 16;
}

static inline void line_put(struct line *line, FILE *stream)
{
    line->text[line->length++] = '\n';
    fwrite_unlocked(line->text, 1, line->length, stream);
    line->length = 0;
}

#endif
