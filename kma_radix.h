/* kma_radix.h - a radix tree: a map from numbers that lie in clusters, those of pages
 * or of runs of pages, to pointers.
 *
 * A node is a page with RADIX_SLOTS slots, as many as RADIX_BITS bits of a number tell
 * apart. The top node lies in the owner's own page and costs none:
 *
 *     struct radix, height 2           number = | prefix | slot 2 | slot 1 |
 *     +------------------------+      node's page
 *     | prefix, height         |   .->+------------------------+
 *     | top: slot[0] slot[1] ..|---'  | slot[0]  slot[1]  ...  |---> value
 *     +------------------------+      +------------------------+
 *
 * The height is what the spread of the numbers in the map asks for: numbers that
 * differ in their last RADIX_BITS bits alone need the top node and nothing else, and
 * numbers from anywhere need at most a node more for each RADIX_BITS bits. So a
 * look-up is one or two loads behind the top, however many numbers there are.
 *
 * Invariants (radix_audit):
 *   R1  every node but the top has a used slot, and every node counts them right;
 *   R2  no slot above the lowest level stands alone in the top node (the tree has the
 *       least height).
 *
 * Nothing is preallocated: nodes come with the first number that needs them and go
 * with the last. A tree that is all zero is empty. Cost: a node is cleared or copied
 * when it is made, so adding a number costs at most that once a level; the other steps
 * are bounded by the height. */
#ifndef KMA_RADIX_H
#define KMA_RADIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <assert.h>
#include "kma_page.h"
#include "kma_bits.h"

/* Half a page of slots, so that the top node and its owner's state share a page; or as few
 * as an owner says, who wants the room. */
#ifndef RADIX_SLOT_BITS
#define RADIX_SLOT_BITS LOG2_FLOOR(PAGESIZE / sizeof(void *) / 2)
#endif

enum {
    RADIX_BITS = RADIX_SLOT_BITS,
    RADIX_SLOTS = 1 << RADIX_BITS,
    RADIX_NUMBER_BITS = 8 * sizeof(uintptr_t),
    RADIX_LEVELS = RADIX_NUMBER_BITS / RADIX_BITS + 1
};

struct radix_node {
    kma_page_t *page; /* this node's own page; NULL for the top */
    uintptr_t used;   /* slots that are not NULL */
    void *slot[RADIX_SLOTS];
};

struct radix {
    uintptr_t prefix; /* the bits above the top's, common to all numbers */
    int height;       /* 1: the top's slots are the values; more: nodes */
    struct radix_node top;
};

static_assert(sizeof(struct radix_node) <= PAGESIZE, "a node fits a page");

/* The number by which maps of pages know the page in which ptr lies. */
static inline uintptr_t page_number(const void *ptr)
{
    return (uintptr_t)ptr / PAGESIZE;
}

static inline int radix_is_empty(const struct radix *radix)
{
    return radix->top.used == 0;
}

/* The slot for a number in a node of the given level; values are level 0. */
static inline size_t radix_index(uintptr_t number, int level)
{
    return (number >> (RADIX_BITS * (level - 1))) & (RADIX_SLOTS - 1);
}

/* The part of a number that the slots of a tree of this height do not say. */
static inline uintptr_t radix_prefix(uintptr_t number, int height)
{
    int shift = RADIX_BITS * height;
    return shift < RADIX_NUMBER_BITS ? number >> shift : 0;
}

/* The lowest node on the way to a number that is in the map. */
static inline struct radix_node *radix_bottom(const struct radix *radix,
                                              uintptr_t number)
{
    const struct radix_node *node = &radix->top;
    for (int level = radix->height; level > 1; level--)
        node = node->slot[radix_index(number, level)];
    return (struct radix_node *)node;
}

/* The value of a number that is in the map. */
static inline void *radix_get(const struct radix *radix, uintptr_t number)
{
    return radix_bottom(radix, number)->slot[radix_index(number, 1)];
}

/* The value of any number; NULL when it is not in the map. */
static inline void *radix_find(const struct radix *radix, uintptr_t number)
{
    if (radix_prefix(number, radix->height) != radix->prefix)
        return NULL;
    const struct radix_node *node = &radix->top;
    for (int level = radix->height; level > 1 && node != NULL; level--)
        node = node->slot[radix_index(number, level)];
    return node == NULL ? NULL : node->slot[radix_index(number, 1)];
}

/* Moves the top's slots into a node of their own, below the top. FALSE: no page. */
static int radix_raise(struct radix *radix)
{
    kma_page_t *page = get_page();
    if (page == NULL)
        return 0;
    struct radix_node *node = page->ptr;
    *node = radix->top;
    node->page = page;
    memset(&radix->top, 0, sizeof radix->top);
    radix->top.slot[radix->prefix & (RADIX_SLOTS - 1)] = node;
    radix->top.used = 1;
    radix->prefix >>= RADIX_BITS;
    radix->height++;
    return 1;
}

/* Undoes radix_raise while the top has but one slot in use (R2). */
static void radix_lower(struct radix *radix)
{
    while (radix->height > 1 && radix->top.used == 1) {
        size_t index = 0;
        while (radix->top.slot[index] == NULL)
            index++;
        struct radix_node *node = radix->top.slot[index];
        kma_page_t *page = node->page;
        radix->top = *node;
        radix->top.page = NULL;
        radix->prefix = radix->prefix << RADIX_BITS | index;
        radix->height--;
        free_page(page);
    }
}

/* Gives back the nodes on the way to a number that have nothing in use. */
static __attribute__((noinline)) void radix_prune(struct radix *radix, uintptr_t number)
{
    struct radix_node *path[RADIX_LEVELS + 1];
    int level = radix->height;
    path[level] = &radix->top;
    while (level > 1 && path[level]->slot[radix_index(number, level)] != NULL) {
        path[level - 1] = path[level]->slot[radix_index(number, level)];
        level--;
    }
    for (; level < radix->height && path[level]->used == 0; level++) {
        free_page(path[level]->page);
        path[level + 1]->slot[radix_index(number, level + 1)] = NULL;
        path[level + 1]->used--;
    }
    radix_lower(radix);
}

/* Takes out a number that is in the map. */
static void radix_remove(struct radix *radix, uintptr_t number)
{
    struct radix_node *node = radix_bottom(radix, number);
    node->slot[radix_index(number, 1)] = NULL;
    node->used--;
    if (node->used == 0)
        radix_prune(radix, number);
}

/* The node in a slot, made when there is none. NULL: no page. */
static struct radix_node *radix_child(struct radix_node *node, size_t index)
{
    if (node->slot[index] == NULL) {
        kma_page_t *page = get_page();
        if (page == NULL)
            return NULL;
        struct radix_node *child = page->ptr;
        memset(child, 0, sizeof *child);
        child->page = page;
        node->slot[index] = child;
        node->used++;
    }
    return node->slot[index];
}

/* Makes the lowest node on the way to a number. NULL when a page is missing; what was
 * made on the way is then for radix_prune to take back. */
static struct radix_node *radix_reach(struct radix *radix, uintptr_t number)
{
    if (radix_is_empty(radix)) {
        radix->height = 1;
        radix->prefix = radix_prefix(number, 1);
    }
    while (radix_prefix(number, radix->height) != radix->prefix) {
        if (!radix_raise(radix))
            return NULL;
    }
    struct radix_node *node = &radix->top;
    for (int level = radix->height; level > 1 && node != NULL; level--)
        node = radix_child(node, radix_index(number, level));
    return node;
}

/* Adds a number that is not in the map, with its value, which is not NULL. FALSE when a
 * page is missing, everything then being as before. */
static int radix_put(struct radix *radix, uintptr_t number, void *value)
{
    struct radix_node *node = radix_reach(radix, number);
    if (node == NULL) {
        radix_prune(radix, number);
        return 0;
    }
    node->slot[radix_index(number, 1)] = value;
    node->used++;
    return 1;
}

typedef int radix_visitor(uintptr_t number, void *value, void *context);

/* Calls visit for every value below a node of the given level, and returns the sum of
 * its answers and of the nodes' own broken invariants. */
static int radix_walk(const struct radix_node *node, int level, uintptr_t prefix,
                      radix_visitor *visit, void *context)
{
    int broken = 0;
    uintptr_t used = 0;
    for (size_t i = 0; i < RADIX_SLOTS; i++) {
        if (node->slot[i] == NULL)
            continue;
        uintptr_t number = prefix << RADIX_BITS | i;
        used++;
        if (level == 1)
            broken += visit(number, node->slot[i], context);
        else
            broken += radix_walk(node->slot[i], level - 1, number, visit, context);
    }
    broken += used == 0 && node->page != NULL; /* R1 */
    return broken + (used != node->used);      /* R1 */
}

/* The number of broken invariants of the tree, plus what visit answers for each number
 * in the map, in rising order; context is handed to it. */
static int radix_audit(const struct radix *radix, radix_visitor *visit, void *context)
{
    int broken = radix_walk(&radix->top, radix->height, radix->prefix, visit, context);
    return broken + (radix->height > 1 && radix->top.used < 2); /* R2 */
}

#endif
