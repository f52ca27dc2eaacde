/* check.c - the oracle of correctness mode.
 *
 * Blocks are aligned to 8, so two blocks that share no 8 byte grain share no byte, and
 * a bit for each grain of each page tells an overlap at the request, in a time that
 * depends on the block's size alone. The bits of a page that goes must all be off.
 *
 * A run of pages is checked as one large page. The algorithm holds pointers to page
 * descriptors and may have damaged them; nothing is read from one but what the pool has
 * just written there. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "pool.h"
#include "run.h"

enum { GRAIN = 8, WORD_GRAINS = 64, PAGE_WORDS = PAGESIZE / GRAIN / WORD_GRAINS };

static struct {
    const struct trace *trace;
    const struct blocks *blocks;
    uint64_t *events;            /* by slot: the event that requested the block */
    uint32_t event_room;         /* slots that there is an event for */
    const struct block *freeing; /* the block in kma_free now, or NULL */
    char *base;                  /* the page of index 0, once a page was handed out */
    uint64_t *grains;            /* a bit each, from `base`; on: in a live block */
    size_t pages;                /* that `grains` has room for */
    bool own_memory;             /* a block outside the pool is no breach */
} check;

static uint32_t slot_of(const struct block *block)
{
    return (uint32_t)(block - check.blocks->at);
}

static uint64_t event_of(const struct block *block)
{
    return check.events[slot_of(block)];
}

/* "id 7 (100 bytes at 0x7f31c0de2040, requested in line 12)" */
struct name {
    char text[160];
};

static struct name name_of(const struct block *block)
{
    struct name name;
    uint64_t event = event_of(block);
    bool lines = trace_has_lines(check.trace);
    snprintf(name.text, sizeof name.text,
             "id %lu (%d bytes at %p, requested in %s %llu)",
             replay_id(check.trace, event, slot_of(block)), block->size, block->ptr,
             lines ? "line" : "event",
             (unsigned long long)(lines ? trace_line(event) : event + 1));
    return name;
}

/* The end of a message about something done inside a call: "while freeing id ..." */
static struct name doing(void)
{
    struct name name = {""};
    if (check.freeing != NULL)
        snprintf(name.text, sizeof name.text, ", while freeing %.130s",
                 name_of(check.freeing).text);
    return name;
}

/* A live block, other than `except`, that has a byte in [start, start + size). */
static const struct block *find_block(uintptr_t start, size_t size,
                                      const struct block *except)
{
    for (uint32_t slot = 0; slot < check.trace->slots; slot++) {
        const struct block *block = &check.blocks->at[slot];
        uintptr_t at = (uintptr_t)block->ptr;
        if (at != 0 && block != except && at < start + size &&
            start < at + (size_t)block->size)
            return block;
    }
    return NULL;
}

/* The bits of one word of the bitmap for grains first to end - 1. */
static inline uint64_t word_mask(size_t word, size_t first, size_t end)
{
    size_t from = word * WORD_GRAINS;
    uint64_t mask = ~UINT64_C(0);
    if (first > from)
        mask &= ~UINT64_C(0) << (first - from);
    if (end < from + WORD_GRAINS)
        mask &= ~UINT64_C(0) >> (from + WORD_GRAINS - end);
    return mask;
}

/* The grains of a block, or of pages. */
struct extent {
    size_t first;
    size_t end;
};

static struct extent extent_of(const void *start, size_t size)
{
    size_t first = (size_t)((const char *)start - check.base) / GRAIN;
    return (struct extent){first, first + (size + GRAIN - 1) / GRAIN};
}

static struct extent extent_of_block(const struct block *block)
{
    return extent_of(block->ptr, (size_t)block->size);
}

static bool any_grain(struct extent extent)
{
    uint64_t found = 0;
    for (size_t w = extent.first / WORD_GRAINS; w * WORD_GRAINS < extent.end; w++)
        found |= check.grains[w] & word_mask(w, extent.first, extent.end);
    return found != 0;
}

static void flip_grains(struct extent extent)
{
    for (size_t w = extent.first / WORD_GRAINS; w * WORD_GRAINS < extent.end; w++)
        check.grains[w] ^= word_mask(w, extent.first, extent.end);
}

/* Eight bytes that differ from block to block and from place to place in a block. */
static inline uint64_t pattern(uint64_t event, size_t word)
{
    uint64_t mixed = (event + 1) * UINT64_C(0x9e3779b97f4a7c15) +
                     word * UINT64_C(0xd1b54a32d192ed03);
    return mixed ^ mixed >> 32;
}

static void fill(const struct block *block)
{
    char *bytes = block->ptr;
    size_t size = (size_t)block->size;
    size_t at = 0;
    uint64_t event = event_of(block);
    for (; at + 8 <= size; at += 8) {
        uint64_t word = pattern(event, at / 8);
        memcpy(bytes + at, &word, 8);
    }
    uint64_t last = pattern(event, at / 8);
    memcpy(bytes + at, &last, size - at);
}

static void check_contents(const struct block *block)
{
    const char *bytes = block->ptr;
    size_t size = (size_t)block->size;
    uint64_t event = event_of(block);
    for (size_t at = 0; at < size; at += 8) {
        size_t length = size - at < 8 ? size - at : 8;
        uint64_t word = pattern(event, at / 8);
        if (memcmp(bytes + at, &word, length) == 0)
            continue;
        const unsigned char *expected = (const unsigned char *)&word;
        size_t i = 0;
        while ((unsigned char)bytes[at + i] == expected[i])
            i++;
        run_fail("contents of %s changed since: byte %zu was 0x%02x and is 0x%02x",
                 name_of(block).text, at + i, expected[i],
                 (unsigned char)bytes[at + i]);
    }
}

static void on_got(const kma_page_t *page)
{
    size_t end = (size_t)page->id + (size_t)page->size / PAGESIZE;
    if (check.base == NULL)
        check.base = (char *)page->ptr - (size_t)page->id * PAGESIZE;
    if (end <= check.pages)
        return;
    size_t pages = end * 2 + 14;
    uint64_t *grains = realloc(check.grains, pages * PAGE_WORDS * sizeof *grains);
    if (grains == NULL)
        run_refuse("no memory for the map of %zu pages", pages);
    memset(grains + check.pages * PAGE_WORDS, 0,
           (pages - check.pages) * PAGE_WORDS * sizeof *grains);
    check.grains = grains;
    check.pages = pages;
}

static void on_freed(const kma_page_t *page)
{
    size_t size = (size_t)page->size;
    if (any_grain(extent_of(page->ptr, size)))
        run_fail("%spage %d (%p) is freed though %s lies in it%s",
                 size > PAGESIZE ? "the run from " : "", page->id, page->ptr,
                 name_of(find_block((uintptr_t)page->ptr, size, check.freeing)).text,
                 doing().text);
}

static void on_bad_free(const char *call, const void *page, const char *why)
{
    run_fail("%s(%p): that %s%s", call, page, why, doing().text);
}

static const struct pool_observer observer = {
    .got = on_got,
    .freed = on_freed,
    .bad_free = on_bad_free,
};

void check_begin(const struct trace *trace, const struct blocks *blocks,
                 bool own_memory)
{
    check.trace = trace;
    check.own_memory = own_memory;
    check.blocks = blocks;
    pool_set_poison(1);
    pool_set_observer(&observer);
}

void check_room(uint32_t slots)
{
    if (slots <= check.event_room)
        return;
    uint32_t room = slots < UINT32_MAX / 2 ? slots * 2 : UINT32_MAX;
    uint64_t *events = realloc(check.events, room * sizeof *events);
    if (events == NULL)
        run_refuse("no memory for the events of %lu blocks", (unsigned long)slots);
    check.events = events;
    check.event_room = room;
}

static bool is_elsewhere(const struct block *block)
{
    return check.own_memory && pool_page_of(block->ptr) == NULL;
}

/* Where a page ends, or the run that it lies in. */
static void *end_of(const kma_page_t *page, char *at)
{
    while (pool_page_of(at) == page)
        at += PAGESIZE;
    return at;
}

void check_request(const struct block *block, uint64_t event)
{
    check.events[slot_of(block)] = event;
    if (block->ptr == NULL) {
        if (block->size <= LARGEST_REQUEST)
            replay_fail_null(check.trace, event,
                             &(struct event){slot_of(block), block->size});
        return;
    }
    uintptr_t at = (uintptr_t)block->ptr;
    if (block->size > LARGEST_REQUEST)
        run_fail("%s must be refused: it is over %d bytes", name_of(block).text,
                 LARGEST_REQUEST);
    if (at % GRAIN != 0)
        run_fail("%s is not aligned to %d bytes", name_of(block).text, GRAIN);
    if (is_elsewhere(block)) {
        fill(block);
        return;
    }
    const kma_page_t *page = pool_page_of(block->ptr);
    if (page == NULL)
        run_fail("%s does not begin in a page that is held", name_of(block).text);
    if (pool_page_of((char *)block->ptr + block->size - 1) != page)
        run_fail("%s runs over the end of its page at %p", name_of(block).text,
                 end_of(page, BASEADDR(at)));
    struct extent extent = extent_of_block(block);
    if (any_grain(extent))
        run_fail("%s overlaps %s", name_of(block).text,
                 name_of(find_block(at, (size_t)block->size, block)).text);
    flip_grains(extent);
    fill(block);
}

void check_before_free(const struct block *block)
{
    check_contents(block);
    if (!is_elsewhere(block))
        flip_grains(extent_of_block(block));
    check.freeing = block;
}

void check_after_free(void)
{
    check.freeing = NULL;
}

void check_end(void)
{
    pool_set_observer(NULL);
    pool_set_poison(0);
    free(check.grains);
    free(check.events);
    memset(&check, 0, sizeof check);
}
