#!/usr/bin/python3
"""The recorded traces that come with kma: what testsuite/real/README promises of them."""

import glob
import json
import os
import re
import subprocess
import unittest

from driver_case import BUILD, DriverTest
from shared import ROOT

FOLDER = os.path.join(ROOT, "testsuite/real")
TRACES = sorted(glob.glob(os.path.join(FOLDER, "*.ktr")))
KERNEL = [trace for trace in TRACES if os.path.basename(trace).startswith("kernel-")]
ALGORITHMS = os.environ.get("KMA_ALGORITHMS", "bud").split()
MEGABYTE = 1 << 20
POOL = "40000"  # pages: one for each block that is ever live


def tool(name, *arguments):
    return subprocess.run([os.path.join(BUILD, "capture", name), *arguments], check=True,
                          capture_output=True).stdout


class Real(DriverTest):
    def test_there_are_kernels_and_programs(self):
        self.assertGreaterEqual(len(KERNEL), 4)
        self.assertGreaterEqual(len(TRACES) - len(KERNEL), 5)

    def test_each_is_described(self):
        with open(os.path.join(FOLDER, "README"), encoding="utf-8") as file:
            described = set(re.findall(r"^  (\S+)  ", file.read(), re.M))
        self.assertEqual(described, {os.path.basename(trace)[:-len(".ktr")]
                                     for trace in TRACES})

    def test_none_is_over_a_megabyte(self):
        for trace in TRACES:
            self.assertLessEqual(os.path.getsize(trace), MEGABYTE, trace)

    def test_an_event_takes_at_most_three_bytes_without_its_columns(self):
        for trace in KERNEL:
            bare = tool("convert", "--quiet", "--keep", "--page-size", "any", "--columns",
                        "none", "--to", "compact", trace, "-o", "-")
            events = json.loads(tool("info", "--json", "-", trace))["events"]
            self.assertLessEqual(len(bare) / events, 3, trace)

    def test_what_they_say_of_themselves(self):
        for trace in TRACES:
            about = json.loads(tool("info", "--json", "-", trace))
            self.assertEqual(about["lost"], 0, trace)
            self.assertEqual(about["about"]["origin"],
                             "kernel" if trace in KERNEL else "program")
            self.assertIn("command", about["about"])
            self.assertEqual(about["columns"], ["time", "cpu", "site", "cache", "spent"]
                             if trace in KERNEL else ["time", "site"])

    def test_every_algorithm_replays_them(self):
        for trace in TRACES:
            for name in ALGORITHMS:
                with self.subTest(trace=os.path.basename(trace), algorithm=name):
                    self.passes(f"kma_{name}", "--no-output", "--max-pages", POOL, trace)


if __name__ == "__main__":
    unittest.main()
