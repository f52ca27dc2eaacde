/* fuzz_text.c - traces that are text, as the fuzzer makes them up. */

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_source(fuzz_file("", data, size));
    return 0;
}
