"""A sweep on a cluster, played through: what its driver does and how busy the cores are.

The driver is a loop: it submits as many tasks as there is room for in the queue, waits, asks the
queue and takes in what finished runs left. Each of these costs time, as it was measured. Tasks
begin when a core is free, in the order they were submitted.
"""

import collections
import dataclasses
import heapq
import itertools

from sweep_slurm import LOOKS_BEFORE_GONE, room_for


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds that the driver takes for each of these."""
    sbatch: float           # a call
    squeue: float           # a call
    squeue_line: float      # and for each task in the queue
    task: float             # its list written, its place in the database
    task_left: float        # its place in the database, once it has left the queue
    run: float              # its outcome taken in
    run_known: float = 0    # at each look, for each run that is finished
    mark: float = 0         # at each look, for each outcome whose file is still there


@dataclasses.dataclass(frozen=True)
class Cluster:
    cores: int
    queue: int      # tasks in the queue at once
    array: int      # tasks in an array
    poll: float     # seconds


@dataclasses.dataclass
class Found:
    seconds: float = 0          # until all was taken in
    busy: float = 0             # of all cores together
    driver: float = 0           # seconds that the driver was at work
    taken_in: list = dataclasses.field(default_factory=list)  # numbers of runs
    sbatch_calls: int = 0
    looks: int = 0
    squeue_lines: int = 0
    most_lines: int = 0         # of one look
    longest_look: float = 0     # from one look to the next


class _Play:
    """`tasks`: lists of seconds, one for each of a task's runs."""

    def __init__(self, tasks, cluster, costs):
        self.tasks, self.cluster, self.costs = tasks, cluster, costs
        self.first = list(itertools.accumulate(map(len, tasks), initial=0))
        self.found = Found()
        self.now = 0.0
        self.unsubmitted = 0                # the first task that is
        self.pending = collections.deque()  # in the queue, not begun: (task, when it came)
        self.free = cluster.cores
        self.ends = []                      # heap of (when, task, number of the run in it)
        self.in_queue = set()               # as Slurm has it
        self.live = {}                      # as the driver has it: {task: looks without it}
        self.finished = []                  # runs that left a file since the last look
        self.marks = 0

    def play(self):
        while self.unsubmitted < len(self.tasks) or self.live:
            begin = self.now
            self._spend(self._submit())
            self._pass(self.cluster.poll)
            self._spend(self._look())
            self.found.longest_look = max(self.found.longest_look, self.now - begin)
        self.found.seconds = self.now
        return self.found

    # ---- the cluster

    def _begin(self, task, when):
        self.free -= 1
        heapq.heappush(self.ends, (when + self.tasks[task][0], task, 0))

    def _pass(self, seconds):
        """So long nothing but the tasks goes on."""
        self.now += seconds
        while self.ends and self.ends[0][0] <= self.now:
            when, task, number = heapq.heappop(self.ends)
            self.found.busy += self.tasks[task][number]
            self.finished.append(self.first[task] + number)
            if number + 1 < len(self.tasks[task]):
                heapq.heappush(self.ends, (when + self.tasks[task][number + 1], task,
                                           number + 1))
                continue
            self.in_queue.discard(task)
            self.free += 1
            if self.pending:
                self._begin(self.pending.popleft(), when)

    # ---- the driver

    def _spend(self, seconds):
        self.found.driver += seconds
        self._pass(seconds)

    def _submit(self):
        seconds = 0
        while left := len(self.tasks) - self.unsubmitted:
            count = min(self.cluster.array, left,
                        room_for(left, len(self.live), self.cluster.queue))
            if count == 0:
                break
            for task in range(self.unsubmitted, self.unsubmitted + count):
                self.live[task] = 0
                self.in_queue.add(task)
                if self.free:
                    self._begin(task, self.now)
                else:
                    self.pending.append(task)
            self.unsubmitted += count
            self.found.sbatch_calls += 1
            seconds += self.costs.sbatch + count * self.costs.task
        return seconds

    def _look(self):
        costs, found = self.costs, self.found
        lines = len(self.in_queue)
        found.looks += 1
        found.squeue_lines += lines
        found.most_lines = max(found.most_lines, lines)
        taken, self.finished = self.finished, []
        self.marks += len(taken)
        seconds = (costs.squeue + lines * costs.squeue_line + len(taken) * costs.run +
                   len(found.taken_in) * costs.run_known + self.marks * costs.mark)
        found.taken_in += taken
        for task in list(self.live):
            self.live[task] = 0 if task in self.in_queue else self.live[task] + 1
            if self.live[task] == LOOKS_BEFORE_GONE:
                del self.live[task]
                self.marks -= len(self.tasks[task])
                seconds += costs.task_left
        return seconds


def play(tasks, cluster, costs):
    return _Play(tasks, cluster, costs).play()


# ---- at how many cores each limit is reached

def limits(tasks, cluster, costs, shared=None, bytes_of_a_run=0):
    """{what: cores that are busy when it is reached}, each for itself, in full swing. `shared`:
    bytes a second that the file system of all nodes takes and gives."""
    runs = sum(map(len, tasks))
    seconds = sum(map(sum, tasks)) / len(tasks)     # of a task
    each = runs / len(tasks)                        # runs of a task
    lines = min(cluster.queue, len(tasks))
    look = (costs.squeue + lines * costs.squeue_line + runs * costs.run_known +
            lines * each * costs.mark)              # at the end, with all but the last known
    gone = LOOKS_BEFORE_GONE * (cluster.poll + look)    # until it is seen that a task has left
    of_a_task = {"outcomes into the database": each * costs.run,
                 "tasks to the queue and back":
                     costs.task + costs.task_left + costs.sbatch / cluster.array}
    if shared:
        of_a_task["bytes of the shared file system"] = each * bytes_of_a_run / shared
    found = {"tasks in the queue (--queue)": cluster.queue * seconds / (seconds + gone),
             "tasks that there are": len(tasks),
             "lines of squeue": max(0, cluster.poll - costs.squeue) / costs.squeue_line
             if costs.squeue_line else None}
    found.update((name, seconds / spent if spent else None) for name, spent in of_a_task.items())
    return {name: cores for name, cores in found.items() if cores is not None}


def first(found):
    return min(found, key=found.get)
