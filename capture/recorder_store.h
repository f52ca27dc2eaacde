/* recorder_store.h - where records go: the raw file, its chunks, and the threads that
 * fill them. Part of recorder.c.
 *
 * All that belongs to one process image lies in memory that the kernel clears in a child
 * of fork: the child finds nothing begun, and begins a file of its own. A child of vfork
 * works in its parent's memory, and is recorded as its parent.
 *
 * Nothing here calls the C library where it might allocate, be a place where a thread is
 * cancelled, or be replaced by the program. Files are opened for a moment, by their path:
 * programs close descriptors that they do not know. */
#ifndef KMA_CAPTURE_RECORDER_STORE_H
#define KMA_CAPTURE_RECORDER_STORE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <sys/single_threaded.h>
#include "recorder.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
    SITE_ROOM = RAW_SITES * 2 + 2, /* of the table, a power of two */
    ORDER_ROOM = 1 << 17,
    GROUP = 32, /* records of one stamp */
    NUMBER_BITS = 8,
    LONGEST_NAME = 64, /* of a file in the folder */
    ZEROS = 4096,
    SLAB = 1 << 16,
    TEXT = 4096
};

/* A caller that was seen. */
struct site {
    uintptr_t address; /* written last; 0: none */
    uint32_t number;
};

/* What one thread writes to. A signal handler may come between any two steps of the
 * thread it interrupts; `previous` stays mapped so that a record whose place was taken
 * before the handler came can still be completed. */
struct stream {
    _Alignas(64) char *volatile next; /* place of the next record */
    char *volatile end;               /* of the chunk; NULL: there is none */
    uint64_t mark; /* the last stamp written, and the stream's number */
    uint32_t tick; /* when it was */
    unsigned number;
    int left; /* records that may follow without another */
    char *chunk;
    char *previous;
    struct stream *idle; /* the next one that no thread has */
};

/* Of this process image; see above. */
struct process {
    int lock;
    int stopped;
    struct raw_head *head; /* NULL: not begun */
    uint64_t chunks;
    struct stream *idle;
    struct stream *slab;
    size_t slab_left;
    unsigned streams;
    unsigned looks; /* at the list of mappings */
    char path[PATH_MAX];
    char text[TEXT];
    struct site sites[SITE_ROOM];
    /* By address, roughly: the mark of the last record of it. Threads that write here at
     * once write of different addresses. If they meet in one place, one of them may see
     * an order that is not there, or, hardly ever, miss one. */
    volatile uint64_t order[ORDER_ROOM];
};

/* The same in parent and child. */
static struct process *process; /* NULL: not recorded, or not yet */
static char folder[PATH_MAX];   /* ends with a '/' */
static const uint32_t no_tick;
static const volatile uint32_t *tick = &no_tick;

/* The clock is read in order: later than what this thread has read from others, earlier
 * than what it will tell them. */
static uint64_t stamp_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Zeroed memory that a child of fork finds zeroed again. NULL: there is none. */
static void *map_own(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED && madvise(memory, size, MADV_WIPEONFORK) == 0)
        return memory;
    return NULL;
}

/* All signals are kept away while a lock is held or a chunk changes. */
struct kept {
    uint64_t mask[2];
};

static struct kept keep_signals(void)
{
    const struct kept all = {{UINT64_MAX, UINT64_MAX}};
    struct kept before;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, _NSIG / 8);
    return before;
}

static void return_signals(struct kept before)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, _NSIG / 8);
}

static void lock(void)
{
    while (__atomic_exchange_n(&process->lock, 1, __ATOMIC_ACQUIRE) != 0)
        sched_yield();
}

static void unlock(void)
{
    __atomic_store_n(&process->lock, 0, __ATOMIC_RELEASE);
}

/* Recording ends for this process; the program goes on. */
static void stop(int error)
{
    if (__atomic_exchange_n(&process->stopped, 1, __ATOMIC_RELAXED) != 0 ||
        process->head == NULL)
        return;
    process->head->error = (uint32_t)error;
    process->head->stopped = stamp_now();
}

/* Bytes are written, and not only promised: a mapping of what the disk has no room for
 * would kill the program when it is touched. Returns an error number. */
static int extend(int file, uint64_t offset, size_t size)
{
    static const char zeros[ZEROS];
    struct iovec parts[RAW_CHUNK / ZEROS];
    struct rlimit limit;
    /* Going over this limit would be a signal. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        offset + size > limit.rlim_cur)
        return EFBIG;
    for (size_t i = 0; i < size / ZEROS; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)zeros, ZEROS};
    long done = syscall(SYS_pwritev, file, parts, size / ZEROS, (long)offset,
                        (long)(offset >> 32));
    if (done < 0)
        return errno;
    return (size_t)done == size ? 0 : ENOSPC;
}

/* A new part of the open file, in memory. NULL with an error number. */
static void *map_part(int file, uint64_t offset, size_t size, int *error)
{
    *error = extend(file, offset, size);
    if (*error != 0)
        return NULL;
    void *part =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)offset);
    if (part == MAP_FAILED) {
        *error = errno;
        return NULL;
    }
    /* Old kernels do not know this; then each page is a fault. */
    if (madvise(part, size, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
        *error = ENOSPC;
        munmap(part, size);
        return NULL;
    }
    return part;
}

static int open_file(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path,
                        O_CLOEXEC | O_NOFOLLOW | O_LARGEFILE | flags,
                        S_IRUSR | S_IWUSR);
}

static void find_tick(void)
{
    char path[PATH_MAX];
    size_t length = strlen(folder);
    memcpy(path, folder, length);
    memcpy(path + length, RAW_TICK, sizeof RAW_TICK);
    int file = open_file(path, O_RDONLY);
    if (file < 0)
        return;
    void *memory = mmap(NULL, RAW_TICK_SIZE, PROT_READ, MAP_SHARED, file, 0);
    if (memory != MAP_FAILED)
        tick = memory;
    syscall(SYS_close, file);
}

static char *put_number(char *at, unsigned number)
{
    char digits[3 * sizeof number];
    size_t length = 0;
    do {
        digits[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (length > 0)
        *at++ = digits[--length];
    return at;
}

/* A file of a name that none had before: process ids come again, and one process can be
 * several images. */
static int create_file(void)
{
    for (unsigned image = 0;; image++) {
        char *at = process->path;
        size_t length = strlen(folder);
        memcpy(at, folder, length);
        at = put_number(at + length, (unsigned)getpid());
        *at++ = '-';
        at = put_number(at, image);
        *at = '\0';
        int file = open_file(process->path, O_RDWR | O_CREAT | O_EXCL);
        if (file >= 0 || errno != EEXIST)
            return file;
    }
}

/* With the lock held: this image's file and its head. A file without a head tells that
 * there was no room for it. */
static bool begin(void)
{
    int error = 0;
    int file = create_file();
    if (file < 0) {
        stop(errno);
        return false;
    }
    /* Whatever the program's mask for new files is. */
    syscall(SYS_fchmod, file, S_IRUSR | S_IWUSR);
    struct raw_head *head = map_part(file, 0, RAW_HEAD, &error);
    if (head == NULL)
        (void)!ftruncate(file, 0);
    syscall(SYS_close, file);
    if (head == NULL) {
        stop(error);
        return false;
    }
    head->version = RAW_VERSION;
    head->word = sizeof(void *);
    head->pid = (uint32_t)getpid();
    head->start = stamp_now();
    if (program_invocation_short_name != NULL)
        strncpy(head->program, program_invocation_short_name, RAW_NAME - 1);
    memcpy(head->magic, RAW_MAGIC, sizeof head->magic);
    process->head = head;
    return true;
}

/* The next chunk of the file, for this stream. With signals kept away. */
static bool take_chunk(struct stream *stream)
{
    int error = 0;
    lock();
    bool begun = process->head != NULL || begin();
    uint64_t number = process->chunks++;
    unlock();
    if (!begun)
        return false;
    int file = open_file(process->path, O_RDWR);
    char *chunk = NULL;
    if (file < 0) {
        error = errno;
    } else {
        chunk = map_part(file, RAW_HEAD + number * RAW_CHUNK, RAW_CHUNK, &error);
        syscall(SYS_close, file);
    }
    if (chunk == NULL) {
        stop(error);
        return false;
    }
    if (stream->previous != NULL)
        munmap(stream->previous, RAW_CHUNK);
    struct raw_chunk *head = (struct raw_chunk *)chunk;
    head->stamp = stamp_now();
    stream->previous = stream->chunk;
    stream->chunk = chunk;
    stream->next = chunk + sizeof *head;
    stream->end = chunk + RAW_CHUNK;
    return true;
}

/* A stream that no thread has: of a thread that ended, with the rest of its chunk, or a
 * new one. With signals kept away. NULL: no memory. */
static struct stream *take_stream(void)
{
    lock();
    struct stream *stream = process->idle;
    if (stream != NULL) {
        process->idle = stream->idle;
    } else {
        if (process->slab_left == 0) {
            process->slab = map_own(SLAB);
            process->slab_left = process->slab == NULL ? 0 : SLAB / sizeof *stream;
        }
        if (process->slab_left > 0) {
            stream = process->slab++;
            process->slab_left--;
            stream->number = ++process->streams;
        }
    }
    unlock();
    return stream;
}

/* At the end of its thread. The next one begins with a stamp. */
static void give_stream(struct stream *stream)
{
    stream->left = 0;
    lock();
    stream->idle = process->idle;
    process->idle = stream;
    unlock();
}

#endif
