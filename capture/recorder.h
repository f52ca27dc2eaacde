/* recorder.h - what the recorder that is preloaded into a program leaves behind: a raw
 * file for each process image, in a folder that the environment names.
 *
 *   0          RAW_HEAD                                          the file's end
 *   +----------+-----------+-----------+-----------+-- ... --+
 *   | head     | chunk     | chunk     | chunk     |         |
 *   +----------+-----------+-----------+-----------+-- ... --+
 *
 * A chunk belongs to one thread at a time and is filled from its beginning with records
 * of whole units of 8 bytes. A unit that is 0 where a record might begin is a gap.
 *
 *   RAW_STAMP    op 3, stamp 61: when what follows it in the chunk happened, in ns of
 *                CLOCK_MONOTONIC
 *   RAW_FREE     op 3, site 13, pointer 48
 *   RAW_ALLOC    op 3, site 13, pointer 48; size + 1
 *   RAW_HIGH     op 3, 13, bits 48 to 63 of the pointer in the record behind it
 *   RAW_REALLOC  op 3, site 13; stamp, old pointer; stamp, new pointer, size: three
 *                units of before the call, and three of after it
 *
 * The first named lies in the lowest bits. Units are written in that order, but for the
 * second stamp of a realloc, which is written last, so that a record shows whether it is
 * complete, whenever the process was killed: the size and the stamps are 0 until then.
 *
 * Reading the clock takes longer than all else, so it is done for every 32nd record,
 * and whenever a millisecond has passed, which a counter in a file of the folder tells,
 * or when the record is of an address that another thread has had to do with since. So
 * stamps put all records of one address in the order in which they happened. */
#ifndef KMA_CAPTURE_RECORDER_H
#define KMA_CAPTURE_RECORDER_H

#include <stdint.h>

/* The variable's value is the folder's absolute path. */
#define RAW_VARIABLE "KMA_RECORD"

/* In the folder: a uint32_t that changes every millisecond, in a file of RAW_TICK_SIZE. */
#define RAW_TICK "tick"

#define RAW_MAGIC "KMA raw\n"

enum {
    RAW_VERSION = 1,
    RAW_TICK_SIZE = 4096,
    RAW_CHUNK = 1 << 17,
    RAW_HEAD = 1 << 17,
    RAW_NAME = 104,    /* bytes of a name, the 0 at its end included */
    RAW_MODULES = 256, /* executable mappings */
    RAW_SITES = 8191   /* callers that are told apart; 0: those that came after */
};

enum raw_op { RAW_GAP, RAW_STAMP, RAW_FREE, RAW_ALLOC, RAW_HIGH, RAW_REALLOC };

enum { RAW_OP_BITS = 3, RAW_SITE_BITS = 13, RAW_POINTER_SHIFT = 16 };

struct raw_realloc {
    uint64_t op_site;
    uint64_t before; /* a stamp */
    uint64_t old;
    uint64_t after; /* a stamp */
    uint64_t pointer;
    uint64_t size;
};

struct raw_chunk {
    uint64_t stamp; /* of its beginning; 0: it was not begun */
    uint64_t reserved;
};

struct raw_module {
    uint64_t start;
    uint64_t end;
    uint64_t base; /* what offsets count from */
    char name[RAW_NAME];
};

struct raw_head {
    char magic[8]; /* written last */
    uint32_t version;
    uint32_t word; /* bytes of a pointer */
    uint32_t pid;
    uint32_t modules;
    uint32_t sites;
    uint32_t error;   /* why the recording stopped */
    uint64_t start;   /* a stamp */
    uint64_t stopped; /* a stamp: later records are not to be used; 0: all are good */
    uint64_t lost;    /* events since then that were not even written */
    char program[RAW_NAME];
    uint64_t site[RAW_SITES]; /* return addresses; site n is site[n - 1] */
    struct raw_module module[RAW_MODULES];
};

_Static_assert(sizeof(struct raw_head) <= RAW_HEAD, "the head outgrows its place");
_Static_assert(RAW_SITES < 1 << RAW_SITE_BITS, "sites fit their field");
_Static_assert(RAW_OP_BITS + RAW_SITE_BITS == RAW_POINTER_SHIFT, "fields fill a unit");

#endif
