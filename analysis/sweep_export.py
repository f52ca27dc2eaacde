"""What a sweep found, for other programs and for people: CSV, JSON, statistics over seeds."""

import csv
import io
import json
import sys

import sweep_folder
import sweep_statistics
import sweep_statistics_text
from common import Parser, Refusal, colours_wanted, counted, written_aside
from sweep_db import Database


def _out(path, text):
    if path == "-":
        sys.stdout.write(text)
        return
    with written_aside(path) as out:
        out.write(text.encode())


def _csv(columns, rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _json(database, rows):
    about = {name: database.get(name) for name in ("id", "title", "started", "engine", "plan")}
    for name in ("machine", "build"):
        about[name] = json.loads(database.get(name))
    rows = [dict(row, source=json.loads(row["source"])) for row in rows]
    return json.dumps({"format": 1, **about, "runs": rows}, indent=1) + "\n"


def export(arguments):
    parser = Parser(prog="sweep export", description="Write every run of a sweep, with all that "
                    "went in and all figures.")
    parser.add_argument("sweep", metavar="DIR", help="the sweep's folder, or its plan")
    for name in ("csv", "json"):
        parser.add_argument(f"--{name}", metavar="FILE", help="- for standard output")
    parser.add_argument("--all", action="store_true",
                        help="also runs that the plan has no longer")
    options = parser.parse_args(arguments)
    if not options.csv and not options.json:
        parser.error("--csv FILE or --json FILE is wanted")
    folder = sweep_folder.named(options.sweep)
    with Database(sweep_folder.database_of(folder)) as database:
        rows = database.rows("1" if options.all else "in_plan = 1")
        if options.csv:
            _out(options.csv, _csv(database.columns, rows))
        if options.json:
            _out(options.json, _json(database, rows))
    for path in (options.csv, options.json):
        if path not in (None, "-"):
            print(f"{path}: {counted(len(rows), 'run')}")
    return 0


def statistics(arguments):
    parser = Parser(prog="sweep statistics", description="Compare algorithms over the seeds of "
                    "each trace: medians, spread, and which differences are real.")
    parser.add_argument("sweep", metavar="DIR", help="the sweep's folder, or its plan")
    parser.add_argument("--json", metavar="FILE", help="also all of it as JSON")
    options = parser.parse_args(arguments)
    folder = sweep_folder.named(options.sweep)
    with Database(sweep_folder.database_of(folder)) as database:
        tables = sweep_statistics.tables(database.rows())
    if not tables:
        raise Refusal(f"{folder}: no trace of it was run with two seeds yet")
    if options.json:
        _out(options.json, json.dumps(sweep_statistics_text.as_json(tables), indent=1) + "\n")
    print(sweep_statistics_text.text(tables, colours_wanted(sys.stdout)))
    return 0
