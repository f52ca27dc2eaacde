/* files.c - the fourth step: open files, more than a fixed table would hold. */

#include "embedded.h"
#include "file.h"
#include "kma_slab.h"
#include "machine.h"
#include "page.h"
#include "print.h"
#include "process.h"
#include "step.h"

enum { PROCESSES = 150, FILES_EACH = 30, FEW_FILES = 10, TICK = 50, PIECE = 40 };

static volatile uint32_t have_theirs; /* processes that have opened their files */
static volatile bool were_seen;       /* all of them, open */
static uint32_t wrong;
static int pages_of_few;

static const struct embedded_trace *pick(uint32_t number)
{
    return &embedded_traces[number % (uint32_t)embedded_count];
}

/* What stands in a file at this place, read through a descriptor, is what was built in. */
static bool reads_right(struct open_files *files, int descriptor,
                        const struct embedded_trace *file, uint32_t offset)
{
    unsigned char piece[PIECE];
    int count = file_read(files, descriptor, piece, PIECE);
    uint32_t left = file->bytes - offset;
    bool right = count == (left < PIECE ? (int)left : PIECE);
    for (int i = 0; i < count; i++)
        right &= piece[i] == file->data[offset + (uint32_t)i];
    return right;
}

/* Opens its files, waits until they were seen with all others', then reads. Some are closed here,
 * the rest when the process ends. */
static void use_files(void *argument)
{
    struct open_files *files = process_files();
    uint32_t start = (uint32_t)(uintptr_t)argument;
    uint32_t errors = 0;
    for (uint32_t i = 0; i < FILES_EACH; i++)
        errors += file_open(files, pick(start + i)->name) != (int)i;
    bool on = interrupts_off();
    have_theirs++;
    interrupts_restore(on);
    while (!were_seen)
        process_yield();
    int twin = file_duplicate(files, 0);
    errors += !reads_right(files, twin, pick(start), 0);
    for (uint32_t i = 0; i < FILES_EACH; i++)
        errors += !reads_right(files, (int)i, pick(start + i), i == 0 ? PIECE : 0);
    for (uint32_t i = 0; i < FILES_EACH; i += 3)
        errors += file_close(files, (int)i) != 0;
    errors += !reads_right(files, twin, pick(start), 2 * PIECE);
    errors += file_close(files, 0) != -1 || file_open(files, "no such file") != -1;
    on = interrupts_off();
    wrong += errors;
    interrupts_restore(on);
}

static void print_cache(const struct kmem_slabinfo *info, void *context)
{
    (void)context;
    step_note("%-17s %6zu %6zu %6zu %4zu %4zu : slabdata %6zu %6zu", info->name,
              info->active_objects, info->objects, info->object_size,
              info->objects_per_slab, info->pages_per_slab, info->active_slabs,
              info->slabs);
}

static void print_caches(void)
{
    if (kmem_slabinfo == NULL)
        return;
    step_note("# name            <active_objs> <num_objs> <objsize> <objperslab> "
              "<pagesperslab> : slabdata <active_slabs> <num_slabs>");
    kmem_slabinfo(print_cache, NULL);
}

static void watch_all_open(void *argument)
{
    (void)argument;
    while (have_theirs < PROCESSES)
        process_yield();
    step_check(files_open() == PROCESSES * FILES_EACH, "%d files open in %d processes",
               files_open(), PROCESSES);
    print_caches();
    were_seen = true;
}

static void many_files(void)
{
    have_theirs = wrong = 0;
    were_seen = false;
    processes_start();
    timer_start(TICK);
    int created = process_create(watch_all_open, NULL) >= 0;
    for (uintptr_t i = 0; i < PROCESSES; i++)
        created += process_create(use_files, (void *)i) >= 0;
    if (!step_check(created == PROCESSES + 1, "%d of %d processes created", created,
                    PROCESSES + 1))
        have_theirs = PROCESSES; /* nobody waits for those that are not there */
    while (process_wait() >= 0)
        continue;
    timer_stop();
    step_check(wrong == 0 && files_open() == 0,
               "each opened %d files: %u errors, %d open when all have ended",
               FILES_EACH, wrong, files_open());
}

/* What it costs is looked at while nobody else runs. A file that was used before, by
 * somebody else or not, is at its start when it is opened. */
static void open_a_few(void *argument)
{
    (void)argument;
    struct open_files *files = process_files();
    int before = page_stats()->num_in_use;
    for (int i = 0; i < FEW_FILES; i++)
        file_open(files, pick((uint32_t)i)->name);
    step_check(files_open() == FEW_FILES, "%d files open", files_open());
    pages_of_few = page_stats()->num_in_use - before;
    bool right = true;
    for (int i = 1; i < FEW_FILES; i++) {
        right &= reads_right(files, i, pick((uint32_t)i), 0);
        right &= file_close(files, i) == 0;
        right &= file_open(files, pick((uint32_t)i)->name) == i;
        right &= reads_right(files, i, pick((uint32_t)i), 0);
    }
    step_check(right, "opened again, they are %s",
               right ? "at their start" : "not as new");
}

/* The first files of all that are open: there is no page yet that they could share. */
static void few_files(void)
{
    processes_start();
    int before = page_stats()->num_in_use;
    process_create(open_a_few, NULL);
    process_wait();
    int after = page_stats()->num_in_use;
    step_check(pages_of_few <= 1 || !files_have_cache(), "they took %d page%s",
               pages_of_few, pages_of_few == 1 ? "" : "s");
    step_check(after == before, "%d pages more in use when the process has ended",
               after - before);
}

void step_files(void)
{
    step_check(files_start(), "open files are %s",
               files_have_cache() ? "objects of a kmem_cache"
                                  : "blocks from kmalloc: there is no kmem_cache");
    few_files();
    many_files();
    few_files();
    step_check(files_stop(), "the cache of open files is given up");
}
