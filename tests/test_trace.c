/* test_trace.c - the reader: what it makes of good traces and says about bad ones. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/trace.h"

static char path[] = "/tmp/kma_test_trace_XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int file = mkstemp(path);
    if (file < 0)
        return -1;
    close(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static bool load_text(struct trace *trace, struct trace_error *error, const char *text)
{
    write_bytes(text, strlen(text));
    return trace_load(trace, path, TRACE_HELD, error);
}

/* The trace of `text`, which must be one. */
static struct trace good(const char *text)
{
    struct trace trace;
    struct trace_error error;
    if (!load_text(&trace, &error, text))
        fail_msg("line %llu: %s\n%s", (unsigned long long)error.place, error.text,
                 text);
    return trace;
}

static void assert_event(const struct trace *trace, size_t at, uint32_t id,
                         uint32_t slot, int32_t size)
{
    assert_in_range(at, 0, trace->count - 1);
    assert_int_equal(trace->ids[at], id);
    assert_int_equal(trace->events[at].slot, slot);
    assert_int_equal(trace->events[at].size, size);
}

static void test_events_in_order(void **state)
{
    (void)state;
    struct trace trace = good("4\nREQUEST 3 100\nREQUEST 1 7\nFREE 3\nFREE 1\n");
    assert_int_equal(trace.count, 4);
    assert_event(&trace, 0, 3, 0, 100);
    assert_event(&trace, 1, 1, 1, 7);
    assert_event(&trace, 2, 3, 0, 0);
    assert_event(&trace, 3, 1, 1, 0);
    assert_string_equal(trace.path, path);
    trace_release(&trace);
}

/* The slot freed last is taken first, and no slot is new while one is free. */
static void test_slots_are_reused(void **state)
{
    (void)state;
    struct trace trace = good("8\nREQUEST 7 1\nREQUEST 6 2\nREQUEST 5 3\nFREE 7\n"
                              "FREE 5\nREQUEST 0 4\nREQUEST 1 5\nREQUEST 2 6\n");
    assert_event(&trace, 5, 0, 2, 4);
    assert_event(&trace, 6, 1, 0, 5);
    assert_event(&trace, 7, 2, 3, 6);
    assert_int_equal(trace.slots, 4);
    trace_release(&trace);
}

static void test_an_id_lives_again(void **state)
{
    (void)state;
    struct trace trace =
        good("5\nREQUEST 0 10\nFREE 0\nREQUEST 0 20\nFREE 0\nREQUEST 0 30\n");
    assert_event(&trace, 4, 0, 0, 30);
    assert_int_equal(trace.slots, 1);
    trace_release(&trace);
}

/* Four are requested, but never more than three are live. */
static void test_slots_are_the_most_live_at_once(void **state)
{
    (void)state;
    struct trace trace = good("7\nREQUEST 0 100\nREQUEST 1 50\nFREE 0\nREQUEST 2 10\n"
                              "REQUEST 3 10\nFREE 1\nFREE 2\n");
    assert_int_equal(trace.slots, 3);
    trace_release(&trace);
}

static void test_accepted_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "2\nREQUEST 0 8\nFREE 0\n",
        "2\nREQUEST 0 8\nFREE 0",
        "2\r\nREQUEST 0 8\r\nFREE 0\r\n",
        "2\r\nREQUEST 0 8\r\nFREE 0\r",
        "  2 \n\tREQUEST \t 0   8\t\n FREE  0  \n",
        "2\nREQUEST 0 8\nFREE 0\n\n \t\r\n\n",
        "2\nREQUEST 0 8\nFREE 0   ",
        "002\nREQUEST 000000000000000000000 0000000008\nFREE 00\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct trace trace = good(forms[i]);
        assert_int_equal(trace.count, 2);
        assert_event(&trace, 0, 0, 0, 8);
        assert_event(&trace, 1, 0, 0, 0);
        trace_release(&trace);
    }
}

static void test_empty_trace(void **state)
{
    (void)state;
    static const char *const forms[] = {"0", "0\n", "0\r\n\n", " 0 "};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct trace trace = good(forms[i]);
        assert_int_equal(trace.count, 0);
        assert_int_equal(trace.slots, 0);
        trace_release(&trace);
    }
}

/* Numbers of every length, also where fewer than eight bytes of the file follow. */
static void test_numbers_of_every_length(void **state)
{
    (void)state;
    for (long size = 1; size < 2147483647L; size = size * 7 + 3) {
        char text[64];
        for (int form = 0; form < 2; form++) {
            sprintf(text, form == 0 ? "1\nREQUEST 0 %ld" : "2\nREQUEST 0 %ld\nFREE 0\n",
                    size);
            struct trace trace = good(text);
            assert_int_equal(trace.events[0].size, size);
            trace_release(&trace);
        }
        if (size > 2147483647L / 7 - 1)
            break;
    }
}

/* Ids of up to seven digits, each checked. */
static void test_many_ids(void **state)
{
    (void)state;
    enum { EVENTS = 1200000 };
    char *text = malloc(EVENTS * 24 + 16);
    assert_non_null(text);
    size_t size = (size_t)sprintf(text, "%d\n", EVENTS);
    for (int i = 0; i < EVENTS; i++)
        size += (size_t)sprintf(text + size, "REQUEST %d %d\n", i, i % 8000 + 1);
    write_bytes(text, size);
    free(text);
    struct trace trace;
    struct trace_error error;
    assert_true(trace_load(&trace, path, TRACE_HELD, &error));
    assert_int_equal(trace.slots, EVENTS);
    for (uint32_t i = 0; i < EVENTS; i++) {
        if (trace.ids[i] != i || trace.events[i].slot != i ||
            trace.events[i].size != (int32_t)(i % 8000 + 1))
            fail_msg("event %lu is wrong", (unsigned long)i);
    }
    trace_release(&trace);
}

/* A model of the renaming: slots follow a stack, whatever the trace does. */
static void test_slots_against_a_model(void **state)
{
    (void)state;
    enum { IDS = 200, EVENTS = 5000 };
    static char text[EVENTS * 24];
    static uint32_t expected[EVENTS];
    uint32_t slot_of[IDS], stack[IDS], free_slots = 0, slots = 0;
    bool live[IDS] = {false};
    srand(1);
    size_t size = (size_t)sprintf(text, "%d\n", EVENTS);
    for (int k = 0; k < EVENTS; k++) {
        int id = rand() % IDS;
        if (live[id]) {
            size += (size_t)sprintf(text + size, "FREE %d\n", id);
            stack[free_slots++] = slot_of[id];
        } else {
            size += (size_t)sprintf(text + size, "REQUEST %d 16\n", id);
            slot_of[id] = free_slots > 0 ? stack[--free_slots] : slots++;
        }
        live[id] = !live[id];
        expected[k] = slot_of[id];
    }
    struct trace trace = good(text);
    for (int k = 0; k < EVENTS; k++)
        assert_int_equal(trace.events[k].slot, expected[k]);
    assert_int_equal(trace.slots, slots);
    trace_release(&trace);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line;
        const char *message;
    } bad[] = {
        {"", 1, "empty"},
        {"\n", 1, "the first line must be the number of events"},
        {"REQUEST 0 8\n", 1, "number of events, not 'REQUEST'"},
        {"-1\n", 1, "not '-1'"},
        {"1x\nREQUEST 0 8\n", 1, "not '1x'"},
        {"1 2\nREQUEST 0 8\n", 1, "'2' after the end"},
        {"1000000000\nREQUEST 0 8\n", 1, "1000000000' events announced"},
        {"99999999999999999999999999\nFREE 0\n", 1, "events announced"},
        {"18446744073709551617\nREQUEST 0 8\n", 1, "events announced"},
        {"1\nRELEASE 0\n", 2, "unknown command 'RELEASE'"},
        {"1\nrequest 0 8\n", 2, "unknown command 'request'"},
        {"1\nREQUESTS 0 8\n", 2, "unknown command 'REQUESTS'"},
        {"1\nFREED 0\n", 2, "unknown command 'FREED'"},
        {"1\nREQUEST0 8\n", 2, "unknown command 'REQUEST0'"},
        {"2\nREQUEST 0 8\n\nFREE 0\n", 3, "blank line"},
        {"1\nREQUEST\n", 2, "the id is missing"},
        {"1\nREQUEST 0\n", 2, "the size is missing"},
        {"1\nREQUEST 0 \r\n", 2, "the size is missing"},
        {"1\nFREE\n", 2, "the id is missing"},
        {"1\nREQUEST zero 8\n", 2, "the id is not a number: 'zero'"},
        {"1\nREQUEST 0 8.5\n", 2, "the size is not a number: '8.5'"},
        {"1\nREQUEST 0 0x8\n", 2, "the size is not a number: '0x8'"},
        {"1\nREQUEST 0 +8\n", 2, "the size is not a number: '+8'"},
        {"1\nREQUEST 0 -\n", 2, "the size is not a number: '-'"},
        {"1\nREQUEST 1 8\n", 2, "id '1' is out of range: 0 to 0"},
        {"1\nREQUEST -1 8\n", 2, "id '-1' is out of range"},
        {"1\nREQUEST 4294967296 8\n", 2, "id '4294967296' is out of range"},
        {"1\nREQUEST 18446744073709551616 8\n", 2, "is out of range"},
        {"1\nREQUEST 0 0\n", 2, "size '0' is not positive"},
        {"1\nREQUEST 0 -8\n", 2, "size '-8' is not positive"},
        {"1\nREQUEST 0 2147483648\n", 2, "size '2147483648' is over 2147483647"},
        {"1\nREQUEST 0 4294967304\n", 2, "size '4294967304' is over"},
        {"1\nREQUEST 0 18446744073709551624\n", 2, "is over 2147483647"},
        {"1\nREQUEST 0 8 9\n", 2, "'9' after the end"},
        {"2\nREQUEST 0 8\nFREE 0 8\n", 3, "'8' after the end"},
        {"2\nREQUEST 0 8\rFREE 0\n", 2, "after the end"},
        {"2\nREQUEST 0 8\nFREE 1\n", 3, "FREE of id 1, which was never requested"},
        {"3\nREQUEST 0 8\nFREE 0\nFREE 0\n", 4, "id 0, which is free since line 3"},
        {"2\nREQUEST 0 8\nREQUEST 0 8\n", 3, "id 0, which is live since line 2"},
        {"3\nREQUEST 0 8\nFREE 0\n", 4, "ends after 2 of the 3 events"},
        {"2\nREQUEST 0 8\n \n\n", 3, "ends after 1 of the 2 events"},
        {"1\nREQUEST 0 8\nFREE 0\n", 3, "'FREE' after the last of the 1 events"},
        {"1\nREQUEST 0 8\n\n\nx", 5, "'x' after the last"},
        {"0\nREQUEST 0 8\n", 2, "'REQUEST' after the last of the 0 events"},
        {"1\n\x01\xff\x7f 0 8\n", 2, "unknown command '\\x01\\xff\\x7f'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct trace trace;
        struct trace_error error;
        if (load_text(&trace, &error, bad[i].text))
            fail_msg("accepted: %s", bad[i].text);
        if ((size_t)error.place != bad[i].line ||
            strstr(error.text, bad[i].message) == NULL)
            fail_msg("line %zu: %s\ninstead of line %zu: %s\nfor: %s", error.place,
                     error.text, bad[i].line, bad[i].message, bad[i].text);
        assert_null(trace.events);
        assert_null(trace.ids);
    }
}

static void test_zero_bytes(void **state)
{
    (void)state;
    static const char text[] = "1\nREQ\0UEST 0 8\n";
    struct trace trace;
    struct trace_error error;
    write_bytes(text, sizeof text - 1);
    assert_false(trace_load(&trace, path, TRACE_HELD, &error));
    assert_int_equal(error.place, 2);
    assert_non_null(strstr(error.text, "'REQ\\x00UEST'"));
}

/* However long a word is, the message stays short and printable. */
static void test_long_words_are_cut(void **state)
{
    (void)state;
    static char text[200000];
    for (int byte = 1; byte < 256; byte += 5) {
        if (byte == '\n' || byte == '\t' || byte == ' ')
            continue;
        memset(text, byte, sizeof text);
        memcpy(text, "1\nX", 3);
        struct trace trace;
        struct trace_error error;
        write_bytes(text, sizeof text);
        assert_false(trace_load(&trace, path, TRACE_HELD, &error));
        assert_int_equal(error.place, 2);
        assert_true(strlen(error.text) < 120);
        for (const char *at = error.text; *at != '\0'; at++)
            assert_in_range(*at, ' ', '~');
    }
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    struct trace trace;
    struct trace_error error;
    assert_false(trace_load(&trace, "/nonexistent/1.trace", TRACE_HELD, &error));
    assert_int_equal(error.place, 1);
    assert_non_null(strstr(error.text, "No such file"));
    assert_false(trace_load(&trace, "/tmp", TRACE_HELD, &error));
    assert_non_null(strstr(error.text, "Is a directory"));
}

/* What the reader accepts must be a trace: every id in range, every FREE of a live
 * slot, every request in a free one. */
static void assert_sound(const struct trace *trace)
{
    int32_t *size_of = calloc((size_t)trace->slots + 1, sizeof *size_of);
    assert_non_null(size_of);
    for (size_t k = 0; k < trace->count; k++) {
        struct event event = trace->events[k];
        assert_true(event.slot < trace->slots);
        assert_true(trace->ids[k] < trace->count);
        assert_int_equal(size_of[event.slot] == 0, event.size > 0);
        size_of[event.slot] = event.size;
    }
    free(size_of);
}

static size_t mutate(char *text, size_t size, size_t room)
{
    static const char *const pieces[] = {"REQUEST ", "FREE ", "\n",     "\r\n", " ",
                                         "0",        "-",     "999999", "\t",   "\xff"};
    size_t at = (size_t)rand() % (size + 1);
    const char *piece = pieces[rand() % 10];
    size_t length = strlen(piece);
    switch (rand() % 4) {
    case 0: /* one byte becomes another */
        if (at < size)
            text[at] = (char)rand();
        return size;
    case 1: /* cut short */
        return at;
    case 2: /* a stretch is taken out */
        length = (size_t)rand() % 20;
        if (at + length > size)
            return size;
        memmove(text + at, text + at + length, size - at - length);
        return size - length;
    default: /* a piece is put in */
        if (size + length > room)
            return size;
        memmove(text + at + length, text + at, size - at);
        memcpy(text + at, piece, length);
        return size + length;
    }
}

static void test_mutations(void **state)
{
    (void)state;
    static const char base[] =
        "10\nREQUEST 0 100\nREQUEST 1 2000\nFREE 0\nREQUEST 9 1\n"
        "REQUEST 0 8192\nFREE 1\nFREE 9\nREQUEST 8 77\nFREE 8\n"
        "FREE 0\n";
    int accepted = 0;
    int rejected = 0;
    srand(2);
    for (int i = 0; i < 8000; i++) {
        char text[512];
        size_t size = sizeof base - 1;
        memcpy(text, base, size);
        for (int count = rand() % 4; count >= 0; count--)
            size = mutate(text, size, sizeof text);
        struct trace trace;
        struct trace_error error;
        write_bytes(text, size);
        if (trace_load(&trace, path, TRACE_HELD, &error)) {
            accepted++;
            assert_sound(&trace);
            trace_release(&trace);
        } else {
            rejected++;
            assert_in_range(error.place, 1, 512);
            assert_true(error.text[0] != '\0');
        }
    }
    /* Both must occur, or the mutations try nothing. */
    assert_true(accepted > 100);
    assert_true(rejected > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_in_order),
        cmocka_unit_test(test_slots_are_reused),
        cmocka_unit_test(test_an_id_lives_again),
        cmocka_unit_test(test_slots_are_the_most_live_at_once),
        cmocka_unit_test(test_accepted_forms),
        cmocka_unit_test(test_empty_trace),
        cmocka_unit_test(test_numbers_of_every_length),
        cmocka_unit_test(test_many_ids),
        cmocka_unit_test(test_slots_against_a_model),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
