/* faults.c - a library to be preloaded before a malloc: the calls to the kernel that get
 * memory, or give it back, fail when they are told to, with ENOMEM. The environment
 * variable FAULTS, "KIND NTH", tells them from the start of the process on, KIND as in
 * faults.h. */

#include "faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int kind = -1; /* below 0: the environment was not looked at yet */
static atomic_long first, calls, failures;

static void set(enum fault_kind what, long nth)
{
    calls = failures = 0;
    first = nth;
    kind = what;
}

__attribute__((visibility("default"))) void set_faults(enum fault_kind what, long nth)
{
    set(what, nth);
}

__attribute__((visibility("default"))) long fault_count(bool failed)
{
    return failed ? failures : calls;
}

static void look_at_environment(void)
{
    char *end;
    const char *told = environ == NULL ? NULL : getenv("FAULTS");
    long what = told == NULL ? FAULT_NONE : strtol(told, &end, 10);
    set((enum fault_kind)what, told == NULL ? 0 : strtol(end, NULL, 10));
}

static bool fails(bool gives_back)
{
    if (kind < 0)
        look_at_environment();
    if (kind == FAULT_BACK && !gives_back)
        return false;
    long call = ++calls;
    if (kind == FAULT_NONE || call < first || (kind == FAULT_ONE && call > first))
        return false;
    failures++;
    errno = ENOMEM;
    return true;
}

/* The kernel's answer as the C library's functions give it. */
static void *map(void *start, size_t size, int protection, int flags, int file,
                 off64_t from)
{
    if (fails(false))
        return MAP_FAILED;
#ifdef SYS_mmap2
    return (void *)syscall(SYS_mmap2, start, size, protection, flags, file,
                           (long)(from / 4096));
#else
    return (void *)syscall(SYS_mmap, start, size, protection, flags, file, from);
#endif
}

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t from)
{
    return map(start, size, protection, flags, file, from);
}

void *mmap64(void *start, size_t size, int protection, int flags, int file,
             off64_t from)
{
    return map(start, size, protection, flags, file, from);
}

int munmap(void *start, size_t size)
{
    return fails(true) ? -1 : (int)syscall(SYS_munmap, start, size);
}

int madvise(void *start, size_t size, int advice)
{
    return fails(true) ? -1 : (int)syscall(SYS_madvise, start, size, advice);
}

int mprotect(void *start, size_t size, int protection)
{
    return fails(false) ? -1 : (int)syscall(SYS_mprotect, start, size, protection);
}

void *mremap(void *start, size_t size, size_t new_size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *to = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if (fails(new_size < size))
        return MAP_FAILED;
    return (void *)syscall(SYS_mremap, start, size, new_size, flags, to);
}

/* The break is moved here for the calls that come this way; nobody else moves it. */
int brk(void *to)
{
    uintptr_t now = (uintptr_t)syscall(SYS_brk, NULL);
    if (to == NULL || (uintptr_t)to == now)
        return 0;
    if (fails((uintptr_t)to < now))
        return -1;
    if ((void *)syscall(SYS_brk, to) == to)
        return 0;
    errno = ENOMEM;
    return -1;
}

void *sbrk(intptr_t increment)
{
    uintptr_t now = (uintptr_t)syscall(SYS_brk, NULL);
    if (increment != 0 && brk((void *)(now + (uintptr_t)increment)) != 0)
        return (void *)-1;
    return (void *)now;
}
