#!/usr/bin/python3
"""analysis/sweep status, cancel and export: what is seen of a sweep from elsewhere,
and on a terminal."""

import csv
import json
import os
import pty
import re
import unittest

from shared import read
from sweep_case import SweepCase, group, random_group


class Export(SweepCase):
    def test_csv_and_json_are_the_database(self):
        self.plan(group(measure=["memory", "times"], turns=1), random_group([7]))
        self.sweep()
        self.ask("export", "--csv", "runs.csv", "--json", "runs.json")
        rows = self.rows()
        with open(self.path("runs.csv"), encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        found = json.loads(read(self.path("runs.json")))
        self.assertEqual(len(lines), len(rows))
        self.assertEqual(list(lines[0]), list(rows[0]))
        for line, row, run in zip(lines, rows, found["runs"], strict=True):
            for name, value in row.items():
                same = "" if value is None else type(value)(line[name])
                self.assertEqual(same, "" if value is None else value, name)
            self.assertEqual(run, dict(row, source=json.loads(row["source"])))
        self.assertEqual(found["plan"], read(self.path("p.toml")))
        self.assertEqual(found["engine"], "local")
        self.assertEqual(self.ask("export", "--csv", "-"), read(self.path("runs.csv")))

    def test_a_file_that_cannot_be_written(self):
        self.plan()
        self.sweep()
        self.run_command(self.command("export", "out", "--csv", "nowhere/x.csv"), status=2)
        self.run_command(self.command("export", "out"), status=2)


class Looking(SweepCase):
    def status(self):
        return json.loads(self.ask("status", "--json"))

    def test_status_under_way_and_after(self):
        self.gate()
        self.plan(group(measure=["memory", "times"], turns=1))
        driver = self.begin()
        self.await_finished(1)
        found = self.status()
        self.assertEqual(found["driver"]["pid"], driver.pid)
        self.assertEqual(sum(found["runs"].values()), 8)
        self.assertGreater(found["runs"]["waiting"], 0)
        self.assertGreater(found["core_seconds_left"], 0)
        self.assertIn(f"driven by process {driver.pid}", self.ask("status"))
        driver.kill()
        driver.communicate()
        self.await_that(lambda: self.status()["driver"] is None, "the driver's end")
        self.assertIn("nobody is at work on it, --resume goes on", self.ask("status"))
        self.let_go()
        self.sweep("--resume")
        self.assertEqual(self.status()["runs"], {"done": 8, "failed": 0, "lost": 0,
                                                 "waiting": 0})
        said = self.ask("status")
        self.assertRegex(said, r"complete\n(.*\n)+memory +4 +4 +0 +0 +0")
        self.assertRegex(said, r"\ntimes +4 +4 +0 +0 +0")

    def test_status_names_what_failed_and_why(self):
        self.plan(group(algorithms="bud", page_limits=1))
        self.sweep(status=1)
        said = self.ask("status", "--failed")
        for row in self.rows():
            self.assertIn(f"memory kma_bud {row['trace']}, 1 page: {row['failure']}", said)
        self.assertNotIn(self.rows()[0]["failure"], self.ask("status"))

    def test_cancelled_from_elsewhere(self):
        self.gate()
        self.plan()
        driver = self.begin()
        self.await_runs(1)
        self.assertRegex(self.ask("cancel"), r"^out: cancelled; \d of 4 runs are finished\n$")
        out, said = driver.communicate(timeout=60)
        self.assertEqual((driver.returncode, out), (130, ""))
        self.assertRegex(said, r"^sweep: cancelled: \d of 4 runs are finished; --resume goes on\n$")
        self.assertRegex(self.ask("cancel"), "nobody was at work on it")
        self.let_go()
        self.sweep("--resume")
        self.assertEqual(self.states(), {"done": 4})

    def test_cancelled_from_another_machine(self):
        """Where no signal goes: a file tells."""
        self.hold(0.4)
        self.plan(group(turns=3, measure=["memory", "times"]))
        driver = self.begin()
        self.await_runs(1)
        self.write(os.path.join("out", "cancel"), "")
        _, said = driver.communicate(timeout=60)
        self.assertIn("sweep: cancelled", said)
        self.one_line(said)
        self.assertLess(len(self.runs()), 16)
        self.assertEqual(self.processes(), [])

    def test_nowhere(self):
        for name in ("status", "cancel", "export", "statistics"):
            arguments = ["--csv", "-"] if name == "export" else []
            done = self.run_command(self.command(name, "nowhere", *arguments), status=2)
            self.assertIn("nowhere: there is no sweep here", done.stderr)

    def test_a_bar_on_a_terminal_and_none_elsewhere(self):
        self.hold(0.1)
        self.plan()
        ours, theirs = pty.openpty()
        driver = self.begin(stderr=theirs)
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break
        os.close(ours)
        driver.communicate()
        self.assertEqual(driver.returncode, 0)
        steps = re.findall(r"\[(#*\.*)\] (\d)/4 memory kma_\w+ [ab]\.trace, about \d+ s left",
                           shown.decode())
        self.assertEqual([number for _, number in steps], ["1", "2", "3", "4"])
        self.assertEqual([bar.count("#") for bar, _ in steps], [5, 10, 15, 20])
        # sweep() looks that there is nothing on standard error without one.
        self.sweep("--out", "again")


if __name__ == "__main__":
    unittest.main()
