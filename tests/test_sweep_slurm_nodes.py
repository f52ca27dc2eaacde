#!/usr/bin/python3
"""analysis/sweep --engine slurm, on a cluster of three nodes of its own: which node does what, that
each takes care of its own disk, and what becomes of the work of those that die."""

import collections
import itertools
import json
import os
import statistics
import sys
import unittest

sys.dont_write_bytecode = True
import slurm_cluster  # noqa: E402
from driver_case import BUILD  # noqa: E402
from shared import read  # noqa: E402
from slurm_case import FIGURES, PATIENCE, OnACluster  # noqa: E402

# 32 runs: 12 of memory, 20 timed, these in five tasks. Both are on the same traces, of which one
# is a file.
SEEDS, TIMED_SEEDS, TURNS = 5, 4, 2
GENERATE = """
[runs.generate]
generator = "random"
requests = 200
sizes = "log"
smallest = 8
largest = 2000
frees = "early"
"""
MEMORY = f"""
[[runs]]
algorithms = ["bud", "slab"]
traces = "a.trace"
[[runs]]
algorithms = ["bud", "slab"]
{GENERATE}
seeds = "1-{SEEDS}"
"""
TIMES = f"""
[[runs]]
algorithms = ["bud", "slab"]
measure = "times"
turns = {TURNS}
traces = "a.trace"
[[runs]]
algorithms = ["bud", "slab"]
measure = "times"
turns = {TURNS}
{GENERATE}
seeds = "1-{TIMED_SEEDS}"
"""
MEMORY_RUNS = 2 * (1 + SEEDS)
RUNS = MEMORY_RUNS + 2 * TURNS * (1 + TIMED_SEEDS)
APART = "nodes have no names and disks of their own: there are no namespaces for them"


def trace_of(path):
    """Its name, of a path to what was made or to a copy."""
    made, version, _ = os.path.basename(path).rpartition("-v")
    return made if version else "a.trace"


def place_of(run):
    """(node, algorithm, kind, trace) of a Ran."""
    return run.start.node, run.start.algorithm, run.start.kind, trace_of(run.start.trace)


class Nodes(OnACluster):
    nodes = 3
    algorithms = ("bud", "slab")
    plan = MEMORY + TIMES

    def setUp(self):
        super().setUp()
        self.stage = os.path.join(self.cluster.disk, "stage")

    # ---- what they do

    def on_slurm(self, *more):
        return super().on_slurm("--stage", self.stage, *more)

    def figures(self, folder="out"):
        return self.rows(FIGURES, folder)

    def expected_figures(self):
        """Of the same plan, done on this machine."""
        self.run_sweep("plan.toml", "--bin", BUILD, "--out", "local", "--retries", "0")
        return self.figures("local")

    def ended_on(self):
        """{place: runs}, as executables wrote them down."""
        return collections.Counter(place_of(run) for run in self.ran() if run.end is not None)

    def placed_on(self):
        """The same by the database."""
        return collections.Counter(
            (row["host"], row["algorithm"], row["kind"], row["trace"]) for row in self.rows())

    def turns(self):
        """{(trace, turn): hosts} of timed runs."""
        found = {}
        for row in self.rows():
            if row["kind"] == "times":
                found.setdefault((row["trace"], row["turn"]), set()).add(row["host"])
        return found

    def hold(self, runs):
        """Executables wait for let_go() on each of these nodes that has begun more runs than
        that."""
        cases = " ".join(f"{node}) most={most};;" for node, most in runs.items())
        self.wrap_all(before=f"""
most=1000
case $node in {cases} esac
if [ "$(grep -c "^start .* $node " {self.path("log")})" -gt $most ]; then
    touch {self.path("held-$node")}
    while [ ! -e {self.path("go")} ]; do sleep 0.05; done
fi""")

    def let_go(self):
        self.write("go", "")

    def held(self):
        return {name.removeprefix("held-") for name in os.listdir(self.folder)
                if name.startswith("held-")}

    def await_tidy(self, *nodes):
        """Copies of traces are removed when all is done, by jobs that nobody waits for."""
        for node in nodes:
            self.until(lambda: not os.listdir(self.cluster.disk_of(node)), f"{node} to be tidy")

    # ---- the tests

    def test_each_node_does_its_part(self):
        self.wrap_all(seconds=0.1)
        self.run_sweep(*self.on_slurm())
        for check in (self.each_row_names_its_node, self.timed_runs_are_alone_on_one_node,
                      self.times_are_compared_within_a_node, self.each_trace_is_staged_once,
                      self.figures_are_as_on_this_machine):
            with self.subTest(check.__name__):
                check()

    def each_row_names_its_node(self):
        self.assertEqual(self.placed_on(), self.ended_on())
        self.assertEqual(self.placed_on().total(), RUNS)
        self.assertEqual({row["host"] for row in self.rows()}, set(self.cluster.nodes))
        if self.cluster.apart():
            self.assertEqual([run for run in self.ran() if run.start.node != run.start.host], [])

    def timed_runs_are_alone_on_one_node(self):
        ran, traces = self.ran(), collections.defaultdict(list)
        timed = [run for run in ran if run.start.kind == "times"]
        for run, other in itertools.product(timed, ran):
            if run.start.node == other.start.node and run.start.task != other.start.task:
                self.assertFalse(run.start.seconds < other.end.seconds and
                                 other.start.seconds < run.end.seconds, (run, other))
        for run in timed:
            traces[run.start.trace].append(run)
        self.assertEqual(len(traces), 1 + TIMED_SEEDS)
        for runs in traces.values():
            self.assertEqual(len({(run.start.task, run.start.node) for run in runs}), 1)
            self.assertEqual([run.start.algorithm for run in runs], ["bud", "slab"] * TURNS)
        self.assertGreater(len({runs[0].start.node for runs in traces.values()}), 1)

    def times_are_compared_within_a_node(self):
        least = {}
        for row in self.rows():
            if row["kind"] == "times" and row["seed"] is not None:
                place = row["seed"], row["host"], row["algorithm"]
                ns = row["replay_ns_per_event"]
                least[place] = min(ns, least.get(place, ns))
        self.run_sweep("statistics", "out", "--json", "found.json")
        tables = json.loads(read(self.path("found.json")))["tables"]
        table, = [table for table in tables if table["figure"] == "replay_ns_per_event"]
        self.assertGreater(len(table["hosts"]), 1)
        pair, = table["pairs"]
        self.assertEqual(pair["seeds"], TIMED_SEEDS)
        differences = [ns - least[seed, host, pair["second"]]
                       for (seed, host, name), ns in least.items() if name == pair["first"]]
        self.assertAlmostEqual(pair["median_difference"], statistics.median(differences))

    def each_trace_is_staged_once(self):
        if not self.cluster.apart():
            self.skipTest(APART)
        files = collections.defaultdict(set)
        for run in self.ran():
            self.assertEqual(os.path.dirname(run.start.trace), self.stage)
            files[run.start.node, run.start.trace].add(run.start.file)
        self.assertGreater(len(files), 1 + SEEDS)  # some on more than one node
        self.assertEqual({place: found for place, found in files.items() if len(found) > 1}, {})
        self.await_tidy(*self.cluster.nodes)

    def figures_are_as_on_this_machine(self):
        self.assertEqual(self.figures(), self.expected_figures())

    # -- when not all of them work

    def test_of_three_nodes_two_die(self):
        """One within its first run, the other within the last of a task's four."""
        first, second, third = self.cluster.nodes
        self.hold({first: 0, second: 3})
        driver = self.start()
        self.until(lambda: self.held() == {first, second}, "runs on both that will die")
        broken = [run for run in self.ran() if run.start.node == second and run.end is not None]
        for node in (first, second):
            self.cluster.kill_node(node, told=True)
        said, complaint = driver.communicate(timeout=PATIENCE)
        self.assertEqual(driver.returncode, 0, (said, complaint))
        self.assertEqual(self.figures(), self.expected_figures())
        # Of the turn that was broken off, what had ended is done again; nothing else is.
        again = self.ended_on() - self.placed_on()
        self.assertEqual(again, {place_of(broken[-1]): 1})
        self.assertEqual(self.ended_on(), self.placed_on() + again)
        trace = trace_of(broken[-1].start.trace)
        self.assertEqual([self.turns()[trace, turn] for turn in range(TURNS)], [{second}, {third}])
        self.assertEqual({len(hosts) for hosts in self.turns().values()}, {1})
        if self.cluster.apart():
            self.await_tidy(third)
            self.assertNotIn([], [os.listdir(self.cluster.disk_of(node))
                                  for node in (first, second)])
        self.cluster.start_killed()
        self.await_tidy(first, second)

    def test_a_node_that_fails_all_runs_does_not_fail_the_sweep(self):
        """It is ever free to fail more, while the others are at work."""
        self.write("plan.toml", MEMORY)
        unfit, *fit = self.cluster.nodes
        self.wrap_all(0.2, f'[ $node != {unfit} ] || {{ echo "no space" >&2; exit 2; }}')
        self.run_sweep(*self.on_slurm("--task-seconds", "0.05", "--requeue", "1"))
        self.assertIn(unfit, {run.start.node for run in self.ran()})
        self.assertEqual({row["host"] for row in self.rows()}, set(fit))
        self.assertEqual({row["state"] for row in self.rows()}, {"done"})

    def test_cancelled_from_another_node_and_gone_on_with_on_fewer(self):
        """`cancel` ends what all nodes are at. Who goes on without some has them tidied, too, and
        is told of those that cannot be."""
        self.write("plan.toml", MEMORY)
        first, second, third = self.cluster.nodes
        self.hold(dict.fromkeys(self.cluster.nodes, 0))
        driver = self.start("--task-seconds", "0.05")
        self.until(lambda: self.held() == set(self.cluster.nodes), "runs on all nodes")
        said = self.run_command(self.cluster.on(second, *self.command("cancel", "out"))).stdout
        self.assertRegex(said, r"^out: cancelled, \d+ tasks taken out of the queue; 0 of "
                               rf"{MEMORY_RUNS} runs are finished\n$")
        driver.communicate(timeout=PATIENCE)
        self.assertEqual(driver.returncode, 130)
        self.until(lambda: not self.in_queue(), "an empty queue")
        self.until(lambda: not any(slurm_cluster.alive(run.start.process) for run in self.ran()),
                   "the end of all runs")
        self.let_go()
        done = self.run_sweep(*self.on_slurm(
            "--resume", f"--sbatch=--nodelist={third} --exclude={first}"))
        self.assertRegex(done.stderr, rf"^{self.stage} stays on {first}: sbatch: .+\n$")
        self.assertEqual({(row["state"], row["host"]) for row in self.rows()}, {("done", third)})
        if self.cluster.apart():
            self.await_tidy(second, third)
            self.assertEqual(os.listdir(self.cluster.disk_of(first)), ["stage"])
            self.assertEqual(self.run_sweep(*self.on_slurm("--resume")).stderr, "")
        self.await_tidy(first)


if __name__ == "__main__":
    unittest.main()
