/* apart.h - runs each test of a program in a process of its own. */
#ifndef KMA_TESTS_APART_H
#define KMA_TESTS_APART_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"

/* How many of the tests failed. */
static inline int run_apart(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct CMUnitTest one[] = {tests[i]};
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            exit(cmocka_run_group_tests(one, NULL, NULL));
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
            printf("not ok %zu - %s: its process died\n", i, tests[i].name);
            status = 1;
        }
        failed += status != 0;
    }
    return failed;
}

#endif
