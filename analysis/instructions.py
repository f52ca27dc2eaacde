"""Instructions of each kma_malloc and kma_free, counted by valgrind's callgrind.

Times differ from run to run; these counts do not. They depend on the compiler, and a
little on the processor, for which the C library picks its memset.

Callgrind adds up what is executed within the two functions and writes a profile, a
"part", whenever one returns. Of a part only the function and the sum are of use. There is
a part a call, hundreds of bytes each, so they come through a named pipe and are never on
a disk. The driver's --operations says which events have a call at all, in the same order.
"""

import collections
import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

import ktr
import measure
from rank_test import doubled_ranks

# Two options for one function are both heeded only if no other function's name was
# given in between that begins like it (valgrind 3.19): hence the question mark.
EACH_CALL = ["--toggle-collect=kma_malloc", "--dump-after=kma_malloc",
             "--toggle-collect=?ma_free", "--dump-after=?ma_free", "--combine-dumps=yes"]
# Collecting is turned over on the way in and on the way out: these cost nothing then.
NO_PAGES = ["--toggle-collect=get_page", "--toggle-collect=free_page"]
ALL_CALLS = ["--toggle-collect=kma_malloc", "--toggle-collect=kma_free"]

# A part costs time for all code that was ever executed, most of it to start the program.
# The driver says when the replay starts, where it was built with valgrind's header.
WHEN_TOLD = "--instr-atstart=no"

PART = re.compile(rb"Trigger: --dump-after=kma_(malloc|free)\n(?:.*\n){1,9}?summary: (\d+)\n")
LONGEST_PART_HEAD = 1000

PIPE_BYTES = 1 << 20
PAUSE = 0.02  # seconds; callgrind writes in small pieces, so let some gather

COMMANDS = {"malloc": "REQUEST", "free": "FREE"}

NO_VALGRIND = measure.Passing("valgrind is not installed (analysis/need valgrind)")


NO_FIGURES = {"count": 0, "mean": None, "p50": None, "worst": None, "worst_event": None,
              "worst_size": None, "worst_line": None}

# The event is counted from 0; pages are those got, less those given back.
Call = collections.namedtuple("Call", "event command size pages")


@dataclasses.dataclass
class Counts:
    per_event: list  # None where the event has no call
    calls: list      # of Call, in order
    compact: bool = False  # the trace is: its events have numbers, but no lines

    def figures(self):
        return {name: self._figures([call for call in self.calls if call.command == command])
                for name, command in COMMANDS.items()}

    def _figures(self, calls):
        if not calls:
            return NO_FIGURES
        counts = sorted(self.per_event[call.event] for call in calls)
        worst = max(calls, key=lambda call: self.per_event[call.event])  # the first of them
        return {"count": len(calls), "mean": sum(counts) / len(calls),
                "p50": counts[(len(counts) - 1) // 2], "worst": counts[-1],
                "worst_event": worst.event + 1, "worst_size": worst.size,
                "worst_line": None if self.compact else worst.event + 2}


class PartReader(threading.Thread):
    """Picks (function, instructions) from what callgrind writes to a named pipe."""

    def __init__(self, path):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.parts = []
        self.reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.reading, True)
        # Callgrind opens the file anew for every part; our own end keeps it from ending.
        self.writing = os.open(path, os.O_WRONLY)
        with contextlib.suppress(OSError):  # a larger pipe is welcome, not needed
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def run(self):
        rest = b""
        while data := os.read(self.reading, PIPE_BYTES):
            rest = self._take(rest + data)
            time.sleep(PAUSE)

    def _take(self, data):
        end = 0
        for part in PART.finditer(data):
            self.parts.append((part[1].decode(), int(part[2])))
            end = part.end()
        return data[max(end, len(data) - LONGEST_PART_HEAD):]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        os.close(self.writing)
        self.join()
        os.close(self.reading)


def without_debug_information(program, folder):
    """A copy for callgrind, which else tells source lines apart and takes twice as long."""
    copy = os.path.join(folder, os.path.basename(program))
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(["strip", "-g", "-o", copy, program], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True)
        return copy
    return program


def callgrind(program, trace, out, options, preload, max_pages, limit=measure.LONGEST_RUN):
    """Returns None, or why there are no counts."""
    if shutil.which("valgrind") is None:
        return NO_VALGRIND
    # Bound late, the first call of a function of the C library would count the linker's work.
    return measure.launch("/usr/bin/env", [
        "LD_BIND_NOW=1", "valgrind", "--tool=callgrind", "--command-line-only=yes", "-q",
        f"--log-file={os.devnull}", f"--callgrind-out-file={out}", "--dump-line=no", *options,
        program, "--calls-only", "--max-pages", str(max_pages), trace], limit, preload)


def calls_of(program, trace, folder, preload, max_pages):
    """(the calls that the replay makes, None) or (None, why it makes none)."""
    path = os.path.join(folder, "operations")
    failure = measure.launch(program, ["--competition", "--operations", path,
                                       "--max-pages", str(max_pages), trace], preload=preload)
    if failure is not None:
        return None, failure
    with open(path, encoding="ascii") as file:
        words = (line.split(maxsplit=5) for line in file)
        return [Call(int(index) - 1, command, int(size), int(got) - int(freed))
                for index, command, size, got, freed, _ in words], None


def _parts(program, trace, folder, options, preload, max_pages, limit):
    with PartReader(os.path.join(folder, "parts")) as reader:
        failure = callgrind(program, trace, os.path.join(folder, "parts"), options, preload,
                            max_pages, limit)
    os.unlink(os.path.join(folder, "parts"))
    return reader.parts, failure


def count(program, trace, scratch, preload=None, max_pages=measure.MAX_PAGES, pages=True,
          limit=measure.LONGEST_RUN):
    """Returns (Counts, None) or (None, why there are none). Without `pages`, what get_page and
    free_page take is left out."""
    each_call = EACH_CALL if pages else EACH_CALL + NO_PAGES
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        calls, failure = calls_of(program, trace, folder, preload, max_pages)
        if failure is not None:
            return None, failure
        run = (without_debug_information(program, folder), trace, folder)
        parts, failure = _parts(*run, [*each_call, WHEN_TOLD], preload, max_pages, limit)
        if failure is None and calls and not parts:
            parts, failure = _parts(*run, each_call, preload, max_pages, limit)
    if failure is not None:
        return None, failure
    # Behind those of the trace come the frees of what it left.
    if [COMMANDS[name] for name, _ in parts[:len(calls)]] != [call.command for call in calls]:
        return None, f"callgrind saw {len(parts)} calls, other ones than the {len(calls)} made"
    about = ktr.facts(trace)
    per_event = [None] * about.events
    for call, (_, instructions) in zip(calls, parts):
        per_event[call.event] = instructions
    return Counts(per_event, calls, about.compact), None


def _of_functions(path):
    """Of callgrind's file {"malloc": (instructions, calls), "free": ...}. `fn=(7) name` names
    7, later `cfn=(7)` is enough; `calls=N` follows, and a line with what they cost."""
    names, callee, found = {}, None, {name: [0, 0] for name in COMMANDS}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("fn=", "cfn=")):
                number, _, name = line.partition("=")[2].strip().partition(" ")
                callee = names.setdefault(number, name)
            elif line.startswith("calls=") and callee in ("kma_malloc", "kma_free"):
                sums = found[callee.removeprefix("kma_")]
                sums[0] += int(next(file).split()[1])
                sums[1] += int(line[len("calls="):].split()[0])
    return found


def totals(program, trace, scratch, preload=None, max_pages=measure.MAX_PAGES,
           limit=measure.LONGEST_RUN):
    """({"malloc": [instructions, calls], "free": ...}, None) or (None, why). It takes a tenth
    of the time of count(). Frees of what the trace leaves are among them."""
    if not os.path.exists(program):
        return None, f"{os.path.basename(program)} is not built"
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        profile = os.path.join(folder, "profile")
        failure = callgrind(without_debug_information(program, folder), trace, profile,
                            ALL_CALLS, preload, max_pages, limit)
        if failure is not None:
            return None, failure
        return _of_functions(profile), None


def total(program, trace, scratch, preload=None, max_pages=measure.MAX_PAGES):
    """((instructions of all calls, calls), None) or (None, why)."""
    found, failure = totals(program, trace, scratch, preload, max_pages)
    return (tuple(map(sum, zip(*found.values()))), None) if found else (None, failure)


def mean_figures(sums):
    """The figures of Counts as far as the sums of totals() give them."""
    return {name: dict(NO_FIGURES, count=calls,
                       mean=instructions / calls if calls else None)
            for name, (instructions, calls) in sums.items()}


def _ranks(values):
    """From 1; equal values share the mean of their ranks."""
    ordered = sorted(values)
    doubled = dict(zip(ordered, doubled_ranks(ordered)))
    return [doubled[value] / 2 for value in values]


def rank_correlation(xs, ys):
    """Spearman's, with equal values; None when there is nothing to tell from. A pair with
    a None counts for nothing."""
    pairs = [(x, y) for x, y in zip(xs, ys) if x is not None and y is not None]
    if len(pairs) < 3:
        return None
    xs, ys = (_ranks(values) for values in zip(*pairs))
    middle = (len(pairs) + 1) / 2
    spread = [sum((rank - middle) ** 2 for rank in ranks) for ranks in (xs, ys)]
    if 0 in spread:
        return None
    together = sum((x - middle) * (y - middle) for x, y in zip(xs, ys))
    return together / (spread[0] * spread[1]) ** 0.5
