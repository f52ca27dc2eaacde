/* input.c - the bytes of a trace. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "input.h"
#include "table.h"

enum { FIRST_CHUNK = 1 << 16, LONGEST_EVENT = 64 };

/* As many bytes as are worth reading from a source without an end in sight: what the
 * header in the first chunk promises, with room for blanks; the parser then finds what
 * is wrong. A header that is not a number is worth no more than the first chunk. */
static size_t worth_reading(const char *data, size_t size)
{
    uint64_t events = 0;
    size_t at = 0;
    while (at < size && (data[at] == ' ' || data[at] == '\t'))
        at++;
    for (; at < size && data[at] >= '0' && data[at] <= '9' && events < UINT32_MAX; at++)
        events = events * 10 + (uint64_t)(data[at] - '0');
    uint64_t bytes = FIRST_CHUNK + events * LONGEST_EVENT;
    return bytes < SIZE_MAX / 2 ? (size_t)bytes : SIZE_MAX / 2;
}

/* Reads until the end of the source, or until it is longer than it may be. */
static bool read_whole(struct input *input, int file)
{
    size_t limit = SIZE_MAX;
    input->room = FIRST_CHUNK;
    input->data = table_new(input->room, 1);
    while (input->data != NULL) {
        ssize_t got = read(file, input->data + input->size, input->room - input->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        input->size += (size_t)got;
        if (input->size < input->room)
            continue;
        if (input->room == FIRST_CHUNK)
            limit = worth_reading(input->data, input->size);
        if (input->size >= limit)
            return true;
        char *larger = table_grow(input->data, input->room, input->room * 2);
        if (larger == NULL)
            return false;
        input->data = larger;
        input->room *= 2;
    }
    return false;
}

static bool map_whole(struct input *input, int file, size_t size)
{
    void *start = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (start == MAP_FAILED)
        return false;
    madvise(start, size, MADV_SEQUENTIAL);
    *input = (struct input){.data = start, .size = size};
    return true;
}

bool input_open(struct input *input, const char *path, char *why, size_t why_size)
{
    *input = (struct input){0};
    bool standard = strcmp(path, "-") == 0;
    int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        snprintf(why, why_size, "cannot be opened: %s", strerror(errno));
        if (file >= 0 && !standard)
            close(file);
        return false;
    }
    /* Standard input may stand anywhere in its file: it is read from there on. */
    bool mappable = !standard && S_ISREG(status.st_mode) && status.st_size > 0 &&
                    (uintmax_t)status.st_size <= SIZE_MAX / 2;
    bool good = (mappable && map_whole(input, file, (size_t)status.st_size)) ||
                read_whole(input, file);
    if (!good) {
        snprintf(why, why_size, "cannot be read: %s", strerror(errno));
        input_close(input);
    }
    if (!standard)
        close(file);
    return good;
}

void input_close(struct input *input)
{
    if (input->room > 0)
        table_release(input->data, input->room);
    else if (input->data != NULL)
        munmap(input->data, input->size);
    *input = (struct input){0};
}
