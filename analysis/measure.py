"""Running an executable kma_<algorithm> on a trace, and what is said when it fails."""

import contextlib
import dataclasses
import glob
import hashlib
import json
import os
import signal
import subprocess
import threading

import machine
from common import EXIT_REFUSED, Refusal

LONGEST_RUN = 900  # seconds; an algorithm that loops for ever is a failed one

# Room for a page a request on most traces; the pool is address space only.
MAX_PAGES = 65536

# What a row is about: an algorithm of this suite; an allocator beside it, through kma_libc;
# what no allocator can go below; the allocator that served the events when they were
# recorded.
ALGORITHM, REFERENCE, BOUND, RECORDED = "algorithm", "reference", "bound", "recorded"

IDEAL, LINUX = "ideal", "linux"  # the names of the last two
RECORDED_NOTE = ("linux: Linux's own allocator, what its size rounding spent, from the "
                 "recording: pages and free objects of its slabs not counted.")

# Words for the traces that come with kma.
SHIPPED = {"standard": "testsuite/[0-9].trace", "real": "testsuite/real/*.ktr"}


@dataclasses.dataclass
class Row:
    """One algorithm on one trace: the driver's summary, or why there is none."""
    algorithm: str
    trace: str
    summary: dict = None
    failure: str = None
    kind: str = ALGORITHM
    page_size: int = None
    instructions: dict = None
    instructions_failure: str = None
    worst: list = dataclasses.field(default_factory=list)


def executable(folder, algorithm):
    return os.path.join(folder, f"kma_{algorithm}")


def trace_name(path):
    return os.path.basename(path).removesuffix(".ktr")


def _shipped(word):
    found = sorted(glob.glob(os.path.join(machine.HERE, SHIPPED[word])))
    return [os.path.relpath(path) for path in found]


def trace_files(words):
    """Files, with those that come with kma in place of `standard` and of `real`."""
    found = []
    for word in words:
        files = _shipped(word) if word in SHIPPED else [word]
        if not files:
            raise Refusal(f"{SHIPPED[word]}: no such traces")
        found += files
    return list(dict.fromkeys(found))


def all_shipped():
    return [path for word in SHIPPED for path in _shipped(word)]


def check_traces(paths):
    """A trace that is not there is the user's mistake, not a failure of everybody's."""
    for path in paths:
        if not os.path.isfile(path):
            raise Refusal(f"{path}: no such trace")
    if len(set(map(trace_name, paths))) < len(paths):
        raise Refusal("two traces have the same name")


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


class Children:
    """The processes under way, so that an interrupted script leaves none behind."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False

    def run(self, command, timeout=LONGEST_RUN, preload=None, **settings):
        """Like subprocess.run, with captured output and no input."""
        environment = dict(os.environ, LD_PRELOAD=preload) if preload else None
        with self.lock:
            if self.stopped:
                raise KeyboardInterrupt
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     **settings)
            self.running.add(child)
        try:
            output, complaints = child.communicate(timeout=timeout)
        finally:
            if child.poll() is None:
                child.kill()
                child.communicate()
            with self.lock:
                self.running.discard(child)
        if self.stopped:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(command, child.returncode, output, complaints)

    def stop(self):
        with self.lock:
            self.stopped = True
            for child in self.running:
                with contextlib.suppress(OSError):
                    child.terminate()


children = Children()


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _why(finished):
    if finished.returncode < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-finished.returncode).name}"
    said = _last_line(finished.stderr.decode("utf-8", "replace"))
    return said or f"exit status {finished.returncode}"


# A user, a queue or a kernel out of memory sends these; an allocator does not come to them.
FROM_OUTSIDE = (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP)


class Passing(str):
    """Why a run failed that says nothing about the allocator: it may do better next time."""


def launch(program, arguments, timeout=LONGEST_RUN, preload=None):
    """Returns None, or why the run failed. The trace is the last of the arguments."""
    try:
        finished = children.run([os.path.abspath(program), *arguments], timeout, preload)
    except FileNotFoundError:
        return Passing(f"{os.path.basename(program)} is not built")
    except OSError as problem:
        return Passing(f"{os.path.basename(program)}: {problem.strerror}")
    except subprocess.TimeoutExpired:
        return f"no end after {timeout} s"
    if finished.returncode == 0:
        return None
    why = _why(finished)
    if -finished.returncode in FROM_OUTSIDE:
        return Passing(why)
    if finished.returncode != EXIT_REFUSED:
        return why
    if why.startswith(f"{arguments[-1]}:"):
        raise Refusal(why)  # the trace is no trace, for whatever allocator
    return Passing(why)


def run(program, trace, options, json_path, timeout=LONGEST_RUN, preload=None):
    """Return (summary, None) or (None, why it failed)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(json_path)
    failure = launch(program, [*options, "--json", json_path, trace], timeout, preload)
    if failure is not None:
        return None, failure
    try:
        with open(json_path, encoding="utf-8") as file:
            return json.load(file), None
    except (OSError, ValueError):
        return None, "it says PASS but left no summary"


def relative_names(summary, algorithm, trace):
    """Where files lay when the figures were taken is nobody's business later."""
    summary.pop("program", None)
    summary["algorithm"] = algorithm
    summary["trace"] = trace_name(trace)
    return summary
