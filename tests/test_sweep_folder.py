#!/usr/bin/python3
"""analysis/sweep_folder.py: who drives a sweep is one process, and who looks is in nobody's way."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from shared import ROOT
from sweep_case import PATIENCE

ANALYSIS = os.path.join(ROOT, "analysis")
TURNS = 2000

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import sweep_folder  # noqa: E402
from common import Refusal  # noqa: E402


class Driving(unittest.TestCase):
    def setUp(self):
        above = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, above)
        self.folder = os.path.join(above, "out")

    def begin(self, program):
        process = subprocess.Popen(
            [sys.executable, "-B", "-c", "import sys, time\nimport sweep_folder\n" + program,
             self.folder], env={**os.environ, "PYTHONPATH": ANALYSIS})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def await_that(self, there_is):
        """What it gives once that is something."""
        deadline = time.monotonic() + PATIENCE
        while not (found := there_is()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return found

    def driver(self):
        """Once there is one."""
        return self.await_that(lambda: sweep_folder.driver(self.folder))

    def test_who_only_looks_does_not_keep_a_driver_away(self):
        looking = [self.begin("while True:\n sweep_folder.driver(sys.argv[1])") for _ in range(2)]
        with mock.patch.object(time, "sleep", side_effect=AssertionError("it waits for them")):
            for _ in range(TURNS):
                with sweep_folder.driving(self.folder):
                    self.assertEqual(sweep_folder.driver(self.folder)["pid"], os.getpid())
                self.assertIsNone(sweep_folder.driver(self.folder))
        self.assertEqual([process.poll() for process in looking], [None, None])

    def test_two_never_drive(self):
        self.begin("while True:\n try:\n  with sweep_folder.driving(sys.argv[1]): time.sleep(.001)"
                   "\n except sweep_folder.Refusal: pass")
        driven = refused = 0
        deadline = time.monotonic() + PATIENCE
        while driven < TURNS or refused < TURNS:
            self.assertLess(time.monotonic(), deadline, (driven, refused))
            try:
                with sweep_folder.driving(self.folder):
                    self.assertEqual(sweep_folder.driver(self.folder)["pid"], os.getpid())
                driven += 1
            except Refusal as problem:
                self.assertIn("out: this sweep is being done already", str(problem))
                refused += 1

    def test_one_that_is_killed_drives_no_longer(self):
        process = self.begin("with sweep_folder.driving(sys.argv[1]): time.sleep(600)")
        self.assertEqual(self.driver()["pid"], process.pid)
        with self.assertRaises(Refusal), sweep_folder.driving(self.folder):
            self.fail("two drive it")
        self.assertEqual(sweep_folder.driver(self.folder)["pid"], process.pid)
        process.kill()
        process.wait()
        self.assertIsNone(sweep_folder.driver(self.folder))
        with sweep_folder.driving(self.folder):
            self.assertEqual(sweep_folder.driver(self.folder)["pid"], os.getpid())

    def test_none_drives_a_folder_that_is_not_there(self):
        self.assertIsNone(sweep_folder.driver(self.folder))
        self.assertFalse(os.path.exists(self.folder))

    def test_one_that_has_only_just_begun_is_waited_for(self):
        self.begin("""
with sweep_folder.driving(sys.argv[1]):
    with open(sys.argv[1] + "/.lock", "r+") as lock:
        lock.truncate(0)
        open(sys.argv[1] + "/empty", "w").close()
        time.sleep(0.3)
        lock.write('{"pid": 1, "host": "h"}')
        lock.flush()
        time.sleep(600)
""")
        self.await_that(lambda: os.path.exists(os.path.join(self.folder, "empty")))
        self.assertEqual(self.driver(), {"pid": 1, "host": "h"})


if __name__ == "__main__":
    unittest.main()
