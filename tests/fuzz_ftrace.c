/* fuzz_ftrace.c - what ftrace prints, as the fuzzer makes them up. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_source(fuzz_file("# tracer: nop\n", data, size));
    return 0;
}
