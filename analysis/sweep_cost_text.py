"""What is said of a sweep's cost: the table and the lines of `analysis/sweep PLAN --dry-run`."""

import collections
import dataclasses

import machine
import slurm_queue
import sweep_slurm
from common import counted
from jobs import KINDS
from measure import Row
from schedule import duration
from sweep_rates import A_FEW
from sweep_trial import LIVE
from tables import MEMORY, Column, text_table

MOST_NAMED = 6  # of a list


@dataclasses.dataclass
class Cells:
    """Of a row of the table."""
    runs: int = 0
    replayed: float = 0
    seconds: float = 0

    def add(self, runs, replayed, seconds):
        self.runs += runs
        self.replayed += replayed
        self.seconds += seconds


def hours(seconds):
    value = seconds / 3600
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.1f}"


def gigabytes(size):
    """Or less: 2.5 GB, 40 MB, 3 kB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            value = size / unit
            return f"{value:,.0f} {name}" if value >= 10 else f"{value:.1f} {name}"
    return counted(round(size), "byte")


def _row(name, cells):
    return Row(name, name, {"runs": f"{cells.runs:,}", "events replayed":
                            f"{cells.replayed:,.0f}", "core hours": hours(cells.seconds)})


def table(parts):
    names = ("runs", "events replayed", "core hours")
    columns = [Column(name, lambda cells, name=name: cells[name], "{}", MEMORY)
               for name in names]
    whole = Cells()
    for cells in parts.values():
        whole.add(cells.runs, cells.replayed, cells.seconds)
    rows = [_row(f"{part} {kind}", cells) for (part, kind), cells in parts.items()]
    return text_table(columns, [*rows, _row("all", whole)], first="[[runs]]")


def spoken(who):
    """Kinds with their algorithms, not too many."""
    found = collections.defaultdict(list)
    for kind, algorithm in sorted(who):
        found[kind].append(algorithm)
    return "; ".join(f"{kind} of {', '.join(names[:MOST_NAMED])}" + (
        f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
        for kind, names in found.items())


def about_rates(rates, folder):
    lines = []
    if len(rates.guessed) < len(rates.per_replayed):
        lines.append("rates: from short runs on this machine, of each algorithm for each kind of "
                     f"run, with {LIVE:,} live blocks{_more_live(rates)}")
    if rates.finished:
        lines.append(f"rates corrected by {counted(sum(rates.finished.values()), 'finished run')} "
                     f"in {folder}: {spoken({place[:2] for place in rates.finished})}")
    if rates.guessed:
        lines.append(f"could not be measured, taken to be as fast as others of its kind: "
                     f"{spoken(rates.guessed)}")
    return lines


def _more_live(rates):
    """; also with 10,000 (memory, replay) and with 100,000 (replay)"""
    kinds = collections.defaultdict(set)
    for kind, _, live in rates.measured:
        kinds[live].add(kind)
    said = [f"with {live:,} ({', '.join(sorted(some))})" for live, some in sorted(kinds.items())]
    return "; also " + " and ".join(said) if said else ""


def about_unknown(groups, rates):
    """`groups`: see sweep_cost.alike."""
    beyond = max((its.live for its in groups if its.live is not None and
                  its.live > A_FEW * rates.most_live((its.kind, its.algorithm))), default=0)
    lines = []
    if beyond:
        lines.append("what calls take with many more live blocks than were measured, up to "
                     f"{beyond:,}, but for a line through what was measured")
    if any(its.live is None for its in groups):
        lines.append(f"how many blocks are live in files of text, taken to be {LIVE:,}")
    lines.append("how often timed runs are repeated because the core was shared: they take up to "
                 "half as long again")
    return f"Not known: {'. Nor '.join(lines)}."


def about_time(parts, traces, jobs):
    spent = {timed: sum(cells.seconds for (_, kind), cells in parts.items()
                        if KINDS[kind].timed == timed) for timed in (False, True)}
    here = (spent[False] + traces.seconds - traces.alone) / jobs + traces.alone + spent[True]
    return [f"core hours: {hours(spent[False])} of untimed runs, {hours(spent[True])} of timed "
            f"ones, {hours(traces.seconds)} to make traces",
            f"here: about {duration(here)}, untimed runs {jobs} at a time, timed ones alone"]


def about_cluster(runs, rates, options):
    tasks = sweep_slurm.tasks_of(runs, options.task_seconds, rates)
    most = min(slurm_queue.most_in_array(), options.queue)
    timed = sum(task.timed for task in tasks)
    arrays = sum(-(-count // most) for count in (timed, len(tasks) - timed))
    said = "1 task" if len(tasks) == 1 else f"{len(tasks):,} tasks"
    return (f"on a cluster: {said}, {timed:,} of them timed, with a node for "
            f"itself; {counted(arrays, 'array')} at least, of at most {most:,} tasks each")


def about_bytes(traces, stored, curves, scratch, staged):
    each_node = ", and as much on the disk of each node that has all" if staged else ""
    return [f"traces made: {gigabytes(traces.made)}; of files: {gigabytes(traces.files)}"
            f"{each_node}; read by all runs together: {gigabytes(traces.read)}",
            f"database: {gigabytes(stored[curves])} ({gigabytes(stored[not curves])} "
            f"{'without' if curves else 'with'} curves)",
            f"scratch files of a run: at most {gigabytes(scratch)}"]


def about_memory(found, jobs):
    """What the largest runs take, and a warning where they do not fit."""
    if not found:
        return []
    most, run = max(found.values(), key=lambda pair: pair[0])
    known = "" if run.source.path is None else ", without blocks: how many are live is not known"
    lines = [f"memory of the largest run: {gigabytes(most)} ({run.kind} {run.algorithm} "
             f"{run.trace}{known})"]
    have = machine.describe_machine()["memory_bytes"]
    together = max(most, jobs * found.get(False, (0,))[0])
    if have and together > have:
        what = "that run takes" if most > have else f"{jobs} such runs at a time take"
        lines.append(f"WARNING: {what} more than the memory of this machine, {gigabytes(have)}")
    return lines
