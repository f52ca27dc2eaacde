/* program_merge.c - many chunks, each in the order of its stamps, become one row.
 *
 * Only chunks that overlap in time are held at once, which are about as many as there
 * were threads: the next one is opened when the row has come to its beginning.
 *
 * A realloc that moves its block gives up the old one and gets the new one somewhere
 * between its two stamps. As a rule both are told at the second one, as one record. But
 * when the old address is handed out to another thread in between, it was free by then:
 * it is told as freed just before, and the new block as a request at the second stamp.
 * Until then the new address may still have belonged to somebody else. */

#include <stdlib.h>
#include "../driver/run.h"
#include "program_cursor.h"
#include "program_merge.h"

struct merge {
    struct image *image;
    struct names *sites;
    merge_put *put;
    void *context;
    struct cursor **heap; /* the earliest step first */
    size_t count;
    size_t room;
    struct cursor *idle;
    struct cursor **moving; /* in a realloc whose old block is not told as freed yet */
    size_t moving_count;
    size_t next;   /* of the places: not opened yet */
    uint64_t time; /* of the latest record */
    uint64_t late;
};

static bool is_before(const struct cursor *a, const struct cursor *b)
{
    if (a->step.stamp != b->step.stamp)
        return a->step.stamp < b->step.stamp;
    return a->order < b->order;
}

static void sift_up(struct merge *merge, size_t at)
{
    struct cursor *cursor = merge->heap[at];
    for (; at > 0 && is_before(cursor, merge->heap[(at - 1) / 2]); at = (at - 1) / 2)
        merge->heap[at] = merge->heap[(at - 1) / 2];
    merge->heap[at] = cursor;
}

static void sift_down(struct merge *merge)
{
    struct cursor *cursor = merge->heap[0];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < merge->count &&
            is_before(merge->heap[child + 1], merge->heap[child]))
            child++;
        if (child >= merge->count || !is_before(merge->heap[child], cursor))
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = cursor;
}

static struct cursor *take_cursor(struct merge *merge)
{
    struct cursor *cursor = merge->idle;
    if (cursor != NULL) {
        merge->idle = cursor->next;
        return cursor;
    }
    if (merge->count == merge->room) {
        size_t room = merge->room * 2 + 16;
        struct cursor **heap = reallocarray(merge->heap, room, sizeof(struct cursor *));
        if (heap != NULL)
            merge->heap = heap;
        struct cursor **moving =
            reallocarray(merge->moving, room, sizeof(struct cursor *));
        if (moving != NULL)
            merge->moving = moving;
        if (heap == NULL || moving == NULL)
            run_refuse("no memory for %zu chunks at once", room);
        merge->room = room;
    }
    cursor = malloc(sizeof *cursor);
    if (cursor == NULL)
        run_refuse("no memory for %zu chunks at once", merge->count + 1);
    return cursor;
}

static void rest(struct merge *merge, struct cursor *cursor)
{
    cursor->next = merge->idle;
    merge->idle = cursor;
}

/* Opens the chunks that begin before the earliest step. */
static void open_due(struct merge *merge)
{
    const struct image *image = merge->image;
    while (merge->next < image->place_count) {
        const struct place *place = &image->places[merge->next];
        if (merge->count > 0 && place->stamp > merge->heap[0]->step.stamp)
            return;
        merge->next++;
        struct cursor *cursor = take_cursor(merge);
        if (!cursor_begin(cursor, image, place))
            run_refuse("the recording of process %lu cannot be read",
                       (unsigned long)image->head.pid);
        if (!cursor_advance(cursor)) {
            rest(merge, cursor);
            continue;
        }
        merge->heap[merge->count] = cursor;
        sift_up(merge, merge->count++);
    }
}

static void put(struct merge *merge, const struct step *step, enum record_op op,
                uint64_t pointer, uint64_t old)
{
    const struct record record = {
        .op = op,
        .pointer = pointer,
        .old = old,
        .size = op == RECORD_FREE ? 0 : step->size,
        .time = merge->time,
        .site = image_site(merge->image, step->site, merge->sites)};
    merge->put(merge->context, &record);
}

/* False when it was no longer among them. */
static bool end_move(struct merge *merge, const struct cursor *cursor)
{
    for (size_t i = 0; i < merge->moving_count; i++) {
        if (merge->moving[i] != cursor)
            continue;
        merge->moving[i] = merge->moving[--merge->moving_count];
        return true;
    }
    return false;
}

/* The address is handed out: a realloc that moves away from it has given
 * it up. */
static void free_moved(struct merge *merge, uint64_t address)
{
    for (size_t i = 0; i < merge->moving_count; i++) {
        const struct cursor *cursor = merge->moving[i];
        if (cursor->step.old != address)
            continue;
        put(merge, &cursor->step, RECORD_FREE, address, 0);
        end_move(merge, cursor);
        return;
    }
}

static bool is_moving(const struct step *step)
{
    return step->old != 0 && step->pointer != 0 && step->pointer != step->old;
}

/* A block resized to nothing is freed, unless the allocator hands out another. */
static bool is_freeing(const struct step *step)
{
    return step->old != 0 && step->pointer == 0 && step->size == 0;
}

static void put_result(struct merge *merge, const struct cursor *cursor)
{
    const struct step *step = &cursor->step;
    if (is_freeing(step))
        return;
    bool moved_before = is_moving(step) && !end_move(merge, cursor);
    if (step->pointer != step->old)
        free_moved(merge, step->pointer);
    if (step->old == 0 || moved_before)
        put(merge, step, RECORD_ALLOC, step->pointer, 0);
    else
        put(merge, step, RECORD_REALLOC, step->pointer, step->old);
}

static void put_step(struct merge *merge, struct cursor *cursor)
{
    const struct step *step = &cursor->step;
    if (merge->time < step->time)
        merge->time = step->time;
    switch (step->kind) {
    case STEP_ALLOC:
        free_moved(merge, step->pointer);
        put(merge, step, RECORD_ALLOC, step->pointer, 0);
        break;
    case STEP_FREE:
        put(merge, step, RECORD_FREE, step->pointer, 0);
        break;
    case STEP_REALLOC:
        if (is_freeing(step))
            put(merge, step, RECORD_FREE, step->old, 0);
        else if (is_moving(step))
            merge->moving[merge->moving_count++] = cursor;
        break;
    case STEP_RESULT:
        put_result(merge, cursor);
        break;
    }
}

static void put_next(struct merge *merge)
{
    struct cursor *cursor = merge->heap[0];
    uint64_t stopped = merge->image->head.stopped;
    if (stopped == 0 || cursor->step.stamp <= stopped)
        put_step(merge, cursor);
    else if (cursor->step.kind != STEP_REALLOC)
        merge->late++;
    if (!cursor_advance(cursor)) {
        rest(merge, cursor);
        merge->heap[0] = merge->heap[--merge->count];
    }
    if (merge->count > 0)
        sift_down(merge);
}

uint64_t merge_image(struct image *image, struct names *sites, merge_put *put,
                     void *context)
{
    struct merge merge = {
        .image = image, .sites = sites, .put = put, .context = context};
    for (open_due(&merge); merge.count > 0; open_due(&merge))
        put_next(&merge);
    while (merge.idle != NULL) {
        struct cursor *cursor = merge.idle;
        merge.idle = cursor->next;
        free(cursor);
    }
    free(merge.heap);
    free(merge.moving);
    return merge.late;
}
