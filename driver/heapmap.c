/* heapmap.c - the replay that knows how many live bytes each page has. */

#include <stdlib.h>
#include "heapmap.h"
#include "pool.h"
#include "progress.h"
#include "run.h"

/* Few enough to be drawn, each of them some pixels large. */
enum { MOST_COLUMNS = 600, MOST_ROWS = 400, FULL = 1000 };

struct heapmap {
    char *first_page;
    size_t pages;
    size_t pages_per_row;
    size_t rows;
    uint64_t *live; /* by page: bytes of live blocks that lie in it */
};

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* An empty trace has a map, too: of one page, never held. */
static struct heapmap open_map(const struct memory *memory, const struct trace *trace)
{
    size_t pages = memory->span > 0 ? (size_t)memory->span : 1;
    struct heapmap map = {.first_page = memory->first_page,
                          .pages = pages,
                          .pages_per_row = divide_up(pages, MOST_ROWS)};
    map.rows = divide_up(pages, map.pages_per_row);
    map.live = calloc(pages, sizeof *map.live);
    if (map.live == NULL)
        run_refuse("%s: no memory for the map of %zu pages", trace->path, pages);
    return map;
}

/* Each byte of a block counts in the page it lies in, and may come or go. */
static void add_bytes(struct heapmap *map, const char *start, size_t size, bool come)
{
    size_t at = (size_t)((uintptr_t)start - (uintptr_t)map->first_page);
    while (size > 0) {
        size_t left_in_page = PAGESIZE - at % PAGESIZE;
        size_t part = size < left_in_page ? size : left_in_page;
        if (at / PAGESIZE < map->pages)
            map->live[at / PAGESIZE] += come ? part : -(uint64_t)part;
        at += part;
        size -= part;
    }
}

static void play(struct heapmap *map, const struct event *event, struct block *block)
{
    const char *freed = block->ptr;
    int64_t change = replay_event(event, block);
    if (change > 0)
        add_bytes(map, block->ptr, (size_t)change, true);
    else if (change < 0)
        add_bytes(map, freed, (size_t)-change, false);
}

static void put_cell(const struct heapmap *map, size_t row, FILE *stream)
{
    uint64_t live = 0, bytes = 0;
    for (size_t i = 0; i < map->pages_per_row; i++) {
        size_t page = row * map->pages_per_row + i;
        if (page >= map->pages || map->first_page == NULL ||
            pool_page_of(map->first_page + page * PAGESIZE) == NULL)
            continue;
        live += map->live[page];
        bytes += PAGESIZE;
    }
    if (bytes == 0) {
        fputs(" -", stream);
        return;
    }
    uint64_t fill = (live * FULL + bytes / 2) / bytes;
    fprintf(stream, " %u", (unsigned)(fill < FULL ? fill : FULL));
}

void heapmap_write(const struct memory *memory, const struct trace *trace,
                   struct blocks *blocks, struct output *output)
{
    if (memory->span == 0 && memory->peak_requested > 0)
        run_refuse("%s: no heap map: the allocator holds no page of the pool",
                   trace->path);
    struct heapmap map = open_map(memory, trace);
    FILE *stream = output_stream(output);
    size_t columns = trace->count < MOST_COLUMNS ? (size_t)trace->count : MOST_COLUMNS;
    size_t column = 0;
    fprintf(stream, "%zu %zu %zu %d\n", columns, map.rows, map.pages_per_row, PAGESIZE);
    progress_begin("mapping the heap", trace->count);
    for (size_t k = 0; k < trace->count; k++) {
        run_at(k);
        play(&map, &trace->events[k], &blocks->at[trace->events[k].slot]);
        if (k < replay_moment(trace, column, columns))
            continue;
        column++;
        fprintf(stream, "%zu", k + 1);
        for (size_t row = 0; row < map.rows; row++)
            put_cell(&map, row, stream);
        fputc('\n', stream);
        progress_at(k);
    }
    free(map.live);
    replay_empty(trace, blocks);
}
