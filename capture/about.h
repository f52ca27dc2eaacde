/* about.h - what a compact trace tells of itself: lines of key=value. */
#ifndef KMA_CAPTURE_ABOUT_H
#define KMA_CAPTURE_ABOUT_H

#include <stddef.h>

/* All 0 at first. */
struct about {
    char *text; /* NULL: none yet */
    size_t length;
};

/* The key and the value of the line at `at` of a text of such lines. */
struct about_line {
    const char *next; /* the place behind the line; NULL: there was none */
    char key[32];
    char value[1024]; /* a longer one is cut */
};

struct about_line about_line(const char *at);

/* Adds the lines of `text`. What a key is given again goes behind what it has, after
 * "separator", unless it has that already. */
void about_add(struct about *about, const char *text, const char *separator);

/* Adds a value, behind those that the key has. A line of more than 300 bytes is cut. */
void about_append(struct about *about, const char *key, const char *value,
                  const char *separator);

/* Adds a line of "key=value" in place of the one that the key has. */
void about_set(struct about *about, const char *line);

void about_release(struct about *about);

#endif
