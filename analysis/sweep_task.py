"""What does the runs of a sweep, on whatever node: each leaves a file, written whole, with what
it found and where it ran.

A worker is a process of its own that the engine on one machine feeds through a pipe. When the
process that feeds it is gone, by whatever signal, it ends the run under way and itself. A task of
a cluster does a list of runs in its own process, one after the other."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import queue
import shutil
import signal
import socket
import tempfile
import threading
import time

import machine
import measure
from common import Refusal, interrupted, line_of, utc_now, written_aside
from jobs import KINDS, better
from sweep_records import read_record, without_curves
from sweep_traces import Traces

NOTE_NO_WORKER = "its worker process was killed"
END_SECONDS = 10  # that a worker has to clean up before it is killed


@dataclasses.dataclass(frozen=True)
class Site:
    """Where a sweep is done: folders that all nodes see, and what they do there."""
    folder: str             # of the sweep
    engine: str
    curves: bool            # keep what plots are drawn from
    generate: str = None    # capture/generate
    stage: str = None       # a folder on each node's own disk for traces
    programs: dict = None   # sha256 of executables when the sweep was planned, by path

    @property
    def outcomes(self):
        return os.path.join(self.folder, "done")

    def traces(self):
        return Traces(os.path.join(self.folder, "traces"), self.stage, self.generate)


def pin():
    """Keeps this process, and all that it starts, to one of its processors: the last, as
    interrupts mostly come to the first. Returns (it, those it had)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    return max(before), before


def slim(outcome):
    """As much of an outcome as a schedule has to know."""
    parts = outcome.get("summary") or {}
    found = {"summary": {name: {"probe_ns": parts[name]["probe_ns"]}
                         for name in ("replay", "latency")
                         if parts.get(name) and "probe_ns" in parts[name]}}
    if "failure" in outcome:
        found["failure"] = outcome["failure"]
    return found


def as_kept(outcome, run, path):
    """An outcome without what is nobody's business later, where the trace lay, and without what
    means nothing: times that were taken beside other runs."""
    if "failure" in outcome:
        why = outcome["failure"]
        outcome["failure"] = type(why)(why.replace(path, run.trace))
    if outcome.get("summary"):
        outcome["summary"]["trace"] = run.trace
        if not run.timed:
            outcome["summary"].update(dict.fromkeys(("replay", "latency", "timer")), worst=[])
    return outcome


class TaskStore:
    """A store for jobs.KINDS and for a Schedule, over files in a folder."""

    def __init__(self, site, under_way=None):
        """`under_way`: a file for the key of the run that is being made."""
        self.site, self.under_way = site, under_way
        self.traces = site.traces()
        self.hashes = {}  # of executables, by what changes when one does
        host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        self.node = dict(machine.describe_machine(), host=host,
                         engine=site.engine, slurm_job=os.environ.get("SLURM_JOB_ID"))
        os.makedirs(site.outcomes, exist_ok=True)

    def _path(self, run, ending):
        return os.path.join(self.site.outcomes, run.key + ending)

    def picture(self, run):
        return self._path(run, ".heapmap") if self.site.curves else None

    def _keep(self, run, outcome, **where):
        if isinstance(outcome.get("failure"), measure.Passing):
            outcome = dict(outcome, passing=True)
        if not self.site.curves:
            outcome = without_curves(outcome)
        with written_aside(self._path(run, ".json")) as out:
            out.write(json.dumps({"key": run.key, "outcome": outcome,
                                  "where": dict(self.node, **where)}).encode())

    def get(self, run):
        """Of a task that was started again."""
        record = read_record(self._path(run, ".json"), run.key)
        return dict(slim(record["outcome"]), settled=True) if record else None

    def run(self, run, before=None):
        if self.under_way is not None:
            with written_aside(self.under_way) as out:
                out.write(run.key.encode())
        started, start = utc_now(), time.monotonic()
        cpu, all_cpus = pin() if run.timed else (None, None)
        try:
            outcome, sha256 = self._do(run)
        finally:
            if all_cpus:
                os.sched_setaffinity(0, all_cpus)
        passing = isinstance(outcome.get("failure"), measure.Passing)
        if not better(outcome, before) or before is not None and passing:
            return before
        self._keep(run, outcome, pinned_cpu=cpu, seconds=time.monotonic() - start,
                   started=started, trace_sha256=sha256)
        return slim(outcome)

    def _check_program(self, path):
        """Nobody has built another one in the meantime."""
        expected = (self.site.programs or {}).get(path)
        if expected is not None:
            found = os.stat(path)
            state = path, found.st_ino, found.st_size, found.st_mtime_ns
            if state not in self.hashes:
                self.hashes[state] = measure.sha256_of(path)
            if self.hashes[state] != expected:
                raise Refusal(f"{path}: changed since the sweep was planned")

    def _do(self, run):
        """(outcome, sha256 of the trace). A trace or a disk that is at fault is this run's
        trouble, others may go on."""
        try:
            self._check_program(run.program)
            job = dataclasses.replace(
                run, trace=self.traces.path_of(run.source, run.trace_sha256))
            with tempfile.TemporaryDirectory(prefix="kma-sweep-") as scratch:
                outcome = KINDS[run.kind].run(job, scratch, self)
            outcome = as_kept(outcome, run, job.trace)
            sha256 = self.traces.sha256_of(run.source)
            if run.trace_sha256 not in (None, sha256):
                raise Refusal(f"{run.source.path}: changed while it was replayed")
            return outcome, sha256
        except Refusal as refusal:
            return {"failure": measure.Passing(refusal)}, None
        except OSError as problem:
            return {"failure": measure.Passing(line_of(problem))}, None

    def settle(self, run, outcome):
        """A run that was not made since another turn of its failed has that one's outcome."""
        if not os.path.exists(self._path(run, ".json")):
            self._keep(run, outcome)


# ---- worker processes

def _listen(connection, tasks):
    """Ends this process when the other end of the pipe is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            tasks.put(connection.recv())
    measure.children.stop()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def work(connection, site, scratch):
    """What a worker process does: runs come through the pipe, what is found goes back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for who feeds it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.setpgrp()  # whatever it starts can be killed with it
    tempfile.tempdir = scratch
    with contextlib.suppress(KeyboardInterrupt, OSError):
        signal.signal(signal.SIGTERM, interrupted)
        tasks = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
        store = TaskStore(site)
        while True:
            run, before = tasks.get()
            try:
                reply = store.run(run, before), None
            except Exception as problem:  # pylint: disable=broad-except
                reply = None, problem
            connection.send(reply)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    shutil.rmtree(scratch, ignore_errors=True)  # whoever fed it may be gone


class Workers:
    """Processes that do runs, each one at a time. run() is called from several threads."""

    def __init__(self, site, count):
        self.site = site
        self.context = multiprocessing.get_context("spawn")  # no worker holds another's pipe
        self.free = queue.SimpleQueue()
        self.processes = {}
        self.scratch = tempfile.mkdtemp(prefix="kma-sweep-")
        try:
            for _ in range(count):
                self._start()
        except BaseException:
            self.__exit__()
            raise

    def _start(self):
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, daemon=True,
                                       args=(theirs, self.site, self.scratch))
        # Until it ignores a terminal's interrupt itself.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        with measure.children.lock:
            measure.children.running.add(process)  # an interrupted script leaves none behind
        self.processes[ours] = process
        self.free.put(ours)

    def run(self, run, before=None):
        connection = self.free.get()
        try:
            connection.send((run, before))
            found, problem = connection.recv()
        except (EOFError, OSError):
            self._replace(connection)
            return {"failure": measure.Passing(NOTE_NO_WORKER)}
        self.free.put(connection)
        if problem is not None:
            raise problem
        return found

    def _replace(self, connection):
        if measure.children.stopped:
            self.free.put(connection)
            raise KeyboardInterrupt
        self._end(connection)
        self._start()

    def _end(self, connection):
        process = self.processes.pop(connection)
        connection.close()
        process.terminate()
        process.join(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        with measure.children.lock:
            measure.children.running.discard(process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in list(self.processes):
            self._end(connection)
        shutil.rmtree(self.scratch, ignore_errors=True)  # also of workers that were killed
