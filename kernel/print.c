/* print.c - a small printf to the serial console, and what is said before the end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "machine.h"
#include "print.h"

/* Between % and the letter. */
struct conversion {
    bool left;
    bool zeros;
    int width;
    int longs; /* l, ll, z: how long the argument is */
};

static void put_many(char byte, int count)
{
    while (count-- > 0)
        machine_put(byte);
}

static void put_padded(const struct conversion *how, const char *text, int length)
{
    int padding = how->width - length;
    if (!how->left)
        put_many(' ', padding);
    for (int i = 0; i < length; i++)
        machine_put(text[i]);
    if (how->left)
        put_many(' ', padding);
}

static void put_number(const struct conversion *how, uint64_t number, unsigned base,
                       bool negative)
{
    char text[32];
    char *end = text + sizeof text;
    char *at = end;
    do {
        *--at = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    int width = how->zeros && !how->left ? how->width - negative : 0;
    while (end - at < width && at > text + 1)
        *--at = '0';
    if (negative)
        *--at = '-';
    put_padded(how, at, (int)(end - at));
}

static struct conversion read_conversion(const char **format)
{
    struct conversion how = {0};
    const char *at = *format;
    for (; *at == '-' || *at == '0'; at++) {
        how.left |= *at == '-';
        how.zeros |= *at == '0';
    }
    for (; *at >= '0' && *at <= '9'; at++)
        how.width = how.width * 10 + (*at - '0');
    for (; *at == 'l' || *at == 'z'; at++)
        how.longs += *at == 'l' ? 1 : 4;
    *format = at;
    return how;
}

/* Bytes of an argument. */
static size_t size_of(const struct conversion *how)
{
    static const size_t sizes[] = {sizeof(int), sizeof(long), sizeof(long long)};
    return how->longs < 3 ? sizes[how->longs] : sizeof(size_t);
}

static uint64_t next_unsigned(const struct conversion *how, va_list *arguments)
{
    bool is_long = size_of(how) == sizeof(uint64_t);
    return is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, uint32_t);
}

static int64_t next_signed(const struct conversion *how, va_list *arguments)
{
    bool is_long = size_of(how) == sizeof(int64_t);
    return is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int32_t);
}

/* An address always has all its digits. */
static void put_pointer(uintptr_t address)
{
    machine_put('0');
    machine_put('x');
    put_number(&(struct conversion){.zeros = true, .width = 2 * sizeof address},
               address, 16, false);
}

static void put_signed(const struct conversion *how, int64_t number)
{
    uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;
    put_number(how, magnitude, 10, number < 0);
}

static void put_conversion(const struct conversion *how, char letter,
                           va_list *arguments)
{
    const char *text = &letter;
    switch (letter) {
    case 'd':
    case 'i':
        put_signed(how, next_signed(how, arguments));
        break;
    case 'u':
        put_number(how, next_unsigned(how, arguments), 10, false);
        break;
    case 'x':
        put_number(how, next_unsigned(how, arguments), 16, false);
        break;
    case 'p':
        put_pointer((uintptr_t)va_arg(*arguments, void *));
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        put_padded(how, text, (int)strlen(text));
        break;
    case 'c':
        letter = (char)va_arg(*arguments, int);
        put_padded(how, text, 1);
        break;
    default:
        put_padded(how, text, 1);
    }
}

void print_list(const char *format, va_list arguments)
{
    va_list rest;
    va_copy(rest, arguments);
    for (; *format != '\0'; format++) {
        if (*format != '%' || format[1] == '\0') {
            machine_put(*format);
            continue;
        }
        format++;
        struct conversion how = read_conversion(&format);
        put_conversion(&how, *format, &rest);
    }
    va_end(rest);
}

/* A line is not mixed with those of another process. */
void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool on = interrupts_off();
    print_list(format, arguments);
    interrupts_restore(on);
    va_end(arguments);
}
