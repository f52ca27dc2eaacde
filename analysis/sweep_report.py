"""What a sweep says at its end."""

import sys

import sweep_folder
import sweep_statistics
import sweep_statistics_text
import sweep_table
from common import EXIT_FAILED, colours_wanted, counted
from sweep_db import DONE, FAILED, LOST

MOST_SHOWN = 10  # failures
LONGEST_TABLE, MOST_TABLES = 40, 4  # lines, and tables over seeds


def failure_line(row):
    limit = f", {counted(row['page_limit'], 'page')}" if row["limited"] else ""
    log = f" (log: {row['log']})" if row["log"] and row["state"] == LOST else ""
    return f"{row['kind']} kma_{row['algorithm']} {row['trace']}{limit}: {row['failure']}{log}"


def _print_failures(database, folder, state, what):
    rows = database.rows("in_plan = 1 AND state = ?", state)
    if rows:
        print(f"\n{what}")
        print("\n".join(f"  {failure_line(row)}" for row in rows[:MOST_SHOWN]))
    if len(rows) > MOST_SHOWN:
        print(f"  and {len(rows) - MOST_SHOWN} more: analysis/sweep status {folder} --failed")


def _print_table(rows, folder):
    figure = sweep_table.default_figure(rows)
    found = sweep_table.lines(rows, figure)
    if 0 < len(found) <= LONGEST_TABLE:
        print(f"\n{figure}, the median over seeds:\n")
        print("\n".join(found))
    elif found:
        print(f"\nanalysis/sweep table {folder}: {figure} on each trace")


def _print_statistics(rows, folder):
    tables = sweep_statistics.tables(rows)
    if 0 < len(tables) <= MOST_TABLES:
        print(f"\n{sweep_statistics_text.text(tables, colours_wanted(sys.stdout))}")
    elif tables:
        print(f"\nanalysis/sweep statistics {folder}: {len(tables)} tables of what differs over "
              "the seeds")


def report(database, folder):
    """On standard output. Returns the exit status."""
    counts = database.counts()
    print(f"{folder}: {counted(sum(counts.values()), 'run')}: {counts[DONE]} done, "
          f"{counts[FAILED]} failed, {counts[LOST]} without an outcome")
    _print_failures(database, folder, FAILED, "The allocator failed:")
    _print_failures(database, folder, LOST, "No outcome:")
    rows = database.rows()
    _print_table(rows, folder)
    _print_statistics(rows, folder)
    print(f"\nIn {sweep_folder.database_of(folder)}: every run with its figures. "
          f"analysis/sweep export {folder} --csv FILE")
    return EXIT_FAILED if counts[FAILED] or counts[LOST] else 0
