/* kma_class_pages.h - pages that hold buffers of one power-of-two size each, shared by
 * the algorithms that differ only in how they find a buffer's page again.
 *
 * Class c has buffers of 1 << c bytes, up to a whole page. The record of a page says
 * its class; the free list of a page is threaded through its free buffers, last in
 * first out. Buffers that were never handed out need no list, so that a new page is
 * ready after a constant number of steps:
 *
 *     record                              page of class 10 (1 KB buffers)
 *     +---------------------------+       +----+----+----+----+- - - - -+
 *     | page, class 10, in use 2, |------>| in | F1 | in | F2 |  never  |
 *     |   free list, carved 4     |--.    | use|    | use|    |  used   |
 *     +---------------------------+   \   +----+-^|-+----+-^--+- - - - -+
 *     partial[10] -> records of this   \________/ |________/
 *                    class with a buffer to give
 *
 * The page whose buffer was freed last serves next when it was full until then: it is
 * the fullest, and emptier pages get the time to drain. A page goes back when its last
 * buffer does.
 *
 * Invariants (class_pages_audit):
 *   C1  a page is on its class's list exactly while it has a buffer to give;
 *   C2  0 < in_use <= carved <= the buffers of a page;
 *   C3  the free list of a page has carved - in_use members, buffers of this page;
 *   and those of the page table. */
#ifndef KMA_CLASS_PAGES_H
#define KMA_CLASS_PAGES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_list.h"

enum {
    MIN_CLASS = 4, /* 16 bytes, as in 4.3BSD */
    MAX_CLASS = 31 - __builtin_clz(PAGESIZE),
    CLASSES = MAX_CLASS + 1,
    MAX_REQUEST = PAGESIZE - sizeof(void *)
};

struct buffer {
    struct buffer *next;
};

struct page_record {
    kma_page_t *page;
    struct link link;    /* among the pages of its class with a buffer to give */
    struct buffer *free; /* buffers given back */
    uint16_t size_class;
    uint16_t in_use; /* buffers that the client holds */
    uint16_t carved; /* buffers ever handed out; those behind were never used */
};

#include "kma_page_records.h"

struct allocator {
    struct page_table table;
    struct link partial[CLASSES];
};

static_assert(sizeof(struct allocator) <= PAGESIZE, "the state fits the root page");
static_assert(sizeof(struct buffer) <= 1 << MIN_CLASS, "a buffer holds a link");

static inline struct link *partial_list(int size_class)
{
    return &((struct allocator *)root->ptr)->partial[size_class];
}

/* The class whose buffers hold `bytes`, 1 <= bytes <= PAGESIZE. */
static inline int class_of(size_t bytes)
{
    unsigned last = (unsigned)(bytes - 1) >> MIN_CLASS;
    return last == 0 ? MIN_CLASS : MIN_CLASS + 32 - __builtin_clz(last);
}

static inline unsigned buffers_in_page(int size_class)
{
    return PAGESIZE >> size_class;
}

static bool open_allocator(void)
{
    if (!root_open(sizeof(struct allocator)))
        return FALSE;
    for (int size_class = 0; size_class < CLASSES; size_class++)
        list_init(partial_list(size_class));
    return TRUE;
}

static __attribute__((noinline)) struct page_record *add_page(int size_class)
{
    if (root == NULL && !open_allocator())
        return NULL;
    struct page_record *record = page_record_add();
    if (record == NULL)
        return NULL;
    record->size_class = (uint16_t)size_class;
    list_add_first(partial_list(size_class), &record->link);
    return record;
}

/* A page of the class with a buffer to give. NULL when a page is missing. */
static inline struct page_record *page_with_buffer(int size_class)
{
    if (root == NULL || list_is_empty(partial_list(size_class)))
        return add_page(size_class);
    return LIST_OWNER(partial_list(size_class)->next, struct page_record, link);
}

/* A buffer of a page of this class that has one to give. */
static inline struct buffer *take_buffer(struct page_record *record, int size_class)
{
    struct buffer *buffer = record->free;
    if (buffer != NULL) {
        record->free = buffer->next;
    } else {
        size_t offset = (size_t)record->carved << size_class;
        buffer = (void *)((char *)record->page->ptr + offset);
        record->carved++;
    }
    record->in_use++;
    if (record->in_use == buffers_in_page(size_class))
        list_remove(&record->link);
    return buffer;
}

/* Takes a buffer back into its page, and the page with its last buffer. */
static inline void give_buffer(struct page_record *record, struct buffer *buffer)
{
    int was_full = record->in_use == buffers_in_page(record->size_class);
    record->in_use--;
    if (record->in_use == 0) {
        if (!was_full)
            list_remove(&record->link);
        page_record_remove(record);
        return;
    }
    buffer->next = record->free;
    record->free = buffer;
    if (was_full)
        list_add_first(partial_list(record->size_class), &record->link);
}

static int audit_record(struct page_record *record, void *context)
{
    size_t *partial_pages = context;
    unsigned buffers = buffers_in_page(record->size_class);
    int broken = record->in_use == 0 || record->in_use > record->carved ||
                 record->carved > buffers; /* C2 */
    partial_pages[record->size_class] += record->in_use < buffers;
    unsigned length = 0;
    for (struct buffer *buffer = record->free; buffer != NULL; buffer = buffer->next) {
        size_t offset = (uintptr_t)buffer - (uintptr_t)record->page->ptr;
        length++;
        if (offset >= (size_t)record->carved << record->size_class ||
            offset % (1u << record->size_class) != 0 || length > record->carved)
            return broken + 1; /* C3 */
    }
    return broken + (length != (unsigned)record->carved - record->in_use); /* C3 */
}

static int class_pages_audit(void)
{
    if (root == NULL)
        return 0;
    size_t partial_pages[CLASSES] = {0};
    int broken = page_table_audit(audit_record, partial_pages);
    for (int size_class = 0; size_class < CLASSES; size_class++) {
        struct link *head = partial_list(size_class);
        for (struct link *member = head->next; member != head; member = member->next) {
            struct page_record *record = LIST_OWNER(member, struct page_record, link);
            broken += record->size_class != size_class ||
                      record->in_use >= buffers_in_page(size_class); /* C1 */
        }
        broken += list_length(head) != partial_pages[size_class]; /* C1 */
    }
    return broken;
}

#endif
