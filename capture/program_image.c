/* program_image.c - raw files. The program could write to its own, so nothing in one is
 * taken on trust: counts are cut to what there is room for, names to their fields. */

/* Raw files may be large, also on 32-bit systems. */
#define _FILE_OFFSET_BITS 64

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../driver/run.h"
#include "program_image.h"

/* All of it, or nothing. */
static bool read_at(int file, void *data, size_t size, uint64_t offset)
{
    char *at = data;
    while (size > 0) {
        ssize_t got = pread(file, at, size, (off_t)offset);
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static bool is_sound(const struct raw_head *head)
{
    return memcmp(head->magic, RAW_MAGIC, sizeof head->magic) == 0 &&
           head->version == RAW_VERSION && head->start != 0;
}

uint64_t image_start(const char *path)
{
    struct raw_head head;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return 0;
    bool good = read_at(file, &head, sizeof head, 0) && is_sound(&head);
    close(file);
    return good ? head.start : 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->stamp != right->stamp)
        return left->stamp < right->stamp ? -1 : 1;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static bool find_chunks(struct image *image)
{
    struct stat status;
    if (fstat(image->file, &status) != 0)
        return false;
    uint64_t size = (uint64_t)status.st_size;
    size_t most = size < RAW_HEAD ? 0 : (size_t)((size - RAW_HEAD) / RAW_CHUNK);
    image->places = calloc(most + 1, sizeof *image->places);
    if (image->places == NULL)
        run_refuse("no memory for %zu chunks of a recording", most);
    for (size_t i = 0; i < most; i++) {
        struct raw_chunk chunk;
        uint64_t offset = RAW_HEAD + (uint64_t)i * RAW_CHUNK;
        if (!read_at(image->file, &chunk, sizeof chunk, offset))
            return false;
        if (chunk.stamp != 0)
            image->places[image->place_count++] = (struct place){chunk.stamp, offset};
    }
    qsort(image->places, image->place_count, sizeof *image->places, compare_places);
    return true;
}

struct image *image_open(const char *path)
{
    struct image *image = calloc(1, sizeof *image);
    if (image == NULL)
        run_refuse("no memory for the recording of a process");
    image->file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct raw_head *head = &image->head;
    if (image->file < 0 || !read_at(image->file, head, sizeof *head, 0) ||
        !is_sound(head) || !find_chunks(image)) {
        image_close(image);
        return NULL;
    }
    if (head->modules > RAW_MODULES)
        head->modules = RAW_MODULES;
    if (head->sites > RAW_SITES)
        head->sites = RAW_SITES;
    head->program[RAW_NAME - 1] = '\0';
    return image;
}

bool image_read(const struct image *image, const struct place *place,
                uint64_t units[CHUNK_UNITS])
{
    bool good = read_at(image->file, units, CHUNK_UNITS * sizeof *units,
                        place->offset + sizeof(struct raw_chunk));
    /* File systems that cannot do this need more room. */
    fallocate(image->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              (off_t)place->offset, RAW_CHUNK);
    return good;
}

static uint32_t name_site(const struct image *image, uint64_t address,
                          struct names *names)
{
    char text[RAW_NAME + 24];
    for (uint32_t i = 0; i < image->head.modules; i++) {
        const struct raw_module *module = &image->head.module[i];
        if (address < module->start || address >= module->end)
            continue;
        int length =
            snprintf(text, sizeof text, "%.*s+0x%llx", RAW_NAME - 1, module->name,
                     (unsigned long long)(address - module->base));
        return names_number(names, text, (size_t)length);
    }
    return 0;
}

uint32_t image_site(struct image *image, uint32_t site, struct names *names)
{
    if (site == 0 || site > image->head.sites)
        return 0;
    if (image->site[site] == 0)
        image->site[site] = 1 + name_site(image, image->head.site[site - 1], names);
    return image->site[site] - 1;
}

void image_close(struct image *image)
{
    if (image->file >= 0)
        close(image->file);
    free(image->places);
    free(image);
}
