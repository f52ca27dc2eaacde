/* faulted.c - a mixed workload while calls to the kernel fail (faults.c). Of what fails
 * the program sees NULL and ENOMEM and nothing else; what it has stays as it was; and
 * when the kernel has memory again, so has the program. */

#include "case.h"
#include "faults.h"
#include "model.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
    MEBIBYTE = 1 << 20,
    LARGE = 33 * MEBIBYTE, /* more than anybody keeps */
    LARGE_BLOCKS = 4,
    MOST_CALLS = 300,  /* that are made to fail one by one */
    ROUNDS_AFTER = 20, /* that a run goes on for after the first failure */
    MOST_ROUNDS = 20000,
    PART = 20, /* runs in a process */
    MOST_KEPT = 64 * MEBIBYTE
};

static set_faults_function *set_faults;
static fault_count_function *fault_count;

static struct model model;

/* Only their first and last bytes are touched. */
static struct block large[LARGE_BLOCKS], growing;

/* ---- large blocks: each one costs calls */

static void mark_large(struct block *block, unsigned char *ptr, size_t size,
                       uint32_t seed)
{
    *block = (struct block){ptr, size, seed};
    ptr[0] = (unsigned char)seed;
    ptr[size - 1] = (unsigned char)(seed + 1);
}

static void check_large(const struct block *block)
{
    CHECK(block->ptr[0] == (unsigned char)block->seed);
    CHECK(block->ptr[block->size - 1] == (unsigned char)(block->seed + 1));
}

static void free_large(struct block *block)
{
    if (block->ptr == NULL)
        return;
    check_large(block);
    errno = EBADF;
    free(block->ptr);
    CHECK(errno == EBADF);
    block->ptr = NULL;
}

static void shrink_large(struct block *block)
{
    check_large(block);
    size_t size = block->size - block->size / 3;
    errno = 0;
    unsigned char *ptr = realloc(block->ptr, size);
    if (!model_got(&model, ptr))
        return;
    CHECK(ptr[0] == (unsigned char)block->seed);
    mark_large(block, ptr, size, block->seed);
}

static void large_step(void)
{
    uint32_t draw = next_random(&model.state);
    struct block *block = &large[draw % LARGE_BLOCKS];
    if (block->ptr == NULL) {
        size_t size = LARGE + (size_t)(draw >> 4) % 1000000 * 7;
        errno = 0;
        unsigned char *ptr =
            (draw >> 3) % 2 == 0 ? malloc(size) : memalign(65536, size);
        if (model_got(&model, ptr))
            mark_large(block, ptr, size, draw);
    } else if ((draw >> 4) % 3 == 0 && block->size > MEBIBYTE) {
        shrink_large(block);
    } else {
        free_large(block);
    }
}

/* A block that outgrows its place again and again. */
static void growing_step(void)
{
    size_t size = growing.ptr == NULL ? MEBIBYTE : growing.size + growing.size / 4;
    if (size > 2 * MEBIBYTE) {
        free_large(&growing);
        return;
    }
    errno = 0;
    unsigned char *ptr = realloc(growing.ptr, size);
    if (!model_got(&model, ptr))
        return;
    if (growing.ptr != NULL) {
        CHECK(ptr[0] == (unsigned char)growing.seed);
        CHECK(ptr[growing.size - 1] == (unsigned char)(growing.seed + 1));
    }
    mark_large(&growing, ptr, size, growing.seed);
}

static void free_all_large(void)
{
    for (int i = 0; i < LARGE_BLOCKS; i++)
        free_large(&large[i]);
    free_large(&growing);
}

/* ---- a run */

static void start(void)
{
    model_start(&model, 1, 150, 300000);
    model.may_fail = true;
}

static void go_on(int rounds)
{
    for (int round = 0; round < rounds; round++) {
        model_steps(&model, 3);
        large_step();
        if (next_random(&model.state) % 100 == 0)
            growing_step();
    }
}

static void go_on_until_a_call_fails(void)
{
    for (int round = 0; fault_count(true) == 0; round++) {
        CHECK(round < MOST_ROUNDS);
        go_on(1);
    }
}

/* When nothing more can be had all is used up, and then the workload goes on. Of the
 * larger blocks only the first bytes are touched. */
static void use_up(void)
{
    enum { MOST = 20000, TOUCHED = 9000 };
    static struct block block[MOST];
    size_t blocks = 0, size = MEBIBYTE;
    while (size >= 16 && blocks < MOST) {
        errno = 0;
        unsigned char *ptr = malloc(size);
        if (!model_got(&model, ptr)) {
            size /= 2;
            continue;
        }
        size_t touched = size < TOUCHED ? size : TOUCHED;
        block[blocks] = (struct block){ptr, touched, (uint32_t)blocks};
        fill(ptr, touched, block[blocks++].seed);
    }
    CHECK(blocks < MOST);
    model_steps(&model, 300);
    model_check(&model);
    while (blocks-- > 0)
        model_free(&block[blocks]);
}

/* With the kernel's memory back nothing fails any more, and all can be freed. */
static void end(void)
{
    set_faults(FAULT_NONE, 0);
    model_check(&model);
    free_all_large();
    model.may_fail = false;
    model_steps(&model, 50);
    unsigned char *block = malloc(LARGE);
    CHECK(block != NULL);
    free(block);
    model_end(&model);
}

static void run(enum fault_kind kind, long nth)
{
    start();
    set_faults(kind, nth);
    go_on_until_a_call_fails();
    go_on(ROUNDS_AFTER);
    if (kind == FAULT_ALL && nth % PART == 1)
        use_up();
    end();
}

static void run_in_child(enum fault_kind kind, long first, long end_of_part)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        size_t before = resident();
        for (long nth = first; nth < end_of_part; nth++)
            run(kind, nth);
        CHECK(resident() < before + MOST_KEPT);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Each child begins with a heap that has got nothing yet. */
static void run_for_every_call(enum fault_kind kind)
{
    for (long first = 1; first <= MOST_CALLS; first += PART)
        run_in_child(kind, first, first + PART);
}

static void one_call_fails(void)
{
    run_for_every_call(FAULT_ONE);
}

static void all_calls_fail_from_then_on(void)
{
    run_for_every_call(FAULT_ALL);
}

/* ---- memory that the kernel does not take back is kept, and used again: all runs
 * together request many times what may be added to the addresses of the first. */

static void nothing_is_taken_back(void)
{
    enum { RUNS = 20, ROUNDS = 300 };
    size_t before = 0;
    for (int i = 0; i < RUNS; i++) {
        start();
        model.may_fail = false;
        set_faults(FAULT_BACK, 1);
        go_on(ROUNDS);
        CHECK(fault_count(true) > 0);
        free_all_large();
        model_end(&model);
        if (i == 0)
            before = address_space();
    }
    CHECK(address_space() < before + (size_t)1024 * MEBIBYTE);
    set_faults(FAULT_NONE, 0);
}

/* What it did not take then is given back as soon as it takes something again. */
static void taken_back_later(void)
{
    enum { BLOCKS = 64 };
    static unsigned char *block[BLOCKS];
    size_t before = resident();
    for (int round = 0; round < 2; round++) {
        set_faults(round == 0 ? FAULT_BACK : FAULT_NONE, 1);
        for (uint32_t i = 0; i < BLOCKS; i++) {
            block[i] = malloc(MEBIBYTE);
            CHECK(block[i] != NULL);
            fill(block[i], MEBIBYTE, i);
        }
        for (uint32_t i = 0; i < BLOCKS; i++) {
            CHECK(is_filled(block[i], MEBIBYTE, i));
            free(block[i]);
        }
    }
    CHECK(resident() < before + 8 * MEBIBYTE);
}

/* ---- what fails before main() is told by the environment */

static void from_the_start(void)
{
    start();
    go_on(ROUNDS_AFTER);
    end();
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"one_call_fails", one_call_fails},
        {"all_calls_fail_from_then_on", all_calls_fail_from_then_on},
        {"nothing_is_taken_back", nothing_is_taken_back},
        {"taken_back_later", taken_back_later},
        {"from_the_start", from_the_start},
    };
    *(void **)&set_faults = dlsym(RTLD_DEFAULT, "set_faults");
    *(void **)&fault_count = dlsym(RTLD_DEFAULT, "fault_count");
    CHECK(set_faults != NULL && fault_count != NULL);
    return run_cases(cases, COUNT(cases), argc, argv);
}
