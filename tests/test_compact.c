/* test_compact.c - compact traces: what is written is read again, held or streamed, and
 * whatever is not sound is refused with the place. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "../capture/writer.h"
#include "../driver/compact.h"
#include "../driver/trace.h"

static char path[] = "/tmp/kma_test_compact_XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* ---- making traces */

struct made {
    struct event *events;
    size_t count;
    uint32_t slots;
};

/* `count` events, requests and frees at random with the slots that the rule gives. */
static struct made make_events(size_t count, unsigned seed)
{
    struct made made = {.events = calloc(count, sizeof *made.events), .count = count};
    uint32_t *live = calloc(count, sizeof *live), *freed = calloc(count, sizeof *freed);
    uint32_t live_count = 0, freed_count = 0;
    srand(seed);
    for (size_t k = 0; k < count; k++) {
        if (live_count == 0 || rand() % 100 < 52) {
            uint32_t slot = freed_count > 0 ? freed[--freed_count] : made.slots++;
            live[live_count++] = slot;
            made.events[k] =
                (struct event){slot, rand() % 10 ? rand() % 200 + 1 : rand() + 1};
        } else {
            uint32_t at = (uint32_t)rand() % live_count;
            made.events[k] = (struct event){live[at], 0};
            freed[freed_count++] = live[at];
            live[at] = live[--live_count];
        }
    }
    free(live);
    free(freed);
    return made;
}

static struct entry entry_of(const struct made *made, size_t k)
{
    struct event event = made->events[k];
    return (struct entry){
        .event = event,
        .time = k * 100 + k % 7,
        .spent = event.size > 0 && k % 5 ? (uint64_t)event.size + k % 64 : 0,
        .cpu = k % 3,
        .site = k % 4,
        .cache = event.size > 0 ? 1 + k % 2 : 0,
    };
}

static char *site_names[] = {"first+0x1", "second+0x22", "third"};
static char *cache_names[] = {"kmalloc-64", "dentry"};
static const struct vocabulary vocabulary = {
    .sites = {.name = site_names, .count = 3},
    .caches = {.name = cache_names, .count = 2}};

enum { ALL = (1 << COMPACT_COLUMNS) - 1 };

static void write_trace(const struct made *made, unsigned columns, uint64_t lost)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    struct sink_options options = {
        .columns = columns, .about = "origin=test\n", .vocabulary = &vocabulary};
    struct writer *writer = writer_open(&options, file);
    for (size_t k = 0; k < made->count; k++) {
        struct entry entry = entry_of(made, k);
        writer_put(writer, &entry);
    }
    writer_finish(writer, lost);
    assert_int_equal(fclose(file), 0);
}

static void assert_events(const struct made *made, const struct event *events,
                          uint64_t first, size_t count)
{
    assert_true(first + count <= made->count);
    assert_memory_equal(events, made->events + first, count * sizeof *events);
}

/* ---- good traces */

static void test_held(void **state)
{
    (void)state;
    struct made made = make_events(100000, 1);
    struct trace trace;
    struct trace_error error;
    write_trace(&made, ALL, 0);
    assert_true(trace_load(&trace, path, TRACE_HELD, &error));
    assert_int_equal(trace.count, made.count);
    assert_int_equal(trace.slots, made.slots);
    assert_events(&made, trace.events, 0, made.count);
    assert_false(trace_has_lines(&trace));
    trace_release(&trace);
    free(made.events);
}

static void assert_streamed(struct trace *trace, const struct made *made)
{
    struct trace_error error;
    struct chunk chunk;
    uint64_t seen = 0;
    enum trace_next next;
    while ((next = trace_next(trace, &chunk, &error)) == TRACE_CHUNK) {
        assert_int_equal(chunk.first, seen);
        assert_events(made, chunk.events, chunk.first, chunk.count);
        for (size_t i = 0; i < chunk.count; i++)
            assert_true(chunk.events[i].slot < chunk.slots);
        seen += chunk.count;
    }
    assert_int_equal(next, TRACE_END);
    assert_int_equal(seen, made->count);
    assert_int_equal(trace->count, made->count);
    assert_int_equal(trace->slots, made->slots);
}

static void test_streamed_again_and_again(void **state)
{
    (void)state;
    struct made made = make_events(100000, 2);
    struct trace trace;
    struct trace_error error;
    write_trace(&made, 0, 0);
    assert_true(trace_load(&trace, path, TRACE_AGAIN, &error));
    assert_null(trace.events);
    for (int pass = 0; pass < 3; pass++) {
        assert_true(trace_rewind(&trace, &error));
        assert_streamed(&trace, &made);
    }
    trace_release(&trace);
    free(made.events);
}

/* What comes through a pipe is kept when it is to be replayed twice. */
static void test_streamed_from_a_pipe(void **state)
{
    (void)state;
    struct made made = make_events(70000, 3);
    struct trace trace;
    struct trace_error error;
    char command[100], pipe[40];
    write_trace(&made, ALL, 0);
    snprintf(command, sizeof command, "cat %s", path);
    for (int use = TRACE_ONCE; use <= TRACE_AGAIN; use++) {
        FILE *from = popen(command, "r");
        assert_non_null(from);
        snprintf(pipe, sizeof pipe, "/dev/fd/%d", fileno(from));
        assert_true(trace_load(&trace, pipe, (enum trace_use)use, &error));
        assert_streamed(&trace, &made);
        if (use == TRACE_AGAIN) {
            assert_true(trace_rewind(&trace, &error));
            assert_streamed(&trace, &made);
        }
        trace_release(&trace);
        pclose(from);
    }
    free(made.events);
}

static void test_an_empty_trace(void **state)
{
    (void)state;
    struct made made = {0};
    struct trace trace;
    struct trace_error error;
    write_trace(&made, 0, 0);
    assert_true(trace_load(&trace, path, TRACE_HELD, &error));
    assert_int_equal(trace.count, 0);
    trace_release(&trace);
}

static void assert_columns(const struct compact *compact, const struct made *made)
{
    uint64_t first = compact->events - compact->count;
    for (size_t i = 0; i < compact->count; i++) {
        struct entry entry = entry_of(made, first + i);
        assert_int_equal(compact->value[COMPACT_TIME][i], entry.time);
        assert_int_equal(compact->value[COMPACT_CPU][i], entry.cpu);
        assert_int_equal(compact->value[COMPACT_SITE][i], entry.site);
        assert_int_equal(compact->value[COMPACT_CACHE][i], entry.cache);
        assert_int_equal(compact->value[COMPACT_SPENT][i], entry.spent);
    }
}

static void test_columns_names_and_totals(void **state)
{
    (void)state;
    struct made made = make_events(80000, 4);
    struct trace_error error;
    struct input input;
    struct compact compact;
    write_trace(&made, ALL, 17);
    assert_true(input_open(&input, path, error.text, sizeof error.text));
    assert_true(compact_is(input.data, input.size));
    assert_true(compact_open(&compact, &input, ALL, &error));
    assert_int_equal(compact.columns, ALL);
    static const char about[] = "columns=time,cpu,site,cache,spent\norigin=test\n";
    assert_int_equal(compact.text_size, sizeof about - 1);
    assert_memory_equal(compact.text, about, sizeof about - 1);
    uint32_t names = 0;
    for (enum compact_block block; (block = compact_next(&compact)) != COMPACT_END;) {
        assert_int_not_equal(block, COMPACT_BAD);
        if (block == COMPACT_EVENTS) {
            assert_columns(&compact, &made);
        } else {
            names += (uint32_t)compact.count;
            const char *expected =
                compact.column == COMPACT_SITE ? *site_names : *cache_names;
            assert_int_equal(compact.first, 1);
            assert_int_equal((unsigned char)compact.text[0], strlen(expected));
            assert_memory_equal(compact.text + 1, expected, strlen(expected));
        }
    }
    assert_int_equal(names, 5);
    assert_int_equal(compact_number(compact.text, compact.text_size, "lost"), 17);
    assert_int_equal(compact_number(compact.text, compact.text_size, "events"), 80000);
    compact_close(&compact);
    input_close(&input);
    free(made.events);
}

/* ---- bad traces */

static char *file_bytes(size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[1 << 20];
    *size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}

static void put_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void assert_refused(uint64_t at_most, const char *reason)
{
    struct trace trace;
    struct trace_error error;
    assert_false(trace_load(&trace, path, TRACE_HELD, &error));
    if (error.in_bytes)
        assert_in_range(error.place, 0, at_most);
    if (reason != NULL && strstr(error.text, reason) == NULL)
        fail_msg("'%s' expected, got '%s'", reason, error.text);
    assert_true(error.text[0] != '\0');
}

static void test_cut_short_anywhere(void **state)
{
    (void)state;
    struct made made = make_events(400, 5);
    write_trace(&made, ALL, 0);
    size_t size;
    const char *bytes = file_bytes(&size);
    for (size_t cut = 4; cut < size; cut++) {
        put_bytes(bytes, cut);
        assert_refused(cut, "cut short");
    }
    free(made.events);
}

/* The checksums see to it, wherever the damage is: but for the bits of a frame's head that
 * zstd does not use. */
static void test_damaged_anywhere(void **state)
{
    (void)state;
    struct made made = make_events(400, 6);
    write_trace(&made, ALL, 0);
    size_t size, unseen = 0;
    char *bytes = file_bytes(&size);
    for (size_t at = 0; at < size; at++) {
        struct trace trace;
        struct trace_error error;
        bytes[at] ^= (char)(1 << at % 8);
        put_bytes(bytes, size);
        if (trace_load(&trace, path, TRACE_HELD, &error)) {
            assert_int_equal(trace.count, made.count);
            assert_events(&made, trace.events, 0, made.count);
            trace_release(&trace);
            unseen++;
        }
        bytes[at] ^= (char)(1 << at % 8);
    }
    assert_in_range(unseen, 0, 5); /* frames */
    free(made.events);
}

static void test_something_behind_the_end(void **state)
{
    (void)state;
    struct made made = make_events(10, 7);
    write_trace(&made, 0, 0);
    size_t size;
    char *bytes = file_bytes(&size);
    bytes[size] = 'x';
    put_bytes(bytes, size + 1);
    assert_refused(size, "something follows the last block");
    free(made.events);
}

/* A file under construction from blocks of one's own, with good checksums. */
static struct {
    char bytes[1 << 16];
    size_t size;
} made_file;

static void add_frame(const void *content, size_t size, bool checksum)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    size_t length =
        ZSTD_compress2(context, made_file.bytes + made_file.size,
                       sizeof made_file.bytes - made_file.size, content, size);
    assert_false(ZSTD_isError(length));
    made_file.size += length;
    ZSTD_freeCCtx(context);
}

static void add_block(char kind, const char *payload, size_t size)
{
    char content[1000];
    size_t at = 0;
    if (kind == 'M') {
        at = sizeof COMPACT_MAGIC - 1;
        memcpy(content, COMPACT_MAGIC, at);
    }
    content[at] = kind;
    for (int i = 0; i < 4; i++)
        content[at + 1 + (size_t)i] = (char)(size >> 8 * i);
    memcpy(content + at + COMPACT_HEAD, payload, size);
    add_frame(content, at + COMPACT_HEAD + size, true);
}

static void begin_file(const char *about)
{
    made_file.size = 0;
    add_block('M', about, strlen(about));
}

static void assert_file_refused(const char *reason)
{
    put_bytes(made_file.bytes, made_file.size);
    assert_refused(made_file.size, reason);
}

#define ADD(kind, bytes) add_block(kind, bytes, sizeof(bytes) - 1)
#define TOTALS(events, slots) "events=" #events "\nslots=" #slots "\n"

static void test_a_trace_made_by_hand(void **state)
{
    (void)state;
    begin_file("");
    /* Two requests, of 5 and 300 bytes; a free of slot 1 and one of slot 0. */
    ADD('E', "\x04\x05\x05\xac\x02\x00\x00\x02\x02\x01");
    ADD('Z', TOTALS(4, 2));
    put_bytes(made_file.bytes, made_file.size);
    struct trace trace;
    struct trace_error error;
    assert_true(trace_load(&trace, path, TRACE_HELD, &error));
    const struct event expected[] = {{0, 5}, {1, 300}, {1, 0}, {0, 0}};
    assert_int_equal(trace.count, 4);
    assert_memory_equal(trace.events, expected, sizeof expected);
    trace_release(&trace);
}

static void test_blocks_that_are_not_sound(void **state)
{
    (void)state;
    static const struct {
        const char *reason;
        char kind;
        size_t size;
        const char *payload;
    } cases[] = {
        {"not sound", 'E', 5, "\x01\x01\x00\x01\x00"},       /* a free of nothing */
        {"not sound", 'E', 6, "\x02\x02\x05\x00\x01\x02"},   /* a free of slot 1 of 1 */
        {"damaged", 'E', 7, "\x03\x03\x05\x00\x00\x02\x00"}, /* a section too long */
        {"not sound", 'E', 8, "\x03\x03\x05\x00\x00\x02\x00\x00"}, /* freed twice */
        {"not sound", 'E', 8, "\x01\x05\xff\xff\xff\xff\x0f\x00"}, /* over INT_MAX */
        {"not sound", 'E', 5, "\x01\x02\x05\x05\x00"},             /* a size too many */
        {"damaged", 'E', 3, "\x00\x00\x00"},                       /* no event */
        {"damaged", 'E', 0, ""},
        {"damaged", 'E', 7,
         "\xff\xff\xff\xff\x0f\x01\x05"},    /* more events than bytes */
        {"damaged", 'E', 3, "\x01\x7f\x05"}, /* a section too long */
        {"left over", 'E', 5, "\x01\x01\x05\x00\x00"},
        {"names", 'N', 4, "\x02\x02\x01\x00"},  /* begins at 2 */
        {"names", 'N', 5, "\x00\x01\x01\x01x"}, /* times have no names */
        {"names", 'N', 5, "\x02\x01\x01\x09x"}, /* a name too long */
        {"names", 'N', 4, "\x02\x01\x01\x00"},  /* an empty name */
        {"names", 'N', 5, "\x02\x01\x02\x01x"}, /* a name too few */
        {"last block speaks", 'Z', 18, "events=1\nslots=0\n"},
        {"unknown kind", 'Q', 0, ""},
        {"second description", 'M', 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_file("");
        if (cases[i].kind == 'M') {
            add_frame("M\0\0\0\0", 5, true);
        } else {
            add_block(cases[i].kind, cases[i].payload, cases[i].size);
        }
        assert_file_refused(cases[i].reason);
    }
}

static void test_columns_that_are_not_sound(void **state)
{
    (void)state;
    static const struct {
        const char *columns;
        size_t size;
        const char *payload;
    } cases[] = {
        {"columns=time\n", 4, "\x01\x01\x05\x00"},            /* no section */
        {"columns=time\n", 6, "\x01\x01\x05\x00\x01\x80"},    /* half a number */
        {"columns=cpu\n", 7, "\x01\x01\x05\x00\x02\x01\x01"}, /* one too many */
        {"columns=site\n", 6, "\x01\x01\x05\x00\x01\x01"},    /* no such name */
        {"columns=cpu\n", 10, "\x01\x01\x05\x00\x05\xff\xff\xff\xff\x1f"}, /* 33 bits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin_file(cases[i].columns);
        add_block('E', cases[i].payload, cases[i].size);
        put_bytes(made_file.bytes, made_file.size);
        struct trace_error error;
        struct input input;
        struct compact compact;
        assert_true(input_open(&input, path, error.text, sizeof error.text));
        assert_true(compact_open(&compact, &input, ALL, &error));
        assert_int_equal(compact_next(&compact), COMPACT_BAD);
        assert_non_null(strstr(error.text, "column"));
        compact_close(&compact);
        input_close(&input);
    }
    begin_file("columns=cpu,time\n");
    assert_file_refused("out of order");
    begin_file("columns=colour\n");
    assert_file_refused("unknown");
}

static void test_frames_that_are_not_sound(void **state)
{
    (void)state;
    begin_file("");
    add_frame("Z\0\0\0\0", 5, false);
    assert_file_refused("no checksum");
    begin_file("");
    add_frame("Z\x09\0\0\0", 5, true);
    assert_file_refused("not as long as it says");
    begin_file("");
    add_frame("Z", 1, true);
    assert_file_refused("not as long as it says");
    begin_file("");
    add_frame("", 0, true);
    assert_file_refused("empty");
    begin_file("");
    memcpy(made_file.bytes + made_file.size, "plain text", 10);
    made_file.size += 10;
    assert_file_refused("no zstd frame");
    made_file.size = 0;
    add_frame("hello\n", 6, true);
    assert_file_refused("no trace");
}

/* A small frame of zeros without end is not followed. */
static void test_a_frame_that_blows_up(void **state)
{
    (void)state;
    size_t size = 50 << 20;
    char *zeros = calloc(size, 1);
    begin_file("");
    add_frame(zeros, size, true);
    free(zeros);
    put_bytes(made_file.bytes, made_file.size);
    struct trace trace;
    struct trace_error error;
    assert_false(trace_load(&trace, path, TRACE_HELD, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_streamed_again_and_again),
        cmocka_unit_test(test_streamed_from_a_pipe),
        cmocka_unit_test(test_an_empty_trace),
        cmocka_unit_test(test_columns_names_and_totals),
        cmocka_unit_test(test_cut_short_anywhere),
        cmocka_unit_test(test_damaged_anywhere),
        cmocka_unit_test(test_something_behind_the_end),
        cmocka_unit_test(test_a_trace_made_by_hand),
        cmocka_unit_test(test_blocks_that_are_not_sound),
        cmocka_unit_test(test_columns_that_are_not_sound),
        cmocka_unit_test(test_frames_that_are_not_sound),
        cmocka_unit_test(test_a_frame_that_blows_up),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
