"""The tables of DOC that come from sweeps: what a large one would take, and how time grows."""

import json
import os
import statistics

import measure
import sweep_folder
import tables
from common import results_file
from sweep_db import DONE, Database
from turns import REFERENCE

SCALE, SCALE_FORMAT = "sweep_scale.json", 1
SCALING = "scaling"  # the folder of plans/scaling.toml's sweep, beside the results
# generator: the setting that a table is about, and its heading
GROWS = {"growth": ("live", "live blocks"), "stream": ("events", "events")}


def _database_bytes(found):
    return found["runs"] * (found["bytes"]["planned"] + found["bytes"]["database"])


def scale_tables(folder):
    """{name: lines} of what analysis/sweep_scale has left there."""
    path = os.path.join(folder, SCALE)
    if not os.path.exists(path):
        return {}
    with results_file(path, "analysis/sweep_scale", SCALE_FORMAT) as found:
        body = [[f"{one['cores']:,}", f"{one['seconds'] / 3600:.2f}",
                 f"{one['utilization']:.1%}", f"{one['runs_a_second']:.1f}",
                 f"{one['driver']:.1%}", f"{one['sbatch_calls']:,}", f"{one['looks']:,}"]
                for one in found["clusters"]]
        heading = ["cores", "hours", "cores at work", "runs a second", "driver at work",
                   "sbatch calls", "squeue calls"]
        costs = [["core hours", f"{found['core_seconds'] / 3600:,.0f}"],
                 ["tasks, arrays of at most " + f"{found['array']:,}",
                  f"{found['tasks']:,}, {-(-found['tasks'] // found['array'])}"],
                 ["gigabytes of traces", f"{found['traces'] * found['bytes']['trace'] / 1e9:,.0f}"],
                 ["gigabytes of the database", f"{_database_bytes(found) / 1e9:.2f}"],
                 ["events made a second", f"{found['events_a_second_made'] / 1e6:.1f} million"],
                 ["outcomes taken into the database a second", f"{1 / found['costs']['run']:,.0f}"],
                 ["tasks submitted a second", f"{1 / found['costs']['task']:,.0f}"]]
        limits = [[name, f"{cores:,.0f}"] for name, cores in
                  sorted(found["limits"].items(), key=lambda item: item[1])]
    return {"sweep-cost": tables.markdown(["what", "figure"], costs),
            "sweep-scale": tables.markdown(heading, body),
            "sweep-limits": tables.markdown(["limit", "reached at cores"], limits)}


def _least(rows):
    """{(algorithm, value of the setting): {seed: the least ns per event of all turns}}"""
    found = {}
    for row in rows:
        if row["state"] == DONE and row["replay_ns_per_event"]:
            seeds = found.setdefault((row["algorithm"], row["setting"]), {})
            ns = row["replay_ns_per_event"]
            seeds[row["seed"]] = min(ns, seeds.get(row["seed"], ns))
    return found


def _against_libc(rows):
    """Each one's time as a part of glibc's on the same trace: the median over the seeds."""
    least, cells = _least(rows), []
    for (algorithm, value), seeds in least.items():
        libc = least.get((REFERENCE, value), {})
        ratios = [ns / libc[seed] for seed, ns in seeds.items() if seed in libc]
        cells.append(measure.Row(algorithm, f"{value:,}", summary=(
            f"{statistics.median(ratios):.2f}" if ratios else "-")))
    return cells


def scaling_tables(folder):
    """The same of the sweep of plans/scaling.toml."""
    path = sweep_folder.database_of(os.path.join(folder, SCALING))
    if not os.path.exists(path):
        return {}
    with Database(path) as database:
        rows = database.rows("in_plan = 1 AND seed IS NOT NULL")
    found, sources = {}, [json.loads(row["source"]) for row in rows]
    for generator, (setting, heading) in GROWS.items():
        told = [dict(row, setting=source["settings"][setting])
                for row, source in zip(rows, sources) if source["generator"] == generator]
        if told:
            found[f"scaling-{setting}"] = tables.by_algorithm(
                tables.Column("", lambda cell: cell, "{}", tables.TIME), _against_libc(told),
                heading)
    return found
