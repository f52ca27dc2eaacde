/* stops.c - error() and __assert_fail() of an adapter end the run. */
#include "ram.h"

void error(char *message, char *arg);
void __assert_fail(const char *condition, const char *file, unsigned line,
                   const char *function) __attribute__((noreturn));

int main(int arguments, char **argument)
{
    if (arguments > 2)
        __assert_fail(argument[1], argument[2], 1, "main");
    error("what", "which");
    return 0;
}
