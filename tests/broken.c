/* broken.c - allocators with one fault each, for the driver to catch.
 *
 * Built once for each name in `enum fault` with -DBROKEN=<name>, as broken_<name>. The
 * allocator under the fault is the simplest there is that can put two blocks in a page:
 * the one static pointer is the page being filled from the bottom up, each page begins
 * with its descriptor and the number of blocks in it, and goes back when that is 0.
 * With the fault `nothing` it is sound. For some faults its pages are runs of four. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include "../kma.h"
#include "../kma_page.h"

enum fault {
    nothing,
    overlap,          /* a block begins inside the one before */
    misaligned,       /* a block at 4 beyond a multiple of 8 */
    outside,          /* a block in memory that is no page */
    unheld,           /* a block in a page that was given back */
    straddle,         /* a block runs over the end of its page */
    leak,             /* a page is never given back */
    scribble,         /* a request writes into the block before */
    scribble_free,    /* a free writes into the other blocks of the page */
    double_free_page, /* a page is given back twice */
    fresh_page,       /* the bytes of a new page are taken for zeros */
    garbage_page,     /* free_page of what is no descriptor */
    free_used_page,   /* a page goes with the first block freed in it */
    request_frees,    /* a request gives back the page of a live block */
    lazy_null,        /* NULL for a size that must be served */
    eager,            /* a block for a size that must be refused */
    unsound,          /* kma_audit finds two things wrong after the request */
    no_audit,         /* sound, and without a kma_audit */
    in_runs,          /* sound: the first of those whose pages are runs */
    straddle_run,     /* a block runs over the end of its run */
    free_used_run,    /* a run goes with the first block freed in it */
    double_free_run,  /* a run is given back twice */
    run_as_page,      /* free_page of a run; the last of those */
    two_pages,        /* sound: a request needs a page more for as long as it lasts */
    slow_at_times,    /* sound: every other request, the first included, takes long */
    segfault,         /* a request reads through a wild pointer */
    segfault_free,    /* a free does */
    abort_call,       /* a failed assertion, as it were */
    divide,           /* a division by zero */
    endless,          /* a recursion without an end */
    hang,             /* a loop without an end */
    complain,         /* error() */
};

#ifndef BROKEN
#define BROKEN nothing
#endif

/* The one fault that is the absence of a function. */
#define BROKEN_IS_no_audit 1
#define PASTE(a, b) a##b
#define PASTE_VALUES(a, b) PASTE(a, b)
#define HAS_AUDIT !PASTE_VALUES(BROKEN_IS_, BROKEN)

/* Faults strike at this size, so that a trace says when. */
enum { TRIGGER = 1000 };

enum { WORD = sizeof(void *), LARGEST = PAGESIZE - WORD };

enum {
    ORDER = BROKEN >= in_runs && BROKEN <= run_as_page ? 2 : 0,
    ROOM = PAGESIZE << ORDER
};

struct page_head {
    kma_page_t *page;
    uint32_t used; /* bytes from the page's start on */
    uint32_t blocks;
};

enum { HEAD = (sizeof(struct page_head) + 7) & ~7 };

static kma_page_t *current;

static struct page_head *head_of(kma_page_t *page)
{
    return page->ptr;
}

static struct page_head *head_before(void *block)
{
    return (void *)((uintptr_t)block & ~((uintptr_t)ROOM - 1));
}

static void give_back(kma_page_t *page)
{
    if (ORDER > 0)
        free_pages(page);
    else
        free_page(page);
}

static bool strikes(enum fault fault, kma_size_t size)
{
    return BROKEN == fault && size == TRIGGER;
}

/* A block that leaves no room for a head has a page of its own, whose descriptor is
 * found in the last word. */
static bool is_large(kma_size_t size)
{
    return size > PAGESIZE - HEAD;
}

static kma_page_t **last_word(void *ptr)
{
    return (kma_page_t **)((char *)BASEADDR(ptr) + LARGEST);
}

static void *large_malloc(void)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    *last_word(page->ptr) = page;
    return page->ptr;
}

static char *page_malloc(kma_size_t size)
{
    uint32_t rounded = ((uint32_t)size + 7) & ~7u;
    if (current == NULL || head_of(current)->used + rounded > ROOM) {
        kma_page_t *page = ORDER > 0 ? get_pages(ORDER) : get_page();
        if (page == NULL)
            return NULL;
        uint32_t found = BROKEN == fresh_page ? head_of(page)->blocks : 0;
        *head_of(page) = (struct page_head){page, HEAD, found};
        current = page;
    }
    struct page_head *head = head_of(current);
    char *block = (char *)head + head->used;
    head->used += rounded;
    head->blocks++;
    return block;
}

static volatile int zero;
static volatile char *volatile nowhere;
static int audit_result;

static int recurse(int depth)
{
    volatile char room[4096];
    room[0] = (char)depth;
    return zero == 0 ? recurse(depth + 1) + room[0] : 0;
}

static void wait_a_while(void)
{
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    nanosleep(&pause, NULL);
}

static void strike_at_request(kma_size_t size)
{
    static unsigned calls;
    if (strikes(slow_at_times, size) && calls++ % 2 == 0)
        wait_a_while();
    if (strikes(segfault, size))
        *nowhere = 0;
    if (strikes(abort_call, size))
        abort();
    if (strikes(divide, size))
        zero = TRIGGER / zero;
    if (strikes(endless, size))
        zero = recurse(0);
    if (strikes(hang, size))
        while (zero == 0)
            ;
    if (strikes(complain, size))
        error("the allocator gave up:", "no reason");
    if (strikes(request_frees, size) && current != NULL)
        free_page(current);
}

/* Gives back what it got, whether that was enough or not. */
static bool borrow_two_pages(void)
{
    kma_page_t *one = get_page();
    kma_page_t *two = get_page();
    if (two != NULL)
        free_page(two);
    if (one != NULL)
        free_page(one);
    return two != NULL;
}

void *kma_malloc(kma_size_t size)
{
    static uint64_t elsewhere[PAGESIZE / 8];
    if (size <= 0 || (size > LARGEST && BROKEN != eager) || strikes(lazy_null, size))
        return NULL;
    if (size > LARGEST)
        return page_malloc(8);
    strike_at_request(size);
    if (strikes(two_pages, size) && !borrow_two_pages())
        return NULL;
    if (strikes(unsound, size))
        audit_result = 2;
    if (is_large(size))
        return large_malloc();
    if (strikes(outside, size))
        return elsewhere;
    if (strikes(leak, size))
        get_page();
    if (strikes(unheld, size)) {
        kma_page_t *page = get_page();
        void *gone = (char *)page->ptr + HEAD;
        free_page(page);
        return gone;
    }
    char *block = page_malloc(size);
    if (block == NULL)
        return NULL;
    if (strikes(overlap, size))
        return block - 8;
    if (strikes(misaligned, size))
        return block + 4;
    if (strikes(straddle, size))
        return (char *)current->ptr + PAGESIZE - 8;
    if (strikes(straddle_run, size))
        return (char *)current->ptr + ROOM - 8;
    if (strikes(scribble, size))
        block[-1] ^= 1;
    return block;
}

void kma_free(void *ptr, kma_size_t size)
{
    if (is_large(size)) {
        free_page(*last_word(ptr));
        return;
    }
    struct page_head *head = head_before(ptr);
    kma_page_t *page = head->page;
    if (strikes(segfault_free, size))
        *nowhere = 0;
    if (strikes(garbage_page, size))
        free_page((kma_page_t *)ptr);
    if (strikes(scribble_free, size))
        for (uint32_t at = HEAD; at < head->used; at++)
            ((char *)head)[at] ^= 1;
    if (strikes(run_as_page, size))
        free_page(page);
    if (--head->blocks > 0 && !strikes(free_used_page, size) &&
        !strikes(free_used_run, size))
        return;
    if (page == current)
        current = NULL;
    give_back(page);
    if (strikes(double_free_page, size) || strikes(double_free_run, size))
        give_back(page);
}

#if HAS_AUDIT
int kma_audit(void)
{
    return audit_result;
}
#endif
