/* read_kmem.c - what perf script, tracefs and trace-cmd print of the kernel's kmem
 * events, a line each:
 *
 *     cc1  267 [001] 216.456615:   kmem:kfree: call_site=exit_mm+0x10 ptr=0xffff88810a
 *     bash-266 [000] ..... 216.549: kmalloc: call_site=f+0x10/0x140 ptr=6e bytes_req=60
 *
 * A time with a colon and the event's name are what such a line is known by, since the
 * name of a command may be anything. Kernels differ in the fields that they print, so
 * each is found by its name. */

#include "../driver/compact.h"
#include "read.h"
#include "words.h"

/* What stands before the fields of an event. */
struct head {
    uint64_t time;
    uint32_t cpu;
    struct span event; /* as in "kmem:kmalloc" */
    const char *rest;  /* behind its colon */
};

struct fields {
    struct span site;
    struct span symbol; /* of the site, when that is but a number */
    struct span cache;
    struct span pointer;
    struct span requested;
    struct span spent;
};

static const struct {
    const char *name;
    enum record_op op;
} events[] = {
    {"kmalloc", RECORD_ALLOC},          {"kfree", RECORD_FREE},
    {"kmem_cache_alloc", RECORD_ALLOC}, {"kmem_cache_free", RECORD_FREE},
    {"kmalloc_node", RECORD_ALLOC},     {"kmem_cache_alloc_node", RECORD_ALLOC},
};

enum { EVENTS = sizeof events / sizeof events[0] };

/* What kmalloc(0) returns: no block, and no event tells that it was handed out. */
#define ZERO_SIZE_POINTER 16

/* "216.456615:", of which nine digits make nanoseconds. */
static bool read_time(struct span word, uint64_t *time)
{
    uint64_t seconds, part = 0;
    if (word.at == word.end || !is_digit(*word.at) || word.end[-1] != ':')
        return false;
    const char *dot = memchr(word.at, '.', span_length(word));
    if (dot == NULL)
        return false;
    struct span digits = {dot + 1, word.end - 1};
    size_t length = span_length(digits);
    if (length > 9 || !read_decimal(digits, &part) ||
        !read_decimal((struct span){word.at, dot}, &seconds) ||
        seconds >= UINT64_MAX / 1000000000)
        return false;
    for (; length < 9; length++)
        part *= 10;
    *time = seconds * 1000000000 + part;
    return true;
}

static void read_cpu(struct span word, struct head *head)
{
    uint64_t cpu;
    if (span_length(word) > 2 && word.at[0] == '[' && word.end[-1] == ']' &&
        read_decimal((struct span){word.at + 1, word.end - 1}, &cpu) &&
        cpu <= UINT32_MAX)
        head->cpu = (uint32_t)cpu;
}

/* False when the line tells of no event. perf may count between time and name. */
static bool read_head(const char *at, const char *end, struct head *head)
{
    head->cpu = 0;
    for (;;) {
        struct span word = next_word(at, end);
        if (word.at == end)
            return false;
        at = word.end;
        read_cpu(word, head);
        if (!read_time(word, &head->time))
            continue;
        uint64_t count;
        word = next_word(at, end);
        if (read_decimal(word, &count))
            word = next_word(word.end, end);
        if (span_length(word) > 1 && word.end[-1] == ':') {
            head->event = (struct span){word.at, word.end - 1};
            head->rest = word.end;
            return true;
        }
    }
}

/* Words without a '=' belong to the name before them: "f+0x10/0x20 [ext4]". */
static void read_fields(const char *at, const char *end, struct fields *fields)
{
    static const struct {
        const char *key;
        size_t place;
    } keys[] = {
        {"call_site=", offsetof(struct fields, site)},
        {"ptr=", offsetof(struct fields, pointer)},
        {"name=", offsetof(struct fields, cache)},
        {"bytes_req=", offsetof(struct fields, requested)},
        {"bytes_alloc=", offsetof(struct fields, spent)},
    };
    struct span *last = NULL;
    *fields = (struct fields){.site = {NULL, NULL}};
    struct span word = next_word(at, end);
    if (word.at < end && *word.at == '(' && word.end[-1] == ')') {
        fields->symbol = (struct span){word.at + 1, word.end - 1};
        word = next_word(word.end, end);
    }
    for (; word.at < end; word = next_word(word.end, end)) {
        if (memchr(word.at, '=', span_length(word)) == NULL) {
            if (last != NULL)
                last->end = word.end;
            continue;
        }
        last = NULL;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            if (!span_begins(word, keys[i].key))
                continue;
            last = (struct span *)((char *)fields + keys[i].place);
            *last = (struct span){word.at + strlen(keys[i].key), word.end};
        }
    }
}

/* Cuts the length of the function off: "f+0x10/0x20 [ext4]" becomes "f+0x10 [ext4]". */
static uint32_t number_of_site(struct source *source, struct span site)
{
    char name[LONGEST_NAME];
    uint64_t value = 1;
    struct span first = next_word(site.at, site.end);
    if (read_pointer(first, &value) && value == 0)
        return 0;
    const char *slash = memrchr(first.at, '/', span_length(first));
    struct span tail = {slash == NULL ? first.end : slash + 1, first.end};
    size_t length = span_length(site);
    if (span_begins(tail, "0x") && read_pointer(tail, &value) &&
        memchr(first.at, '+', (size_t)(slash - first.at)) != NULL &&
        length <= sizeof name) {
        size_t before = (size_t)(slash - site.at);
        memcpy(name, site.at, before);
        memcpy(name + before, first.end, (size_t)(site.end - first.end));
        return names_number(&source->vocabulary->sites, name,
                            before + (size_t)(site.end - first.end));
    }
    return names_number(&source->vocabulary->sites, site.at, length);
}

static uint32_t read_site(struct source *source, const struct fields *fields)
{
    if (fields->symbol.at != NULL)
        return number_of_site(source, fields->symbol);
    return fields->site.at == NULL ? 0 : number_of_site(source, fields->site);
}

static bool reject(const struct source *source, struct trace_error *error,
                   const char *event, const char *field, struct span span)
{
    if (span.at == NULL)
        return lines_reject(&source->lines, error, "this %s has no %s", event, field);
    return lines_reject(&source->lines, error, "the %s of this %s is no number: %s",
                        field, event, lines_quote(span.at, span.end).text);
}

static bool read_event(struct source *source, const struct head *head, size_t event,
                       struct record *record, struct trace_error *error)
{
    struct fields fields;
    const char *name = events[event].name;
    read_fields(head->rest, source->lines.end, &fields);
    *record =
        (struct record){.op = events[event].op, .time = head->time, .cpu = head->cpu};
    if (!read_pointer(fields.pointer, &record->pointer))
        return reject(source, error, name, "ptr", fields.pointer);
    if (record->op == RECORD_ALLOC) {
        if (!read_decimal(fields.requested, &record->size))
            return reject(source, error, name, "bytes_req", fields.requested);
        if (fields.spent.at != NULL && !read_decimal(fields.spent, &record->spent))
            return reject(source, error, name, "bytes_alloc", fields.spent);
    } else if (record->pointer == ZERO_SIZE_POINTER) {
        record->pointer = 0;
    }
    record->site = read_site(source, &fields);
    if (fields.cache.at != NULL)
        record->cache = names_number(&source->vocabulary->caches, fields.cache.at,
                                     span_length(fields.cache));
    return true;
}

/* Which of the events it is, EVENTS for another. */
static size_t find_event(const struct head *head)
{
    struct span name = head->event;
    if (span_begins(name, "kmem:"))
        name.at += 5;
    size_t event = 0;
    while (event < EVENTS && !span_is(name, events[event].name))
        event++;
    return event;
}

/* The number in "[LOST 12 EVENTS]", "[12 EVENTS DROPPED]" or "PERF_RECORD_LOST lost 12";
 * 1 where none is told, 0 in other lines. */
static uint64_t read_lost(const struct lines *lines)
{
    size_t length = (size_t)(lines->end - lines->at);
    struct span word = next_word(lines->at, lines->end);
    const char *at = NULL;
    if (span_begins(word, "CPU:")) {
        at = memchr(lines->at, '[', length);
        size_t left = at == NULL ? 0 : (size_t)(lines->end - at);
        if (left == 0 || (memmem(at, left, "LOST", 4) == NULL &&
                          memmem(at, left, "DROPPED", 7) == NULL))
            return 0;
    } else {
        at = memmem(lines->at, length, "PERF_RECORD_LOST", 16);
    }
    if (at == NULL)
        return 0;
    while (at < lines->end && !is_digit(*at))
        at++;
    struct span digits = {at, at};
    while (digits.end < lines->end && is_digit(*digits.end))
        digits.end++;
    uint64_t lost = 1;
    return read_decimal(digits, &lost) ? lost : 1;
}

static enum source_next next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    struct lines *lines = &source->lines;
    for (;;) {
        enum lines_next found = lines_next(lines, &source->input, error);
        if (found != LINES_LINE)
            return found == LINES_END ? SOURCE_END : SOURCE_BAD;
        struct head head;
        bool tells = read_head(lines->at, lines->end, &head);
        size_t event = tells ? find_event(&head) : EVENTS;
        if (event < EVENTS)
            return read_event(source, &head, event, record, error) ? SOURCE_RECORD
                                                                   : SOURCE_BAD;
        uint64_t lost = tells ? 0 : read_lost(lines);
        source->lost += lost;
        source->skipped += lost == 0 && lines->at < lines->end;
    }
}

/* Whether one of the first lines is such a head, or tells of an event as this kind
 * does: perf has the name of the system before the event's. */
static bool is_kind(const struct input *input, const char *const *heads, bool perf)
{
    const char *at = input->data;
    const char *end = at + input->size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        struct head head;
        struct span line = {at, line_end};
        for (const char *const *text = heads; *text != NULL; text++) {
            if (span_begins(line, *text))
                return true;
        }
        if (read_head(at, line_end, &head))
            return (memchr(head.event.at, ':', span_length(head.event)) != NULL) ==
                   perf;
        at = line_end + 1;
    }
    return false;
}

static bool is_perf(const struct input *input)
{
    static const char *const heads[] = {"# ========", NULL};
    return is_kind(input, heads, true);
}

static bool is_ftrace(const struct input *input)
{
    static const char *const heads[] = {"# tracer:", "cpus=", NULL};
    return is_kind(input, heads, false);
}

static bool open(struct source *source, struct trace_error *error)
{
    (void)error;
    source->columns = (1U << COMPACT_COLUMNS) - 1;
    source->about = "origin=kernel\n";
    return true;
}

const struct reader_kind read_perf = {FORMAT_PERF, is_perf, open, next, NULL};
const struct reader_kind read_ftrace = {FORMAT_FTRACE, is_ftrace, open, next, NULL};
