/* traces.c - the second step: the traces that are built in, replayed.
 *
 * Twice each. First with checks: of every block where it lies and, when it is freed, what
 * is in it; of the page figures whether they are those of the simulated driver, after
 * every event. Then with nothing between two looks at the count of instructions but one
 * call. No timer runs: all that is counted is the algorithm's and the pages'. */

#include <string.h>
#include "embedded.h"
#include "kmalloc.h"
#include "machine.h"
#include "page.h"
#include "step.h"

struct replay {
    const struct embedded_trace *trace;
    const unsigned char *next;
    struct block *blocks; /* by slot */
};

struct event {
    uint32_t slot;
    int size; /* 0: the slot's block is freed */
};

static struct block *all_blocks; /* the largest table that a trace needs */

const struct embedded_trace *embedded_find(const char *name)
{
    for (int i = 0; i < embedded_count; i++)
        if (strcmp(embedded_traces[i].name, name) == 0)
            return &embedded_traces[i];
    return NULL;
}

void traces_reserve(void)
{
    size_t slots = 0;
    for (int i = 0; i < embedded_count; i++)
        if (embedded_traces[i].slots > slots)
            slots = embedded_traces[i].slots;
    all_blocks = pages_reserve(slots * sizeof *all_blocks);
}

static struct replay begin(const struct embedded_trace *trace)
{
    memset(all_blocks, 0, trace->slots * sizeof *all_blocks);
    return (struct replay){trace, trace->data, all_blocks};
}

static uint32_t read_number(struct replay *replay)
{
    uint32_t number = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = *replay->next++;
        number |= (uint32_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return number;
    }
}

static struct event read_event(struct replay *replay)
{
    uint32_t first = read_number(replay);
    if ((first & 1) == 0)
        return (struct event){first >> 1, 0};
    return (struct event){read_number(replay), (int)(first >> 1)};
}

/* ---- with checks */

struct found {
    uint32_t wrong; /* denied, served but too large, misplaced or changed */
    uint32_t requested;
    struct page_figures pages;
};

static void checked_request(struct found *found, struct block *block, int size,
                            uint32_t number)
{
    *block = (struct block){kma_malloc(size), size, number};
    found->wrong += (block->at != NULL) != (size <= KMALLOC_MOST);
    if (block->at == NULL)
        return;
    found->wrong += !block_is_well_placed(block);
    fill(block->at, (size_t)size, number);
    found->requested += (uint32_t)size;
}

static void checked_free(struct found *found, struct block *block)
{
    if (block->at == NULL)
        return;
    found->wrong += !is_filled(block->at, (size_t)block->size, block->seed);
    kma_free(block->at, block->size);
    found->requested -= (uint32_t)block->size;
    block->at = NULL;
}

static struct found replay_checked(const struct embedded_trace *trace)
{
    struct replay replay = begin(trace);
    struct found found = {.pages = {.checksum = CHECKSUM_START}};
    const kma_page_stat_t before = *page_stats();
    pages_peak();
    for (uint32_t i = 0; i < trace->events; i++) {
        struct event event = read_event(&replay);
        struct block *block = &replay.blocks[event.slot];
        if (event.size > 0)
            checked_request(&found, block, event.size, i);
        else
            checked_free(&found, block);
        found.pages.checksum = checksum_add(found.pages.checksum, found.requested);
        found.pages.checksum =
            checksum_add(found.pages.checksum, (uint32_t)page_stats()->num_in_use);
    }
    for (uint32_t slot = 0; slot < trace->slots; slot++)
        checked_free(&found, &replay.blocks[slot]);
    found.pages.requested =
        (uint32_t)(page_stats()->num_requested - before.num_requested);
    found.pages.freed = (uint32_t)(page_stats()->num_freed - before.num_freed);
    found.pages.in_use = (uint32_t)page_stats()->num_in_use;
    found.pages.peak = (uint32_t)pages_peak();
    return found;
}

static bool are_as_simulated(const struct page_figures *a, const struct page_figures *b)
{
    return a->requested == b->requested && a->freed == b->freed &&
           a->in_use == b->in_use && a->peak == b->peak && a->checksum == b->checksum;
}

static void note_figures(const char *name, const char *whose,
                         const struct page_figures *pages)
{
    step_note("%s: %s: %u pages requested, %u freed, %u in use, %u at most, checksum "
              "%08x%08x",
              name, whose, pages->requested, pages->freed, pages->in_use, pages->peak,
              (uint32_t)(pages->checksum >> 32), (uint32_t)pages->checksum);
}

static void check_trace(const struct embedded_trace *trace)
{
    struct found found = replay_checked(trace);
    step_check(found.wrong == 0, "%s: %u events, %u wrong", trace->name, trace->events,
               found.wrong);
    note_figures(trace->name, "here", &found.pages);
    note_figures(trace->name, "simulated", &trace->expected);
    bool same = are_as_simulated(&found.pages, &trace->expected);
    if (!same && (int)trace->expected.peak > pages_as_simulated())
        step_note("%s: the RAM is too small for all pages to lie as simulated",
                  trace->name);
    else
        step_check(same, "%s: page figures are %s", trace->name,
                   same ? "as simulated" : "not as simulated");
}

/* ---- instructions */

struct calls {
    uint64_t sum;
    uint32_t count;
    uint32_t worst;
    uint32_t worst_event; /* from 1 */
};

static void note_call(struct calls *calls, uint32_t instructions, uint32_t event)
{
    calls->sum += instructions;
    calls->count++;
    if (instructions > calls->worst) {
        calls->worst = instructions;
        calls->worst_event = event;
    }
}

/* Instructions from one look at the count to the next. */
static uint32_t counting_costs(void)
{
    uint64_t start = machine_instructions();
    return (uint32_t)(machine_instructions() - start);
}

static void count_event(struct event event, struct block *block, uint32_t number,
                        struct calls *mallocs, struct calls *frees)
{
    uint32_t costs = counting_costs();
    if (event.size > 0) {
        uint64_t start = machine_instructions();
        void *at = kma_malloc(event.size);
        uint64_t end = machine_instructions();
        *block = (struct block){at, event.size, number};
        note_call(mallocs, (uint32_t)(end - start) - costs, number);
    } else if (block->at != NULL) {
        void *at = block->at;
        int size = block->size;
        uint64_t start = machine_instructions();
        kma_free(at, size);
        uint64_t end = machine_instructions();
        block->at = NULL;
        note_call(frees, (uint32_t)(end - start) - costs, number);
    }
}

static uint32_t hundredths(const struct calls *calls)
{
    return calls->count == 0 ? 0 : (uint32_t)(calls->sum * 100 / calls->count);
}

static void note_calls(const char *trace, const char *call, const struct calls *calls)
{
    uint32_t mean = hundredths(calls);
    step_note("%s: instructions of %s: %u calls, mean %u.%02u, worst %u in event %u",
              trace, call, calls->count, mean / 100, mean % 100, calls->worst,
              calls->worst_event);
}

static void count_trace(const struct embedded_trace *trace)
{
    struct replay replay = begin(trace);
    struct calls mallocs = {0}, frees = {0};
    for (uint32_t i = 0; i < trace->events; i++) {
        struct event event = read_event(&replay);
        count_event(event, &replay.blocks[event.slot], i + 1, &mallocs, &frees);
    }
    for (uint32_t slot = 0; slot < trace->slots; slot++)
        if (replay.blocks[slot].at != NULL)
            kma_free(replay.blocks[slot].at, replay.blocks[slot].size);
    note_calls(trace->name, "kma_malloc", &mallocs);
    note_calls(trace->name, "kma_free", &frees);
}

void step_traces(void)
{
    bool counts = machine_instructions() != 0;
    for (int i = 0; i < embedded_count; i++) {
        const struct embedded_trace *trace = &embedded_traces[i];
        if (all_blocks == NULL || (int)trace->expected.peak >= pages_total()) {
            step_note("%s: left out: it takes %u pages and a table, there are %d pages",
                      trace->name, trace->expected.peak, pages_total());
            continue;
        }
        pages_poison(true);
        check_trace(trace);
        pages_poison(false);
        if (counts)
            count_trace(trace);
    }
}
