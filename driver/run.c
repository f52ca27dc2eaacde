/* run.c - the ways a run can end.
 *
 * A crash may have left any data structure of the C library in pieces, so the last
 * words are put together and written with nothing but write() and unlink(). That is
 * also why the report is not buffered: there is never anything left to flush. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../kma.h"
#include "output.h"
#include "progress.h"
#include "run.h"
#include "trace.h"
#include "write_all.h"

enum { EXIT_FAILED = 1, EXIT_REFUSED = 2, CRASH_STACK = 1 << 16 };

/* The event whose line would be the first. */
#define HEADER ((uint64_t)-1)

struct run_place run_place;

static struct {
    const char *program;
    const char *trace_path; /* NULL: not begun, or a message that has no place in it */
    volatile bool reading;
    bool by_event; /* messages have numbers of events in them, not lines */
    int report;
} run;

/* Text put together without the C library's help. */
struct line {
    size_t length;
    char text[1200];
};

static void add_text(struct line *line, const char *text)
{
    while (*text != '\0' && line->length < sizeof line->text - 1) {
        char c = *text++;
        line->text[line->length++] = (c >= 0 && c < ' ') || c == 127 ? '?' : c;
    }
}

static void add_number(struct line *line, uintmax_t number, unsigned base)
{
    char digits[32];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    add_text(line, digits + at);
}

static void put_line(int file, struct line *line)
{
    line->text[line->length++] = '\n';
    /* Nobody is left to tell when this fails. */
    (void)!write_all(file, line->text, line->length);
}

static uint64_t shown_place(uint64_t event)
{
    return run.by_event ? event + 1 : trace_line(event);
}

static void add_place(struct line *line)
{
    add_text(line, run.trace_path);
    add_text(line, run.by_event ? ": event " : ":");
    add_number(line, shown_place(run_place.first), 10);
    add_text(line, ": ");
    if (run_place.last != run_place.first) {
        add_text(line, "between here and ");
        add_text(line, run.by_event ? "event " : "line ");
        add_number(line, shown_place(run_place.last), 10);
        add_text(line, ": ");
    }
}

/* The one end of every run that fails. */
static void last_words(const char *message, bool failed)
{
    struct line line = {.length = 0};
    output_abandon_all();
    progress_clear();
    if (run.trace_path != NULL) {
        add_place(&line);
    } else if (failed) {
        add_text(&line, run.program);
        add_text(&line, ": ");
    }
    add_text(&line, message);
    put_line(STDERR_FILENO, &line);
    if (failed && run.trace_path != NULL) {
        struct line verdict = {.length = 0};
        add_text(&verdict, "Test: FAILED");
        put_line(run.report, &verdict);
    }
}

struct message {
    char text[1000]; /* a longer one is cut */
};

static struct message message_of(const char *format, va_list arguments)
{
    struct message message = {""};
    vsnprintf(message.text, sizeof message.text, format, arguments);
    return message;
}

void run_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct message message = message_of(format, arguments);
    va_end(arguments);
    last_words(message.text, true);
    exit(EXIT_FAILED);
}

void run_refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct message message = message_of(format, arguments);
    va_end(arguments);
    run.trace_path = NULL;
    last_words(message.text, false);
    exit(EXIT_REFUSED);
}

/* How algorithms and the page allocator say that they cannot go on. */
void error(char *message, char *arg)
{
    bool both = arg != NULL && arg[0] != '\0';
    run_fail("%s%s%s", message == NULL ? "error()" : message, both ? " " : "",
             both ? arg : "");
}

void run_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct message message = message_of(format, arguments);
    va_end(arguments);
    progress_clear();
    if (!write_all(run.report, message.text, strlen(message.text)))
        run_refuse("%s: the report cannot be written: %s", run.program,
                   strerror(errno));
}

void run_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct message message = message_of(format, arguments);
    va_end(arguments);
    struct line line = {.length = 0};
    add_text(&line, run.program);
    add_text(&line, ": ");
    add_text(&line, message.text);
    progress_clear();
    put_line(STDERR_FILENO, &line);
}

static const struct {
    int number;
    bool crash;
    const char *name;
} signals[] = {
    {SIGSEGV, true, "SIGSEGV"},  {SIGBUS, true, "SIGBUS"},  {SIGABRT, true, "SIGABRT"},
    {SIGFPE, true, "SIGFPE"},    {SIGILL, true, "SIGILL"},  {SIGINT, false, "SIGINT"},
    {SIGTERM, false, "SIGTERM"}, {SIGHUP, false, "SIGHUP"}, {SIGQUIT, false, "SIGQUIT"},
    {SIGXCPU, false, "SIGXCPU"},
};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    size_t which = 0;
    while (which < SIGNALS - 1 && signals[which].number != number)
        which++;
    struct line line = {.length = 0};
    if (number == SIGBUS && (run.reading || run.trace_path == NULL)) {
        /* A mapped file has fewer bytes by now than when it was opened. */
        last_words("the file was cut short while it was read", false);
        _exit(EXIT_REFUSED);
    }
    add_text(&line, signals[which].crash ? "crashed: " : "ended by ");
    add_text(&line, signals[which].name);
    if (number == SIGSEGV || number == SIGBUS) {
        add_text(&line, " at address 0x");
        add_number(&line, (uintptr_t)info->si_addr, 16);
    }
    last_words(line.text, signals[which].crash);
    if (signals[which].crash)
        _exit(EXIT_FAILED);
    /* The handler is gone by now: end as the sender meant it. */
    raise(number);
}

/* On a stack of its own, since a crash may be a stack that ran out. */
void run_watch_signals(void)
{
    static char stack[CRASH_STACK];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < SIGNALS; i++) {
        struct sigaction action, before;
        sigaction(signals[i].number, NULL, &before);
        if (!signals[i].crash && before.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
        sigaction(signals[i].number, &action, NULL);
    }
}

void run_begin(const char *program)
{
    run.program = program;
    run.report = STDOUT_FILENO;
    /* Reading and writing what was closed still fails, as it should. */
    while (fcntl(STDERR_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0 ||
           fcntl(STDIN_FILENO, F_GETFD) < 0) {
        int file = open("/dev/null", O_RDONLY);
        if (file < 0)
            exit(EXIT_REFUSED);
    }
    /* Writing then fails, and that is reported like any other failure to write. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void run_reads(const char *trace_path)
{
    run.trace_path = trace_path;
    run.reading = true;
    run_at(HEADER);
    run_watch_signals();
}

void run_replays(bool by_line)
{
    run.reading = false;
    run.by_event = !by_line;
    run_at(0);
}

void run_report_to(int file)
{
    run.report = file;
}
