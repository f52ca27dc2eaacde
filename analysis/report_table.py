"""The table of all figures on one workload, one row an algorithm, as HTML.

A cell shows a rounded text and carries the full value, which is what the page sorts by.
"""

import json

import results
import tables
from measure import ALGORITHM, BOUND, RECORDED, RECORDED_NOTE, REFERENCE
from report_html import element, scrolling, swatch, text
from tables import Column, figure

TAGS = {REFERENCE: "reference", BOUND: "bound", RECORDED: "recorded"}


def _latency(call, key):
    def look_up(summary):
        part = (summary.get("latency") or {}).get(call)
        return part[key] if part and part["count"] else None
    return look_up


def _instructions(call, key):
    return lambda row: ((row.instructions or {}).get(call) or {}).get(key)


def _times(call):
    return (f"{call}, ns per call",
            [(Column(heading, _latency(call, key), form, tables.TIME, min), tip)
             for heading, key, form, tip in (
                 ("mean", "mean", "{:,.1f}", f"mean time of a {call}"),
                 ("p50", "p50", "{:,.1f}", f"half of the {call} calls take no longer"),
                 ("p99", "p99", "{:,.0f}", f"99 of 100 {call} calls take no longer"),
                 ("p99.9", "p99_9", "{:,.0f}", f"999 of 1000 {call} calls take no longer"),
                 ("worst", "max", "{:,.0f}", f"the slowest {call}"))])


GROUPS = [
    ("memory", [
        (Column("peak pages", figure("pages", "peak"), "{:,d}", tables.MEMORY, min),
         "most pages held at one time"),
        (Column("peak bytes", figure("peak_page_bytes"), "{:,d}", tables.MEMORY, min),
         "bytes of these pages"),
        (Column("utilization mean", figure("utilization_mean"), "{:.3f}", tables.MEMORY, max),
         "requested / page bytes, mean over the events"),
        (Column("utilization at peak", figure("utilization_at_peak"), "{:.3f}",
                tables.MEMORY, max), "requested / page bytes when most pages are held"),
        (Column("internal waste", tables.share("internal"), "{:.1%}", tables.MEMORY, min),
         "bytes of blocks behind those requested, part of the page bytes, mean"),
        (Column("external waste", tables.share("external"), "{:.1%}", tables.MEMORY, min),
         "free space in pages held, headers, control data, part of the page bytes, mean"),
        (Column("internal at peak", tables.share("internal", "at_peak"), "{:.1%}",
                tables.MEMORY, min), "internal waste when most pages are held"),
        (Column("external at peak", tables.share("external", "at_peak"), "{:.1%}",
                tables.MEMORY, min), "external waste when most pages are held"),
        (Column("penalty", figure("penalty"), "{:.4f}", tables.MEMORY, min),
         "mean of (page bytes - requested) / requested")]),
    ("replay", [
        (Column("ns/event", figure("replay", "ns_per_event"), "{:,.1f}", tables.TIME, min),
         "the fastest replay over its events"),
        (Column("score s", figure("replay", "score"), "{:.6f}", tables.TIME, min),
         "seconds of the fastest replay x (1 + penalty)")]),
    _times("malloc"),
    _times("free"),
    ("instructions per call", [
        (Column(f"{call} {heading}", _instructions(call, key), form, "instructions", min),
         f"instructions of {tip} {call}")
        for call in ("malloc", "free")
        for heading, key, form, tip in (("mean", "mean", "{:,.1f}", "a"),
                                        ("worst", "worst", "{:,d}", "the longest"))]),
]
COLUMNS = [(group, column, tip) for group, columns in GROUPS for column, tip in columns]


def value_of(group, column, row):
    return column.value(row if group == "instructions per call" else row.summary)


def _best(rows):
    """The best value of each column among the algorithms, where there are two or more."""
    best = []
    for group, column, _ in COLUMNS:
        values = [value for value in (value_of(group, column, row) for row in rows
                                      if row.kind == ALGORITHM) if value is not None]
        best.append(column.best(values) if len(values) > 1 else None)
    return best


def _name(row, names):
    tag = f' {element("small", TAGS[row.kind], class_="tag")}' if row.kind in TAGS else ""
    return element("th", swatch(row.algorithm, names) + text(row.algorithm) + tag, scope="row")


def _figures(row, best, names):
    cells = [_name(row, names)]
    for (group, column, _), mark in zip(COLUMNS, best):
        value = value_of(group, column, row)
        kind = " ".join(word for word, holds in (
            ("best", value is not None and value == mark and row.kind == ALGORITHM),
            ("sampled", row.kind == REFERENCE and group == "memory")) if holds)
        cells.append(element("td", "–" if value is None else column.form.format(value),
                             data_value="" if value is None else json.dumps(value),
                             class_=kind or None))
    return element("tr", "".join(cells), data_algorithm=row.algorithm, data_kind=row.kind)


def _failed(row, names):
    reason = element("span", f"failed: {text(row.failure)}")
    return element("tr", _name(row, names) +
                   element("td", reason, colspan=len(COLUMNS), class_="failure"),
                   data_algorithm=row.algorithm, data_kind=row.kind, data_failed="yes")


def _head():
    groups = '<td class="corner"></td>' + "".join(
        element("th", text(group), colspan=len(columns), scope="colgroup")
        for group, columns in GROUPS)
    cells = element("th", "<button type=button>algorithm</button>", scope="col",
                    aria_sort="none")
    for _, column, tip in COLUMNS:
        button = element("button", text(column.heading), type="button", title=tip)
        cells += element("th", button, scope="col",
                         aria_sort="ascending" if column.heading == "penalty" else "none")
    return element("thead", element("tr", groups, class_="groups") + element("tr", cells))


def _notes(run):
    notes = []
    if any(row.kind == REFERENCE for row in run.passed):
        notes.append("Reference: an allocator with memory of its own, behind the same driver. "
                     "Its memory is the resident set of the process, sampled, hence in "
                     "italics; it is no candidate for the best value of a column.")
    if any(row.kind == BOUND for row in run.passed):
        notes.append("ideal: a packer that wastes nothing but the end of the last page. "
                     "No allocator can hold less. It has no times.")
    if any(row.kind == RECORDED for row in run.passed):
        notes.append(f"{RECORDED_NOTE} It has no times.")
    if run.recorded and any(row.instructions for row in run.passed):
        notes.append("Of a recorded trace instructions are counted in sum, with the frees of "
                     "what it leaves: the worst is not known.")
    uncounted = {}
    for row in run.passed:
        if row.instructions_failure:
            uncounted.setdefault(row.instructions_failure, []).append(row.algorithm)
    notes += [f"No instruction counts of {', '.join(names)}: {why}."
              for why, names in uncounted.items()]
    return "".join(element("p", text(note), class_="note") for note in notes)


def figure_table(run, names):
    ordered = tables.by_penalty(run.rows)
    best = _best(run.passed)
    body = "".join(_figures(row, best, names) if row.failure is None else _failed(row, names)
                   for row in ordered)
    caption = element("caption", text(f"All figures on {results.label(run.trace, run.page_size)}; "
                                      "bold: the best of the algorithms"))
    table = element("table", caption + _head() + element("tbody", body), class_="figures")
    return scrolling(table, f"All figures on {run.trace}") + _notes(run)
