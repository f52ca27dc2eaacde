/* read_compact.c - compact traces, a block at a time. Slots serve as pointers; 0 is
 * none. Its names are made the vocabulary's as they are told. */

#include <stdlib.h>
#include <string.h>
#include "../driver/compact.h"
#include "read.h"

/* The vocabulary's number for each name of a column; number 1 is at place 0. */
struct numbers {
    uint32_t *number;
    size_t count;
    size_t room;
};

struct state {
    struct compact compact;
    struct numbers sites;
    struct numbers caches;
    size_t at; /* in the present block */
    size_t count;
    char *about;
};

/* A copy of the description, but for the line that the writer writes itself. */
static char *copy_about(const struct compact *compact)
{
    char *about = malloc(compact->text_size + 2);
    size_t length = 0;
    const char *at = compact->text;
    const char *end = at + compact->text_size;
    while (about != NULL && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end == NULL ? end : line_end) - at);
        bool ours = size >= 8 && memcmp(at, "columns=", 8) == 0;
        if (!ours && size > 0 && memchr(at, '\0', size) == NULL) {
            memcpy(about + length, at, size);
            length += size;
            about[length++] = '\n';
        }
        at += size + 1;
    }
    if (about != NULL)
        about[length] = '\0';
    return about;
}

static void close(struct source *source)
{
    struct state *state = source->state;
    compact_close(&state->compact);
    free(state->sites.number);
    free(state->caches.number);
    free(state->about);
    free(state);
}

static bool reject_memory(const struct state *state, struct trace_error *error)
{
    *error = (struct trace_error){
        .in_bytes = true, .place = state->compact.frame_offset, .text = "no memory"};
    return false;
}

static bool open(struct source *source, struct trace_error *error)
{
    const unsigned all = (1U << COMPACT_COLUMNS) - 1;
    struct state *state = calloc(1, sizeof *state);
    *error = (struct trace_error){.in_bytes = true, .text = "no memory"};
    if (state == NULL)
        return false;
    source->state = state;
    if (!compact_open(&state->compact, &source->input, all, error)) {
        free(state);
        return false;
    }
    source->columns = state->compact.columns;
    source->about = state->about = copy_about(&state->compact);
    if (state->about != NULL)
        return true;
    reject_memory(state, error);
    close(source);
    return false;
}

static bool learn(struct numbers *numbers, struct names *names,
                  const struct compact *block)
{
    if (numbers->count + block->count > numbers->room) {
        size_t room = (numbers->count + block->count) * 2;
        uint32_t *larger = realloc(numbers->number, room * sizeof *larger);
        if (larger == NULL)
            return false;
        numbers->number = larger;
        numbers->room = room;
    }
    const char *at = block->text;
    for (size_t i = 0; i < block->count; i++) {
        size_t length = (unsigned char)*at++;
        numbers->number[numbers->count++] = names_number(names, at, length);
        at += length;
    }
    return true;
}

/* Goes on to the next block that has events. */
static enum source_next next_block(struct source *source, struct trace_error *error)
{
    struct state *state = source->state;
    struct compact *compact = &state->compact;
    compact->error = error;
    for (;;) {
        bool good = true;
        switch (compact_next(compact)) {
        case COMPACT_NAMES:
            good = compact->column == COMPACT_SITE
                       ? learn(&state->sites, &source->vocabulary->sites, compact)
                       : learn(&state->caches, &source->vocabulary->caches, compact);
            if (!good && !reject_memory(state, error))
                return SOURCE_BAD;
            break;
        case COMPACT_EVENTS:
            state->at = 0;
            state->count = compact->count;
            return SOURCE_RECORD;
        case COMPACT_END:
            source->lost = compact_number(compact->text, compact->text_size, "lost");
            return SOURCE_END;
        default:
            return SOURCE_BAD;
        }
    }
}

static uint64_t value_of(const struct state *state, enum compact_column column)
{
    const uint64_t *values = state->compact.value[column];
    return values == NULL ? 0 : values[state->at];
}

static uint32_t name_of(const struct numbers *numbers, uint64_t number)
{
    return number == 0 || number > numbers->count ? 0 : numbers->number[number - 1];
}

static enum source_next next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    struct state *state = source->state;
    if (state->at == state->count) {
        enum source_next found = next_block(source, error);
        if (found != SOURCE_RECORD)
            return found;
    }
    struct event event = state->compact.event[state->at];
    *record = (struct record){
        .op = event.size > 0 ? RECORD_ALLOC : RECORD_FREE,
        .pointer = (uint64_t)event.slot + 1,
        .size = (uint64_t)event.size,
        .time = value_of(state, COMPACT_TIME),
        .spent = value_of(state, COMPACT_SPENT),
        .cpu = (uint32_t)value_of(state, COMPACT_CPU),
        .site = name_of(&state->sites, value_of(state, COMPACT_SITE)),
        .cache = name_of(&state->caches, value_of(state, COMPACT_CACHE)),
    };
    state->at++;
    return SOURCE_RECORD;
}

static bool is(const struct input *input)
{
    return compact_is(input->data, input->size);
}

const struct reader_kind read_compact = {FORMAT_COMPACT, is, open, next, close};
