/* input.c - the bytes of a trace. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "input.h"
#include "table.h"
#include "write_all.h"

enum { WINDOW = 1 << 18, LONGEST_EVENT = 64 };

static bool explain(char *why, size_t why_size)
{
    snprintf(why, why_size, "cannot be read: %s", strerror(errno));
    return false;
}

/* Reads until the window is full or the source ends. */
static bool fill(struct input *input)
{
    while (!input->ended && input->size < input->room) {
        ssize_t got =
            read(input->file, input->data + input->size, input->room - input->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        input->size += (size_t)got;
        input->ended = got == 0;
    }
    return true;
}

bool input_open(struct input *input, const char *path, char *why, size_t why_size)
{
    *input = (struct input){.standard = strcmp(path, "-") == 0};
    input->file = input->standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0) {
        snprintf(why, why_size, "cannot be opened: %s", strerror(errno));
        return false;
    }
    input->start = lseek(input->file, 0, SEEK_CUR);
    input->room = WINDOW;
    input->data = table_new(input->room, 1);
    if (input->data != NULL && fill(input))
        return true;
    explain(why, why_size);
    input_close(input);
    return false;
}

bool input_advance(struct input *input, size_t used, char *why, size_t why_size)
{
    memmove(input->data, input->data + used, input->size - used);
    input->size -= used;
    input->offset += used;
    return fill(input) || explain(why, why_size);
}

/* Standard input may stand anywhere in its file: it is read from there on. */
static bool map_whole(struct input *input)
{
    struct stat status;
    if (input->standard || fstat(input->file, &status) != 0 ||
        !S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (uintmax_t)status.st_size > SIZE_MAX / 2)
        return false;
    size_t size = (size_t)status.st_size;
    void *start = mmap(NULL, size, PROT_READ, MAP_PRIVATE, input->file, 0);
    if (start == MAP_FAILED)
        return false;
    madvise(start, size, MADV_SEQUENTIAL);
    table_release(input->data, input->room);
    input->data = start;
    input->size = size;
    input->room = 0;
    input->ended = true;
    return true;
}

/* As many bytes as are worth reading from a source without an end in sight: what the
 * header promises, with room for blanks; the parser then finds what is wrong. A header
 * that is not a number is worth no more than the first window. */
static size_t worth_reading(const char *data, size_t size)
{
    uint64_t events = 0;
    size_t at = 0;
    while (at < size && (data[at] == ' ' || data[at] == '\t'))
        at++;
    for (; at < size && data[at] >= '0' && data[at] <= '9' && events < UINT32_MAX; at++)
        events = events * 10 + (uint64_t)(data[at] - '0');
    uint64_t bytes = WINDOW + events * LONGEST_EVENT;
    return bytes < SIZE_MAX / 2 ? (size_t)bytes : SIZE_MAX / 2;
}

bool input_whole(struct input *input, char *why, size_t why_size)
{
    if (map_whole(input))
        return true;
    size_t limit = worth_reading(input->data, input->size);
    while (!input->ended && input->size < limit) {
        char *larger = table_grow(input->data, input->room, input->room * 2, 1);
        if (larger == NULL)
            return explain(why, why_size);
        input->data = larger;
        input->room *= 2;
        if (!fill(input))
            return explain(why, why_size);
    }
    return true;
}

int input_open_nameless(char *folder, size_t room)
{
    const char *set = getenv("TMPDIR");
    char path[4096];
    snprintf(folder, room, "%s", set != NULL && set[0] != '\0' ? set : "/tmp");
    snprintf(path, sizeof path, "%s/kma-XXXXXX", folder);
    int file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

bool input_keep(struct input *input, char *why, size_t why_size)
{
    if (input->start >= 0)
        return true;
    char folder[200];
    int copy = input_open_nameless(folder, sizeof folder);
    bool good = copy >= 0;
    while (good && write_all(copy, input->data, input->size) && !input->ended) {
        input->size = 0;
        good = fill(input);
    }
    if (!good || !input->ended) {
        snprintf(why, why_size, "cannot be kept in %s for a second reading: %s", folder,
                 strerror(errno));
        if (copy >= 0)
            close(copy);
        return false;
    }
    if (!input->standard)
        close(input->file);
    input->file = copy;
    input->standard = false;
    input->start = 0;
    return input_rewind(input, why, why_size);
}

bool input_rewind(struct input *input, char *why, size_t why_size)
{
    if (lseek(input->file, input->start, SEEK_SET) < 0)
        return explain(why, why_size);
    input->size = 0;
    input->offset = 0;
    input->ended = false;
    return fill(input) || explain(why, why_size);
}

void input_close(struct input *input)
{
    if (input->room > 0)
        table_release(input->data, input->room);
    else if (input->data != NULL)
        munmap(input->data, input->size);
    if (!input->standard && input->file >= 0)
        close(input->file);
    *input = (struct input){.file = -1};
}
