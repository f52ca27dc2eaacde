/* kma_p2fl.c - power-of-two free lists.
 *
 * Source: Vahalia, UNIX Internals, 12.4 (the allocator of the early UNIX kernels and of
 * many a libc); pages are given back when empty.
 *
 * Buffers come in power-of-two sizes from 16 bytes to a page, each with a header of
 * one word. While a buffer is allocated its header says which free list it has to go
 * back to, so kma_free needs neither a size nor a search; while it is free its first
 * word links it to the next free one. The free lists are those of the buffer's page
 * (kma_class_pages.h, with a picture and the invariants that kma_audit checks), and the
 * header points to the page's record.
 *
 *     page of 4 buffers, three of them allocated
 *     +-------------+-----+-------------+-----+-------------+-----+-------------+-----+
 *     | block 0     |hdr 1| block 1     |     | next        |hdr 3| block 3     |hdr 0|
 *     +-------------+-----+-------------+-----+-------------+-----+-------------+-----+
 *     0                   2^k                 2 * 2^k             3 * 2^k
 *
 * The price is that a request for a power of two takes twice that, for the header; the
 * buffer that is a whole page serves everything above PAGESIZE / 2 - 8 bytes.
 *
 * Cost: a constant number of steps for malloc and free, whatever is live; free reads
 * the header and from there the record. At worst they get or give back a page and with
 * it a page of records.
 *
 * Departures: the header is not the buffer's first word but the last one before it, and
 * that of a page's first buffer is the page's last word. So blocks are aligned to their
 * buffers' sizes. A free buffer's link is in its own first word, not in the header, which
 * lies apart from it. Where words have 4 bytes 8 are set aside for a header nevertheless,
 * but in a buffer of a whole page only 4, so that the largest request fits. */
#ifdef KMA_P2FL

#include "kma.h"
#include "kma_page.h"
#include "kma_class_pages.h"

enum { HEADER_SIZE = 8 };

static_assert(sizeof(struct page_record *) <= HEADER_SIZE,
              "the header holds a pointer");
static_assert(1 << MIN_CLASS > HEADER_SIZE, "the least buffer has room for a block");

static inline int class_of_request(kma_size_t size)
{
    return size + HEADER_SIZE > PAGESIZE ? MAX_CLASS
                                         : class_of((size_t)size + HEADER_SIZE);
}

/* The header of an allocated block: the word before it, or, as if the page were a ring,
 * its last word. */
static inline struct page_record **header_of(const void *ptr)
{
    size_t offset = ((uintptr_t)ptr - sizeof(void *)) % PAGESIZE;
    return (void *)((char *)BASEADDR(ptr) + offset);
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    int size_class = class_of_request(size);
    struct page_record *record = page_with_buffer(size_class);
    if (record == NULL)
        return NULL;
    void *ptr = take_buffer(record, size_class);
    *header_of(ptr) = record;
    return ptr;
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    give_buffer(*header_of(ptr), ptr);
}

int kma_audit(void)
{
    return class_pages_audit();
}

kma_size_t kma_block_size(kma_size_t size)
{
    return 1 << class_of_request(size);
}

kma_size_t kma_usable_size(const void *ptr)
{
    int size_class = (*header_of(ptr))->size_class;
    return size_class == MAX_CLASS ? MAX_REQUEST : (1 << size_class) - HEADER_SIZE;
}

#endif
