/* program_merge.h - the chunks of a process image as one row of records. */
#ifndef KMA_CAPTURE_PROGRAM_MERGE_H
#define KMA_CAPTURE_PROGRAM_MERGE_H

#include "program_image.h"
#include "record.h"

typedef void merge_put(void *context, const struct record *record);

/* Hands out all records in the order of their stamps, with times that never fall; names
 * of sites go into `sites`. Returns how many were left out because they came after the
 * recording had stopped. Ends the run for want of memory, or when the image cannot be
 * read. */
uint64_t merge_image(struct image *image, struct names *sites, merge_put *put,
                     void *context);

#endif
