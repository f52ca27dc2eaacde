"""Short runs, done as those of a sweep are, in its workers: they tell how long others take."""

import dataclasses
import json
import os
import time

import growth
import plan
import sweep_traces
from common import Progress
from jobs import KINDS, Hashes
from parallel import side_by_side
from sweep_db import Database
from sweep_task import Site, Workers

LIVE = 1_000            # blocks in the trace of a short run
EVENTS = {"instructions": 4_000}
EVENTS_OF_OTHERS = 40_000
NEXT_TO_NOTHING = 20    # events
LONGEST = 20            # seconds of one short run
PATIENCE = 45           # seconds after which no further one is begun


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


def growing_trace(live):
    """It empties in random order, as most traces do, which is when caches miss most."""
    return sweep_traces.generated("growth", {"live": live}, 1)


def run_of(run, source, passes=1, number=0):
    """The same on another trace. What its recording would tell is not in that: the ideal packer
    takes as long."""
    kind = "ideal" if run.kind == "recorded" else run.kind
    passes = passes if KINDS[kind].timed else 1
    facts = sweep_traces.facts(source)
    room = plan.pages_for(facts)
    if source.generator == "growth":
        room = max(room, growth.pages_for(run.algorithm, facts.slots))
    return dataclasses.replace(
        run, key=f"{run.key}-{facts.events}-{passes}-{number}", kind=kind,  # in a row as long
        trace=source.name, source=source, trace_sha256=None, passes=passes, turn=number,
        max_pages=room, limit=LONGEST, weight=facts.events * passes * replays(kind))


def short_run(run, events, passes=1, number=0):
    return run_of(run, steady_trace(events), passes, number)


class Trial:
    """Short runs in a folder that is somebody else's to remove."""

    def __init__(self, folder, generate, jobs):
        self.site = Site(folder, "local", True, generate)
        self.workers = Workers(self.site, jobs)
        self.jobs = jobs
        self.begun = time.monotonic()
        self.patience = PATIENCE
        self.done = []

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return self.workers.__exit__(*problem)

    def do(self, runs):
        """{run: seconds} of those that went well, now or before."""
        traces, known = self.site.traces(), {run.key for run in self.done}
        new = [run for run in runs if run.key not in known]
        for run in new:
            traces.path_of(run.source)  # to make it is no part of a run
        progress = Progress(len(new))
        with progress:
            side_by_side(self._run, [run for run in new if not run.timed], self.jobs, progress,
                         _label)
            for run in (run for run in new if run.timed):
                self._run(run)
                progress.step(_label(run))
        return {run: seconds for run in runs if (seconds := self._seconds(run)) is not None}

    def _run(self, run):
        if time.monotonic() < self.begun + self.patience:
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
