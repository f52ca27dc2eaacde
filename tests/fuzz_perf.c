/* fuzz_perf.c - what perf script prints, as the fuzzer makes them up. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_source(fuzz_file("# ========\n", data, size));
    return 0;
}
