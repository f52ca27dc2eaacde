/* counted.c - a program whose calls are known, for KMA_STATS=1: counted BLOCKS BYTES WHAT
 * requests so many blocks of so many bytes each and frees them, then a tenth as many, and
 * does one thing besides. */

#include "case.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

static void request_and_free(size_t blocks, size_t bytes)
{
    unsigned char *block[blocks + 1];
    for (size_t i = 0; i < blocks; i++) {
        block[i] = malloc(bytes);
        CHECK(block[i] != NULL);
        fill(block[i], bytes, (uint32_t)i);
    }
    for (size_t i = 0; i < blocks; i++) {
        CHECK(is_filled(block[i], bytes, (uint32_t)i));
        free(block[i]);
    }
}

static void nothing(void)
{
}

static void close_stderr(void)
{
    CHECK(fclose(stderr) == 0);
}

static void close_stderr_at_exit(void)
{
    CHECK(atexit(close_stderr) == 0);
}

/* Closes all descriptors, and makes all of them its own file. */
static void take_all_descriptors(void)
{
    int most = (int)sysconf(_SC_OPEN_MAX);
    for (int i = 0; i < most; i++)
        close(i);
    while (open("own-file", O_WRONLY | O_CREAT, 0644) >= 0)
        continue;
}

/* What was closed when the program was started is the program's to open. */
static void open_a_file(void)
{
    CHECK(open("own-file", O_WRONLY | O_CREAT, 0644) == STDERR_FILENO);
}

/* None but the first three is handed on to programs that this one starts. */
static void look_at_descriptors(void)
{
    for (int i = 3; i < sysconf(_SC_OPEN_MAX); i++)
        CHECK(fcntl(i, F_GETFD) < 0 || fcntl(i, F_GETFD) == FD_CLOEXEC);
}

/* The child requests and frees three blocks more. */
static void fork_a_child(void)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        request_and_free(3, 10);
        exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(int argc, char **argv)
{
    static const struct test_case what[] = {
        {"nothing", nothing},
        {"close_stderr_at_exit", close_stderr_at_exit},
        {"take_all_descriptors", take_all_descriptors},
        {"open_a_file", open_a_file},
        {"look_at_descriptors", look_at_descriptors},
        {"fork_a_child", fork_a_child},
    };
    CHECK(argc == 4);
    size_t blocks = strtoul(argv[1], NULL, 10), bytes = strtoul(argv[2], NULL, 10);
    request_and_free(blocks, bytes);
    request_and_free(blocks / 10, bytes);
    for (size_t i = 0; i < COUNT(what); i++) {
        if (strcmp(argv[3], what[i].name) == 0)
            what[i].run();
    }
    return 0;
}
