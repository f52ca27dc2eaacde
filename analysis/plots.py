"""Every plot of a comparison, as PNG and SVG."""

import os

import heapmap
import results
from measure import ALGORITHM
from plot_growth import growth_picture
from plot_heapmap import heapmap_picture
from plot_latency import latency_picture
from plot_output import output_picture
from plot_pareto import pareto_picture
from plot_utilization import utilization_picture
from plot_waste import waste_picture
from plotting import need_gnuplot, save
from tables import by_penalty

FOLDER = "plots"


def need():
    need_gnuplot()


def _points(rows):
    """One for each row that has both a time and a penalty."""
    bounds = {(row.trace, row.page_size): row.summary["penalty"]
              for row in rows if row.kind == "bound" and row.summary}
    return [{"algorithm": row.algorithm, "kind": row.kind, "trace": row.trace,
             "page_size": row.page_size, "penalty": row.summary["penalty"],
             "ns_per_event": row.summary["replay"]["ns_per_event"],
             "ideal_penalty": bounds.get((row.trace, row.page_size))}
            for row in rows if row.summary and row.summary["replay"]]


def _of_workload(rows, curves, folder, workload):
    """The plots of one trace, by name; of one without events or without results, none."""
    trace, page_size = workload
    label = results.label(trace, page_size)
    rows = by_penalty([row for row in rows if (row.trace, row.page_size) == workload and
                       row.failure is None and row.summary["events"] > 0])
    if not rows:
        return {}
    found = {row.algorithm: curves[results.key(row)] for row in rows}
    series = {name: results.series_of(curve["series"]) for name, curve in found.items()}
    latency = {name: curve["latency"] for name, curve in found.items() if curve["latency"]}
    drawn = {"kma_waste": waste_picture(label, series),
             "kma_utilization": utilization_picture(label, series)}
    own = [row for row in rows if row.kind == ALGORITHM]
    if own:
        drawn["kma_output"] = output_picture(own, series)
    if latency:
        drawn["kma_latency"] = latency_picture(label, latency)
    for row in own:
        path = found[row.algorithm]["heapmap"]
        if path is not None:
            grid = heapmap.read(os.path.join(folder, path))
            drawn[f"kma_heapmap_{row.algorithm}"] = heapmap_picture(row.algorithm, label, grid)
    return drawn


def draw_all(found, curves, folder):
    """Writes them below `folder`: of each trace in a folder of its own, of the last trace
    (the largest, usually) and of all together beside these. Returns their names."""
    target = os.path.join(folder, FOLDER)
    os.makedirs(target, exist_ok=True)
    rows = found["rows"]
    everything = {}
    workloads = results.workloads(rows)
    for workload in workloads:
        drawn = _of_workload(rows, curves, folder, workload)
        place = os.path.join(target, f"{workload[0]}-{workload[1]}")
        os.makedirs(place, exist_ok=True)
        save(place, drawn)
        everything.update({f"{workload}/{name}": None for name in drawn})
        if workload == workloads[-1]:
            last = drawn
    points = _points(rows)
    if points:
        last["kma_pareto"] = pareto_picture(points)
    if found["growth"]:
        last["kma_growth"] = growth_picture(found["growth"])
    save(target, last)
    return [*everything, *last]
