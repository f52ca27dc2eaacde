#!/usr/bin/python3
"""capture/generate: traces of any length."""

import os
import sys
import unittest

from driver_case import DriverTest
from shared import ROOT

sys.path.insert(0, os.path.join(ROOT, "analysis"))

import ktr

GENERATE = "capture/generate"


class Generate(DriverTest):
    def generate(self, name, *options):
        self.passes(GENERATE, *options, "-o", name)
        return list(ktr.events(self.path(name)))

    def test_what_it_promises(self):
        events = self.generate("t.ktr", "--events", "20000", "--live", "300")
        self.assertEqual(len(events), 20000)
        live, most = 0, 0
        for size, _ in events:
            live += 1 if size else -1
            most = max(most, live)
        self.assertEqual((live, most), (0, 300))
        sizes = [size for size, _ in events if size]
        self.assertTrue(all(16 <= size < 4096 for size in sizes))
        # An eighth of them in each power of two, give or take a few.
        small = sum(size < 32 for size in sizes) / len(sizes)
        self.assertAlmostEqual(small, 1 / 8, delta=0.02)

    def test_the_same_seed_gives_the_same_trace_in_every_format(self):
        options = ["--events", "5000", "--live", "50", "--seed", "7"]
        events = self.generate("one.ktr", *options)
        self.assertEqual(self.generate("two.ktr", *options), events)
        self.assertEqual(self.generate("t.trace", *options), events)
        self.assertNotEqual(self.generate("other.ktr", *options[:-1], "8"), events)

    def test_fewer_events_than_would_fill_it(self):
        self.assertEqual(len(self.generate("t.ktr", "--events", "2")), 2)
        self.assertEqual(len(self.generate("t.ktr", "--events", "6", "--live", "1")), 6)

    def test_what_is_refused(self):
        for options, reason in ((["--events", "3"], "an even number"),
                                (["--events", "0"], "a number from 2"),
                                (["--events", "-2"], "a number from 2"),
                                (["--events", "2", "--live", "0"], "a number from 1"),
                                (["--events", "2", "in"], "no input"),
                                ([], "--events N is wanted")):
            self.assertIn(reason, self.refused(GENERATE, *options, "-o", "t.ktr"))
        self.assertIn("no output given", self.refused(GENERATE, "--events", "2"))
        self.assertEqual(self.files(), [])

    def test_a_full_disk(self):
        self.assertIn("/dev/full: cannot be written",
                      self.refused(GENERATE, "--events", "2000000", "-o", "/dev/full"))


if __name__ == "__main__":
    unittest.main()
