"""Tables of results: as text for a terminal and as Markdown, from the same columns."""

import dataclasses
import typing

from measure import BOUND, RECORDED

MEMORY = "memory"  # the same on every run and machine
TIME = "time"      # not so


@dataclasses.dataclass(frozen=True)
class Column:
    heading: str  # a line break where text may break it
    value: typing.Callable  # of a driver's summary
    form: str
    kind: str
    best: typing.Callable = None  # min, max, or None: no value is better

    def cell(self, summary):
        value = self.value(summary)
        return "-" if value is None else self.form.format(value)


def figure(*path):
    """A function that takes a summary apart: figure("pages", "peak"). None: not measured."""
    def look_up(summary):
        for step in path:
            if summary is None:
                return None
            summary = summary[step]
        return summary
    return look_up


def share(part, kind="mean"):
    """`part` of the page bytes over the whole trace."""
    def look_up(summary):
        if "memory" not in summary:
            return None
        split = summary["memory"][kind]
        if split[part] is None or not split["page_bytes"]:
            return None
        return split[part] / split["page_bytes"]
    return look_up


PEAK_PAGES = Column("peak\npages", figure("pages", "peak"), "{:d}", MEMORY, min)
UTILIZATION_AT_PEAK = Column("utilization\nat peak", figure("utilization_at_peak"),
                             "{:.3f}", MEMORY, max)
UTILIZATION_MEAN = Column("utilization\nmean", figure("utilization_mean"),
                          "{:.3f}", MEMORY, max)
PENALTY = Column("penalty", figure("penalty"), "{:.4f}", MEMORY, min)
SCORE = Column("score\n(s)", figure("replay", "score"), "{:.6f}", TIME, min)


def _latencies(call):
    return [Column(f"{call}\n{name} ns", figure("latency", call, key), form, TIME, min)
            for name, key, form in (("mean", "mean", "{:.1f}"), ("p99", "p99", "{:.0f}"),
                                    ("worst", "max", "{:.0f}"))]


LATENCY = _latencies("malloc") + _latencies("free")

WASTE = [Column("requested", share("requested"), "{:.1%}", MEMORY, max),
         Column("internal\nwaste", share("internal"), "{:.1%}", MEMORY, min),
         Column("external\nwaste", share("external"), "{:.1%}", MEMORY, min)]

UTILIZATION = [UTILIZATION_AT_PEAK, UTILIZATION_MEAN] + WASTE[1:]

NS_PER_EVENT = Column("ns per\nevent", figure("replay", "ns_per_event"), "{:.1f}", TIME, min)

INSTRUCTIONS = [Column(f"{call} {heading}", figure(call, key), form, TIME, min)
                for call in ("malloc", "free")
                for heading, key, form in (("mean", "mean", "{:.1f}"), ("median", "p50", "{:.0f}"),
                                           ("worst", "worst", "{:,.0f}"))]

# What a comparison shows on the terminal, and in its Markdown.
OVERVIEW = [PEAK_PAGES, UTILIZATION_MEAN, PENALTY, NS_PER_EVENT] + LATENCY
COMPARISON = OVERVIEW[:3] + WASTE[1:] + [NS_PER_EVENT] + LATENCY + [SCORE]


def by_penalty(rows):
    """The least wasteful first; what failed last, in the order given."""
    return sorted(rows, key=lambda row: (row.failure is not None,
                                         row.summary["penalty"] if row.summary else 0))


def best_cells(columns, rows):
    """The text of the best cell of each column; None where nothing is to be marked."""
    passed = [row.summary for row in rows if row.failure is None and row.kind not in (BOUND, RECORDED)]
    best = []
    for column in columns:
        values = [value for value in map(column.value, passed) if value is not None]
        comparable = column.best is not None and len(values) > 1
        best.append(column.form.format(column.best(values)) if comparable else None)
    return best


def _styled(text, code, colours):
    return f"\033[{code}m{text}\033[0m" if colours else text


def text_table(columns, rows, colours=False, first="algorithm"):
    """Lines for a terminal. A failed row says so in place of its figures."""
    headings = [[first]] + [c.heading.split("\n") for c in columns]
    height = max(map(len, headings))
    headings = [[""] * (height - len(lines)) + lines for lines in headings]
    cells = {id(row): [c.cell(row.summary) for c in columns]
             for row in rows if row.failure is None}
    widths = [max(len(line) for line in headings[0] + [row.algorithm for row in rows])]
    for number, heading in enumerate(headings[1:]):
        widths.append(max([len(line) for line in heading] +
                          [len(line[number]) for line in cells.values()]))
    lines = []
    for level in range(height):
        parts = [headings[0][level].ljust(widths[0])]
        parts += [h[level].rjust(w) for h, w in zip(headings[1:], widths[1:])]
        lines.append("  ".join(parts).rstrip())
    lines.append("-" * (sum(widths) + 2 * len(columns)))
    best = best_cells(columns, rows)
    for row in rows:
        name = row.algorithm.ljust(widths[0])
        if row.failure is not None:
            lines.append(name + "  " + _styled("FAILED", "1;31", colours) + f": {row.failure}")
            continue
        parts = [_styled(cell.rjust(width), "1;32", colours and cell == mark)
                 for cell, width, mark in zip(cells[id(row)], widths[1:], best)]
        lines.append("  ".join([name] + parts))
    return lines


def markdown(heading, body):
    """A table that also reads well as plain text; the first column is text."""
    widths = [max(len(line[number]) for line in [heading] + body)
              for number in range(len(heading))]

    def line(cells):
        parts = [cells[0].ljust(widths[0])]
        parts += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(parts) + " |"

    rule = "|" + "-" * (widths[0] + 2)
    rule += "".join("|" + "-" * (width + 1) + ":" for width in widths[1:]) + "|"
    return [line(heading), rule] + [line(cells) for cells in body]


def markdown_table(columns, rows):
    heading = ["algorithm"] + [c.heading.replace("\n", " ") for c in columns]
    body = []
    for row in rows:
        cells = (["failed"] + ["-"] * (len(columns) - 1) if row.failure is not None
                 else [c.cell(row.summary) for c in columns])
        body.append([row.algorithm] + cells)
    return markdown(heading, body)


def _cells(column, rows):
    """(algorithms, traces, {(algorithm, trace): text})"""
    return (list(dict.fromkeys(row.algorithm for row in rows)),
            list(dict.fromkeys(row.trace for row in rows)),
            {(row.algorithm, row.trace):
             "failed" if row.failure is not None else column.cell(row.summary)
             for row in rows})


def by_trace(column, rows):
    """One figure of every algorithm (down) on every trace (across)."""
    algorithms, traces, cells = _cells(column, rows)
    body = [[algorithm] + [cells.get((algorithm, trace), "-") for trace in traces]
            for algorithm in algorithms]
    return markdown(["algorithm"] + traces, body)


def by_algorithm(column, rows, first="trace"):
    """The same, traces down and algorithms across."""
    algorithms, traces, cells = _cells(column, rows)
    body = [[trace] + [cells.get((algorithm, trace), "-") for algorithm in algorithms]
            for trace in traces]
    return markdown([first] + algorithms, body)
