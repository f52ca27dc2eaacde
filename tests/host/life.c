/* life.c - a program that allocates at every stage of its life, from before the first
 * constructor to after the last destructor. Each stage that went well is a line on
 * standard output; the last one is the library's (life_library.c). The argument is the
 * path of the library to load and unload (plugin.c). */

#include "life.h"
#include "model.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static struct model model; /* goes on through all stages */
static const char *plugin_path;
static pthread_key_t thread_key, main_key;

static void stage(const char *name)
{
    current_case = name;
    model_steps(&model, 200);
    model_check(&model);
    put_line(STDOUT_FILENO, name);
}

static void before_all_constructors(void)
{
    model_start(&model, 3, 200, 100000);
    stage("before all constructors");
}

__attribute__((section(".preinit_array"),
               used)) static void (*const preinit)(void) = before_all_constructors;

__attribute__((constructor)) static void construct(void)
{
    stage("constructor");
}

__attribute__((destructor)) static void destruct(void)
{
    stage("destructor");
    model_end(&model);
}

static void exit_handler(void)
{
    static int calls;
    free(calloc(100, (size_t)calls + 1));
    if (++calls == 200)
        stage("exit handlers");
}

/* The library's blocks are the program's to free, but for those that it frees itself. */
static void free_blocks_of_library(void)
{
    for (size_t at = 0; at < LIFE_LIBRARY_BLOCKS; at += 2) {
        size_t size;
        unsigned char *block = life_library_block(at, &size);
        CHECK(is_filled(block, size, (uint32_t)at));
        block = realloc(block, size + 1000);
        CHECK(block != NULL && is_filled(block, size, (uint32_t)at));
        free(block);
    }
    stage("blocks of a library");
}

/* ---- data of threads */

static void thread_ends(void *data)
{
    struct block *block = data;
    model_free(block);
    free(block);
    void *more = malloc(3000);
    CHECK(more != NULL);
    free(more);
}

static void main_thread_ends(void *data)
{
    free(data);
    stage("data of the main thread");
}

static void *thread_with_data(void *argument)
{
    uint32_t seed = (uint32_t)(uintptr_t)argument;
    struct block *block = malloc(sizeof *block);
    CHECK(block != NULL);
    *block = (struct block){malloc(seed * 500), seed * 500, seed};
    CHECK(block->ptr != NULL);
    fill(block->ptr, block->size, seed);
    CHECK(pthread_setspecific(thread_key, block) == 0);
    return NULL;
}

static void threads_with_data(void)
{
    enum { THREADS = 20 };
    pthread_t thread[THREADS];
    CHECK(pthread_key_create(&thread_key, thread_ends) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, thread_with_data, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    stage("data of threads");
}

/* ---- libraries that come and go */

typedef unsigned char *plugin_work(size_t size);

static void *work_of_plugin(void *argument)
{
    plugin_work *work = *(plugin_work **)argument;
    unsigned char *block = work(777);
    CHECK(is_filled(block, 777, 777));
    return block;
}

static void load_and_unload(void)
{
    enum { ROUNDS = 120 };
    for (int round = 0; round < ROUNDS; round++) {
        void *plugin = dlopen(plugin_path, RTLD_NOW | RTLD_LOCAL);
        CHECK(plugin != NULL);
        plugin_work *work;
        *(void **)&work = dlsym(plugin, "plugin_work");
        CHECK(work != NULL);
        unsigned char *block = work(555);
        if (round % 4 == 0) {
            pthread_t thread;
            void *other;
            CHECK(pthread_create(&thread, NULL, work_of_plugin, (void *)&work) == 0);
            CHECK(pthread_join(thread, &other) == 0);
            free(other);
        }
        CHECK(dlclose(plugin) == 0);
        CHECK(is_filled(block, 555, 555));
        free(block);
    }
    CHECK(dlopen("/nothing/like/it.so", RTLD_NOW) == NULL && dlerror() != NULL);
    stage("libraries that come and go");
}

/* ---- the end: the main thread goes first, and the last one ends the process */

static pthread_t main_thread;

static void *outlive_main(void *argument)
{
    CHECK(pthread_join(main_thread, NULL) == 0);
    stage("last thread");
    return argument;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    plugin_path = argv[1];
    stage("main");
    for (int i = 0; i < 200; i++) /* more than there is static room for */
        CHECK(atexit(exit_handler) == 0);
    free_blocks_of_library();
    threads_with_data();
    load_and_unload();
    main_thread = pthread_self();
    CHECK(pthread_key_create(&main_key, main_thread_ends) == 0);
    CHECK(pthread_setspecific(main_key, malloc(100)) == 0);
    pthread_t last;
    CHECK(pthread_create(&last, NULL, outlive_main, NULL) == 0);
    pthread_exit(NULL);
}
