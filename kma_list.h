/* kma_list.h - circular doubly linked lists for free blocks and partly used pages.
 *
 * A list is a `struct link` of its own, the head, that is its own neighbour when the
 * list is empty. So linking and unlinking never ask for a first or last member. */
#ifndef KMA_LIST_H
#define KMA_LIST_H

#include <stddef.h>

struct link {
    struct link *next;
    struct link *prev;
};

/* The structure of the given type whose member `field` is *link. */
#define LIST_OWNER(link, type, field) \
    ((type *)(void *)((char *)(link)-offsetof(type, field)))

static inline void list_init(struct link *head)
{
    head->next = head;
    head->prev = head;
}

static inline int list_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline void list_add_first(struct link *head, struct link *member)
{
    member->next = head->next;
    member->prev = head;
    head->next->prev = member;
    head->next = member;
}

static inline void list_add_last(struct link *head, struct link *member)
{
    list_add_first(head->prev, member);
}

static inline void list_remove(struct link *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
}

/* The number of members; for audits. */
static inline size_t list_length(const struct link *head)
{
    size_t length = 0;
    for (const struct link *member = head->next; member != head; member = member->next)
        length++;
    return length;
}

#endif
