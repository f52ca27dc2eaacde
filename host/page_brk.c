/* page_brk.c - pages from the break, the end of the data segment of the process.
 *
 * Growing. The kernel is asked for a batch: an eighth of the area, but 16 KiB at least
 * and 128 pages (1 MiB) at most, or what is wanted if that is more.
 *
 * Giving back. When a free makes the pages at the end of the area a free run that is
 * longer than a batch by 4 KiB or more, or when no page is held any more, all of the run
 * is given back with a negative sbrk. So between two moves of the break, up and down, at
 * least a batch of pages was got or freed. Free pages in the midst of the area may be
 * forgotten by the kernel, but stay in it.
 *
 *     | the program's data | area: held and free pages    | batch |
 *                          start                                  end, the break
 *
 * A program may move the break upwards itself: then the area has a part that is not ours,
 * and goes on behind it. */

#include <limits.h>
#include <stdint.h>
#include <unistd.h>
#include "kma_page.h"
#include "page_source.h"

enum {
    LEAST_BATCH = 16 << 10,
    MOST_BATCH = 128 * PAGESIZE,
    LEAST_TO_GIVE_BACK = 4 << 10
};

static struct {
    char *end; /* of the area's last part; NULL: no part yet */
    size_t bytes;
} area;

static char *the_break(void)
{
    return sbrk(0);
}

/* The old break, or NULL when it could not be moved. */
static char *move_break(intptr_t bytes)
{
    source_calls.brk++;
    char *old = sbrk(bytes);
    return old == (char *)-1 ? NULL : old;
}

static size_t batch(void)
{
    return batch_bytes(area.bytes, LEAST_BATCH, MOST_BATCH);
}

/* Adds `bytes`, a multiple of the alignment, and what is missing up to it. Another thread
 * may move the break at any time. */
static char *grow_by(size_t bytes)
{
    size_t alignment = source_alignment();
    size_t missing = (size_t)(-(uintptr_t)the_break() & (alignment - 1));
    if (bytes > (size_t)INTPTR_MAX - missing)
        return NULL;
    char *old = move_break((intptr_t)(missing + bytes));
    if (old == NULL)
        return NULL;
    if (((uintptr_t)old + missing) % alignment != 0)
        return NULL; /* it was moved in between: what we got is lost */
    area.end = old + missing + bytes;
    area.bytes += bytes;
    return old + missing;
}

static char *grow(size_t *pages)
{
    return grow_by_batch(pages, batch(), grow_by);
}

static int is_at_end(const char *end)
{
    return end == area.end && end == the_break();
}

static enum offer_result offer(char *start, size_t pages)
{
    size_t bytes = pages * PAGESIZE;
    if (!is_at_end(start + bytes))
        return forget(start, bytes);
    if (move_break(-(intptr_t)bytes) == NULL)
        return PAGES_KEPT;
    source_calls.bytes_back += bytes;
    area.end = start;
    area.bytes -= bytes;
    return PAGES_GONE;
}

static int wants(const char *start, size_t pages, int idle)
{
    size_t bytes = pages * PAGESIZE;
    return is_at_end(start + bytes) && (idle || bytes >= batch() + LEAST_TO_GIVE_BACK);
}

static char *end(void)
{
    return area.end == the_break() ? area.end : NULL;
}

const struct page_source brk_source = {grow, offer, wants, end};
