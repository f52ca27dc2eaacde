/* page_mmap.c - pages from mappings; a program that moves the break is nothing to it.
 *
 * Growing. A mapping is an eighth of what is mapped, but 1 MiB at least and 64 MiB at
 * most, or what is wanted if that is more. It is put behind the one before where that
 * place is free, so that free runs join and large blocks can grow where they are. For
 * that the first one is put where there is room behind it.
 *
 * Giving back. Of a free run of 4 MiB or more the mapping goes, of a shorter one the
 * contents: the kernel takes the memory, and the addresses stay ours. This happens when
 * too many free pages have been touched, which is the matter of pages.c, and at once for
 * a run of 32 MiB or more. */

#include <stdint.h>
#include <sys/mman.h>
#include "kma_page.h"
#include "page_source.h"

enum {
    LEAST_BATCH = 1 << 20,
    MOST_BATCH = 64 << 20,
    LEAST_TO_UNMAP = 4 << 20,
    AT_ONCE = 32 << 20,
    ROOM_SHIFT =
        sizeof(void *) == 8 ? 33 : 27 /* bytes behind the first mapping: 8 GiB */
};

static struct {
    char *next;   /* where the next one should be; NULL: not known yet */
    size_t bytes; /* mapped */
} area;

/* An address with nothing behind it for a while, or NULL. */
static char *find_room(void)
{
    size_t bytes = (size_t)1 << ROOM_SHIFT, alignment = source_alignment();
    source_calls.mmap++;
    char *room = mmap(NULL, bytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return NULL;
    unmap(room, bytes);
    return room + (-(uintptr_t)room & (alignment - 1));
}

/* A mapping somewhere, aligned: the part around it is given back. */
static char *map_aligned(size_t bytes)
{
    size_t alignment = source_alignment();
    if (bytes > SIZE_MAX - alignment)
        return NULL;
    char *start = map_zeroes(NULL, bytes + alignment);
    if (start == NULL)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)start & (alignment - 1));
    if (before > 0)
        unmap(start, before);
    unmap(start + before + bytes, alignment - before);
    return start + before;
}

static char *grow_by(size_t bytes)
{
    char *start = map_zeroes(area.next, bytes);
    if (start != NULL && (uintptr_t)start % source_alignment() != 0) {
        unmap(start, bytes);
        start = map_aligned(bytes);
    }
    if (start == NULL)
        return NULL;
    area.next = start + bytes;
    area.bytes += bytes;
    return start;
}

static char *grow(size_t *pages)
{
    if (area.next == NULL)
        area.next = find_room();
    return grow_by_batch(pages, batch_bytes(area.bytes, LEAST_BATCH, MOST_BATCH),
                         grow_by);
}

static int give_back(char *start, size_t bytes)
{
    if (!unmap(start, bytes))
        return 0;
    source_calls.bytes_back += bytes;
    area.bytes -= bytes;
    if (area.next == start + bytes)
        area.next = start;
    return 1;
}

static enum offer_result offer(char *start, size_t pages)
{
    size_t bytes = pages * PAGESIZE;
    if (bytes >= LEAST_TO_UNMAP && give_back(start, bytes))
        return PAGES_GONE;
    return forget(start, bytes);
}

static int wants(const char *start, size_t pages, int idle)
{
    (void)start, (void)idle;
    return pages >= AT_ONCE / PAGESIZE;
}

static char *end(void)
{
    return area.next;
}

const struct page_source mmap_source = {grow, offer, wants, end};
