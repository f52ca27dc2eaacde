/* terminal.c - how numbers, names and bars look. */

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include "terminal.h"

struct terminal terminal_of(int file)
{
    struct terminal terminal = {.width = USUAL};
    struct winsize size;
    const char *no_colours = getenv("NO_COLOR");
    setlocale(LC_CTYPE, "");
    terminal.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (isatty(file) != 1)
        return terminal;
    terminal.colours = no_colours == NULL || no_colours[0] == '\0';
    if (ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        terminal.width = size.ws_col < NARROWEST ? NARROWEST
                         : size.ws_col > WIDEST  ? WIDEST
                                                 : size.ws_col;
    return terminal;
}

const char *terminal_ink(const struct terminal *terminal, enum ink ink)
{
    static const char *const inks[] = {"\033[0m", "\033[1m", "\033[1;31m", "\033[36m",
                                       "\033[33m"};
    return terminal->colours ? inks[ink] : "";
}

static void add(struct shown *shown, const char *text)
{
    size_t length = strlen(shown->text), more = strlen(text);
    if (length + more < sizeof shown->text)
        memcpy(shown->text + length, text, more + 1);
}

static void fill_up(struct shown *shown, unsigned columns)
{
    for (; columns > 0; columns--)
        add(shown, " ");
}

struct shown shown_bar(const struct terminal *terminal, double share, unsigned width,
                       bool fill)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    struct shown shown = {""};
    unsigned steps = terminal->unicode ? 8 : 1;
    unsigned length = (unsigned)(share * width * steps + 0.5);
    if (length == 0 && share > 0)
        length = 1;
    if (length > width * steps)
        length = width * steps;
    for (unsigned i = 0; i < length / steps; i++)
        add(&shown, terminal->unicode ? "█" : "#");
    add(&shown, parts[length % steps]);
    if (fill)
        fill_up(&shown, width - (length + steps - 1) / steps);
    return shown;
}

/* A character of a name, or a byte of it that is none. */
struct glyph {
    char text[8];
    unsigned width;
};

enum { MOST_GLYPHS = 1024 };

/* Takes one from [at, end) and returns the place behind it. Characters without a width
 * of their own, some of which turn the text around them, are escaped, too. */
static const char *take_glyph(const char *at, const char *end, struct glyph *glyph)
{
    wchar_t character;
    mbstate_t state = {0};
    size_t length = mbrtowc(&character, at, (size_t)(end - at), &state);
    bool is_one = length != 0 && length <= 4;
    int width = is_one ? wcwidth(character) : -1;
    if (width > 0) {
        memcpy(glyph->text, at, length);
        glyph->text[length] = '\0';
        glyph->width = (unsigned)width;
        return at + length;
    }
    glyph->width = (unsigned)snprintf(glyph->text, sizeof glyph->text, "\\x%02x",
                                      (unsigned char)*at);
    return at + 1;
}

struct shown shown_name(const struct terminal *terminal, const char *name,
                        unsigned width, bool fill)
{
    struct glyph glyph[MOST_GLYPHS];
    struct shown shown = {""};
    const char *end = name + strlen(name);
    unsigned count = 0, whole = 0, head = 0, tail, shown_width = 0;
    while (name < end && count < MOST_GLYPHS) {
        name = take_glyph(name, end, &glyph[count]);
        whole += glyph[count++].width;
    }
    tail = count;
    if (whole > width) {
        unsigned room = width - (terminal->unicode ? 1 : 2), tail_width = 0;
        while (tail_width + glyph[tail - 1].width <= room / 2)
            tail_width += glyph[--tail].width;
        while (shown_width + glyph[head].width <= room - tail_width)
            shown_width += glyph[head++].width;
        whole = shown_width + tail_width + width - room;
    } else {
        head = tail;
    }
    for (unsigned i = 0; i < count; i++) {
        if (i == head)
            add(&shown, terminal->unicode ? "…" : "..");
        if (i < head || i >= tail)
            add(&shown, glyph[i].text);
    }
    if (fill && whole < width)
        fill_up(&shown, width - whole);
    return shown;
}

struct number number_of(uint64_t value)
{
    struct number number = {""};
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    char *to = number.text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return number;
}

/* Three digits, as in 1.23, 12.3 and 123. */
static struct number three_digits(double value, const char *unit)
{
    struct number number;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(number.text, sizeof number.text, "%.*f %s", decimals, value, unit);
    return number;
}

struct number number_of_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct number number;
    if (bytes < 1024) {
        snprintf(number.text, sizeof number.text, "%u B", (unsigned)bytes);
        return number;
    }
    unsigned unit = 0;
    double value = (double)bytes / 1024;
    while (value >= 1023.5) {
        value /= 1024;
        unit++;
    }
    return three_digits(value, units[unit]);
}

struct number number_of_time(uint64_t ns)
{
    static const char *const units[] = {"us", "ms", "s"};
    struct number number;
    if (ns < 1000) {
        snprintf(number.text, sizeof number.text, "%u ns", (unsigned)ns);
        return number;
    }
    unsigned unit = 0;
    double value = (double)ns / 1000;
    while (value >= 999.5 && unit < 2) {
        value /= 1000;
        unit++;
    }
    return three_digits(value, units[unit]);
}

struct number number_of_share(uint64_t part, uint64_t whole)
{
    struct number number;
    double percent = whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
    bool little = part > 0 && percent < 0.05;
    snprintf(number.text, sizeof number.text, little ? "<0.1%%" : "%.1f%%", percent);
    return number;
}
