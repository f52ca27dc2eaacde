/* pages.c - the pages of a process, as runs that are held or free.
 *
 * Pages come from a source (page_source.h) in batches and are free runs at first. Of the
 * free runs that are long enough one of the shortest serves, and the rest of it stays
 * free. Free runs that adjoin are one: what the page map says at both ends of each run
 * leads to the neighbours (Knuth's boundary tags, outside of the pages). So getting and
 * freeing pages are some look-ups and list operations; only the look for an alignment
 * passes over runs, LOOKS at most of those that might do.
 *
 *     page map    | 3 held  |1 h| 4 free      | 2 held|1 f| ...
 *     touched      1 1 1     1   1 1 0 0       1 1     1             a bit for a page
 *     bins        by length: exact up to 7, then four to a doubling
 *
 * A page that was held may have contents and takes memory until the kernel gets it back:
 * it is touched. When the free pages that are touched come to more than KEPT_FREE bytes
 * and an eighth of those held, free runs are offered to the source, long ones first, until
 * they are less than half of that. A source may want single runs back earlier.
 *
 * Invariants (pages_audit):
 *   P1  each free run is in the bin for its length, and a bin's bit says whether it has one
 *   P2  its two ends in the page map say that it is free and how long it is
 *   P3  no two free runs adjoin
 *   P4  as many pages of free runs are touched as are counted */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "kma.h"
#include "kma_bits.h"
#include "kma_page_counts.h"
#include "page_map.h"
#include "pages.h"

enum {
    BIN_BITS = 2,
    LENGTH_BITS = PAGE_BITS < 32 ? PAGE_BITS : 32,
    BINS = (LENGTH_BITS - BIN_BITS + 1) << BIN_BITS,
    BIN_WORDS = (BINS + 63) / 64,
    LOOKS = 16,
    KEPT_FREE = 1 << 20, /* bytes of free pages that were touched */
    SHARE_KEPT = 8       /* of the pages held */
};

static struct {
    const struct page_source *source;
    struct page_entry *bin[BINS]; /* free runs */
    uint64_t nonempty[BIN_WORDS];
    size_t held;         /* pages */
    size_t free_touched; /* pages */
    size_t not_taken;    /* of these, when the kernel would not have them */
    char *unlisted;      /* pages that are not in the page map yet, or NULL */
    size_t unlisted_pages;
    kma_page_stat_t stats;
} host;

void pages_open(const struct page_source *source)
{
    host.source = source;
    host.stats.page_size = PAGESIZE;
}

/* ---- which pages are touched */

/* The bits of the next of `pages` pages from `start` on that are in one word, and where
 * they are. Returns how many. */
static size_t bits_at(const char *start, size_t pages, uint64_t **word, uint64_t *bits)
{
    size_t index = number_of_page(start) % LEAF_PAGES, shift = index % 64;
    size_t count = 64 - shift < pages ? 64 - shift : pages;
    *word = &leaf_of(start)->touched[index / 64];
    *bits = ~(uint64_t)0 >> (64 - count) << shift;
    return count;
}

/* How many pages of these are touched; and after that all, or none of them. */
static size_t exchange_touched(const char *start, size_t pages, bool touched)
{
    size_t before = 0;
    while (pages > 0) {
        uint64_t *word, bits;
        size_t count = bits_at(start, pages, &word, &bits);
        before += (size_t)__builtin_popcountll(*word & bits);
        *word = touched ? *word | bits : *word & ~bits;
        start += count * PAGESIZE;
        pages -= count;
    }
    return before;
}

/* ---- free runs */

static inline unsigned bin_of(size_t length)
{
    unsigned shift = (unsigned)LOG2_FLOOR(length | 1 << BIN_BITS) - BIN_BITS;
    return (shift << BIN_BITS) + (unsigned)(length >> shift);
}

/* The entry of the last page of a run. */
static inline struct page_entry *last_entry(char *start, size_t pages)
{
    return entry_of(start + (pages - 1) * PAGESIZE);
}

static void add_free(char *start, size_t pages)
{
    struct page_entry *entry = entry_of(start), *last = last_entry(start, pages);
    unsigned bin = bin_of(pages);
    entry->length = last->length = (uint32_t)pages;
    entry->state = last->state = RUN_FREE;
    entry->start = last->start = start;
    entry->prev = NULL;
    entry->next = host.bin[bin];
    if (entry->next != NULL)
        entry->next->prev = entry;
    host.bin[bin] = entry;
    host.nonempty[bin / 64] |= (uint64_t)1 << bin % 64;
}

static void remove_free(struct page_entry *entry)
{
    unsigned bin = bin_of(entry->length);
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    if (entry->prev != NULL)
        entry->prev->next = entry->next;
    else
        host.bin[bin] = entry->next;
    if (host.bin[bin] == NULL)
        host.nonempty[bin / 64] &= ~((uint64_t)1 << bin % 64);
    last_entry(entry->start, entry->length)->state = NOTHING_HERE;
    entry->state = NOTHING_HERE;
}

/* Makes pages that are in no run a free run, with those that adjoin. */
static struct page_entry *join_free(char *start, size_t pages)
{
    struct page_entry *before = entry_of(start - 1);
    struct page_entry *after = entry_of(start + pages * PAGESIZE);
    if (after != NULL && after->state == RUN_FREE) {
        remove_free(after);
        pages += after->length;
    }
    if (before != NULL && before->state == RUN_FREE) {
        before = entry_of(before->start);
        remove_free(before);
        pages += before->length;
        start = before->start;
    }
    add_free(start, pages);
    return entry_of(start);
}

static void offer(struct page_entry *entry)
{
    char *start = entry->start;
    size_t pages = entry->length;
    if (((uintptr_t)start | pages * PAGESIZE) % source_alignment() != 0)
        return;
    int saved_errno = errno;
    enum offer_result result = host.source->offer(start, pages);
    errno = saved_errno;
    if (result == PAGES_KEPT)
        return;
    host.free_touched -= exchange_touched(start, pages, FALSE);
    if (result == PAGES_GONE)
        remove_free(entry);
}

/* So many free pages may be touched. */
static inline size_t most_touched(void)
{
    size_t least = KEPT_FREE / PAGESIZE, share = host.held / SHARE_KEPT;
    return share < least ? least : share;
}

/* Offers the longest free runs, until not too many pages are touched in those left. What
 * the kernel does not take is not offered again with every free. */
static __attribute__((noinline)) void offer_runs(void)
{
    size_t enough = most_touched() / 2;
    for (int bin = BINS - 1; bin >= 0 && host.free_touched > enough; bin--) {
        struct page_entry *next;
        for (struct page_entry *entry = host.bin[bin];
             entry != NULL && host.free_touched > enough; entry = next) {
            next = entry->next;
            offer(entry);
        }
    }
    host.not_taken = host.free_touched > enough ? host.free_touched : 0;
}

/* Pages that were held become free. */
static void give(char *start, size_t pages)
{
    host.held -= pages;
    host.free_touched += pages;
    struct page_entry *entry = join_free(start, pages);
    if (host.source->wants(entry->start, entry->length, host.held == 0))
        offer(entry);
    else if (host.free_touched > host.not_taken + most_touched())
        offer_runs();
}

/* ---- held runs */

/* Pages from the start of a run to the first that is a multiple of `alignment`. */
static inline size_t pages_before(const struct page_entry *entry, size_t alignment)
{
    return (size_t)(-number_of_page(entry->start) & (alignment - 1));
}

static inline struct page_entry *find_in(unsigned bin, size_t pages, size_t alignment)
{
    struct page_entry *entry = host.bin[bin];
    for (int i = 0; i < LOOKS && entry != NULL; i++, entry = entry->next) {
        if (pages_before(entry, alignment) + pages <= entry->length)
            return entry;
    }
    return NULL;
}

/* A free run in which there is room for so many, so aligned; or NULL. */
static struct page_entry *find(size_t pages, size_t alignment)
{
    unsigned bin = bin_of(pages);
    for (unsigned word = bin / 64; word < BIN_WORDS; word++) {
        uint64_t bits = host.nonempty[word];
        if (word == bin / 64)
            bits = bits >> bin % 64 << bin % 64;
        for (; bits != 0; bits &= bits - 1) {
            struct page_entry *entry =
                find_in(word * 64 + lowest_bit(bits), pages, alignment);
            if (entry != NULL)
                return entry;
        }
    }
    return NULL;
}

/* Makes pages that the source has given a free run. FALSE: no memory for the page map; they
 * wait until there is. */
static bool list_pages(void)
{
    if (host.unlisted != NULL && !page_map_add(host.unlisted, host.unlisted_pages))
        return FALSE;
    if (host.unlisted != NULL)
        join_free(host.unlisted, host.unlisted_pages);
    host.unlisted = NULL;
    return TRUE;
}

/* Gets at least so many pages from the source, as a free run or part of one. */
static bool grow(size_t pages)
{
    int saved_errno = errno;
    bool grown = list_pages();
    if (grown) {
        host.unlisted_pages = pages;
        host.unlisted = host.source->grow(&host.unlisted_pages);
        grown = host.unlisted != NULL && list_pages();
    }
    errno = saved_errno;
    return grown;
}

/* The free run that the next pages from the source will adjoin. */
static struct page_entry *free_at_end(void)
{
    const char *end = host.source->end();
    struct page_entry *last = end == NULL ? NULL : entry_of(end - 1);
    return last != NULL && last->state == RUN_FREE ? last : NULL;
}

/* As find, but when there is none pages are got. */
static __attribute__((noinline)) struct page_entry *find_or_grow(size_t pages,
                                                                 size_t alignment)
{
    size_t enough = pages + alignment - 1;
    struct page_entry *last = free_at_end(), *entry = NULL;
    if (last != NULL && last->length < enough && grow(enough - last->length))
        entry = find(pages, alignment);
    if (entry == NULL && grow(enough))
        entry = find(pages, alignment);
    return entry;
}

/* Takes pages out of a free run, and makes them one that is held. */
static char *take(struct page_entry *entry, size_t skip, size_t pages, int state,
                  bool *zeroes)
{
    char *start = entry->start, *taken = start + skip * PAGESIZE;
    size_t length = entry->length;
    remove_free(entry);
    if (skip > 0)
        add_free(start, skip);
    if (skip + pages < length)
        add_free(taken + pages * PAGESIZE, length - skip - pages);
    size_t touched = exchange_touched(taken, pages, TRUE);
    host.free_touched -= touched;
    host.held += pages;
    *zeroes = touched == 0;
    entry = entry_of(taken);
    entry->length = (uint32_t)pages;
    entry->state = (uint32_t)state;
    return taken;
}

static char *get_run(size_t pages, size_t alignment, int state, bool *zeroes)
{
    if (pages > ((uint64_t)1 << (LENGTH_BITS - 1)) - alignment)
        return NULL;
    struct page_entry *entry = find(pages, alignment);
    if (entry == NULL)
        entry = find_or_grow(pages, alignment);
    if (entry == NULL)
        return NULL;
    return take(entry, pages_before(entry, alignment), pages, state, zeroes);
}

/* ---- large blocks */

void *run_get(size_t pages, size_t alignment, bool *zeroes)
{
    return get_run(pages, alignment, RUN_LARGE, zeroes);
}

void run_free(void *run)
{
    struct page_entry *entry = entry_of(run);
    entry->state = NOTHING_HERE;
    give(run, entry->length);
}

size_t run_pages(const void *run)
{
    const struct page_entry *entry = entry_of(run);
    return entry != NULL && entry->state == RUN_LARGE ? entry->length : 0;
}

/* From the page in which ptr lies down to the first with an entry that says something. */
enum run_state run_around(const void *ptr)
{
    const char *page = BASEADDR(ptr);
    const struct page_entry *entry = entry_of(page);
    while (entry != NULL && entry->state == NOTHING_HERE) {
        page -= PAGESIZE;
        entry = entry_of(page);
    }
    if (entry == NULL)
        return NOTHING_HERE;
    const char *start = entry->state == RUN_FREE ? entry->start : page;
    bool is_inside =
        (size_t)((const char *)ptr - start) < entry->length * (size_t)PAGESIZE;
    return is_inside ? (enum run_state)entry->state : NOTHING_HERE;
}

bool run_tells(const void *ptr, enum kma_free_result *what)
{
    bool begins_page = (uintptr_t)ptr % PAGESIZE == 0;
    switch (run_around(ptr)) {
    case RUN_OF_ALGORITHM:
        return FALSE;
    case RUN_LARGE:
        *what = begins_page && run_pages(ptr) > 0 ? KMA_FREED : KMA_FREE_INSIDE;
        break;
    case RUN_FREE: /* where a large block may have been */
        *what = begins_page ? KMA_FREE_TWICE : KMA_FREE_UNKNOWN;
        break;
    case NOTHING_HERE:
        *what = ptr == NULL ? KMA_FREE_NULL : KMA_FREE_UNKNOWN;
        break;
    }
    return TRUE;
}

/* The free run behind the held one, when it is long enough or can be made so. */
static struct page_entry *room_behind(char *end, size_t pages)
{
    struct page_entry *after = entry_of(end);
    size_t has = after != NULL && after->state == RUN_FREE ? after->length : 0;
    if (has < pages && host.source->end() == end + has * PAGESIZE)
        grow(pages - has);
    after = entry_of(end);
    return after != NULL && after->state == RUN_FREE && after->length >= pages ? after
                                                                               : NULL;
}

bool run_resize(void *run, size_t pages)
{
    struct page_entry *entry = entry_of(run);
    size_t length = entry->length;
    char *end = (char *)run + length * PAGESIZE;
    if (pages < length) {
        entry->length = (uint32_t)pages;
        give((char *)run + pages * PAGESIZE, length - pages);
    } else if (pages > length) {
        if (pages > (uint64_t)1 << (LENGTH_BITS - 1))
            return FALSE;
        struct page_entry *after = room_behind(end, pages - length);
        if (after == NULL)
            return FALSE;
        bool zeroes;
        take(after, 0, pages - length, NOTHING_HERE, &zeroes);
        entry->length = (uint32_t)pages;
    }
    return TRUE;
}

/* ---- kma_page.h */

kma_page_t *get_pages(int order)
{
    if (order < 0 || order > MAX_PAGE_ORDER)
        return NULL;
    bool zeroes;
    size_t pages = (size_t)1 << order;
    char *start = get_run(pages, pages, RUN_OF_ALGORITHM, &zeroes);
    if (start == NULL)
        return NULL;
    count_pages(&host.stats.num_requested, 1 << order);
    count_pages(&host.stats.num_in_use, 1 << order);
    kma_page_t *page = &entry_of(start)->page;
    *page =
        (kma_page_t){(int)(number_of_page(start) & INT_MAX), start, PAGESIZE << order};
    return page;
}

kma_page_t *get_page(void)
{
    return get_pages(0);
}

void free_pages(kma_page_t *pages)
{
    char *start = pages->ptr;
    struct page_entry *entry = entry_of(start);
    if (entry == NULL || entry->state != RUN_OF_ALGORITHM || &entry->page != pages)
        error("free_pages:", "this run is not held by the algorithm");
    entry->state = NOTHING_HERE;
    count_freed(&host.stats, (int)entry->length);
    give(start, entry->length);
}

void free_page(kma_page_t *page)
{
    free_pages(page);
}

kma_page_stat_t *page_stats(void)
{
    return &host.stats;
}

size_t pages_held(void)
{
    return host.held;
}

/* ---- audit */

static int audit_run(struct page_entry *entry, unsigned bin, size_t *touched)
{
    char *start = entry->start;
    size_t pages = entry->length;
    const struct page_entry *last = last_entry(start, pages);
    const struct page_entry *before = entry_of(start - 1);
    const struct page_entry *after = entry_of(start + pages * PAGESIZE);
    int broken = bin_of(pages) != bin;                              /* P1 */
    broken += entry->state != RUN_FREE || entry_of(start) != entry; /* P2 */
    broken += last->state != RUN_FREE || last->length != pages;     /* P2 */
    broken += before != NULL && before->state == RUN_FREE;          /* P3 */
    broken += after != NULL && after->state == RUN_FREE;            /* P3 */
    for (size_t done = 0; done < pages;) {
        uint64_t *word, bits;
        done += bits_at(start + done * PAGESIZE, pages - done, &word, &bits);
        *touched += (size_t)__builtin_popcountll(*word & bits);
    }
    return broken;
}

int pages_audit(void)
{
    int broken = 0;
    size_t touched = 0;
    for (unsigned bin = 0; bin < BINS; bin++) {
        bool nonempty = (host.nonempty[bin / 64] >> bin % 64 & 1) != 0;
        broken += nonempty != (host.bin[bin] != NULL); /* P1 */
        for (struct page_entry *entry = host.bin[bin]; entry; entry = entry->next)
            broken += audit_run(entry, bin, &touched);
    }
    return broken + (touched != host.free_touched); /* P4 */
}
