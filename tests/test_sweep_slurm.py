#!/usr/bin/python3
"""analysis/sweep --engine slurm, on a cluster of one node of its own: where runs are made, side by
side or alone, and what is refused."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from shared import read  # noqa: E402
from slurm_case import PATIENCE, PLAN, PYTHON, SWEEP, OnACluster  # noqa: E402


class Placed(OnACluster):
    def test_timed_runs_have_the_node_and_one_processor_for_themselves(self):
        self.wrap_all(sharing='scontrol show job "$task" | grep -o "OverSubscribe=[A-Z]*"')
        self.run_sweep(*self.on_slurm())
        timed = [run for run in self.ran() if run.start.kind == "times"]
        self.assertEqual(len(timed), 10)
        cpu = str(max(os.sched_getaffinity(0)))
        self.assertEqual({(run.start.cpus, run.start.sharing) for run in timed},
                         {(cpu, "OverSubscribe=NO")})
        untimed = [run for run in self.ran() if run.start.kind == "memory"]
        self.assertEqual({run.start.sharing for run in untimed}, {"OverSubscribe=OK"})
        first, last = timed[0].start.seconds, timed[-1].end.seconds
        for line in (line for run in untimed for line in run):
            self.assertFalse(first < line.seconds < last, "a run beside a timed one")
        # They take turns: who follows whom is the same in each.
        self.assertEqual([run.start.algorithm for run in timed], ["bud", "slab"] * 5)
        for row in self.rows():
            self.assertEqual((row["engine"], row["host"]), ("slurm", self.cluster.nodes[0]))
            self.assertEqual(row["pinned_cpu"], int(cpu) if row["kind"] == "times" else None)
            self.assertIsNotNone(row["slurm_job"])
            self.assertGreater(row["memory_bytes"], 0)
            self.assertTrue(row["cpu"] and row["kernel"])

    def test_untimed_runs_are_packed(self):
        self.wrap_all(seconds=0.3)
        self.run_sweep(*self.on_slurm())
        at_once = most = 0
        for line in sorted(self.log(), key=lambda line: line.seconds):
            at_once += 1 if line.event == "start" else -1
            most = max(most, at_once)
        self.assertEqual(most, 2)  # as many as the node has processors
        self.assertLess(len(os.listdir(self.path("out", "logs"))), 40)  # several in each task

    def test_a_task_that_is_taken_off_its_node_goes_on_where_it_was(self):
        self.wrap_all(seconds=0.3)
        driver = self.start("--task-seconds", "100")
        self.until(lambda: self.ended() >= 12, "the end of the timed runs, and some more")
        tasks = self.cluster.ask("squeue", "--noheader", "--array", "--states=RUNNING",
                                 "--format=%i").split()
        self.assertEqual(self.cluster.ask("scontrol", "requeue", ",".join(tasks)), "")
        said, complaint = driver.communicate(timeout=PATIENCE)
        self.assertEqual(driver.returncode, 0, (said, complaint))
        self.assertLessEqual(self.started(), 40 + len(tasks))  # what was under way, once more
        logs = "".join(read(self.path("out", "logs", name))
                       for name in os.listdir(self.path("out", "logs")))
        self.assertIn("restart 1", logs)
        self.assert_as_on_this_machine()

    def test_an_option_that_slurm_does_not_take_is_one_line(self):
        done = self.run_sweep(*self.on_slurm("--sbatch=--partition=nowhere"), status=2)
        self.assertRegex(done.stderr, r"^sweep: sbatch: .*Invalid partition.*\n$")
        self.assertEqual(self.in_queue(), [])
        self.run_sweep(*self.on_slurm("--resume"))
        self.assert_as_on_this_machine()

    def test_a_queue_that_does_not_answer_is_one_line(self):
        settings = read(self.cluster.environment()["SLURM_CONF"])
        self.write("slurm.conf", re.sub("(?m)^SlurmctldPort=.*", "SlurmctldPort=1", settings))
        environment = dict(self.environment(), SLURM_CONF=self.path("slurm.conf"))
        done = subprocess.run(self.command(*self.on_slurm()), cwd=self.folder, text=True,
                              capture_output=True, env=environment, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^sweep: squeue: .+\n$")
        self.assertFalse(os.path.exists(self.path("out")))


class WithoutSlurm(unittest.TestCase):
    def test_it_is_said_what_is_missing(self):
        with tempfile.TemporaryDirectory(prefix="kma-test-") as folder:
            with open(os.path.join(folder, "plan.toml"), "w", encoding="ascii") as file:
                file.write(PLAN.replace('"a.trace"', '"standard"'))
            os.mkdir(os.path.join(folder, "tools"))
            done = subprocess.run([PYTHON, "-B", SWEEP, "plan.toml", "--engine", "slurm"],
                                  cwd=folder, capture_output=True, text=True, timeout=60,
                                  env=dict(os.environ, PATH=os.path.join(folder, "tools")))
            self.assertEqual(done.returncode, 2, done)
            self.assertEqual(done.stderr, "sweep: sbatch: not found; the engine slurm needs "
                                          "Slurm's commands (Debian: slurm-client)\n")
            self.assertFalse(os.path.exists(os.path.join(folder, "sweeps")))


if __name__ == "__main__":
    unittest.main()
