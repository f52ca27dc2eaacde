/* file.h - open files, for the processes of the kernel.
 *
 * There is no table of them: an open file is an object of a kmem_cache where the
 * algorithm has object caches, and a block from kmalloc where it has none. What can be
 * opened is built into the kernel. */
#ifndef KMA_KERNEL_FILE_H
#define KMA_KERNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;

/* The files of one process, by descriptor. Those that do not fit have a block of their
 * own. All zero: none. */
enum { FILES_WITHIN = 10 };

struct open_files {
    struct file *within[FILES_WITHIN];
    struct file **more; /* descriptors from FILES_WITHIN on, or NULL */
    int room;           /* of these */
};

/* Makes the cache; false when there is no memory for it. */
bool files_start(void);

/* Gives up the cache; false while a file is open. */
bool files_stop(void);

/* Whether open files are objects of a kmem_cache. */
bool files_have_cache(void);

/* The least descriptor that was free, with the named file open at its start; -1 when there
 * is no such file or no memory. */
int file_open(struct open_files *files, const char *name);

/* Another descriptor of the same open file, which has one offset; or -1. */
int file_duplicate(struct open_files *files, int descriptor);

/* The bytes read, up to `size`; 0 at the end, -1 for a descriptor that is not open. */
int file_read(struct open_files *files, int descriptor, void *buffer, int size);

/* -1 for a descriptor that is not open. The file goes with its last descriptor. */
int file_close(struct open_files *files, int descriptor);

/* All of them, and the block. */
void files_close(struct open_files *files);

/* Files open in all processes together. */
int files_open(void);

#endif
