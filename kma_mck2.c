/* kma_mck2.c - the McKusick-Karels allocator.
 *
 * Source: M. K. McKusick and M. J. Karels, "Design of a General Purpose Memory
 * Allocator for the 4.3BSD UNIX Kernel", USENIX Summer 1988; Vahalia, UNIX Internals,
 * 12.6. What the paper does in macros are functions here.
 *
 * Power-of-two sizes, but no header on a buffer: a page holds buffers of one size
 * only, and a table, kmemusage in the paper and kmemsizes[] in Vahalia, says for every
 * page which size that is. So a request of a power of two takes just that, and kma_free
 * needs no size: it finds the page's entry from the buffer's address. A request of more
 * than half a page takes a page.
 *
 *     address of a buffer
 *     +------------------------+---------------+        kmemusage
 *     |      page number       |    offset     |        +---------------------+
 *     +-----------+------------+---------------+     .->| page, bucket 10,    |
 *                 |                                  |  | in use, free list   |
 *                 '----- radix tree over page ------'   +---------------------+
 *                        numbers                        | page, bucket 4, ... |
 *
 * The table is that of kma_page_records.h; buckets, pages and free lists, with their
 * picture and the invariants that kma_audit checks, are in kma_class_pages.h.
 *
 * Cost: a constant number of steps for malloc and free, whatever is live. At worst
 * they get or give back a page and with it a page of records.
 *
 * Departures from the paper:
 * - It keeps one free list a bucket over all pages, and a page once cut up stays so;
 *   here the free list is the page's, since a page must go back when it is empty and
 *   may then serve another bucket.
 * - Its table is an array over all of kernel memory. Here pages may come from anywhere
 *   and nothing is preallocated, so the table has entries for pages in use alone.
 * - BUCKETINDX finds the bucket with nested comparisons, unrolled by the compiler for
 *   constant sizes; here one instruction finds the highest bit. */
#ifdef KMA_MCK2

#include "kma.h"
#include "kma_page.h"
#include "kma_class_pages.h"

/* BUCKETINDX(size) in the paper. */
static inline int bucket_index(kma_size_t size)
{
    return class_of((size_t)size);
}

/* btokup(addr), "bytes to kmem usage pointer": the table's entry for an address. */
static inline struct page_record *usage_of(const void *ptr)
{
    return page_record(ptr);
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > (kma_size_t)MAX_REQUEST)
        return NULL;
    int bucket = bucket_index(size);
    struct page_record *usage = page_with_buffer(bucket);
    return usage == NULL ? NULL : take_buffer(usage, bucket);
}

void kma_free(void *ptr, kma_size_t size)
{
    (void)size;
    give_buffer(usage_of(ptr), ptr);
}

int kma_audit(void)
{
    return class_pages_audit();
}

kma_size_t kma_block_size(kma_size_t size)
{
    return 1 << bucket_index(size);
}

kma_size_t kma_usable_size(const void *ptr)
{
    return 1 << usage_of(ptr)->size_class;
}

#endif
