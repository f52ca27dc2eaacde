/* progress.h - how far a long run is: one line on a terminal, rewritten in place. */
#ifndef KMA_DRIVER_PROGRESS_H
#define KMA_DRIVER_PROGRESS_H

#include <stdint.h>

/* `what` is a word such as "checking"; `total` is the number of events it takes, 0 when
 * nobody knows. */
void progress_begin(const char *what, uint64_t total);

/* Events done so far. Cheap enough for every few hundred of them. */
void progress_at(uint64_t done);

/* Takes the line away. Safe in a signal handler. */
void progress_clear(void);

#endif
