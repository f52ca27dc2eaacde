"""What a sweep over seeds tells: how far each figure of each allocator spreads, and which of the
allocators really differ.

There is a table for each figure of each family of traces that differ in their seed alone, with
one page size and one limit of pages. Two allocators are compared by the seeds both passed; of
times, only by those taken on one host. rank_test.py has the test.
"""

import dataclasses
import itertools
import math
import re
import statistics
import typing

from common import Refusal
from measure import ALGORITHM, BOUND, RECORDED
from rank_test import SignedRank, holm, least_pairs, letters, signed_rank
from sweep_db import LOST, WAITING

TEST = "Two-sided signed-rank tests (Wilcoxon) of pairs by seed, corrected in each table (Holm)"
LEVEL = 0.05

CHECKED = ("memory", "ideal", "recorded")  # kinds of runs, of jobs.KINDS or known without one
TIMED = ("times", "replay")
COUNTED = ("instructions", "total")

ANYWHERE = "anywhere"  # in place of a host, for what is the same on all


def _score(row, penalties):
    ns = row.get("replay_ns_per_event")
    penalty = penalties.get((row["algorithm"], row["seed"]))
    if penalty is None and row["contestant"] == ALGORITHM:
        penalty = row.get("penalty")  # of a reference, a timed run does not know it
    return None if ns is None or penalty is None else ns * (1 + penalty)


@dataclasses.dataclass(frozen=True)
class Figure:
    key: str
    title: str
    kinds: tuple  # of the runs it comes from
    form: str
    value: typing.Callable = None  # of (row, penalties); the row's own key if there is none
    unit: int = 1  # in the text

    @property
    def timed(self):
        return self.kinds == TIMED

    def of(self, row, penalties):
        return row.get(self.key) if self.value is None else self.value(row, penalties)


FIGURES = (
    Figure("penalty", "penalty", CHECKED, "{:.4f}"),
    Figure("peak_page_bytes", "peak page bytes, in KiB", CHECKED, "{:,.0f}", unit=1024),
    Figure("replay_ns_per_event", "ns per event", TIMED, "{:.2f}"),
    Figure("score", "score, ns per event x (1 + penalty)", TIMED, "{:.2f}", _score),
    Figure("instructions_malloc_mean", "instructions of a malloc", COUNTED, "{:.2f}"),
    Figure("instructions_free_mean", "instructions of a free", COUNTED, "{:.2f}"),
)


@dataclasses.dataclass
class Line:
    """One algorithm: its seeds, and one figure over those that it passed."""
    algorithm: str
    contestant: str
    values: dict    # {seed: {host: figure}}; of times the least of the host's turns
    failures: dict  # {seed: why}
    missing: int = 0  # seeds without a figure and without a failure: not run, lost, or not known
    median: float = None
    lower: float = None  # quartile
    upper: float = None
    least: float = None
    most: float = None
    letters: list = dataclasses.field(default_factory=list)

    @property
    def passed(self):
        return len(self.values)

    @property
    def failed(self):
        return len(self.failures)

    @property
    def compared(self):
        return bool(self.values) and self.contestant not in (BOUND, RECORDED)

    def summarize(self, seeds):
        self.values = {seed: hosts for seed, hosts in self.values.items()
                       if seed not in self.failures}
        self.missing = seeds - self.passed - self.failed
        each = sorted(min(hosts.values()) for hosts in self.values.values())
        if each:
            self.least, self.most = each[0], each[-1]
            self.lower, self.median, self.upper = (
                statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1
                else each * 3)


@dataclasses.dataclass
class Pair:
    first: str
    second: str
    seeds: int  # that both passed, of times on one host
    median_difference: float  # first less second; None without such seeds
    test: SignedRank
    adjusted: float = 1.0
    real: bool = False

    @property
    def less(self):
        """Whose figure is the lower one, where that is real."""
        if not self.real:
            return None
        return self.first if self.test.negative > self.test.positive else self.second


@dataclasses.dataclass
class Table:
    family: str
    page_size: int
    page_limit: int  # None: room for every block
    figure: Figure
    seeds: int
    hosts: tuple  # that times were taken on
    lines: list   # by the median, then what passed on no seed
    pairs: list
    level: float

    @property
    def seeds_needed(self):
        return least_pairs(len(self.pairs), self.level)

    @property
    def seeds_shared(self):
        """The most that any pair has."""
        return max((pair.seeds for pair in self.pairs), default=0)


def differences(first, second):
    """Of figures {seed: {host: figure}}, one of each seed: the mean over the hosts that both were
    on. A host that is not known is nobody's."""
    found = []
    for seed, hosts in first.items():
        others = second.get(seed, {})
        each = [figure - others[host] for host, figure in hosts.items()
                if host in others and host is not None]
        if each:
            found.append(each[0] if len(each) == 1 else math.fsum(each) / len(each))
    return found


def _compared(first, second):
    found = differences(first.values, second.values)
    return Pair(first.algorithm, second.algorithm, len(found),
                statistics.median(found) if found else None, signed_rank(found))


def _pairs(lines, level):
    """Of all lines that are compared, and gives these their letters."""
    lines = [line for line in lines if line.compared]
    pairs = [_compared(*both) for both in itertools.combinations(lines, 2)]
    for pair, adjusted in zip(pairs, holm([pair.test.p for pair in pairs])):
        pair.adjusted, pair.real = adjusted, adjusted <= level
    numbers = itertools.combinations(range(len(lines)), 2)
    different = [both for both, pair in zip(numbers, pairs) if pair.real]
    for line, found in zip(lines, letters(len(lines), different)):
        line.letters = found
    return pairs


def _why(row):
    """Why the allocator failed. What waits or is lost may say why too: not for an allocator."""
    return None if row["state"] in (WAITING, LOST) else row["failure"]


def _lines(rows, figure):
    """Of all algorithms that have a run for the figure, and the number of seeds."""
    penalties, lines, seeds, unsound = {}, {}, set(), []
    for row in rows:
        if row["kind"] in CHECKED and row.get("penalty") is not None:
            _keep_least(penalties, (row["algorithm"], row["seed"]), row["penalty"])
    for row in rows:
        why = _why(row)
        if row["kind"] not in figure.kinds:
            if why is not None and row["kind"] in CHECKED:
                unsound.append((row, why))
            continue
        seeds.add(row["seed"])
        line = lines.setdefault(row["algorithm"],
                                Line(row["algorithm"], row["contestant"], {}, {}))
        if why is not None:
            _keep_least(line.failures, row["seed"], why)
        elif (value := figure.of(row, penalties)) is not None:
            _keep_least(line.values.setdefault(row["seed"], {}),
                        row.get("host") if figure.timed else ANYWHERE, value)
    for row, why in unsound:
        # What does not hold when it is checked has no times and no counts either.
        if row["seed"] in seeds and row["algorithm"] in lines:
            _keep_least(lines[row["algorithm"]].failures, row["seed"], why)
    for line in lines.values():
        line.summarize(len(seeds))
    return sorted(lines.values(), key=_rank), len(seeds)


def _keep_least(found, key, value):
    """Of times and of reasons alike, so that the order of the rows does not matter."""
    found[key] = min(value, found.get(key, value))


def _rank(line):
    return line.median is None, line.median or 0, line.algorithm


def _natural(workload):
    """By numbers within the name of the family as such, then by the pages."""
    family, page_size, page_limit = workload
    words = [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", family)]
    return words, page_size, page_limit or 0


def _table(workload, rows, figure, level):
    """None when nothing is known, or when there is but one seed."""
    lines, seeds = _lines(rows, figure)
    if seeds < 2 or not any(line.values or line.failures for line in lines):
        return None
    hosts = {host for line in lines for each in line.values.values() for host in each}
    return Table(*workload, figure, seeds, tuple(sorted(hosts - {ANYWHERE, None})), lines,
                 _pairs(lines, level), level)


def tables(rows, level=LEVEL):
    """Of the rows of a sweep's database, in whatever order."""
    if not 0 < level < 1:
        raise Refusal(f"the level {level:g} is not between 0 and 1")
    workloads = {}
    for row in rows:
        if row["seed"] is not None:
            limit = row["page_limit"] if row.get("limited", True) else None
            workloads.setdefault((row["family"], row["page_size"], limit), []).append(row)
    found = [_table(workload, workloads[workload], figure, level)
             for workload in sorted(workloads, key=_natural) for figure in FIGURES]
    return [table for table in found if table is not None]
