/* zstd.c - libzstd's decoder.
 *
 * Declared here as in zstd.h of libzstd 1.4 and later, whose binary interface of these
 * functions is fixed by the name libzstd.so.1; the two that work in memory of the
 * caller's are not promised to stay, and their absence is told like any other. */

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "table.h"
#include "zstd.h"

enum { RESET_SESSION = 1 };

static struct {
    void *library;
    size_t (*estimate_size)(size_t window);
    void *(*init)(void *workspace, size_t size);
    size_t (*decompress)(void *stream, struct zstd_output *, struct zstd_input *);
    size_t (*reset)(void *stream, int directive);
    unsigned (*is_error)(size_t code);
    const char *(*error_name)(size_t code);
} functions;

/* ISO C knows no way from an object pointer to a function pointer; POSIX does. */
static bool find(const char *name, void *function, size_t size)
{
    void *found = dlsym(functions.library, name);
    memcpy(function, &found, size);
    return found != NULL;
}

#define FIND(member, name) find(name, &functions.member, sizeof functions.member)

static bool load(char *why, size_t why_size)
{
    if (functions.is_error != NULL)
        return true;
    functions.library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    if (functions.library == NULL) {
        snprintf(why, why_size,
                 "a compact trace needs libzstd.so.1 (Debian's libzstd1) to be read");
        return false;
    }
    bool all = FIND(estimate_size, "ZSTD_estimateDStreamSize") &&
               FIND(init, "ZSTD_initStaticDStream") &&
               FIND(decompress, "ZSTD_decompressStream") &&
               FIND(reset, "ZSTD_DCtx_reset") &&
               FIND(error_name, "ZSTD_getErrorName") && FIND(is_error, "ZSTD_isError");
    if (!all) {
        functions.is_error = NULL;
        snprintf(why, why_size, "this libzstd.so.1 is none of 1.4 or later");
    }
    return all;
}

bool zstd_open(struct zstd *zstd, size_t largest, char *why, size_t why_size)
{
    *zstd = (struct zstd){0};
    if (!load(why, why_size))
        return false;
    zstd->room = functions.estimate_size(largest);
    zstd->workspace = table_new(zstd->room, 1);
    if (zstd->workspace != NULL)
        zstd->stream = functions.init(zstd->workspace, zstd->room);
    if (zstd->stream == NULL) {
        snprintf(why, why_size, "no memory for the decoder");
        zstd_close(zstd);
    }
    return zstd->stream != NULL;
}

size_t zstd_decode(struct zstd *zstd, struct zstd_output *output,
                   struct zstd_input *input, const char **problem)
{
    size_t left = functions.decompress(zstd->stream, output, input);
    *problem = functions.is_error(left) ? functions.error_name(left) : NULL;
    return left;
}

void zstd_reset(struct zstd *zstd)
{
    functions.reset(zstd->stream, RESET_SESSION);
}

void zstd_close(struct zstd *zstd)
{
    table_release(zstd->workspace, zstd->room);
    *zstd = (struct zstd){0};
}
