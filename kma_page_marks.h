/* kma_page_marks.h - tells the tools that watch accesses which pages are held: memcheck,
 * and the address sanitizer. Without them, and where there are none, nothing is done. */
#ifndef KMA_PAGE_MARKS_H
#define KMA_PAGE_MARKS_H

#include <stddef.h>

static inline int no_marks(const void *start, size_t size)
{
    (void)start;
    (void)size;
    return 0;
}

#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(start, size) no_marks(start, size)
#define VALGRIND_MAKE_MEM_NOACCESS(start, size) no_marks(start, size)
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)no_marks(start, size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)no_marks(start, size))
#endif

#endif
