/* options.h - what the user asked for on the command line. */
#ifndef KMA_DRIVER_OPTIONS_H
#define KMA_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* The files that a run can write. */
enum file { DATA_FILE, JSON_FILE, LATENCY_FILE, HEAPMAP_FILE, OPERATIONS_FILE, FILES };

struct options {
    bool competition;
    bool calls_only;
    bool read_only;
    bool resident; /* memory figures are those of the resident set */
    bool slabinfo;
    uint64_t slabinfo_after; /* the number of an event, from 1; 0: the last */
    const char *trace_path;
    const char *paths[FILES]; /* NULL: not written */
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
