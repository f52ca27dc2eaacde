"""Every plot of a comparison, as PNG and SVG."""

import os
import re
import shutil

import heapmap
import results
from common import written_aside
from measure import ALGORITHM, BOUND, RECORDED
from plot_growth import growth_picture
from plot_heapmap import heapmap_picture
from plot_latency import latency_picture
from plot_output import output_picture
from plot_pareto import pareto_picture
from plot_utilization import utilization_picture
from plot_waste import waste_picture
from plotting import save
from tables import by_penalty

FOLDER = "plots"

OF_CURVES = ("kma_output", "kma_waste", "kma_utilization", "kma_latency", "kma_heapmap")


def _points(rows):
    """One for each row that has both a time and a penalty."""
    bounds = {(row.trace, row.page_size): row.summary["penalty"]
              for row in rows if row.kind == BOUND and row.summary}
    return [{"algorithm": row.algorithm, "kind": row.kind, "trace": row.trace,
             "page_size": row.page_size, "penalty": row.summary["penalty"],
             "ns_per_event": row.summary["replay"]["ns_per_event"],
             "ideal_penalty": bounds.get((row.trace, row.page_size))}
            for row in rows if row.summary and row.summary["replay"]]


def _drawn_rows(rows):
    return [row for row in rows if row.failure is None and row.summary["events"] > 0]


def left_out(found, curves, wanted=None):
    """Names of the plots for which curves are missing; `wanted` as for draw_all."""
    if all(results.key(row) in curves for row in _drawn_rows(found["rows"])):
        return []
    return [name for name in OF_CURVES
            if wanted is None or any(word.startswith(name) for word in wanted)]


def _of_workload(workload, rows, curves, folder):
    """The plots of one trace, by name; of one without events or without curves, none."""
    trace, page_size = workload
    label = results.label(trace, page_size)
    rows = by_penalty([row for row in _drawn_rows(rows) if results.key(row) in curves])
    if not rows:
        return {}
    found = {row.algorithm: curves[results.key(row)] for row in rows}
    series = {name: results.series_of(curve["series"]) for name, curve in found.items()}
    latency = {name: curve["latency"] for name, curve in found.items() if curve["latency"]}
    drawn = {"kma_waste": waste_picture(label, series),
             "kma_utilization": utilization_picture(label, series)}
    own = [row for row in rows if row.kind == ALGORITHM]
    if own:
        panels = [row for row in rows if row.kind in (ALGORITHM, RECORDED)]
        drawn["kma_output"] = output_picture(panels, series)
    if latency:
        drawn["kma_latency"] = latency_picture(label, latency)
    for row in own:
        path = found[row.algorithm]["heapmap"]
        if path is not None:
            grid = heapmap.read(os.path.join(folder, path))
            drawn[f"kma_heapmap_{row.algorithm}"] = heapmap_picture(row.algorithm, label, grid)
    return drawn


def _plots_in(folder):
    return [name for name in sorted(os.listdir(folder))
            if re.fullmatch(r"kma_\w+\.(png|svg)", name)]


def _emptied(folder):
    """The folder, without plots of an earlier comparison; other files are not ours."""
    os.makedirs(folder, exist_ok=True)
    for name in _plots_in(folder):
        os.unlink(os.path.join(folder, name))
    return folder


def _copy(source, target):
    for name in _plots_in(source):
        with open(os.path.join(source, name), "rb") as file, \
                written_aside(os.path.join(target, name)) as out:
            shutil.copyfileobj(file, out)


def draw_all(found, curves, folder, wanted=None):
    """Writes the plots below `folder`: those of each trace in a folder of its own; those of
    the main trace and of all together beside these folders. `wanted`: names, None for all.
    Returns how many there are."""
    target = _emptied(os.path.join(folder, FOLDER))
    workloads = results.by_workload(found["rows"])
    recorded, count = results.recorded_traces(found), 0

    def keep(place, drawn):
        drawn = {name: picture for name, picture in drawn.items()
                 if wanted is None or name in wanted}
        save(place, drawn)
        return len(drawn)

    def place_of(workload):
        return os.path.join(target, "{}-{}".format(*workload))

    for workload, members in workloads.items():
        count += keep(_emptied(place_of(workload)),
                      _of_workload(workload, members, curves, folder))
    if workloads:  # a sweep may have points over live blocks alone
        main = results.main_trace(found)
        _copy(place_of([workload for workload in workloads if workload[0] == main][-1]), target)
    over_all = {}
    for name, chosen in (("kma_pareto", False), ("kma_pareto_real", True)):
        points = _points([row for row in found["rows"] if (row.trace in recorded) == chosen])
        if points:
            over_all[name] = pareto_picture(points)
    if found["growth"]:
        over_all["kma_growth"] = growth_picture(found["growth"])
    return count + keep(target, over_all)
