/* write_all.h - write(2) until all is written. Safe in a signal handler. */
#ifndef KMA_DRIVER_WRITE_ALL_H
#define KMA_DRIVER_WRITE_ALL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* False, with errno, when it cannot be. */
static inline bool write_all(int file, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

#endif
