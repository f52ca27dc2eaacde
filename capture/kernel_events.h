/* kernel_events.h - the kernel's slab events: raw bytes in, records out. */
#ifndef KMA_CAPTURE_KERNEL_EVENTS_H
#define KMA_CAPTURE_KERNEL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <event-parse.h>
#include "record.h"
#include "names.h"

/* The tracepoints of the group kmem that are recorded. */
enum kernel_event {
    KERNEL_KMALLOC,
    KERNEL_KFREE,
    KERNEL_CACHE_ALLOC,
    KERNEL_CACHE_FREE,
    KERNEL_MUST_HAVE, /* so many every kernel has; those below only older ones */
    KERNEL_KMALLOC_NODE = KERNEL_MUST_HAVE,
    KERNEL_CACHE_ALLOC_NODE,
    KERNEL_EVENTS
};

extern const char *const kernel_event_names[KERNEL_EVENTS];

struct events;

/* Finds out how the running kernel, whose formats `tep` has, lays its events out. Ends
 * the run when a tracepoint or a field is missing that there has to be. */
struct events *events_open(struct tep_handle *tep, struct vocabulary *vocabulary);

bool events_has(const struct events *events, enum kernel_event event);

/* Fills in all of a record but its time and its CPU; false when the event is none of
 * these. */
bool events_decode(struct events *events, const void *data, size_t size,
                   struct record *record);

/* Fills in what only those can know that see the records in the order of time. */
void events_complete(struct events *events, struct record *record);

/* Whether call sites get names. */
bool events_has_symbols(const struct events *events);

void events_close(struct events *events);

#endif
