/* options.h - what the user asked for on the command line. */
#ifndef KMA_DRIVER_OPTIONS_H
#define KMA_DRIVER_OPTIONS_H

#include <stdbool.h>

struct options {
    bool competition;
    const char *trace_path;
    const char *output_path;  /* NULL: no data file */
    const char *json_path;    /* NULL: none */
    const char *latency_path; /* NULL: none */
    long audit_every;         /* events; 0: no audit */
    int passes;
    int max_pages;
};

/* Fills *options, or ends the run: --help and --version with status 0, anything that
 * makes no sense with one line on standard error and status 2. */
void options_read(struct options *options, int argc, char **argv);

/* The version that this executable was built as. */
const char *options_version(void);

#endif
