/* page_source.h - where the host gets pages from the kernel and gives them back to: the
 * break of the process (page_brk.c), or mappings (page_mmap.c). */
#ifndef KMA_HOST_PAGE_SOURCE_H
#define KMA_HOST_PAGE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* What became of free pages that the kernel was offered. */
enum offer_result {
    PAGES_KEPT,  /* nothing: it did not take them */
    PAGES_CLEAN, /* they are still ours, take no memory, and will read as zeroes */
    PAGES_GONE   /* they are no longer ours */
};

struct page_source {
    /* At least *pages more pages of zeroes, aligned to source_alignment(), which begin at
     * end() where that can be had; *pages becomes how many. NULL: none. */
    char *(*grow)(size_t *pages);
    /* Offers free pages to the kernel. */
    enum offer_result (*offer)(char *start, size_t pages);
    /* Whether a run of free pages that has just come to be is to be offered at once;
     * `idle`: no page is held. */
    int (*wants)(const char *start, size_t pages, int idle);
    /* Where pages from grow will lie, if all goes well. */
    char *(*end)(void);
};

extern const struct page_source brk_source, mmap_source;

/* Calls of the kernel that were made for memory, for pages and for the host's tables. */
struct source_calls {
    uint64_t brk; /* that moved the break, or tried to */
    uint64_t mmap, munmap, madvise;
    uint64_t bytes_back; /* that the kernel got back or need not keep */
};

extern struct source_calls source_calls;

/* A mapping of zeroes, at the hint if that is free; NULL when there is none. */
void *map_zeroes(void *hint, size_t bytes);

/* FALSE: the pages are still there. */
int unmap(void *start, size_t bytes);

/* Lets the kernel forget what is in these pages. */
enum offer_result forget(void *start, size_t bytes);

/* What pages of the source are aligned to: the larger of PAGESIZE and a kernel's page. */
size_t source_alignment(void);

/* The bytes by which a source of `size` bytes grows at once, if no more are wanted: an
 * eighth, but at least and at most so many. */
size_t batch_bytes(size_t size, size_t least, size_t most);

/* A source's grow: *pages or a batch, if that is more; and *pages if a batch is not to be
 * had. `grow_by` gets that many bytes, a multiple of the alignment. */
char *grow_by_batch(size_t *pages, size_t batch, char *(*grow_by)(size_t bytes));

#endif
