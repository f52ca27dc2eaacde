/* ram.c - the memory of a kernel that runs as a process. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ram.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)0)
#endif

enum { PAGE = 4096, TAKEN = 1, FREE = 0 };

static char ram[RAM_PAGES][PAGE] __attribute__((aligned(PAGE)));

/* Beside the pages: the bytes of a free page belong to nobody. */
static struct {
    int state[RAM_PAGES];
    int free[RAM_PAGES]; /* a stack of page numbers */
    int limit;
    int taken;
} table;

void fail(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "FAILED: %s\n", why);
    exit(1);
}

/* Pages come from the end first, as after xv6's kinit. */
static void open_ram(void)
{
    for (int i = 0; i < RAM_PAGES; i++)
        table.free[i] = i;
    ASAN_POISON_MEMORY_REGION(ram, sizeof ram);
}

void ram_limit(int pages)
{
    if (table.limit == 0)
        open_ram();
    table.limit = pages;
}

void *ram_take(void)
{
    if (table.taken >= table.limit)
        return NULL;
    int page = table.free[RAM_PAGES - ++table.taken];
    table.state[page] = TAKEN;
    ASAN_UNPOISON_MEMORY_REGION(ram[page], PAGE);
    memset(ram[page], 5, PAGE);
    return ram[page];
}

void ram_give(void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)ram;
    if (offset % PAGE != 0 || offset >= sizeof ram ||
        table.state[offset / PAGE] != TAKEN)
        fail("what is given back is no page that was taken");
    int page = (int)(offset / PAGE);
    table.state[page] = FREE;
    memset(ram[page], 1, PAGE);
    ASAN_POISON_MEMORY_REGION(ram[page], PAGE);
    table.free[RAM_PAGES - table.taken--] = page;
}

int ram_taken(void)
{
    return table.taken;
}
