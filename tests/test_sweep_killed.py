#!/usr/bin/python3
"""analysis/sweep on this machine, killed and interrupted: nothing that was finished is lost or done
again, and nothing is left behind."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from driver_case import program
from shared import read
from sweep_case import SweepCase, group

# 8 runs: 4 of memory, then 4 timed.
BOTH = group(measure=["memory", "times"], turns=1)
RUNS = 8


class Killed(SweepCase):
    """Nothing is repeated that was finished, and at most what was under way is done again."""

    def ended(self, driver, most):
        """After the driver's end: what it left goes on with --resume, where `most` runs may
        have been under way."""
        driver.communicate(timeout=60)
        before, finished = len(self.log()), self.finished()
        self.assertGreaterEqual(len(finished), before - most)
        self.sweep("--resume")
        self.assertEqual(len(self.log()) - before, RUNS - len(finished))
        self.assertEqual(self.states(), {"done": RUNS})
        self.assertEqual(self.files(".part") + os.listdir(self.path("out", "done")), [])

    def kill_at(self, begun, most):
        self.wrap("bud", before="sleep 0.1")
        self.plan(BOTH)
        driver = self.begin()
        self.await_runs(begun)
        driver.kill()
        killed = time.monotonic()
        self.await_that(lambda: not set(self.processes()) - {driver.pid}, "the workers' end")
        self.assertLess(time.monotonic() - killed, 5)
        self.assertEqual(os.listdir(self.path("tmp")), [])
        self.ended(driver, most)

    def test_at_the_first_run(self):
        self.kill_at(1, 2)

    def test_while_nothing_is_timed(self):
        self.kill_at(4, 2)

    def test_while_runs_are_timed(self):
        self.kill_at(6, 1)

    def test_before_there_is_anything(self):
        """Whether or not there is a folder by then, another try needs no --resume as long as
        there is no sweep."""
        self.plan()
        for seconds in (0.2, 0.35):
            driver = self.begin()
            time.sleep(seconds)
            driver.kill()
            driver.communicate()
            status = subprocess.run(self.command("status", "out"), cwd=self.folder,
                                    capture_output=True, text=True)
            if status.returncode:
                self.one_line(status.stderr)
            self.sweep(*["--resume"] * (status.returncode == 0))
            self.assertEqual(self.states(), {"done": 4})
            shutil.rmtree(self.path("out"))

    def test_kma_itself_is_gone_too(self):
        """Of a run that would take long."""
        self.wrap("bud", program("broken_hang"))
        self.write_trace("b.trace", ["REQUEST 0 1000"])
        for kind in ("memory", "times"):
            self.plan(group(traces="b.trace", measure=kind, turns=1))
            driver = self.begin("--out", kind)
            self.await_that(lambda: "bud" in [run.algorithm for run in self.log()], "the run")
            driver.kill()
            driver.communicate()
            self.await_that(lambda: not self.processes(), "the end of kma")
            os.unlink(self.path("log"))

    def test_signals(self):
        self.wrap("bud", before="sleep 0.1")
        self.plan(BOTH)
        for number, begun, most in ((signal.SIGTERM, 3, 2), (signal.SIGINT, 6, 1),
                                    (signal.SIGHUP, 6, 1)):
            with self.subTest(number):
                driver = self.begin()
                self.await_runs(begun)
                driver.send_signal(number)
                out, said = driver.communicate(timeout=60)
                self.assertEqual((driver.returncode, out), (130, ""))
                self.assertRegex(said, r"^sweep: interrupted: \d of 8 runs are finished; "
                                 r"--resume goes on\n$")
                self.assertEqual(int(re.search(r"\d", said)[0]), self.states()["done"])
                self.assertEqual(self.processes(), [])
                self.assertEqual(self.files(".part") + os.listdir(self.path("tmp")), [])
                self.ended(driver, most)
                shutil.rmtree(self.path("out"))
                os.unlink(self.path("log"))

    def test_a_terminals_interrupt_comes_to_all_and_again(self):
        self.wrap("bud", before="sleep 0.1")
        self.plan(BOTH)
        driver = self.begin(start_new_session=True)
        self.await_runs(1)
        while driver.poll() is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(driver.pid, number)
            time.sleep(0.002)
        _, said = driver.communicate(timeout=60)
        self.assertEqual(driver.returncode, 130)
        self.one_line(said)
        self.await_that(lambda: not self.processes(), "the workers' end")
        self.sweep("--resume")
        self.assertEqual(self.states(), {"done": RUNS})

    def test_a_worker_is_killed(self):
        self.wrap("bud", program("broken_hang"))
        self.write_trace("b.trace", ["REQUEST 0 1000"])
        self.plan(group(traces="b.trace"), group(traces="a.trace", algorithms="dummy"))
        driver = self.begin()
        self.await_that(lambda: "bud" in [run.algorithm for run in self.log()], "the run")
        hanging, = [run.pid for run in self.log() if run.algorithm == "bud"]
        worker = int(re.search(r"^PPid:\s*(\d+)", read(f"/proc/{hanging}/status"), re.M)[1])
        self.assertNotEqual(worker, driver.pid)
        os.kill(worker, signal.SIGKILL)
        out, said = driver.communicate(timeout=60)
        self.assertEqual((driver.returncode, said), (1, ""))
        self.assertIn("2 done, 0 failed, 1 without an outcome", out)
        self.assertIn("memory kma_bud b.trace: its worker process was killed", out)
        self.assertEqual(self.processes(), [], "the run went on without it")
        self.wrap("bud", before=": mended")
        before = len(self.log())
        self.sweep("--resume")
        self.assertEqual([run.algorithm for run in self.log()[before:]], ["bud"])


class Begun(SweepCase):
    def test_a_second_driver_is_refused(self):
        self.gate()
        self.plan()
        driver = self.begin()
        self.await_finished(1)
        self.assertIn("out: this sweep is being done already", self.refusal("--resume"))
        self.assertRegex(self.refusal(), r"out: \d of 4 runs are there already")
        self.let_go()
        driver.communicate(timeout=60)
        self.assertEqual(driver.returncode, 0)
        self.assertEqual(len(self.log()), 4)

    def test_without_resume_it_is_refused_with_counts(self):
        self.plan(group(page_limits=[2, 3000], traces="a.trace"))
        self.sweep(status=1)
        before = read(self.path("log"))
        self.assertEqual(self.refusal(), "sweep: out: 4 of 4 runs are there already; --resume "
                         "goes on, --out names another folder\n")
        self.assertEqual(read(self.path("log")), before)
        self.sweep("--resume", status=1)
        self.assertEqual(len(self.log()), 4)


if __name__ == "__main__":
    unittest.main()
