/* file.c - open files, as objects that stay constructed between uses.
 *
 * A file that is open nowhere has no references and stands at its start: its constructor
 * leaves it so, and whoever closes it, too. So opening one sets only which file it is. */

#include <string.h>
#include "embedded.h"
#include "file.h"
#include "kma_slab.h"
#include "kmalloc.h"
#include "process.h"

/* Only kma_slab has them. */
#pragma weak kmem_cache_create
#pragma weak kmem_cache_alloc
#pragma weak kmem_cache_free
#pragma weak kmem_cache_destroy
#pragma weak kmem_cache_shrink

struct file {
    uint32_t references; /* descriptors, of any process */
    uint32_t offset;
    const struct embedded_trace *contents;
    void *wait_queue; /* of those who wait for it; here nobody does */
};

static kmem_cache_t *cache;
static int open_count;

static void construct(void *object, size_t size)
{
    memset(object, 0, size);
}

bool files_have_cache(void)
{
    return kmem_cache_create != NULL;
}

bool files_start(void)
{
    if (!files_have_cache())
        return true;
    bool locked = kernel_lock();
    cache = kmem_cache_create("file", sizeof(struct file), 0, construct, NULL);
    kernel_unlock(locked);
    return cache != NULL;
}

bool files_stop(void)
{
    bool stopped = open_count == 0;
    bool locked = kernel_lock();
    if (cache != NULL)
        stopped = kmem_cache_destroy(cache) == KMEM_DESTROYED;
    kernel_unlock(locked);
    return stopped;
}

static struct file *new_file(void)
{
    if (cache == NULL) {
        struct file *file = kmalloc(sizeof *file);
        if (file != NULL)
            construct(file, sizeof *file);
        return file;
    }
    bool locked = kernel_lock();
    struct file *file = kmem_cache_alloc(cache);
    kernel_unlock(locked);
    return file;
}

/* A cache may keep an empty slab for the next file; who has none open wants it back. */
static void give_up(struct file *file)
{
    bool locked = kernel_lock();
    open_count--;
    if (cache == NULL)
        kma_free(file, sizeof *file);
    else
        kmem_cache_free(cache, file);
    if (cache != NULL && open_count == 0)
        kmem_cache_shrink(cache);
    kernel_unlock(locked);
}

/* Where a descriptor's file stands, or NULL. */
static struct file **place_of(struct open_files *files, int descriptor)
{
    if (descriptor < 0 || descriptor >= FILES_WITHIN + files->room)
        return NULL;
    return descriptor < FILES_WITHIN ? &files->within[descriptor]
                                     : &files->more[descriptor - FILES_WITHIN];
}

static bool make_room(struct open_files *files)
{
    int room = files->room == 0 ? FILES_WITHIN : 2 * files->room;
    struct file **more = kmalloc((kma_size_t)((size_t)room * sizeof *more));
    if (more == NULL)
        return false;
    memset(more, 0, (size_t)room * sizeof *more);
    if (files->room > 0) {
        memcpy(more, files->more, (size_t)files->room * sizeof *more);
        kfree(files->more, (kma_size_t)((size_t)files->room * sizeof *more));
    }
    files->more = more;
    files->room = room;
    return true;
}

/* The least descriptor that is free, or -1. */
static int free_descriptor(struct open_files *files)
{
    int most = FILES_WITHIN + files->room;
    for (int descriptor = 0; descriptor < most; descriptor++)
        if (*place_of(files, descriptor) == NULL)
            return descriptor;
    return make_room(files) ? most : -1;
}

static struct file *file_at(struct open_files *files, int descriptor)
{
    struct file **place = place_of(files, descriptor);
    return place == NULL ? NULL : *place;
}

/* Files are shared by the descriptors of one process only, so the count of references
 * needs no lock. */
int file_open(struct open_files *files, const char *name)
{
    const struct embedded_trace *contents = embedded_find(name);
    int descriptor = contents == NULL ? -1 : free_descriptor(files);
    if (descriptor < 0)
        return -1;
    struct file *file = new_file();
    if (file == NULL)
        return -1;
    file->contents = contents;
    file->references = 1;
    *place_of(files, descriptor) = file;
    bool locked = kernel_lock();
    open_count++;
    kernel_unlock(locked);
    return descriptor;
}

int file_duplicate(struct open_files *files, int descriptor)
{
    struct file *file = file_at(files, descriptor);
    int other = file == NULL ? -1 : free_descriptor(files);
    if (other < 0)
        return -1;
    file->references++;
    *place_of(files, other) = file;
    return other;
}

int file_read(struct open_files *files, int descriptor, void *buffer, int size)
{
    struct file *file = file_at(files, descriptor);
    if (file == NULL || size < 0)
        return -1;
    uint32_t left = file->contents->bytes - file->offset;
    uint32_t count = (uint32_t)size < left ? (uint32_t)size : left;
    memcpy(buffer, file->contents->data + file->offset, count);
    file->offset += count;
    return (int)count;
}

int file_close(struct open_files *files, int descriptor)
{
    struct file *file = file_at(files, descriptor);
    if (file == NULL)
        return -1;
    *place_of(files, descriptor) = NULL;
    if (--file->references == 0) {
        file->offset = 0;
        give_up(file);
    }
    return 0;
}

void files_close(struct open_files *files)
{
    for (int descriptor = 0; descriptor < FILES_WITHIN + files->room; descriptor++)
        file_close(files, descriptor);
    if (files->room > 0)
        kfree(files->more, (kma_size_t)((size_t)files->room * sizeof *files->more));
    *files = (struct open_files){0};
}

int files_open(void)
{
    return open_count;
}
