"""Doing jobs: side by side what nothing disturbs, one at a time what is timed.

A job that has an outcome in the store is not done again. The time left is estimated from
the jobs done so far, kind by kind.

While something else uses the core, another virtual machine for example, all times are a
third longer or more. The driver's probe tells (driver/probe.h). A timed run during which
that was so is repeated later, a few times at most, and its calmest outcome is kept.
"""

import collections
import os
import time

from common import Progress
from jobs import KINDS
from parallel import side_by_side


class Estimate:
    """Seconds that jobs will take, from those of their kind that are done."""

    START = 0.05    # seconds of a job, however short the trace
    DOUBT = 100e3   # the weight that the first guess has beside what was seen

    def __init__(self):
        self.weight = collections.Counter()
        self.seconds = collections.Counter()

    def learn(self, job, seconds):
        self.weight[job.kind] += job.weight
        self.seconds[job.kind] += max(0, seconds - self.START)

    def of(self, job):
        guess = self.DOUBT / KINDS[job.kind].rate
        return self.START + job.weight * ((guess + self.seconds[job.kind]) /
                                          (self.DOUBT + self.weight[job.kind]))


def duration(seconds):
    """40 s, 12 min, 2 h 5 min"""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def probe_of(outcome):
    """ns of the probe beside a timed run; None for a run that is not timed."""
    summary = outcome.get("summary") or {}
    probes = [part["probe_ns"] for part in (summary.get("replay"), summary.get("latency"))
              if part and "probe_ns" in part]
    return max(probes, default=None)


class Calm:
    """Tells runs that had the core for themselves, by the least probe of all."""

    TOLERANCE = 1.1

    def __init__(self, outcomes):
        probes = [probe_of(outcome) for outcome in outcomes]
        self.least = min((probe for probe in probes if probe), default=0)

    def holds(self, outcome):
        probe = probe_of(outcome)
        return probe is None or probe <= self.TOLERANCE * self.least


class Schedule:
    def __init__(self, store, workers, retries):
        self.retries = retries
        self.store = store
        self.workers = workers
        self.estimate = Estimate()
        self.outcomes = {}
        self.progress = None

    def run(self, jobs, fresh=False):
        """Returns {job: outcome} for all of them; `fresh`: whatever is known already."""
        pending = []
        for job in jobs:
            known = None if fresh else self.store.get(job)
            # What was to be repeated when a comparison was interrupted is not settled.
            if known is not None and (not job.timed or known.get("settled")):
                self.outcomes[job] = known
            else:
                pending.append(job)
        self.progress = Progress(len(pending))
        with self.progress:
            self._side_by_side([job for job in pending if not job.timed], pending)
            timed = [job for job in pending if job.timed]
            start = time.monotonic()
            self._alone(timed)
            self._repeat_disturbed(timed, time.monotonic() - start)
            for job in timed:
                self.store.put(job, dict(self.outcomes[job], settled=True))
        return self.outcomes

    def _left(self, jobs):
        together = sum(self.estimate.of(job) for job in jobs if not job.timed)
        alone = sum(self.estimate.of(job) for job in jobs if job.timed)
        return together / self.workers + alone

    def _label(self, job, jobs):
        left = self._left([one for one in jobs if one not in self.outcomes])
        return (f"{job.kind} kma_{job.algorithm} {os.path.basename(job.trace)}, "
                f"about {duration(left)} left")

    def _do(self, job):
        start = time.monotonic()
        self.outcomes[job] = self.store.run(job)
        self.estimate.learn(job, time.monotonic() - start)

    def _side_by_side(self, jobs, everything):
        # The longest first: no core waits at the end for one that began late.
        jobs = sorted(jobs, key=self.estimate.of, reverse=True)
        side_by_side(self._do, jobs, self.workers, self.progress,
                     lambda job: self._label(job, everything))

    def _alone(self, jobs):
        """Turn by turn, so that whatever else the machine does falls on everybody."""
        failed = {}
        for job in sorted(jobs, key=lambda job: job.turn):
            who = (job.kind, job.algorithm, job.trace, job.page_size)
            if who in failed:
                self.outcomes[job] = failed[who]
            else:
                self._do(job)
                if "failure" in self.outcomes[job]:
                    failed[who] = self.outcomes[job]
            self.progress.step(self._label(job, jobs))

    def _repeat_disturbed(self, jobs, seconds):
        """Takes no longer, all in all, than about half of what the runs took at first; the
        short runs come first, since more of them can be saved."""
        deadline = time.monotonic() + seconds / 2 + 5
        for _ in range(self.retries):
            calm = Calm(self.outcomes.values())
            disturbed = sorted((job for job in jobs if not calm.holds(self.outcomes[job])),
                               key=self.estimate.of)
            self.progress.total += len(disturbed)
            for number, job in enumerate(disturbed):
                if time.monotonic() > deadline:
                    return
                before = self.outcomes[job]
                self._do(job)
                after = self.outcomes[job]
                if "failure" not in after and (probe_of(after) or 0) > probe_of(before):
                    self.outcomes[job] = before
                self.progress.step(f"{job.kind} kma_{job.algorithm} again: the core was shared, "
                                   f"{len(disturbed) - number - 1} more")
