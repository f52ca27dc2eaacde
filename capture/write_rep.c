/* write_rep.c - the traces of the CS:APP malloc lab; see read_rep.c. */

#include "write.h"

static void open(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    body_open(sink);
}

static void put(struct sink *sink, const struct entry *entry)
{
    struct line line = {.length = 0};
    line_text(&line, entry->event.size > 0 ? "a " : "f ");
    line_number(&line, entry->event.slot, 1);
    if (entry->event.size > 0) {
        line_text(&line, " ");
        line_number(&line, (uint64_t)entry->event.size, 1);
    }
    line_put(&line, sink->body);
}

/* No size of the heap is suggested, and the trace weighs as much as any other. */
static void finish(struct sink *sink, uint64_t lost)
{
    (void)lost;
    fprintf(sink->stream, "0\n%lu\n%llu\n1\n", (unsigned long)sink->slots,
            (unsigned long long)sink->events);
    body_append(sink);
}

const struct writer_kind write_rep = {open, put, finish};
