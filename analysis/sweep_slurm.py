"""The engine that does a sweep on a Slurm cluster, by sbatch, squeue and scancel alone.

Runs are put into tasks, and tasks into job arrays. A task of runs that are not timed has one
processor of a node and as many runs as fill some time, those of one trace together. A timed task
has a node for itself and all runs of one trace with pages of one size, so times that are compared
come from one node and one hour; they take turns as on one machine (analysis/schedule.py).

A task's list of runs is a file, tasks/SUBMISSION/TASK.json; each of its runs leaves a file when it
is done. What counts is which files came, not what the queue says of a task: whatever has left the
queue is looked at for runs without an outcome, and these are submitted again, a bounded number of
times. Runs that a node could not do go to others, where there are any: a node that fails at once is
free at once, and would have the next ones, too.

A task that Slurm itself starts again, after a node was lost or for another one's sake, passes over
the runs whose files are there; these are kept until the task has left the queue. Only of a turn of
timed runs that was broken off on another node, what was done is done again."""

import collections
import contextlib
import dataclasses
import itertools
import json
import os
import shlex
import shutil
import sys
import time

import machine
import slurm_queue
from common import Progress, Refusal, written_aside
from schedule import Estimate, duration
from sweep_folder import cancelled
from sweep_node import staged_on
from sweep_records import read_record, remove_record

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")

# Slurm looks at a queue of its own for changes; asked once more, it is not missed that a task is
# between two states.
LOOKS_BEFORE_GONE = 2
TRIES_OF_SBATCH = 5
ARRAYS_IN_QUEUE = 10  # at least, of a full queue


def check(options):
    """Whether there is a cluster at all."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise Refusal(f"{program}: not found; the engine slurm needs Slurm's commands "
                          "(Debian: slurm-client)")
    try:
        shlex.split(options.sbatch)
    except ValueError as problem:
        raise Refusal(f"--sbatch {options.sbatch}: {problem}") from None
    _, why = slurm_queue.command("squeue", "--noheader", "--me")
    if why is not None:
        raise Refusal(f"squeue: {why}")


# ---- tasks

@dataclasses.dataclass
class Task:
    runs: list
    timed: bool
    attempt: int = 1
    avoid: frozenset = frozenset()  # nodes
    settled: tuple = ()  # keys of others on its list, that an earlier driver has taken in


def _pack(runs, seconds, estimate):
    """Lists of runs that take about so long each, or of one that takes longer."""
    found, left = [], 0
    for run in runs:
        if left <= 0:
            found.append([])
            left = seconds
        found[-1].append(run)
        left -= estimate.of(run)
    return found


def tasks_of(runs, seconds, estimate, attempt=1, avoid=frozenset()):
    """Untimed runs of one trace and page size lie together; timed ones are in one task."""
    def place(run):
        return run.trace, run.page_size
    untimed = sorted((run for run in runs if not run.timed), key=place)
    timed = sorted((run for run in runs if run.timed), key=place)
    return ([Task(list(group), True, attempt, avoid)
             for _, group in itertools.groupby(timed, place)] +
            [Task(some, False, attempt, avoid) for some in _pack(untimed, seconds, estimate)])


def room_for(waiting, live, queue):
    """How many tasks go into the queue now. Some room is waited for: each sbatch brings many."""
    room = queue - live
    return room if room > 0 and room >= min(waiting, queue // ARRAYS_IN_QUEUE) else 0


def _text_of(path):
    """None where there is no such file."""
    with contextlib.suppress(OSError):
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    return None


class Cluster:
    """Submits tasks, looks how far they are, takes in what they left."""

    def __init__(self, site, database, options):
        self.site, self.database, self.options = site, database, options
        self.id = database.get("id")
        self.most = slurm_queue.most_in_array()
        self.estimate = Estimate()
        self.waiting = []   # tasks to be submitted
        self.live = {}      # (submission, task): Task, submitted and not known to have left
        self.missed = {}    # of these: how often they were not in the queue
        self.logs = os.path.join(site.folder, "logs")
        self.lists = os.path.join(site.folder, "tasks")
        self.finished = database.finished()  # keys
        self.noted = set()  # keys of runs that said in this attempt why they have no outcome

    # -- submitting

    def _list_path(self, submission, task):
        return os.path.join(self.lists, str(submission), f"{task}.json")

    def _said(self, place, ending):
        """What the task has left beside its list, None where it has not."""
        return _text_of(self._list_path(*place).removesuffix("json") + ending)

    def _write_lists(self, submission, tasks):
        os.makedirs(os.path.join(self.lists, str(submission)), exist_ok=True)
        for number, task in enumerate(tasks):
            with written_aside(self._list_path(submission, number)) as out:
                out.write(json.dumps({
                    "site": dataclasses.asdict(self.site), "timed": task.timed,
                    "attempt": task.attempt, "retries": self.options.retries,
                    "requeue": self.options.requeue,
                    "runs": [run.to_json() for run in task.runs]}).encode())

    def _script(self, submission):
        """Of the array. A failing task tells by the files that it does not leave."""
        words = ("/usr/bin/python3", "-B", os.path.join(machine.HERE, "analysis", "sweep"),
                 "task", os.path.join(self.lists, str(submission)))
        return f"#!/bin/sh\nexec {shlex.join(words)}\n"

    def _sbatch(self, submission, tasks):
        """(number of the array, None) or (None, why not)."""
        place = ["--exclusive"] if tasks[0].timed else []
        avoid = [f"--exclude={','.join(sorted(tasks[0].avoid))}"] if tasks[0].avoid else []
        said, why = self._sbatch_array(submission, len(tasks), place + avoid)
        if why is not None and avoid:  # there may be no other nodes
            said, why = self._sbatch_array(submission, len(tasks), place)
        return said, why

    def _sbatch_array(self, submission, count, place):
        return slurm_queue.command(
            "sbatch", "--parsable", f"--job-name={slurm_queue.name_of(self.id, submission)}",
            f"--array=0-{count - 1}", "--requeue", "--open-mode=append",
            f"--output={os.path.join(self.logs, '%A_%a.log')}", f"--chdir={self.site.folder}",
            "--nodes=1", "--ntasks=1", "--cpus-per-task=1", *place,
            *shlex.split(self.options.sbatch), text=self._script(submission))

    def _next_submission(self):
        return 1 + self.database.last_submission()

    def submit(self):
        """As many tasks as there is room for. Returns why sbatch did not take one, or None."""
        os.makedirs(self.logs, exist_ok=True)
        while self.waiting:
            first = self.waiting[0]
            room = min(self.most, room_for(len(self.waiting), len(self.live),
                                           self.options.queue))
            if room == 0:
                break
            some = [task for task in self.waiting
                    if (task.timed, task.avoid) == (first.timed, first.avoid)][:room]
            submission = self._next_submission()
            self._write_lists(submission, some)
            self.database.add_tasks(submission, [(task.timed, len(task.runs), task.attempt)
                                                 for task in some])
            said, why = self._sbatch(submission, some)
            if why is not None:
                self.database.drop_tasks(submission)
                return why
            self.database.name_array(submission, said.strip().partition(";")[0])
            chosen = set(map(id, some))
            self.waiting = [task for task in self.waiting if id(task) not in chosen]
            self.live.update({(submission, number): task for number, task in enumerate(some)})
        return None

    def adopt(self, runs):
        """Takes up the tasks that an earlier driver of this sweep submitted, as far as they are
        about `runs`. Returns the runs that are in none of them."""
        by_key = {run.key: run for run in runs}
        wanted = frozenset(by_key)
        for row in self.database.tasks("submitted"):
            place = row["submission"], row["task"]
            keys = self._keys_listed(*place)
            self.live[place] = Task([by_key.pop(key) for key in keys if key in by_key],
                                    bool(row["timed"]), row["attempt"],
                                    settled=tuple(key for key in keys if key not in wanted))
        return list(by_key.values())

    def _keys_listed(self, submission, task):
        with contextlib.suppress(OSError, ValueError, KeyError):
            with open(self._list_path(submission, task), encoding="utf-8") as file:
                return [run["key"] for run in json.load(file)["runs"]]
        return []

    # -- looking

    def _gone(self, states):
        """Tasks that have left the queue."""
        for place in self.live:
            self.missed[place] = 0 if place in states else self.missed.get(place, 0) + 1
        return [place for place in self.live if self.missed[place] >= LOOKS_BEFORE_GONE]

    def _left_over(self, place, array):
        """Of a task that has left: what it did not do is done again, or given up. The run that
        was under way may be to blame, so it is tried again alone, and the others go on without
        it; of a task that began none, all have had an attempt."""
        task = self.live.pop(place)
        self.missed.pop(place, None)
        if task.timed:
            self._take_again(place)
        for key in (*(run.key for run in task.runs), *task.settled):
            remove_record(self.site.outcomes, key)
        left = [run for run in task.runs if run.key not in self.finished]
        under_way = self._said(place, "run") if left else None
        tried = [run for run in left if run.key in self.noted or run.key == under_way] or left
        self._note(tried, array, place[1])
        if task.attempt > self.options.requeue:
            self.database.give_up([run.key for run in tried])
        elif tried:
            alone = 0 if len(tried) < len(left) else self.options.task_seconds
            avoid = task.avoid.union((self._said(place, "unfit") or "").split())
            self.waiting += tasks_of(tried, alone, self.estimate, task.attempt + 1, avoid)
        others = [run for run in left if run not in tried]
        self.waiting += tasks_of(others, self.options.task_seconds, self.estimate, task.attempt,
                                 task.avoid)

    def _take_again(self, place):
        """What the task did again on another node, in place of what was taken before."""
        again = self.finished.intersection((self._said(place, "again") or "").split())
        for key in again:
            record = read_record(os.path.join(self.site.outcomes, f"{key}.json"), key)
            if record and not record["outcome"].get("passing"):
                self.finished.remove(key)
        if not again <= self.finished:
            self._gather()

    def _note(self, runs, array, task):
        if not runs:
            return
        log = os.path.join(self.logs, f"{array}_{task}.log")
        lines = [line.strip() for line in (_text_of(log) or "").splitlines() if line.strip()]
        why = "its task ended without an outcome" + (f": {lines[-1]}" if lines else "")
        keys = {run.key for run in runs}
        self.database.note_task(keys, why, log, keys - self.noted)
        self.noted -= keys

    def _gather(self):
        taken, problems = self.database.gather(self.site.outcomes, self.site.curves,
                                               self.finished)
        self.finished.update(taken)
        self.noted.update(problems)
        return len(taken)

    def look(self):
        """One look at the files and at the queue. Returns (runs finished since the last one,
        {state: tasks}, None), or why the queue does not answer in the third place."""
        found, why = slurm_queue.in_queue(self.id)
        count = self._gather()
        if why is not None:
            return count, {}, why
        states, arrays = found
        for submission, array in arrays.items():
            self.database.name_array(submission, array)
        gone = self._gone(states)
        for place, array in self.database.leave_queue(gone).items():
            self._left_over(place, array)
        return count, collections.Counter(states[place] for place in self.live
                                          if place in states), None


# ---- the driver

class Sight:
    """The progress line, and the time left by how fast runs were finished so far."""

    def __init__(self, count):
        self.progress = Progress(count)
        self.start = time.monotonic()

    def show(self, finished, states, why):
        self.progress.done += finished - 1
        if why is not None:
            self.progress.step(f"the queue does not answer: {why}")
            return
        running = states.pop("RUNNING", 0)
        text = f"{running} tasks running, {sum(states.values())} waiting"
        if self.progress.done > 0:
            spent = time.monotonic() - self.start
            left = spent * (self.progress.total / (self.progress.done + 1) - 1)
            text += f", about {duration(left)} left"
        self.progress.step(text)


def do(runs, site, database, options):
    """Does these runs, and leaves the rest to the database."""
    cluster = Cluster(site, database, options)
    cluster.waiting = tasks_of(cluster.adopt(runs), options.task_seconds, cluster.estimate)
    sight, refused = Sight(len(runs)), 0
    with sight.progress:
        while cluster.waiting or cluster.live:
            why = cluster.submit()
            refused = refused + 1 if why is not None and not cluster.live else 0
            if refused == TRIES_OF_SBATCH:
                raise Refusal(f"sbatch: {why}")
            time.sleep(options.poll)
            if cancelled(site.folder):
                raise KeyboardInterrupt
            sight.show(*cluster.look())
    if site.stage:
        clean(site, database, options)


def clean(site, database, options):
    """Has each node that may have copies of traces remove them. One that is dead does it when it
    is back."""
    path = os.path.join(site.folder, "tasks", "clean.json")
    with written_aside(path) as out:
        out.write(json.dumps({"site": dataclasses.asdict(site)}).encode())
    words = ("/usr/bin/python3", "-B", os.path.join(machine.HERE, "analysis", "sweep"), "task",
             "--clean", path)
    for host in staged_on(site):
        _, why = slurm_queue.command(
            "sbatch", *shlex.split(options.sbatch), f"--nodelist={host}",
            f"--job-name={slurm_queue.name_of(database.get('id'), 0)}",
            f"--output={os.path.join(site.folder, 'logs', f'clean-{host}.log')}",
            text=f"#!/bin/sh\nexec {shlex.join(words)}\n")
        if why is not None:
            print(f"{site.stage} stays on {host}: sbatch: {why}", file=sys.stderr)
