"""Reads what analysis/compare left in a folder; keeps what the page's pictures need.

Whatever does not fit together is refused: a page that mixes two comparisons would look
right and be wrong.
"""

import collections
import dataclasses
import os

import heapmap
import measure
import programs_results
import results
from common import Refusal
from series import BadData, disagreement

MAIN_PAGE_SIZE = 8192

STEPS = 200  # of a distribution of latencies


@dataclasses.dataclass(frozen=True)
class Detail:
    points: int        # of a curve over the trace
    heat_columns: int
    heat_rows: int


# There are many recorded traces, and the page is to stay below 8 MB.
DETAIL, DETAIL_OF_RECORDED = Detail(500, 200, 128), Detail(180, 140, 72)

# One character a cell: the first says that no page is held, the others are fullness.
LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclasses.dataclass
class Run:
    """One trace with pages of one size, and a row for each who took part."""
    trace: str
    page_size: int
    rows: list
    facts: dict = dataclasses.field(default_factory=dict)  # as in results.json

    @property
    def recorded(self):
        return self.facts.get("recorded", False)

    @property
    def passed(self):
        return [row for row in self.rows if row.failure is None]

    @property
    def contestants(self):
        return [row for row in self.passed if row.kind == measure.ALGORITHM]

    @property
    def events(self):
        return self.passed[0].summary["events"] if self.passed else None


@dataclasses.dataclass
class Comparison:
    results: dict
    curves: dict
    heapmaps: dict
    runs: list
    programs: dict = None  # what analysis/programs has left beside, if it has

    @property
    def main(self):
        """The main trace, with pages of the usual size where they were used."""
        trace = results.main_trace(self.results)
        last = [run for run in self.runs if run.trace == trace]
        return next((run for run in last if run.page_size == MAIN_PAGE_SIZE), last[0])

    @property
    def kinds(self):
        """Of every name, in the order of the rows."""
        found = {row.algorithm: row.kind for row in self.results["rows"]}
        for point in self.results["growth"]:
            found.setdefault(point["algorithm"], point.get("kind", measure.ALGORITHM))
        return {**found, **{name: kind for name, kind in programs_results.kinds(self.programs).items()
                            if name not in found}}


def _foreign(path):
    return Refusal(f"{path}: these are no results of analysis/compare")


def _check_rows(path, found):
    for part in ("machine", "build", "date", "settings", "traces", "correlation", "growth"):
        if part not in found:
            raise _foreign(path)
    rows = found["rows"]
    if not rows:
        raise Refusal(f"{path}: it holds no rows")
    known = {one["trace"] for one in found["traces"]}
    for row in rows:
        if row.trace not in known:
            raise Refusal(f"{path}: {results.key(row)} is of a trace that is not in its list")
    for key, count in collections.Counter(map(results.key, rows)).items():
        if count > 1:
            raise Refusal(f"{path}: {key} is there twice")
    for row in rows:
        if row.failure is None and not row.summary:
            raise Refusal(f"{path}: {results.key(row)} has neither figures nor a failure")


def _check_curve(path, row, run):
    """A curve counts on its own what the summary says: both must be of one run."""
    key = results.key(row)
    try:
        series = results.series_of(run["series"])
        problem = None
        if series.events != row.summary["events"]:
            problem = f"{series.events} events, {row.summary['events']} in results.json"
        elif row.kind == measure.ALGORITHM:
            problem = disagreement(series, row.summary)
        lengths = {len(series.index)}
        for curve in (series.requested, series.paged, series.waste):
            lengths |= {len(curve.low), len(curve.mean), len(curve.high)}
        if len(lengths) != 1:
            problem = "its curves have different lengths"
    except (KeyError, TypeError):
        raise _foreign(path) from None
    if problem:
        raise Refusal(f"{path}: {key} is of another run: {problem}")


def _check_curves(path, rows, curves):
    by_key = {results.key(row): row for row in rows}
    for key in curves:
        if key not in by_key:
            raise Refusal(f"{path}: {key} is not in results.json")
    for key, row in by_key.items():
        if row.failure is None and key in curves:
            _check_curve(path, row, curves[key])
        elif row.failure is None and row.kind == measure.ALGORITHM:
            raise Refusal(f"{path}: it has no curves of {key}, which is in results.json; "
                          "a sweep's plan keeps them by `curves = true`")


def read_heapmap(path):
    """Columns of cells, each None or the fullness per mille, and what they stand for."""
    try:
        found = heapmap.read(path)
    except BadData as problem:
        raise Refusal(f"{path}: {problem}") from None
    return {"pages_per_row": found.pages_per_row, "page_size": found.page_size,
            "index": found.events, "cells": found.cells}


def load_programs(folder):
    path = os.path.join(folder, programs_results.NAME)
    if not os.path.exists(path):
        return None
    found = programs_results.load(path)
    if found["settings"]["quick"]:
        raise Refusal(f"{path}: a quick run, its times say nothing")
    return found


def load(folder):
    path = os.path.join(folder, "results.json")
    found = results.load(path)
    _check_rows(path, found)
    path = os.path.join(folder, "curves.json")
    try:
        curves = results.load_curves(path)
        maps = {key: run["heapmap"] for key, run in curves.items() if run["heapmap"]}
    except (KeyError, TypeError, AttributeError):
        raise _foreign(path) from None
    _check_curves(path, found["rows"], curves)
    heapmaps = {key: read_heapmap(os.path.join(folder, name)) for key, name in maps.items()}
    facts = {one["trace"]: one for one in found["traces"]}
    runs = [Run(trace, page_size, rows, facts[trace])
            for (trace, page_size), rows in results.by_workload(found["rows"]).items()]
    return Comparison(found, curves, heapmaps, runs, load_programs(folder))


# ---- fewer points

def _short(value):
    """Counts stay exact; of a mean, six digits are more than a screen can show."""
    if float(value).is_integer():
        return int(value)
    return float(f"{value:.6g}")


def _together(values, weights, size, take):
    """The first point is the empty start and stays; the others are taken in groups."""
    merged = [take(values[:1], weights[:1])]
    for first in range(1, len(values), size):
        merged.append(take(values[first:first + size], weights[first:first + size]))
    return [_short(value) for value in merged]


def _mean(values, weights):
    return sum(v * w for v, w in zip(values, weights)) / (sum(weights) or 1)


def thin_series(series, points=DETAIL.points):
    """Means stay means and extremes stay extremes."""
    count = len(series["index"])
    size = max(1, -(-(count - 1) // points))
    full = max(count - 2, 0)  # the last slice can be shorter
    weights = [1] + [series["slice_length"]] * full
    if count > 1:
        weights.append(max(1, series["events"] - full * series["slice_length"]))

    def thin(curve):
        return {part: _together(curve[part], weights, size, take)
                for part, take in (("low", lambda values, _: min(values)), ("mean", _mean),
                                   ("high", lambda values, _: max(values)))}

    return {"index": _together(series["index"], weights, size, _mean),
            **{name: thin(series[name]) for name in ("requested", "paged", "waste")}}


def thin_steps(pairs, steps=STEPS):
    """Of a distribution: the slowest calls as they are, of the others an even choice."""
    if len(pairs) > steps:
        tail = range(len(pairs) - steps // 2, len(pairs))
        head = (round(n * tail[0] / (steps // 2)) for n in range(steps // 2))
        pairs = [pairs[n] for n in sorted({*head, *tail})]
    return [[_short(ns) for ns, _ in pairs], [_short(share) for _, share in pairs]]


def _level(values):
    held = [value for value in values if value is not None]
    if not held:
        return LEVELS[0]
    return LEVELS[1 + round(sum(held) / len(held) / 1000 * (len(LEVELS) - 2))]


def thin_heapmap(grid, detail=DETAIL):
    """Columns are moments: some are left out. Rows are pages: neighbours are averaged."""
    cells = grid["cells"]
    wide = min(len(cells), detail.heat_columns)
    kept = [round(n * (len(cells) - 1) / max(wide - 1, 1)) for n in range(wide)]
    together = max(1, -(-len(cells[0]) // detail.heat_rows)) if cells else 1
    text = "".join(_level(cells[column][first:first + together]) for column in kept
                   for first in range(0, len(cells[column]), together))
    return {"rows": len(text) // max(wide, 1), "cells": text,
            "pages_per_row": grid["pages_per_row"] * together,
            "index": [grid["index"][column] for column in kept]}


# ---- what the page's script gets

def _row_data(comparison, row, shared, detail):
    """What is the same for all rows, such as the requested bytes, goes to `shared`."""
    key, replay = results.key(row), row.summary.get("replay") or {}
    found = {"algorithm": row.algorithm, "penalty": row.summary["penalty"],
             "ns_per_event": replay.get("ns_per_event")}
    run = comparison.curves.get(key)
    if run is None:
        return found
    curve = thin_series(run["series"], detail.points)
    for name in ("index", "requested"):
        if shared.setdefault(name, curve[name]) == curve[name]:
            del curve[name]
    latency = run.get("latency") or {}
    found["curve"] = curve
    found["latency"] = {call: thin_steps(latency[call]) for call in ("malloc", "free")
                        if latency.get(call)}
    if key in comparison.heapmaps:
        found["heat"] = thin_heapmap(comparison.heapmaps[key], detail)
    return found


def page_data(comparison):
    runs = []
    for run in comparison.runs:
        shared, detail = {}, DETAIL_OF_RECORDED if run.recorded else DETAIL
        rows = [_row_data(comparison, row, shared, detail) for row in run.passed]
        runs.append({"trace": run.trace, "page_size": run.page_size, "events": run.events,
                     "recorded": run.recorded, "shared": shared, "rows": rows})
    return {"levels": LEVELS, "runs": runs, "main": comparison.runs.index(comparison.main),
            "algorithms": [{"name": name, "kind": kind}
                           for name, kind in comparison.kinds.items()],
            "growth": comparison.results["growth"],
            "programs": programs_results.points(comparison.programs)}
