"""How far a sweep is, and its end before its time: from another shell, or after a crash."""

import collections
import contextlib
import json
import os
import signal
import socket
import sys
import time

import slurm_queue
import sweep_folder
from common import Parser, counted
from measure import Row
from schedule import Estimate, Remaining, duration
from sweep_db import DONE, FAILED, LOST, WAITING, Database
from sweep_report import failure_line
from tables import MEMORY, Column, text_table

STOP_SECONDS = 60


def _columns():
    return [Column(name, lambda cells, name=name: cells[name], "{:,}", MEMORY)
            for name in ("runs", DONE, FAILED, LOST, WAITING)] + [
        Column("hours", lambda cells: cells["seconds"] / 3600, "{:,.2f}", MEMORY)]


def _by_kind(totals):
    found = {}
    for row in totals:
        cells = found.setdefault(row["kind"], dict.fromkeys(
            ("runs", DONE, FAILED, LOST, WAITING, "seconds"), 0))
        cells["runs"] += row["runs"]
        cells[row["state"]] += row["runs"]
        cells["seconds"] += row["seconds"] or 0
    return found


def _seconds_left(totals):
    """Of runs one after the other, by how long those of their kind took."""
    estimate, remaining = Estimate(), Remaining([])
    for row in totals:
        if row["state"] == WAITING:
            remaining.jobs[row["kind"]] += row["runs"]
            remaining.weight[row["kind"]] += row["weight"]
        elif row["state"] == DONE and row["seconds"]:
            estimate.weight[row["kind"]] += row["weight"]
            estimate.seconds[row["kind"]] += row["seconds"]
    return remaining.seconds(estimate, 1)


def _queue(database):
    """What the queue says: {state: tasks}, or why it does not answer."""
    if database.get("engine") != "slurm":
        return None, None
    found, why = slurm_queue.in_queue(database.get("id"))
    if why is not None:
        return None, why
    return collections.Counter(found[0].values()), None


def _about(folder, database, counts, driver):
    at_work = f"driven by process {driver['pid']} on {driver['host']}" if driver else (
        "complete" if not counts[WAITING] and not counts[LOST] else
        "nobody is at work on it, --resume goes on")
    return (f"{folder}: engine {database.get('engine')}, begun {database.get('started')}, "
            f"{at_work}")


def status(arguments):
    parser = Parser(prog="sweep status", description="Show how far a sweep is.")
    parser.add_argument("sweep", metavar="DIR", help="the sweep's folder, or its plan")
    parser.add_argument("--failed", action="store_true",
                        help="show each run that failed or has no outcome, and why")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    options = parser.parse_args(arguments)
    folder = sweep_folder.named(options.sweep)
    driver = sweep_folder.driver(folder)
    with Database(sweep_folder.database_of(folder)) as database:
        counts, totals = database.counts(), database.totals()
        left = _seconds_left(totals)
        states, why = _queue(database)
        if options.json:
            print(json.dumps({"folder": folder, "engine": database.get("engine"),
                              "started": database.get("started"), "driver": driver,
                              "runs": counts, "core_seconds_left": left, "queue": states},
                             indent=1))
            return 0
        print(_about(folder, database, counts, driver))
        print("\n".join(text_table(_columns(), [Row(kind, kind, cells) for kind, cells
                                                in _by_kind(totals).items()], first="kind")))
        if counts[WAITING]:
            print(f"about {duration(left)} of one processor left")
        if states is not None:
            print("in the queue: " + (", ".join(f"{count} {state.lower()}" for state, count
                                                in sorted(states.items())) or "nothing"))
        elif why is not None:
            print(f"the queue does not answer: {why}")
        if options.failed:
            for row in database.rows(f"in_plan = 1 AND state IN ('{FAILED}', '{LOST}')"):
                print(failure_line(row))
    return 0


def cancel(arguments):
    parser = Parser(prog="sweep cancel", description="End a sweep. What is finished stays, and "
                    "--resume goes on with the rest.")
    parser.add_argument("sweep", metavar="DIR", help="the sweep's folder, or its plan")
    options = parser.parse_args(arguments)
    folder = sweep_folder.named(options.sweep)
    driver = sweep_folder.driver(folder)
    if driver is not None:
        with open(os.path.join(folder, sweep_folder.CANCEL), "w", encoding="ascii"):
            pass  # whoever drives it on another machine sees it
        if driver["host"] == socket.gethostname():
            with contextlib.suppress(ProcessLookupError):
                os.kill(driver["pid"], signal.SIGTERM)
        _await_end(folder)
    tasks = 0
    with Database(sweep_folder.database_of(folder)) as database:
        if database.get("engine") == "slurm":
            tasks = slurm_queue.cancel_all(database.get("id"))
        counts = database.counts()
    said = f", {counted(tasks, 'task')} taken out of the queue" if tasks else ""
    print(f"{folder}: {'cancelled' if driver or tasks else 'nobody was at work on it'}{said}; "
          f"{counts[DONE] + counts[FAILED]} of {counted(sum(counts.values()), 'run')} are finished")
    return 0


def _await_end(folder):
    deadline = time.monotonic() + STOP_SECONDS
    while sweep_folder.driver(folder) is not None:
        if time.monotonic() > deadline:
            print(f"{folder}: its driver has not ended yet", file=sys.stderr)
            return
        time.sleep(0.1)
