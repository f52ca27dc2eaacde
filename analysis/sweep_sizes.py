"""How many bytes a sweep takes and how fast its traces are made: measured here, in a folder that
is somebody else's to remove, on small traces.

What grows with the length of a trace is told from what does not by two lengths, one of which is
twice the other: curves have a bounded number of points, counts for each event have not.
"""

import contextlib
import dataclasses
import math
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc

import growth
import measure
import sweep_traces
from jobs import KINDS
from series import SLICES
from sweep_generators import GENERATORS
from sweep_trial import LIVE, LONGEST, NEXT_TO_NOTHING, short_run, steady_trace, usual_events

GROWS = 1.2              # times as much, of twice the length
MANY, MANY_LIVE = 400_000, 100_000

# As much of a generator's trace as tells its rate.
SMALL = {"requests": 20_000, "exchanges": 20_000, "events": 200_000}
SMALL_LIVE = {"steady": 1_000, "growth": 1_000, "stream": 10_000}


# ---- what depends on a trace's length

def along(points):
    """bytes of any number of events, from (events, bytes) of several lengths, rising, the last
    twice the one before."""
    (half, less), (most, more) = points[-2:]
    if more < GROWS * less:
        points = [*points[:-2], (half, max(less, more)), (most, max(less, more))]

    def found(events):
        at = next((number for number in range(1, len(points)) if events <= points[number][0]),
                  len(points) - 1)
        (low, least), (high, size) = points[at - 1:at + 1]
        return max(0, size - (high - events) * (size - least) / (high - low))
    return found


def _length_of(key):
    return int(key.split("-")[-3])


def _lengths(kind):
    """Of traces: up to the second, each event has its point on a curve."""
    return NEXT_TO_NOTHING, SLICES, usual_events(kind) // 2, usual_events(kind)


def database(trial, firsts):
    """{curves: {kind: function of events}}: bytes of a run in the database; and the bytes of
    one that is empty."""
    trial.do([short_run(run, events) for kind, run in firsts.items()
              for events in _lengths(kind)])
    found = {}
    for curves in (False, True):
        path = os.path.join(trial.site.folder, f"size-{int(curves)}.db")
        each, beside, empty = trial.gather(path, curves)
        points = {kind: {} for kind in firsts}
        for key, size in each.items():
            kind, algorithm = key.split("-")[:2]
            if algorithm == firsts[kind].algorithm and _length_of(key) in _lengths(kind):
                points[kind][_length_of(key)] = size + beside
        found[curves] = {kind: along(sorted(some.items())) if len(some) > 2 else
                         lambda events, most=max(some.values(), default=beside): most
                         for kind, some in points.items()}
    return found, empty


# ---- what a run takes while it lasts

class _NoPicture:
    """A store for jobs.KINDS."""

    @staticmethod
    def picture(job):
        return None


def _while_it_lasts(trial, run, events):
    """(bytes that it writes to a folder of its own, bytes that Python takes for what it left)"""
    short = short_run(run, events)
    short = dataclasses.replace(short, trace=trial.site.traces().path_of(short.source))
    with tempfile.TemporaryDirectory(dir=trial.site.folder) as scratch:
        tracemalloc.start()
        try:
            KINDS[short.kind].run(short, scratch, _NoPicture)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        return sum(entry.stat().st_size for entry in os.scandir(scratch)), most


def of_runs(trial, firsts):
    """Of each kind, for each event of its trace: bytes of scratch files, and of memory that
    Python takes."""
    scratch, python, met = {}, {}, {}
    for kind, run in firsts.items():
        events, done = usual_events(kind), short_run(run, NEXT_TO_NOTHING).kind
        if done not in met:
            met[done] = [_while_it_lasts(trial, run, length) for length in (events // 2, events)]
        (less_files, less), (files, more) = met[done]
        scratch[kind] = max(0, files - less_files) / (events - events // 2)
        python[kind] = (more - less) / (events - events // 2) if more >= GROWS * less else 0
    return scratch, python


# What a process had at most counts also what its parent had when it was started: a small one's.
_MEASURED = """
import os, sys
nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=nothing)
print(os.wait4(child, 0)[2].ru_maxrss)
"""


def _resident(program, trace):
    """Bytes of memory that a replay has at most; 0: it does not run."""
    with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
        done = measure.children.run([sys.executable, "-I", "-S", "-c", _MEASURED, program,
                                     "--competition", "--passes", "1", "--max-pages", str(MANY),
                                     trace], LONGEST)
        return 1024 * int(done.stdout)
    return 0


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that a replay has in memory: of itself, for each event, for each block beside what
    was requested. `python`: see of_runs."""
    own: float
    per_event: float
    per_live: float
    python: dict

    def of(self, run, facts):
        live = min(facts.slots or 0, facts.events)
        block = run.page_size if run.algorithm in growth.A_PAGE_EACH else \
            self.per_live + mean_size(run.source)
        text = 0 if facts.compact else facts.events  # what is compact is read in blocks
        return max(self.own + self.per_event * text + block * live,
                   self.python[run.kind] * facts.events)


def usual(runs):
    """A run of an algorithm that has several blocks in a page, if there is one."""
    return next((run for run in runs if run.algorithm not in growth.A_PAGE_EACH), runs[0])


def memory(trial, run, python):
    program, traces = os.path.abspath(run.program), trial.site.traces()
    short, long, broad = (_resident(program, traces.path_of(source)) for source in (
        steady_trace(MANY), steady_trace(2 * MANY), steady_trace(MANY, MANY_LIVE)))
    per_event = max(0, long - short) / MANY
    each = (broad - short) / (MANY_LIVE - LIVE)
    return Memory(max(0, short - MANY * per_event), per_event,
                  max(0, each - mean_size(steady_trace(MANY))), python)


# ---- traces

def _log_mean(smallest, largest):
    return (largest - smallest) / math.log(largest / smallest) if largest > smallest else largest


def mean_size(source):
    """Bytes of a block, on average; of files and of `stream`, whose sizes resemble those of a
    growing trace, as there."""
    its = dict(source.settings)
    if "smallest" not in its:
        return _log_mean(growth.SMALLEST, growth.LARGEST)
    smallest, largest = its["smallest"], its["largest"]
    if its["sizes"] == "linear":
        return (smallest + largest) / 2
    if its["sizes"] == "powers":
        powers = range(smallest.bit_length() - 1, largest.bit_length())
        return sum(1 << power for power in powers) / len(powers)
    return _log_mean(smallest, largest)


def mean_digits(count):
    """Of the numbers below."""
    digits, total = len(str(max(1, count) - 1)), 0
    for length in range(1, digits):
        total += length * (10 ** length - (10 ** (length - 1) if length > 1 else 0))
    return (total + digits * (count - (10 ** (digits - 1) if digits > 1 else 0))) / max(1, count)


def _small(source):
    """The same generator's, soon made."""
    its = {name: min(value, SMALL[name]) if name in SMALL else value
           for name, value in source.settings}
    if "live" in its:
        its["live"] = min(its["live"], SMALL_LIVE[source.generator])
    return sweep_traces.generated(source.generator, its, source.seed)


@dataclasses.dataclass(frozen=True)
class Maker:
    """What is known of a generator: seconds and bytes for each event, and with how many blocks,
    whose numbers are written in full in a trace as text."""
    seconds: float
    bytes: float
    live: int

    def size(self, source):
        """Bytes of the trace."""
        facts = sweep_traces.facts(source)
        longer = 0 if GENERATORS[source.generator].compact else \
            mean_digits(facts.slots) - mean_digits(self.live)
        return facts.events * max(1, self.bytes + longer)


def makers(trial, sources):
    """{generator: its Maker}, by a trace like the first of each."""
    found, traces = {}, trial.site.traces()
    for source in sources:
        if source.path is None and source.generator not in found:
            small = _small(source)
            start = time.monotonic()
            path = traces.path_of(small)
            spent, facts = time.monotonic() - start, sweep_traces.facts(small)
            found[source.generator] = Maker(spent / facts.events,
                                            os.path.getsize(path) / facts.events, facts.slots)
    return found
