"""The runs that a comparison is made of, and the store that remembers their outcome.

A job is one run of one executable for one purpose. What it found is a JSON object in the
store, under a name made from everything that can change it: the bytes of the executable
and of the trace, the options, and for times the machine. So a comparison that was
interrupted goes on where it stopped, and one whose allocator was changed repeats that
allocator's runs and no others.
"""

import dataclasses
import hashlib
import json
import os
import re
import tempfile

import instructions
import ktr
import measure
from common import written_aside
from series import BadData, disagreement, read_series

# Part of every name in the store: another number when an outcome's form changes.
STORE_FORMAT = 3

# Points of a latency curve; more cannot be told apart in a picture.
CURVE_POINTS = 400


@dataclasses.dataclass(frozen=True)
class Job:
    kind: str       # a key of KINDS
    algorithm: str
    trace: str      # path
    page_size: int
    program: str    # path of the executable
    weight: float   # about its length, in events times passes
    preload: str = None
    passes: int = 1
    max_pages: int = measure.MAX_PAGES
    turn: int = 0   # the same run, again: times only
    machine: str = ""
    word: int = 8   # bytes in a pointer of the executable
    limit: int = measure.LONGEST_RUN  # seconds

    @property
    def timed(self):
        return KINDS[self.kind].timed

    def name(self, hashes):
        """Of its outcome in the store."""
        told = [STORE_FORMAT, self.kind, self.algorithm, self.page_size, self.passes,
                self.max_pages, self.turn, self.word, self.machine if self.timed else "",
                *(hashes.of(path) for path in (self.program, self.trace, self.preload))]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        label = re.sub(r"[^A-Za-z0-9._-]", "_", measure.trace_name(self.trace))[:40]
        return f"{self.kind}-{self.algorithm}-{label}-{digest}"


class Hashes:
    """Of files, each read once."""

    def __init__(self):
        self.known = {}

    def of(self, path):
        if path not in self.known:
            readable = path is not None and os.path.isfile(path)
            self.known[path] = measure.sha256_of(path) if readable else None
        return self.known[path]


def probe_of(outcome):
    """ns of the probe beside a timed run; None for a run that is not timed."""
    summary = outcome.get("summary") or {}
    probes = [part["probe_ns"] for part in (summary.get("replay"), summary.get("latency"))
              if part and "probe_ns" in part]
    return max(probes, default=None)


def better(outcome, before):
    """Of two timed runs of a job, the first failed or the calmer one."""
    if before is None or "failure" in outcome:
        return True
    return (probe_of(outcome) or 0) <= (probe_of(before) or 0)


class Store:
    """Outcomes in a folder, each written whole or not at all."""

    def __init__(self, folder):
        self.folder = folder
        self.hashes = Hashes()
        os.makedirs(folder, exist_ok=True)

    def path(self, job, ending=".json"):
        return os.path.join(self.folder, job.name(self.hashes) + ending)

    def picture(self, job):
        """Where the picture of its pages goes."""
        return self.path(job, ".heapmap")

    def get(self, job):
        try:
            with open(self.path(job), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def put(self, job, outcome):
        """Keeps what lasts: a run that may do better next time is not remembered."""
        if isinstance(outcome.get("failure"), measure.Passing):
            return
        with written_aside(self.path(job)) as out:
            out.write(json.dumps(outcome).encode())

    def run(self, job, before=None):
        """Does the job; keeps and returns its outcome, or the one `before` where that was
        calmer."""
        with tempfile.TemporaryDirectory(prefix="kma-compare-") as scratch:
            outcome = KINDS[job.kind].run(job, scratch, self)
        if not better(outcome, before):
            return before
        self.put(job, outcome)
        return outcome

    def settle(self, job, outcome):
        """Nothing more will be done to better it."""
        self.put(job, dict(outcome, settled=True))


def _drive(job, scratch, *options):
    summary, failure = measure.run(
        job.program, job.trace, [*options, "--passes", str(job.passes),
                                 "--max-pages", str(job.max_pages)],
        os.path.join(scratch, "json"), job.limit, job.preload)
    if summary is not None:
        measure.relative_names(summary, job.algorithm, job.trace)
    return summary, failure


def _series(path, summary, sampled):
    series = read_series(path)
    if sampled:
        series.slice_length = max(1, -(-summary["events"] // max(1, series.events)))
        series.events = summary["events"]
        return dataclasses.asdict(series)
    why = disagreement(series, summary)
    if why is not None:
        raise BadData(why)
    return dataclasses.asdict(series)


def run_memory(job, scratch, store):
    """Every check on, and the curves of what is requested and held."""
    data = os.path.join(scratch, "data")
    sampled = job.preload is not None or job.algorithm == "libc"
    picture = None if sampled else store.picture(job)
    options = ["--resident"] if sampled else ["--heapmap", picture] if picture else []
    summary, failure = _drive(job, scratch, "--output", data, *options)
    if failure is not None:
        return {"failure": failure}
    try:
        series = _series(data, summary, sampled)
    except BadData as problem:
        return {"failure": str(problem)}
    return {"summary": summary, "series": series,
            "heapmap": picture and os.path.basename(picture)}


def tail_curve(times):
    """Points (ns, share of all calls that take at least so long), rising, thinned out."""
    ranked = sorted(times)
    points, before = [], None
    for rank, value in enumerate(ranked):
        if value != before:
            points.append((value, (len(ranked) - rank) / len(ranked)))
        before = value
    if len(points) <= CURVE_POINTS:
        return points
    # Evenly over the logarithm of the share: the tail is what the picture is for.
    kept, due = [], 1.0
    ratio = points[-1][1] ** (1 / CURVE_POINTS)
    for point in points[:-1]:
        if point[1] <= due:
            kept.append(point)
            due = min(due * ratio, point[1])
    return kept + points[-1:]


def _tail_curves(path):
    times = {"REQUEST": [], "FREE": []}
    with open(path, encoding="ascii") as file:
        for line in file:
            _, command, _, ns = line.split()
            times[command].append(float(ns))
    return {"malloc": tail_curve(times["REQUEST"]), "free": tail_curve(times["FREE"])}


def run_times(job, scratch, store):
    latency = os.path.join(scratch, "latency")
    summary, failure = _drive(job, scratch, "--competition", "--latency", latency)
    if failure is not None:
        return {"failure": failure}
    try:
        return {"summary": summary, "latency": _tail_curves(latency)}
    except (OSError, ValueError, KeyError):
        return {"failure": "the times of the calls cannot be read"}


def run_replay(job, scratch, store):
    """Only the replay's time: what the growth over live blocks is made of."""
    summary, failure = _drive(job, scratch, "--competition")
    return {"failure": failure} if failure is not None else {"summary": summary}


def run_operations(job, scratch, store):
    """What each call did: pages moved, and in a counted build splits, joins and steps."""
    path = os.path.join(scratch, "operations")
    failure = measure.launch(job.program, [
        "--competition", "--operations", path, "--max-pages", str(job.max_pages), job.trace],
        job.limit)
    if failure is not None:
        return {"failure": failure}
    events = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            index, _, _, *counts = line.split()
            events[index] = [None if count == "-" else int(count) for count in counts]
    return {"operations": {index: counts for index, counts in events.items() if any(counts)}}


def run_instructions(job, scratch, store):
    counts, failure = instructions.count(job.program, job.trace, scratch,
                                         preload=job.preload, max_pages=job.max_pages,
                                         limit=job.limit)
    if failure is not None:
        return {"failure": failure}
    return {"figures": counts.figures(), "per_event": counts.per_event}


def run_total_instructions(job, scratch, store):
    found, failure = instructions.totals(job.program, job.trace, scratch,
                                         preload=job.preload, max_pages=job.max_pages,
                                         limit=job.limit)
    if failure is not None:
        return {"failure": failure}
    return {"figures": instructions.mean_figures(found),
            "instructions": sum(sums[0] for sums in found.values()),
            "calls": sum(sums[1] for sums in found.values())}


def _known(job, scratch, held_of):
    """The summary and the series of what is known without a run: held_of(requested, spent)
    are the bytes held while so many are requested, and were spent when it was recorded."""
    data = os.path.join(scratch, "data")
    events, most_requested, peak = 0, 0, (0, 0)
    with open(data, "w", encoding="ascii") as out:
        out.write("0 0 0\n")
        for requested, spent in ktr.live_totals(job.trace, job.page_size - job.word):
            events += 1
            held = held_of(requested, spent)
            most_requested = max(most_requested, requested)
            peak = max(peak, (held, requested))
            out.write(f"{events} {requested} {held}\n")
    series = read_series(data)
    summary = {"algorithm": job.algorithm, "trace": measure.trace_name(job.trace),
               "events": events, "page_size": job.page_size, "pages": {"peak": None},
               "peak_requested_bytes": most_requested, "peak_page_bytes": peak[0],
               "utilization_at_peak": peak[1] / peak[0] if peak[0] else 0,
               "utilization_mean": series.utilization_mean, "penalty": series.penalty,
               "replay": None, "latency": None, "timer": None, "worst": []}
    return {"summary": summary, "series": dataclasses.asdict(series)}


def run_ideal(job, scratch, store):
    """The packer that wastes nothing but the end of the last page."""
    size = job.page_size
    found = _known(job, scratch, lambda requested, spent: -(-requested // size) * size)
    found["summary"]["pages"]["peak"] = found["summary"]["peak_page_bytes"] // size
    return found


def run_recorded(job, scratch, store):
    """The allocator that served the events when they were recorded. What it held beside the
    blocks is not known: neither its pages nor what of them was free."""
    return _known(job, scratch, lambda requested, spent: spent)


@dataclasses.dataclass(frozen=True)
class Kind:
    run: object
    timed: bool
    rate: float  # events times passes a second, before anything is known


KINDS = {
    "memory": Kind(run_memory, False, 150e3),
    "operations": Kind(run_operations, False, 250e3),
    "ideal": Kind(run_ideal, False, 200e3),
    "recorded": Kind(run_recorded, False, 200e3),
    "instructions": Kind(run_instructions, False, 6e3),
    "total": Kind(run_total_instructions, False, 300e3),
    "times": Kind(run_times, True, 3e6),
    "replay": Kind(run_replay, True, 3e6),
}
