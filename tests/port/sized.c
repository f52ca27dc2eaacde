/* sized.c - the functions of PORTING.md for a free that is not told the size, and what it
 * says of algorithms that need none. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "../../kma.h"
#include "../../kma_page.h"
#include "client.h"
#include "ram.h"
#include "snippet.h"

enum { BLOCKS = 64, LARGEST = PAGESIZE - (int)sizeof(void *) };

static void *take_plain(int size)
{
    return kmalloc(size);
}

static void free_plain(void *ptr)
{
    kmfree(ptr, 0);
}

static void use(void *(*take)(int), void (*give)(void *), int largest)
{
    unsigned char *blocks[BLOCKS] = {NULL};
    int sizes[BLOCKS] = {0};
    for (int round = 0; round < 200 * BLOCKS; round++) {
        int i = round * 37 % BLOCKS;
        for (int at = 0; at < sizes[i]; at++) {
            if (blocks[i][at] != i)
                fail("a block was written to");
        }
        if (blocks[i] != NULL)
            give(blocks[i]);
        sizes[i] = round * 101 % largest + 1;
        blocks[i] = take(sizes[i]);
        if (blocks[i] == NULL || (uintptr_t)blocks[i] % 8 != 0)
            fail("no block, or it is not aligned");
        memset(blocks[i], i, (size_t)sizes[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        give(blocks[i]);
    if (page_stats()->num_in_use != 0)
        fail("pages are still in use");
}

int main(void)
{
    ram_limit(RAM_PAGES);
    kernel_start();
    void *largest = sized_malloc(LARGEST - 8);
    if (largest == NULL || sized_malloc(LARGEST - 7) != NULL ||
        sized_malloc(0) != NULL || sized_malloc(-1) != NULL ||
        sized_malloc(INT32_MAX) != NULL)
        fail("the largest block is not as said");
    sized_free(largest);
    ram_limit(0);
    if (sized_malloc(LARGEST - 8) != NULL)
        fail("there is a block without a page");
    ram_limit(RAM_PAGES);
    use(sized_malloc, sized_free, LARGEST - 8);
    if (kma_usable_size != NULL)
        use(take_plain, free_plain, LARGEST);
    printf("passed\n");
    return 0;
}
