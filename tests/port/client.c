/* client.c - a client of the adapters in kernel/port: blocks of all sizes, with contents
 * that are checked, until the pages are used up and beyond; and at the end it looks at
 * what has not come back. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "../../kma.h"
#include "../../kma_page.h"
#include "client.h"
#include "ram.h"

enum {
    MAX_REQUEST = PAGESIZE - (int)sizeof(void *),
    DESCRIPTORS = PAGESIZE / sizeof(kma_page_t), /* in a page of them */
    IN_A_CALL = 3, /* pages that come and go, or do not come */
    STEPS = 20000,
    LIVE = 2000,
    FEW = 64, /* pages: kma_rm walks what it has no page to note, when all are taken */
    BLOCKS = FEW * (PAGESIZE / 8)
};

struct block {
    unsigned char *ptr;
    int size;
    unsigned char tag;
};

static struct block blocks[BLOCKS];
static int live;
static unsigned long calls;
static int peak; /* pages the algorithm held, at most */
static uint64_t state = 1;

/* Sebastiano Vigna's splitmix64. */
static int random_below(int end)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (int)((z ^ (z >> 31)) % (uint64_t)end);
}

static int pages_for_descriptors(void)
{
    return ram_taken() - page_stats()->num_in_use;
}

/* After each call: every page that the kernel gave is held by the algorithm, or has
 * descriptors: as many as were needed after some call, or in the middle of one, when the
 * algorithm held a few pages more or asked for one that was not there. */
static void check_pages(void)
{
    kernel_check(++calls);
    const kma_page_stat_t *stats = page_stats();
    if (stats->num_requested - stats->num_freed != stats->num_in_use ||
        stats->page_size != PAGESIZE)
        fail("the counts of pages do not agree");
    if (stats->num_in_use > peak)
        peak = stats->num_in_use;
    int least = (peak + DESCRIPTORS - 1) / DESCRIPTORS;
    int most = (peak + IN_A_CALL + DESCRIPTORS - 1) / DESCRIPTORS;
    if (pages_for_descriptors() < least || pages_for_descriptors() > most)
        fail("pages got lost");
}

static bool take(int size)
{
    struct block *block = &blocks[live];
    if (live == BLOCKS)
        fail("more blocks than memory can hold");
    block->ptr = kmalloc(size);
    check_pages();
    if (block->ptr == NULL)
        return false;
    if ((uintptr_t)block->ptr % 8 != 0)
        fail("a block is not aligned");
    block->size = size;
    block->tag = (unsigned char)random_below(256);
    memset(block->ptr, block->tag, (size_t)size);
    live++;
    return true;
}

static void give(int index)
{
    struct block block = blocks[index];
    blocks[index] = blocks[--live];
    for (int i = 0; i < block.size; i++) {
        if (block.ptr[i] != block.tag)
            fail("a block was written to");
    }
    kmfree(block.ptr, block.size);
    check_pages();
}

static void give_all(void)
{
    while (live > 0)
        give(random_below(live));
}

static void check_idle(void)
{
    if (kma_audit != NULL && kma_audit() != 0)
        fail("the audit finds something");
    if (page_stats()->num_in_use != 0)
        fail("an idle allocator holds a page");
}

static void every_size(void)
{
    const int refused[] = {0, -1, INT_MIN, MAX_REQUEST + 1, PAGESIZE, INT_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (take(refused[i]))
            fail("a size is served that should not be");
    }
    for (int size = 1; size <= MAX_REQUEST; size++) {
        if (!take(size)) {
            printf("%d bytes\n", size);
            fail("a size is not served");
        }
        if (live == 16)
            give_all();
    }
    give_all();
    check_idle();
}

/* Sizes of all magnitudes alike. */
static int random_size(void)
{
    int size = (1 << random_below(13)) + random_below(1 << random_below(12));
    return size > MAX_REQUEST ? MAX_REQUEST : size;
}

static void at_random(void)
{
    for (int step = 0; step < STEPS; step++) {
        bool grows = random_below(STEPS) > step; /* more at first, fewer at last */
        if (live == 0 || (live < LIVE && grows)) {
            if (!take(random_size()))
                give(random_below(live));
        } else {
            give(random_below(live));
        }
    }
    if (kma_audit != NULL && kma_audit() != 0)
        fail("the audit finds something");
    give_all();
    check_idle();
}

/* A request of this size is refused, for want of pages, and that changes nothing. */
static void check_refusal(int pages, int held)
{
    if (ram_taken() < pages - 2)
        fail("a request is refused while there are pages");
    if (page_stats()->num_in_use != held)
        fail("a request that is refused takes pages");
}

static void until_there_is_no_page(int pages, int least, int most)
{
    int held = 0;
    ram_limit(pages);
    while (take(least + random_below(most - least + 1)))
        held = page_stats()->num_in_use;
    check_refusal(pages, held);
    int full = live;
    if (kma_audit != NULL && kma_audit() != 0)
        fail("the audit finds something");
    while (live > full / 2)
        give(random_below(live));
    int half = live;
    for (int i = 0; i < full / 4 && take(least); i++)
        continue;
    if (live == half)
        fail("what was freed cannot be had again");
    give_all();
    check_idle();
}

int main(void)
{
    ram_limit(RAM_PAGES);
    kernel_start();
    every_size();
    at_random();
    for (int round = 0; round < 2; round++) {
        until_there_is_no_page(FEW, 1, 256);
        until_there_is_no_page(FEW, MAX_REQUEST / 4, MAX_REQUEST);
        until_there_is_no_page(RAM_PAGES, MAX_REQUEST, MAX_REQUEST);
    }
    at_random();
    printf("passed: %lu calls, at most %d pages, %d of descriptors are left\n", calls,
           peak, ram_taken());
    return 0;
}
