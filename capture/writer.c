/* writer.c - the writer of compact traces.
 *
 * Each column of the block being made is a buffer of its own, so that like stands by
 * like when the block is compressed. A block is closed when it has MOST_EVENTS or might
 * outgrow what the reader takes; names that it uses and no block has told yet go into a
 * block before it. */

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "../driver/compact.h"
#include "../driver/run.h"
#include "writer.h"

enum {
    MOST_EVENTS = 1 << 15,
    LONGEST_NUMBER = 10,
    HEADS = 256, /* of a block and its sections, amply */
    LEVEL = 3,
    /* Sizes, frees, and the optional ones behind. */
    SIZES = 0,
    FREES = 1,
    OPTIONAL = 2,
    SECTIONS = OPTIONAL + COMPACT_COLUMNS
};

struct buffer {
    uint8_t *data;
    size_t size;
};

struct writer {
    FILE *stream;
    ZSTD_CCtx *context;
    const struct vocabulary *vocabulary;
    unsigned columns;
    struct buffer section[SECTIONS];
    struct buffer block;
    char *frame;
    size_t frame_room;
    uint32_t count; /* events in the block */
    uint32_t slots; /* of all events */
    uint64_t events;
    uint64_t last_free; /* slot of the block's last FREE */
    uint64_t last_time;
    uint32_t told_sites; /* names that blocks were written of */
    uint32_t told_caches;
};

static bool has(const struct writer *writer, int column)
{
    return (writer->columns >> column & 1) != 0;
}

static void put_number(struct buffer *buffer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer->data[buffer->size++] = (uint8_t)(value | 0x80);
    buffer->data[buffer->size++] = (uint8_t)value;
}

static void put_bytes(struct buffer *buffer, const void *data, size_t size)
{
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

/* Small steps up and down become small numbers. */
static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static void begin_block(struct writer *writer, char kind)
{
    put_bytes(&writer->block, (const char[COMPACT_HEAD]){kind}, COMPACT_HEAD);
}

/* Fills in the length of the block that begins at `start` and writes the frame. */
static void end_block(struct writer *writer, size_t start)
{
    struct buffer *block = &writer->block;
    size_t length = block->size - start - COMPACT_HEAD;
    for (size_t i = 0; i < 4; i++)
        block->data[start + 1 + i] = (uint8_t)(length >> 8 * i);
    size_t size = ZSTD_compress2(writer->context, writer->frame, writer->frame_room,
                                 block->data, block->size);
    if (ZSTD_isError(size))
        run_refuse("a block cannot be compressed: %s", ZSTD_getErrorName(size));
    fwrite(writer->frame, 1, size, writer->stream);
    block->size = 0;
}

static void put_columns(struct writer *writer)
{
    const char *separator = "columns=";
    for (int i = 0; i < COMPACT_COLUMNS; i++) {
        if (!has(writer, i))
            continue;
        put_bytes(&writer->block, separator, strlen(separator));
        put_bytes(&writer->block, compact_column_names[i],
                  strlen(compact_column_names[i]));
        separator = ",";
    }
    if (writer->columns != 0)
        put_bytes(&writer->block, "\n", 1);
}

struct writer *writer_open(const struct sink_options *options, FILE *stream)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        run_refuse("no memory for a writer");
    writer->stream = stream;
    writer->columns = options->columns;
    writer->vocabulary = options->vocabulary;
    writer->context = ZSTD_createCCtx();
    writer->frame_room = ZSTD_compressBound(COMPACT_LARGEST);
    writer->frame = malloc(writer->frame_room);
    writer->block.data = malloc(COMPACT_LARGEST);
    bool good =
        writer->context != NULL && writer->frame != NULL && writer->block.data != NULL;
    for (int i = 0; i < SECTIONS; i++) {
        writer->section[i].data = malloc((size_t)MOST_EVENTS * LONGEST_NUMBER);
        good = good && writer->section[i].data != NULL;
    }
    if (!good)
        run_refuse("no memory for a block");
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel,
                           options->level == 0 ? LEVEL : options->level);
    const char *about = options->about == NULL ? "" : options->about;
    size_t length = strlen(about);
    if (length > COMPACT_LARGEST - HEADS)
        run_refuse("too much is told about the trace: %zu bytes", length);
    put_bytes(&writer->block, COMPACT_MAGIC, sizeof COMPACT_MAGIC - 1);
    begin_block(writer, 'M');
    put_columns(writer);
    put_bytes(&writer->block, about, length);
    end_block(writer, sizeof COMPACT_MAGIC - 1);
    return writer;
}

/* Blocks of all names from `told` on; returns how many are told then. */
static uint32_t tell(struct writer *writer, const struct names *names, uint32_t told,
                     enum compact_column column)
{
    enum { MOST_NAMES = COMPACT_LARGEST / (LONGEST_NAME + 2) };
    while (told < names->count) {
        uint32_t left = names->count - told;
        uint32_t count = left < MOST_NAMES ? left : MOST_NAMES;
        begin_block(writer, 'N');
        put_number(&writer->block, (uint64_t)column);
        put_number(&writer->block, (uint64_t)told + 1);
        put_number(&writer->block, count);
        for (uint32_t end = told + count; told < end; told++) {
            const char *name = names->name[told];
            uint8_t length = (uint8_t)strlen(name);
            put_bytes(&writer->block, &length, 1);
            put_bytes(&writer->block, name, length);
        }
        end_block(writer, 0);
    }
    return told;
}

static void flush(struct writer *writer)
{
    if (writer->count == 0)
        return;
    if (has(writer, COMPACT_SITE))
        writer->told_sites =
            tell(writer, &writer->vocabulary->sites, writer->told_sites, COMPACT_SITE);
    if (has(writer, COMPACT_CACHE))
        writer->told_caches = tell(writer, &writer->vocabulary->caches,
                                   writer->told_caches, COMPACT_CACHE);
    begin_block(writer, 'E');
    put_number(&writer->block, writer->count);
    for (int i = 0; i < SECTIONS; i++) {
        if (i >= OPTIONAL && !has(writer, i - OPTIONAL))
            continue;
        put_number(&writer->block, writer->section[i].size);
        put_bytes(&writer->block, writer->section[i].data, writer->section[i].size);
        writer->section[i].size = 0;
    }
    end_block(writer, 0);
    writer->count = 0;
    writer->last_free = 0;
    writer->last_time = 0;
}

static bool is_full(const struct writer *writer)
{
    size_t bytes = HEADS + (size_t)SECTIONS * LONGEST_NUMBER;
    for (int i = 0; i < SECTIONS; i++)
        bytes += writer->section[i].size;
    return writer->count == MOST_EVENTS || bytes > COMPACT_LARGEST;
}

static void put_column(struct writer *writer, enum compact_column column,
                       uint64_t value)
{
    if (has(writer, column))
        put_number(&writer->section[OPTIONAL + column], value);
}

static void put_optional(struct writer *writer, const struct entry *entry)
{
    put_column(writer, COMPACT_TIME, entry->time - writer->last_time);
    writer->last_time = entry->time;
    put_column(writer, COMPACT_CPU, entry->cpu);
    put_column(writer, COMPACT_SITE, entry->site);
    put_column(writer, COMPACT_CACHE, entry->cache);
    uint64_t size = (uint64_t)entry->event.size;
    if (size > 0)
        put_column(writer, COMPACT_SPENT,
                   entry->spent >= size ? entry->spent - size + 1 : 0);
}

void writer_put(struct writer *writer, const struct entry *entry)
{
    uint32_t slot = entry->event.slot;
    put_number(&writer->section[SIZES], (uint64_t)entry->event.size);
    if (entry->event.size == 0) {
        int64_t step = (int64_t)slot - (int64_t)writer->last_free;
        put_number(&writer->section[FREES], zigzag(step));
        writer->last_free = slot;
    } else if (slot >= writer->slots) {
        writer->slots = slot + 1;
    }
    if (writer->columns != 0)
        put_optional(writer, entry);
    writer->events++;
    writer->count++;
    if (is_full(writer))
        flush(writer);
}

void writer_finish(struct writer *writer, uint64_t lost)
{
    char totals[120];
    flush(writer);
    int length = snprintf(totals, sizeof totals, "events=%llu\nslots=%lu\nlost=%llu\n",
                          (unsigned long long)writer->events,
                          (unsigned long)writer->slots, (unsigned long long)lost);
    begin_block(writer, 'Z');
    put_bytes(&writer->block, totals, (size_t)length);
    end_block(writer, 0);
    ZSTD_freeCCtx(writer->context);
    for (int i = 0; i < SECTIONS; i++)
        free(writer->section[i].data);
    free(writer->block.data);
    free(writer->frame);
    free(writer);
}
