/* compact.c - the reader of compact traces.
 *
 * A file is a row of zstd frames, each with a checksum and one block in it. A frame is
 * decoded into a buffer of COMPACT_LARGEST bytes, which is all that it may need, and its
 * events into arrays that grow with the events that were really there. Nothing is taken
 * on trust: counts are compared with the bytes that follow, slots with the blocks that
 * are live, and the totals of the last block with what was read. */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "compact.h"
#include "table.h"

enum {
    MAGIC_LENGTH = sizeof COMPACT_MAGIC - 1,
    FRAME_HEAD = 5,
    ENOUGH_INPUT = 1 << 17
};

static const unsigned char frame_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

const char *const compact_column_names[COMPACT_COLUMNS] = {"time", "cpu", "site",
                                                           "cache", "spent"};

bool compact_is(const char *data, size_t size)
{
    return size >= sizeof frame_magic &&
           memcmp(data, frame_magic, sizeof frame_magic) == 0;
}

__attribute__((format(printf, 2, 3), cold)) static bool reject(struct compact *compact,
                                                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct trace_error *error = compact->error;
    error->in_bytes = true;
    error->place = compact->frame_offset;
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

static bool reject_input(struct compact *compact)
{
    compact->error->in_bytes = true;
    compact->error->place = compact->input->offset + compact->input->size;
    return false;
}

/* Drops what is used of the window and reads on. */
static bool read_on(struct compact *compact)
{
    struct trace_error *error = compact->error;
    size_t used = compact->used;
    compact->used = 0;
    return input_advance(compact->input, used, error->text, sizeof error->text) ||
           reject_input(compact);
}

static bool reject_short(struct compact *compact)
{
    if (compact->events == 0)
        return reject(compact, "the trace is cut short in its first blocks");
    return reject(compact, "the trace is cut short after event %llu",
                  (unsigned long long)compact->events);
}

/* A frame must carry a checksum. */
static bool check_head(struct compact *compact)
{
    const char *head = compact->input->data + compact->used;
    size_t left = compact->input->size - compact->used;
    if (!compact_is(head, left) && left >= sizeof frame_magic)
        return reject(compact, "no zstd frame begins here");
    if (left < FRAME_HEAD)
        return reject_short(compact);
    if ((head[4] & 4) == 0)
        return reject(compact, "this frame has no checksum");
    return true;
}

/* Returns the length of the content, 0 when the frame is not sound. */
static size_t read_frame(struct compact *compact)
{
    struct input *input = compact->input;
    struct zstd_output output = {compact->content, COMPACT_LARGEST, 0};
    if (input->size - compact->used < ENOUGH_INPUT && !input->ended &&
        !read_on(compact))
        return 0;
    compact->frame_offset = input->offset + compact->used;
    if (!check_head(compact))
        return 0;
    for (;;) {
        struct zstd_input source = {input->data, input->size, compact->used};
        const char *problem;
        size_t left = zstd_decode(&compact->zstd, &output, &source, &problem);
        compact->used = source.at;
        if (problem != NULL)
            return reject(compact, "damaged: %s", problem);
        if (left == 0)
            return output.at > 0 ? output.at : reject(compact, "this frame is empty");
        if (output.at == output.size)
            return reject(compact, "a block is longer than %d bytes", COMPACT_LARGEST);
        if (compact->used < input->size)
            continue;
        if (input->ended)
            return reject_short(compact);
        if (!read_on(compact))
            return 0;
    }
}

/* The number at `at`, seven bits a byte with the lowest first, and the place behind it;
 * NULL when it runs over the end or 64 bits. */
__attribute__((noinline)) static const uint8_t *
take_long(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t number = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return NULL;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = number;
            return at;
        }
    }
    return NULL;
}

static inline const uint8_t *take(const uint8_t *at, const uint8_t *end,
                                  uint64_t *value)
{
    if (end - at < 2 || (at[0] & at[1] & 0x80) != 0)
        return take_long(at, end, value);
    uint64_t more = at[0] >> 7;
    *value = (at[0] & 0x7fU) | (more * at[1]) << 7;
    return at + 1 + more;
}

/* A part of a block: a byte count and the bytes. */
struct section {
    const uint8_t *at;
    const uint8_t *end;
};

static bool take_section(struct section *from, struct section *section)
{
    uint64_t length;
    const uint8_t *at = take(from->at, from->end, &length);
    if (at == NULL || length > (size_t)(from->end - at))
        return false;
    *section = (struct section){at, at + length};
    from->at = section->end;
    return true;
}

static bool grow(void **table, size_t old, size_t more, size_t size)
{
    void *larger = table_grow(*table, old, more, size);
    if (larger != NULL)
        *table = larger;
    return larger != NULL;
}

/* Room for the events of a block, and for as many more slots. */
static bool make_room(struct compact *compact, size_t count)
{
    bool good = true;
    if (count > compact->room) {
        good =
            grow((void **)&compact->event, compact->room, count, sizeof(struct event));
        for (int i = 0; i < COMPACT_COLUMNS; i++) {
            if ((compact->wanted & compact->columns) >> i & 1)
                good = good && grow((void **)&compact->value[i], compact->room, count,
                                    sizeof(uint64_t));
        }
        if (good)
            compact->room = count;
    }
    size_t slots = (size_t)compact->slots + count;
    if (good && slots > compact->slot_room) {
        size_t more = slots * 2 < UINT32_MAX ? slots * 2 : UINT32_MAX;
        size_t old = compact->slot_room;
        good = slots <= more &&
               grow((void **)&compact->size_of, old, more, sizeof(int32_t)) &&
               grow((void **)&compact->free_slots, old, more, sizeof(uint32_t));
        if (good)
            compact->slot_room = (uint32_t)more;
    }
    return good || reject(compact, "no memory for %zu events", count);
}

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* How many events were sound. */
static size_t decode_events(struct compact *compact, struct section sizes,
                            struct section frees)
{
    uint32_t slots = compact->slots, free_count = compact->free_count;
    int32_t *size_of = compact->size_of;
    uint32_t *free_slots = compact->free_slots;
    struct event *event = compact->event;
    uint64_t last = 0;
    size_t k = 0;
    for (; k < compact->count; k++) {
        uint64_t size, step;
        sizes.at = take(sizes.at, sizes.end, &size);
        if (sizes.at == NULL || size > INT_MAX)
            break;
        uint32_t slot;
        if (size > 0) {
            slot = free_count > 0 ? free_slots[--free_count] : slots++;
        } else {
            frees.at = take(frees.at, frees.end, &step);
            if (frees.at == NULL)
                break;
            last += (uint64_t)unzigzag(step);
            if (last >= slots || size_of[last] == 0)
                break;
            slot = (uint32_t)last;
            free_slots[free_count++] = slot;
        }
        size_of[slot] = (int32_t)size;
        event[k] = (struct event){slot, (int32_t)size};
    }
    compact->slots = slots;
    compact->free_count = free_count;
    bool left_over =
        k == compact->count && (sizes.at != sizes.end || frees.at != frees.end);
    return left_over ? 0 : k;
}

static bool decode_column(struct compact *compact, enum compact_column column,
                          struct section from)
{
    uint64_t *values = compact->value[column];
    uint64_t most = column == COMPACT_SITE || column == COMPACT_CACHE
                        ? compact->names[column]
                        : UINT32_MAX;
    uint64_t time = compact->time, since = 0;
    for (size_t k = 0; k < compact->count; k++) {
        uint64_t size = (uint64_t)compact->event[k].size, value = 0;
        if (column != COMPACT_SPENT || size > 0) {
            from.at = take(from.at, from.end, &value);
            if (from.at == NULL)
                return false;
        }
        if (column == COMPACT_TIME) {
            value += since;
            if (value < time)
                return false;
            time = since = value;
        } else if (value > most) {
            return false;
        } else if (column == COMPACT_SPENT && value > 0) {
            value += size - 1;
        }
        values[k] = value;
    }
    compact->time = time;
    return from.at == from.end;
}

static bool read_events(struct compact *compact, struct section block)
{
    uint64_t count;
    struct section sizes, frees, column;
    block.at = take(block.at, block.end, &count);
    if (block.at == NULL || !take_section(&block, &sizes) || count == 0 ||
        count > (size_t)(sizes.end - sizes.at) || !take_section(&block, &frees))
        return reject(compact, "the events of this block are damaged");
    compact->count = (size_t)count;
    if (!make_room(compact, compact->count))
        return false;
    size_t sound = decode_events(compact, sizes, frees);
    if (sound < compact->count)
        return reject(compact, "an event of this block is not sound, after event %llu",
                      (unsigned long long)compact->events + sound);
    for (int i = 0; i < COMPACT_COLUMNS; i++) {
        if ((compact->columns >> i & 1) == 0)
            continue;
        if (!take_section(&block, &column) ||
            ((compact->wanted >> i & 1) != 0 &&
             !decode_column(compact, (enum compact_column)i, column)))
            return reject(compact, "the column '%s' of this block is damaged",
                          compact_column_names[i]);
    }
    compact->events += count;
    return block.at == block.end || reject(compact, "bytes left over in this block");
}

static bool read_names(struct compact *compact, struct section block)
{
    uint64_t column = COMPACT_COLUMNS, first = 0, count = 0;
    block.at = take(block.at, block.end, &column);
    if (block.at != NULL)
        block.at = take(block.at, block.end, &first);
    if (block.at != NULL)
        block.at = take(block.at, block.end, &count);
    if (block.at == NULL || (column != COMPACT_SITE && column != COMPACT_CACHE) ||
        first != (uint64_t)compact->names[column] + 1 || count > COMPACT_LARGEST)
        return reject(compact, "the names of this block are damaged");
    compact->column = (enum compact_column)column;
    compact->first = (uint32_t)first;
    compact->count = (size_t)count;
    compact->text = (const char *)block.at;
    compact->text_size = (size_t)(block.end - block.at);
    for (; count > 0 && block.at < block.end; count--) {
        size_t length = (size_t)*block.at + 1;
        if (length == 1 || length > (size_t)(block.end - block.at))
            break;
        block.at += length;
    }
    if (count > 0 || block.at != block.end)
        return reject(compact, "the names of this block are damaged");
    compact->names[column] += (uint32_t)compact->count;
    return true;
}

/* The place behind `key=` in lines of key=value, or NULL. */
static const char *find_value(const char *text, size_t size, const char *key)
{
    size_t length = strlen(key);
    const char *end = text + size;
    while (text < end) {
        if ((size_t)(end - text) > length && memcmp(text, key, length) == 0 &&
            text[length] == '=')
            return text + length + 1;
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        text = line_end == NULL ? end : line_end + 1;
    }
    return NULL;
}

uint64_t compact_number(const char *text, size_t size, const char *key)
{
    const char *at = find_value(text, size, key);
    uint64_t number = 0;
    for (; at != NULL && at < text + size && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (unsigned)(*at - '0');
    return number;
}

/* "time,cpu": in the order of the sections. */
static bool read_columns(struct compact *compact)
{
    const char *end = compact->text + compact->text_size;
    const char *at = find_value(compact->text, compact->text_size, "columns");
    compact->columns = 0;
    while (at != NULL && at < end && *at != '\n') {
        unsigned found = COMPACT_COLUMNS;
        size_t length = 0;
        while (at + length < end && at[length] != ',' && at[length] != '\n')
            length++;
        for (unsigned i = 0; i < COMPACT_COLUMNS; i++) {
            if (strlen(compact_column_names[i]) == length &&
                memcmp(compact_column_names[i], at, length) == 0)
                found = i;
        }
        if (found == COMPACT_COLUMNS || compact->columns >> found != 0)
            return reject(compact, "a column of this trace is unknown or out of order");
        compact->columns |= 1U << found;
        at += length;
        if (at < end && *at == ',')
            at++;
    }
    return true;
}

static bool read_end(struct compact *compact)
{
    uint64_t events = compact_number(compact->text, compact->text_size, "events");
    uint64_t slots = compact_number(compact->text, compact->text_size, "slots");
    compact->ended = true;
    if (events != compact->events || slots != compact->slots)
        return reject(compact,
                      "the last block speaks of %llu events and %llu slots, but there "
                      "are %llu and %llu",
                      (unsigned long long)events, (unsigned long long)slots,
                      (unsigned long long)compact->events,
                      (unsigned long long)compact->slots);
    if (compact->used == compact->input->size && !compact->input->ended &&
        !read_on(compact))
        return false;
    compact->frame_offset = compact->input->offset + compact->used;
    return compact->used == compact->input->size ||
           reject(compact, "something follows the last block");
}

static enum compact_block read_block(struct compact *compact, const char *content,
                                     size_t size)
{
    const uint8_t *head = (const uint8_t *)content;
    size_t length = 0;
    if (size >= COMPACT_HEAD)
        length = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 |
                 (size_t)head[4] << 24;
    if (size < COMPACT_HEAD || length != size - COMPACT_HEAD) {
        reject(compact, "this block is not as long as it says");
        return COMPACT_BAD;
    }
    struct section block = {head + COMPACT_HEAD, head + size};
    compact->text = content + COMPACT_HEAD;
    compact->text_size = length;
    switch (content[0]) {
    case 'M':
        return read_columns(compact) ? COMPACT_META : COMPACT_BAD;
    case 'N':
        return read_names(compact, block) ? COMPACT_NAMES : COMPACT_BAD;
    case 'E':
        return read_events(compact, block) ? COMPACT_EVENTS : COMPACT_BAD;
    case 'Z':
        return read_end(compact) ? COMPACT_END : COMPACT_BAD;
    default:
        reject(compact, "a block of an unknown kind: a later version's?");
        return COMPACT_BAD;
    }
}

static bool read_first(struct compact *compact)
{
    size_t size = read_frame(compact);
    if (size == 0)
        return false;
    if (size < MAGIC_LENGTH ||
        memcmp(compact->content, COMPACT_MAGIC, MAGIC_LENGTH) != 0)
        return reject(compact,
                      "compressed, but no trace: it does not begin with '%.*s'",
                      (int)MAGIC_LENGTH - 1, COMPACT_MAGIC);
    enum compact_block block =
        read_block(compact, compact->content + MAGIC_LENGTH, size - MAGIC_LENGTH);
    if (block == COMPACT_META || block == COMPACT_BAD)
        return block == COMPACT_META;
    return reject(compact, "the first block must describe the trace");
}

bool compact_open(struct compact *compact, struct input *input, unsigned wanted,
                  struct trace_error *error)
{
    *compact = (struct compact){.input = input, .wanted = wanted, .error = error};
    *error = (struct trace_error){.in_bytes = true};
    bool good =
        zstd_open(&compact->zstd, COMPACT_LARGEST, error->text, sizeof error->text);
    if (good) {
        compact->content = table_new(COMPACT_LARGEST, 1);
        good = compact->content != NULL || reject(compact, "no memory for a block");
    }
    good = good && read_first(compact);
    if (!good)
        compact_close(compact);
    return good;
}

enum compact_block compact_next(struct compact *compact)
{
    if (compact->ended) {
        reject(compact, "nothing follows the last block");
        return COMPACT_BAD;
    }
    size_t size = read_frame(compact);
    if (size == 0)
        return COMPACT_BAD;
    enum compact_block block = read_block(compact, compact->content, size);
    if (block == COMPACT_META) {
        reject(compact, "a second description of the trace");
        return COMPACT_BAD;
    }
    return block;
}

bool compact_rewind(struct compact *compact)
{
    struct trace_error *error = compact->error;
    if (!input_rewind(compact->input, error->text, sizeof error->text))
        return reject_input(compact);
    zstd_reset(&compact->zstd);
    if (compact->slots > 0)
        memset(compact->size_of, 0, (size_t)compact->slots * sizeof *compact->size_of);
    memset(compact->names, 0, sizeof compact->names);
    compact->used = 0;
    compact->events = 0;
    compact->slots = 0;
    compact->free_count = 0;
    compact->time = 0;
    compact->ended = false;
    return read_first(compact);
}

void compact_close(struct compact *compact)
{
    zstd_close(&compact->zstd);
    table_release(compact->content, COMPACT_LARGEST);
    table_release(compact->event, compact->room * sizeof *compact->event);
    for (int i = 0; i < COMPACT_COLUMNS; i++)
        table_release(compact->value[i], compact->room * sizeof(uint64_t));
    table_release(compact->size_of, compact->slot_room * sizeof *compact->size_of);
    table_release(compact->free_slots,
                  compact->slot_room * sizeof *compact->free_slots);
    *compact = (struct compact){0};
}
