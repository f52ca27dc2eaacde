/* fuzz_compact.c - compact traces, as the fuzzer makes them up.
 *
 * Bytes changed at random end at the checksum of a frame. So most changes are made to
 * what is in a frame, which is then compressed anew: what the fuzzer keeps are files
 * that the decoder behind zstd has to judge. */

#include <zstd.h>
#include "../driver/compact.h"
#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t largest);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t largest,
                               unsigned int seed);

enum { ROOM = COMPACT_LARGEST + 64, MAGIC_LENGTH = sizeof COMPACT_MAGIC - 1 };

static uint64_t count_events(struct trace *trace)
{
    struct trace_error error;
    struct chunk chunk;
    uint64_t count = 0;
    enum trace_next found;
    while ((found = trace_next(trace, &chunk, &error)) == TRACE_CHUNK)
        count += chunk.count;
    expect(found == TRACE_END, "a sound trace can be replayed");
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("", data, size);
    struct trace trace;
    struct trace_error error;
    if (!fuzz_source(path) || !compact_is((const char *)data, size))
        return 0;
    expect(trace_load(&trace, path, TRACE_AGAIN, &error),
           "a sound trace can be opened");
    uint64_t count = count_events(&trace);
    expect(trace_rewind(&trace, &error), "a file can be rewound");
    expect(count_events(&trace) == count, "it has the same events again");
    trace_release(&trace);
    return 0;
}

/* The next number of a row that begins with a seed. */
static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* [*start, *end) of one of the frames; false when there is none. */
static bool choose_frame(const uint8_t *data, size_t size, uint32_t *state,
                         size_t *start, size_t *end)
{
    size_t found = 0;
    for (size_t at = 0; at < size;) {
        size_t length = ZSTD_findFrameCompressedSize(data + at, size - at);
        if (ZSTD_isError(length))
            break;
        if (draw(state) % ++found == 0) {
            *start = at;
            *end = at + length;
        }
        at += length;
    }
    return found > 0;
}

static size_t compress(void *to, size_t room, const void *from, size_t size)
{
    static ZSTD_CCtx *context;
    if (context == NULL) {
        context = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
    }
    return ZSTD_compress2(context, to, room, from, size);
}

/* Mutates the block in a frame's content and makes its length right again, most often.
 * Returns the content's size. */
static size_t mutate_block(uint8_t *content, size_t size, bool first, uint32_t *state)
{
    size_t head = (first ? MAGIC_LENGTH : 0) + COMPACT_HEAD;
    if (size < head || draw(state) % 16 == 0)
        return LLVMFuzzerMutate(content, size, ROOM);
    size_t length = LLVMFuzzerMutate(content + head, size - head, ROOM - head);
    for (size_t i = 0; i < 4; i++)
        content[head - 4 + i] = (uint8_t)(length >> 8 * i);
    if (draw(state) % 16 == 0)
        content[head - COMPACT_HEAD] = (uint8_t) "MNEZ"[draw(state) % 4];
    return head + length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t largest,
                               unsigned int seed)
{
    static uint8_t content[ROOM], frame[2 * ROOM];
    uint32_t state = seed;
    size_t start, end;
    if (draw(&state) % 8 == 0 || !choose_frame(data, size, &state, &start, &end))
        return LLVMFuzzerMutate(data, size, largest);
    size_t got = ZSTD_decompress(content, sizeof content, data + start, end - start);
    if (ZSTD_isError(got))
        return LLVMFuzzerMutate(data, size, largest);
    got = mutate_block(content, got, start == 0, &state);
    size_t length = compress(frame, sizeof frame, content, got);
    /* Now and then the frame is put before itself, not in its place. */
    size_t behind = draw(&state) % 8 == 0 ? start : end;
    size_t left = size - behind;
    if (ZSTD_isError(length) || start + length + left > largest)
        return LLVMFuzzerMutate(data, size, largest);
    memmove(data + start + length, data + behind, left);
    memcpy(data + start, frame, length);
    return start + length + left;
}
