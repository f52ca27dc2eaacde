/* operations.c - a line for each call. */

#include <inttypes.h>
#include "operations.h"

#ifdef KMA_COUNTED

unsigned long kma_counts[KMA_COUNTS];

static void put_counts(FILE *stream, const struct memory_call *call)
{
    fprintf(stream, " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", call->counts[COUNT_SPLIT],
            call->counts[COUNT_JOIN], call->counts[COUNT_STEP]);
}

#else

static void put_counts(FILE *stream, const struct memory_call *call)
{
    (void)call;
    fputs(" - - -\n", stream);
}

#endif

void operations_write(const struct memory *memory, const struct trace *trace,
                      struct blocks *blocks, struct output *output)
{
    FILE *stream = output_stream(output);
    for (size_t k = 0; k < trace->count; k++) {
        const struct memory_call *call = &memory->calls[k];
        if (!call->made)
            continue;
        replay_put_call(stream, trace, k, blocks);
        fprintf(stream, " %u %u", call->pages_got, call->pages_freed);
        put_counts(stream, call);
    }
}
