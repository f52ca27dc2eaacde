/* memory.c - the RAM that nobody uses: a set of ranges that neither overlap nor adjoin.
 * When there is no room for another range, what would need it is left out: memory is
 * lost then, but none is handed out that must not be. */

#include <stdint.h>
#include "machine.h"
#include "x86.h"

enum { RANGES = 64 };

static struct memory_range ranges[RANGES];
static int range_count;

/* The last page below 4 GiB is out as well, so that every end is an address. */
static inline uintptr_t cut(uint64_t address)
{
    return address < 0xfffff000 ? (uintptr_t)address : 0xfffff000;
}

static inline void append(uintptr_t start, uintptr_t end)
{
    if (range_count < RANGES)
        ranges[range_count++] = (struct memory_range){start, end};
}

static inline void drop(int i)
{
    ranges[i] = ranges[--range_count];
}

void memory_add(uint64_t from, uint64_t to)
{
    uintptr_t start = cut(from);
    uintptr_t end = cut(to);
    if (start >= end)
        return;
    for (int i = 0; i < range_count;) {
        struct memory_range range = ranges[i];
        if (range.end < start || end < range.start) {
            i++;
            continue;
        }
        start = range.start < start ? range.start : start;
        end = range.end > end ? range.end : end;
        drop(i);
        i = 0; /* it has grown: one passed over before may touch it now */
    }
    append(start, end);
}

void memory_remove(uint64_t from, uint64_t to)
{
    uintptr_t start = cut(from);
    uintptr_t end = cut(to);
    if (start >= end)
        return;
    for (int i = range_count - 1; i >= 0; i--) {
        struct memory_range range = ranges[i];
        if (range.end <= start || end <= range.start)
            continue;
        drop(i);
        if (range.start < start)
            append(range.start, start);
        if (end < range.end)
            append(end, range.end);
    }
}

int machine_memory(struct memory_range *out, int room)
{
    int count = range_count < room ? range_count : room;
    for (int i = 0; i < count; i++)
        out[i] = ranges[i];
    return count;
}
