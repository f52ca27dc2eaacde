/* own_names.c - a program with functions of its own that have the names of those inside
 * of the library. They are exported, and none may be called by anybody else. */

#include "case.h"
#include "model.h"

#include <stdlib.h>

#define OWN(name)                                                   \
    void name(void);                                                \
    void name(void)                                                 \
    {                                                               \
        fail_at(__FILE__, __LINE__,                                 \
                "the program's own " #name " is called by nobody"); \
    }

OWN(error)
OWN(get_page)
OWN(get_pages)
OWN(free_page)
OWN(free_pages)
OWN(page_stats)
OWN(kma_malloc)
OWN(kma_free)
OWN(kma_realloc)
OWN(kma_try_free)
OWN(kma_block_size)
OWN(kma_usable_size)
OWN(kma_what_is)
OWN(kma_audit)

static void workload(void)
{
    static struct model model;
    model_start(&model, 1, MODEL_BLOCKS, 100000);
    model_steps(&model, 2000);
    model_end(&model);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {{"workload", workload}};
    return run_cases(cases, COUNT(cases), argc, argv);
}
