/* forks.c - processes that are forked while threads allocate. A child that hangs is ended
 * by its own alarm, and the case fails. */

#include "case.h"
#include "model.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { PATIENCE = 20, THREADS = 2, TABLE = 100 };

extern char **environ;
static char *own_path;

/* ---- what a child does with its parent's blocks */

struct table {
    struct block block[TABLE];
};

static void table_start(struct table *table, uint32_t seed)
{
    for (uint32_t i = 0; i < TABLE; i++) {
        size_t size = (size_t)i * i * (i % 10 == 0 ? 50 : 1);
        table->block[i] = (struct block){malloc(size), size, seed + i};
        CHECK(table->block[i].ptr != NULL);
        fill(table->block[i].ptr, size, seed + i);
    }
}

static void table_end(struct table *table)
{
    for (int i = 0; i < TABLE; i++)
        model_free(&table->block[i]);
}

static void live_as_child(struct table *table, uint32_t seed)
{
    struct model model;
    alarm(PATIENCE);
    model_start(&model, seed, 50, 100000);
    model_steps(&model, 100);
    table_end(table);
    model_steps(&model, 100);
    model_end(&model);
}

static void fork_once(struct table *table, uint32_t seed)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        live_as_child(table, seed);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(!WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM);
    CHECK(status == 0);
}

static void fork_often(uint32_t seed, int times)
{
    struct table table;
    struct model model;
    table_start(&table, seed);
    model_start(&model, seed, 100, 100000);
    for (int i = 0; i < times; i++) {
        fork_once(&table, seed + (uint32_t)i);
        model_steps(&model, 20);
    }
    model_end(&model);
    table_end(&table);
}

static void one_thread(void)
{
    fork_often(1, 60);
}

/* A grandchild, from a child that has exit handlers and ends with exit(). */
static void generations(void)
{
    struct table table;
    int status;
    table_start(&table, 2);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(PATIENCE);
        fork_once(&table, 3);
        live_as_child(&table, 4);
        exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    table_end(&table);
}

/* ---- beside threads that allocate all the time */

static atomic_bool enough;

static void *allocate(void *argument)
{
    struct model model;
    model_start(&model, (uint32_t)(uintptr_t)argument, 60, 20000);
    while (!enough)
        model_steps(&model, 50);
    model_end(&model);
    return NULL;
}

static void *fork_beside_another(void *argument)
{
    fork_often((uint32_t)(uintptr_t)argument, 40);
    return NULL;
}

static void beside_threads(int forks, int forkers)
{
    pthread_t thread[THREADS], forker[THREADS];
    enough = false;
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, allocate, (void *)(i + 1)) == 0);
    for (uintptr_t i = 0; i < (uintptr_t)forkers; i++)
        CHECK(pthread_create(&forker[i], NULL, fork_beside_another,
                             (void *)(1000 * (i + 1))) == 0);
    fork_often(5, forks);
    for (int i = 0; i < forkers; i++)
        CHECK(pthread_join(forker[i], NULL) == 0);
    enough = true;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
}

static void many_threads(void)
{
    beside_threads(120, 0);
}

static void two_that_fork(void)
{
    beside_threads(0, 2);
}

/* ---- fork handlers that allocate */

enum { HANDLERS = 60 }; /* more than there is static room for */

static struct model handler_model;
static bool handlers_run;

static void handler(void)
{
    if (handlers_run)
        model_steps(&handler_model, 1);
}

static void register_handlers(void)
{
    for (int i = 0; i < HANDLERS; i++)
        CHECK(pthread_atfork(handler, handler, handler) == 0);
}

/* Before a preloaded library's constructor, so that its own handlers come in between. */
__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = register_handlers;

static void handlers(void)
{
    register_handlers();
    model_start(&handler_model, 9, 100, 100000);
    handlers_run = true;
    beside_threads(40, 0);
    handlers_run = false;
    model_end(&handler_model);
}

/* ---- other ways to a child */

static void spawned(void)
{
    char *arguments[] = {own_path, "one_thread", NULL};
    posix_spawn_file_actions_t actions;
    int status;
    CHECK(posix_spawn_file_actions_init(&actions) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0) == 0);
    for (int i = 0; i < 3; i++) {
        pid_t pid;
        CHECK(posix_spawn(&pid, own_path, &actions, NULL, arguments, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
    if (sizeof(void *) == 4) /* the shell is a 64-bit program */
        CHECK(unsetenv("LD_PRELOAD") == 0);
    CHECK(system("exit 7") >> 8 == 7);
    FILE *pipe = popen("echo through a pipe", "r");
    char line[100];
    CHECK(pipe != NULL && fgets(line, sizeof line, pipe) != NULL);
    CHECK(strcmp(line, "through a pipe\n") == 0 && pclose(pipe) == 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"one_thread", one_thread},     {"generations", generations},
        {"many_threads", many_threads}, {"two_that_fork", two_that_fork},
        {"handlers", handlers},         {"spawned", spawned},
    };
    own_path = argv[0];
    return run_cases(cases, COUNT(cases), argc, argv);
}
