/* compact.h - the reader of compact traces, block by block, in memory that depends on
 * the most blocks live at once and not on the trace's length. capture/FORMAT.md
 * describes the format. */
#ifndef KMA_DRIVER_COMPACT_H
#define KMA_DRIVER_COMPACT_H

#include "input.h"
#include "trace.h"
#include "zstd.h"

#define COMPACT_MAGIC "KMA trace 1\n"

/* No block is longer than this, its head included, before it is compressed. */
enum { COMPACT_LARGEST = 1 << 20, COMPACT_HEAD = 5 };

/* The columns that a trace may have besides its events, in the file's order. Times are
 * in ns since the recording began and never fall. */
enum compact_column {
    COMPACT_TIME,
    COMPACT_CPU,
    COMPACT_SITE,  /* of the call; a number of a name, 0: unknown */
    COMPACT_CACHE, /* of the kernel; a number of a name, 0: unknown */
    COMPACT_SPENT, /* bytes that the recorded allocator spent on the request; 0: unknown */
    COMPACT_COLUMNS
};

extern const char *const compact_column_names[COMPACT_COLUMNS];

/* The first bytes of a trace that is compact. */
bool compact_is(const char *data, size_t size);

enum compact_block {
    COMPACT_META,
    COMPACT_NAMES,
    COMPACT_EVENTS,
    COMPACT_END,
    COMPACT_BAD
};

struct compact {
    struct input *input;
    struct zstd zstd;
    unsigned wanted; /* columns to be decoded, 1 << column each */

    /* Of the trace so far. */
    unsigned columns; /* that it has */
    uint64_t events;
    uint32_t slots;
    uint64_t frame_offset; /* in the file, of the present block */

    /* Of the present block. META, END: text, lines of key=value. NAMES: `column`,
     * `first` and `count`, and per name a length byte and the bytes in `text`. */
    const char *text;
    size_t text_size;
    enum compact_column column;
    uint32_t first;
    size_t count; /* events or names */
    struct event *event;
    uint64_t *value[COMPACT_COLUMNS]; /* by event, of the columns wanted; else NULL */

    /* The decoder's own. */
    char *content;        /* of the present frame */
    size_t used;          /* of the input's window */
    uint64_t time;        /* of the last event */
    bool ended;           /* END was seen */
    size_t room;          /* in events, of the arrays */
    int32_t *size_of;     /* by slot; 0: not live */
    uint32_t *free_slots; /* a stack */
    uint32_t free_count;
    uint32_t slot_room;
    uint32_t names[COMPACT_COLUMNS]; /* how many so far */
    struct trace_error *error;
};

/* Takes the first block, too, which is META. False, with nothing to close and the place
 * and the reason in *error, when this is no compact trace. The input and the error stay
 * the caller's and must outlive the reader. */
bool compact_open(struct compact *compact, struct input *input, unsigned wanted,
                  struct trace_error *error);

/* The next block; after END comes nothing. COMPACT_BAD, with the place and the reason in
 * *error, when there is none or it is not sound. */
enum compact_block compact_next(struct compact *compact);

/* Back to the first block after META, of an input that can be rewound. */
bool compact_rewind(struct compact *compact);

/* The value of a key in the text of a META or END block as a number; 0 when it is not
 * there. */
uint64_t compact_number(const char *text, size_t size, const char *key);

void compact_close(struct compact *compact);

#endif
