/* sink.c - a trace being written: the output, and the writer of its format. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "../driver/input.h"
#include "../driver/output.h"
#include "../driver/run.h"
#include "write.h"
#include "writer.h"

enum { EVENTS_BETWEEN_CHECKS = 1 << 16, COPY_ROOM = 1 << 16 };

static const struct writer_kind *const kinds[FORMATS] = {
    [FORMAT_TEXT] = &write_text, [FORMAT_COMPACT] = &write_compact,
    [FORMAT_PERF] = &write_perf, [FORMAT_FTRACE] = &write_ftrace,
    [FORMAT_REP] = &write_rep,   [FORMAT_MTRACE] = &write_mtrace,
};

static const struct {
    const char *ending;
    enum format format;
} endings[] = {
    {".trace", FORMAT_TEXT},    {".txt", FORMAT_TEXT},      {".ktr", FORMAT_COMPACT},
    {".perf", FORMAT_PERF},     {".ftrace", FORMAT_FTRACE}, {".rep", FORMAT_REP},
    {".mtrace", FORMAT_MTRACE},
};

enum format sink_format_of(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t tail = strlen(endings[i].ending);
        if (length > tail && strcmp(path + length - tail, endings[i].ending) == 0)
            return endings[i].format;
    }
    return FORMAT_COMPACT;
}

struct sink *sink_open(const struct sink_options *options)
{
    struct sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL)
        run_refuse("no memory to write %s", options->path);
    sink->output = output_open(options->path);
    sink->stream = output_stream(sink->output);
    sink->vocabulary = options->vocabulary;
    sink->kind = kinds[options->format];
    sink->kind->open(sink, options);
    return sink;
}

void sink_put(void *context, const struct entry *entry)
{
    struct sink *sink = context;
    sink->kind->put(sink, entry);
    if (entry->event.size > 0 && entry->event.slot >= sink->slots)
        sink->slots = entry->event.slot + 1;
    /* Nobody should wait for the end of a trace that cannot be kept. */
    if (++sink->events % EVENTS_BETWEEN_CHECKS == 0)
        output_check(sink->output);
}

void sink_finish(struct sink *sink, uint64_t lost)
{
    sink->kind->finish(sink, lost);
    output_check(sink->output);
    free(sink);
}

static void open_compact(struct sink *sink, const struct sink_options *options)
{
    sink->compact = writer_open(options, sink->stream);
}

static void put_compact(struct sink *sink, const struct entry *entry)
{
    writer_put(sink->compact, entry);
}

static void finish_compact(struct sink *sink, uint64_t lost)
{
    writer_finish(sink->compact, lost);
}

const struct writer_kind write_compact = {open_compact, put_compact, finish_compact};

/* The folder of the temporary file, for messages. */
static char folder[200];

static _Noreturn void refuse_body(const char *what)
{
    run_refuse("%s: a temporary file cannot be %s: %s", folder, what, strerror(errno));
}

void body_open(struct sink *sink)
{
    int file = input_open_nameless(folder, sizeof folder);
    if (file < 0)
        refuse_body("made");
    sink->body = fdopen(file, "w+");
    if (sink->body == NULL)
        refuse_body("opened");
}

void body_append(struct sink *sink)
{
    char data[COPY_ROOM];
    size_t got;
    if (fflush(sink->body) != 0 || ferror(sink->body))
        refuse_body("written");
    rewind(sink->body);
    while ((got = fread(data, 1, sizeof data, sink->body)) > 0)
        fwrite(data, 1, got, sink->stream);
    if (ferror(sink->body))
        refuse_body("read");
    fclose(sink->body);
}
