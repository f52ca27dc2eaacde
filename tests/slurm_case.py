"""What the tests of analysis/sweep --engine slurm share: a cluster, a plan of 40 runs, and
executables that write down when and where they ran."""

import collections
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
import slurm_cluster  # noqa: E402
from driver_case import program, simple_events, trace_text  # noqa: E402
from shared import ROOT, read, write_script  # noqa: E402

PYTHON = "/usr/bin/python3"
SWEEP = os.path.join(ROOT, "analysis", "sweep")
MISSING = slurm_cluster.missing()
PATIENCE = 120  # seconds, on a busy machine

# 40 runs: 30 of memory (3 algorithms, 2 laws, 5 seeds), 10 timed (2 algorithms, 5 turns).
PLAN = """
[[runs]]
algorithms = ["bud", "slab", "mck2"]
[runs.generate]
generator = "random"
requests = 200
sizes = ["log", "linear"]
smallest = 8
largest = 2000
frees = "early"
seeds = "1-5"
[[runs]]
algorithms = ["bud", "slab"]
traces = "a.trace"
measure = "times"
turns = 5
"""

# What is the same wherever a run is made, and of executables that are only wrapped otherwise.
FIGURES = """algorithm, trace, seed, page_size, page_limit, state, failure, events,
    pages_requested, pages_freed, pages_in_use_at_end, pages_peak, pages_span,
    peak_requested_bytes, peak_page_bytes, utilization_at_peak, utilization_mean, penalty,
    memory_at_peak_internal, memory_at_peak_external, memory_mean_internal,
    memory_mean_external, trace_sha256"""
EXACT = f"key, program_sha256, {FIGURES}"

# A beginning or an end of a run. `node`: by Slurm, `host`: by the machine itself; `task`: of an
# array; `file`: of the trace, and when it became so.
Logged = collections.namedtuple("Logged", "event process seconds algorithm kind trace node host "
                                "task file cpus sharing", defaults=[None] * 6)
Ran = collections.namedtuple("Ran", "start end")  # of a run; no end where it was killed


@unittest.skipIf(MISSING, f"{', '.join(MISSING)}: not installed")
class OnACluster(unittest.TestCase):
    """A cluster for all tests of a class."""

    nodes = 1
    algorithms = ("bud", "slab", "mck2")
    plan = PLAN

    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="kma-test-")
        cls.addClassCleanup(shutil.rmtree, cls.top)
        cls.cluster = slurm_cluster.Cluster(os.path.join(cls.top, "cluster"), 2, cls.nodes)
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=self.top)
        self.addCleanup(self.cluster.start_killed)
        self.addCleanup(self.cluster.ask, "scancel", "--me")
        os.mkdir(self.path("bin"))
        self.wrap_all()
        self.write("a.trace", trace_text(*simple_events(400)))
        self.write("plan.toml", self.plan)
        self.drivers = []
        self.addCleanup(self.end_drivers)

    def end_drivers(self):
        for driver in self.drivers:
            driver.kill()
            driver.communicate()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def wrap_all(self, *how, **options):
        for name in self.algorithms:
            self.wrap(name, *how, **options)

    def wrap(self, name, seconds=0.0, before=":", sharing="true"):
        """An executable that writes down when and where each run began and ended. `before` is
        done in the shell; `sharing`, too: what it says is written down."""
        log = self.path("log")
        write_script(self.path("bin", f"kma_{name}"), f"""#!/bin/sh
# The last argument is the trace.
for trace; do :; done
case " $* " in *" --latency "*) kind=times;; *) kind=memory;; esac
run="{name} $kind $trace"
cpus=$(sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" /proc/self/status)
node=${{SLURMD_NODENAME:--}}
task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
[ "$node" = - ] || shared=$({sharing})
where="$node $(uname -n) $task $(stat --format=%i@%.9Z "$trace") $cpus $shared"
echo "start $$ $(date +%s.%N) $run $where" >> {log}
{before}
sleep {seconds}
{program(f"kma_{name}")} "$@"
status=$?
echo "end $$ $(date +%s.%N) $run" >> {log}
exit $status
""")

    def log(self):
        """[Logged], without the questions for page sizes."""
        try:
            lines = read(self.path("log")).splitlines()
        except FileNotFoundError:
            return []
        found = [Logged(*line.split()) for line in lines]
        return [line._replace(seconds=float(line.seconds)) for line in found
                if not line.trace.endswith("/1.trace")]

    def ran(self):
        """[Ran] of all runs, as they began."""
        found = {}
        for line in self.log():
            if line.event == "start":
                found.setdefault(line.process, []).append(Ran(line, None))
            else:
                found[line.process][-1] = found[line.process][-1]._replace(end=line)
        return sorted((run for runs in found.values() for run in runs),
                      key=lambda run: run.start.seconds)

    def started(self, name=None):
        return len([line for line in self.log()
                    if line.event == "start" and name in (None, line.algorithm)])

    def ended(self):
        return len([line for line in self.log() if line.event == "end"])

    def command(self, *arguments):
        return [PYTHON, "-B", SWEEP, *arguments]

    def environment(self):
        return {**self.cluster.whole_environment(), "TMPDIR": self.folder}

    def run_command(self, command, status=0):
        done = subprocess.run(command, cwd=self.folder, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=300, env=self.environment())
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        return done

    def run_sweep(self, *arguments, status=0):
        return self.run_command(self.command(*arguments), status)

    def on_slurm(self, *more):
        return ("plan.toml", "--bin", "bin", "--out", "out", "--engine", "slurm", "--retries", "0",
                "--task-seconds", "0.3", "--poll", "0.2", *more)

    def start(self, *more):
        driver = subprocess.Popen(self.command(*self.on_slurm(*more)), cwd=self.folder,
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, env=self.environment())
        self.drivers.append(driver)
        return driver

    def until(self, holds, what):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"{what}: {self.cluster.ask('squeue')}")
            time.sleep(0.05)

    def rows(self, columns="*", folder="out"):
        with sqlite3.connect(self.path(folder, "sweep.db")) as database:
            database.row_factory = sqlite3.Row
            found = database.execute(f"SELECT {columns} FROM runs WHERE in_plan = 1 "
                                     "ORDER BY number")
            return [dict(row) for row in found]

    def in_queue(self):
        return self.cluster.ask("squeue", "--noheader", "--format=%j").split()

    def done(self):
        try:
            return len([row for row in self.rows("state") if row["state"] == "done"])
        except sqlite3.Error:
            return 0

    def assert_as_on_this_machine(self):
        """Every memory figure, and the same runs, as the engine local has them."""
        self.run_sweep("plan.toml", "--bin", "bin", "--out", "local", "--retries", "0")
        mine, its = (self.rows(EXACT, folder) for folder in ("out", "local"))
        for row in (*mine, *its):
            if row["trace"] == "a.trace":  # timed: the key has what times depend on
                del row["key"]
        self.assertEqual(mine, its)
        self.assertEqual({row["state"] for row in mine}, {"done"})
        self.assertEqual(len(mine), 40)
