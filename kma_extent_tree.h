/* kma_extent_tree.h - ordered trees of extents, the index under kma_rm.c.
 *
 * A tree is a B+-tree whose leaf entries are extents, <base, size in grains>, in order
 * of base or in order of <size, base>; the same code serves both, and one extent may be
 * in a tree of each. An inner entry says of its child: the base of the last extent and
 * the size of the largest extent below it. So in either tree the way down to <base,
 * size> takes, in each node, the first entry not before it, and the way down to the
 * first extent of `need` grains takes the first entry that is large enough.
 *
 *   control page   | trees_t (in the first one) .. |  node |  node |  node |  node |
 *   leaf           | count level | size[96]        | base[96]                      |
 *   inner node     | count level | size[48] unused | base[48]      | child[48]     |
 *
 * Nodes are carved from control pages; those with a free node are in a list, and one
 * whose last node is given goes back to the page source, except the first, which the
 * owner got and gives back. An empty tree is a leaf without entries.
 *
 * Blank entries, behind the last one, hold NO_BASE and size 0. Thus all searches run
 * over constant numbers of entries: straight code without a branch that depends on the
 * data, which costs less than a mispredicted exit. Moving entries grows with the node,
 * the height shrinks with it: of 24 to 144 entries, 96 were the fastest, at two levels
 * for thousands of extents. In 1 KiB so many fit; half of it serves 48 entries.
 *
 * A full node is split in two halves. A node that falls under a half is put together
 * with a neighbour when both fit into one, else the two share evenly. So nodes other
 * than the root stay half full. Joining later, at 3/8 and up to 3/4, is not faster and
 * raises the penalty of first fit on 5.trace by 0.003.
 *
 * Only insert takes nodes. Its caller counts and reserves them first, for both trees at
 * once if need be, and changes nothing when they cannot be had. What goes up a tree,
 * from a node to its parent's entry along a path, stops where nothing changes. */
#ifndef KMA_EXTENT_TREE_H
#define KMA_EXTENT_TREE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kma.h"
#include "kma_page.h"
#include "kma_count.h"

#define NO_BASE UINTPTR_MAX
#define CONTROL_BYTES 128 /* at the start of a control page; the rest is nodes */
#define LEAF 96           /* entries of a leaf */
#define INNER (LEAF / 2)  /* entries of an inner node */
#define GROUP 8           /* entries that a search compares together */
#define LEVELS 16         /* of a tree at most: 2 * 24^13 * 48 exceeds 2^64 */

enum { BY_ADDRESS, BY_SIZE, MAX_ORDERS };

typedef struct node {
    int32_t count;
    int32_t level;                   /* 0: leaf */
    _Alignas(16) int16_t size[LEAF]; /* grains */
    union {
        uintptr_t base[LEAF];
        struct {
            uintptr_t inner_base[INNER];
            struct node *child[INNER];
        };
        struct node *next_free;
    };
} node_t;

typedef struct control_page {
    kma_page_t *page;
    struct control_page *next, *prev; /* in the list of those with a free node */
    node_t *free_node;
    int nodes_used;
} control_page_t;

/* Lies at the start of the first control page. */
typedef struct {
    control_page_t first;
    node_t *tree[MAX_ORDERS]; /* roots */
    control_page_t *spare;    /* control pages with a free node */
    int control_pages;
    int free_nodes; /* in all control pages */
} trees_t;

/* The way from the root, node[top], to an entry of the leaf node[0]. */
typedef struct {
    node_t *node[LEVELS];
    int at[LEVELS];
    int top;
} path_t;

#define NODES_PER_PAGE ((int)((PAGESIZE - CONTROL_BYTES) / sizeof(node_t)))

static_assert(LEAF % GROUP == 0 && INNER % GROUP == 0, "a search ends with a group");
static_assert(sizeof(node_t) % 16 == 0,
              "nodes counted from the page's end are aligned");
static_assert(NODES_PER_PAGE >= MAX_ORDERS, "the first page has room for empty trees");

static inline int capacity(const node_t *node)
{
    return node->level == 0 ? LEAF : INNER;
}

static inline void spare_link(trees_t *trees, control_page_t *control)
{
    control->prev = NULL;
    control->next = trees->spare;
    if (trees->spare != NULL)
        trees->spare->prev = control;
    trees->spare = control;
}

static inline void spare_unlink(trees_t *trees, control_page_t *control)
{
    if (control->next != NULL)
        control->next->prev = control->prev;
    if (control->prev != NULL)
        control->prev->next = control->next;
    else
        trees->spare = control->next;
}

static inline void control_page_add(trees_t *trees, kma_page_t *page)
{
    control_page_t *control = page->ptr;
    node_t *node = (node_t *)((char *)page->ptr + PAGESIZE);
    control->page = page;
    control->free_node = NULL;
    control->nodes_used = 0;
    for (int i = 0; i < NODES_PER_PAGE; i++) {
        (--node)->next_free = control->free_node;
        control->free_node = node;
    }
    spare_link(trees, control);
    trees->control_pages++;
    trees->free_nodes += NODES_PER_PAGE;
}

static inline void control_page_drop(trees_t *trees, control_page_t *control)
{
    spare_unlink(trees, control);
    trees->control_pages--;
    trees->free_nodes -= NODES_PER_PAGE;
    free_page(control->page);
}

/* Sees to it that `count` nodes can be taken, or changes nothing. */
static inline int reserve_nodes(trees_t *trees, int count)
{
    while (trees->free_nodes < count) {
        kma_page_t *page = get_page();
        if (page == NULL) {
            while (trees->spare != NULL && trees->spare != &trees->first &&
                   trees->spare->nodes_used == 0)
                control_page_drop(trees, trees->spare);
            return FALSE;
        }
        control_page_add(trees, page);
    }
    return TRUE;
}

static inline node_t *take_node(trees_t *trees, int level)
{
    control_page_t *control = trees->spare;
    node_t *node = control->free_node;
    control->free_node = node->next_free;
    control->nodes_used++;
    trees->free_nodes--;
    if (control->free_node == NULL)
        spare_unlink(trees, control);
    node->count = 0;
    node->level = level;
    memset(node->size, 0, sizeof node->size);
    memset(node->base, 0xff, sizeof node->base);
    return node;
}

static inline void give_node(trees_t *trees, node_t *node)
{
    control_page_t *control = BASEADDR(node);
    if (control->free_node == NULL)
        spare_link(trees, control);
    node->next_free = control->free_node;
    control->free_node = node;
    trees->free_nodes++;
    if (--control->nodes_used == 0 && control != &trees->first)
        control_page_drop(trees, control);
}

/* The searches through a node have no exit but the end, and vectorize: with int16_t. */
static inline int largest_of(const int16_t *size, int count)
{
    int16_t largest = 0;
    for (int i = 0; i < count; i++)
        largest = size[i] > largest ? size[i] : largest;
    return largest;
}

static inline int largest(const node_t *node)
{
    return node->level == 0 ? largest_of(node->size, LEAF)
                            : largest_of(node->size, INNER);
}

static inline int leftmost_of(const int16_t *size, int count, int need)
{
    int16_t below = (int16_t)(need - 1), most = 0;
    for (int i = 0; i < count; i++) {
        int16_t from_end = size[i] > below ? (int16_t)(count - i) : 0;
        most = from_end > most ? from_end : most;
    }
    return count - most;
}

/* The first entry of `need` grains or more; the capacity, when there is none. */
static inline int leftmost(const node_t *node, int need)
{
    return node->level == 0 ? leftmost_of(node->size, LEAF, need)
                            : leftmost_of(node->size, INNER, need);
}

/* Does the entry come before <base, size>? In both orders a blank one does not: its
 * size less one is the largest of all. */
static inline int before(int order, const node_t *node, int at, uintptr_t base,
                         int size)
{
    int lower = node->base[at] < base;
    if (order == BY_ADDRESS)
        return lower;
    uint16_t here = (uint16_t)(node->size[at] - 1), there = (uint16_t)(size - 1);
    return (here < there) | ((here == there) & lower);
}

/* The number of entries before <base, size>: whole groups first, then one by one. */
static inline int rank(int order, const node_t *node, int slots, uintptr_t base,
                       int size)
{
    int groups = 0, entries = 0;
    for (int at = GROUP - 1; at < slots - GROUP; at += GROUP)
        groups += before(order, node, at, base, size);
    for (int at = 0; at < GROUP; at++)
        entries += before(order, node, groups * GROUP + at, base, size);
    return groups * GROUP + entries;
}

static inline void set_entry(node_t *node, int at, uintptr_t base, int size)
{
    node->base[at] = base;
    node->size[at] = (int16_t)size;
}

static inline void describe(node_t *parent, int at, const node_t *child)
{
    set_entry(parent, at, child->base[child->count - 1], largest(child));
}

static inline void move_entries(node_t *to, int at, const node_t *from, int first,
                                int count)
{
    memmove(to->size + at, from->size + first, (size_t)count * sizeof *to->size);
    memmove(to->base + at, from->base + first, (size_t)count * sizeof *to->base);
    if (to->level > 0)
        memmove(to->child + at, from->child + first, (size_t)count * sizeof *to->child);
}

static inline void set_count(node_t *node, int count)
{
    for (int at = count; at < node->count; at++)
        set_entry(node, at, NO_BASE, 0);
    node->count = count;
}

static inline void put_entry(node_t *node, int at, uintptr_t base, int size,
                             node_t *child)
{
    move_entries(node, at + 1, node, at, node->count - at);
    node->count++;
    set_entry(node, at, base, size);
    if (node->level > 0)
        node->child[at] = child;
}

static inline void drop_entry(node_t *node, int at)
{
    move_entries(node, at, node, at + 1, node->count - at - 1);
    set_count(node, node->count - 1);
}

/* The path to the extent <base, size>, or to where it would be. */
static inline void find(const trees_t *trees, int order, path_t *path, uintptr_t base,
                        int size)
{
    node_t *node = trees->tree[order];
    path->top = node->level;
    for (int level = node->level; level > 0; level--) {
        int at = rank(order, node, INNER, base, size);
        at -= at == node->count;
        COUNT(STEP);
        path->node[level] = node;
        path->at[level] = at;
        node = node->child[at];
    }
    COUNT(STEP);
    path->node[0] = node;
    path->at[0] = rank(order, node, LEAF, base, size);
}

/* The path to the first extent, in the tree's order, of `need` grains or more. */
static inline int find_fit(const trees_t *trees, int order, path_t *path, int need)
{
    node_t *node = trees->tree[order];
    int at = leftmost(node, need);
    COUNT(STEP);
    if (at >= node->count)
        return FALSE;
    path->top = node->level;
    for (int level = node->level; level > 0; level--) {
        path->node[level] = node;
        path->at[level] = at;
        node = node->child[at];
        COUNT(STEP);
        at = leftmost(node, need);
    }
    path->node[0] = node;
    path->at[0] = at;
    return TRUE;
}

/* Makes the entries above a changed node true again, as far up as they change. */
static inline void refresh(const path_t *path, int level)
{
    for (; level < path->top; level++) {
        node_t *parent = path->node[level + 1];
        int at = path->at[level + 1], size = parent->size[at];
        uintptr_t base = parent->base[at];
        describe(parent, at, path->node[level]);
        if (parent->base[at] == base && parent->size[at] == size)
            return;
    }
}

/* As refresh, when an extent of the leaf came or grew to `size`: maxima only rise. */
static inline void refresh_grown(const path_t *path, int size)
{
    for (int level = 0; level < path->top; level++) {
        const node_t *node = path->node[level];
        node_t *parent = path->node[level + 1];
        int at = path->at[level + 1], most = parent->size[at];
        uintptr_t last = node->base[node->count - 1];
        if (most >= size && parent->base[at] == last)
            return;
        set_entry(parent, at, last, most > size ? most : size);
    }
}

/* As refresh, when an extent of `size` went from the leaf or shrank. */
static inline void refresh_shrunk(const path_t *path, int size)
{
    if (path->top == 0)
        return;
    const node_t *leaf = path->node[0], *parent = path->node[1];
    int at = path->at[1];
    if (parent->size[at] <= size || parent->base[at] != leaf->base[leaf->count - 1])
        refresh(path, 0);
}

static inline node_t *split(trees_t *trees, node_t *node)
{
    node_t *right = take_node(trees, node->level);
    int half = node->count / 2;
    move_entries(right, 0, node, half, node->count - half);
    right->count = node->count - half;
    set_count(node, half);
    return right;
}

static inline void grow_root(trees_t *trees, int order, path_t *path)
{
    node_t *root = take_node(trees, ++path->top);
    put_entry(root, 0, NO_BASE, 0, trees->tree[order]);
    trees->tree[order] = root;
    path->node[path->top] = root;
    path->at[path->top] = 0;
}

/* The number of full nodes that an entry would find from the leaf upwards. */
static inline int count_full(const path_t *path)
{
    int full = 0;
    while (full <= path->top && path->node[full]->count == capacity(path->node[full]))
        full++;
    return full;
}

/* The number of nodes that insert takes: one for each split, one for a new root. */
static inline int nodes_to_insert(const path_t *path)
{
    int full = count_full(path);
    return full + (full > path->top);
}

/* Inserts an extent where the path leads; the nodes it takes are there. */
static inline void insert(trees_t *trees, int order, path_t *path, uintptr_t base,
                          int size)
{
    int full = count_full(path);
    if (full == 0) {
        put_entry(path->node[0], path->at[0], base, size, NULL);
        refresh_grown(path, size);
        return;
    }
    if (full > path->top)
        grow_root(trees, order, path);
    node_t *child = NULL;
    for (int level = 0; level < full; level++) {
        node_t *node = path->node[level], *right = split(trees, node);
        int at = path->at[level];
        if (at <= node->count)
            put_entry(node, at, base, size, child);
        else
            put_entry(right, at - node->count, base, size, child);
        describe(path->node[level + 1], path->at[level + 1]++, node);
        child = right;
        base = right->base[right->count - 1];
        size = largest(right);
    }
    put_entry(path->node[full], path->at[full], base, size, child);
    refresh(path, full);
}

/* Moves all entries to the left when they fit there, else half of them. */
static inline void balance(node_t *left, node_t *right)
{
    int both = left->count + right->count;
    int keep = both <= capacity(left) ? both : both / 2;
    int moved = keep - left->count;
    if (moved >= 0) {
        move_entries(left, left->count, right, 0, moved);
        left->count = keep;
        move_entries(right, 0, right, moved, right->count - moved);
        set_count(right, both - keep);
    } else {
        move_entries(right, -moved, right, 0, right->count);
        move_entries(right, 0, left, keep, -moved);
        right->count = both - keep;
        set_count(left, keep);
    }
}

/* Takes out the extent, of `size`, to which the path leads. */
static inline void take_out(trees_t *trees, int order, path_t *path, int size)
{
    int level = 0;
    drop_entry(path->node[0], path->at[0]);
    if (path->node[0]->count >= LEAF / 2) {
        refresh_shrunk(path, size);
        return;
    }
    while (level < path->top &&
           path->node[level]->count < capacity(path->node[level]) / 2) {
        node_t *parent = path->node[++level];
        int at = path->at[level];
        at -= at == parent->count - 1;
        node_t *left = parent->child[at], *right = parent->child[at + 1];
        balance(left, right);
        describe(parent, at, left);
        if (right->count > 0) {
            describe(parent, at + 1, right);
            break;
        }
        give_node(trees, right);
        drop_entry(parent, at + 1);
    }
    refresh(path, level);
    node_t *root = trees->tree[order];
    if (root->level > 0 && root->count == 1) {
        trees->tree[order] = root->child[0];
        give_node(trees, root);
    }
}

static inline node_t *previous_leaf(const path_t *path)
{
    int level = 1;
    while (level <= path->top && path->at[level] == 0)
        level++;
    if (level > path->top)
        return NULL;
    node_t *node = path->node[level]->child[path->at[level] - 1];
    COUNT(STEP);
    while (node->level > 0) {
        COUNT(STEP);
        node = node->child[node->count - 1];
    }
    return node;
}

#endif
