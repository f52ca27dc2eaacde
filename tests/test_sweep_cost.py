#!/usr/bin/python3
"""What a sweep would take: analysis/sweep --dry-run, and analysis/sweep_scale."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import types
import unittest

from driver_case import BUILD, DriverTest
from shared import ROOT, read
from sweep_cost_case import ANALYSIS, EVENTS, MEMORY, PLAN, PYTHON, TIMES, expanded, planted

import machine
import sweep_cost
import sweep_cost_text
import sweep_simulation
import sweep_sizes
import sweep_traces
from sweep_simulation import Cluster, Costs

STANDARD = sum(int(read(os.path.join(ROOT, f"testsuite/{number}.trace")).split("\n", 1)[0])
               for number in range(1, 6))


class Sums(unittest.TestCase):
    def setUp(self):
        self.runs = expanded(PLAN)

    def test_runs_events_and_seconds_of_each_part(self):
        parts = sweep_cost.by_part(sweep_cost.alike(self.runs), planted())
        cells = parts[1, "memory"]
        self.assertEqual((cells.runs, cells.replayed), (MEMORY, MEMORY * EVENTS))
        self.assertAlmostEqual(cells.seconds, 3 * (1 + 2) + 3 * (1 + 4))
        cells = parts[1, "times"]
        replayed = 2 * 400 * EVENTS  # each pass is replayed again for the times of calls
        self.assertEqual((cells.runs, cells.replayed), (TIMES, TIMES * replayed))
        self.assertAlmostEqual(cells.seconds, TIMES * (2 + 0.001 * EVENTS + 1e-6 * replayed))
        self.assertEqual((parts[2, "memory"].runs, parts[2, "memory"].replayed), (5, STANDARD))
        self.assertEqual(list(parts), [(1, "memory"), (1, "times"), (2, "memory")])

    def test_an_estimate_of_all_is_the_sum_of_those_of_each(self):
        rates = planted()
        parts = sweep_cost.by_part(sweep_cost.alike(self.runs), rates)
        self.assertAlmostEqual(sum(cells.seconds for cells in parts.values()),
                               sum(map(rates.of, self.runs)))

    def test_hours_here_and_on_a_cluster(self):
        parts = sweep_cost.by_part(sweep_cost.alike(self.runs), planted())
        untimed, timed = 24 + 5 + STANDARD / 1000, TIMES * (2 + 2 + 1.6)
        traces = types.SimpleNamespace(seconds=3600 + 600, alone=600)
        told = sweep_cost_text.about_time(parts, traces, 3)
        self.assertIn(f"{(untimed + 3600) / 3 / 60 + (600 + timed) / 60:.0f} min", told[1])
        options = types.SimpleNamespace(task_seconds=1e9, queue=1000)
        # One untimed task, and a timed one for each trace.
        self.assertIn("4 tasks, 3 of them timed", sweep_cost_text.about_cluster(
            self.runs, planted(), options))

    def test_bytes_of_traces_are_counted_once_and_once_for_each_run(self):
        maker = sweep_sizes.Maker(0.5, 10, 1000)
        found = sweep_cost.traces_of(self.runs, {"random": maker})
        files = sum(os.path.getsize(os.path.join(ROOT, f"testsuite/{number}.trace"))
                    for number in range(1, 6))
        self.assertAlmostEqual(found.made, 3 * EVENTS * 10)
        self.assertEqual(found.files, files)
        self.assertAlmostEqual(found.read, (MEMORY + TIMES) * EVENTS * 10 + files)
        self.assertAlmostEqual(found.seconds, 3 * EVENTS * 0.5)
        self.assertEqual(found.alone, 0)
        timed = [run for run in self.runs if run.timed]
        self.assertAlmostEqual(sweep_cost.traces_of(timed, {"random": maker}).alone,
                               3 * EVENTS * 0.5)

    def test_a_run_that_does_not_fit_is_told_in_one_line(self):
        memory = sweep_sizes.Memory(0, 0, 1e12 / 1000, {"memory": 0, "times": 0})
        with_seeds = [run for run in self.runs if run.part == 1]
        found = sweep_cost.largest(with_seeds, memory)
        lines = sweep_cost_text.about_memory(found, 2)
        self.assertEqual(len([line for line in lines if "WARNING" in line]), 1)
        small = sweep_sizes.Memory(1000, 0, 0, {"memory": 0, "times": 0})
        lines = sweep_cost_text.about_memory(sweep_cost.largest(with_seeds, small), 2)
        self.assertEqual(len(lines), 1)

    def test_runs_that_fit_alone_but_not_side_by_side(self):
        have = machine.describe_machine()["memory_bytes"]
        memory = sweep_sizes.Memory(0.6 * have, 0, 0, {"memory": 0, "times": 0})
        found = sweep_cost.largest(self.runs, memory)
        self.assertIn("2 such runs at a time", sweep_cost_text.about_memory(found, 2)[1])
        self.assertEqual(len(sweep_cost_text.about_memory(found, 1)), 1)

    def test_a_page_for_each_block_of_dummy(self):
        run = expanded(PLAN.replace('"bud", "slab"', '"dummy"'), ("dummy", "word"))[0]
        facts = sweep_traces.facts(run.source)
        self.assertEqual(sweep_sizes.Memory(0, 0, 0, {"memory": 0}).of(run, facts), 1000 * 8192)


class Bytes(DriverTest):
    def test_size_of_larger_traces_than_were_made(self):
        large = [("random", {"requests": 60_000, "sizes": "log", "smallest": 8, "largest": 4000,
                             "frees": "uniform"}),
                 ("steady", {"live": 30_000, "exchanges": 50_000, "sizes": "powers",
                             "smallest": 16, "largest": 512}),
                 ("growth", {"live": 60_000})]
        sources = [sweep_traces.generated(*one, 7) for one in large]
        traces = sweep_traces.Traces(self.path("traces"))
        trial = types.SimpleNamespace(site=types.SimpleNamespace(traces=lambda: traces))
        makers = sweep_sizes.makers(trial, sources)
        for source in sources:
            with self.subTest(source.name):
                size = os.path.getsize(traces.path_of(source))
                self.assertAlmostEqual(makers[source.generator].size(source) / size, 1, delta=0.05)

    def test_mean_of_digits_and_sizes(self):
        for count in (1, 9, 10, 11, 100, 12345):
            self.assertAlmostEqual(sweep_sizes.mean_digits(count),
                                   statistics.mean(len(str(number)) for number in range(count)))
        for law, mean in (("linear", 516), ("powers", (16 + 32 + 64 + 128 + 256 + 512 + 1024) / 7)):
            source = sweep_traces.generated("steady", {
                "live": 1, "exchanges": 0, "sizes": law, "largest": 1024,
                "smallest": 16 if law == "powers" else 8}, 1)
            self.assertAlmostEqual(sweep_sizes.mean_size(source), mean)

    def test_what_grows_with_a_trace_and_what_does_not(self):
        bounded = sweep_sizes.along([(10, 50), (1000, 900), (2000, 905)])
        self.assertEqual([bounded(events) for events in (1500, 10**9)], [905, 905])
        self.assertAlmostEqual(bounded(10), 50)
        rising = sweep_sizes.along([(0, 100), (1000, 1100), (2000, 2100)])
        self.assertAlmostEqual(rising(500), 600)
        self.assertAlmostEqual(rising(10**6), 10**6 + 100)


class DryRun(DriverTest):
    def sweep(self, *arguments, status=0):
        scratch = self.path("tmp")
        os.makedirs(scratch, exist_ok=True)
        done = subprocess.run(
            [PYTHON, "-B", os.path.join(ANALYSIS, "sweep"), *arguments, "--bin", BUILD],
            cwd=self.folder, env=dict(os.environ, TMPDIR=scratch), stdin=subprocess.DEVNULL,
            capture_output=True, encoding="utf-8", timeout=300, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(os.listdir(scratch), [], "something is left in TMPDIR")
        return done.stderr if status else done.stdout

    def database_bytes(self, said):
        """As it is said with curves and without, whichever comes first."""
        found = re.search(r"database: (\S+) (\w+)", said)
        return float(found[1].replace(",", "")) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[found[2]]

    def test_before_and_after_a_sweep(self):
        self.write("plan.toml", PLAN.replace("turns = 2", "turns = 3"))
        said = self.sweep("plan.toml", "--dry-run", "--out", "out")
        self.assertEqual(self.files(), ["plan.toml", "tmp"])
        self.assertIn("plan.toml: 29 runs\n", said)
        self.assertRegex(said, r"(?m)^1 times +18 +28,800,000 ")
        self.assertRegex(said, rf"(?m)^all +29 +{28_800_000 + 12_000 + STANDARD:,} ")
        self.assertRegex(said, r"kind of run,\s+with 1,000\s+live\s+blocks\n")
        stored = self.database_bytes(said)
        done = sum(float(found) for found in re.findall(
            r"core hours: (\S+) of untimed runs, (\S+) of timed", said)[0])

        self.write("plan.toml", PLAN)
        self.sweep("plan.toml", "--out", "out")
        before = {name: os.stat(self.path("out", name)).st_mtime_ns
                  for name in os.listdir(self.path("out"))}
        self.assertAlmostEqual(os.path.getsize(self.path("out", "sweep.db")) / stored, 1,
                               delta=0.5)
        with contextlib.closing(sweep_cost.sweep_db.Database(
                self.path("out", "sweep.db"))) as database:
            took = sum(row["seconds"] for row in database.totals())
        self.assertLess(took / 3, done * 3600)
        self.assertGreater(took * 3, done * 3600)

        self.write("plan.toml", PLAN.replace("turns = 2", "turns = 3"))
        said = self.sweep("plan.toml", "--dry-run", "--out", "out")
        self.assertIn("29 runs, of which 23 are finished in out", said)
        self.assertRegex(said, r"(?m)^all +6 ")
        self.assertIn("finished runs in out: times of bud, slab", said)
        self.write("plan.toml", PLAN)
        said = self.sweep("plan.toml", "--dry-run", "--out", "out")
        self.assertIn("23 runs, of which 23 are finished", said)
        self.assertEqual({name: os.stat(self.path("out", name)).st_mtime_ns
                          for name in os.listdir(self.path("out"))}, before)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def test_a_folder_with_something_else(self):
        self.write("plan.toml", PLAN)
        os.mkdir(self.path("out"))
        self.write("out/sweep.db", b"no database, but long enough to be taken for one" * 9)
        said = self.sweep("plan.toml", "--dry-run", "--out", "out", status=2)
        self.assertRegex(self.one_line(said), r"sweep: out/sweep\.db: ")
        os.unlink(self.path("out", "sweep.db"))
        self.write("out/notes", "mine")
        self.sweep("plan.toml", "--dry-run", "--out", "out")
        self.assertEqual(os.listdir(self.path("out")), ["notes"])

    def test_plans_that_ship(self):
        for name, generators in (("scaling", "growth"), ("paper", "growth")):
            with self.subTest(name):
                said = self.sweep(os.path.join(ROOT, "plans", f"{name}.toml"), "--dry-run")
                whole = re.search(r"(?m)^all +([\d,]+) +([\d,]+) ", said)
                parts = re.findall(r"(?m)^\d+ [a-z]+ +([\d,]+) +([\d,]+) ", said)
                for number in (1, 2):
                    self.assertEqual(int(whole[number].replace(",", "")), sum(
                        int(part[number - 1].replace(",", "")) for part in parts))
                self.assertNotIn("could not be measured", said)
        self.assertEqual(self.files(), ["tmp"])


class Simulation(unittest.TestCase):
    FREE = Costs(0, 0, 0, 0, 0, 0)

    def play(self, tasks, cores, costs=FREE, queue=10**6, poll=1):
        return sweep_simulation.play(tasks, Cluster(cores, queue, 1001, poll), costs)

    def test_one_core_by_hand(self):
        found = self.play([[2, 3], [4]], 1)
        # 9 s of runs; that the last task has left is seen at the second look from then on.
        self.assertEqual((found.busy, found.taken_in), (9, [0, 1, 2]))
        self.assertEqual(found.seconds, 10)
        self.assertEqual(self.play([[2, 3], [4]], 2).seconds, 6)

    def test_all_runs_are_done_and_none_twice(self):
        tasks = [[1 + (task * run) % 7 for run in range(1 + task % 5)] for task in range(500)]
        runs = sum(map(len, tasks))
        for cores, queue in ((1, 3), (7, 5), (64, 1000), (1000, 50)):
            costs = Costs(0.5, 0.5, 0.01, 0.02, 0.02, 0.1, 1e-4, 1e-4)
            found = self.play(tasks, cores, costs, queue)
            self.assertEqual(sorted(found.taken_in), list(range(runs)))
            self.assertAlmostEqual(found.busy, sum(map(sum, tasks)))
            self.assertGreaterEqual(found.seconds * cores, found.busy)
            self.assertLessEqual(found.most_lines, queue)

    def test_more_cores_are_never_slower(self):
        tasks = [[5 + task % 11] * (1 + task % 3) for task in range(3000)]
        costs = Costs(0.1, 0.1, 1e-5, 1e-3, 1e-3, 1e-2)
        took = [self.play(tasks, cores, costs, 200).seconds
                for cores in (1, 4, 16, 64, 150, 1000, 4000)]
        self.assertEqual(took, sorted(took, reverse=True))
        self.assertAlmostEqual(took[0] / took[1], 4, delta=0.1)

    def test_what_is_slow_is_the_first_limit(self):
        tasks = [[10.0] * 10] * 5000
        cheap = dict(sbatch=1e-3, squeue=1e-3, squeue_line=1e-7, task=1e-4, task_left=1e-4,
                     run=1e-5)
        cases = [("outcomes into the database", 100, dict(cheap, run=0.1), {}),
                 ("tasks to the queue and back", 100, dict(cheap, task=1), {}),
                 ("lines of squeue", 100, dict(cheap, squeue_line=0.01), {}),
                 ("bytes of the shared file system", 100, cheap,
                  {"shared": 1e9, "bytes_of_a_run": 1e8}),
                 ("tasks that there are", 5000, cheap, {})]
        for name, cores, costs, more in cases:
            with self.subTest(name):
                found = sweep_simulation.limits(tasks, Cluster(1, 10**6, 1001, 1),
                                                Costs(**costs), **more)
                self.assertEqual(sweep_simulation.first(found), name)
                self.assertAlmostEqual(found[name] / cores, 1, delta=0.02)

    def test_the_queue_limits_cores_as_it_is_said(self):
        tasks = [[10.0] * 10] * 5000
        costs = Costs(0, 0, 1e-9, 0, 0, 1e-9)
        found = sweep_simulation.limits(tasks, Cluster(1, 100, 1001, 2), costs)
        self.assertEqual(sweep_simulation.first(found), "tasks in the queue (--queue)")
        cores = found["tasks in the queue (--queue)"]
        self.assertAlmostEqual(cores, 100 * 100 / 104, delta=1)
        played = self.play(tasks, 1000, costs, 100, 2)
        self.assertAlmostEqual(played.busy / played.seconds / cores, 1, delta=0.03)

    def test_a_slow_database_limits_runs_a_second(self):
        played = self.play([[1.0] * 10] * 1000, 1000, Costs(0, 0, 0, 0, 0, 0.01))
        self.assertAlmostEqual(len(played.taken_in) / played.seconds, 100, delta=10)


class Scale(DriverTest):
    def run_scale(self, *arguments):
        os.makedirs(self.path("tmp"), exist_ok=True)
        done = subprocess.run(
            [PYTHON, "-B", os.path.join(ANALYSIS, "sweep_scale"), "--bin", BUILD, *arguments],
            cwd=self.folder, env=dict(os.environ, TMPDIR=self.path("tmp")), check=False,
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=300)
        self.assertEqual(os.listdir(self.path("tmp")), [])
        return done

    def test_a_small_one(self):
        done = self.run_scale("--runs", "601", "--events", "6.01e8", "--algorithms", "bud,slab",
                              "--cores", "8,2", "--task-seconds", "20", "--json", "found.json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(self.read("found.json"))
        self.assertEqual((found["runs"], found["traces"]), (601, 301))
        self.assertEqual(found["events_of_a_run"], 1e6)
        self.assertEqual([its["cores"] for its in found["clusters"]], [2, 8])
        for its in found["clusters"]:
            self.assertEqual(its["runs"], 601)
            self.assertLessEqual(its["utilization"], 1)
            self.assertAlmostEqual(its["utilization"] * its["seconds"] * its["cores"],
                                   found["core_seconds"], delta=1)
        self.assertEqual(found["first"], min(found["limits"], key=found["limits"].get))
        self.assertIn(f"The first limit: {found['first']}", done.stdout)
        for name, seconds in found["costs"].items():
            if name not in ("mark", "squeue_line"):
                self.assertGreater(seconds, 0, name)

    def test_what_makes_no_sense(self):
        for wrong in (["--cores", "0"], ["--cores", "4,x"], ["--events", "1"],
                      ["--measure", "times"], ["--poll", "0"], ["--algorithms", "nothing"]):
            done = self.run_scale(*wrong, "--runs", "10")
            self.assertEqual(done.returncode, 2, wrong)
            self.one_line(done.stderr)


if __name__ == "__main__":
    unittest.main()
