/* write_mtrace.c - the log of glibc's mtrace(); see read_mtrace.c. */

#include "write.h"

static void open(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    fputs("= Start\n", sink->stream);
}

/* A place without an address gets one that says so. */
static void add_site(struct line *line, const char *name)
{
    line_text(line, "@ ");
    line_name(line, name);
    line_text(line, line->text[line->length - 1] == ']' ? " " : ":[0x0] ");
}

static void put(struct sink *sink, const struct entry *entry)
{
    struct line line = {.length = 0};
    if (entry->site != 0)
        add_site(&line, names_text(&sink->vocabulary->sites, entry->site));
    line_text(&line, entry->event.size > 0 ? "+ 0x" : "- 0x");
    line_hex(&line, line_address(entry->event.slot));
    if (entry->event.size > 0) {
        line_text(&line, " 0x");
        line_hex(&line, (uint64_t)entry->event.size);
    }
    line_put(&line, sink->stream);
}

static void finish(struct sink *sink, uint64_t lost)
{
    (void)lost;
    fputs("= End\n", sink->stream);
}

const struct writer_kind write_mtrace = {open, put, finish};
