/* fuzz_mtrace.c - logs of mtrace(), as the fuzzer makes them up. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_source(fuzz_file("= Start\n", data, size));
    return 0;
}
