/* kernel_events.c - where the fields of slab events are, and what they say.
 *
 * The layout differs from kernel to kernel. It is read once, from the formats that the
 * kernel tells; an event is then a few loads at known places. Nothing is read from beyond
 * the event's end, whatever the formats say. */

#ifndef NO_TRACEFS

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "kernel_caches.h"
#include "kernel_events.h"
#include "kernel_symbols.h"

/* kmalloc(0) returns this instead of a block, and kfree takes it. */
enum { ZERO_SIZE_PTR = 16 };

const char *const kernel_event_names[KERNEL_EVENTS] = {
    [KERNEL_KMALLOC] = "kmalloc",
    [KERNEL_KFREE] = "kfree",
    [KERNEL_CACHE_ALLOC] = "kmem_cache_alloc",
    [KERNEL_CACHE_FREE] = "kmem_cache_free",
    [KERNEL_KMALLOC_NODE] = "kmalloc_node",
    [KERNEL_CACHE_ALLOC_NODE] = "kmem_cache_alloc_node",
};

struct field {
    size_t offset;
    size_t size;   /* 0: the kernel does not have it */
    bool relative; /* of text: it is found from the field's end on */
};

struct kind {
    int id; /* -1: the kernel does not have it */
    struct field site;
    struct field pointer;
    struct field requested;
    struct field spent;
    struct field name;
};

struct events {
    struct kind kind[KERNEL_EVENTS];
    struct field type;
    struct vocabulary *vocabulary;
    struct symbols *symbols;
    struct caches *caches;
    bool learns; /* requests have no cache name, but frees have */
};

static bool is_free(int kind)
{
    return kind == KERNEL_KFREE || kind == KERNEL_CACHE_FREE;
}

static bool is_kmalloc(int kind)
{
    return kind == KERNEL_KMALLOC || kind == KERNEL_KMALLOC_NODE;
}

static struct field place_of(struct tep_event *event, const char *name)
{
    struct tep_format_field *field = tep_find_any_field(event, name);
    if (field == NULL || field->offset < 0 || field->size < 0)
        return (struct field){0};
    return (struct field){(size_t)field->offset, (size_t)field->size,
                          (field->flags & TEP_FIELD_IS_RELATIVE) != 0};
}

static struct field must_have(struct tep_event *event, const char *name)
{
    struct field field = place_of(event, name);
    if (field.size == 0)
        run_refuse("the tracepoint kmem:%s has no field %s", event->name, name);
    return field;
}

/* Its text stands in the event, elsewhere; the field says where. */
static struct field name_of(struct tep_event *event)
{
    struct tep_format_field *field = tep_find_any_field(event, "name");
    if (field == NULL || (field->flags & TEP_FIELD_IS_DYNAMIC) == 0)
        return (struct field){0};
    return place_of(event, "name");
}

static void learn_kind(struct events *events, struct tep_handle *tep, int which)
{
    struct kind *kind = &events->kind[which];
    struct tep_event *event =
        tep_find_event_by_name(tep, "kmem", kernel_event_names[which]);
    kind->id = -1;
    if (event == NULL && which < KERNEL_MUST_HAVE)
        run_refuse("the format of kmem:%s cannot be read", kernel_event_names[which]);
    if (event == NULL)
        return;
    kind->id = event->id;
    events->type = must_have(event, "common_type");
    kind->site = must_have(event, "call_site");
    kind->pointer = must_have(event, "ptr");
    kind->name = name_of(event);
    if (!is_free(which)) {
        kind->requested = must_have(event, "bytes_req");
        kind->spent = place_of(event, "bytes_alloc");
    }
}

struct events *events_open(struct tep_handle *tep, struct vocabulary *vocabulary)
{
    struct events *events = calloc(1, sizeof *events);
    if (events == NULL)
        run_refuse("no memory for the kernel's events");
    for (int i = 0; i < KERNEL_EVENTS; i++)
        learn_kind(events, tep, i);
    events->learns = events->kind[KERNEL_CACHE_ALLOC].name.size == 0 &&
                     events->kind[KERNEL_CACHE_FREE].name.size != 0;
    events->vocabulary = vocabulary;
    events->symbols = symbols_open("/proc/kallsyms");
    events->caches = caches_open(&vocabulary->caches);
    return events;
}

bool events_has(const struct events *events, enum kernel_event event)
{
    return events->kind[event].id >= 0;
}

bool events_has_symbols(const struct events *events)
{
    return symbols_known(events->symbols);
}

/* 0 when there is no such field, or the event ends before it. */
static uint64_t load(const struct field *field, const char *data, size_t size)
{
    if (field->offset > size || field->size > size - field->offset)
        return 0;
    const char *at = data + field->offset;
    uint64_t whole;
    uint32_t half;
    uint16_t quarter;
    switch (field->size) {
    case sizeof whole:
        memcpy(&whole, at, sizeof whole);
        return whole;
    case sizeof half:
        memcpy(&half, at, sizeof half);
        return half;
    case sizeof quarter:
        memcpy(&quarter, at, sizeof quarter);
        return quarter;
    default:
        return 0;
    }
}

/* The cache that the event names. The field has the text's place in its lower half and
 * the length in its upper one. */
static uint32_t cache_of(const struct events *events, const struct field *field,
                         const char *data, size_t size)
{
    uint64_t where = load(field, data, size);
    size_t offset = where & 0xffff, length = where >> 16 & 0xffff;
    if (field->relative)
        offset += field->offset + field->size;
    if (offset > size || length > size - offset)
        return 0;
    return names_number(&events->vocabulary->caches, data + offset, length);
}

static int kind_of(const struct events *events, const char *data, size_t size)
{
    uint64_t type = load(&events->type, data, size);
    int which = 0;
    while (which < KERNEL_EVENTS && events->kind[which].id != (int)type)
        which++;
    return which;
}

bool events_decode(struct events *events, const void *data, size_t size,
                   struct record *record)
{
    int which = kind_of(events, data, size);
    if (which == KERNEL_EVENTS)
        return false;
    const struct kind *kind = &events->kind[which];
    *record = (struct record){.op = is_free(which) ? RECORD_FREE : RECORD_ALLOC};
    record->pointer = load(&kind->pointer, data, size);
    if (record->pointer <= ZERO_SIZE_PTR)
        record->pointer = 0;
    record->size = load(&kind->requested, data, size);
    record->spent = load(&kind->spent, data, size);
    record->site = symbols_number(events->symbols, load(&kind->site, data, size),
                                  &events->vocabulary->sites);
    if (kind->name.size != 0)
        record->cache = cache_of(events, &kind->name, data, size);
    else if (is_kmalloc(which))
        record->cache = caches_kmalloc(events->caches, record->spent);
    return true;
}

void events_complete(struct events *events, struct record *record)
{
    if (events->learns)
        caches_learn(events->caches, record);
}

void events_close(struct events *events)
{
    symbols_close(events->symbols);
    caches_close(events->caches);
    free(events);
}

#endif
