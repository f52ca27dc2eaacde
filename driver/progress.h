/* progress.h - how far a long run is: one line on a terminal, rewritten in place. */
#ifndef KMA_DRIVER_PROGRESS_H
#define KMA_DRIVER_PROGRESS_H

#include <stddef.h>

/* `what` is a word such as "checking"; `total` is the number of steps it takes. */
void progress_begin(const char *what, size_t total);

/* Steps done so far. Cheap enough for every few hundred events. */
void progress_at(size_t done);

/* Takes the line away. Safe in a signal handler. */
void progress_clear(void);

#endif
