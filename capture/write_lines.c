/* write_lines.c - the formats that are a header and a line an event: traces as
 * kma-trace(5) has them, and those of the CS:APP malloc lab (read_rep.c). Ids are slots. */

#include "write.h"

static void open(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    body_open(sink);
}

static void put(struct sink *sink, const struct entry *entry, const char *request,
                const char *free)
{
    struct line line = {.length = 0};
    line_text(&line, entry->event.size > 0 ? request : free);
    line_number(&line, entry->event.slot, 1);
    if (entry->event.size > 0) {
        line_text(&line, " ");
        line_number(&line, (uint64_t)entry->event.size, 1);
    }
    line_put(&line, sink->body);
}

static void put_text(struct sink *sink, const struct entry *entry)
{
    put(sink, entry, "REQUEST ", "FREE ");
}

static void put_rep(struct sink *sink, const struct entry *entry)
{
    put(sink, entry, "a ", "f ");
}

static void finish_text(struct sink *sink, uint64_t lost)
{
    (void)lost;
    fprintf(sink->stream, "%llu\n", (unsigned long long)sink->events);
    body_append(sink);
}

/* No size of the heap is suggested, and the trace weighs as much as any other. */
static void finish_rep(struct sink *sink, uint64_t lost)
{
    (void)lost;
    fprintf(sink->stream, "0\n%lu\n%llu\n1\n", (unsigned long)sink->slots,
            (unsigned long long)sink->events);
    body_append(sink);
}

const struct writer_kind write_text = {open, put_text, finish_text};
const struct writer_kind write_rep = {open, put_rep, finish_rep};
