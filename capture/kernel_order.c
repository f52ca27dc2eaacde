/* kernel_order.c - a queue for each CPU; the earliest of their heads is next.
 *
 * Each CPU's records are in order already, so nothing is sorted. The heads' times stand
 * together in an array that is searched from end to end: there are few CPUs. */

#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "kernel_order.h"

enum { FIRST_ROOM = 1 << 10 };

struct queue {
    struct record *record;
    size_t begin;
    size_t end;
    size_t room;
};

struct order {
    struct queue *queue;
    uint64_t *head; /* the time of each queue's first record; UINT64_MAX: it is empty */
    unsigned cpus;
    uint64_t newest;
};

struct order *order_open(unsigned cpus)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL)
        run_refuse("no memory for the records of %u CPUs", cpus);
    order->cpus = cpus;
    order->queue = calloc(cpus, sizeof *order->queue);
    order->head = malloc(cpus * sizeof *order->head);
    if (order->queue == NULL || order->head == NULL)
        run_refuse("no memory for the records of %u CPUs", cpus);
    for (unsigned i = 0; i < cpus; i++)
        order->head[i] = UINT64_MAX;
    return order;
}

static void make_room(struct queue *queue)
{
    size_t count = queue->end - queue->begin;
    if (queue->begin > queue->room / 2) {
        memmove(queue->record, queue->record + queue->begin,
                count * sizeof *queue->record);
        queue->begin = 0;
        queue->end = count;
        return;
    }
    queue->room = queue->room == 0 ? FIRST_ROOM : queue->room * 2;
    queue->record = realloc(queue->record, queue->room * sizeof *queue->record);
    if (queue->record == NULL)
        run_refuse("no memory for %zu records", queue->room);
}

void order_put(struct order *order, const struct record *record)
{
    struct queue *queue = &order->queue[record->cpu];
    if (queue->end == queue->room)
        make_room(queue);
    if (queue->begin == queue->end)
        order->head[record->cpu] = record->time;
    queue->record[queue->end++] = *record;
    if (record->time > order->newest)
        order->newest = record->time;
}

uint64_t order_newest(const struct order *order)
{
    return order->newest;
}

bool order_take(struct order *order, uint64_t limit, struct record *record)
{
    unsigned first = 0;
    for (unsigned i = 1; i < order->cpus; i++) {
        if (order->head[i] < order->head[first])
            first = i;
    }
    if (order->head[first] >= limit)
        return false;
    struct queue *queue = &order->queue[first];
    *record = queue->record[queue->begin++];
    if (queue->begin == queue->end) {
        queue->begin = queue->end = 0;
        order->head[first] = UINT64_MAX;
    } else {
        order->head[first] = queue->record[queue->begin].time;
    }
    return true;
}

void order_close(struct order *order)
{
    for (unsigned i = 0; i < order->cpus; i++)
        free(order->queue[i].record);
    free(order->queue);
    free(order->head);
    free(order);
}
