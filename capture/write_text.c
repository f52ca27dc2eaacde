/* write_text.c - traces as kma-trace(5) has them; the ids are slots. */

#include "write.h"

static void open(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    body_open(sink);
}

static void put(struct sink *sink, const struct entry *entry)
{
    struct line line = {.length = 0};
    line_text(&line, entry->event.size > 0 ? "REQUEST " : "FREE ");
    line_number(&line, entry->event.slot, 1);
    if (entry->event.size > 0) {
        line_text(&line, " ");
        line_number(&line, (uint64_t)entry->event.size, 1);
    }
    line_put(&line, sink->body);
}

static void finish(struct sink *sink, uint64_t lost)
{
    (void)lost;
    fprintf(sink->stream, "%llu\n", (unsigned long long)sink->events);
    body_append(sink);
}

const struct writer_kind write_text = {open, put, finish};
