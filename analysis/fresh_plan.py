"""The ten traces that analysis/fresh makes: the same plan each time, and all of their seeds from
one number, so that a run can be repeated and another number gives traces that nobody has seen.

Sizes are drawn by one of these laws, from the smallest to the largest, both included:
  log      every ratio of sizes is equally likely
  linear   every size is equally likely
  powers   every power of two is equally likely
  few      six sizes, themselves drawn by log, equally likely
  mixed    nine of ten by log up to a 32nd of the largest, the others linear
Blocks are freed in one of these ways:
  early    mostly soon after the request, a few late
  uniform  anywhere behind it: blocks live long
  steady   as many are live throughout, of which a random one is freed for each request

What is early or uniform, with sizes by log or linear, is the trace that testsuite/generate_trace
makes of the same seed.
"""

import dataclasses
import hashlib
import random

import random_traces
import steady

PAGE_SIZES = (4096, 8192, 16384)

FEW = 6
SMALL_ONES, SMALL_PART = 0.9, 32  # of a mixed trace

QUICK = 20  # what a quick trace is a part of


@dataclasses.dataclass(frozen=True)
class Made:
    page_size: int
    law: str
    smallest: int
    largest: int
    frees: str
    requests: int
    live: int = None  # of what is steady

    @property
    def name(self):
        return f"{self.page_size // 1024}k-{self.law}-{self.frees}"

    @property
    def about(self):
        law = {"powers": "powers of two", "few": f"{FEW} sizes"}.get(self.law, self.law)
        frees = f"{self.live:,} live" if self.live else f"{self.frees} frees"
        return f"{law}, {self.smallest:,} to {self.largest:,} bytes, {frees}"


# No size is more than a page less 8 bytes: each is served with pointers of 8 bytes, too.
PLAN = (
    Made(4096, "log", 8, 4088, "early", 1_000),
    Made(4096, "linear", 16, 600, "uniform", 20_000),
    Made(4096, "few", 16, 1024, "steady", 150_000, live=8_000),
    Made(8192, "powers", 16, 4096, "uniform", 4_000),
    Made(8192, "log", 16, 2048, "steady", 12_000, live=2_000),
    Made(8192, "linear", 8, 8184, "early", 50_000),
    Made(8192, "mixed", 16, 8184, "early", 120_000),
    Made(16384, "few", 512, 16376, "uniform", 2_500),
    Made(16384, "log", 8, 16376, "early", 30_000),
    Made(16384, "linear", 64, 2000, "uniform", 75_000),
)


def quick(made):
    return dataclasses.replace(made, requests=made.requests // QUICK,
                               live=made.live and made.live // QUICK)


def seed_of(seed, name):
    """For one of the things made of the seed: near seeds give far ones."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "little")


# ---- sizes: functions that draw one with random()

def _few(made, seed):
    draw, rand = steady.log(made.smallest, made.largest), random.Random(seed).random
    sizes = [draw(rand) for _ in range(FEW)]
    return lambda rand: sizes[int(rand() * FEW)]


def _mixed(made):
    small = steady.log(made.smallest, made.largest // SMALL_PART)
    large = steady.linear(made.largest // SMALL_PART + 1, made.largest)
    return lambda rand: (small if rand() < SMALL_ONES else large)(rand)


def size_law(made, seed):
    if made.law == "few":
        return _few(made, seed_of(seed, f"{made.name} sizes"))
    if made.law == "mixed":
        return _mixed(made)
    return steady.LAWS[made.law](made.smallest, made.largest)


# ---- traces

def write_trace(path, made, seed):
    size, own = size_law(made, seed), seed_of(seed, made.name)
    if made.frees == "steady":
        steady.write_trace(path, made.live, made.requests - made.live, size, own)
    else:
        random_traces.write_trace(path, made.requests, size, made.frees, own)
