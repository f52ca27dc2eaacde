/* conformance.c - what the manuals say of malloc and its family, case by case. */

#include "case.h"
#include "model.h"

#include <malloc.h>
#include <stdlib.h>

enum { MEBIBYTE = 1 << 20, WINDOW = 97 };

/* Of the last ones a 32-bit program could have one on a 64-bit kernel. */
#define UP_TO_HALF(less) (SIZE_MAX / 2 - (sizeof(size_t) == 8 ? (less) : -1))
static const size_t too_large[] = {
    SIZE_MAX,         SIZE_MAX - 1,     SIZE_MAX - 15,    SIZE_MAX - 16,
    SIZE_MAX - 4095,  SIZE_MAX - 4096,  SIZE_MAX - 8191,  SIZE_MAX - 65536,
    SIZE_MAX / 2 + 2, SIZE_MAX / 2 + 1, UP_TO_HALF(0),    UP_TO_HALF(1),
    UP_TO_HALF(15),   UP_TO_HALF(8192), UP_TO_HALF(65536)};

/* The compiler must not know what is passed, or it warns. */
static size_t opaque(size_t size)
{
    volatile size_t hidden = size;
    return hidden;
}

/* ---- malloc */

static struct block window[WINDOW];

static void window_put(size_t at, size_t size)
{
    struct block *block = &window[at % WINDOW];
    model_free(block);
    unsigned char *ptr = malloc(size);
    CHECK(ptr != NULL);
    CHECK(is_aligned(ptr, _Alignof(max_align_t)) && is_aligned(ptr, 16));
    for (int i = 0; i < WINDOW; i++) {
        struct block other = window[i];
        CHECK(other.ptr == NULL || ptr + size <= other.ptr ||
              other.ptr + other.size <= ptr);
    }
    *block = (struct block){ptr, size, (uint32_t)(at * 31 + size)};
    fill(ptr, size, block->seed);
}

static void window_end(void)
{
    for (int i = 0; i < WINDOW; i++)
        model_free(&window[i]);
}

static void sizes(void)
{
    size_t at = 0;
    for (size_t size = 0; size < 1100; size++)
        window_put(at++, size);
    for (size_t size = 1; size <= 70000; size += 13)
        window_put(at++, size);
    for (size_t power = 16; power <= 4 * MEBIBYTE; power *= 2)
        for (size_t size = power - 33; size < power + 34; size += 11)
            window_put(at++, size);
    for (size_t limit = 4096; limit <= 65536; limit *= 2)
        for (size_t size = limit - 17; size < limit + 2; size++)
            window_put(at++, size);
    window_end();
}

static void zero_bytes(void)
{
    enum { BLOCKS = 120 };
    void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        switch (i % 6) {
        case 0:
            block[i] = malloc(0);
            break;
        case 1:
            block[i] = calloc(0, 7);
            break;
        case 2:
            block[i] = calloc(7, 0);
            break;
        case 3:
            block[i] = realloc(NULL, 0);
            break;
        case 4:
            block[i] = aligned_alloc(64, 0);
            break;
        default:
            CHECK(posix_memalign(&block[i], 64, 0) == 0);
        }
        CHECK(block[i] != NULL);
        for (int j = 0; j < i; j++)
            CHECK(block[j] != block[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void null_pointers(void)
{
    for (int i = 0; i < 1000; i++)
        free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
}

/* ---- calloc */

static void calloc_zeroes_used_memory(void)
{
    enum { BLOCKS = 20 };
    unsigned char *block[BLOCKS];
    for (size_t size = 1; size < 3 * MEBIBYTE; size += size / 2 + 3) {
        int blocks = size < 100000 ? BLOCKS : 1;
        for (int i = 0; i < blocks; i++) {
            block[i] = malloc(size);
            CHECK(block[i] != NULL);
            memset(block[i], 0xff, size);
        }
        for (int i = 0; i < blocks; i++)
            free(block[i]);
        for (int i = 0; i < blocks; i++) {
            block[i] = i % 2 == 0 ? calloc(size, 1) : calloc(1, size);
            CHECK(block[i] != NULL);
            CHECK(is_zero(block[i], size));
            memset(block[i], 0xff, size);
        }
        for (int i = 0; i < blocks; i++)
            free(block[i]);
    }
}

static void refused(const void *ptr)
{
    CHECK(ptr == NULL);
    CHECK(errno == ENOMEM);
    errno = 0;
}

static void calloc_overflow(void)
{
    size_t half = (size_t)1 << sizeof(size_t) * 4; /* its square is SIZE_MAX + 1 */
    errno = 0;
    refused(calloc(opaque(half), half));
    refused(calloc(opaque(half) + 1, half));
    refused(calloc(half, opaque(half) + 1));
    refused(calloc(opaque(SIZE_MAX), 2));
    refused(calloc(2, opaque(SIZE_MAX)));
    refused(calloc(opaque(SIZE_MAX / 2 + 1), 2));
    refused(calloc(opaque(SIZE_MAX / 16 + 2), 16));
    refused(calloc(opaque(SIZE_MAX), opaque(SIZE_MAX)));
}

/* ---- realloc */

static void realloc_walk(void)
{
    uint32_t state = 1;
    size_t size = 1;
    unsigned char *block = realloc(NULL, size);
    CHECK(block != NULL);
    fill(block, size, 0);
    for (uint32_t step = 1; step < 3000; step++) {
        uint32_t draw = next_random(&state);
        size_t bound = draw % 4 == 0 ? 300000 : draw % 4 == 1 ? 20000 : 1500;
        size_t next = 1 + (draw >> 2) % bound;
        void *between = malloc(next % 1000);
        CHECK(between != NULL);
        block = realloc(block, next);
        CHECK(block != NULL && is_aligned(block, 16));
        CHECK(is_filled(block, next < size ? next : size, step - 1));
        size = next;
        fill(block, size, step);
        free(between);
    }
    free(block);
}

static void realloc_of_null_and_to_nothing(void)
{
    for (size_t size = 1; size < 300000; size *= 3) {
        void *block = realloc(NULL, size);
        CHECK(block != NULL);
        fill(block, size, 1);
        CHECK(realloc(block, opaque(0)) == NULL);
    }
}

static void realloc_in_place(void)
{
    for (size_t size = 1; size < 200000; size += size / 8 + 1) {
        unsigned char *block = malloc(size);
        CHECK(block != NULL);
        fill(block, size, 5);
        size_t usable = malloc_usable_size(block);
        CHECK(realloc(block, usable) == block);
        CHECK(malloc_usable_size(block) >= usable);
        CHECK(is_filled(block, size, 5));
        CHECK(realloc(block, size) == block);
        CHECK(is_filled(block, size, 5));
        free(block);
    }
}

static void realloc_of_the_last_large_block(void)
{
    unsigned char *before = malloc(MEBIBYTE), *block = malloc(MEBIBYTE);
    CHECK(before != NULL && block != NULL);
    fill(before, MEBIBYTE, 1);
    fill(block, MEBIBYTE, 2);
    for (size_t size = MEBIBYTE; size < 20 * MEBIBYTE; size += MEBIBYTE / 2) {
        block = realloc(block, size + MEBIBYTE / 2);
        CHECK(block != NULL);
        CHECK(is_filled(block, size, 2));
        fill(block, size + MEBIBYTE / 2, 2);
    }
    block = realloc(block, 1);
    CHECK(block != NULL && is_filled(block, 1, 2));
    CHECK(is_filled(before, MEBIBYTE, 1));
    free(before);
    free(block);
}

/* Two that grow in turn stand in each other's way. */
static void realloc_of_large_blocks_that_move(void)
{
    unsigned char *block[2] = {malloc(MEBIBYTE), malloc(MEBIBYTE)};
    CHECK(block[0] != NULL && block[1] != NULL);
    fill(block[0], MEBIBYTE, 0);
    fill(block[1], MEBIBYTE, 1);
    for (size_t size = MEBIBYTE; size < 12 * MEBIBYTE; size += MEBIBYTE) {
        for (uint32_t i = 0; i < 2; i++) {
            block[i] = realloc(block[i], size + MEBIBYTE);
            CHECK(block[i] != NULL);
            CHECK(is_filled(block[i], size, i));
            CHECK(is_filled(block[1 - i], size, 1 - i));
            fill(block[i], size + MEBIBYTE, i);
        }
    }
    for (size_t size = 12 * MEBIBYTE; size > 1000; size /= 3) {
        for (uint32_t i = 0; i < 2; i++) {
            block[i] = realloc(block[i], size);
            CHECK(block[i] != NULL && is_filled(block[i], size, i));
        }
    }
    free(block[0]);
    free(block[1]);
}

static void realloc_that_fails(void)
{
    static const size_t some[] = {1, 100, 5000, 8184, 8185, 100000, 2 * MEBIBYTE};
    for (size_t i = 0; i < COUNT(some); i++) {
        unsigned char *block = malloc(some[i]);
        CHECK(block != NULL);
        fill(block, some[i], 3);
        errno = 0;
        for (size_t j = 0; j < COUNT(too_large); j++) {
            refused(realloc(block, opaque(too_large[j])));
            refused(reallocarray(block, 1, opaque(too_large[j])));
        }
        refused(reallocarray(block, opaque(SIZE_MAX / 2 + 1), 2));
        refused(reallocarray(block, opaque(SIZE_MAX / 8 + 2), 8));
        CHECK(is_filled(block, some[i], 3));
        free(block);
    }
}

static void reallocarray_multiplies(void)
{
    unsigned char *block = NULL;
    for (size_t count = 1; count < 2000; count += count) {
        block = reallocarray(block, count, 24);
        CHECK(block != NULL && malloc_usable_size(block) >= count * 24);
        CHECK(count == 1 || is_filled(block, count / 2 * 24, 9));
        fill(block, count * 24, 9);
    }
    CHECK(reallocarray(block, opaque(0), 24) == NULL);
}

/* ---- aligned */

static unsigned char *request_aligned(int function, size_t alignment, size_t size)
{
    void *ptr = NULL;
    switch (function) {
    case 0:
        return aligned_alloc(alignment, size);
    case 1:
        return memalign(alignment, size);
    default:
        CHECK(posix_memalign(&ptr, alignment, size) == 0);
        return ptr;
    }
}

static void aligned(void)
{
    static const size_t some[] = {0,    1,    8,    15,   24,    100,   1000,
                                  4088, 8184, 8185, 8192, 65536, 70000, 200000};
    enum { KINDS = 3, MOST = 2 * COUNT(some) * KINDS };
    static struct block live[MOST];
    for (size_t alignment = 8; alignment <= MEBIBYTE; alignment *= 2) {
        size_t blocks = 0;
        for (size_t i = 0; i < COUNT(some) * KINDS; i++) {
            size_t size = some[i / KINDS];
            unsigned char *ptr = request_aligned((int)(i % KINDS), alignment, size);
            CHECK(ptr != NULL && is_aligned(ptr, alignment));
            live[blocks] = (struct block){ptr, size, (uint32_t)i};
            fill(ptr, size, live[blocks++].seed);
            ptr = malloc(size / 2);
            CHECK(ptr != NULL);
            live[blocks] = (struct block){ptr, size / 2, (uint32_t)i + 1000};
            fill(ptr, size / 2, live[blocks++].seed);
        }
        for (size_t i = 0; i < blocks; i += 2) /* what is freed has live neighbours */
            model_free(&live[i]);
        for (size_t i = 0; i < blocks; i++)
            model_free(&live[i]);
    }
}

static void aligned_is_resized(void)
{
    for (size_t alignment = 32; alignment <= MEBIBYTE; alignment *= 8) {
        for (size_t size = 10; size < 300000; size *= 9) {
            unsigned char *block = aligned_alloc(alignment, size);
            CHECK(block != NULL);
            fill(block, size, 7);
            block = realloc(block, size * 2);
            CHECK(block != NULL && is_filled(block, size, 7));
            block = realloc(block, size / 2);
            CHECK(block != NULL && is_filled(block, size / 2, 7));
            free(block);
        }
    }
}

static void alignment_that_is_none(void)
{
    static const size_t wrong[] = {0, 3, 24, 48, 1000, 4095, SIZE_MAX};
    char untouched;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        void *ptr = &untouched;
        errno = 77;
        CHECK(posix_memalign(&ptr, wrong[i], 100) == EINVAL);
        CHECK(errno == 77 && ptr == &untouched);
        CHECK(aligned_alloc(opaque(wrong[i]), 100) == NULL && errno == EINVAL);
        errno = 0;
        CHECK(wrong[i] == 0 ||
              (memalign(opaque(wrong[i]), 100) == NULL && errno == EINVAL));
    }
    void *ptr = &untouched; /* A power of two, but no multiple of a pointer's size. */
    CHECK(posix_memalign(&ptr, sizeof(void *) / 2, 100) == EINVAL && ptr == &untouched);
    CHECK(posix_memalign(&ptr, 1, 100) == EINVAL && ptr == &untouched);
}

static void aligned_too_large(void)
{
    char untouched;
    for (size_t i = 0; i < COUNT(too_large); i++) {
        for (size_t alignment = 8; alignment <= MEBIBYTE; alignment *= 8) {
            size_t size = opaque(too_large[i]);
            void *ptr = &untouched;
            CHECK(posix_memalign(&ptr, alignment, size) == ENOMEM && ptr == &untouched);
            errno = 0;
            refused(aligned_alloc(alignment, size));
            refused(memalign(alignment, size));
            refused(valloc(size));
            refused(pvalloc(size));
        }
    }
    if (sizeof(size_t) < 8)
        return; /* there such alignments can be had */
    for (size_t alignment = SIZE_MAX / 2 + 1; alignment > SIZE_MAX / 8;
         alignment /= 2) {
        void *ptr = &untouched;
        CHECK(posix_memalign(&ptr, opaque(alignment), 100) != 0 && ptr == &untouched);
        CHECK(aligned_alloc(opaque(alignment), 100) == NULL);
        CHECK(aligned_alloc(opaque(alignment), alignment) == NULL);
    }
}

static void valloc_and_pvalloc(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 0; size < 100000; size += size / 2 + 1) {
        unsigned char *one = valloc(size), *two = pvalloc(size);
        CHECK(one != NULL && is_aligned(one, page));
        CHECK(two != NULL && is_aligned(two, page));
        size_t whole = (size + page - 1) / page * page;
        CHECK(malloc_usable_size(two) >= whole);
        fill(one, size, 1);
        fill(two, whole, 2);
        CHECK(is_filled(one, size, 1));
        free(one);
        CHECK(is_filled(two, whole, 2));
        free(two);
    }
}

/* ---- malloc_usable_size, limits, errno */

static void usable_size(void)
{
    for (size_t size = 0; size < 200000; size += size / 16 + 1) {
        struct block three[3];
        for (int i = 0; i < 3; i++) {
            unsigned char *ptr = malloc(size);
            CHECK(ptr != NULL && malloc_usable_size(ptr) >= size);
            three[i] = (struct block){ptr, malloc_usable_size(ptr), (uint32_t)i};
            fill(ptr, three[i].size, three[i].seed);
        }
        for (int i = 0; i < 3; i++) {
            CHECK(malloc_usable_size(three[i].ptr) == three[i].size);
            model_free(&three[i]);
        }
    }
}

static void too_large_to_be_had(void)
{
    errno = 0;
    for (size_t i = 0; i < COUNT(too_large); i++) {
        refused(malloc(opaque(too_large[i])));
        refused(calloc(1, opaque(too_large[i])));
        refused(calloc(opaque(too_large[i]), 1));
        refused(realloc(NULL, opaque(too_large[i])));
    }
    for (size_t less = 0; less < 70000; less += 61)
        refused(malloc(opaque(SIZE_MAX - less)));
    void *block = malloc(100);
    CHECK(block != NULL);
    free(block);
}

static void free_keeps_errno(void)
{
    for (size_t size = 1; size <= 64 * MEBIBYTE; size *= 2) {
        void *one = malloc(size), *two = malloc(size);
        CHECK(one != NULL && two != NULL);
        errno = 4711;
        free(one);
        CHECK(errno == 4711);
        free(two);
        CHECK(errno == 4711);
        free(NULL);
        CHECK(errno == 4711);
    }
}

/* ---- memory that is given back */

static size_t at_start; /* resident bytes then */

static void large_blocks_are_given_back(void)
{
    enum { BLOCKS = 64, EACH = 4 * MEBIBYTE };
    static unsigned char *block[BLOCKS];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            block[i] = malloc(EACH);
            CHECK(block[i] != NULL);
            fill(block[i], EACH, (uint32_t)i);
        }
        CHECK(resident() > at_start + (size_t)(BLOCKS - 4) * EACH);
        for (int i = 0; i < BLOCKS; i++) {
            int at = round == 0 ? i : BLOCKS - 1 - i;
            CHECK(is_filled(block[at], EACH, (uint32_t)at));
            free(block[at]);
        }
        CHECK(resident() < at_start + 16 * MEBIBYTE);
    }
}

static void large_blocks_are_not_touched(void)
{
    size_t before = resident(), most = sizeof(void *) == 8 ? 1024 : 256;
    for (size_t size = MEBIBYTE; size <= most * MEBIBYTE; size *= 2) {
        unsigned char *block = malloc(size);
        CHECK(block != NULL);
        block[0] = block[size - 1] = 1;
        CHECK(resident() < before + 8 * MEBIBYTE);
        free(block);
        CHECK(resident() < before + 8 * MEBIBYTE);
    }
}

/* Many small blocks, too: when all of them are freed, most of their pages are gone. */
static void small_blocks_are_given_back(void)
{
    enum { EACH = 2000, BLOCKS = 16 * MEBIBYTE / EACH };
    static unsigned char *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = malloc(EACH);
        CHECK(block[i] != NULL);
        fill(block[i], EACH, (uint32_t)i);
    }
    CHECK(resident() > at_start + 15 * MEBIBYTE);
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(is_filled(block[i], EACH, (uint32_t)i));
        free(block[i]);
    }
    CHECK(resident() < at_start + 8 * MEBIBYTE);
}

/* ---- all of it mixed */

static void random_workload(void)
{
    static struct model model;
    model_start(&model, 42, MODEL_BLOCKS, 2 * MEBIBYTE);
    for (int i = 0; i < 20; i++) {
        model_steps(&model, 1500);
        model_check(&model);
    }
    model_end(&model);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"sizes", sizes},
        {"zero_bytes", zero_bytes},
        {"null_pointers", null_pointers},
        {"calloc_zeroes_used_memory", calloc_zeroes_used_memory},
        {"calloc_overflow", calloc_overflow},
        {"realloc_walk", realloc_walk},
        {"realloc_of_null_and_to_nothing", realloc_of_null_and_to_nothing},
        {"realloc_in_place", realloc_in_place},
        {"realloc_of_the_last_large_block", realloc_of_the_last_large_block},
        {"realloc_of_large_blocks_that_move", realloc_of_large_blocks_that_move},
        {"realloc_that_fails", realloc_that_fails},
        {"reallocarray_multiplies", reallocarray_multiplies},
        {"aligned", aligned},
        {"aligned_is_resized", aligned_is_resized},
        {"alignment_that_is_none", alignment_that_is_none},
        {"aligned_too_large", aligned_too_large},
        {"valloc_and_pvalloc", valloc_and_pvalloc},
        {"usable_size", usable_size},
        {"too_large_to_be_had", too_large_to_be_had},
        {"free_keeps_errno", free_keeps_errno},
        {"large_blocks_are_given_back", large_blocks_are_given_back},
        {"large_blocks_are_not_touched", large_blocks_are_not_touched},
        {"small_blocks_are_given_back", small_blocks_are_given_back},
        {"random_workload", random_workload},
    };
    at_start = resident();
    return run_cases(cases, COUNT(cases), argc, argv);
}
