/* case.h - what the programs that run on a preloaded malloc share.
 *
 * A program is a list of named cases, run in one process one after the other; the name
 * of each is written before it starts, so that it is known which one crashed or hangs.
 * Blocks are filled with patterns that tell a block from any other, and its parts from
 * each other. Nothing here allocates.
 *
 * All of it is compiled with -fno-builtin, or compilers would drop calls whose results
 * they think they know. */
#ifndef TESTS_HOST_CASE_H
#define TESTS_HOST_CASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CHECK(condition) \
    ((condition) ? (void)0 : fail_at(__FILE__, __LINE__, #condition))

static const char *current_case = "start";

static inline void put_line(int descriptor, const char *text)
{
    char line[600];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (write(descriptor, line, (size_t)length) != length)
        _exit(3);
}

__attribute__((noreturn)) static inline void fail_at(const char *file, int line,
                                                     const char *what)
{
    char text[500];
    int error = errno;
    (void)snprintf(text, sizeof text, "%s: %s:%d: not so: %s (errno %d)", current_case,
                   file, line, what, error);
    put_line(STDERR_FILENO, text);
    _exit(1);
}

/* Runs the cases that the command line names, or all of them. */
static inline int run_cases(const struct test_case *cases, size_t count, int argc,
                            char **argv)
{
    int done = 0;
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc < 2;
        for (int j = 1; j < argc; j++)
            wanted = wanted || strcmp(argv[j], cases[i].name) == 0;
        if (!wanted)
            continue;
        current_case = cases[i].name;
        put_line(STDOUT_FILENO, current_case);
        cases[i].run();
        done++;
    }
    CHECK(done > 0);
    put_line(STDOUT_FILENO, "passed");
    return 0;
}

static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* The pattern of a seed: 64-bit words that rise by the same odd number. */
#define PATTERN_STEP 0x9e3779b97f4a7c15u

static inline void fill(void *ptr, size_t size, uint32_t seed)
{
    unsigned char *at = ptr;
    uint64_t word = seed * PATTERN_STEP + seed;
    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        __builtin_memcpy(at, &word, sizeof word);
        word += PATTERN_STEP;
    }
    if (size > 0)
        __builtin_memcpy(at, &word, size);
}

static inline bool is_filled(const void *ptr, size_t size, uint32_t seed)
{
    const unsigned char *at = ptr;
    uint64_t word = seed * PATTERN_STEP + seed, found, wrong = 0;
    for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
        __builtin_memcpy(&found, at, sizeof found);
        wrong |= found ^ word;
        word += PATTERN_STEP;
    }
    return wrong == 0 && (size == 0 || memcmp(at, &word, size) == 0);
}

static inline bool is_zero(const void *ptr, size_t size)
{
    const unsigned char *at = ptr;
    uint64_t found, wrong = 0;
    for (; size >= sizeof found; size -= sizeof found, at += sizeof found) {
        __builtin_memcpy(&found, at, sizeof found);
        wrong |= found;
    }
    for (; size > 0; size--)
        wrong |= *at++;
    return wrong == 0;
}

static inline bool is_aligned(const void *ptr, size_t alignment)
{
    return (uintptr_t)ptr % alignment == 0;
}

/* Field 0 or 1 of /proc/self/statm, in bytes. */
static inline size_t bytes_of_statm(int field)
{
    size_t pages[2];
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%zu %zu", &pages[0], &pages[1]) == 2);
    CHECK(fclose(file) == 0);
    return pages[field] * (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t address_space(void)
{
    return bytes_of_statm(0);
}

/* Bytes of this process that are in memory. */
static inline size_t resident(void)
{
    return bytes_of_statm(1);
}

#endif
