/* string.c - the functions that C compilers call by themselves, and two more. To be
 * compiled so that no loop here becomes a call of the function that it is in. */

#include <stdint.h>
#include <string.h>

/* Words where both sides are aligned to them, or where the processor takes them from
 * anywhere. Several a turn, or the loop would take longer than the work. */
#if defined(__i386__) || defined(__x86_64__)
typedef uintptr_t __attribute__((may_alias, aligned(1))) word;
enum { WORDS_ANYWHERE = 1 };
#else
typedef uintptr_t __attribute__((may_alias)) word;
enum { WORDS_ANYWHERE = 0 };
#endif

enum { TURN = 4 * sizeof(word) };

static inline int words_fit(const void *a, const void *b)
{
    return WORDS_ANYWHERE || (((uintptr_t)a | (uintptr_t)b) & (sizeof(word) - 1)) == 0;
}

/* What is read is in registers before anything is written: the sides may overlap. */
static inline void move_turn(char *to, const char *from)
{
    const word *in = (const word *)from;
    word *out = (word *)to;
    word first = in[0], second = in[1], third = in[2], fourth = in[3];
    out[0] = first;
    out[1] = second;
    out[2] = third;
    out[3] = fourth;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

/* Towards lower addresses from the start, towards higher ones from the end. */
void *memmove(void *to, const void *from, size_t size)
{
    char *out = to;
    const char *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= size) {
        for (; size >= TURN && words_fit(out, in); size -= TURN) {
            move_turn(out, in);
            out += TURN;
            in += TURN;
        }
        while (size-- > 0)
            *out++ = *in++;
    } else {
        for (; size >= TURN && words_fit(out + size, in + size); size -= TURN)
            move_turn(out + size - TURN, in + size - TURN);
        while (size-- > 0)
            out[size] = in[size];
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    char *out = to;
    word filled = (word)-1 / 255 * (unsigned char)byte;
    for (; size >= TURN && words_fit(out, out); size -= TURN) {
        word *words = (word *)out;
        words[0] = filled;
        words[1] = filled;
        words[2] = filled;
        words[3] = filled;
        out += TURN;
    }
    while (size-- > 0)
        *out++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a;
    const unsigned char *right = b;
    for (size_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}
