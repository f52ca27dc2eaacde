/* kernel_order.h - the records of all CPUs, brought into the order of time. */
#ifndef KMA_CAPTURE_KERNEL_ORDER_H
#define KMA_CAPTURE_KERNEL_ORDER_H

#include <stdbool.h>
#include "record.h"

struct order;

/* For CPUs 0 to cpus - 1, at least one. Ends the run for want of memory, as order_put
 * does. */
struct order *order_open(unsigned cpus);

/* A record of its CPU. Those of one CPU come in the order of time. */
void order_put(struct order *order, const struct record *record);

/* The latest time of all records put so far; 0: there was none. */
uint64_t order_newest(const struct order *order);

/* Takes out the earliest record; false when none is from before `limit`. */
bool order_take(struct order *order, uint64_t limit, struct record *record);

void order_close(struct order *order);

#endif
