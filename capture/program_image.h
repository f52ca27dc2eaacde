/* program_image.h - the raw file (recorder.h) of one process image: what it says of the
 * process, and its chunks. */
#ifndef KMA_CAPTURE_PROGRAM_IMAGE_H
#define KMA_CAPTURE_PROGRAM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "names.h"
#include "recorder.h"

enum { CHUNK_UNITS = (RAW_CHUNK - sizeof(struct raw_chunk)) / sizeof(uint64_t) };

/* A chunk: when it was begun, and where it is. */
struct place {
    uint64_t stamp;
    uint64_t offset;
};

struct image {
    int file;
    struct raw_head head;
    struct place *places; /* in the order of their stamps */
    size_t place_count;
    uint32_t site[RAW_SITES + 1]; /* 1 + the number of names.h; 0: not looked up yet */
};

/* The stamp of its beginning; 0 when the file at `path` has no sound head. */
uint64_t image_start(const char *path);

/* NULL when it cannot be read or is not sound. */
struct image *image_open(const char *path);

/* The units of a chunk behind its head; false when they cannot be read. It can be read
 * once: its place on the disk is given up for the trace, which is smaller. */
bool image_read(const struct image *image, const struct place *place,
                uint64_t units[CHUNK_UNITS]);

/* The number of a site's name, such as "libc.so.6+0x2af3". */
uint32_t image_site(struct image *image, uint32_t site, struct names *names);

void image_close(struct image *image);

#endif
