#!/usr/bin/python3
"""analysis/sweep on this machine: what is run and how, what a plan that has grown or shrunk does,
and that all figures are columns. Faults are in test_sweep_killed.py and test_sweep_faults.py."""

import collections
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

from driver_case import BUILD, program
from shared import read
from sweep_case import SWEEP, SweepCase, group, random_group

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(SWEEP))
import sweep_db  # noqa: E402
import sweep_jobs  # noqa: E402
import sweep_records  # noqa: E402

MEASURED = ["replay", "timer", "latency"]  # with what is in them, and null where there is none

# Of the driver's summary, what is no column: said by other columns, or a list of calls.
NO_COLUMN = {"program", "version", "mode", "trace", "algorithm", "max_pages", "memory_source",
             "samples", "worst", *MEASURED}


class Doing(SweepCase):
    def test_memory_side_by_side_and_times_alone_on_one_processor(self):
        self.hold()
        self.plan(group(measure=["memory", "times"], turns=1))
        self.sweep()
        log = self.log()
        self.assertEqual(len(log), 8)
        spans = [(run, other) for run in log for other in log
                 if run is not other and run.start < other.start < run.end]
        self.assertTrue(any(run.kind == other.kind == "memory" for run, other in spans))
        self.assertEqual([pair for pair in spans if "times" in (pair[0].kind, pair[1].kind)], [])
        last = str(max(os.sched_getaffinity(0)))
        self.assertEqual({run.cpus for run in log if run.kind == "times"}, {last})
        if len(os.sched_getaffinity(0)) > 1:
            self.assertNotIn(last, {run.cpus for run in log if run.kind == "memory"})
        self.assertEqual({(row["kind"], row["pinned_cpu"]) for row in self.rows()},
                         {("memory", None), ("times", int(last))})

    def test_memory_figures_are_the_drivers(self):
        self.plan(group(page_limits=[100, 3000]))
        self.sweep()
        for row in self.rows():
            direct = json.loads(subprocess.run(
                [program(f"kma_{row['algorithm']}"), "--no-output", "--json", "-",
                 "--max-pages", str(row["page_limit"]), self.path(row["trace"])],
                capture_output=True, check=True).stdout)
            for name in MEASURED:
                direct.pop(name)
            figures = sweep_records.figures({"summary": direct})
            found = {name: row[name] for name in figures if name not in NO_COLUMN}
            self.assertEqual(found, {name: figures[name] for name in found})
            self.assertGreater(len(found), 20)

    def test_two_sweeps_agree_to_the_byte_in_memory(self):
        self.plan(group(), random_group([1, 2]))
        found = []
        for folder in ("out", "again"):
            self.sweep("--out", folder)
            found.append([{name: value for name, value in row.items() if name not in
                           ("started", "seconds") and not name.startswith(tuple(MEASURED))}
                          for row in self.rows(folder=folder)])
        self.assertEqual(json.dumps(found[0]), json.dumps(found[1]))
        self.assertEqual(len(found[0]), 8)

    def test_seeds_make_different_traces(self):
        self.plan(random_group("1-3", algorithms="bud"))
        self.sweep()
        rows = self.rows()
        self.assertEqual([row["seed"] for row in rows], [1, 2, 3])
        self.assertEqual(len({row["trace_sha256"] for row in rows}), 3)
        self.assertEqual(len({row["peak_requested_bytes"] for row in rows}), 3)
        self.assertEqual({row["events"] for row in rows}, {100})

    def test_a_run_of_two_parts_is_done_once(self):
        self.plan(group(traces="a.trace"), group())
        self.sweep()
        self.assertEqual(sorted(self.runs()), [(name, "memory", trace) for name in
                                               ("bud", "dummy") for trace in
                                               ("a.trace", "b.trace")])
        self.assertEqual([row["part"] for row in self.rows()], [1, 1, 2, 2])

    def test_too_few_pages_is_a_failed_run(self):
        self.plan(group(traces="a.trace", page_limits=[2, 3000]))
        said = self.sweep(status=1).stdout
        failed = self.rows("state = 'failed'")
        self.assertEqual({row["page_limit"] for row in failed}, {2})
        direct = subprocess.run([program("kma_dummy"), "--no-output", "--max-pages", "2",
                                 "a.trace"], cwd=self.folder, text=True, capture_output=True)
        self.assertIn(direct.stderr.splitlines()[-1], {row["failure"] for row in failed})
        self.assertIn(f"memory kma_dummy a.trace, 2 pages: {failed[0]['failure']}", said)
        before = self.runs()
        self.sweep("--resume", status=1)
        self.assertEqual(self.runs(), before)
        self.assertIn(failed[0]["failure"], self.ask("status", "--failed"))

    def test_a_run_that_has_no_end_is_a_failed_run(self):
        self.wrap("bud", program("broken_hang"))
        self.write_trace("b.trace", ["REQUEST 0 1000"])
        self.plan(group(traces="b.trace", time_limit=1))
        self.sweep(status=1)
        self.assertEqual([row["failure"] for row in self.rows()], [None, "no end after 1 s"])
        self.assertEqual(self.processes(), [])


class Plans(SweepCase):
    def test_a_plan_is_refused_before_anything_is_run(self):
        for plan, said in ((group(algorithms=["dummy", "slap"]), "p.toml:3: .*did you mean"),
                           (group(traces="nowhere.trace"), "p.toml:4: .*no such trace"),
                           (group(page_sizes=1 << 20), "built with pages of")):
            with self.subTest(said):
                self.plan(plan)
                self.assertRegex(self.refusal(), said)
                self.assertFalse(os.path.exists(self.path("out")))
        self.assertEqual(self.runs(), [])

    def test_a_seed_more(self):
        self.plan(random_group([1, 2]))
        self.sweep()
        self.plan(random_group([1, 2, 3]))
        self.sweep("--resume")
        self.assertEqual(len(self.runs()), 6)
        self.assertEqual({(row["seed"], row["state"]) for row in self.rows()},
                         {(1, "done"), (2, "done"), (3, "done")})

    def test_a_seed_less(self):
        self.plan(random_group([1, 2, 3]))
        self.sweep()
        self.plan(random_group([1, 2]))
        self.assertIn("4 runs: 4 done", self.sweep("--resume").stdout)
        self.assertEqual(json.loads(self.ask("status", "--json"))["runs"]["done"], 4)
        self.assertEqual([row["seed"] for row in self.rows("in_plan = 0")], [3, 3])
        for arguments, count in (((), 4), (("--all",), 6)):
            text = self.ask("export", "--csv", "-", *arguments)
            self.assertEqual(len(list(csv.DictReader(text.splitlines()))), count)
        self.plan(random_group([3]))
        self.sweep("--resume")
        self.assertEqual(len(self.runs()), 6)

    def test_a_changed_executable_is_measured_again_and_no_other(self):
        self.plan(group(measure=["memory", "times"]))
        self.sweep()
        first = self.runs()
        self.wrap("bud", program("kma_dummy"), before=": changed")
        self.sweep("--resume")
        self.assertEqual(collections.Counter(self.runs()[len(first):]),
                         collections.Counter(run for run in first if run[0] == "bud"))
        found = {(row["algorithm"], row["penalty"]) for row in self.rows("in_plan = 1 AND "
                 "kind = 'memory' AND trace = 'a.trace'")}
        self.assertEqual(len({penalty for _, penalty in found}), 1)
        self.assertEqual({row["algorithm"] for row in self.rows("in_plan = 0")}, {"bud"})


class Schema(SweepCase):
    def test_every_figure_is_a_column_and_every_column_is_filled(self):
        kinds = ["memory", "times", "replay", "operations", "ideal"]
        valgrind = shutil.which("valgrind") is not None
        self.plan(group(traces="b.trace", turns=1,
                        measure=kinds + ["instructions"] * valgrind),
                  random_group([1], algorithms="bud"), top="curves = true")
        self.sweep("--bin", BUILD)  # valgrind would look at the shell
        rows = self.rows()
        empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
        self.assertEqual({name for name in empty if valgrind or "instruc" not in name} -
                         {"operations_splits", "operations_joins", "operations_steps"},
                         {"failure", "log", "slurm_job", "preload"})
        whole = set()
        with sweep_db.Database(self.path("out", "sweep.db")) as database:
            for row in rows:
                outcome, picture = database.outcome(row["key"])
                whole |= set(sweep_records.figures(outcome))
                self.assertEqual(picture is not None, row["kind"] == "memory")
                self.assertEqual("series" in outcome, row["kind"] in ("memory", "ideal"))
        self.assertEqual({name for name in whole - set(rows[0]) - NO_COLUMN
                          if not re.fullmatch("instructions_.*_worst_(event|line|size)", name)},
                         set())

    def test_curves_are_kept_where_the_plan_says_so(self):
        self.plan(group(traces="b.trace", measure=["memory", "times"], turns=1))
        self.sweep()
        with sweep_db.Database(self.path("out", "sweep.db")) as database:
            for row in database.rows():
                outcome, picture = database.outcome(row["key"])
                self.assertIsNone(picture)
                self.assertNotIn("series", outcome)
                self.assertEqual(outcome["summary"]["events"], row["events"])

    def test_every_column_is_described(self):
        """By a comment beside it or, what goes in and where it ran aside, as a figure whose
        name is one of results.json."""
        text = read(sweep_db.SCHEMA)
        table = text.partition("CREATE TABLE runs")[2].partition("\n);")[0]
        names = re.findall(r"\b([a-z0-9_]+) (?:TEXT|INTEGER|REAL)", table)
        with sqlite3.connect(":memory:") as connection:
            connection.executescript(text)
            self.assertEqual([row[1] for row in connection.execute("PRAGMA table_info(runs)")],
                             names)
            for name in ("runs", "sweep", "outcomes", "tasks"):
                schema, = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?",
                                             (name,)).fetchone()
                above, _, _ = text.partition(schema[:30])
                self.assertRegex(above, r"\n-- .*\n$", name)
        self.assertEqual(len(set(names)), len(names))
        for name in sweep_jobs.Run.__dataclass_fields__:
            renamed = {"max_pages": "page_limit", "limit": "time_limit"}.get(name, name)
            if renamed not in ("program", "machine"):  # by program_sha256 and cpu
                self.assertIn(renamed, names)


if __name__ == "__main__":
    unittest.main()
