/* recorder.c - the library that is preloaded into a program and records its calls of
 * malloc and the like.
 *
 * Each function calls the real one and writes down what came of it (recorder.h says how,
 * recorder_store.h where). A free is written before the real call, for after it another
 * thread may have the block; a request after it. That is so short that it is done in the
 * open: one place in the thread's chunk is taken, with a single instruction as seen by
 * the thread's own signal handlers, and one word or two are stored. Whatever is not as
 * usual - a stamp is due, no chunk yet or a full one - goes the slow way.
 *
 * The recorder never prints, never ends the program, and leaves errno as it was. What it
 * cannot do it leaves undone: then the program runs on unrecorded. */

/* The offset of a chunk, on 32-bit systems too. */
#define _FILE_OFFSET_BITS 64

#include <pthread.h>
#include <stdlib.h>
#include "recorder_real.h"
#include "recorder_sites.h"

/* A thread's pointers for keys from here on are kept in memory that it has to request
 * first. */
enum { FIRST_DEAR_KEY = 32 };

#define LIKELY(condition) __builtin_expect(condition, 1)
#define UNLIKELY(condition) __builtin_expect(condition, 0)
#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))
#define HOT __attribute__((hot))
#define THREAD_OWN static __thread __attribute__((tls_model("initial-exec")))

THREAD_OWN struct stream *own_stream;
THREAD_OWN bool has_ended;
static pthread_key_t thread_end;

/* ---- writing a record down */

static void leave_stream(void)
{
    struct kept kept = keep_signals();
    struct stream *stream = own_stream;
    own_stream = NULL;
    if (stream != NULL)
        give_stream(stream);
    return_signals(kept);
}

/* What the thread still does on its way out borrows a stream each time. */
static void end_thread(void *stream)
{
    (void)stream;
    has_ended = true;
    leave_stream();
}

/* Whether and where to record. With signals kept away. */
static void configure(void)
{
    const char *setting = getenv(RAW_VARIABLE);
    size_t length = setting == NULL ? 0 : strlen(setting);
    if (length == 0 || length + LONGEST_NAME >= sizeof folder)
        return;
    memcpy(folder, setting, length + 1);
    memcpy(folder + length, "/", 2);
    find_unmoved_entry();
    find_tick();
    if (pthread_key_create(&thread_end, end_thread) != 0)
        thread_end = FIRST_DEAR_KEY;
    process = map_own(sizeof *process);
}

/* The first to come here finds out. Nothing is known before there is an environment. */
static bool is_recorded(void)
{
    static int asked;
    if (environ != NULL && __atomic_load_n(&asked, __ATOMIC_ACQUIRE) == 0) {
        struct kept kept = keep_signals();
        if (__atomic_exchange_n(&asked, 1, __ATOMIC_ACQ_REL) == 0)
            configure();
        return_signals(kept);
    }
    return process != NULL;
}

/* The place of the next record, if the chunk has it. A handler that comes before or
 * after finds a place of its own, and one that changes the chunk in between is seen. */
static inline char *claim(struct stream *stream, size_t size)
{
    char *place;
#if defined(__x86_64__) || defined(__i386__)
    place = (char *)size;
    __asm__ volatile("xadd %0, %1" : "+r"(place), "+m"(stream->next) : : "cc");
#else
    place = __atomic_fetch_add(&stream->next, size, __ATOMIC_RELAXED);
#endif
    return place;
}

static inline bool is_within(const struct stream *stream, const char *place,
                             size_t size)
{
    return (uintptr_t)stream->end - (uintptr_t)place - size <= RAW_CHUNK - size;
}

static char *claim_with_signals_kept(size_t size)
{
    if (own_stream == NULL) {
        own_stream = take_stream();
        if (own_stream != NULL && !has_ended && thread_end < FIRST_DEAR_KEY)
            pthread_setspecific(thread_end, own_stream);
    }
    struct stream *stream = own_stream;
    if (stream == NULL)
        return NULL;
    for (;;) {
        char *place = claim(stream, size);
        if (is_within(stream, place, size))
            return place;
        stream->next = NULL;
        stream->end = NULL;
        stream->left = 0;
        if (!take_chunk(stream))
            return NULL;
    }
}

/* A place, in a new chunk if need be. NULL: nothing can be recorded. */
static uint64_t *claim_slowly(size_t size)
{
    int error = errno;
    char *place = NULL;
    struct stream *stream = own_stream;
    if (process == NULL && !is_recorded()) {
        errno = error;
        return NULL;
    }
    if (stream != NULL && !process->stopped) {
        place = claim(stream, size);
        if (!is_within(stream, place, size))
            place = NULL;
    }
    if (place == NULL && !process->stopped) {
        struct kept kept = keep_signals();
        place = claim_with_signals_kept(size);
        return_signals(kept);
    }
    if (place == NULL && process->head != NULL)
        __atomic_fetch_add(&process->head->lost, 1, __ATOMIC_RELAXED);
    errno = error;
    return (uint64_t *)place;
}

static inline volatile uint64_t *order_of(uint64_t address)
{
    /* Neighbours lie together, so that threads do not meet in a cache line; the heaps of
     * threads, which are 64 MB apart, do not. */
    return &process->order[(address / 16 + (address >> 26) * 40503) % ORDER_ROOM];
}

/* A record of this address may follow without a stamp: the last one of it was not
 * stamped by another thread since this one was. */
static inline bool is_in_order(const struct stream *stream, uint64_t address)
{
    if (__libc_single_threaded)
        return true;
    volatile uint64_t *order = order_of(address);
    uint64_t mark = stream->mark, last = *order;
    if (last != mark && last >> NUMBER_BITS >= mark >> NUMBER_BITS)
        return false;
    *order = mark;
    return true;
}

/* Reads the clock; what this thread records next has this stamp. */
static uint64_t stamp_stream(struct stream *stream, uint64_t address)
{
    uint64_t stamp = stamp_now();
    stream->mark = stamp << NUMBER_BITS | (stream->number & ((1U << NUMBER_BITS) - 1));
    stream->tick = *tick;
    stream->left = GROUP;
    *order_of(address) = stream->mark;
    return stamp;
}

static inline uint64_t unit(enum raw_op op, uint64_t site, uint64_t address)
{
    return address << RAW_POINTER_SHIFT | site << RAW_OP_BITS | op;
}

static inline void write_record(uint64_t *place, enum raw_op op, uint64_t address,
                                size_t size, uint64_t site)
{
    place[0] = unit(op, site, address);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (op == RAW_ALLOC)
        place[1] = (uint64_t)size + (size != SIZE_MAX);
}

static __attribute__((noinline)) void record_slowly(enum raw_op op, const void *pointer,
                                                    size_t size, const void *caller)
{
    uint64_t address = (uintptr_t)pointer;
    uint64_t high = address >> 32 >> (32 - RAW_POINTER_SHIFT);
    size_t units = 1 + (high != 0) + (op == RAW_ALLOC ? 2 : 1);
    uint64_t *place = claim_slowly(units * sizeof *place);
    if (place == NULL)
        return;
    *place++ = stamp_stream(own_stream, address) << RAW_OP_BITS | RAW_STAMP;
    if (high != 0)
        *place++ = unit(RAW_HIGH, 0, high);
    write_record(place, op, address, size, site_of(caller));
    if (UNLIKELY(has_ended))
        leave_stream();
}

static inline __attribute__((always_inline)) void
record(enum raw_op op, const void *pointer, size_t size, const void *caller)
{
    const size_t bytes = (op == RAW_ALLOC ? 2 : 1) * sizeof(uint64_t);
    uint64_t address = (uintptr_t)pointer;
    struct stream *stream = own_stream;
    if (LIKELY(stream != NULL && --stream->left > 0 && stream->tick == *tick &&
               address << RAW_POINTER_SHIFT >> RAW_POINTER_SHIFT == address &&
               is_in_order(stream, address))) {
        uint64_t site = site_of(caller);
        char *place = claim(stream, bytes);
        if (LIKELY(is_within(stream, place, bytes))) {
            write_record((uint64_t *)place, op, address, size, site);
            return;
        }
    }
    record_slowly(op, pointer, size, caller);
}

/* ---- the functions that programs call */

HOT void *malloc(size_t size)
{
    if (UNLIKELY(!is_ready()))
        return arena_take(1, size);
    void *pointer = real.malloc(size);
    record(RAW_ALLOC, pointer, size, CALLER);
    return pointer;
}

HOT void free(void *pointer)
{
    if (UNLIKELY(in_arena(pointer) || real.free == NULL))
        return;
    record(RAW_FREE, pointer, 0, CALLER);
    real.free(pointer);
}

/* What is asked for in all; more than there can be when that cannot be told. */
static inline size_t product(size_t count, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

HOT void *calloc(size_t count, size_t size)
{
    if (UNLIKELY(!is_ready()))
        return arena_take(1, product(count, size));
    void *pointer = real.calloc(count, size);
    record(RAW_ALLOC, pointer, product(count, size), CALLER);
    return pointer;
}

/* A block of the arena moves out of it; how long it is nobody knows. */
static void *leave_arena(const char *old, size_t size)
{
    void *pointer = is_ready() ? real.malloc(size) : arena_take(1, size);
    size_t most = (size_t)(arena + ARENA - old);
    if (pointer != NULL)
        memcpy(pointer, old, size < most ? size : most);
    return pointer;
}

static void *reallocate(void *old, size_t size, const void *caller)
{
    if (in_arena(old) || !is_ready()) {
        void *pointer = old == NULL ? arena_take(1, size) : leave_arena(old, size);
        if (is_ready())
            record(RAW_ALLOC, pointer, size, caller);
        return pointer;
    }
    struct raw_realloc *record = (struct raw_realloc *)claim_slowly(sizeof *record);
    if (record == NULL)
        return real.realloc(old, size);
    record->op_site = unit(RAW_REALLOC, site_of(caller), 0);
    record->old = (uintptr_t)old;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    record->before = stamp_stream(own_stream, (uintptr_t)old);
    void *pointer = real.realloc(old, size);
    record->pointer = (uintptr_t)pointer;
    record->size = size;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    record->after = stamp_stream(own_stream, (uintptr_t)pointer);
    if (UNLIKELY(has_ended))
        leave_stream();
    return pointer;
}

void *realloc(void *old, size_t size)
{
    return reallocate(old, size, CALLER);
}

void *reallocarray(void *old, size_t count, size_t size)
{
    return reallocate(old, product(count, size), CALLER);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (UNLIKELY(!is_ready()))
        return arena_take(alignment, size);
    void *pointer = real.aligned_alloc(alignment, size);
    record(RAW_ALLOC, pointer, size, CALLER);
    return pointer;
}

int posix_memalign(void **pointer, size_t alignment, size_t size)
{
    if (UNLIKELY(!is_ready()))
        return ENOMEM;
    int error = real.posix_memalign(pointer, alignment, size);
    record(RAW_ALLOC, error == 0 ? *pointer : NULL, size, CALLER);
    return error;
}

void *memalign(size_t alignment, size_t size)
{
    if (UNLIKELY(!is_ready()))
        return arena_take(alignment, size);
    void *pointer = real.memalign(alignment, size);
    record(RAW_ALLOC, pointer, size, CALLER);
    return pointer;
}

void *valloc(size_t size)
{
    if (UNLIKELY(!is_ready()))
        return NULL;
    void *pointer = real.valloc(size);
    record(RAW_ALLOC, pointer, size, CALLER);
    return pointer;
}

void *pvalloc(size_t size)
{
    if (UNLIKELY(!is_ready()))
        return NULL;
    void *pointer = real.pvalloc(size);
    record(RAW_ALLOC, pointer, size, CALLER);
    return pointer;
}
