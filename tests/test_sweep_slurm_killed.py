#!/usr/bin/python3
"""analysis/sweep --engine slurm, on a cluster of one node of its own: whatever dies in the middle,
a sweep finds what it finds on one machine."""

import json
import os
import signal
import socket
import sys
import unittest

sys.dont_write_bytecode = True
from slurm_case import PATIENCE, OnACluster  # noqa: E402


class Killed(OnACluster):
    def test_a_node_dies_the_sweep_is_cancelled_and_resumed(self):
        self.wrap_all(seconds=0.2)
        driver = self.start("--stage", self.path("stage"))
        self.until(lambda: self.ended() >= 5, "five runs")
        self.cluster.kill_node()
        self.cluster.start_node()
        before = self.started()
        self.until(lambda: self.started() > before + 3, "runs after the node came back")
        self.assertGreater(len(os.listdir(self.path("stage"))), 0)
        found = json.loads(self.run_sweep("status", "out", "--json").stdout)
        self.assertEqual(found["driver"], {"pid": driver.pid, "host": socket.gethostname()})
        self.assertEqual(sum(found["runs"].values()), 40)
        self.assertGreater(sum(found["queue"].values()), 0)
        said = self.run_sweep("cancel", "out").stdout
        self.assertRegex(said, r"^out: cancelled, \d+ tasks? taken out of the queue; \d+ of 40 "
                               r"runs are finished\n$")
        _, complaint = driver.communicate(timeout=PATIENCE)
        self.assertEqual(driver.returncode, 130)
        self.assertRegex(complaint, r"^sweep: cancelled: \d+ of 40 runs are finished; --resume "
                                    r"goes on\n$")
        self.until(lambda: not self.in_queue(), "an empty queue")
        finished = {row["key"] for row in self.rows("key, state") if row["state"] == "done"}
        self.assertLess(len(finished), 40)
        self.assertIn("nobody is at work on it", self.run_sweep("status", "out").stdout)
        times = self.rows("key, started")
        self.run_sweep(*self.on_slurm("--resume", "--stage", self.path("stage")))
        again = {row["key"]: row["started"] for row in self.rows("key, started")}
        self.assertEqual([again[row["key"]] for row in times if row["key"] in finished],
                         [row["started"] for row in times if row["key"] in finished])
        self.until(lambda: not os.path.exists(self.path("stage")), "the stage's removal")
        self.assert_as_on_this_machine()

    def test_a_driver_that_is_killed_finds_its_tasks_again(self):
        self.wrap_all(seconds=0.2)
        driver = self.start()
        self.until(lambda: self.ended() >= 3, "three runs")
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        self.assertGreater(len(self.in_queue()), 0)
        said = self.run_sweep("status", "out").stdout
        self.assertIn("nobody is at work on it, --resume goes on", said)
        self.assertRegex(said, r"in the queue: .*running")
        here = self.run_sweep("plan.toml", "--bin", "bin", "--out", "out", "--resume", status=2)
        self.assertRegex(here.stderr, r"^sweep: out: \d+ tasks? of it are in Slurm's queue; ")
        self.run_sweep(*self.on_slurm("--resume"))
        self.assertEqual(self.started(), 40)  # no run was made twice
        self.assertEqual(os.listdir(self.path("out", "done")), [])
        self.assert_as_on_this_machine()

    def test_what_fails_again_and_again_is_given_up_with_its_log(self):
        # It takes its task with it: the sh, below python, below the task's own shell.
        self.wrap("slab", before='kill -9 $PPID')
        done = self.run_sweep(*self.on_slurm("--requeue", "1"), status=1)
        rows = self.rows("algorithm, state, failure, attempts, log")
        for row in rows:
            if row["algorithm"] == "slab":
                self.assertEqual((row["state"], row["attempts"]), ("lost", 2))
                self.assertIn("its task ended without an outcome", row["failure"])
                self.assertTrue(os.path.exists(row["log"]), row["log"])
            else:
                self.assertEqual(row["state"], "done")
        self.assertIn("No outcome:", done.stdout)
        self.assertRegex(done.stdout, r"kma_slab random-\S+: its task ended without an outcome.*"
                                      r"\(log: \S+\.log\)")
        self.wrap("slab")
        before = self.started("bud")
        self.run_sweep(*self.on_slurm("--resume"))
        self.assertEqual(self.started("bud"), before)
        self.assert_as_on_this_machine()


if __name__ == "__main__":
    unittest.main()
