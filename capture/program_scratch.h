/* program_scratch.h - the folder that raw files are written to while a program is
 * recorded. */
#ifndef KMA_CAPTURE_PROGRAM_SCRATCH_H
#define KMA_CAPTURE_PROGRAM_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* Makes it beside the file at `output`, which is about to be written. It is removed when
 * the process exits. Ends the run when it cannot be made, or when `output` is something
 * else than a file that may be written. */
void scratch_open(const char *output);

/* Its absolute path. */
const char *scratch_path(void);

/* Keeps the counter in it going that tells the recorded programs that a millisecond has
 * passed, until scratch_stop. */
void scratch_start(void);
void scratch_stop(void);

/* A raw file. */
struct raw_file {
    uint64_t start; /* a stamp; 0: it has no sound head */
    char *path;
};

/* All raw files, in the order in which they were begun. Good until the process exits. */
const struct raw_file *scratch_files(size_t *count);

#endif
