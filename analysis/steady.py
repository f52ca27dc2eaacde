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


def linear(smallest, largest):
    """Every size is equally likely."""
    return lambda rand: smallest + int(rand() * (largest + 1 - smallest))


def log(smallest, largest):
    """Every ratio is equally likely, as with even_ratios, but the largest is drawn, too."""
    draw = even_ratios(smallest, largest + 1)
    # Rounding in the power could reach what is just too large.
    return lambda rand: min(draw(rand), largest)


def _powers_within(smallest, largest):
    return powers((smallest - 1).bit_length(), largest.bit_length() - 1)


LAWS = {"log": log, "linear": linear, "powers": _powers_within}  # both ends included


def _exchanges(live, count, rand):
    """The block, of those live, that each exchange frees."""
    return (int(rand() * live) for _ in range(count))


def events(live, exchanges, size, seed):
    """Fills, then frees a random block and requests another, again and again; empties."""
    rand = random.Random(seed).random
    for block in range(live):
        yield b"REQUEST %d %d\n" % (block, size(rand))
    for block in _exchanges(live, exchanges, rand):
        yield b"FREE %d\nREQUEST %d %d\n" % (block, block, size(rand))
    for block in range(live):
        yield b"FREE %d\n" % block


def write_trace(path, live, exchanges, size, seed):
    with written_aside(path) as out:
        out.write(b"%d\n" % (2 * (live + exchanges)))
        out.writelines(events(live, exchanges, size, seed))
