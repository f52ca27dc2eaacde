/* files.c - the object cache of PORTING.md, used; with an argument, misused. */
#include <stddef.h>
#include <stdio.h>
#include "../../kma.h"
#include "../../kma_page.h"
#include "ram.h"

struct file {
    int references;
    char name[64];
    struct file *next;
};

#include "snippet.h"

enum { FILES = 1000 };

int main(int arguments, char **argument)
{
    (void)argument;
    struct file *list = NULL;
    ram_limit(RAM_PAGES);
    if (arguments > 1) {
        file_new();
        file_delete((struct file *)(void *)&list); /* asserts */
        return 0;
    }
    for (int i = 0; i < FILES; i++) {
        struct file *file = file_new();
        if (file == NULL)
            fail("no object");
        *file = (struct file){.references = i, .next = list};
        list = file;
    }
    for (int i = FILES - 1; list != NULL; i--) {
        struct file *file = list;
        list = file->next;
        if (file->references != i)
            fail("an object was written to");
        file_delete(file);
    }
    if (page_stats()->num_in_use != 1)
        fail("a cache that lives holds a page, it says");
    if (kmem_cache_destroy(files) != KMEM_DESTROYED || page_stats()->num_in_use != 0)
        fail("the cache's page is not given back");
    printf("passed\n");
    return 0;
}
