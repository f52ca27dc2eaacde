/* kma_page_marks.h - tells the tools that watch accesses which pages are held: memcheck,
 * and the address sanitizer. Without them, and where there are none, nothing is done. */
#ifndef KMA_PAGE_MARKS_H
#define KMA_PAGE_MARKS_H

#if __has_include(<valgrind/memcheck.h>) && !defined(NVALGRIND)
#include <valgrind/memcheck.h>
#else
static inline int no_memcheck(void)
{
    return 0;
}
#define VALGRIND_MAKE_MEM_UNDEFINED(ptr, size) no_memcheck()
#define VALGRIND_MAKE_MEM_NOACCESS(ptr, size) no_memcheck()
#endif

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)0)
#endif

#endif
