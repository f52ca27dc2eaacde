/* format.c - the names of the kinds of files. */

#include "format.h"

const char *const format_names[FORMATS] = {"unknown", "text", "compact", "perf",
                                           "ftrace",  "rep",  "mtrace"};
