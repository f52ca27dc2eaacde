/* resident.c - the replay that watches the resident set.
 *
 * What counts is the anonymous memory that the system has given the process real pages
 * for, less what there was just before the first event. Every byte of every block is
 * written, so all that is requested is in it; so are control data, what the allocator
 * keeps for later, and what it gives back in a way that the system need not heed at
 * once (MADV_FREE). A page or two that were begun before take the first few blocks, so
 * that less can be resident at first than is requested. Not in it are:
 * - the allocator's own start: a block is got and freed before;
 * - code and data of files, mapped as they are first used: up to 190 KB of resident set
 *   that no block lies in, and that depends on what else the machine runs;
 * - the driver: its tables are not of malloc (table.h), and have been touched by then;
 *   samples go into an array of their own and are written when the replay is over;
 * - huge pages, which the process asks not to get. With them a heap would grow by 2 MB
 *   at a time on machines that are set so, and by 4 KB on others.
 *
 * Looking takes longer than a call, so of a long trace a thousand moments are looked at,
 * spread evenly but for one: the event after which the most is requested, where a peak
 * is to be expected. An allocator that gives back memory after some time, or threads of
 * its own, make these figures differ a little from run to run. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "pool.h"
#include "progress.h"
#include "resident.h"
#include "run.h"

enum { MOST_SAMPLES = 1000, PATTERN = 0x5a };

struct sample {
    size_t event;
    uint64_t requested;
    uint64_t resident;
};

static struct sample samples[MOST_SAMPLES];

/* The beginning of a short file, as text. */
static bool read_text(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, room - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The number behind a word. */
static uint64_t number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    return at == NULL ? 0 : strtoull(at + strlen(word), NULL, 10);
}

static uint64_t resident_bytes(void)
{
    static char text[4096];
    if (read_text("/proc/self/smaps_rollup", text, sizeof text))
        return number_after(text, "\nAnonymous:") * 1024;
    /* Older than Linux 4.14. In pages: the program, what is resident, files in that. */
    if (!read_text("/proc/self/statm", text, sizeof text))
        run_refuse("--resident: /proc/self/statm cannot be read: %s", strerror(errno));
    char *end;
    strtoull(text, &end, 10);
    uint64_t resident = strtoull(end, &end, 10);
    uint64_t shared = strtoull(end, &end, 10);
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A first call, whether or not the driver's streams have made one. */
static void start_allocator(void)
{
    void *first = kma_malloc(1);
    if (first != NULL)
        kma_free(first, 1);
}

/* The event after which the most bytes are requested. Leaves its marks in every block,
 * which thereby is resident. */
static size_t peak_event(const struct trace *trace, struct blocks *blocks)
{
    uint64_t requested = 0, most = 0;
    size_t peak = 0;
    memset(blocks->at, 0, blocks->room * sizeof *blocks->at);
    for (size_t k = 0; k < trace->count; k++) {
        const struct event *event = &trace->events[k];
        struct block *block = &blocks->at[event->slot];
        requested -= (uint64_t)block->size;
        block->size = event->size <= LARGEST_REQUEST ? event->size : 0;
        requested += (uint64_t)block->size;
        if (requested > most) {
            most = requested;
            peak = k;
        }
    }
    return peak;
}

static void play(const struct trace *trace, size_t number, struct block *block,
                 uint64_t *requested)
{
    int64_t change = replay_event(&trace->events[number], block);
    if (replay_is_denied(&trace->events[number], block))
        replay_fail_null(trace, number, &trace->events[number]);
    if (change > 0)
        memset(block->ptr, PATTERN, (size_t)change);
    *requested += (uint64_t)change;
}

/* Returns how many samples there are. Takes no memory on the way. */
static size_t sample_all(const struct trace *trace, struct blocks *blocks)
{
    size_t peak = peak_event(trace, blocks);
    size_t spread =
        trace->count <= MOST_SAMPLES ? (size_t)trace->count : MOST_SAMPLES - 1;
    size_t count = 0, next = 0;
    uint64_t requested = 0;
    memset(samples, 0, sizeof samples);
    start_allocator();
    resident_bytes();
    const uint64_t before = resident_bytes();
    progress_begin("watching the resident set", trace->count);
    for (size_t k = 0; k < trace->count; k++) {
        run_at(k);
        play(trace, k, &blocks->at[trace->events[k].slot], &requested);
        bool is_next = k == replay_moment(trace, next, spread);
        next += is_next;
        if (!is_next && k != peak)
            continue;
        uint64_t now = resident_bytes();
        samples[count++] =
            (struct sample){k, requested, now > before ? now - before : 0};
        progress_at(k);
    }
    replay_empty(trace, blocks);
    return count;
}

void resident_measure(struct memory *memory, const struct trace *trace,
                      struct blocks *blocks, struct output *data)
{
    *memory = (struct memory){0};
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    memory->samples = sample_all(trace, blocks);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    if (data != NULL)
        output_numbers(data, 0, 0, 0);
    for (size_t i = 0; i < memory->samples; i++) {
        const struct sample *sample = &samples[i];
        if (data != NULL)
            output_numbers(data, sample->event + 1, sample->requested,
                           sample->resident);
        memory_note(memory, &(struct memory_bytes){.requested = sample->requested,
                                                   .occupied = sample->requested,
                                                   .paged = sample->resident});
    }
    memory_take_means(memory);
    memory->peak_pages = (int)((memory->peak.paged + PAGESIZE - 1) / PAGESIZE);
}
