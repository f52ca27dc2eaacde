/* program_cursor.c - chunks of raw files, unit by unit. A record that the program did
 * not live to complete is passed over. */

#include "program_cursor.h"

enum {
    REALLOC_UNITS = sizeof(struct raw_realloc) / sizeof(uint64_t),
    /* Records that follow a stamp for no other reason than their number; fewer, and the
     * program may have paused before the next one. */
    FULL_GROUP = 31,
    SLOWEST_PACE = 1000
};

static enum raw_op op_of(uint64_t unit)
{
    return (enum raw_op)(unit & ((1U << RAW_OP_BITS) - 1));
}

bool cursor_begin(struct cursor *cursor, const struct image *image,
                  const struct place *place)
{
    cursor->order = place->offset;
    cursor->stamp = place->stamp;
    cursor->high = 0;
    cursor->at = 0;
    cursor->after = 0;
    cursor->since = 0;
    cursor->pace = SLOWEST_PACE;
    return image_read(image, place, cursor->units);
}

/* A handler that came between two steps of the recorder may have recorded later stamps
 * ahead of an earlier one. What that one speaks of had not reached anybody by then. */
static uint64_t no_earlier(struct cursor *cursor, uint64_t stamp)
{
    if (cursor->stamp < stamp)
        cursor->stamp = stamp;
    return cursor->stamp;
}

/* Looks ahead to the next stamp: the records on the way are spread evenly. */
static void find_pace(struct cursor *cursor)
{
    const uint64_t *unit = cursor->units;
    uint64_t records = 0, next = 0;
    for (size_t at = cursor->at; at < CHUNK_UNITS && next == 0; at++) {
        enum raw_op op = op_of(unit[at]);
        if (op == RAW_STAMP)
            next = unit[at] >> RAW_OP_BITS;
        else if (op == RAW_REALLOC)
            next = at + 1 < CHUNK_UNITS ? unit[at + 1] : 0;
        records += op == RAW_FREE || op == RAW_ALLOC;
        at += op == RAW_ALLOC;
    }
    cursor->since = 0;
    if (next <= cursor->stamp || records == 0)
        return;
    uint64_t pace = (next - cursor->stamp) / records;
    uint64_t most = records < FULL_GROUP ? cursor->pace : SLOWEST_PACE;
    cursor->pace = pace < most ? pace : most;
}

static uint64_t take_pointer(struct cursor *cursor, uint64_t unit)
{
    uint64_t pointer = unit >> RAW_POINTER_SHIFT | cursor->high;
    cursor->high = 0;
    return pointer;
}

static bool take_alloc(struct cursor *cursor, uint64_t unit)
{
    uint64_t pointer = take_pointer(cursor, unit);
    uint64_t size = cursor->at < CHUNK_UNITS ? cursor->units[cursor->at++] : 0;
    cursor->step.kind = STEP_ALLOC;
    cursor->step.pointer = pointer;
    cursor->step.size = size - 1;
    return size > 0;
}

static bool take_free(struct cursor *cursor, uint64_t unit)
{
    cursor->step.kind = STEP_FREE;
    cursor->step.pointer = take_pointer(cursor, unit);
    return true;
}

/* Without a second stamp the call did not come back: nothing is known of it. */
static bool take_realloc(struct cursor *cursor)
{
    const uint64_t *more = cursor->units + cursor->at;
    if (CHUNK_UNITS - cursor->at < REALLOC_UNITS - 1) {
        cursor->at = CHUNK_UNITS;
        return false;
    }
    cursor->at += REALLOC_UNITS - 1;
    struct step *step = &cursor->step;
    step->kind = STEP_REALLOC;
    step->old = more[1];
    step->pointer = more[3];
    step->size = more[4];
    cursor->since = 0;
    no_earlier(cursor, more[0]);
    cursor->after = more[2];
    return more[0] != 0 && more[2] != 0;
}

static bool take_record(struct cursor *cursor, uint64_t unit)
{
    cursor->step.site = unit >> RAW_OP_BITS & ((1U << RAW_SITE_BITS) - 1);
    switch (op_of(unit)) {
    case RAW_STAMP:
        no_earlier(cursor, unit >> RAW_OP_BITS);
        find_pace(cursor);
        return false;
    case RAW_HIGH:
        cursor->high = unit >> RAW_POINTER_SHIFT << (64 - RAW_POINTER_SHIFT);
        return false;
    case RAW_FREE:
        return take_free(cursor, unit);
    case RAW_ALLOC:
        return take_alloc(cursor, unit);
    case RAW_REALLOC:
        return take_realloc(cursor);
    default:
        return false;
    }
}

bool cursor_advance(struct cursor *cursor)
{
    struct step *step = &cursor->step;
    if (cursor->after != 0) {
        step->kind = STEP_RESULT;
        step->stamp = no_earlier(cursor, cursor->after);
        step->time = step->stamp;
        cursor->after = 0;
        find_pace(cursor);
        return true;
    }
    while (cursor->at < CHUNK_UNITS) {
        if (!take_record(cursor, cursor->units[cursor->at++]))
            continue;
        step->stamp = cursor->stamp;
        step->time = cursor->stamp + cursor->since++ * cursor->pace;
        return true;
    }
    return false;
}
