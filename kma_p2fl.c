/* kma_p2fl.c - power-of-two free lists.
 *
 * Source: Vahalia, UNIX Internals, 12.4 (the allocator of the early UNIX kernels and of
 * many a libc); pages are given back when empty.
 *
 * Buffers come in power-of-two sizes from 16 bytes to a page, each with a header of
 * one word. While a buffer is free the header links it to the next free one; while it
 * is allocated the header says which free list it has to go back to, so kma_free needs
 * neither a size nor a search. The free lists are those of the buffer's page
 * (kma_class_pages.h, with a picture and the invariants that kma_audit checks), and the
 * header points to the page's record.
 *
 *     allocated  +---------+----------------------------------------+
 *                | record *|  the client's bytes                    |
 *                +---------+----------------------------------------+
 *     free       | next    |  left over                             |
 *                +---------+----------------------------------------+
 *                0         8                               power of two
 *
 * The price is that a request for a power of two takes twice that, for the header; the
 * buffer that is a whole page serves everything above PAGESIZE / 2 - 8 bytes.
 *
 * Cost: a constant number of steps for malloc and free, whatever is live; free reads
 * the header and from there the record. At worst they get or give back a page and with
 * it a page of records.
 *
 * Departures: in a buffer of a whole page the header is its last word, not the first,
 * so that blocks are aligned to 8 and the largest request fits on 32-bit machines too,
 * where the header is 8 bytes for alignment elsewhere. A block at the start of a page
 * is thereby known to be such a one. */
#ifdef KMA_P2FL

#include "kma.h"
#include "kma_page.h"
#include "kma_class_pages.h"

enum { HEADER_SIZE = 8 };

struct header {
    struct page_record *record;
};

static_assert(sizeof(struct header) <= HEADER_SIZE, "the header holds a pointer");
static_assert(1 << MIN_CLASS > HEADER_SIZE, "the least buffer has room for a block");

static inline int class_of_request(kma_size_t size)
{
    return size + HEADER_SIZE > PAGESIZE ? MAX_CLASS
                                         : class_of((size_t)size + HEADER_SIZE);
}

static inline bool is_whole_page(const void *ptr)
{
    return ((uintptr_t)ptr & (PAGESIZE - 1)) == 0;
}

/* The header of an allocated block. */
static inline struct header *header_of(void *ptr)
{
    return (void *)((char *)ptr + (is_whole_page(ptr) ? MAX_REQUEST : -HEADER_SIZE));
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    int size_class = class_of_request(size);
    struct page_record *record = page_with_buffer(size_class);
    if (record == NULL)
        return NULL;
    char *buffer = (void *)take_buffer(record, size_class);
    char *ptr = size_class == MAX_CLASS ? buffer : buffer + HEADER_SIZE;
    header_of(ptr)->record = record;
    return ptr;
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    struct page_record *record = header_of(ptr)->record;
    char *buffer = is_whole_page(ptr) ? ptr : (char *)ptr - HEADER_SIZE;
    give_buffer(record, (void *)buffer);
}

int kma_audit(void)
{
    return class_pages_audit();
}

kma_size_t kma_block_size(kma_size_t size)
{
    return 1 << class_of_request(size);
}

#endif
