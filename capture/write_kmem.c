/* write_kmem.c - kmem events as perf script and ftrace print them; see read_kmem.c. What
 * a trace does not say is made up: the command, and the addresses of blocks. */

#include "write.h"

static void add_time(struct line *line, uint64_t time)
{
    line_number(line, time / 1000000000, 1);
    line_text(line, ".");
    line_number(line, time % 1000000000, 9);
    line_text(line, ": ");
}

/* Blanks may stand in a name, one at a time; '=' is for fields. */
static void add_name(struct line *line, const char *name)
{
    size_t start = line->length;
    size_t length = strlen(name);
    line_bytes(line, name, length);
    for (size_t i = start; i < line->length; i++) {
        unsigned char c = (unsigned char)line->text[i];
        bool between = i > start && i + 1 < line->length && line->text[i - 1] != ' ';
        if (c < ' ' || c == 127 || c == '=' || (c == ' ' && !between))
            line->text[i] = '_';
    }
}

static void add_event(struct line *line, const struct sink *sink,
                      const struct entry *entry)
{
    bool frees = entry->event.size == 0;
    bool cached = entry->cache != 0;
    line_text(line, cached ? "kmem_cache_" : frees ? "kfree: " : "kmalloc: ");
    if (cached)
        line_text(line, frees ? "free: " : "alloc: ");
    line_text(line, "call_site=");
    if (entry->site == 0)
        line_text(line, "0");
    else
        add_name(line, names_text(&sink->vocabulary->sites, entry->site));
    line_text(line, " ptr=0x");
    line_hex(line, line_address(entry->event.slot));
    if (cached) {
        line_text(line, " name=");
        add_name(line, names_text(&sink->vocabulary->caches, entry->cache));
    }
    if (frees)
        return;
    line_text(line, " bytes_req=");
    line_number(line, (uint64_t)entry->event.size, 1);
    line_text(line, " bytes_alloc=");
    line_number(line, entry->spent, 1);
    line_text(line, " gfp_flags=GFP_KERNEL node=-1 accounted=false");
}

static void open_perf(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    fputs("# ========\n# captured by : kma\n# ========\n#\n", sink->stream);
}

static void put_perf(struct sink *sink, const struct entry *entry)
{
    struct line line = {.length = 0};
    line_text(&line, "kma 0 [");
    line_number(&line, entry->cpu, 3);
    line_text(&line, "] ");
    add_time(&line, entry->time);
    line_text(&line, "kmem:");
    add_event(&line, sink, entry);
    line_put(&line, sink->stream);
}

static void finish_perf(struct sink *sink, uint64_t lost)
{
    if (lost > 0)
        fprintf(sink->stream, "kma 0 [000] 0.000000000: PERF_RECORD_LOST lost %llu\n",
                (unsigned long long)lost);
}

const struct writer_kind write_perf = {open_perf, put_perf, finish_perf};

static void open_ftrace(struct sink *sink, const struct sink_options *options)
{
    (void)options;
    fputs("# tracer: nop\n#\n", sink->stream);
}

static void put_ftrace(struct sink *sink, const struct entry *entry)
{
    struct line line = {.length = 0};
    line_text(&line, "kma-0 [");
    line_number(&line, entry->cpu, 3);
    line_text(&line, "] ..... ");
    add_time(&line, entry->time);
    add_event(&line, sink, entry);
    line_put(&line, sink->stream);
}

static void finish_ftrace(struct sink *sink, uint64_t lost)
{
    if (lost > 0)
        fprintf(sink->stream, "CPU:0 [LOST %llu EVENTS]\n", (unsigned long long)lost);
}

const struct writer_kind write_ftrace = {open_ftrace, put_ftrace, finish_ftrace};
