/* statistics.h - what `info` finds out about a trace, in one pass over its events and in
 * memory that goes with the blocks live at once and with the names. */
#ifndef KMA_CAPTURE_STATISTICS_H
#define KMA_CAPTURE_STATISTICS_H

#include "histogram.h"
#include "ledger.h"

/* A CPU of a higher number is counted as one of the others. */
enum { MOST_CPUS = 8192 };

/* The pages whose limits are looked at. */
enum { PAGES = 2 };
extern const unsigned statistics_page[PAGES];

/* Requests, and what became of them. `known` is of the requests of which the recorded
 * allocator's own size is known, as is `spent`. */
struct group {
    uint32_t number; /* of the name */
    uint64_t requests;
    uint64_t bytes;
    uint64_t live_blocks; /* now */
    uint64_t live_bytes;
    uint64_t known_bytes;
    uint64_t spent;
};

/* By the number of the name; number 0 is for what has none. */
struct groups {
    struct group *group;
    uint32_t count;
};

/* What was asked for, and what the recorded allocator spent on that. */
struct rounding {
    uint64_t requested;
    uint64_t spent;
};

struct live_block;

struct statistics {
    uint64_t events;
    uint64_t requests;
    uint64_t first_time; /* ns */
    uint64_t last_time;
    uint64_t live_blocks; /* now */
    uint64_t live_bytes;
    uint64_t peak_blocks;
    uint64_t peak_blocks_event; /* counted from 1; 0: there was none */
    uint64_t peak_bytes;
    uint64_t peak_bytes_event;
    uint64_t over_limit[PAGES]; /* requests that such a page cannot hold */
    struct histogram sizes;     /* each less 1: classes end with powers of two */
    struct histogram lifetimes; /* in events */
    struct histogram durations; /* in ns */
    struct groups sites;
    struct groups caches;
    uint64_t cpu[MOST_CPUS]; /* events on each */
    uint64_t other_cpus;
    uint64_t moved; /* blocks freed on another CPU than that of their request */
    uint64_t known_requests;
    struct rounding all;  /* of all requests */
    struct rounding live; /* now */
    struct rounding peak; /* at peak_bytes_event */
    double waste_sum;     /* of (spent - requested) / requested, after each event at */
    uint64_t waste_count; /* which something was live */
    struct live_block *block; /* by slot */
    uint32_t room;
};

/* Ends the run for want of memory. */
struct statistics *statistics_new(void);

/* An event, with the columns that it has. */
void statistics_put(struct statistics *statistics, const struct entry *entry);

/* (spent - requested) / requested; 0 when nothing was requested. */
double rounding_waste(const struct rounding *rounding);

/* The mean over events of that while something is live: the penalty of an allocator that
 * does nothing but round as the recorded one did. */
double statistics_penalty(const struct statistics *statistics);

enum ranking { BY_REQUESTS, BY_WASTE };

/* The groups that have requests, with waste for BY_WASTE, the largest first; *count of
 * them, to be freed by the caller. Ends the run for want of memory. */
struct group *groups_ranked(const struct groups *groups, enum ranking ranking,
                            uint32_t *count);

void statistics_release(struct statistics *statistics);

#endif
