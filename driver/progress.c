/* progress.c - the progress line. Silent for the first second of the run, when standard
 * error is no terminal, and for a tenth of a second after each update. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "progress.h"

enum { FIRST_AFTER_MS = 1000, UPDATE_EVERY_MS = 100 };

static struct {
    const char *what;
    uint64_t total;
    int64_t next_ms;
    bool started;
    bool on_terminal;
    volatile bool shown;
} progress;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put(const char *text, size_t length)
{
    /* A line that cannot be shown is no reason to stop. */
    (void)!write(STDERR_FILENO, text, length);
}

void progress_begin(const char *what, uint64_t total)
{
    if (!progress.started) {
        progress.started = true;
        progress.on_terminal = isatty(STDERR_FILENO) == 1;
        progress.next_ms = now_ms() + FIRST_AFTER_MS;
    }
    progress.what = what;
    progress.total = total;
}

void progress_at(uint64_t done)
{
    if (!progress.on_terminal)
        return;
    int64_t now = now_ms();
    if (now < progress.next_ms)
        return;
    progress.next_ms = now + UPDATE_EVERY_MS;
    char text[80];
    int length = snprintf(text, sizeof text, "\r%s: %llu", progress.what,
                          (unsigned long long)done);
    if (progress.total > 0)
        length += snprintf(text + length, sizeof text - (size_t)length,
                           " of %llu events, %.0f%%\033[K",
                           (unsigned long long)progress.total,
                           100.0 * (double)done / (double)progress.total);
    else
        length +=
            snprintf(text + length, sizeof text - (size_t)length, " events\033[K");
    progress.shown = true;
    put(text, (size_t)length);
}

void progress_clear(void)
{
    static const char erase[] = "\r\033[K";
    if (progress.shown)
        put(erase, sizeof erase - 1);
    progress.shown = false;
}
