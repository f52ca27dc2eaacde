/* kernel_session.c - one recording of the kernel.
 *
 * While it lasts the buffers of all CPUs are read round after round. What a CPU stamped
 * before a round began is read in that round, so what is older than the newest event seen
 * before it is complete: it goes in the order of time into the ledger, and from there
 * into the file. Only the rest is kept in memory. */

#include "../driver/run.h"
#include "kernel_session.h"

#ifdef NO_TRACEFS

int session_run(const struct session *session)
{
    (void)session;
    run_refuse("a kernel is recorded by a 64-bit build of the recorder");
}

#else

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../driver/compact.h"
#include "../driver/output.h"
#include "kernel_buffers.h"
#include "kernel_end.h"
#include "kernel_events.h"
#include "kernel_instance.h"
#include "kernel_order.h"
#include "ledger.h"
#include "recording.h"
#include "sink.h"

/* An event is stamped before it can be read. In between its CPU may stand still for a
 * while, as one of a virtual machine does. */
enum { GRACE = 50 * 1000 * 1000 };

enum { HIGHEST_PRIORITY = -20 };

static struct {
    struct vocabulary vocabulary;
    struct tracefs_instance *instance;
    struct events *events;
    struct buffers *buffers;
    struct order *order;
    struct ledger *ledger;
    struct sink *sink;
    double seconds;
    uint64_t lost;
} run;

/* To be freed. */
static char *about_of(const struct session *session)
{
    char *text = NULL;
    size_t size;
    FILE *about = open_memstream(&text, &size);
    if (about == NULL)
        run_refuse("no memory for what is told about the trace");
    fputs("origin=kernel\n", about);
    if (session->command != NULL)
        recording_tell_words(about, "command", session->command);
    recording_tell_system(about, time(NULL));
    fprintf(about, "page_size=%ld\nallocator=%s\nword=%zu\n", sysconf(_SC_PAGESIZE),
            access("/sys/kernel/slab", F_OK) == 0 ? "slub" : "slab", sizeof(void *));
    if (fclose(about) != 0)
        run_refuse("no memory for what is told about the trace");
    return text;
}

static void open_output(const struct session *session)
{
    char *about = about_of(session);
    const struct sink_options to = {.path = session->output,
                                    .format = sink_format_of(session->output),
                                    .columns = (1U << COMPACT_COLUMNS) - 1,
                                    .about = about,
                                    .vocabulary = &run.vocabulary};
    run.sink = sink_open(&to);
    free(about);
    /* What was not freed is told as it is; `convert` frees it when that is wanted. */
    const struct ledger_options in = {
        .keep = true, .emit = sink_put, .context = run.sink};
    run.ledger = ledger_open(&in);
}

/* Times of `mono` are comparable between CPUs, and do not jump. */
static void choose_clock(void)
{
    const char *const clocks[] = {"mono", "global", "local"};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        if (tracefs_instance_file_write(run.instance, "trace_clock", clocks[i]) < 0)
            continue;
        if (i > 0)
            run_note("the kernel has no trace clock %s, times are of %s", clocks[0],
                     clocks[i]);
        return;
    }
    run_refuse("the clock of the kernel's tracing cannot be set: %s", strerror(errno));
}

static void enable_events(void)
{
    for (int i = 0; i < KERNEL_EVENTS; i++) {
        if (events_has(run.events, (enum kernel_event)i) &&
            tracefs_event_enable(run.instance, "kmem", kernel_event_names[i]) != 0)
            run_refuse("the tracepoint kmem:%s cannot be switched on: %s",
                       kernel_event_names[i], strerror(errno));
    }
}

static struct tep_handle *read_formats(const char *folder)
{
    const char *systems[] = {"kmem", NULL};
    for (int i = 0; i < KERNEL_MUST_HAVE; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/events/kmem/%s/format", folder,
                 kernel_event_names[i]);
        if (access(path, R_OK) != 0)
            run_refuse("%s: no tracepoint kmem:%s: %s", path, kernel_event_names[i],
                       strerror(errno));
    }
    tep_set_loglevel(TEP_LOG_NONE);
    struct tep_handle *tep = tracefs_local_events_system(folder, systems);
    if (tep == NULL)
        run_refuse("%s/events: the formats of the tracepoints cannot be read", folder);
    return tep;
}

/* Everything is ready before the first event is recorded. */
static void prepare(const struct session *session)
{
    struct tep_handle *tep = read_formats(instance_folder());
    run.events = events_open(tep, &run.vocabulary);
    if (!events_has_symbols(run.events))
        run_note("/proc/kallsyms tells no functions: call sites stay addresses");
    open_output(session);
    run.instance = instance_open();
    choose_clock();
    run.buffers = buffers_open(run.instance, tep, session->kilobytes);
    run.order = order_open(buffers_cpus(run.buffers));
    enable_events();
    tep_free(tep);
}

static void take_event(void *context, unsigned cpu, uint64_t time, const void *data,
                       size_t size)
{
    (void)context;
    struct record record;
    if (!events_decode(run.events, data, size, &record))
        return;
    record.cpu = cpu;
    record.time = time;
    order_put(run.order, &record);
}

/* Reads what is there and passes on what is from before `limit`. */
static void read_round(uint64_t limit)
{
    struct record record;
    buffers_read(run.buffers, take_event, NULL);
    while (order_take(run.order, limit, &record)) {
        events_complete(run.events, &record);
        ledger_put(run.ledger, &record);
    }
}

/* Returns 0, or the error number of the command that cannot be started. */
static int record(const struct session *session)
{
    if (tracefs_trace_on(run.instance) != 0)
        run_refuse("tracing cannot be switched on: %s", strerror(errno));
    int error = end_start(session->seconds, session->command);
    if (error != 0)
        return error;
    /* A recorder that has to wait for its turn loses events. Not so the command. */
    setpriority(PRIO_PROCESS, 0, HIGHEST_PRIORITY);
    while (!end_wait()) {
        uint64_t newest = order_newest(run.order);
        read_round(newest > GRACE ? newest - GRACE : 0);
    }
    if (tracefs_trace_off(run.instance) != 0)
        run_refuse("tracing cannot be switched off: %s", strerror(errno));
    run.seconds = end_seconds();
    read_round(UINT64_MAX);
    run.lost = buffers_lost(run.buffers);
    return 0;
}

static void print_size(const struct session *session, uint64_t events)
{
    struct stat file;
    if (stat(session->output, &file) != 0 || !S_ISREG(file.st_mode))
        return;
    run_print("  %llu bytes", (unsigned long long)file.st_size);
    if (events > 0)
        run_print(", %.2f for an event", (double)file.st_size / (double)events);
    run_print("\n");
}

static void print_summary(const struct session *session)
{
    uint64_t events = ledger_counts(run.ledger)->events;
    run_report_to(STDERR_FILENO);
    run_print("%s: %.1f s, %llu events, %lu blocks live at most\n", session->output,
              run.seconds, (unsigned long long)events,
              (unsigned long)ledger_slots(run.ledger));
    if (run.lost == 0)
        run_print("  no event was lost\n");
    else
        run_print("  %llu %s lost, the buffer was full: a larger --buffer may help\n",
                  (unsigned long long)run.lost,
                  run.lost == 1 ? "event was" : "events were");
    ledger_print(run.ledger, run_print);
    print_size(session, events);
}

static void release(void)
{
    order_close(run.order);
    events_close(run.events);
    ledger_close(run.ledger);
    names_release(&run.vocabulary.sites);
    names_release(&run.vocabulary.caches);
}

int session_run(const struct session *session)
{
    run_watch_signals();
    end_watch_signals();
    prepare(session);
    int error = record(session);
    if (error != 0) {
        output_abandon_all();
        return recording_not_started(session->command[0], error);
    }
    ledger_end(run.ledger);
    sink_finish(run.sink, run.lost);
    output_finish_all();
    print_summary(session);
    release();
    return end_status();
}

#endif
