/* page_source.c - what both sources of pages need: mappings, and how much to ask for. */

#include <sys/mman.h>
#include <unistd.h>
#include "kma_page.h"
#include "page_source.h"

struct source_calls source_calls;

void *map_zeroes(void *hint, size_t bytes)
{
    source_calls.mmap++;
    void *start = mmap(hint, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

int unmap(void *start, size_t bytes)
{
    source_calls.munmap++;
    return munmap(start, bytes) == 0;
}

enum offer_result forget(void *start, size_t bytes)
{
    source_calls.madvise++;
    if (madvise(start, bytes, MADV_DONTNEED) != 0)
        return PAGES_KEPT;
    source_calls.bytes_back += bytes;
    return PAGES_CLEAN;
}

size_t source_alignment(void)
{
    size_t kernel_page = (size_t)sysconf(_SC_PAGESIZE);
    return kernel_page > PAGESIZE ? kernel_page : PAGESIZE;
}

size_t batch_bytes(size_t size, size_t least, size_t most)
{
    size_t batch = size / 8 < least ? least : size / 8;
    size_t alignment = source_alignment();
    return ((batch < most ? batch : most) + alignment - 1) & ~(alignment - 1);
}

char *grow_by_batch(size_t *pages, size_t batch, char *(*grow_by)(size_t bytes))
{
    size_t alignment = source_alignment();
    size_t wanted = (*pages * PAGESIZE + alignment - 1) & ~(alignment - 1);
    size_t bytes = batch < wanted ? wanted : batch;
    char *start = grow_by(bytes);
    if (start == NULL && bytes > wanted)
        start = grow_by(bytes = wanted);
    *pages = bytes / PAGESIZE;
    return start;
}
