/* program_scratch.c - the folder of raw files: made, ticked in, listed and removed. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../driver/run.h"
#include "program_image.h"
#include "program_scratch.h"

#define OWN_NAME ".kma-record-XXXXXX"

static struct {
    char path[PATH_MAX + sizeof OWN_NAME];
    pid_t owner;
    volatile uint32_t *tick;
    pthread_t ticker;
    atomic_bool ticking;
    struct raw_file *files;
    size_t count;
} scratch;

static _Noreturn void refuse(const char *output, int error)
{
    run_refuse("%s: cannot be written: %s", output, strerror(error));
}

static void remove_scratch(void)
{
    char path[sizeof scratch.path + NAME_MAX + 2];
    struct dirent *entry;
    /* A child that could not become the command is no owner. */
    DIR *folder = scratch.owner == getpid() ? opendir(scratch.path) : NULL;
    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", scratch.path, entry->d_name);
        unlink(path);
    }
    closedir(folder);
    rmdir(scratch.path);
}

/* The folder of the file that is going to be written, which a symbolic link may name. */
static void find_folder(const char *output)
{
    struct stat status;
    char target[PATH_MAX];
    if (stat(output, &status) == 0) {
        if (!S_ISREG(status.st_mode))
            run_refuse("%s: is no regular file, which a recording takes", output);
        if (access(output, W_OK) != 0 || realpath(output, target) == NULL)
            refuse(output, errno);
    } else if (errno != ENOENT || strlen(output) >= sizeof target) {
        refuse(output, errno == ENOENT ? ENAMETOOLONG : errno);
    } else {
        memcpy(target, output, strlen(output) + 1);
    }
    char *slash = strrchr(target, '/');
    if (slash != NULL)
        slash[slash == target] = '\0';
    if (realpath(slash == NULL ? "." : target, scratch.path) == NULL)
        refuse(output, errno);
}

static void make_tick(void)
{
    char path[sizeof scratch.path + sizeof RAW_TICK + 1];
    snprintf(path, sizeof path, "%s/%s", scratch.path, RAW_TICK);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    const char zeros[RAW_TICK_SIZE] = {0};
    if (file < 0 || write(file, zeros, sizeof zeros) != (ssize_t)sizeof zeros)
        run_refuse("%s: cannot be written: %s", path, strerror(errno));
    void *memory =
        mmap(NULL, RAW_TICK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        run_refuse("%s: cannot be mapped: %s", path, strerror(errno));
    close(file);
    scratch.tick = memory;
}

void scratch_open(const char *output)
{
    find_folder(output);
    size_t length = strlen(scratch.path);
    bool is_root = length == 1;
    snprintf(scratch.path + length, sizeof scratch.path - length, "%s%s",
             is_root ? "" : "/", OWN_NAME);
    if (mkdtemp(scratch.path) == NULL)
        refuse(output, errno);
    scratch.owner = getpid();
    atexit(remove_scratch);
    make_tick();
}

const char *scratch_path(void)
{
    return scratch.path;
}

static void *tick_on(void *unused)
{
    const struct timespec millisecond = {.tv_nsec = 1000 * 1000};
    while (scratch.ticking) {
        ++*scratch.tick;
        nanosleep(&millisecond, NULL);
    }
    return unused;
}

void scratch_start(void)
{
    scratch.ticking = true;
    int error = pthread_create(&scratch.ticker, NULL, tick_on, NULL);
    if (error != 0)
        run_refuse("no thread can be started: %s", strerror(error));
}

void scratch_stop(void)
{
    scratch.ticking = false;
    pthread_join(scratch.ticker, NULL);
}

static void add_file(const char *name)
{
    struct raw_file *more =
        reallocarray(scratch.files, scratch.count + 1, sizeof *more);
    if (more != NULL)
        scratch.files = more;
    struct raw_file file = {0};
    if (more == NULL || asprintf(&file.path, "%s/%s", scratch.path, name) < 0)
        run_refuse("no memory for %zu processes", scratch.count + 1);
    file.start = image_start(file.path);
    scratch.files[scratch.count++] = file;
}

static int compare_files(const void *a, const void *b)
{
    const struct raw_file *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return strcmp(left->path, right->path);
}

const struct raw_file *scratch_files(size_t *count)
{
    struct dirent *entry;
    DIR *folder = opendir(scratch.path);
    if (folder == NULL)
        run_refuse("%s: cannot be read: %s", scratch.path, strerror(errno));
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            add_file(entry->d_name);
    }
    closedir(folder);
    if (scratch.count > 0)
        qsort(scratch.files, scratch.count, sizeof *scratch.files, compare_files);
    *count = scratch.count;
    return scratch.files;
}
