"""The engine that does a sweep on this machine: what is not timed in as many worker processes as
there are processors, then what is timed, alone."""

import threading
import time

from schedule import Schedule
from sweep_folder import cancelled
from sweep_records import remove_parts
from sweep_task import NOTE_NO_WORKER, TaskStore, Workers

GATHER_SECONDS = 1  # between two looks for outcomes: many go into one write of the database


class LocalStore:
    """What a Schedule asks for outcomes: workers make them, the database takes them in."""

    def __init__(self, site, database, workers):
        self.site, self.database, self.workers = site, database, workers
        self.files = TaskStore(site)
        self.lock = threading.Lock()
        self.due = 0
        self.ran = set()

    def get(self, run):
        return None  # what is known is not asked for again

    def run(self, run, before=None):
        found = self.workers.run(run, before)
        with self.lock:
            self.ran.add(run.key)
            if found.get("failure") == NOTE_NO_WORKER:
                self.database.note_problem(run.key, NOTE_NO_WORKER)  # it left no file
            if time.monotonic() >= self.due:
                self.gather()
                if cancelled(self.site.folder):  # from another machine
                    raise KeyboardInterrupt
        return found

    def settle(self, run, outcome):
        if run.key not in self.ran:
            self.files.settle(run, outcome)

    def gather(self):
        self.database.gather(self.site.outcomes, self.site.curves)
        self.due = time.monotonic() + GATHER_SECONDS


def do(runs, site, database, jobs, retries):
    """Does these runs, and leaves the rest to the database."""
    remove_parts(site.outcomes)
    with Workers(site, min(jobs, max(1, len(runs)))) as workers:
        store = LocalStore(site, database, workers)
        try:
            Schedule(store, jobs, retries).run(runs)
        finally:
            with store.lock:
                store.gather()
