/* model.h - a random workload of all functions of the malloc family, checked.
 *
 * The model knows of each live block its size and what must be in it. Each step requests,
 * resizes or frees one block and checks what comes back and what was in it. */
#ifndef TESTS_HOST_MODEL_H
#define TESTS_HOST_MODEL_H

#include "case.h"

#include <malloc.h>
#include <stdlib.h>

enum { MODEL_BLOCKS = 600 };

struct block {
    unsigned char *ptr; /* NULL: none */
    size_t size;
    uint32_t seed;
};

struct model {
    struct block block[MODEL_BLOCKS];
    uint32_t state;   /* of the random numbers */
    uint32_t blocks;  /* how many of the blocks are used; MODEL_BLOCKS at most */
    size_t largest;   /* largest size */
    bool may_fail;    /* NULL is an answer */
    uint32_t refused; /* how often it was */
};

static inline void model_start(struct model *model, uint32_t seed, uint32_t blocks,
                               size_t largest)
{
    memset(model, 0, sizeof *model);
    model->state = seed;
    model->blocks = blocks;
    model->largest = largest;
}

/* Of ten sizes seven are small, two are about as large as a page can hold, and one is of
 * several pages; one of a hundred is whatever is allowed. */
static inline size_t model_size(struct model *model)
{
    uint32_t kind = next_random(&model->state) % 100;
    size_t bound = kind < 70   ? 512
                   : kind < 90 ? 9000
                   : kind < 99 ? 70000
                               : model->largest;
    if (bound > model->largest)
        bound = model->largest;
    return next_random(&model->state) % (bound + 1);
}

static inline void *model_posix_memalign(size_t alignment, size_t size)
{
    char untouched;
    void *ptr = &untouched;
    int problem = posix_memalign(&ptr, alignment, size);
    if (problem == 0)
        return ptr;
    CHECK(ptr == &untouched);
    errno = problem;
    return NULL;
}

static inline void *model_calloc(size_t size, bool as_array)
{
    if (!as_array || size % 8 != 0)
        return calloc(1, size);
    return calloc(size / 8, 8);
}

/* A block of `size` bytes from any of the functions, aligned as that one promises. */
static inline void *model_request(struct model *model, size_t size)
{
    uint32_t draw = next_random(&model->state);
    size_t alignment = (size_t)16 << (draw >> 8) % 10, promised = 16;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *ptr;
    switch (draw % 16) {
    case 0:
        ptr = aligned_alloc(alignment, size);
        promised = alignment;
        break;
    case 1:
        ptr = model_posix_memalign(alignment, size);
        promised = alignment;
        break;
    case 2:
        ptr = memalign(alignment, size);
        promised = alignment;
        break;
    case 3:
        ptr = (draw >> 8) % 4 == 0 ? pvalloc(size) : valloc(size);
        promised = page;
        break;
    case 4:
    case 5:
        ptr = model_calloc(size, (draw >> 8) % 2 == 0);
        CHECK(ptr == NULL || is_zero(ptr, size));
        break;
    case 6:
        ptr = realloc(NULL, size);
        break;
    case 7:
        ptr = reallocarray(NULL, size, 1);
        break;
    default:
        ptr = malloc(size);
    }
    CHECK(is_aligned(ptr, promised));
    return ptr;
}

/* NULL is an answer only where the model says so, and then with ENOMEM. */
static inline bool model_got(struct model *model, const void *ptr)
{
    if (ptr != NULL)
        return true;
    CHECK(errno == ENOMEM);
    CHECK(model->may_fail);
    model->refused++;
    return false;
}

static inline void model_new(struct model *model, struct block *block)
{
    size_t size = model_size(model);
    errno = 0;
    unsigned char *ptr = model_request(model, size);
    if (!model_got(model, ptr))
        return;
    CHECK(malloc_usable_size(ptr) >= size);
    *block = (struct block){ptr, size, next_random(&model->state)};
    fill(ptr, size, block->seed);
}

static inline void model_resize(struct model *model, struct block *block)
{
    size_t size = model_size(model) + 1;
    size_t kept = size < block->size ? size : block->size;
    errno = 0;
    unsigned char *ptr = next_random(&model->state) % 4 == 0
                             ? reallocarray(block->ptr, 1, size)
                             : realloc(block->ptr, size);
    if (!model_got(model, ptr))
        return;
    CHECK(is_aligned(ptr, 16));
    CHECK(is_filled(ptr, kept, block->seed));
    CHECK(malloc_usable_size(ptr) >= size);
    *block = (struct block){ptr, size, next_random(&model->state)};
    fill(ptr, size, block->seed);
}

static inline void model_free(struct block *block)
{
    enum { ANY_ERROR = 4711 };
    if (block->ptr == NULL)
        return;
    CHECK(is_filled(block->ptr, block->size, block->seed));
    errno = ANY_ERROR;
    free(block->ptr);
    CHECK(errno == ANY_ERROR);
    block->ptr = NULL;
}

static inline void model_steps(struct model *model, int steps)
{
    for (int i = 0; i < steps; i++) {
        uint32_t draw = next_random(&model->state);
        struct block *block = &model->block[(draw >> 4) % model->blocks];
        if (block->ptr == NULL)
            model_new(model, block);
        else if (draw % 4 == 0)
            model_resize(model, block);
        else
            model_free(block);
    }
}

static inline void model_check(const struct model *model)
{
    for (uint32_t i = 0; i < model->blocks; i++) {
        const struct block *block = &model->block[i];
        CHECK(block->ptr == NULL || is_filled(block->ptr, block->size, block->seed));
    }
}

static inline void model_end(struct model *model)
{
    for (uint32_t i = 0; i < model->blocks; i++)
        model_free(&model->block[i]);
}

#endif
