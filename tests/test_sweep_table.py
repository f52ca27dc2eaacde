#!/usr/bin/python3
"""analysis/sweep table, and the tables of DOC that come from sweeps."""

import json
import os
import shutil
import statistics
import sys
import unittest

sys.dont_write_bytecode = True
from shared import ROOT  # noqa: E402
from driver_case import program  # noqa: E402
from sweep_case import SweepCase, group, random_group  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "analysis"))
import sweep_doc  # noqa: E402


def cells(lines):
    """{(line, column): text} of a table in Markdown."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    heading = rows[0][1:]
    return {(row[0], name): cell for row in rows[2:] for name, cell in zip(heading, row[1:])}


class Table(SweepCase):
    def table(self, *arguments):
        return cells(self.ask("table", *arguments).splitlines())

    def test_the_median_over_seeds_and_the_least_of_the_turns(self):
        self.plan(random_group([1, 2, 3]), group(traces="a.trace", measure="replay", turns=3))
        self.sweep()
        penalties = [row["penalty"] for row in self.rows("algorithm = 'bud' AND seed > 0")]
        shown = self.table()[f"{self.rows('seed = 1')[0]['family']}", "bud"]
        self.assertAlmostEqual(float(shown), statistics.median(penalties), places=2)
        times = [row["replay_ns_per_event"] for row in
                 self.rows("algorithm = 'bud' AND kind = 'replay'")]
        shown = self.table("--figure", "replay_ns_per_event")
        self.assertEqual(float(shown["a.trace", "bud"]), float(f"{min(times):.4g}"))
        self.assertEqual({line for line, _ in shown}, {"a.trace"})  # untimed runs have no time

    def test_page_limits_have_lines_of_their_own_and_failures_are_said(self):
        self.plan(group(algorithms="bud", traces="a.trace", page_limits=[1, 2000]))
        self.sweep(status=1)
        found = self.table("--figure", "pages_peak")
        self.assertEqual(found["a.trace, 1 page", "bud"], "failed")
        self.assertEqual(int(found["a.trace, 2000 pages", "bud"]),
                         self.rows("page_limit = 2000")[0]["pages_peak"])

    def test_what_is_no_figure_is_refused(self):
        self.plan(group(traces="b.trace"))
        self.sweep()
        for figure, why in (("nonsense", "no column of runs"), ("host", "this is no number"),
                            ("replay_ns_per_event", "no run has found")):
            done = self.run_command(self.command("table", "out", "--figure", figure), status=2)
            self.assertIn(why, done.stderr)


class OfDoc(SweepCase):
    def test_time_over_live_blocks_as_a_part_of_glibcs(self):
        os.symlink(program("kma_libc"), self.path("bin", "kma_libc"))
        self.plan(group(traces=None, measure="replay", references=True) +
                  '[runs.generate]\ngenerator = "growth"\nlive = [20, 40]\nseeds = [1, 2, 3]\n')
        self.sweep()
        shutil.copytree(self.path("out"), self.path("report", sweep_doc.SCALING))
        found = cells(sweep_doc.scaling_tables(self.path("report"))["scaling-live"])

        def least(algorithm, seed):
            return min(row["replay_ns_per_event"] for row in self.rows(
                f"algorithm = '{algorithm}' AND seed = {seed} AND trace LIKE 'growth-40-%'"))
        ratios = [least("bud", seed) / least("libc", seed) for seed in (1, 2, 3)]
        self.assertEqual(found["40", "bud"], f"{statistics.median(ratios):.2f}")
        self.assertEqual(found["20", "libc"], "1.00")

    def test_what_a_large_sweep_takes(self):
        os.mkdir(self.path("report"))
        cluster = {"cores": 1024, "seconds": 5400, "utilization": 0.5, "runs": 10,
                   "runs_a_second": 1.25, "driver": 0.1, "sbatch_calls": 1234, "looks": 2}
        found = {"format": 1, "core_seconds": 7200, "array": 1001, "tasks": 2003, "runs": 10**6,
                 "traces": 2, "bytes": {"trace": 1e9, "planned": 600, "database": 400},
                 "events_a_second_made": 2.5e6, "costs": {"run": 0.001, "task": 0.01},
                 "clusters": [cluster], "limits": {"later": 200, "first": 100}}
        self.write("report/sweep_scale.json", json.dumps(found))
        written = sweep_doc.scale_tables(self.path("report"))
        cost = cells(written["sweep-cost"])
        self.assertEqual(cost["core hours", "figure"], "2")
        self.assertEqual(cost["tasks, arrays of at most 1,001", "figure"], "2,003, 3")
        self.assertEqual(cost["gigabytes of the database", "figure"], "1.00")
        self.assertEqual(cost["outcomes taken into the database a second", "figure"], "1,000")
        self.assertEqual(cells(written["sweep-scale"])["1,024", "hours"], "1.50")
        self.assertTrue(written["sweep-limits"][2].startswith("| first"))


if __name__ == "__main__":
    unittest.main()
