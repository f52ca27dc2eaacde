"""Rows and points of a comparison out of the runs of a sweep's database.

A run is a row of the table `runs`, as a dict. What belongs together is found here; what becomes
of it is plan.row_of's and plan.growth_entry's, as for a comparison that measures.
"""

import collections
import dataclasses
import json
import os
import zlib

import measure
import plan
import results
from common import Refusal, counted, written_aside
from schedule import Calm
from sweep_db import DONE, FAILED
from sweep_jobs import OF_TRACES

OVER_LIVE = ("replay", "total")  # kinds of a point over live blocks
ORDER = (measure.ALGORITHM, measure.REFERENCE, measure.BOUND, measure.RECORDED)


def finished(run):
    return run["state"] in (DONE, FAILED)


class Outcomes:
    """What runs have found, each read when it is asked for."""

    def __init__(self, database):
        self.database = database

    def _found(self, run):
        try:
            outcome, picture = self.database.outcome(run["key"])
            return dict(outcome), picture
        except (TypeError, ValueError, zlib.error):
            raise Refusal(f"{self.database.path}: what {run['key']} has found is damaged"
                          ) from None

    def __getitem__(self, run):
        outcome, picture = self._found(run)
        return {"series": None, "latency": None, **outcome, "host": run["host"],
                "heapmap": f"{os.path.basename(run['key'])}.heapmap" if picture else None}

    def get(self, run, default):
        return default if run is None else self[run]

    def picture(self, run):
        return self._found(run)[1]


class CalmOnEach:
    """Tells runs that had the core for themselves: each host's by its own."""

    def __init__(self, runs):
        hosts = collections.defaultdict(list)
        for run in runs:
            hosts[run["host"]].append({"summary": {
                part: {"probe_ns": run[f"{part}_probe_ns"]} for part in ("replay", "latency")
                if run[f"{part}_probe_ns"] is not None}})
        self.hosts = {host: Calm(outcomes) for host, outcomes in hosts.items()}

    def holds(self, outcome):
        return self.hosts[outcome["host"]].holds(outcome)


# ---- what belongs together

def _by_contestant(runs):
    """{(name, kind): runs}, in the order of a comparison."""
    found = {}
    for run in runs:
        found.setdefault((run["algorithm"], run["contestant"]), []).append(run)
    return dict(sorted(found.items(), key=lambda item: ORDER.index(item[0][1])))


@dataclasses.dataclass
class Workload:
    label: str       # the trace's name, with the limit of pages that the plan sets
    trace: str
    page_size: int
    runs: list


def _label(trace, limit):
    return trace if limit is None else f"{trace}-{counted(limit, 'page').replace(' ', '-')}"


def _own_limits(runs):
    """{(trace, page size): limits that runs have of themselves}, each algorithm its own; one
    that another part of the plan sets to the same is no other."""
    found = collections.defaultdict(set)
    for run in runs:
        if not run["limited"]:
            found[run["trace"], run["page_size"]].add(run["page_limit"])
    return found


def workloads(runs):
    """A trace, a page size and, where the plan says so, a limit of pages: one of each."""
    limits, of_traces, own = {}, collections.defaultdict(list), _own_limits(runs)
    for run in runs:
        place = run["trace"], run["page_size"]
        its = limits.setdefault(place, {})
        if run["kind"] in OF_TRACES:
            of_traces[place].append(run)
        else:
            limit = None if run["page_limit"] in own[place] else run["page_limit"]
            its.setdefault(limit, []).append(run)
    # What is known of a trace without an allocator is so with whatever limit.
    found = [Workload(_label(place[0], limit), *place, its + of_traces[place])
             for place, by_limit in limits.items()
             for limit, its in (by_limit or {None: []}).items()]
    names = collections.Counter((one.label, one.page_size) for one in found)
    for name, count in names.items():
        if count > 1:
            raise Refusal(f"{results.label(*name)}: two traces have this name")
    return found


def _most_passes(runs):
    most = max((run["passes"] for run in runs), default=None)
    return [run for run in runs if run["passes"] == most]


def _jobs(runs, with_instructions):
    """{kind: run or [runs]} of what is finished, for plan.row_of; None without `memory`."""
    kinds = collections.defaultdict(list)
    for run in filter(finished, runs):
        kinds["memory" if run["kind"] in OF_TRACES else run["kind"]].append(run)
    if not kinds["memory"]:
        return None
    jobs = {"memory": kinds["memory"][0], "times": _most_passes(kinds["times"])}
    counts = kinds["instructions"] or kinds["total"]
    if counts and with_instructions:
        jobs["instructions"] = counts[0]
    if kinds["operations"]:
        jobs["operations"] = kinds["operations"][0]
    return jobs


def _keys(jobs):
    return {run["key"] for found in jobs.values()
            for run in (found if isinstance(found, list) else [found])}


# ---- rows

def _row(workload, who, jobs, outcomes, calm):
    row, curves = plan.row_of(plan.Build(workload.page_size, None), workload.label,
                              (*who, None, None), jobs, outcomes, calm)
    if row.summary:
        row.summary["trace"] = row.trace
    return row, curves if curves and curves["series"] else None


def _keep_picture(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with written_aside(path) as out:
        out.write(data)


def rows(found, outcomes, calm, with_instructions, folder):
    """(rows, curves, keys of their runs) of these workloads. Pictures of pages go below the
    folder, where the curves name them."""
    made, curves, used = [], {}, set()
    for workload in found:
        for who, runs in _by_contestant(workload.runs).items():
            jobs = _jobs(runs, with_instructions)
            if jobs is None:
                continue
            row, its = _row(workload, who, jobs, outcomes, calm)
            made.append(row)
            used |= _keys(jobs)
            if its is not None:
                curves[results.key(row)] = its
            if its is not None and its["heapmap"]:
                _keep_picture(os.path.join(folder, its["heapmap"]),
                              outcomes.picture(jobs["memory"]))
    return made, curves, used


# ---- points over live blocks

def of_growth(run):
    source = json.loads(run["source"])
    return run["kind"] in OVER_LIVE and source.get("generator") == "growth"


def _first(runs, *names):
    """Those that agree with the first in this."""
    return [run for run in runs if all(run[name] == runs[0][name] for name in names)]


def growth(runs, outcomes):
    """(points, keys of their runs). There is one for a contestant and a number of live blocks:
    of several seeds, page sizes and limits the plan's first."""
    by_live = {}
    for run in runs:
        by_live.setdefault(json.loads(run["source"])["settings"]["live"], []).append(run)
    points, used = [], set()
    for live, its in by_live.items():
        for who, members in _by_contestant(_first(its, "seed", "page_size")).items():
            done = [run for run in _first(members, "page_limit") if finished(run)]
            jobs = {"replay": _most_passes([run for run in done if run["kind"] == "replay"]),
                    **{"total": run for run in done if run["kind"] == "total"}}
            if jobs["replay"]:
                points.append(plan.growth_entry(live, who, jobs, outcomes))
                used |= _keys(jobs)
    return points, used
