#!/usr/bin/python3
"""analysis/bound: the bounds in instructions that kma_tlsf.c and kma_word.c state, and calls that
exceed one."""

import os
import re
import subprocess
import sys
import unittest

import ktr_files
from driver_case import BUILD, DriverTest, program, trace_text
from shared import ROOT

NOT_DRIVEN = ktr_files.not_driven(program("kma_tlsf"))
# What the bound is stated for; with other pages and words a call may take some more, but not
# twice as many. What clang leaves to the C library's memset, callgrind counts byte by byte.
SETTING = os.path.basename(BUILD)
TIMES = 1 if SETTING == "gcc" else 2


@unittest.skipIf("sanitize" in BUILD, "valgrind cannot run programs built with sanitizers")
class Bound(DriverTest):
    def run_script(self, name, *arguments):
        return subprocess.run(
            [sys.executable, os.path.join(ROOT, "analysis", name), "--bin", BUILD, *arguments],
            cwd=ROOT, text=True, capture_output=True, check=False)

    def stating(self, algorithm, text):
        self.write(f"kma_{algorithm}.c", text)
        return ("--source", self.path(f"kma_{algorithm}.c"))

    def worst_of_all_traces(self, *source):
        """[(the worst call of a kind, its bound)], once no call exceeds its own."""
        done = self.run_script("bound", "--times", str(TIMES), *source)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split() for line in done.stdout.splitlines()[3:]]
        self.assertEqual(len(rows), 14)
        self.assertTrue(all(int(figure) > 50 for row in rows for figure in row[1:]))
        most = [int(number) for number in re.findall(r"at most (\d+)", done.stdout)]
        return list(zip(map(max, zip(*[map(int, row[1:]) for row in rows])), most))

    @unittest.skipUnless(SETTING.startswith("gcc"), "stated for gcc")
    @unittest.skipIf(NOT_DRIVEN, NOT_DRIVEN)
    def test_no_call_on_a_trace_that_ships_exceeds_it(self):
        for worst, bound in self.worst_of_all_traces():
            if TIMES == 1:  # and it is not stated so high that it says nothing
                self.assertGreater(1.5 * worst, bound)

    @unittest.skipUnless(SETTING.startswith("gcc"), "stated for gcc")
    @unittest.skipIf(NOT_DRIVEN, NOT_DRIVEN)
    def test_an_algorithm_whose_frees_have_a_bound_of_their_own(self):
        bounds = [bound for _, bound in self.worst_of_all_traces("--source", "kma_word.c")]
        self.assertEqual(len(set(bounds)), 3)

    def test_calls_that_exceed_one(self):
        self.write("t.trace", trace_text("REQUEST 0 100", "REQUEST 1 200", "FREE 0", "FREE 1",
                                         "REQUEST 2 300", "FREE 2"))
        source = self.stating("bud", "/* at most 9 instructions, a request that finds\n"
                              " * no page held 99999. */")
        done = self.run_script("bound", *source, "--traces", self.path("t.trace"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr,
                         r"^bound: t.trace: malloc takes \d+ instructions, more than 9: event 2, 200 bytes\n"
                         r"bound: t.trace: free takes \d+ instructions, more than 9: event \d, \d00 bytes\n$")

    def test_a_file_that_states_none(self):
        self.write("t.trace", trace_text("REQUEST 0 100", "FREE 0"))
        source = self.stating("bud", "/* fast */")
        done = self.run_script("bound", *source, "--traces", self.path("t.trace"))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("states no bounds in instructions", done.stderr)

    def test_without_pages_calls_of_the_page_source_cost_nothing(self):
        """kma_dummy gets or frees a page in each call: what is left is a few moves."""
        self.write("t.trace", trace_text("REQUEST 0 100", "FREE 0"))
        arguments = ("--algorithms", "dummy", "--traces", self.path("t.trace"))
        found = [[float(figure) for figure in self.run_script("icount", *arguments, *more)
                  .stdout.splitlines()[-2].split()[1::4]] for more in ([], ["--without-pages"])]
        for all_of_it, without in zip(*found):
            self.assertGreater(all_of_it, without + 20)
            self.assertLess(without, 25)


if __name__ == "__main__":
    unittest.main()
