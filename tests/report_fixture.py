#!/usr/bin/python3
"""Makes a results folder as analysis/compare does, in a second instead of minutes.

Memory, curves, heap maps and times come from real runs of the driver. What needs valgrind, a counted
build or libraries of others is made up, always the same: it looks right and is not."""

import argparse
import dataclasses
import json
import os
import random
import subprocess
import sys

from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import jobs  # noqa: E402
import ktr  # noqa: E402
import programs_results  # noqa: E402
import results  # noqa: E402
import series  # noqa: E402
from measure import trace_name  # noqa: E402

ALGORITHMS = ("dummy", "rm", "rm_best", "rm_worst", "bud", "lzbud", "p2fl", "mck2", "slab", "bt",
              "tlsf")
LIVE = (1_000, 10_000, 100_000)
PROGRAMS = ("ls", "python-malloc", "redis")
PAGE_SIZE = 8192
MACHINE = {"cpu": "A processor @ 3.00GHz", "cores": 2, "memory_bytes": 2 ** 34,
           "kernel": "Linux 6.1 x86_64"}
BUILD = {"compiler": "gcc 12.2.0", "flags": "-std=c11 -O3", "version": "1.0",
         "commit": "0123456789ab", "modified": True}


def tail(times):
    """[ns, share of the calls that take at least so long], rising."""
    ranked = sorted(times)
    found = []
    for number, ns in enumerate(ranked):
        if not found or ns != found[-1][0]:
            found.append([ns, (len(ranked) - number) / len(ranked)])
    return found


def latencies(path):
    times = {"REQUEST": [], "FREE": []}
    with open(path, encoding="ascii") as file:
        for line in file:
            _, command, _, ns = line.split()
            times[command].append(float(ns))
    return {"malloc": tail(times["REQUEST"]), "free": tail(times["FREE"])}


def run_driver(program, trace, folder, heapmap):
    """(summary, series, latency), or why the run failed."""
    paths = {name: os.path.join(folder, name) for name in ("json", "data", "latency")}
    if not os.access(program, os.X_OK):
        return f"{os.path.basename(program)} is not built"
    done = subprocess.run([program, "--json", paths["json"], "--output", paths["data"], "--latency",
                           paths["latency"], "--heapmap", heapmap, "--passes", "3",
                           "--max-pages", "65536", trace],
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["it failed"])[-1]
    with open(paths["json"], encoding="utf-8") as file:
        summary = json.load(file)
    summary.pop("program")
    summary["trace"] = trace_name(trace)
    if summary["replay"]:
        least = summary["replay"]["min_s"]
        summary["replay"]["turns_s"] = [least, least * 1.012, least * 1.03]
    return summary, series.read_series(paths["data"]), latencies(paths["latency"])


def instruction_figures(part, work):
    if not part["count"]:
        return {"count": 0, "mean": None, "p50": None, "worst": None, "worst_event": None,
                "worst_line": None, "worst_size": None}
    return {"count": part["count"], "mean": work * 1.07, "p50": round(work),
            "worst": round(work * 9), "worst_event": 1, "worst_line": 2, "worst_size": 100}


def worst_events(summary, instructions, rand):
    found = []
    for event in summary["worst"]:
        usual = instructions["malloc" if event["command"] == "REQUEST" else "free"]["p50"]
        moved = event["pages_got"] or event["pages_freed"]
        factor = rand.uniform(3, 9) if moved else rand.choice((1, 1, 1.1, 2.5))
        found.append(dict(event, instructions=round(usual * factor),
                          splits=rand.randrange(9) if event["pages_got"] else 0,
                          joins=rand.randrange(9) if event["pages_freed"] else 0,
                          steps=rand.randrange(20)))
    return found


def empty_row(algorithm, trace, kind="algorithm", **changes):
    return {"algorithm": algorithm, "kind": kind, "trace": trace_name(trace),
            "page_size": PAGE_SIZE, "failure": None, "summary": None, "instructions": None,
            "instructions_failure": None, "worst": [], **changes}


def algorithm_row(algorithm, trace, outcome, rand):
    if isinstance(outcome, str):
        return empty_row(algorithm, trace, failure=outcome)
    summary, _, _ = outcome
    instructions = {call: instruction_figures(summary["latency"][call], 2.4 * summary["latency"]
                                              [call]["mean"] + 20) for call in ("malloc", "free")}
    return empty_row(algorithm, trace, summary=summary, instructions=instructions,
                     worst=worst_events(summary, instructions, rand))


def reference_row(name, trace, like, factor):
    """Another allocator's figures, a little worse than those of `like`."""
    summary = json.loads(json.dumps(like))
    summary.update(algorithm=name, memory_source="resident set", samples=400,
                   penalty=like["penalty"] * factor)
    del summary["memory"]
    summary["replay"]["ns_per_event"] *= factor
    for event in summary["worst"]:
        event.update(pages_got=0, pages_freed=0)
    worst = [dict(event, instructions=None, splits=None, joins=None, steps=None)
             for event in summary["worst"]]
    return empty_row(name, trace, kind="reference", summary=summary, worst=worst,
                     instructions_failure="its code has no symbols")


def ideal(trace, like, curves):
    """The bound, from the requested bytes of any run."""
    def rounded(values):
        return [-(-value // PAGE_SIZE) * PAGE_SIZE for value in values]

    paged = series.Curve(*(rounded(part) for part in (curves.requested.low, curves.requested.mean,
                                                      curves.requested.high)))
    waste = series.Curve(*([p - r for p, r in zip(paged.mean, curves.requested.mean)]
                           for _ in range(3)))
    bound = dataclasses.replace(curves, paged=paged, waste=waste)
    pages = like["memory"]["ideal_pages_at_peak"]
    summary = {"algorithm": "ideal", "trace": trace_name(trace), "events": like["events"],
               "page_size": PAGE_SIZE, "pages": {"peak": pages},
               "peak_requested_bytes": like["peak_requested_bytes"],
               "peak_page_bytes": pages * PAGE_SIZE, "utilization_at_peak": 0.99,
               "utilization_mean": 1 / (1 + like["memory"]["ideal_penalty"]),
               "penalty": like["memory"]["ideal_penalty"], "replay": None, "latency": None,
               "timer": None, "worst": []}
    return empty_row("ideal", trace, kind="bound", summary=summary), bound


def linux(trace, folder):
    """(row, curves) of the allocator that a recording of a kernel tells of."""
    job = jobs.Job("recorded", "linux", trace, PAGE_SIZE, "", 1)
    found = jobs.run_recorded(job, folder, None)
    return empty_row("linux", trace, kind="recorded", summary=found["summary"]), found["series"]


def growth_of(algorithm, rand):
    start = rand.uniform(12, 60)
    return [{"algorithm": algorithm, "kind": "algorithm", "live": live, "events": 4 * live,
             "ns_per_event": start * (1 + 0.6 * n ** 2), "instructions_per_event": start * 2.5 + n,
             "peak_page_bytes": live * 180, "peak_requested_bytes": live * 125, "failure": None}
            for n, live in enumerate(LIVE)]


def run_trace(out, folder, trace, algorithms, references, rows, runs):
    rand = random.Random(trace_name(trace))
    passed = []
    for algorithm in algorithms:
        name = f"heapmaps/{algorithm}-{len(rows) + 1}.txt"
        outcome = run_driver(os.path.join(folder, f"kma_{algorithm}"), trace, out,
                             os.path.join(out, name))
        rows.append(algorithm_row(algorithm, trace, outcome, rand))
        if isinstance(outcome, str):
            continue
        summary, curves, latency = outcome
        passed.append((summary, curves))
        runs[f"{algorithm}/{summary['trace']}/{PAGE_SIZE}"] = {
            "series": dataclasses.asdict(curves), "latency": latency, "heapmap": name}
    if not passed:
        return
    like, curves = passed[min(1, len(passed) - 1)]
    for number, name in enumerate(references):
        rows.append(reference_row(name, trace, like, 1.2 + number / 5))
    row, bound = ideal(trace, like, curves)
    known = [(row, dataclasses.asdict(bound))]
    if ktr.facts(trace).of_kernel:
        known.append(linux(trace, out))
    for row, curves in known:
        rows.append(row)
        runs[f"{row['algorithm']}/{row['trace']}/{PAGE_SIZE}"] = {
            "series": curves, "latency": None, "heapmap": None}


def facts_of(trace):
    facts = ktr.facts(trace)
    return {"trace": trace_name(trace), "recorded": facts.recorded, "events": facts.events,
            "lost": facts.lost, "about": facts.about}


def make_results(out, folder, traces, algorithms=ALGORITHMS, references=("libc",), growth=True):
    """Fill the folder `out`, which is there, from the executables in `folder`."""
    os.makedirs(os.path.join(out, "heapmaps"), exist_ok=True)
    rows, runs = [], {}
    for trace in traces:
        run_trace(out, folder, trace, algorithms, references, rows, runs)
    rand = random.Random(1)
    correlation = [{"trace": trace_name(trace), "page_size": PAGE_SIZE, "malloc": 0.93,
                    "free": 0.71 - n / 5, "rows": len(algorithms)} for n, trace in enumerate(traces)]
    correlation.append({"trace": None, "page_size": None, "malloc": 0.9, "free": None,
                        "rows": len(rows)})
    found = {
        "format": results.FORMAT, "traces": [facts_of(trace) for trace in traces], "date": "2026-01-02T03:04:05Z",
        "machine": MACHINE, "build": BUILD,
        "settings": {"passes": 3, "page_sizes": [PAGE_SIZE]}, "rows": rows,
        "correlation": correlation,
        "growth": [point for name in algorithms for point in growth_of(name, rand)] if growth else []}
    for name, value in (("results", found), ("curves", {"format": 1, "runs": runs})):
        with open(os.path.join(out, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(value, file)
    return found


def program_row(program, algorithm, kind, rand):
    factor, held = (1, 1) if algorithm == "libc" else (rand.uniform(0.8, 1.9), rand.uniform(0.9, 2))
    return programs_results.ProgramRow(
        program, algorithm, kind, None, [factor * part for part in (0.4, 0.41, 0.5)],
        [factor * part for part in (0.39, 0.40, 0.41)],
        [round(held * (8 + part) * 2**20) for part in (0, 0.1, 0.2)])


def make_programs(out, algorithms=ALGORITHMS, references=("libc",), failure=None, quick=False):
    """programs.json in the folder `out`. `failure`: why the last algorithm failed with the
    first program."""
    rand, rows = random.Random(4), []
    for program in PROGRAMS:
        members = [program_row(program, name, "reference", rand) for name in references]
        members[1:1] = [program_row(program, name, "algorithm", rand) for name in algorithms]
        if failure and program == PROGRAMS[0]:
            members[len(algorithms)].fail(failure)
        for row in members:
            row.compare(members[0])
        rows += members
    about = [{"program": program, "about": f"what {program} does", "skipped": None,
              "instead_of": "libjemalloc.so.2" if program == "redis" else None}
             for program in PROGRAMS]
    about.append({"program": "git", "about": "git", "skipped": "git is not installed",
                  "instead_of": None})
    found = {"format": programs_results.FORMAT, "date": "2026-01-02T03:04:05Z",
             "machine": MACHINE, "build": BUILD, "programs": about, "rows": rows,
             "settings": {"rounds": 3, "quick": quick, "pages": "mmap"}}
    with open(os.path.join(out, programs_results.NAME), "w", encoding="utf-8") as file:
        json.dump(programs_results.plain(found), file)
    return found


def main():
    parser = argparse.ArgumentParser(description="Make a results folder to look at.")
    parser.add_argument("out")
    parser.add_argument("traces", nargs="+")
    parser.add_argument("--bin", default=".", help="where the executables are (.)")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    make_results(options.out, options.bin, options.traces,
                 references=("libc", "jemalloc", "mimalloc", "tcmalloc"))
    make_programs(options.out, references=("libc", "jemalloc", "mimalloc", "tcmalloc"))


if __name__ == "__main__":
    main()
