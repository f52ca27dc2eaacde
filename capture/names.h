/* names.h - the names of call sites and of caches, each with a number from 1 on. */
#ifndef KMA_CAPTURE_NAMES_H
#define KMA_CAPTURE_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* A longer name is cut. */
enum { LONGEST_NAME = 255 };

struct names {
    char **name; /* name[0] is number 1 */
    uint32_t count;
    uint32_t *table; /* numbers by hash, 0: none */
    uint32_t room;   /* of the table, a power of two; 0: no table */
};

/* The two kinds of names that a trace may have. */
struct vocabulary {
    struct names sites;
    struct names caches;
};

/* The number of a name, a new one when it was not seen before; 0 for an empty one. Ends
 * the run for want of memory. */
uint32_t names_number(struct names *names, const char *name, size_t length);

/* "?" for 0 and for what is no number of these. */
const char *names_text(const struct names *names, uint32_t number);

void names_release(struct names *names);

#endif
