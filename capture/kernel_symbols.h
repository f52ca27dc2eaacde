/* kernel_symbols.h - names for call sites of the kernel. */
#ifndef KMA_CAPTURE_KERNEL_SYMBOLS_H
#define KMA_CAPTURE_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>
#include "names.h"

struct symbols;

/* The functions that `path` lists, a file like /proc/kallsyms. One that cannot be read or
 * hides the addresses gives none. Ends the run for want of memory. */
struct symbols *symbols_open(const char *path);

/* Whether there is any. */
bool symbols_known(const struct symbols *symbols);

/* The number, in `sites`, of "function+0x1c", of "function+0x1c [module]", or of the bare
 * address where no function is known. 0 for address 0. */
uint32_t symbols_number(struct symbols *symbols, uint64_t address, struct names *sites);

void symbols_close(struct symbols *symbols);

#endif
