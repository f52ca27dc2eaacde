/* kernel.c - an exercise OS has its pages, and nothing to start or to check. */
#include "../client.h"

void kernel_start(void)
{
}

void kernel_check(unsigned long calls)
{
    (void)calls;
}
