"""The results of a comparison from a sweep's database, as if analysis/compare had measured.

A row is a trace, a page size and a contestant with a run of `memory`, and all that the sweep did
beside it. A limit of pages that the plan sets stands in the trace's name: `5.trace-500-pages`.
Runs of `replay` and `total` on traces of the generator `growth` are points over live blocks. What
is not finished is left out, and the notes say how much that is.
"""

import collections
import contextlib
import dataclasses
import json
import os
import tempfile
import tomllib
import types

import ktr
import measure
import plan
import results
import sweep_folder
import sweep_rows
import sweep_settings
import sweep_traces
from common import Refusal, counted
from sweep_db import DONE, FAILED, Database


@dataclasses.dataclass(frozen=True)
class Part:
    """How much of a sweep is wanted, as options of analysis/compare say it; None: all."""
    algorithms: list = None
    traces: list = None  # names, or files
    references: bool = True
    instructions: bool = True
    growth: bool = True


# ---- the database

def database_of(word):
    """The path of the database that a user means: it itself, a sweep's folder or a plan."""
    if os.path.isfile(word) and not word.endswith(".toml"):
        return word
    return sweep_folder.database_of(sweep_folder.named(word))


def is_sweep(word):
    """A folder that also has results is a results folder."""
    if os.path.isdir(word):
        return (os.path.isfile(sweep_folder.database_of(word)) and
                not os.path.exists(os.path.join(word, "results.json")))
    return os.path.isfile(word)


def check_apart(word, out):
    """A sweep's folder is the sweep's alone."""
    if os.path.realpath(os.path.dirname(database_of(word)) or ".") == os.path.realpath(out):
        raise Refusal(f"{out}: this is the sweep's own folder, results go into another")


# ---- what is told of all

def machine_of(runs, otherwise):
    """As in results.json; of several hosts what they have together."""
    hosts = {(run["host"], run["cpu"]): run for run in runs if run["host"]}
    if not hosts:
        return otherwise
    if len(hosts) == 1:
        run, = hosts.values()
        return {name: run[name] for name in ("cpu", "cores", "memory_bytes", "kernel")}
    models = collections.Counter(cpu for _, cpu in hosts)
    memory = [run["memory_bytes"] for run in hosts.values()]
    told = ", ".join(f"{count} x {cpu}" for cpu, count in models.items())
    return {"cpu": f"{len(hosts)} hosts: {told}; together",
            "cores": sum(run["cores"] for run in hosts.values()),
            "memory_bytes": None if None in memory else sum(memory),
            "kernel": "; ".join(dict.fromkeys(run["kernel"] for run in hosts.values()))}


def _facts(run):
    """Of its trace; where the file is gone or another by now, what the runs tell."""
    source = sweep_traces.from_json(json.loads(run["source"]))
    with contextlib.suppress(OSError):
        if source.path is None or measure.sha256_of(source.path) == run["trace_sha256"]:
            return sweep_traces.facts(source)
    return ktr.Facts(source.path.endswith(".ktr"), {}, run["events"] or 0)


def _traces(workloads, rows):
    """What is known of the traces of these rows."""
    shown, known, found = {row.trace for row in rows}, {}, {}
    for one in workloads:
        if one.label in shown:
            run = next((run for run in one.runs if run["events"] is not None), one.runs[0])
            if one.trace not in known:
                known[one.trace] = _facts(run)
            found[one.label] = known[one.trace]
    return plan.traces_of(types.SimpleNamespace(facts=found))


def _passes(text):
    """The plan's; where it has several, the fewest."""
    groups = tomllib.loads(text)["runs"]
    timed = [group for group in groups if "times" in group.get("measure", ())] or groups
    return min(group.get("passes", sweep_settings.DEFAULT_PASSES) for group in timed)


def _notes(path, counts, left):
    found, total = [], sum(counts.values())
    missing = total - counts[DONE] - counts[FAILED]
    if missing:
        found.append(f"{path}: {missing} of {counted(total, 'run')} missing, analysis/sweep "
                     "--resume goes on with them")
    if left:
        kinds = ", ".join(dict.fromkeys(run["kind"] for run in left))
        found.append(f"In no row: {counted(len(left), 'run')} ({kinds}), without a run of "
                     "memory beside or with another seed or fewer passes")
    return found


# ---- a part of the sweep

def _check_known(path, what, wanted, known):
    for name in wanted:
        if name not in known:
            raise Refusal(f"{path}: it has no {what} {name}")


def _chosen(path, runs, part):
    """The runs of these algorithms, and of what comes by itself."""
    own = {run["algorithm"] for run in runs if run["contestant"] == measure.ALGORITHM}
    wanted = own if part.algorithms is None else set(part.algorithms)
    _check_known(path, "algorithm", sorted(wanted), own)
    return [run for run in runs if (
        run["algorithm"] in wanted if run["contestant"] == measure.ALGORITHM else
        part.references or run["contestant"] != measure.REFERENCE)]


def _on_traces(path, workloads, part):
    """Those of these traces; a name without a limit means every limit, without a seed every
    seed."""
    if part.traces is None:
        return workloads
    wanted = {measure.trace_name(file) for file in measure.trace_files(part.traces)}
    called = [{one.label, one.trace, one.runs[0]["family"]} for one in workloads]
    _check_known(path, "trace", sorted(wanted), set().union(*called))
    return [one for one, words in zip(workloads, called) if wanted & words]


def _read(database, part, folder):
    path, runs = database.path, _chosen(database.path, database.rows(), part)
    over_live = [run for run in runs if sweep_rows.of_growth(run)] if part.growth else []
    workloads = _on_traces(path, sweep_rows.workloads(runs), part)
    outcomes = sweep_rows.Outcomes(database)
    done = list(filter(sweep_rows.finished, runs))
    rows, curves, used = sweep_rows.rows(workloads, outcomes, sweep_rows.CalmOnEach(done),
                                         part.instructions, folder)
    points, of_points = sweep_rows.growth(over_live, outcomes)
    if not rows and not points:
        raise Refusal(f"{path}: it has no finished run of memory, which a row is made from")
    used |= of_points
    shown = [run for run in done if run["key"] in used]
    timed = [row for row in rows if row.summary and row.summary["latency"]]
    found = {"format": results.FORMAT, "machine": machine_of(
                 shown, json.loads(database.get("machine"))),
             "rows": rows, "traces": _traces(workloads, rows),
             "settings": {"passes": _passes(database.get("plan")),
                          "page_sizes": list(dict.fromkeys(run["page_size"] for run in shown))},
             "correlation": plan.correlations(timed) if any(
                 row.instructions for row in timed) else [],
             "growth": points, "build": json.loads(database.get("build")),
             "date": database.get("started")}
    left = [] if part != Part() else [run for run in done if run["key"] not in used and
                                      run["kind"] not in sweep_rows.OF_TRACES]
    return found, curves, _notes(path, database.counts(), left)


def read(word, folder, part=Part()):
    """(results, curves, notes) of the sweep that a user means by this word. Pictures of pages
    go below the folder, where the curves name them."""
    with Database(database_of(word)) as database:
        return _read(database, part, folder)


@contextlib.contextmanager
def as_folder(word):
    """(a folder with the sweep's results while the block runs, notes)"""
    with tempfile.TemporaryDirectory(prefix="kma-sweep-") as folder:
        found, curves, notes = read(word, folder)
        lacking = [row for row in found["rows"]
                   if row.failure is None and results.key(row) not in curves]
        if lacking:
            raise Refusal(f"{database_of(word)}: no curves of {counted(len(lacking), 'row')}, "
                          "which the page is drawn from; `curves = true` in a plan keeps them")
        results.save(folder, found, curves)
        yield folder, notes
