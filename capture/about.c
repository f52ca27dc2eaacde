/* about.c - what a compact trace tells of itself: lines of key=value. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../driver/run.h"
#include "about.h"

enum { LONGEST_LINE = 300 };

/* Puts `length` bytes in at `at`. */
static void insert(struct about *about, size_t at, const char *text, size_t length)
{
    char *larger = realloc(about->text, about->length + length + 1);
    if (larger == NULL)
        run_refuse("no memory for what is told about the trace");
    if (about->text == NULL)
        larger[0] = '\0';
    memmove(larger + at + length, larger + at, about->length - at + 1);
    memcpy(larger + at, text, length);
    about->text = larger;
    about->length += length;
}

/* The line that begins with the `length` bytes of "key=", or NULL. */
static const char *find_line(const struct about *about, const char *key, size_t length)
{
    const char *at = about->text;
    while (at != NULL && *at != '\0' && strncmp(at, key, length) != 0) {
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return at == NULL || *at == '\0' ? NULL : at;
}

/* Whether `part` is one of the parts of a value between separators. */
static bool has_part(const char *value, size_t length, const char *part, size_t size,
                     const char *separator)
{
    size_t gap = strlen(separator);
    const char *end = value + length;
    while (value <= end) {
        const char *stop = memmem(value, (size_t)(end - value), separator, gap);
        stop = stop == NULL ? end : stop;
        if ((size_t)(stop - value) == size && memcmp(value, part, size) == 0)
            return true;
        value = stop + gap;
    }
    return false;
}

static void add_line(struct about *about, const char *line, size_t length,
                     const char *separator, bool again)
{
    const char *equals = memchr(line, '=', length);
    if (equals == NULL)
        return;
    size_t key = (size_t)(equals - line) + 1;
    const char *old = find_line(about, line, key);
    if (old == NULL) {
        insert(about, about->length, line, length);
        insert(about, about->length, "\n", 1);
        return;
    }
    size_t end = strcspn(old, "\n");
    if (!again && has_part(old + key, end - key, line + key, length - key, separator))
        return;
    size_t at = (size_t)(old - about->text) + end;
    insert(about, at, line + key, length - key);
    insert(about, at, separator, strlen(separator));
}

void about_add(struct about *about, const char *text, const char *separator)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        add_line(about, text, length, separator, false);
        text += length + (text[length] == '\n');
    }
}

void about_append(struct about *about, const char *key, const char *value,
                  const char *separator)
{
    char line[LONGEST_LINE];
    int length = snprintf(line, sizeof line, "%s=%s", key, value);
    size_t most = sizeof line - 1;
    add_line(about, line, (size_t)length < most ? (size_t)length : most, separator,
             true);
}

void about_set(struct about *about, const char *line)
{
    size_t key = strcspn(line, "=") + 1;
    const char *old = find_line(about, line, key);
    if (old != NULL) {
        size_t at = (size_t)(old - about->text);
        size_t end = at + strcspn(old, "\n");
        end += about->text[end] == '\n';
        memmove(about->text + at, about->text + end, about->length - end + 1);
        about->length -= end - at;
    }
    insert(about, about->length, line, strlen(line));
    insert(about, about->length, "\n", 1);
}

void about_release(struct about *about)
{
    free(about->text);
    *about = (struct about){0};
}

struct about_line about_line(const char *at)
{
    struct about_line line = {.next = NULL};
    size_t length = strcspn(at, "\n");
    size_t key = strcspn(at, "=\n");
    if (at[0] == '\0')
        return line;
    snprintf(line.key, sizeof line.key, "%.*s", (int)(key < 31 ? key : 31), at);
    size_t value = key < length ? length - key - 1 : 0;
    snprintf(line.value, sizeof line.value, "%.*s", (int)(value < 1023 ? value : 1023),
             at + (key < length ? key + 1 : length));
    line.next = at + length + (at[length] == '\n');
    return line;
}
