/* harness.h - what the unit tests share: cmocka, the error() that a client of the
 * allocators owes them, numbers that are the same on every run, and, for tests that
 * define WRAP_GET_PAGE and are linked with --wrap=get_page,--wrap=get_pages, a page
 * source that can be told to run out. */
#ifndef KMA_TESTS_HARNESS_H
#define KMA_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../kma.h"
#include "../kma_page.h"
#include "../driver/pool.h"

/* A test that wants error() to be called arms this and does setjmp on `back`. */
static struct {
    bool expected;
    jmp_buf back;
    const char *message;
    const char *arg;
} last_error;

void error(char *message, char *arg)
{
    if (!last_error.expected) {
        fail_msg("error: %s %s", message, arg);
        abort();
    }
    last_error.expected = FALSE;
    last_error.message = message;
    last_error.arg = arg;
    longjmp(last_error.back, 1);
}

/* Sebastiano Vigna's splitmix64: every seed gives a good sequence. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number from low to high, both included. */
static inline int random_between(uint64_t *state, int low, int high)
{
    return low + (int)(next_random(state) % ((uint64_t)high - (uint64_t)low + 1));
}

/* Puts `count` numbers into random order. */
static inline void shuffle(uint64_t *state, int *numbers, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int j = random_between(state, 0, i);
        int number = numbers[i];
        numbers[i] = numbers[j];
        numbers[j] = number;
    }
}

#ifdef WRAP_GET_PAGE

/* The calls of get_page and get_pages, counted from 1, and which of them get nothing. */
static struct {
    long calls;
    long fail_from;
    long fail_to;
    long failed; /* these, and those for which the pool had no page, or no run */
} page_calls;

static inline void fail_pages(long from, long to)
{
    page_calls.calls = 0;
    page_calls.fail_from = from;
    page_calls.fail_to = to;
    page_calls.failed = 0;
}

static inline void serve_pages(void)
{
    fail_pages(0, 0);
}

kma_page_t *__real_get_page(void);
kma_page_t *__wrap_get_page(void);
kma_page_t *__real_get_pages(int order);
kma_page_t *__wrap_get_pages(int order);

static inline bool call_fails(void)
{
    page_calls.calls++;
    return page_calls.calls >= page_calls.fail_from &&
           page_calls.calls <= page_calls.fail_to;
}

kma_page_t *__wrap_get_page(void)
{
    kma_page_t *page = call_fails() ? NULL : __real_get_page();
    page_calls.failed += page == NULL;
    return page;
}

kma_page_t *__wrap_get_pages(int order)
{
    kma_page_t *pages = call_fails() ? NULL : __real_get_pages(order);
    page_calls.failed += pages == NULL;
    return pages;
}

static inline int pages_in_use(void)
{
    return page_stats()->num_in_use;
}

#endif

#endif
