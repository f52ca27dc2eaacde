"""The results of a comparison: results.json, curves.json, results.csv, results.md."""

import csv
import dataclasses
import io
import json
import os

import measure
import tables
from common import counted, results_file, written_aside
from series import Curve, Series

FORMAT, CURVES_FORMAT = 3, 1


def by_workload(rows):
    """{(trace, page size): its rows}, in the order of the rows."""
    found = {}
    for row in rows:
        found.setdefault((row.trace, row.page_size), []).append(row)
    return found


def label(trace, page_size):
    return f"{trace}, {page_size:,}-byte pages"


def recorded_traces(results):
    """Names."""
    return [one["trace"] for one in results["traces"] if one["recorded"]]


def main_trace(results):
    """The one that all is told of where there is room for one: the last that was not
    recorded, the largest usually; where all were, the last."""
    names = [row.trace for row in results["rows"]]
    recorded = recorded_traces(results)
    return ([name for name in names if name not in recorded] or names)[-1]


def included(results):
    """What traces there are: "2 traces: 1.trace, 2.trace. 1 recorded trace: kernel." """
    recorded = recorded_traces(results)
    others = [one["trace"] for one in results["traces"] if not one["recorded"]]
    return " ".join(f"{counted(len(names), noun)}: {', '.join(names)}."
                    for noun, names in (("trace", others), ("recorded trace", recorded)) if names)


def key(row):
    """Of the row's curves in curves.json."""
    return f"{row.algorithm}/{row.trace}/{row.page_size}"


def write_json(path, value):
    with written_aside(path) as out:
        out.write((json.dumps(value, indent=1) + "\n").encode())


COMPARE = "analysis/compare"


def load(path):
    """The content of results.json with its rows as measure.Row."""
    with results_file(path, COMPARE, FORMAT) as results:
        results["rows"] = [measure.Row(**row) for row in results["rows"]]
        for one in results["traces"]:
            (one["trace"], one["recorded"], one["lost"], one["about"].items())
        return results


def load_curves(path):
    with results_file(path, COMPARE, CURVES_FORMAT) as curves:
        return curves["runs"]


def save(folder, results, curves):
    plain = dict(results, rows=[dataclasses.asdict(row) for row in results["rows"]])
    write_json(os.path.join(folder, "curves.json"), {"format": CURVES_FORMAT, "runs": curves})
    for name, text in (("results.csv", csv_text(results)), ("results.md", markdown(results))):
        with written_aside(os.path.join(folder, name)) as out:
            out.write(text.encode())
    # Last: where it is, everything is.
    write_json(os.path.join(folder, "results.json"), plain)


def series_of(found):
    """A Series from its form in curves.json."""
    fields = dict(found)
    for name in ("requested", "paged", "waste"):
        fields[name] = Curve(**fields[name])
    return Series(**fields)


def _scalars(prefix, value):
    """(path, value) of everything in nested objects that is one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _scalars(f"{prefix}.{name}" if prefix else name, inner)
    elif not isinstance(value, list):
        yield prefix, value


def csv_text(results):
    """A line for each row of the results, a column for each figure of any of them."""
    lines = []
    for row in results["rows"]:
        line = {"algorithm": row.algorithm, "kind": row.kind, "trace": row.trace,
                "page_size": row.page_size, "failure": row.failure}
        line.update(_scalars("", row.summary or {}))
        line.update(_scalars("instructions", row.instructions or {}))
        lines.append({name: value for name, value in line.items()})
    columns = list(dict.fromkeys(name for line in lines for name in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def markdown(results):
    machine, build = results["machine"], results["build"]
    lines = ["# Comparison of allocators", "",
             f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}; "
             f"{build['compiler']}, `{build['flags']}`; kma {build['version']}"
             f"{', commit ' + build['commit'] if build['commit'] else ''}"
             f"{' with changes' if build['modified'] else ''}; {results['date']}; "
             f"least of {results['settings']['passes']} passes", "", included(results)]
    for (trace, page_size), rows in by_workload(results["rows"]).items():
        lines += ["", f"## {label(trace, page_size)}", ""]
        lines += tables.markdown_table(tables.COMPARISON, tables.by_penalty(rows))
        lines += ["", *(f"- {row.algorithm}: {row.failure}" for row in rows if row.failure)]
        if any(row.kind == measure.RECORDED for row in rows):
            lines += [measure.RECORDED_NOTE]
    return "\n".join(lines).rstrip() + "\n"
