/* stack.c - in place of an adapter: one whose kmalloc and kmfree have a stack of their own,
 * which is full of paint at first. At the end, how much of it was written to. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include "os.h"
#include "single_pages.h"
#include "client.h"
#include "ram.h"

enum { BYTES = 16384, PAINT = 0xa7 };

static unsigned char stack[BYTES];
static ucontext_t outside, inside;
static struct {
    void *block; /* NULL: to be allocated */
    int size;
} call;

static void run(void)
{
    for (;;) {
        if (call.block == NULL)
            call.block = kma_malloc(call.size);
        else
            kma_free(call.block, call.size);
        swapcontext(&inside, &outside);
    }
}

static void enter(void)
{
    if (inside.uc_stack.ss_sp == NULL) {
        memset(stack, PAINT, BYTES);
        getcontext(&inside);
        inside.uc_stack.ss_sp = stack;
        inside.uc_stack.ss_size = BYTES;
        makecontext(&inside, run, 0);
    }
    swapcontext(&outside, &inside);
}

void *kmalloc(int size)
{
    call.block = NULL;
    call.size = single_page_size(size);
    enter();
    return call.block;
}

void kmfree(void *block, int size)
{
    call.block = block;
    call.size = single_page_size(size);
    enter();
}

void error(char *message, char *arg)
{
    (void)arg;
    fail(message);
}

static __attribute__((destructor)) void tell(void)
{
    int rest = 0;
    while (rest < BYTES && stack[rest] == PAINT)
        rest++;
    printf("%d bytes of stack\n", BYTES - rest);
}
