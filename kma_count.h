/* kma_count.h - marks in the algorithms for what a call does, in the field's words.
 *
 *     COUNT(SPLIT)  a free block is cut in two, one part of which may stay free: each
 *                   halving of a buddy system, an extent of which the request takes a
 *                   part. Handing out the next buffer of a page that was never cut up
 *                   is none.
 *     COUNT(JOIN)   two free blocks become one: each merging with a buddy or with a
 *                   neighbouring extent, also when a whole page comes of it.
 *     COUNT(STEP)   an element is looked at on a walk whose length is not fixed: a node
 *                   on the way down a tree of free memory, a member of a list that is
 *                   searched, a block of a page that is taken apart. Taking the first
 *                   of a list is none, nor is finding a page's record from an address.
 *
 * The driver built with -DKMA_COUNTED (make COUNTED=1) counts them for each call. In
 * any other build a mark is nothing, so an algorithm keeps its one static pointer and
 * its speed. */
#ifndef KMA_COUNT_H
#define KMA_COUNT_H

#ifdef KMA_COUNTED

enum { COUNT_SPLIT, COUNT_JOIN, COUNT_STEP, KMA_COUNTS };

extern unsigned long kma_counts[KMA_COUNTS];

#define COUNT(what) ((void)kma_counts[COUNT_##what]++)

#else

#define COUNT(what) ((void)0)

#endif

#endif
