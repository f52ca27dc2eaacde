/* life.h - what the library that life.c is linked to offers: blocks got in the library's
 * constructor, for the program to use and free. */
#ifndef TESTS_HOST_LIFE_H
#define TESTS_HOST_LIFE_H

#include "case.h"

/* A block of the library's, filled with pattern `at`; the caller frees it, once. */
unsigned char *life_library_block(size_t at, size_t *size);

enum { LIFE_LIBRARY_BLOCKS = 60 };

#endif
