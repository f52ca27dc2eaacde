/* terminal.h - how numbers, names and bars look on a terminal or in a text file. */
#ifndef KMA_CAPTURE_TERMINAL_H
#define KMA_CAPTURE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

enum { NARROWEST = 64, USUAL = 80, WIDEST = 160 };

/* What the output can show. */
struct terminal {
    unsigned width; /* columns, from NARROWEST to WIDEST */
    bool unicode;
    bool colours;
};

/* Of the file that is written to, which may be no terminal: then 80 columns and no
 * colours. Colours are left away when NO_COLOR is set, too. */
struct terminal terminal_of(int file);

enum ink { PLAIN, BOLD, ALARM, FIRST_BAR, SECOND_BAR };

/* The sequences around a text; "" without colours. */
const char *terminal_ink(const struct terminal *terminal, enum ink ink);

/* A piece of a line. */
struct shown {
    char text[4 * WIDEST + 1];
};

/* A bar of `share`, 0 to 1, of `width` columns. What is more than nothing shows. With
 * `fill` blanks follow. */
struct shown shown_bar(const struct terminal *terminal, double share, unsigned width,
                       bool fill);

/* A name from a file in at most `width` columns (at least 8): what is not to be printed
 * escaped, and what is longer without its middle. With `fill` blanks follow. */
struct shown shown_name(const struct terminal *terminal, const char *name,
                        unsigned width, bool fill);

/* A number, a number of bytes, a time, a share as a person writes them: "1,234",
 * "1.21 KiB", "1.23 ms", "12.3%". */
struct number {
    char text[48];
};

struct number number_of(uint64_t value);
struct number number_of_bytes(uint64_t bytes);
struct number number_of_time(uint64_t ns);
struct number number_of_share(uint64_t part, uint64_t whole);

#endif
