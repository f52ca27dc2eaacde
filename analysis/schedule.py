"""Doing jobs: side by side what nothing disturbs, one at a time what is timed.

A job that has an outcome in the store is not done again. The time left is estimated from
the jobs done so far, kind by kind.
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


class Schedule:
    def __init__(self, store, workers, progress=None):
        self.store = store
        self.workers = workers
        self.estimate = Estimate()
        self.outcomes = {}
        self.progress = progress

    def run(self, jobs, fresh=False):
        """Returns {job: outcome} for all of them; `fresh`: whatever is known already."""
        pending = []
        for job in jobs:
            known = None if fresh else self.store.get(job)
            if known is not None:
                self.outcomes[job] = known
            else:
                pending.append(job)
        self.progress = self.progress or Progress(len(pending))
        with self.progress:
            self._side_by_side([job for job in pending if not job.timed], pending)
            self._alone([job for job in pending if job.timed])
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
