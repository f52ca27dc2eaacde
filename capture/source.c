/* source.c - a recording of any kind: which kind it is, and the reader for it. */

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "read.h"

/* The first of them that takes a file for its own reads it. */
static const struct reader_kind *const kinds[] = {
    &read_compact, &read_rep, &read_text, &read_mtrace, &read_perf, &read_ftrace};

static const struct reader_kind *recognise(const struct input *input)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i]->is(input))
            return kinds[i];
    }
    return NULL;
}

struct source *source_open(const char *path, struct vocabulary *vocabulary,
                           struct trace_error *error)
{
    struct source *source = calloc(1, sizeof *source);
    *error = (struct trace_error){.place = 1, .text = "no memory"};
    if (source == NULL)
        return NULL;
    if (!input_open(&source->input, path, error->text, sizeof error->text)) {
        free(source);
        return NULL;
    }
    source->vocabulary = vocabulary;
    source->about = "";
    source->kind = recognise(&source->input);
    if (source->kind == NULL)
        strcpy(error->text, "neither a trace (text, compact) nor a recording "
                            "(perf script, ftrace, malloc lab .rep, mtrace)");
    else if (source->kind->open(source, error))
        return source;
    input_close(&source->input);
    free(source);
    return NULL;
}

enum source_next source_next(struct source *source, struct record *record,
                             struct trace_error *error)
{
    return source->kind->next(source, record, error);
}

enum format source_format(const struct source *source)
{
    return source->kind->format;
}

unsigned source_columns(const struct source *source)
{
    return source->columns;
}

const char *source_about(const struct source *source)
{
    return source->about;
}

uint64_t source_lost(const struct source *source)
{
    return source->lost;
}

uint64_t source_skipped(const struct source *source)
{
    return source->skipped;
}

void source_close(struct source *source)
{
    if (source->kind->close != NULL)
        source->kind->close(source);
    input_close(&source->input);
    free(source);
}

void source_refuse(const char *path, const struct trace_error *error)
{
    run_refuse("%s:%s%llu: %s", path, error->in_bytes ? " byte " : "",
               (unsigned long long)error->place, error->text);
}
