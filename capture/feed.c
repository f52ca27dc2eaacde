/* feed.c - a source behind a ledger. */

#include <assert.h>
#include "feed.h"

static void wait(void *context, const struct entry *entry)
{
    struct feed *feed = context;
    assert(feed->end < FEED_MOST_AT_ONCE);
    feed->waiting[feed->end++] = *entry;
}

void feed_open(struct feed *feed, const char *path, struct vocabulary *vocabulary)
{
    struct trace_error error;
    *feed = (struct feed){.path = path};
    feed->source = source_open(path, vocabulary, &error);
    if (feed->source == NULL)
        source_refuse(path, &error);
    struct ledger_options options = {.keep = true,
                                     .emit = wait,
                                     .context = feed,
                                     .times_from_0 =
                                         source_format(feed->source) == FORMAT_COMPACT};
    feed->ledger = ledger_open(&options);
}

bool feed_next(struct feed *feed, struct entry *entry)
{
    struct record record;
    struct trace_error error;
    while (feed->first == feed->end) {
        feed->first = feed->end = 0;
        switch (source_next(feed->source, &record, &error)) {
        case SOURCE_RECORD:
            ledger_put(feed->ledger, &record);
            break;
        case SOURCE_BAD:
            source_refuse(feed->path, &error);
        case SOURCE_END:
            return false;
        }
    }
    *entry = feed->waiting[feed->first++];
    return true;
}

unsigned feed_columns(const struct feed *feed)
{
    return source_columns(feed->source);
}

uint64_t feed_lost(const struct feed *feed)
{
    return source_lost(feed->source);
}

void feed_close(struct feed *feed)
{
    ledger_close(feed->ledger);
    source_close(feed->source);
}

struct record feed_record(const struct entry *entry, uint32_t owner)
{
    return (struct record){.op = entry->event.size > 0 ? RECORD_ALLOC : RECORD_FREE,
                           .pointer = (uint64_t)entry->event.slot + 1 +
                                      ((uint64_t)owner << 32),
                           .size = (uint64_t)entry->event.size,
                           .time = entry->time,
                           .spent = entry->spent,
                           .cpu = entry->cpu,
                           .site = entry->site,
                           .cache = entry->cache};
}
