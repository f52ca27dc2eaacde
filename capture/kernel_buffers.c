/* kernel_buffers.c - reading the kernel's ring buffers as they are, page by page.
 *
 * A read of trace_pipe_raw takes one page of events out of a CPU's buffer; libtraceevent
 * takes the page apart. */

#ifndef NO_TRACEFS

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kbuffer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../driver/run.h"
#include "kernel_buffers.h"

enum { MOST_CPUS = 1 << 14 };

struct buffers {
    struct tracefs_instance *instance;
    struct kbuffer *kbuffer;
    void *page;
    size_t page_size;
    long pages; /* in a CPU's buffer, and some */
    int *file;  /* by CPU; -1: there is no such CPU */
    unsigned cpus;
    uint64_t missed; /* events, as the pages say */
};

/* While a file is open the instance cannot be removed. */
static struct buffers *opened;

static void close_files(void)
{
    for (unsigned i = 0; i < opened->cpus; i++) {
        if (opened->file[i] >= 0)
            close(opened->file[i]);
    }
    opened->cpus = 0;
}

static void open_cpu(struct buffers *buffers, unsigned cpu)
{
    char name[60];
    if (cpu >= buffers->cpus) {
        int *larger = realloc(buffers->file, (cpu + 1) * sizeof *larger);
        if (larger == NULL)
            run_refuse("no memory for %u CPUs", cpu + 1);
        buffers->file = larger;
        while (buffers->cpus <= cpu)
            larger[buffers->cpus++] = -1;
    }
    snprintf(name, sizeof name, "per_cpu/cpu%u/trace_pipe_raw", cpu);
    buffers->file[cpu] = tracefs_instance_file_open(buffers->instance, name,
                                                    O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (buffers->file[cpu] < 0)
        run_refuse("%s/%s cannot be opened: %s",
                   tracefs_instance_get_name(buffers->instance), name, strerror(errno));
}

static void open_cpus(struct buffers *buffers)
{
    char *path = tracefs_instance_get_file(buffers->instance, "per_cpu");
    DIR *folder = path == NULL ? NULL : opendir(path);
    if (folder == NULL)
        run_refuse("%s cannot be read: %s", path == NULL ? "per_cpu" : path,
                   strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char *end;
        if (strncmp(entry->d_name, "cpu", 3) != 0)
            continue;
        unsigned long cpu = strtoul(entry->d_name + 3, &end, 10);
        if (end != entry->d_name + 3 && *end == '\0' && cpu < MOST_CPUS)
            open_cpu(buffers, (unsigned)cpu);
    }
    closedir(folder);
    tracefs_put_tracing_file(path);
    if (buffers->cpus == 0)
        run_refuse("the kernel's tracing has no buffer of a CPU");
}

struct buffers *buffers_open(struct tracefs_instance *instance, struct tep_handle *tep,
                             long kilobytes)
{
    struct buffers *buffers = calloc(1, sizeof *buffers);
    if (buffers == NULL)
        run_refuse("no memory for a page of events");
    buffers->instance = instance;
    opened = buffers;
    atexit(close_files);
    int size = tep_get_sub_buffer_size(tep);
    buffers->page_size = size > 0 ? (size_t)size : (size_t)sysconf(_SC_PAGESIZE);
    buffers->page = malloc(buffers->page_size);
    buffers->kbuffer =
        kbuffer_alloc(KBUFFER_LSIZE_SAME_AS_HOST, KBUFFER_ENDIAN_SAME_AS_HOST);
    if (buffers->page == NULL || buffers->kbuffer == NULL)
        run_refuse("no memory for a page of events");
    if (tracefs_instance_set_buffer_size(instance, (size_t)kilobytes, -1) != 0)
        run_refuse("the kernel gives no buffer of %ld KB for each CPU: %s", kilobytes,
                   strerror(errno));
    /* The kernel rounds up, has a page aside for the reader, and the first page read may
     * be a part of one. */
    buffers->pages = kilobytes * 1024 / ((long)buffers->page_size - 64) + 4;
    open_cpus(buffers);
    return buffers;
}

unsigned buffers_cpus(const struct buffers *buffers)
{
    return buffers->cpus;
}

static void read_page(struct buffers *buffers, unsigned cpu, buffers_take *take,
                      void *context)
{
    struct kbuffer *kbuffer = buffers->kbuffer;
    unsigned long long time;
    if (kbuffer_load_subbuffer(kbuffer, buffers->page) != 0 ||
        (size_t)kbuffer_subbuffer_size(kbuffer) >
            buffers->page_size - (size_t)kbuffer_start_of_data(kbuffer))
        run_refuse("CPU %u: a page of events that makes no sense", cpu);
    /* -1: some. */
    int missed = kbuffer_missed_events(kbuffer);
    buffers->missed += missed < 0 ? 1 : (uint64_t)missed;
    void *data = kbuffer_read_event(kbuffer, &time);
    while (data != NULL) {
        take(context, cpu, time, data, (size_t)kbuffer_event_size(kbuffer));
        data = kbuffer_next_event(kbuffer, &time);
    }
}

/* As many pages as a buffer has are all that was there, however fast more comes. */
void buffers_read(struct buffers *buffers, buffers_take *take, void *context)
{
    for (unsigned cpu = 0; cpu < buffers->cpus; cpu++) {
        for (long i = 0; buffers->file[cpu] >= 0 && i < buffers->pages; i++) {
            ssize_t got = read(buffers->file[cpu], buffers->page, buffers->page_size);
            if (got < 0 && errno != EAGAIN && errno != EINTR)
                run_refuse("CPU %u: events cannot be read: %s", cpu, strerror(errno));
            if (got <= 0)
                break;
            read_page(buffers, cpu, take, context);
        }
    }
}

/* The number behind `key` in the text of a per_cpu/cpuN/stats. */
static uint64_t stat_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

uint64_t buffers_lost(const struct buffers *buffers)
{
    uint64_t lost = 0;
    for (unsigned cpu = 0; cpu < buffers->cpus; cpu++) {
        char name[60];
        snprintf(name, sizeof name, "per_cpu/cpu%u/stats", cpu);
        char *text = buffers->file[cpu] < 0
                         ? NULL
                         : tracefs_instance_file_read(buffers->instance, name, NULL);
        if (text == NULL)
            continue;
        /* "commit overrun:" has another line's key in it. */
        lost += stat_of(text, "\noverrun: ") + stat_of(text, "commit overrun: ") +
                stat_of(text, "dropped events: ");
        free(text);
    }
    return lost > buffers->missed ? lost : buffers->missed;
}

#endif
