/* print.h - text on the console. */
#ifndef KMA_KERNEL_PRINT_H
#define KMA_KERNEL_PRINT_H

#include <stdarg.h>

/* Of printf's conversions: %d %i %u %x %p %s %c %%, the flags 0 and -, a width, and the
 * lengths l, ll and z. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_list(const char *format, va_list arguments);

/* Prints "panic: " and the reason, then ends the machine's run. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
