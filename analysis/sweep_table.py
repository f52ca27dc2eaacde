"""One figure of a sweep at a glance: every trace (down) and every allocator (across)."""

import statistics

import sweep_folder
from common import Parser, Refusal, counted
from measure import Row
from sweep_db import DONE, FAILED, Database
from sweep_statistics import CHECKED
from tables import TIME, Column, by_algorithm

TIMES = ("replay_", "latency_")  # the least of all turns counts


def default_figure(rows):
    return "penalty" if any(row["kind"] in CHECKED for row in rows) else "replay_ns_per_event"


def _label(row, several_sizes):
    """Of a line: all that tells it apart but the seed."""
    size = f", {row['page_size']:,}-byte pages" if several_sizes else ""
    limit = f", {counted(row['page_limit'], 'page')}" if row["limited"] else ""
    return f"{row['family']}{size}{limit}"


def _groups(rows):
    """{(label, algorithm): its rows}"""
    several, found = len({row["page_size"] for row in rows}) > 1, {}
    for row in rows:
        found.setdefault((_label(row, several), row["algorithm"]), []).append(row)
    return found


def _cell(rows, figure):
    """The median over the seeds, "failed" where none passed."""
    seeds = {}
    for row in rows:
        if row["state"] == DONE and row[figure] is not None:
            seeds[row["seed"]] = min(row[figure], seeds.get(row["seed"], row[figure]))
    if not seeds:
        return "failed" if any(row["state"] == FAILED for row in rows) else "-"
    value = statistics.median(seeds.values())
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _asked(rows, figure):
    """Runs that may have it. Of memory, a checked run is the one that knows."""
    if not figure.startswith(TIMES):
        checked = [row for row in rows if row["kind"] in CHECKED]
        if any(row[figure] is not None for row in checked):
            return checked
    return [row for row in rows if row[figure] is not None or row["state"] == FAILED]


def lines(rows, figure):
    """The table as Markdown, that reads well as text; [] where nobody has the figure."""
    rows = _asked(rows, figure)
    if not any(row[figure] is not None for row in rows):
        return []
    cells = [Row(algorithm, label, summary=_cell(members, figure))
             for (label, algorithm), members in _groups(rows).items()]
    return by_algorithm(Column("", lambda cell: cell, "{}", TIME), cells)


def table(arguments):
    parser = Parser(prog="sweep table", description="Show one figure of every allocator on every "
                    "trace: the median over its seeds, of times the least of all turns.")
    parser.add_argument("sweep", metavar="DIR", help="the sweep's folder, or its plan")
    parser.add_argument("--figure", metavar="NAME",
                        help="a column of sweep_schema.sql (penalty, or replay_ns_per_event where "
                        "no run is about memory)")
    options = parser.parse_args(arguments)
    folder = sweep_folder.named(options.sweep)
    with Database(sweep_folder.database_of(folder)) as database:
        rows = database.rows()
        figure = options.figure or default_figure(rows)
        if figure not in database.columns:
            raise Refusal(f"--figure {figure}: no column of runs, see sweep_schema.sql")
    if not all(isinstance(row[figure], (int, float, type(None))) for row in rows):
        raise Refusal(f"--figure {figure}: this is no number")
    found = lines(rows, figure)
    if not found:
        raise Refusal(f"{folder}: no run has found {figure} yet")
    print("\n".join(found))
    return 0
