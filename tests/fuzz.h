/* fuzz.h - what the fuzz targets share: bytes become a file that is read as a recording
 * and put in a ledger, and what comes out must be a trace. libFuzzer calls
 * LLVMFuzzerTestOneInput of each target; a crash, a hang, a leak or an abort is a bug.
 *
 * `make fuzz` runs them for long, tests/test_fuzz.py for a moment. */
#ifndef KMA_TESTS_FUZZ_H
#define KMA_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../capture/ledger.h"
#include "../capture/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: this does not hold: %s\n", what);
    abort();
}

/* The path of a file with this content, the same for each call. */
static inline const char *fuzz_file(const char *head, const void *data, size_t size)
{
    static int file = -1;
    static char path[40];
    size_t length = strlen(head);
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    bool good = file >= 0 && ftruncate(file, 0) == 0 &&
                pwrite(file, head, length, 0) == (ssize_t)length &&
                pwrite(file, data, size, (off_t)length) == (ssize_t)size;
    expect(good, "a file in memory can be written");
    return path;
}

/* What the events of a trace have to obey. */
struct fuzz_model {
    const struct vocabulary *vocabulary;
    bool *live; /* by slot */
    uint32_t slots;
    uint64_t events;
    uint64_t count; /* of live blocks */
    uint64_t time;
};

static inline void fuzz_check(void *context, const struct entry *entry)
{
    struct fuzz_model *model = context;
    struct event event = entry->event;
    model->events++;
    expect(event.size >= 0, "a size is not negative");
    expect(event.slot <= model->slots, "a slot is the next one at most");
    expect(entry->time >= model->time, "time never falls");
    expect(entry->site <= model->vocabulary->sites.count, "a site has a name");
    expect(entry->cache <= model->vocabulary->caches.count, "a cache has a name");
    expect(entry->spent <= UINT32_MAX, "a compact trace can tell what was spent");
    model->time = entry->time;
    if (event.slot == model->slots) {
        model->live = realloc(model->live, ++model->slots);
        expect(model->live != NULL, "there is memory");
        model->live[event.slot] = false;
    }
    expect(model->live[event.slot] == (event.size == 0), "only live blocks are freed");
    model->live[event.slot] = event.size > 0;
    model->count += event.size > 0 ? 1 : (uint64_t)-1;
}

/* Reads what lies at the path, which need not be sound. Returns whether it was. */
static inline bool fuzz_source(const char *path)
{
    struct vocabulary vocabulary = {0};
    struct trace_error error = {.text = ""};
    struct source *source = source_open(path, &vocabulary, &error);
    enum source_next found = SOURCE_BAD;
    if (source != NULL) {
        struct fuzz_model model = {.vocabulary = &vocabulary};
        struct ledger_options options = {
            .emit = fuzz_check, .context = &model, .largest = 1 << 20, .seed = 1};
        struct ledger *ledger = ledger_open(&options);
        struct record record;
        while ((found = source_next(source, &record, &error)) == SOURCE_RECORD)
            ledger_put(ledger, &record);
        ledger_end(ledger);
        expect(model.count == 0, "nothing is live at the end");
        expect(model.slots == ledger_slots(ledger), "all slots were used");
        expect(model.events == ledger_counts(ledger)->events, "all events came");
        ledger_close(ledger);
        source_close(source);
        free(model.live);
    }
    expect(found != SOURCE_BAD || error.text[0] != '\0', "an error has a reason");
    names_release(&vocabulary.sites);
    names_release(&vocabulary.caches);
    return found == SOURCE_END;
}

#endif
