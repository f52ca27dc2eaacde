/* ledger.c - which blocks are live.
 *
 * A table tells for each pointer that is live which block it is: the slot it has in the
 * trace, or in the trace of what is too large, or that it stands in neither. Memory goes
 * with the most blocks that are live at once. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include "../driver/run.h"
#include "ledger.h"
#include "pointers.h"

/* Which trace a block stands in. */
enum place { MAIN, LARGE, PLACES, NOWHERE = PLACES };

/* The slots of a trace. */
struct slots {
    uint32_t *free; /* a stack */
    bool *live;     /* by slot */
    uint32_t free_count;
    uint32_t count;
    uint32_t room;
};

struct ledger {
    struct ledger_options options;
    struct ledger_counts counts;
    struct pointers blocks; /* the value is slot << 2 | place */
    struct slots slots[PLACES];
    uint64_t start;  /* time of the first record */
    uint64_t latest; /* time of the latest */
};

struct ledger *ledger_open(const struct ledger_options *options)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        run_refuse("no memory for a ledger");
    ledger->options = *options;
    if (options->largest == 0 || options->largest > INT_MAX)
        ledger->options.largest = INT_MAX;
    ledger->blocks.seed = options->seed;
    /* Bytes that the kernel has drawn for this process. */
    const void *drawn = (const void *)(uintptr_t)getauxval(AT_RANDOM);
    if (options->seed == 0 && drawn != NULL)
        memcpy(&ledger->blocks.seed, drawn, sizeof ledger->blocks.seed);
    return ledger;
}

static uint32_t take_slot(struct slots *slots)
{
    if (slots->free_count > 0)
        return slots->free[--slots->free_count];
    if (slots->count == slots->room) {
        uint32_t room = slots->room == 0 ? 1024 : slots->room * 2;
        uint32_t *larger = reallocarray(slots->free, room, sizeof *larger);
        if (larger != NULL)
            slots->free = larger;
        bool *live = larger == NULL ? NULL : realloc(slots->live, room);
        if (live == NULL)
            run_refuse("no memory for more than %lu live blocks",
                       (unsigned long)slots->room);
        slots->live = live;
        slots->room = room;
    }
    return slots->count++;
}

static void emit(struct ledger *ledger, enum place place, const struct entry *entry)
{
    if (place == MAIN) {
        ledger->counts.events++;
        ledger->options.emit(ledger->options.context, entry);
    } else {
        ledger->options.emit_large(ledger->options.large_context, entry);
    }
}

/* All that a record says besides the event. A size that no trace can tell is unknown. */
static struct entry entry_of(const struct ledger *ledger, const struct record *record)
{
    return (struct entry){.time = ledger->latest - ledger->start,
                          .spent = record->spent <= UINT32_MAX ? record->spent : 0,
                          .cpu = record->cpu,
                          .site = record->site,
                          .cache = record->cache};
}

static void end_block(struct ledger *ledger, uint64_t block, struct entry entry)
{
    enum place place = block & 3;
    if (place == NOWHERE)
        return;
    uint32_t slot = (uint32_t)(block >> 2);
    struct slots *slots = &ledger->slots[place];
    slots->live[slot] = false;
    slots->free[slots->free_count++] = slot;
    entry.event = (struct event){slot, 0};
    entry.spent = 0;
    emit(ledger, place, &entry);
}

static void begin_block(struct ledger *ledger, const struct record *record)
{
    struct entry entry = entry_of(ledger, record);
    uint64_t size = record->size == 0 ? 1 : record->size;
    enum place place = MAIN;
    uint32_t slot = 0;
    ledger->counts.empty += record->size == 0;
    if (size > ledger->options.largest) {
        ledger->counts.too_large++;
        bool told = ledger->options.emit_large != NULL && size <= INT_MAX;
        place = told ? LARGE : NOWHERE;
    }
    if (place != NOWHERE)
        slot = take_slot(&ledger->slots[place]);
    if (!pointers_put(&ledger->blocks, record->pointer, (uint64_t)slot << 2 | place))
        run_refuse("no memory for more than %zu live blocks", ledger->blocks.count);
    if (place == NOWHERE)
        return;
    ledger->slots[place].live[slot] = true;
    entry.event = (struct event){slot, (int32_t)size};
    emit(ledger, place, &entry);
}

static void put_free(struct ledger *ledger, const struct record *record)
{
    uint64_t block;
    if (record->pointer == 0)
        ledger->counts.null_frees++;
    else if (!pointers_take(&ledger->blocks, record->pointer, &block))
        ledger->counts.unknown_frees++;
    else
        end_block(ledger, block, entry_of(ledger, record));
}

static void put_request(struct ledger *ledger, const struct record *record)
{
    uint64_t old = 0, lost;
    bool gives_up = record->op == RECORD_REALLOC && record->old != 0;
    if (record->pointer == 0) {
        ledger->counts.failed++;
        return;
    }
    if (gives_up) {
        ledger->counts.reallocs++;
        gives_up = pointers_take(&ledger->blocks, record->old, &old);
        ledger->counts.unknown_frees += !gives_up;
    }
    if (pointers_take(&ledger->blocks, record->pointer, &lost)) {
        /* Nothing is known of this free but that it has happened by now. */
        struct record unseen = {.cpu = record->cpu};
        ledger->counts.lost_frees++;
        end_block(ledger, lost, entry_of(ledger, &unseen));
    }
    begin_block(ledger, record);
    if (gives_up)
        end_block(ledger, old, entry_of(ledger, record));
}

void ledger_put(struct ledger *ledger, const struct record *record)
{
    if (ledger->counts.records++ == 0) {
        ledger->start = ledger->options.times_from_0 ? 0 : record->time;
        ledger->latest = record->time;
    }
    if (record->time < ledger->latest)
        ledger->counts.late++;
    else
        ledger->latest = record->time;
    if (record->op == RECORD_FREE)
        put_free(ledger, record);
    else
        put_request(ledger, record);
}

void ledger_end(struct ledger *ledger)
{
    const struct record last = {.op = RECORD_FREE};
    for (enum place place = MAIN; place < PLACES; place++) {
        struct slots *slots = &ledger->slots[place];
        for (uint32_t slot = 0; slot < slots->count; slot++) {
            if (!slots->live[slot])
                continue;
            ledger->counts.left++;
            if (!ledger->options.keep)
                end_block(ledger, (uint64_t)slot << 2 | place, entry_of(ledger, &last));
        }
    }
}

const struct ledger_counts *ledger_counts(const struct ledger *ledger)
{
    return &ledger->counts;
}

uint32_t ledger_slots(const struct ledger *ledger)
{
    return ledger->slots[MAIN].count;
}

void ledger_print(const struct ledger *ledger, void (*print)(const char *format, ...))
{
    const struct ledger_counts *counts = &ledger->counts;
    const struct {
        uint64_t count;
        const char *one;
        const char *more;
        const char *done;
    } lines[] = {
        {counts->unknown_frees, "free of a block", "frees of blocks",
         " from before the recording: left out"},
        {counts->null_frees, "free of NULL", "frees of NULL", ": left out"},
        {counts->failed, "call", "calls", " that returned NULL: left out"},
        {counts->empty, "request", "requests", " of 0 bytes: made 1 byte"},
        {counts->lost_frees, "pointer", "pointers",
         " handed out again without a free: freed just before"},
        {counts->reallocs, "realloc", "reallocs",
         ": a request, then a free of the old block"},
        {counts->too_large, "request", "requests",
         ledger->options.emit_large != NULL ? " over the limit: put apart"
                                            : " over the limit: left out"},
        {counts->left, "block", "blocks",
         ledger->options.keep ? " never freed: left so"
                              : " never freed: freed at the end"},
        {counts->late, "record", "records",
         " earlier than the one before: given its time"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].count > 0)
            print("  %llu %s%s\n", (unsigned long long)lines[i].count,
                  lines[i].count == 1 ? lines[i].one : lines[i].more, lines[i].done);
    }
}

void ledger_close(struct ledger *ledger)
{
    for (enum place place = MAIN; place < PLACES; place++) {
        free(ledger->slots[place].free);
        free(ledger->slots[place].live);
    }
    pointers_release(&ledger->blocks);
    free(ledger);
}
