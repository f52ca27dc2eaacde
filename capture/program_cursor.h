/* program_cursor.h - a chunk of a raw file, read record by record. */
#ifndef KMA_CAPTURE_PROGRAM_CURSOR_H
#define KMA_CAPTURE_PROGRAM_CURSOR_H

#include "program_image.h"

enum step_kind {
    STEP_ALLOC,
    STEP_FREE,
    STEP_REALLOC, /* begins: `old` may be another's from here on, when it moves */
    STEP_RESULT   /* of the realloc that is the step before this one */
};

struct step {
    enum step_kind kind;
    uint32_t site;
    uint64_t stamp; /* never falls within a chunk */
    uint64_t time;  /* of what shares a stamp, about when it happened */
    uint64_t pointer;
    uint64_t old;
    uint64_t size;
};

struct cursor {
    struct step step; /* the present one */
    uint64_t order;   /* of the chunk in the file */
    uint64_t stamp;
    uint64_t pace;  /* ns from one record to the next, until another stamp */
    uint64_t since; /* records since the stamp */
    uint64_t high;  /* bits of the next pointer */
    size_t at;
    uint64_t after; /* of a realloc that has begun: its second stamp; 0: none has */
    struct cursor *next; /* in a list of those at rest */
    uint64_t units[CHUNK_UNITS];
};

/* To the chunk's beginning; false when it cannot be read. The first step is not there
 * before cursor_advance. */
bool cursor_begin(struct cursor *cursor, const struct image *image,
                  const struct place *place);

/* False: the chunk has no more. */
bool cursor_advance(struct cursor *cursor);

#endif
