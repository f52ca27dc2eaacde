/* kma_tlsf.c - two-level segregated fit: malloc and free in bounded time.
 *
 * Source: M. Masmano, I. Ripoll, A. Crespo and J. Real, "TLSF: a New Dynamic Memory
 * Allocator for Real-Time Systems", ECRTS 2004.
 *
 * Free blocks are on lists by size. First levels are powers of two, and each is divided
 * into 2^SLI second ones, equally wide: a list each. One bitmap for each first level
 * says which of its lists have a block, and one more which first levels have such a
 * list, so two bit searches find the next nonempty list of blocks that are large
 * enough: good fit. A freed block is joined with its free neighbours at once.
 *
 * Sizes are in granules of two words. kma_free is told the size, so a block in use is
 * its granules and no header. What the paper's headers say of the neighbours is in a
 * bitmap of edges at the start of each page: the bit of a granule is set when either it
 * or the one before it is free, not both. A block in use sees at the edges of its own
 * two ends whether there is something to join, and these two are what changes when it
 * is taken and when it is freed, whatever lies around it.
 *
 *     page   | edges | free    |////////| free |////|////| free        |////| page |
 *     edges           1         1        1      1         1             1
 *     free block     |next|link|size| ... |size|         of one granule: |next|link|
 *
 *     first_level      0 0 0 1 0 1 0       head[LISTS], by first and second level:
 *                            |   '---> second_level[1]  0 1 0 0 ... -> block -> block
 *                            '-------> second_level[3]  0 0 0 1 ... -> block
 *
 * All this is at the start of the first page, behind its edges; blocks get the rest. A
 * page goes back when its last block does, the first one when no request is live.
 *
 * Invariants (kma_audit):
 *   T1  a bit in a second-level bitmap is set exactly while its list has a block, one
 *       of the first level exactly while its second-level bitmap has a bit;
 *   T2  a block on a list is of a size that belongs there, its last word says so too,
 *       and its link is the pointer that leads to it;
 *   T3  it lies among the granules for blocks of its page, and the page's last word is
 *       its descriptor's address;
 *   T4  the edges set in a page are the beginnings and ends of its blocks on lists; so
 *       no two of these touch: the edge between them would be clear;
 *   T5  no page but the first is wholly free;
 *   T6  requests are live, at least one for each other page with a free block.
 *
 * Cost: nothing is walked. A call takes at most 180 instructions, a request that finds
 * no page held 440, as it clears the heads; those of the page source aside (gcc 12 -O3
 * for x86-64, 8 KB pages).
 *
 * Departures, and choices by penalty on 5.trace, with the time relative to glibc's:
 * - No block leaves its page, as pages need not be neighbours. A request that leaves no
 *   room for the edges has a page to itself.
 * - The paper rounds a request up to the next list, unless all of its own list fits;
 *   here the first block there is looked at. If not: 0.333; on vim.ktr 0.49, not 0.11.
 * - A free block comes first on its list, or second behind one of a lower address, to
 *   let higher pages drain: 0.327. Always first: 0.381; always last: 0.353.
 * - SLI 4: 0.305, time 0.54; 5: 0.321, 0.50; 6, as 64-bit words have it: 0.327, 0.48.
 * - A request gets the end of a block (its start: 0.325), so that the rest stays put.
 * - The state shares the first page: 0.44 on git.ktr; 0.62 when it has its own. */
#ifdef KMA_TLSF

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_bits.h"
#include "kma_count.h"

enum {
    GRANULE = 2 * sizeof(void *), /* bytes; all sizes below are in granules */
    PAGE_GRANULES = PAGESIZE / GRANULE,
    WORD_BITS = 8 * sizeof(uintptr_t),
    EDGE_WORDS = PAGE_GRANULES / WORD_BITS,
    PAGE_FIRST = EDGE_WORDS * sizeof(uintptr_t) / GRANULE, /* granule for blocks */
    ALIGNMENT = 16, /* bytes; of all blocks, as long as all are multiples of it */
    PAGE_END =
        PAGE_GRANULES - ALIGNMENT / GRANULE, /* behind, the descriptor's address */
    PAGE_BLOCK = PAGE_END - PAGE_FIRST,      /* the largest block */
    LARGEST = PAGE_BLOCK * GRANULE, /* bytes; a larger request takes a page alone */
    MAX_REQUEST = PAGESIZE - sizeof(void *)
};

/* The second-level index, SLI in the paper, makes a second-level bitmap a word. */
enum {
    SLI = LOG2_FLOOR(WORD_BITS),
    SECOND_LISTS = 1 << SLI,
    FIRST_LEVELS = LOG2_FLOOR(PAGE_GRANULES) - SLI + 1,
    LISTS = FIRST_LEVELS << SLI,
    EXACT_LISTS = 2 << SLI /* list n is of size n alone, if n is less than this */
};

struct free_block {
    struct free_block *next;  /* on the list, or NULL */
    struct free_block **link; /* the head or next that leads here */
    size_t size;              /* also in the last word; neither in a single granule */
};

/* The state, at the start of the first page. */
struct allocator {
    uintptr_t edges[EDGE_WORDS]; /* as in every page */
    int requests;                /* live */
    unsigned first_level;        /* bit k: second_level[k] has a bit */
    uintptr_t second_level[FIRST_LEVELS];
    struct free_block *head[LISTS];
    struct free_block none; /* its link is written where there is no next block */
};

enum {
    ROOT_FIRST = (sizeof(struct allocator) + GRANULE - 1) / GRANULE,
    ROOT_BLOCK = PAGE_END - ROOT_FIRST
};

static_assert(sizeof(size_t) == sizeof(void *), "a size is a word");
static_assert(offsetof(struct free_block, size) == GRANULE,
              "a granule holds the links");
static_assert(EDGE_WORDS * WORD_BITS == PAGE_GRANULES, "a bit for each granule");
static_assert(
    PAGE_BLOCK < PAGE_GRANULES - (PAGE_GRANULES >> (SLI + 1)),
    "the last list is for sizes that the edges leave no room for: each block's "
    "list has one above it");
static_assert(sizeof(struct allocator) < MAX_REQUEST,
              "the state leaves room for blocks");

static kma_page_t *root;

static inline size_t granules_of(kma_size_t bytes)
{
    return ((unsigned)bytes + GRANULE - 1) / GRANULE;
}

static inline size_t granule_at(const void *ptr)
{
    return ((uintptr_t)ptr & (PAGESIZE - 1)) / GRANULE;
}

static inline void *granules_behind(void *ptr, size_t granules)
{
    return (char *)ptr + granules * GRANULE;
}

/* The last word of a page. */
static inline kma_page_t **descriptor(const void *page)
{
    return (kma_page_t **)((uintptr_t)page + MAX_REQUEST);
}

static inline bool edge(const uintptr_t *edges, size_t granule)
{
    return edges[granule / WORD_BITS] >> (granule % WORD_BITS) & 1;
}

/* Turns an edge over and says what it was. */
static inline bool turn_edge(uintptr_t *edges, size_t granule)
{
    uintptr_t *word = &edges[granule / WORD_BITS], before = *word;
    *word = before ^ (uintptr_t)1 << (granule % WORD_BITS);
    return before >> (granule % WORD_BITS) & 1;
}

static inline void turn_edges(void *block, size_t size)
{
    size_t granule = granule_at(block);
    turn_edge(BASEADDR(block), granule);
    turn_edge(BASEADDR(block), granule + size);
}

/* mapping_insert in the paper: the list for blocks of this size. The first level is
 * list >> SLI, the second list % SECOND_LISTS; sizes below SECOND_LISTS are level 0. */
static inline size_t list_of(size_t size)
{
    unsigned shift = (unsigned)LOG2_FLOOR(size | SECOND_LISTS) - SLI;
    return ((size_t)shift << SLI) + (size >> shift);
}

static inline void set_link(struct allocator *self, struct free_block *block,
                            struct free_block **link)
{
    struct free_block *linked = block != NULL ? block : &self->none;
    linked->link = link;
}

/* Where a list takes a block in: as its first, or as its second if the first one has
 * the lower address. Which it is nobody can foresee, so there is no branch. */
static inline struct free_block **place_on(struct free_block **head,
                                           const struct free_block *block)
{
    uintptr_t first = (uintptr_t)*head; /* if NULL, first - 1 is above all blocks */
    uintptr_t second = -(uintptr_t)((uintptr_t)block > first - 1);
    uintptr_t next = first + offsetof(struct free_block, next);
    return (void *)((uintptr_t)head ^ (((uintptr_t)head ^ next) & second));
}

static inline void add_free(struct allocator *self, struct free_block *block,
                            size_t size)
{
    size_t list = list_of(size), *words = (size_t *)(void *)block;
    struct free_block **link = place_on(&self->head[list], block), *next = *link;
    self->second_level[list >> SLI] |= (uintptr_t)1 << (list % SECOND_LISTS);
    self->first_level |= 1u << (list >> SLI);
    words[1 + (size > 1)] = size; /* the links of a single granule overwrite it */
    words[2 * size - 1] = size;
    block->next = next;
    set_link(self, next, &block->next);
    *link = block;
    block->link = link;
}

static inline void remove_free(struct allocator *self, struct free_block *block,
                               size_t list)
{
    struct free_block *next = block->next, **link = block->link;
    *link = next;
    set_link(self, next, link);
    if (next == NULL && link == &self->head[list]) {
        uintptr_t *lists = &self->second_level[list >> SLI];
        *lists &= ~((uintptr_t)1 << (list % SECOND_LISTS));
        if (*lists == 0)
            self->first_level &= ~(1u << (list >> SLI));
    }
}

/* For what is to be split: four in ten of these lists are then empty (5.trace), which
 * cannot be foreseen either. */
static inline struct free_block *remove_first(struct allocator *self, size_t list)
{
    struct free_block *block = self->head[list], *next = block->next;
    uintptr_t *lists = &self->second_level[list >> SLI];
    self->head[list] = next;
    set_link(self, next, &self->head[list]);
    *lists &= ~((uintptr_t)(next == NULL) << (list % SECOND_LISTS));
    self->first_level &= ~((unsigned)(*lists == 0) << (list >> SLI));
    return block;
}

/* The list whose first block serves: that of the size itself if its first block is
 * large enough, or the next nonempty one. LISTS if there is none. */
static inline size_t list_that_fits(const struct allocator *self, size_t size)
{
    size_t list = list_of(size);
    const struct free_block *first = self->head[list];
    if (size >= EXACT_LISTS && first != NULL && first->size >= size)
        return list;
    size_t level = ++list >> SLI;
    uintptr_t lists = self->second_level[level];
    lists &= ~(uintptr_t)0 << (list % SECOND_LISTS);
    if (lists == 0) {
        unsigned levels = self->first_level & ~1u << level;
        if (levels == 0)
            return LISTS;
        level = (size_t)__builtin_ctz(levels);
        lists = self->second_level[level];
    }
    return (level << SLI) + (size_t)__builtin_ctzl(lists);
}

/* A block of `size` at the end of a page that has none yet; what lies before it, from
 * granule `first` on, is free. */
static void *cut_from_page(struct allocator *self, void *page, size_t first,
                           size_t size)
{
    void *rest = granules_behind(page, first);
    size_t rest_size = PAGE_END - first - size;
    if (rest_size > 0) {
        COUNT(SPLIT);
        turn_edges(rest, rest_size);
        add_free(self, rest, rest_size);
    }
    return granules_behind(rest, rest_size);
}

static bool open_allocator(void)
{
    root = get_page();
    if (root == NULL)
        return FALSE;
    memset(root->ptr, 0, sizeof(struct allocator));
    *descriptor(root->ptr) = root;
    return TRUE;
}

static void close_allocator(void)
{
    free_page(root);
    root = NULL;
}

/* The pages are got before anything else is changed. */
static __attribute__((noinline)) void *malloc_from_new_page(size_t size)
{
    bool opened = root == NULL;
    if (opened && !open_allocator())
        return NULL;
    struct allocator *self = root->ptr;
    if (opened && size <= ROOT_BLOCK) {
        self->requests = 1;
        return cut_from_page(self, self, ROOT_FIRST, size);
    }
    kma_page_t *page = get_page();
    if (page == NULL) {
        if (opened)
            close_allocator();
        return NULL;
    }
    if (opened)
        cut_from_page(self, self, ROOT_FIRST, 0);
    self->requests++;
    *descriptor(page->ptr) = page;
    if (size > PAGE_BLOCK)
        return page->ptr;
    memset(page->ptr, 0, sizeof self->edges);
    return cut_from_page(self, page->ptr, PAGE_FIRST, size);
}

void *kma_malloc(kma_size_t bytes)
{
    if (bytes <= 0 || bytes > (kma_size_t)MAX_REQUEST)
        return NULL;
    size_t size = granules_of(bytes);
    if (root == NULL || size > PAGE_BLOCK)
        return malloc_from_new_page(size);
    struct allocator *self = root->ptr;
    if (size < EXACT_LISTS && self->head[size] != NULL) { /* the size itself: 7 in 10 */
        struct free_block *block = self->head[size];
        remove_free(self, block, size);
        turn_edges(block, size);
        self->requests++;
        return block;
    }
    size_t list = list_that_fits(self, size);
    if (list == LISTS)
        return malloc_from_new_page(size);
    struct free_block *block = remove_first(self, list);
    size_t rest = block->size - size;
    void *end = granules_behind(block, rest);
    turn_edges(end, size);
    if (rest > 0) {
        COUNT(SPLIT);
        add_free(self, block, rest);
    }
    self->requests++;
    return end;
}

static __attribute__((noinline)) void give_page(void *block)
{
    free_page(*descriptor(BASEADDR(block)));
}

void kma_free(void *ptr, kma_size_t bytes)
{
    struct allocator *self = root->ptr;
    uintptr_t *edges = BASEADDR(ptr);
    size_t size = granules_of(bytes), granule = granule_at(ptr);
    if (bytes <= LARGEST) {
        if (turn_edge(edges, granule + size)) {
            struct free_block *behind = granules_behind(ptr, size);
            size_t joined = edge(edges, granule + size + 1) ? 1 : behind->size;
            COUNT(JOIN);
            remove_free(self, behind, list_of(joined));
            size += joined;
        }
        if (turn_edge(edges, granule)) {
            size_t joined = edge(edges, granule - 1) ? 1 : ((size_t *)ptr)[-1];
            COUNT(JOIN);
            ptr = (char *)ptr - joined * GRANULE;
            remove_free(self, ptr, list_of(joined));
            size += joined;
        }
    }
    if (size < PAGE_BLOCK)
        add_free(self, ptr, size);
    else
        give_page(ptr);
    if (--self->requests == 0)
        close_allocator();
}

kma_size_t kma_block_size(kma_size_t bytes)
{
    return bytes > LARGEST ? PAGESIZE : (kma_size_t)(granules_of(bytes) * GRANULE);
}

/* What an audit has met on the lists. */
struct totals {
    size_t blocks;
    size_t edges;      /* in the pages of these blocks */
    int further_pages; /* all of these pages but the first */
};

/* The first edge of a page from a granule on; PAGE_GRANULES if there is none. */
static size_t next_edge(const uintptr_t *edges, size_t granule)
{
    while (granule < PAGE_GRANULES && !edge(edges, granule))
        granule++;
    return granule;
}

static int audit_block(const struct allocator *self, const struct free_block *block,
                       size_t list, struct totals *totals)
{
    const uintptr_t *edges = BASEADDR(block);
    bool in_first_page = edges == self->edges;
    size_t granule = granule_at(block), size = list == 1 ? 1 : block->size;
    if (granule < (in_first_page ? ROOT_FIRST : PAGE_FIRST) || size == 0 ||
        size > PAGE_END - granule)
        return 1; /* T3 */
    const size_t *words = (const size_t *)(const void *)block;
    int broken = list_of(size) != list || (size > 1 && words[2 * size - 1] != size);
    broken += (*descriptor(edges))->ptr != edges; /* T3 */
    broken += next_edge(edges, granule) != granule ||
              next_edge(edges, granule + 1) != granule + size; /* T4 */
    broken += size == PAGE_BLOCK;                              /* T5 */
    totals->blocks++;
    if (next_edge(edges, 0) == granule) {
        totals->further_pages += !in_first_page;
        for (size_t at = granule; at < PAGE_GRANULES; at = next_edge(edges, at + 1))
            totals->edges++;
    }
    return broken;
}

static int audit_list(const struct allocator *self, size_t list, struct totals *totals)
{
    struct free_block *const *link = &self->head[list];
    uintptr_t bit = self->second_level[list >> SLI] >> (list % SECOND_LISTS) & 1;
    int broken = bit != (*link != NULL); /* T1 */
    for (; *link != NULL; link = &(*link)->next) {
        if ((*link)->link != link)
            return broken + 1; /* T2 */
        broken += audit_block(self, *link, list, totals);
    }
    return broken;
}

int kma_audit(void)
{
    if (root == NULL)
        return 0;
    const struct allocator *self = root->ptr;
    struct totals totals = {0, 0, 0};
    int broken = 0;
    for (size_t list = 0; list < LISTS; list++)
        broken += audit_list(self, list, &totals);
    for (size_t level = 0; level < FIRST_LEVELS; level++) {
        unsigned bit = self->first_level >> level & 1;
        broken += bit != (self->second_level[level] != 0); /* T1 */
    }
    broken += totals.edges != 2 * totals.blocks;                            /* T4 */
    broken += self->requests == 0 || self->requests < totals.further_pages; /* T6 */
    return broken;
}

#endif
