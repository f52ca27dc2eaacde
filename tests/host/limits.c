/* limits.c - a program that moves the break itself, and memory that is limited. */

#include "case.h"
#include "model.h"

#include <stdlib.h>
#include <sys/resource.h>

enum { MEBIBYTE = 1 << 20, ROOM = 24 * MEBIBYTE };

/* ---- the program's own part of the heap area */

struct area {
    unsigned char *start;
    size_t size;
    uint32_t seed;
};

static struct area take_area(size_t size, uint32_t seed)
{
    struct area area = {sbrk((intptr_t)size), size, seed};
    CHECK(area.start != (void *)-1);
    fill(area.start, size, seed);
    return area;
}

/* As sbrk is used by a program that shares the break: only what is at its end goes. */
static bool give_area(struct area area)
{
    CHECK(is_filled(area.start, area.size, area.seed));
    if (sbrk(0) != area.start + area.size)
        return false;
    CHECK(sbrk(-(intptr_t)area.size) == area.start + area.size);
    return true;
}

static struct model model;

static void break_that_rises(void)
{
    struct area area[40];
    model_start(&model, 1, 300, MEBIBYTE);
    for (uint32_t i = 0; i < COUNT(area); i++) {
        area[i] = take_area(1 + i * 1237 % 70000, i);
        model_steps(&model, 100);
    }
    model_check(&model);
    for (size_t i = 0; i < COUNT(area); i++)
        CHECK(is_filled(area[i].start, area[i].size, area[i].seed));
    model_end(&model);
    for (size_t i = 0; i < COUNT(area); i++)
        CHECK(is_filled(area[i].start, area[i].size, area[i].seed));
}

/* Takes areas and gives them back while blocks come and go, in the order of a stack. */
static void break_that_rises_and_falls(void)
{
    struct area area[8];
    size_t areas = 0;
    uint32_t state = 3, fallen = 0;
    model_start(&model, 2, 300, MEBIBYTE);
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t draw = next_random(&state);
        if (draw % 2 == 0 && areas < COUNT(area))
            area[areas++] = take_area(1 + (draw >> 4) % 300000, i);
        else if (areas > 0 && give_area(area[areas - 1]))
            areas--, fallen++;
        model_steps(&model, draw % 7 == 0 ? 200 : 3);
        if (draw % 50 == 0)
            model_end(&model);
    }
    model_check(&model);
    model_end(&model);
    for (size_t i = 0; i < areas; i++)
        CHECK(is_filled(area[i].start, area[i].size, area[i].seed));
    CHECK(fallen > 0);
}

/* ---- limits */

static size_t pages_of_statm(int field)
{
    size_t value[7];
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    for (size_t i = 0; i < COUNT(value); i++)
        CHECK(fscanf(file, "%zu", &value[i]) == 1);
    CHECK(fclose(file) == 0);
    return value[field] * (size_t)sysconf(_SC_PAGESIZE);
}

static struct rlimit limit(int resource, size_t bytes)
{
    struct rlimit old, now;
    CHECK(getrlimit(resource, &old) == 0);
    now = (struct rlimit){bytes, old.rlim_max};
    CHECK(setrlimit(resource, &now) == 0);
    return old;
}

/* Requests blocks until there is no memory left, each with a link to the one before. */
static size_t use_up(size_t size, void ***last)
{
    size_t blocks = 0;
    void **block;
    for (*last = NULL; errno = 0, (block = malloc(size)) != NULL; blocks++) {
        *block = *last;
        fill(block + 1, size - sizeof *block, (uint32_t)blocks);
        *last = block;
    }
    CHECK(errno == ENOMEM);
    return blocks;
}

static void free_all(void **block, size_t blocks, size_t size)
{
    while (blocks-- > 0) {
        void **before = *block;
        CHECK(is_filled(block + 1, size - sizeof *block, (uint32_t)blocks));
        free(block);
        block = before;
    }
    CHECK(block == NULL);
}

static void no_memory_left(void)
{
    errno = 0;
    CHECK(malloc(ROOM) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(ROOM, 1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(64, ROOM) == NULL && errno == ENOMEM);
    void *ptr = &ptr;
    CHECK(posix_memalign(&ptr, 64, ROOM) == ENOMEM && ptr == &ptr);
}

/* All that was freed can be had again, also in other sizes. */
static void within(int resource, size_t in_use)
{
    static const size_t some[] = {1000, 100000, 200, 5000, 3 * MEBIBYTE, 1000};
    size_t first = 0;
    void **last;
    struct rlimit old = limit(resource, in_use + ROOM);
    for (size_t i = 0; i < COUNT(some); i++) {
        size_t blocks = use_up(some[i], &last);
        if (i == 0)
            first = blocks;
        no_memory_left();
        free_all(last, blocks, some[i]);
        CHECK(i != COUNT(some) - 1 || blocks >= first / 5 * 4);
        /* Large blocks have whole pages, smaller ones may need a page each. */
        CHECK(some[i] < 100000 || blocks * some[i] >= ROOM / 2);
        model_start(&model, 1, 100, 10000);
        model_steps(&model, 1000);
        model_end(&model);
    }
    CHECK(setrlimit(resource, &old) == 0);
    void *large = malloc(2 * ROOM);
    CHECK(large != NULL);
    free(large);
}

static void limited_address_space(void)
{
    within(RLIMIT_AS, pages_of_statm(0));
}

static void limited_data(void)
{
    within(RLIMIT_DATA, pages_of_statm(5));
}

/* What cannot grow stays as it was, and is freed all the same. */
static void resized_at_the_limit(void)
{
    struct rlimit old = limit(RLIMIT_AS, pages_of_statm(0) + ROOM);
    size_t size = 1000, blocks;
    void **last;
    unsigned char *block = malloc(size), *larger;
    CHECK(block != NULL);
    fill(block, size, 1);
    blocks = use_up(50000, &last);
    while (errno = 0, (larger = realloc(block, size * 2)) != NULL) {
        block = larger;
        CHECK(is_filled(block, size, 1));
        size *= 2;
        fill(block, size, 1);
    }
    CHECK(errno == ENOMEM);
    CHECK(is_filled(block, size, 1));
    free_all(last, blocks, 50000);
    larger = realloc(block, size * 2);
    CHECK(larger != NULL && is_filled(larger, size, 1));
    free(larger);
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
}

/* What realloc makes a block of no bytes is freed. */
static void resized_to_nothing(void)
{
    struct rlimit old = limit(RLIMIT_AS, pages_of_statm(0) + ROOM);
    for (size_t size = 50; size < MEBIBYTE; size *= 10) {
        for (size_t bytes = 0; bytes < 10 * ROOM; bytes += size + 500) {
            void *block = malloc(size);
            CHECK(block != NULL);
            CHECK(realloc(block, 0) == NULL);
        }
    }
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"break_that_rises", break_that_rises},
        {"break_that_rises_and_falls", break_that_rises_and_falls},
        {"limited_address_space", limited_address_space},
        {"limited_data", limited_data},
        {"resized_at_the_limit", resized_at_the_limit},
        {"resized_to_nothing", resized_to_nothing},
    };
    return run_cases(cases, COUNT(cases), argc, argv);
}
