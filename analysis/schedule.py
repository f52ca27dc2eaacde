"""Doing jobs: side by side what nothing disturbs, one at a time what is timed.

A job that has an outcome in the store is not done again. The time left is estimated from
the jobs done so far, kind by kind.

While something else uses the core, another virtual machine for example, all times are a
third longer or more. The driver's probe tells (driver/probe.h). A timed run during which
that was so is repeated later, a few times at most, and its calmest outcome is kept.
"""

import collections
import os
import threading
import time

from common import Progress
from jobs import KINDS, probe_of
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

    def of_many(self, kind, jobs, weight):
        """Seconds of so many jobs that together have this weight."""
        guess = self.DOUBT / KINDS[kind].rate
        return jobs * self.START + weight * ((guess + self.seconds[kind]) /
                                             (self.DOUBT + self.weight[kind]))

    def of(self, job):
        return self.of_many(job.kind, 1, job.weight)


class Remaining:
    """What is still to be done, in sums: there may be a hundred thousand jobs."""

    def __init__(self, jobs):
        self.jobs, self.weight = collections.Counter(), collections.Counter()
        for job in jobs:
            self._count(job, 1)

    def _count(self, job, sign):
        self.jobs[job.kind] += sign
        self.weight[job.kind] += sign * job.weight

    def done(self, job):
        self._count(job, -1)

    def seconds(self, estimate, workers):
        spent = {True: 0, False: 0}
        for kind, jobs in self.jobs.items():
            spent[KINDS[kind].timed] += estimate.of_many(kind, jobs, self.weight[kind])
        return spent[True] + spent[False] / workers


def duration(seconds):
    """40 s, 12 min, 2 h 5 min"""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


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
    """`store` has outcomes: get(job) of what is known, run(job, before) for a new one, and
    settle(job, outcome) when nothing more will be done to better it."""

    def __init__(self, store, workers, retries):
        self.retries = retries
        self.store = store
        self.workers = workers
        self.estimate = Estimate()
        self.outcomes = {}
        self.lock = threading.Lock()  # of what is known of the time left
        self.remaining = None
        self.progress = None

    def run(self, jobs, fresh=False):
        """Returns {job: outcome} for all of them; `fresh`: whatever is known already."""
        pending, timed = [], []
        for job in jobs:
            known = None if fresh else self.store.get(job)
            if known is None:
                pending.append(job)
            else:
                self.outcomes[job] = known
            # What was to be repeated when a comparison was interrupted is not settled.
            if job.timed and (known is None or not known.get("settled")):
                timed.append(job)
        self.remaining = Remaining(pending)
        self.progress = Progress(len(pending))
        with self.progress:
            self._side_by_side([job for job in pending if not job.timed])
            start = time.monotonic()
            self._alone(timed)
            self._repeat_disturbed(timed, time.monotonic() - start)
            for job in timed:
                self.store.settle(job, self.outcomes[job])
        return self.outcomes

    def _label(self, job):
        left = self.remaining.seconds(self.estimate, self.workers)
        return (f"{job.kind} kma_{job.algorithm} {os.path.basename(job.trace)}, "
                f"about {duration(left)} left")

    def _do(self, job, before=None):
        start = time.monotonic()
        self.outcomes[job] = self.store.run(job, before)
        with self.lock:
            self.estimate.learn(job, time.monotonic() - start)
            if before is None:
                self.remaining.done(job)

    def _side_by_side(self, jobs):
        # The longest first: no core waits at the end for one that began late.
        jobs = sorted(jobs, key=self.estimate.of, reverse=True)
        side_by_side(self._do, jobs, self.workers, self.progress, self._label)

    def _alone(self, jobs):
        """Turn by turn, so that whatever else the machine does falls on everybody."""
        failed = {}
        for job in sorted(jobs, key=lambda job: job.turn):
            who = (job.kind, job.algorithm, job.trace, job.page_size, job.max_pages)
            known = job in self.outcomes
            if not known and who in failed:
                self.outcomes[job] = failed[who]
                self.remaining.done(job)
            elif not known:
                self._do(job)
            if "failure" in self.outcomes[job]:
                failed[who] = self.outcomes[job]
            if not known:
                self.progress.step(self._label(job))

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
                self._do(job, self.outcomes[job])
                self.progress.step(f"{job.kind} kma_{job.algorithm} again: the core was shared, "
                                   f"{len(disturbed) - number - 1} more")
