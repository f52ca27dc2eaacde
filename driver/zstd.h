/* zstd.h - libzstd's decoder, looked for when the first compact trace is read: a driver
 * builds, and replays text, where there is none. None of its memory comes from malloc,
 * which may be the allocator that is measured. */
#ifndef KMA_DRIVER_ZSTD_H
#define KMA_DRIVER_ZSTD_H

#include <stdbool.h>
#include <stddef.h>

/* ZSTD_inBuffer and ZSTD_outBuffer. */
struct zstd_input {
    const void *data;
    size_t size;
    size_t at;
};

struct zstd_output {
    void *data;
    size_t size;
    size_t at;
};

struct zstd {
    void *stream;
    void *workspace;
    size_t room; /* of the workspace */
};

/* A decoder of frames whose content is no longer than `largest` bytes. False with a
 * phrase in `why`. */
bool zstd_open(struct zstd *zstd, size_t largest, char *why, size_t why_size);

/* Decodes on: 0 when a frame has just ended, more when it goes on. NULL in *problem, or
 * what is wrong with the frame. */
size_t zstd_decode(struct zstd *zstd, struct zstd_output *output,
                   struct zstd_input *input, const char **problem);

/* The next bytes begin a frame, whatever came before. */
void zstd_reset(struct zstd *zstd);

void zstd_close(struct zstd *zstd);

#endif
