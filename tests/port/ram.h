/* ram.h - the memory of a kernel that runs as a process: a few pages, each of which is
 * watched. Free pages are filled with junk, and with the address sanitizer cannot be
 * touched. No other header is needed here, so that the kernels can include it. */
#ifndef KMA_TESTS_PORT_RAM_H
#define KMA_TESTS_PORT_RAM_H

/* A page of 4096 bytes with junk in it, the one that was given back last; 0: none left. */
void *ram_take(void);

/* Takes it back; what is no page, or a free one, ends the run. */
void ram_give(void *page);

/* So many pages can be taken at a time from now on, at most RAM_PAGES. */
enum { RAM_PAGES = 1024 };
void ram_limit(int pages);

int ram_taken(void);

/* Prints why and ends the run. */
void fail(const char *why) __attribute__((noreturn));

#endif
