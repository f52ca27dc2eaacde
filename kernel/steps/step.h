/* step.h - what the kernel does with its memory, step by step, and how it tells.
 *
 * A step prints `step NAME`, then a line `NAME: ...` for each thing that it found, with
 * FAILED in it where that is not as it must be, and `passed NAME` or `FAILED NAME`. */
#ifndef KMA_KERNEL_STEP_H
#define KMA_KERNEL_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The steps, each of which begins and ends without a page in use. */
void step_exercise(void);
void step_traces(void);
void step_processes(void);
void step_files(void);

/* Sets memory aside for step_traces, before the first page is handed out. */
void traces_reserve(void);

/* The step that runs now, or "none". */
const char *step_name(void);

/* Runs a step that the command line does not leave out. */
void step_run(const char *name, void (*step)(void));

/* Steps so far. */
struct step_counts {
    int passed;
    int failed;
};

struct step_counts step_counts(void);

/* A line `NAME: ...`; with FAILED, and the step fails, unless `holds`. Returns `holds`. */
bool step_check(bool holds, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line `NAME: ...`. */
void step_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of a word `name=...` on the command line, or `otherwise` without one. */
uint32_t option_number(const char *name, uint32_t otherwise);

/* Whether a word is on the command line. */
bool option_given(const char *word);

/* ---- for all steps */

/* Numbers that look random, the same on each run (Marsaglia's xorshift32). */
struct random {
    uint32_t state; /* not 0 */
};

static inline uint32_t random_next(struct random *random)
{
    uint32_t x = random->state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return random->state = x;
}

/* 1 to `most`: a size has as likely two digits as three. */
int random_size(struct random *random, int most);

/* Fills bytes so that they tell a block from others; whether they are still there. */
void fill(void *bytes, size_t size, uint32_t seed);
bool is_filled(const void *bytes, size_t size, uint32_t seed);

/* A block from kmalloc, filled. */
struct block {
    void *at; /* or NULL */
    int size;
    uint32_t seed;
};

/* False, and at NULL, when there is no memory. */
bool block_get(struct block *block, int size, uint32_t seed);

/* Frees a block, if there is one. Whether its contents were still there. */
bool block_free(struct block *block);

/* It is aligned, in a page that is held, and does not run over its end. */
bool block_is_well_placed(const struct block *block);

/* The algorithm finds nothing wrong with itself, or does not say. */
bool is_sound(void);

#endif
