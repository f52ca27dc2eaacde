/* run.h - one run of the driver: where it stands, and the ways it can end.
 *
 * Whatever goes wrong ends here, whoever finds it: a check of the driver, the page
 * allocator, the algorithm through error(), or a signal. The message names the line of
 * the trace that was being replayed, so the loops keep it up to date with run_at. */
#ifndef KMA_DRIVER_RUN_H
#define KMA_DRIVER_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* The events being replayed: one, or a stretch in a loop that cannot say it closer. */
struct run_place {
    volatile uint64_t first;
    volatile uint64_t last;
};

extern struct run_place run_place;

static inline void run_at(uint64_t event)
{
    run_place.first = event;
    run_place.last = event;
}

static inline void run_at_stretch(uint64_t first, uint64_t last)
{
    run_place.first = first;
    run_place.last = last;
}

/* Call first. Names the run and keeps standard input, output and error from being
 * taken by files opened later when the caller has closed them. */
void run_begin(const char *program);

/* From here on a crash or a signal ends the run with a message, and with nothing half
 * written. */
void run_watch_signals(void);

/* The trace is being read. Messages name it from here on, and signals are watched. */
void run_reads(const char *trace_path);

/* The trace is open; what crashes from here on is the algorithm. `by_line`: messages
 * name the lines of a text, not the numbers of events. */
void run_replays(bool by_line);

/* Lines of the report: standard output, unless that is taken by another output. */
void run_report_to(int file);
__attribute__((format(printf, 1, 2))) void run_print(const char *format, ...);

/* A line on standard error beside the run. */
__attribute__((format(printf, 1, 2))) void run_note(const char *format, ...);

/* The user or the system is at fault: one line, exit status 2. */
__attribute__((format(printf, 1, 2))) _Noreturn void run_refuse(const char *format,
                                                                ...);

/* The algorithm failed at the present event: `trace:line: ...`, "Test: FAILED", exit
 * status 1. */
__attribute__((format(printf, 1, 2))) _Noreturn void run_fail(const char *format, ...);

#endif
