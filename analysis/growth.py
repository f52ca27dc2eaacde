"""Traces with a constant number of live blocks, to see whether calls slow with it.

A cycle is: `live` requests; then, again and again, a random live block is freed and a new
one is requested in its place, 2 x `live` events in all; then all blocks are freed, in
random order. Cycles are repeated until there are 200,000 events between filling and
emptying. So whatever the number of live blocks, the same part of all events fills,
changes and empties, and times per event can be compared.

Sizes are log-uniform, so a million blocks need about 120 MB. A block's id is requested
again once freed: the driver's own table is as large as what is live.
"""

import os
import random

from common import written_aside

SMALLEST, LARGEST = 8, 512  # bytes
LEAST_CHANGES = 200_000     # events between filling and emptying, in all cycles together
SEED = 1989
VERSION = 1  # of this recipe: a trace kept from an older one is not used

# A page a request: a million of them do not fit a common machine.
A_PAGE_EACH = {"dummy"}
MOST_LIVE_A_PAGE_EACH = 100_000

BATCH = 100_000  # lines put together before they are written


def cycles(live):
    return -(-LEAST_CHANGES // (2 * live))


def event_count(live):
    return cycles(live) * 4 * live


class _Sizes:
    """Whole numbers of bytes; every ratio of sizes is equally likely."""

    def __init__(self, rand):
        # Only random() is promised to give the same numbers in every Python. The table
        # is fine enough for sizes this small, and saves a power a request.
        ratio = LARGEST / SMALLEST
        self.table = [int(SMALLEST * ratio ** (step / 65536)) for step in range(65536)]
        self.rand = rand

    def draw(self, count):
        table, rand = self.table, self.rand
        return [table[int(rand() * 65536)] for _ in range(count)]


def _batches(total):
    for first in range(0, total, BATCH):
        yield first, min(BATCH, total - first)


def _cycle(live, sizes, rand):
    for first, count in _batches(live):
        yield "".join([f"REQUEST {first + number} {size}\n"
                       for number, size in enumerate(sizes.draw(count))])
    for _, count in _batches(live):
        chosen = [int(rand() * live) for _ in range(count)]
        yield "".join([f"FREE {block}\nREQUEST {block} {size}\n"
                       for block, size in zip(chosen, sizes.draw(count))])
    keys = [rand() for _ in range(live)]
    order = sorted(range(live), key=keys.__getitem__)
    for first, count in _batches(live):
        yield "".join([f"FREE {block}\n" for block in order[first:first + count]])


def lines(live, seed=SEED):
    """Pieces of the trace, as text."""
    rand = random.Random(seed).random
    sizes = _Sizes(rand)
    yield f"{event_count(live)}\n"
    for _ in range(cycles(live)):
        yield from _cycle(live, sizes, rand)


def write_trace(path, live, seed=SEED):
    with written_aside(path) as out:
        for text in lines(live, seed):
            out.write(text.encode())


def left_out(algorithm, live):
    return algorithm in A_PAGE_EACH and live > MOST_LIVE_A_PAGE_EACH


def pages_for(algorithm, live):
    """Room for blocks of 512 bytes at the most, twice over; the pool is address space."""
    return (live if algorithm in A_PAGE_EACH else live // 8) + 4096


def kept_trace(folder, live):
    """The path of the trace in `folder`, written when it is not there yet."""
    path = os.path.join(folder, f"growth-{VERSION}-{live}.trace")
    if not os.path.exists(path):
        write_trace(path, live)
    return path
