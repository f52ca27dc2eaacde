/* settings.c - what the environment says, and what is said about a run.
 *
 * KMA_PAGES=mmap|brk   where pages come from; mappings, unless it says otherwise
 * KMA_STATS=1          at the end of the process a line of figures on stderr
 * KMA_CHECK=1          frees of what is no live block are refused, with a line on stderr
 *
 * Lines go to what stderr is when the first memory is requested: programs may close it
 * before they end. The kernel's calls for memory are those that the library made. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kma_page.h"
#include "ledger.h"
#include "pages.h"
#include "settings.h"

#define NAME "libkma_" KMA_NAME

enum { LINE = 512, HIGH_DESCRIPTOR = 512 };

struct settings settings = {&mmap_source, FALSE, FALSE};

/* Where lines go; a program that closes all descriptors may have a file of its own there. */
static struct {
    int descriptor;
    struct stat file;
} output = {.descriptor = -1};

static struct {
    uint64_t calls;
    uint64_t refused; /* requests that got no memory */
    size_t requested, most_requested;
    size_t most_pages;
    bool is_incomplete; /* there was no memory for the ledger */
} counts;

/* ---- lines */

/* A descriptor for our lines, out of the way of those the program opens. */
static void keep_output(void)
{
    int copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
    if (copy < 0)
        copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy >= 0 && fstat(copy, &output.file) == 0)
        output.descriptor = copy;
}

static bool is_still_ours(int descriptor)
{
    struct stat file;
    return descriptor >= 0 && fstat(descriptor, &file) == 0 &&
           file.st_dev == output.file.st_dev && file.st_ino == output.file.st_ino;
}

__attribute__((format(printf, 2, 3))) static void say(int descriptor,
                                                      const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t bytes = (size_t)length < sizeof line - 2 ? (size_t)length : sizeof line - 2;
    line[bytes++] = '\n';
    /* Not write(), in which a thread may be cancelled, and the lock is held. */
    syscall(SYS_write, descriptor, line, bytes);
}

/* A line about the run. errno is as before. */
#define REPORT(...)                              \
    do {                                         \
        int saved_errno = errno;                 \
        if (is_still_ours(output.descriptor))    \
            say(output.descriptor, __VA_ARGS__); \
        errno = saved_errno;                     \
    } while (0)

void error(char *message, char *arg)
{
    say(STDERR_FILENO, NAME ": %s %s", message, arg);
    abort();
}

/* ---- the environment */

/* Whether a variable that is 1 or 0 is 1. */
static bool is_on(const char *variable)
{
    const char *value = getenv(variable);
    if (value == NULL || strcmp(value, "") == 0 || strcmp(value, "0") == 0)
        return FALSE;
    if (strcmp(value, "1") == 0)
        return TRUE;
    say(STDERR_FILENO, NAME ": %s=%s: this is 1, or nothing", variable, value);
    _exit(2);
}

static const struct page_source *chosen_source(void)
{
    const char *value = getenv("KMA_PAGES");
    if (value == NULL || strcmp(value, "") == 0 || strcmp(value, "mmap") == 0)
        return &mmap_source;
    if (strcmp(value, "brk") == 0)
        return &brk_source;
    say(STDERR_FILENO, NAME ": KMA_PAGES=%s: pages come from mmap or brk", value);
    _exit(2);
}

void read_settings(void)
{
    int saved_errno = errno;
    settings.source = chosen_source();
    settings.stats = is_on("KMA_STATS");
    settings.check = is_on("KMA_CHECK");
    if (settings.stats || settings.check)
        keep_output();
    if (settings.check && kma_what_is == NULL)
        REPORT(NAME ": KMA_CHECK: this algorithm cannot tell a bad free; those of "
                    "addresses outside of its memory are refused, and of large blocks");
    errno = saved_errno;
}

/* ---- KMA_CHECK */

void report_bad_free(const char *call, const void *ptr, enum kma_free_result why)
{
    static const char *const reasons[] = {
        [KMA_FREE_NULL] = "is no address",
        [KMA_FREE_UNKNOWN] = "was never returned, or its page is no longer in use",
        [KMA_FREE_INSIDE] = "is inside a block",
        [KMA_FREE_TWICE] = "was freed already",
    };
    REPORT(NAME "[%ld] %s: %s(%p): %s; nothing is freed", (long)getpid(),
           program_invocation_short_name, call, ptr, reasons[why]);
}

/* ---- KMA_STATS */

void count_got(const void *block, size_t bytes)
{
    counts.calls++;
    if (block == NULL) {
        counts.refused++;
        return;
    }
    if (!note_block(block, bytes)) {
        counts.is_incomplete = TRUE;
        return;
    }
    counts.requested += bytes;
    if (counts.requested > counts.most_requested)
        counts.most_requested = counts.requested;
    if (pages_held() > counts.most_pages)
        counts.most_pages = pages_held();
}

void count_freed(const void *block)
{
    counts.calls++;
    counts.requested -= strike_out(block);
}

void count_moved(const void *from, const void *to, size_t bytes)
{
    if (to != NULL)
        counts.requested -= strike_out(from);
    count_got(to, bytes);
}

void forget_counts(void)
{
    counts.calls = counts.refused = 0;
    counts.most_requested = counts.requested;
    counts.most_pages = pages_held();
    source_calls = (struct source_calls){0};
}

static void __attribute__((destructor)) report_counts(void)
{
    if (!settings.stats)
        return;
    unsigned long long bytes = (unsigned long long)counts.most_pages * PAGESIZE;
    unsigned long long requested = counts.most_requested;
    unsigned thousandths = bytes == 0 ? 0 : (unsigned)(1000 * requested / bytes);
    REPORT(
        NAME "[%ld] %s: %llu calls, %llu without memory; at most %llu bytes requested, "
             "%llu page bytes, utilization %u.%03u; kernel calls: %llu brk, %llu mmap, "
             "%llu munmap, %llu madvise; %llu bytes given back%s",
        (long)getpid(), program_invocation_short_name, (unsigned long long)counts.calls,
        (unsigned long long)counts.refused, requested, bytes, thousandths / 1000,
        thousandths % 1000, (unsigned long long)source_calls.brk,
        (unsigned long long)source_calls.mmap, (unsigned long long)source_calls.munmap,
        (unsigned long long)source_calls.madvise,
        (unsigned long long)source_calls.bytes_back,
        counts.is_incomplete ? "; incomplete, for want of memory" : "");
}
