/* program_traces.c - a trace for each process image. */

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/output.h"
#include "../driver/run.h"
#include "ledger.h"
#include "program_command.h"
#include "program_merge.h"
#include "program_scratch.h"
#include "program_traces.h"
#include "recording.h"
#include "sink.h"

enum { RECORDS_BETWEEN_LOOKS = 1 << 16 };

/* What traces share. */
struct telling {
    const char *output;
    char **command;
    time_t began;
    unsigned written;
    unsigned missed; /* processes that there was no room for */
};

/* To be freed. */
static char *about_of(const struct telling *telling, const struct raw_head *head)
{
    char *text = NULL;
    char name[RAW_NAME + 1] = "";
    size_t size;
    FILE *about = open_memstream(&text, &size);
    if (about == NULL)
        run_refuse("no memory for what is told about the trace");
    memcpy(name, head->program, RAW_NAME);
    fputs("origin=program\n", about);
    recording_tell_system(about, telling->began);
    fprintf(about, "word=%lu\n", (unsigned long)head->word);
    recording_tell_words(about, "program", (char *[]){name, NULL});
    recording_tell_words(about, "command", telling->command);
    if (fclose(about) != 0)
        run_refuse("no memory for what is told about the trace");
    return text;
}

/* To be freed: out.ktr, out-2.ktr, out-3.ktr, ... */
static char *path_of(const char *output, unsigned number)
{
    const char *slash = strrchr(output, '/');
    const char *name = slash == NULL ? output : slash + 1;
    const char *ending = strrchr(name, '.');
    char *path = NULL;
    if (ending == NULL || ending == name)
        ending = name + strlen(name);
    int before = (int)(ending - output);
    int length = number == 1
                     ? asprintf(&path, "%s", output)
                     : asprintf(&path, "%.*s-%u%s", before, output, number, ending);
    if (length < 0)
        run_refuse("no memory for the name of trace %u", number);
    return path;
}

/* The trace being written. */
struct writing {
    struct sink_options options;
    struct sink *sink; /* NULL: no event has come yet */
    struct ledger *ledger;
};

static void take_entry(void *context, const struct entry *entry)
{
    struct writing *writing = context;
    if (writing->sink == NULL)
        writing->sink = sink_open(&writing->options);
    sink_put(writing->sink, entry);
}

static void take_record(void *context, const struct record *record)
{
    const struct writing *writing = context;
    ledger_put(writing->ledger, record);
    if (ledger_counts(writing->ledger)->records % RECORDS_BETWEEN_LOOKS != 0)
        return;
    int number = command_signal();
    if (number != 0)
        run_refuse("ended by a signal: %s", strsignal(number));
}

static void print_trace(const char *path, const struct image *image,
                        const struct ledger *ledger, uint64_t lost, bool is_first)
{
    const struct raw_head *head = &image->head;
    unsigned long long events = ledger_counts(ledger)->events;
    run_print("%s: %s, process %lu, %llu %s, %lu live at most\n", path, head->program,
              (unsigned long)head->pid, events, events == 1 ? "event" : "events",
              (unsigned long)ledger_slots(ledger));
    if (lost > 0)
        run_print("  %llu %s lost: the recording stopped: %s\n",
                  (unsigned long long)lost, lost == 1 ? "event was" : "events were",
                  strerror((int)head->error));
    if (is_first)
        ledger_print(ledger, run_print);
}

static void write_trace(struct telling *telling, struct image *image)
{
    struct vocabulary vocabulary = {0};
    char *path = path_of(telling->output, telling->written + 1);
    char *about = about_of(telling, &image->head);
    struct writing writing = {
        .options = {.path = path,
                    .format = sink_format_of(path),
                    .columns = 1U << COMPACT_TIME | 1U << COMPACT_SITE,
                    .about = about,
                    .vocabulary = &vocabulary}};
    const struct ledger_options in = {
        .keep = true, .emit = take_entry, .context = &writing};
    writing.ledger = ledger_open(&in);
    uint64_t late = merge_image(image, &vocabulary.sites, take_record, &writing);
    uint64_t lost = image->head.lost + late;
    ledger_end(writing.ledger);
    if (writing.sink != NULL) {
        sink_finish(writing.sink, lost);
        output_finish_all();
        print_trace(path, image, writing.ledger, lost, telling->written++ == 0);
    } else {
        telling->missed += lost > 0;
    }
    ledger_close(writing.ledger);
    names_release(&vocabulary.sites);
    free(about);
    free(path);
}

void traces_write(const char *output, char **command, time_t began)
{
    struct telling telling = {.output = output, .command = command, .began = began};
    size_t count;
    const struct raw_file *files = scratch_files(&count);
    run_report_to(STDERR_FILENO);
    for (size_t i = 0; i < count; i++) {
        struct image *image = image_open(files[i].path);
        if (image == NULL) {
            telling.missed++;
            continue;
        }
        write_trace(&telling, image);
        image_close(image);
        /* The disk may be short of what the next trace takes. */
        unlink(files[i].path);
    }
    if (telling.missed > 0)
        run_note("%u %s not recorded: no room beside %s", telling.missed,
                 telling.missed == 1 ? "process was" : "processes were", output);
    if (telling.written == 0)
        run_refuse("%s: no allocation was recorded: is it a static, a set-user-ID or a "
                   "%d-bit program?",
                   command[0], sizeof(void *) == 4 ? 64 : 32);
}
