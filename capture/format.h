/* format.h - the kinds of files that traces are kept in. */
#ifndef KMA_CAPTURE_FORMAT_H
#define KMA_CAPTURE_FORMAT_H

enum format {
    FORMAT_UNKNOWN,
    FORMAT_TEXT,    /* kma-trace(5) */
    FORMAT_COMPACT, /* capture/FORMAT.md */
    FORMAT_PERF,    /* perf script: kmem events */
    FORMAT_FTRACE,  /* trace-cmd report, or the trace file of tracefs: kmem events */
    FORMAT_REP,     /* the traces of the CS:APP malloc lab */
    FORMAT_MTRACE,  /* glibc's mtrace() */
    FORMATS
};

/* "text", "compact", "perf", "ftrace", "rep", "mtrace". */
extern const char *const format_names[FORMATS];

#endif
