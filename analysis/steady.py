"""Traces in steady state: a fixed number of live blocks, one freed and one requested in
turn. What is kept short here is the filling and the emptying, which the traces of
growth.py have as much of as of changes."""

import random

from common import written_aside


def even_ratios(smallest, largest):
    """Every ratio of sizes is equally likely: as many from 8 to 16 as from 256 to 512."""
    return lambda rand: int(smallest * (largest / smallest) ** rand())


def powers(lowest, highest):
    """2^lowest to 2^highest, each equally likely."""
    return lambda rand: 1 << (lowest + int(rand() * (highest - lowest + 1)))


def _exchanges(live, count, rand):
    """The block, of those live, that each exchange frees."""
    return (int(rand() * live) for _ in range(count))


def events(live, exchanges, size, seed):
    """Fills, then frees a random block and requests another, again and again; empties."""
    rand = random.Random(seed).random
    for block in range(live):
        yield f"REQUEST {block} {size(rand)}\n"
    for block in _exchanges(live, exchanges, rand):
        yield f"FREE {block}\n"
        yield f"REQUEST {block} {size(rand)}\n"
    for block in range(live):
        yield f"FREE {block}\n"


def write_trace(path, live, exchanges, size, seed):
    with written_aside(path) as out:
        out.write(f"{2 * (live + exchanges)}\n".encode())
        out.write("".join(events(live, exchanges, size, seed)).encode())
