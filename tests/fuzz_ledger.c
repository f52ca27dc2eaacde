/* fuzz_ledger.c - records of any kind in any order, eight bytes each, put in a ledger,
 * whose events are written as a compact trace, which must read as what was written. */

#include "../capture/writer.h"
#include "../driver/compact.h"
#include "fuzz.h"

/* What the ledger made known, kept to be compared. */
struct kept {
    struct fuzz_model model;
    struct writer *writer;
    struct entry *entries;
    size_t count;
};

static void keep(void *context, const struct entry *entry)
{
    struct kept *kept = context;
    fuzz_check(&kept->model, entry);
    writer_put(kept->writer, entry);
    kept->entries = realloc(kept->entries, (kept->count + 1) * sizeof *entry);
    expect(kept->entries != NULL, "there is memory");
    kept->entries[kept->count++] = *entry;
}

/* Few pointers, so that they meet; sizes and the like of any length. */
static struct record record_of(const uint8_t *data)
{
    uint64_t large = (uint64_t)data[4] << (data[3] % 57);
    return (struct record){.op = data[0] % 3,
                           .pointer = data[1],
                           .old = data[2],
                           .size = large,
                           .spent = data[0] & 64 ? large : large + data[5],
                           .time = (uint64_t)data[6] << (data[3] % 57),
                           .cpu = data[7],
                           .site = data[7] % 4,
                           .cache = data[7] % 3};
}

static void compare(const char *path, const struct kept *kept,
                    const struct vocabulary *vocabulary)
{
    struct vocabulary read = {0};
    struct trace_error error;
    struct record record;
    struct source *source = source_open(path, &read, &error);
    expect(source != NULL, "what was written is a trace");
    for (size_t k = 0; k < kept->count; k++) {
        const struct entry *entry = &kept->entries[k];
        uint64_t size = (uint64_t)entry->event.size;
        expect(source_next(source, &record, &error) == SOURCE_RECORD, "all is read");
        expect(record.pointer == (uint64_t)entry->event.slot + 1 &&
                   record.size == size && record.time == entry->time &&
                   record.cpu == entry->cpu,
               "an event comes back");
        expect(record.spent == (entry->spent >= size && size > 0 ? entry->spent : 0),
               "what was spent comes back");
        expect(strcmp(names_text(&read.sites, record.site),
                      names_text(&vocabulary->sites, entry->site)) == 0 &&
                   strcmp(names_text(&read.caches, record.cache),
                          names_text(&vocabulary->caches, entry->cache)) == 0,
               "names come back");
    }
    expect(source_next(source, &record, &error) == SOURCE_END, "no more is read");
    source_close(source);
    names_release(&read.sites);
    names_release(&read.caches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vocabulary vocabulary = {0};
    for (int i = 0; i < 3; i++)
        names_number(&vocabulary.sites, &"abc"[i], 1);
    for (int i = 0; i < 2; i++)
        names_number(&vocabulary.caches, &"de"[i], 1);
    const char *path = fuzz_file("", "", 0);
    FILE *stream = fopen(path, "w");
    const struct sink_options to = {
        .columns = (1U << COMPACT_COLUMNS) - 1, .level = 1, .vocabulary = &vocabulary};
    struct kept kept = {.model.vocabulary = &vocabulary};
    expect(stream != NULL, "the file can be opened");
    kept.writer = writer_open(&to, stream);
    struct ledger_options options = {
        .largest = 1 << 20, .emit = keep, .context = &kept, .seed = 1};
    struct ledger *ledger = ledger_open(&options);
    for (size_t at = 0; at + 8 <= size; at += 8) {
        struct record record = record_of(data + at);
        ledger_put(ledger, &record);
    }
    ledger_end(ledger);
    expect(kept.model.count == 0, "nothing is live at the end");
    ledger_close(ledger);
    writer_finish(kept.writer, 0);
    expect(fclose(stream) == 0, "the file can be written");
    compare(path, &kept, &vocabulary);
    free(kept.entries);
    free(kept.model.live);
    names_release(&vocabulary.sites);
    names_release(&vocabulary.caches);
    return 0;
}
