/* kma_rm.c - the resource map: first fit (-DKMA_RM), best fit (-DKMA_RM_BEST) and worst
 * fit (-DKMA_RM_WORST) over one ordered map of the free extents.
 *
 * Free memory is a set of extents <base, size>. A request is cut from the end of the
 * first extent in address order that is large enough, or of the smallest such extent,
 * or of the largest of all (the lowest address decides between equals). The size of a
 * freed block comes from the caller; the block is coalesced with the extents on both
 * sides, so that no two extents ever touch. An extent never leaves its page, and a
 * page is given back the moment one extent would fill it.
 *
 * Source: Vahalia, UNIX Internals (1996), 12.3, which keeps the map as an array, and
 * Knuth, TAOCP 1, 2.5, algorithms A and B, which keep a list: both walk it. Here the
 * extents are the entries of a B+-tree, whose inner entries know the largest extent
 * below them: first fit follows the leftmost entry that is large enough, worst fit the
 * leftmost that is largest. Best fit keeps a second tree of the same extents, ordered
 * by <size, base>; there the same descent ends at the tightest extent.
 *
 *   data page       | block | extent | block | block | extent      |kma_page_t *|
 *                   0    the block nearest the end was cut first     MAX_REQUEST
 *
 *   control page    | map_t (in the first one) | node | node | node | node |  ... |
 *
 * kma_extent_tree.h is the theory of the nodes. The only variable is the descriptor of
 * the first control page. Cutting a block from an extent's end changes only its size,
 * as does merging a block behind it: both happen in place.
 *
 * Invariants, as kma_audit numbers them:
 *   1  extents ascend in the order of their tree; unused entries are blank
 *   2  an inner entry holds its child's last base and largest size; levels descend by 1
 *   3  a node is at least half full, or it is a root: a leaf, or of two children or more
 *   4  an extent is whole grains, less than a page, and inside the grains of its page
 *   5  no two extents touch or overlap
 *   6  both trees of best fit hold the same extents
 *   7  every node is in a tree or free; no control page but the first is unused
 *   8  a parked extent is as 4 says and touches no extent of the map
 *   9  the last word of a data page leads to its descriptor
 *
 * Pages may run out. kma_malloc then returns NULL: it asks for pages before it changes
 * the map, and gives back what it got. kma_free must not fail, so an extent that needs
 * a node when none can be had is parked: it holds its own list link (tagged in bit 0
 * when it is a single grain, which has no room for a size), and each later call that
 * succeeds tries again until no parked extent makes progress. The last free recovers
 * everything even if no page can ever be had. For then all memory is extents, in the
 * map or parked, and as long as one is parked, one makes progress: if the map is not
 * empty, an extent in it fills no page, so a parked one touches it and takes it over,
 * in place or, where best fit lacks a node for the new size, out of the map and along
 * into the list, which makes one extent of two. If the map is empty, its root leaves,
 * which always exist, have room. No step splits an extent, so this ends, with all pages
 * whole.
 *
 * Cost: malloc and free descend one path, O(log extents) nodes of constant size, and
 * mostly change one leaf; a split, a merge or a new maximum goes up that path, at worst
 * to the root. Best fit does this in both trees. Only parked extents are ever walked.
 *
 * Departures: the ordered map above instead of an array or list; extents within pages,
 * as pages need not be neighbours; the descriptor at the end of the page, where it
 * costs no alignment. The 8 bytes left over before it (12 with 4-byte words) are in no
 * extent, so that extents end, and blocks of 16 bytes and multiples of it begin, at such
 * multiples: only a request that takes the whole page uses them. */
#if defined(KMA_RM) || defined(KMA_RM_BEST) || defined(KMA_RM_WORST)

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_count.h"
#include "kma_extent_tree.h"

#define MAX_REQUEST (PAGESIZE - (int)sizeof(void *)) /* bytes before the last word */
#define GRAIN 8                                      /* bytes */
#define ALIGNMENT 16 /* of blocks, while all are multiples of it */
#define PAGE_GRAINS (MAX_REQUEST / ALIGNMENT * (ALIGNMENT / GRAIN))

/* The trees that are kept; the last one is searched for a fit. */
#ifdef KMA_RM_BEST
#define ORDERS (BY_SIZE + 1)
#else
#define ORDERS (BY_ADDRESS + 1)
#endif

/* The state of the allocator, at the start of the first control page. */
typedef struct {
    trees_t trees;
    int data_pages;   /* pages with a block in them */
    uintptr_t parked; /* link to the first parked extent, or 0 */
} map_t;

/* Where a free block belongs: the path leads to the first extent behind it. */
typedef struct {
    path_t path;
    node_t *left_leaf; /* leaf and entry of the last extent before it, or NULL */
    int left_at;
    int left, right; /* sizes of the extents that touch it, or 0 */
} place_t;

static_assert(PAGE_GRAINS <= INT16_MAX, "the size of an extent fits an int16_t");
static_assert(PAGE_GRAINS * GRAIN + (int)sizeof(void *) <= PAGESIZE, "the word fits");
static_assert(sizeof(uintptr_t) <= GRAIN, "a grain holds a link");
static_assert(sizeof(map_t) <= CONTROL_BYTES, "the state fits before the nodes");

static kma_page_t *map_page;

static inline int grains_of(kma_size_t size)
{
    int grains = (size + GRAIN - 1) / GRAIN;
    return grains < PAGE_GRAINS ? grains : PAGE_GRAINS;
}

static inline uintptr_t bytes(int grains)
{
    return (uintptr_t)grains * GRAIN;
}

static inline kma_page_t **page_word(void *page)
{
    return (kma_page_t **)((char *)page + MAX_REQUEST);
}

/* The tree by size, which only best fit has. */
static inline int size_tree_add(map_t *map, uintptr_t base, int size)
{
#ifdef KMA_RM_BEST
    path_t path;
    find(&map->trees, BY_SIZE, &path, base, size);
    if (!reserve_nodes(&map->trees, nodes_to_insert(&path)))
        return FALSE;
    insert(&map->trees, BY_SIZE, &path, base, size);
    return TRUE;
#else
    (void)map, (void)base, (void)size;
    return TRUE;
#endif
}

static inline void size_tree_drop(map_t *map, uintptr_t base, int size)
{
#ifdef KMA_RM_BEST
    path_t path;
    if (size == 0)
        return;
    find(&map->trees, BY_SIZE, &path, base, size);
    take_out(&map->trees, BY_SIZE, &path, size);
#else
    (void)map, (void)base, (void)size;
#endif
}

/* Enters an extent that touches no other, or changes nothing for want of a node. The
 * path leads to its place by address. */
static int enter(map_t *map, path_t *path, uintptr_t base, int size)
{
    int needed = nodes_to_insert(path);
#ifdef KMA_RM_BEST
    path_t by_size;
    find(&map->trees, BY_SIZE, &by_size, base, size);
    needed += nodes_to_insert(&by_size);
#endif
    if (!reserve_nodes(&map->trees, needed))
        return FALSE;
    insert(&map->trees, BY_ADDRESS, path, base, size);
#ifdef KMA_RM_BEST
    insert(&map->trees, BY_SIZE, &by_size, base, size);
#endif
    return TRUE;
}

/* Takes an extent, if it has a size, out of the map. */
static void leave(map_t *map, uintptr_t base, int size)
{
    path_t path;
    if (size == 0)
        return;
    size_tree_drop(map, base, size);
    find(&map->trees, BY_ADDRESS, &path, base, size);
    take_out(&map->trees, BY_ADDRESS, &path, size);
}

static inline void find_place(const map_t *map, place_t *place, uintptr_t base,
                              int size)
{
    find(&map->trees, BY_ADDRESS, &place->path, base, 0);
    const node_t *leaf = place->path.node[0];
    int at = place->path.at[0];
    place->left = place->right = 0;
    place->left_leaf = at > 0 ? place->path.node[0] : previous_leaf(&place->path);
    if (place->left_leaf != NULL) {
        const node_t *left = place->left_leaf;
        int left_at = at > 0 ? at - 1 : left->count - 1;
        place->left_at = left_at;
        if (left->base[left_at] + bytes(left->size[left_at]) == base)
            place->left = left->size[left_at];
    }
    if (at < leaf->count && leaf->base[at] == base + bytes(size))
        place->right = leaf->size[at];
}

/* One extent of the block and those that touch it, in place: it needs no node. */
static void coalesce(map_t *map, place_t *place, uintptr_t base, int size)
{
    path_t *path = &place->path;
    int total = place->left + size + place->right;
    if (place->left == 0) {
        set_entry(path->node[0], path->at[0], base, total);
        refresh_grown(path, total);
        return;
    }
    int other_leaf = place->left_leaf != path->node[0];
    place->left_leaf->size[place->left_at] = (int16_t)total;
    if (!other_leaf)
        refresh_grown(path, total);
    if (place->right > 0)
        take_out(&map->trees, BY_ADDRESS, path, place->right);
    if (other_leaf) {
        find(&map->trees, BY_ADDRESS, path, base - bytes(place->left), total);
        refresh_grown(path, total);
    }
}

/* A list of extents, each holding the link to the next one and, if there is room, its
 * size. Bit 0 of a link says that the extent it leads to is a single grain. */
static void park(map_t *map, uintptr_t base, int size)
{
    uintptr_t *word = (uintptr_t *)base;
    word[0] = map->parked;
    if (size > 1)
        word[1] = (uintptr_t)size;
    map->parked = base | (size == 1);
}

static uintptr_t parked_extent(uintptr_t link, uintptr_t *base, int *size)
{
    const uintptr_t *word = (const uintptr_t *)(link & ~(uintptr_t)1);
    *base = (uintptr_t)word;
    *size = (link & 1) != 0 ? 1 : (int)word[1];
    return word[0];
}

/* Frees a block. FALSE when all it could do is park it. */
static inline int add_extent(map_t *map, uintptr_t base, int size)
{
    place_t place;
    find_place(map, &place, base, size);
    int left = place.left, right = place.right, total = left + size + right;
    uintptr_t left_base = base - bytes(left), right_base = base + bytes(size);
    if (left > 0)
        COUNT(JOIN);
    if (right > 0)
        COUNT(JOIN);
    if (total == PAGE_GRAINS) {
        leave(map, left_base, left);
        leave(map, right_base, right);
        map->data_pages--;
        free_page(*page_word(BASEADDR(base)));
    } else if (total == size) {
        if (!enter(map, &place.path, base, size)) {
            park(map, base, size);
            return FALSE;
        }
    } else if (size_tree_add(map, left_base, total)) {
        size_tree_drop(map, left_base, left);
        size_tree_drop(map, right_base, right);
        coalesce(map, &place, base, size);
    } else {
        leave(map, left_base, left);
        leave(map, right_base, right);
        park(map, left_base, total);
    }
    return TRUE;
}

static void retry_parked(map_t *map)
{
    for (int progress = TRUE; progress && map->parked != 0;) {
        uintptr_t link = map->parked, base;
        int size;
        map->parked = 0;
        progress = FALSE;
        while (link != 0) {
            link = parked_extent(link, &base, &size);
            progress |= add_extent(map, base, size);
        }
    }
}

static int map_open(void)
{
    map_page = get_page();
    if (map_page == NULL)
        return FALSE;
    map_t *map = map_page->ptr;
    memset(map, 0, sizeof *map);
    control_page_add(&map->trees, map_page);
    for (int order = 0; order < ORDERS; order++)
        map->trees.tree[order] = take_node(&map->trees, 0);
    return TRUE;
}

static void map_close(map_t *map)
{
    for (int order = 0; order < ORDERS; order++)
        give_node(&map->trees, map->trees.tree[order]);
    free_page(map_page);
    map_page = NULL;
}

static inline int fits(const map_t *map, path_t *path, int need)
{
#ifdef KMA_RM_WORST
    int most = largest(map->trees.tree[BY_ADDRESS]);
    need = most > need ? most : need;
#endif
    return find_fit(&map->trees, ORDERS - 1, path, need);
}

/* Cuts a block from the end of the extent that fits found. */
static inline void *cut_extent(map_t *map, path_t *path, int need)
{
    int size = path->node[0]->size[path->at[0]], rest = size - need;
    uintptr_t base = path->node[0]->base[path->at[0]];
    if (ORDERS > 1) {
        if (rest > 0 && !size_tree_add(map, base, rest))
            return NULL;
        size_tree_drop(map, base, size);
        find(&map->trees, BY_ADDRESS, path, base, size);
    }
    if (rest == 0) {
        take_out(&map->trees, BY_ADDRESS, path, size);
    } else {
        COUNT(SPLIT);
        path->node[0]->size[path->at[0]] = (int16_t)rest;
        refresh_shrunk(path, size);
    }
    return (void *)(base + bytes(rest));
}

static void *cut_new_page(map_t *map, int need)
{
    path_t path;
    int rest = PAGE_GRAINS - need;
    kma_page_t *page = get_page();
    if (page == NULL)
        return NULL;
    uintptr_t base = (uintptr_t)page->ptr;
    find(&map->trees, BY_ADDRESS, &path, base, rest);
    if (rest > 0 && !enter(map, &path, base, rest)) {
        free_page(page);
        return NULL;
    }
    if (rest > 0)
        COUNT(SPLIT);
    *page_word(page->ptr) = page;
    map->data_pages++;
    return (void *)(base + bytes(rest));
}

void *kma_malloc(kma_size_t size)
{
    if (size <= 0 || size > MAX_REQUEST || (map_page == NULL && !map_open()))
        return NULL;
    map_t *map = map_page->ptr;
    int need = grains_of(size);
    path_t path;
    void *block =
        fits(map, &path, need) ? cut_extent(map, &path, need) : cut_new_page(map, need);
    if (block != NULL && map->parked != 0)
        retry_parked(map);
    if (map->data_pages == 0)
        map_close(map);
    return block;
}

void kma_free(void *ptr, kma_size_t size)
{
    map_t *map = map_page->ptr;
    add_extent(map, (uintptr_t)ptr, grains_of(size));
    if (map->parked != 0)
        retry_parked(map);
    if (map->data_pages == 0)
        map_close(map);
}

kma_size_t kma_block_size(kma_size_t size)
{
    if (size <= 0 || size > MAX_REQUEST)
        return 0;
    int grains = grains_of(size);
    return grains < PAGE_GRAINS ? grains * GRAIN : PAGESIZE;
}

typedef struct {
    const map_t *map;
    unsigned broken; /* bit n: invariant n */
    int order;
    int nodes;      /* seen in all trees */
    int extents;    /* seen in this tree */
    uintptr_t base; /* the last of them */
    int size;
} audit_t;

static void check(audit_t *audit, int invariant, int holds)
{
    audit->broken |= (unsigned)!holds << invariant;
}

static int inside_page(uintptr_t base, int size)
{
    uintptr_t offset = base & (PAGESIZE - 1);
    return offset % GRAIN == 0 && size > 0 && size < PAGE_GRAINS &&
           offset + bytes(size) <= bytes(PAGE_GRAINS);
}

static void audit_extent(audit_t *audit, uintptr_t base, int size)
{
    path_t path;
    int first = audit->extents++ == 0, higher = base > audit->base;
    check(audit, 4, inside_page(base, size));
    if (audit->order == BY_ADDRESS) {
        check(audit, 1, first || higher);
        check(audit, 5, first || base > audit->base + bytes(audit->size));
        check(audit, 9, (*page_word(BASEADDR(base)))->ptr == BASEADDR(base));
    } else {
        check(audit, 1, first || size > audit->size || (size == audit->size && higher));
        find(&audit->map->trees, BY_ADDRESS, &path, base, size);
        const node_t *leaf = path.node[0];
        int at = path.at[0];
        check(audit, 6,
              at < leaf->count && leaf->base[at] == base && leaf->size[at] == size);
    }
    audit->base = base;
    audit->size = size;
}

static void audit_node(audit_t *audit, const node_t *node, int is_root)
{
    int least = !is_root ? capacity(node) / 2 : node->level > 0 ? 2 : 0;
    int sound = node->count >= least && node->count <= capacity(node);
    audit->nodes++;
    check(audit, 3, sound);
    if (!sound)
        return;
    for (int at = node->count; at < capacity(node); at++)
        check(audit, 1, node->base[at] == NO_BASE && node->size[at] == 0);
    for (int at = 0; at < node->count; at++) {
        if (node->level == 0) {
            audit_extent(audit, node->base[at], node->size[at]);
            continue;
        }
        const node_t *child = node->child[at];
        check(audit, 2, child->level == node->level - 1);
        if (child->level != node->level - 1)
            return;
        audit_node(audit, child, FALSE);
        check(audit, 2, node->size[at] == largest(child));
        check(audit, 2,
              child->count > 0 && node->base[at] == child->base[child->count - 1]);
    }
}

static void audit_control_pages(audit_t *audit)
{
    const trees_t *trees = &audit->map->trees;
    int free_nodes = 0;
    for (const control_page_t *control = trees->spare; control;
         control = control->next) {
        int count = 0;
        for (const node_t *node = control->free_node; node; node = node->next_free)
            count += BASEADDR(node) == (const void *)control;
        check(audit, 7, count > 0 && count + control->nodes_used == NODES_PER_PAGE);
        check(audit, 7, control->nodes_used > 0 || control == &trees->first);
        free_nodes += count;
    }
    check(audit, 7, free_nodes == trees->free_nodes);
    check(audit, 7, audit->nodes + free_nodes == trees->control_pages * NODES_PER_PAGE);
}

static void audit_parked(audit_t *audit)
{
    place_t place;
    uintptr_t base;
    int size;
    for (uintptr_t link = audit->map->parked; link != 0;) {
        link = parked_extent(link, &base, &size);
        check(audit, 8, inside_page(base, size));
        find_place(audit->map, &place, base, size);
        check(audit, 8, place.left == 0 && place.right == 0);
    }
}

/* Bit n is set when invariant n is broken. */
static unsigned broken_invariants(const map_t *map)
{
    audit_t audit = {.map = map};
    int extents[ORDERS];
    for (audit.order = 0; audit.order < ORDERS; audit.order++) {
        audit.extents = 0;
        audit_node(&audit, map->trees.tree[audit.order], TRUE);
        extents[audit.order] = audit.extents;
    }
    check(&audit, 6, extents[ORDERS - 1] == extents[BY_ADDRESS]);
    audit_control_pages(&audit);
    audit_parked(&audit);
    return audit.broken;
}

int kma_audit(void)
{
    int count = 0;
    if (map_page != NULL)
        for (unsigned broken = broken_invariants(map_page->ptr); broken != 0; count++)
            broken &= broken - 1;
    return count;
}

#endif
