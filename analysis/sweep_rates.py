"""How long runs of a sweep take: from short runs done here, or from finished ones of the sweep.

A run takes some time to begin and end, some for each event of its trace (to read it, and to read
what the run left), and some for each event that it replays. The first two are of a kind of run,
the last is of an algorithm, too. The short runs are done as those of a sweep are, in its workers.
"""

import collections
import dataclasses
import json
import os
import statistics
import time

import plan
import sweep_traces
from common import Progress
from jobs import KINDS, Hashes
from parallel import side_by_side
from schedule import Estimate
from sweep_db import Database
from sweep_task import Site, Workers

LIVE = 1_000            # blocks in the trace of a short run
EVENTS = {"instructions": 4_000}
EVENTS_OF_OTHERS = 40_000
NEXT_TO_NOTHING = 20    # events
TIMES_TO_BEGIN = 3      # that such a run is done
PASSES = 30             # of a timed run
LONGEST = 20            # seconds of one short run
PATIENCE = 45           # seconds after which no further one is begun

ENOUGH = 5              # finished runs of a kind and algorithm tell how long others take,
TELLING = 0.2           # where at least so much of their time went into what they replayed
NOTICED = 0.01          # so much can be told of a short run


def replays(kind):
    """Of a trace in each pass: the time of each call is taken in a second one."""
    return 2 if kind == "times" else 1


def events_of(run):
    return run.weight / run.passes / replays(run.kind)


def usual_events(kind):
    return EVENTS.get(kind, EVENTS_OF_OTHERS)


def steady_trace(events, live=LIVE):
    live = min(live, events // 2)
    return sweep_traces.generated("steady", {
        "live": live, "exchanges": events // 2 - live, "sizes": "log", "smallest": 8,
        "largest": 1_000}, 1)


def short_run(run, events, passes=1, number=0):
    """The same on a small trace. What its recording would tell is not in it: the ideal packer
    takes as long."""
    source = steady_trace(events)
    kind = "ideal" if run.kind == "recorded" else run.kind
    passes = passes if KINDS[kind].timed else 1
    return dataclasses.replace(
        run, key=f"{run.kind}-{run.algorithm}-{events}-{passes}-{number}", kind=kind,
        trace=source.name, source=source, trace_sha256=None, passes=passes, turn=number,
        max_pages=plan.pages_for(sweep_traces.facts(source)), limit=LONGEST,
        weight=events * passes * replays(kind))


@dataclasses.dataclass
class Rates:
    """Seconds of runs; of() is what an Estimate of schedule.py has."""
    start: dict         # {kind: seconds}
    per_event: dict     # {kind: seconds for each event of its trace}
    per_replayed: dict  # {(kind, algorithm): seconds for each event replayed}
    finished: dict = dataclasses.field(default_factory=dict)  # of these: runs that told it
    guessed: set = dataclasses.field(default_factory=set)     # of these: none could be done

    def seconds(self, kind, algorithm, runs, events, weight):
        """Of so many runs, with so many events in all their traces."""
        return (runs * self.start[kind] + events * self.per_event[kind] +
                weight * self.per_replayed[kind, algorithm])

    def of(self, run):
        return self.seconds(run.kind, run.algorithm, 1, events_of(run), run.weight)


class Trial:
    """Short runs in a folder that is somebody else's to remove."""

    def __init__(self, folder, generate, jobs):
        self.site = Site(folder, "local", True, generate)
        self.workers = Workers(self.site, jobs)
        self.jobs = jobs
        self.end = time.monotonic() + PATIENCE
        self.done = []

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return self.workers.__exit__(*problem)

    def do(self, runs):
        """{run: seconds} of those that went well."""
        traces = self.site.traces()
        for run in runs:
            traces.path_of(run.source)  # to make it is no part of a run
        progress = Progress(len(runs))
        with progress:
            side_by_side(self._run, [run for run in runs if not run.timed], self.jobs, progress,
                         _label)
            for run in (run for run in runs if run.timed):
                self._run(run)
                progress.step(_label(run))
        return {run: seconds for run in runs if (seconds := self._seconds(run)) is not None}

    def _run(self, run):
        if time.monotonic() < self.end:
            self.workers.run(run)
            self.done.append(run)

    def _seconds(self, run):
        try:
            with open(os.path.join(self.site.outcomes, f"{run.key}.json"),
                      encoding="utf-8") as file:
                record = json.load(file)
        except FileNotFoundError:
            return None
        return None if "failure" in record["outcome"] else record["where"]["seconds"]

    def gather(self, path, curves):
        """Of a new database with all that was done: {key: bytes of an outcome}, the bytes that
        each run takes beside it, and those of a database with next to nothing in it."""
        hashes = Hashes()
        rows = [run.row(hashes) for run in self.done]
        with Database(path, write=True) as database:
            database.plan(rows[:1], {})
            empty = os.path.getsize(path)
            database.plan(rows, {})
            database.gather(self.site.outcomes, curves, set())
            found = database.bytes_of_outcomes()
        beside = os.path.getsize(path) - empty - sum(found.values())
        return found, max(0, beside) / max(1, len(self.done)), empty


def _label(run):
    return f"how fast is {run.kind} kma_{run.algorithm}?"


def representatives(runs):
    """{(kind, algorithm): a run}"""
    found = {}
    for run in runs:
        found.setdefault((run.kind, run.algorithm), run)
    return found


def of_finished(database):
    """{(kind, algorithm): (runs, seconds, events in their traces, events replayed)}"""
    return {(row["kind"], row["algorithm"]):
            (row["runs"], row["seconds"], row["weight_of_a_pass"] / replays(row["kind"]),
             row["weight"]) for row in database.spent() if row["runs"] >= ENOUGH}


def _begin(trial, firsts):
    """{kind: seconds to begin and end}"""
    took = trial.do([short_run(run, NEXT_TO_NOTHING, number=number)
                     for run in firsts.values() for number in range(TIMES_TO_BEGIN)])
    found = collections.defaultdict(list)
    for run, seconds in took.items():
        found[run.key.partition("-")[0]].append(seconds)
    return {kind: statistics.median(found[kind]) if kind in found else Estimate.START
            for kind in firsts}


def _per_event(trial, firsts, start):
    """{kind: seconds for each event, however often it is replayed}; of what is not timed,
    which replays it once, none is told apart."""
    found = dict.fromkeys(firsts, 0)
    for kind, run in firsts.items():
        if KINDS[kind].timed:
            once, often = (short_run(run, usual_events(kind), passes) for passes in (1, PASSES))
            took = trial.do([once, often])
            if len(took) == 2:
                replayed = (took[often] - took[once]) / (often.weight - once.weight)
                found[kind] = max(0, took[once] - start[kind] - replayed * once.weight) / \
                    usual_events(kind)
    return found


def measure(runs, trial, finished=None):
    """The Rates of what is among `runs`. `finished`: see of_finished."""
    each, firsts = representatives(runs), {}
    for (kind, _), run in each.items():
        firsts.setdefault(kind, run)
    start = _begin(trial, firsts)
    rates = Rates(start, _per_event(trial, firsts, start), {})

    def learn(who, count, seconds, events, weight, least):
        """Whether at least such a part of the time went into what is replayed."""
        spent = seconds - count * start[who[0]] - events * rates.per_event[who[0]]
        if spent >= least * seconds:
            rates.per_replayed[who] = spent / weight
        return spent >= least * seconds

    for who, sums in (finished or {}).items():
        if who in each and learn(who, *sums, TELLING):
            rates.finished[who] = sums[0]
    wanted = {who: short_run(run, usual_events(who[0]), PASSES, 1) for who, run in each.items()
              if who not in rates.finished}
    took = trial.do(list(wanted.values()))
    for who, run in wanted.items():
        if run in took and not learn(who, 1, took[run], events_of(run), run.weight, NOTICED):
            rates.per_replayed[who] = NOTICED * took[run] / run.weight
    _guess(rates, each)
    return rates


def _guess(rates, each):
    """What could not be measured is as the others of its kind are."""
    for kind in {kind for kind, _ in each}:
        known = [seconds for who, seconds in rates.per_replayed.items() if who[0] == kind]
        usual = statistics.median(known) if known else 1 / KINDS[kind].rate
        for who in each:
            if who[0] == kind and who not in rates.per_replayed:
                rates.per_replayed[who] = usual
                rates.guessed.add(who)
