#!/usr/bin/python3
"""The algorithms whose layout hangs most on the size of words and pages, in other settings than
those that the tests run in: their model and white-box tests for 32-bit x86, with small pages,
and with the address and undefined behaviour sanitizers."""

import os
import subprocess
import unittest

from driver_case import BUILD
from shared import ROOT, without_make

ALGORITHMS = ("slab", "bt", "tlsf", "word")
COMPILER = os.environ.get("KMA_CC", "gcc")
PLAIN = os.path.basename(COMPILER)


@unittest.skipIf(os.path.basename(BUILD) != PLAIN, "these tests run in another setting already")
class OtherSettings(unittest.TestCase):
    def check(self, *settings):
        make = ["make", "-s", "--no-print-directory", f"CC={COMPILER}", *settings]
        told = subprocess.run([*make, "settings"], cwd=ROOT, env=without_make(), check=True,
                              capture_output=True, text=True).stdout
        folder = dict(line.split("=", 1) for line in told.splitlines())["build"]
        tests = [f"{folder}/test_{kind}{name}" for name in ALGORITHMS for kind in ("", "model_")]
        built = subprocess.run([*make, *tests], cwd=ROOT, env=without_make(), check=False,
                               capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr)
        for test in tests:
            with self.subTest(test=test):
                done = subprocess.run([os.path.join(ROOT, test)], cwd=ROOT, check=False,
                                      capture_output=True, text=True, errors="replace")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_small_pages(self):
        self.check("PAGESIZE=4096")

    def test_sanitizers(self):
        self.check("SANITIZE=address", "OPTIMIZE=-O1")

    def test_32_bits(self):
        tried = subprocess.run(["gcc", "-m32", "-o", os.devnull, "-x", "c", "-", "-lcmocka"],
                               input="int main(void) { return 0; }", check=False,
                               capture_output=True, text=True)
        if tried.returncode != 0:
            self.skipTest("32-bit programs cannot be built here (analysis/need cmocka32)")
        self.check("M32=1")


if __name__ == "__main__":
    unittest.main()
