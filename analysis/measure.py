"""Running an executable kma_<algorithm> on a trace, and keeping what came of it."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess

from common import Refusal, written_aside

LONGEST_RUN = 900  # seconds; an algorithm that loops for ever is a failed one

# Room for a page a request on all traces shipped; the pool is address space only.
MAX_PAGES = 65536

RESULTS_FORMAT = 1


@dataclasses.dataclass
class Row:
    """One algorithm on one trace: the driver's summary, or why there is none."""
    algorithm: str
    trace: str
    summary: dict = None
    failure: str = None


def executable(folder, algorithm):
    return os.path.join(folder, f"kma_{algorithm}")


def trace_name(path):
    return os.path.basename(path)


def check_traces(paths):
    """A trace that is not there is the user's mistake, not a failure of everybody's."""
    for path in paths:
        if not os.path.isfile(path):
            raise Refusal(f"{path}: no such trace")
    if len(set(map(trace_name, paths))) < len(paths):
        raise Refusal("two traces have the same name")


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _why(finished):
    if finished.returncode < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-finished.returncode).name}"
    said = _last_line(finished.stderr.decode("utf-8", "replace"))
    return said or f"exit status {finished.returncode}"


def run(program, trace, options, json_path, timeout=LONGEST_RUN):
    """Return (summary, None) or (None, why it failed). A bare name is no program."""
    command = [os.path.abspath(program), *options, "--json", json_path, trace]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(json_path)
    try:
        finished = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=timeout,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        return None, f"{os.path.basename(program)} is not built"
    except OSError as problem:
        return None, f"{os.path.basename(program)}: {problem.strerror}"
    except subprocess.TimeoutExpired:
        return None, f"no end after {timeout} s"
    if finished.returncode != 0:
        return None, _why(finished)
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


def save_results(path, rows):
    results = {"format": RESULTS_FORMAT, "rows": [dataclasses.asdict(row) for row in rows]}
    with written_aside(path) as out:
        out.write((json.dumps(results, indent=1) + "\n").encode())


def load_results(path):
    try:
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
        if results["format"] != RESULTS_FORMAT:
            raise Refusal(f"{path}: results of another format, run analysis/analyze again")
        return [Row(**row) for row in results["rows"]]
    except (ValueError, KeyError, TypeError):
        raise Refusal(f"{path}: these are no results of analysis/analyze") from None
