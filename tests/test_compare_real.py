#!/usr/bin/python3
"""analysis/compare on compact and recorded traces, and the row of the allocator that served
what was recorded."""

import csv
import json
import os
import shutil
import sys
import tempfile
import unittest
from unittest import mock

import ktr_files
from driver_case import BUILD, program
from shared import read, write_script
from test_compare import ANALYSIS, QUIET, Case, complaints

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import ktr  # noqa: E402
import measure  # noqa: E402
import plan  # noqa: E402

NOT_DRIVEN = ktr_files.not_driven(program("kma_bud"))


@unittest.skipIf(NOT_DRIVEN, NOT_DRIVEN)
class Recorded(Case):
    # After each event: requested 100, 400, 300, 0; a power of two spent on each: 128, 640, 512, 0.
    PAIRS = [(100, 0), (300, 1), (0, 0), (0, 1)]

    def setUp(self):
        super().setUp()
        ktr_files.kernel(self.path("boot.ktr"), self.PAIRS, lambda size: 128 if size == 100 else 512,
                         "command=make -j2\n")

    def test_linux(self):
        done = self.compare(*QUIET, traces="a.trace boot.ktr")
        rows = self.rows()
        self.assertEqual([key for key in rows if key[1] == "boot"],
                         [(name, "boot") for name in ("dummy", "bud", "ideal", "linux")])
        self.assertNotIn(("linux", "a.trace"), rows)
        row = rows["linux", "boot"]
        self.assertEqual((row["kind"], row["failure"], row["instructions"]), ("recorded", None, None))
        found = row["summary"]
        self.assertAlmostEqual(found["penalty"], (28 / 100 + 240 / 400 + 212 / 300) / 3)
        self.assertAlmostEqual(found["utilization_mean"], (100 / 128 + 400 / 640 + 300 / 512) / 3)
        self.assertEqual((found["peak_page_bytes"], found["peak_requested_bytes"]), (640, 400))
        self.assertEqual(found["utilization_at_peak"], 400 / 640)
        self.assertEqual((found["pages"]["peak"], found["replay"], found["latency"]), (None,) * 3)
        for text in (done.stdout, read(self.path("out", "results.md"))):
            self.assertIn("linux: Linux's own allocator, what its size rounding spent, from the "
                          "recording: pages and free objects of its slabs not counted.", text)
            self.assertIn("1 trace: a.trace. 1 recorded trace: boot.", text)
        with open(self.path("out", "results.csv"), encoding="utf-8", newline="") as file:
            line = next(line for line in csv.DictReader(file) if line["algorithm"] == "linux")
        self.assertEqual((line["kind"], float(line["penalty"])), ("recorded", found["penalty"]))
        with open(os.path.join(ANALYSIS, "results.schema.json"), encoding="utf-8") as file:
            self.assertEqual(complaints(self.found(), json.load(file)), [])
        self.assertEqual(self.found()["traces"][1], {
            "trace": "boot", "recorded": True, "events": 4, "lost": 0,
            "about": {"columns": "spent", "origin": "kernel", "command": "make -j2"}})

    def test_what_a_page_does_not_serve_is_nobodys(self):
        ktr_files.kernel(self.path("boot.ktr"), [(1 << 21, 0), (100, 1), (0, 0), (0, 1)],
                         lambda size: size + 28)
        self.compare(*QUIET, traces="boot.ktr")
        found = self.rows()["linux", "boot"]["summary"]
        self.assertEqual((found["peak_page_bytes"], found["peak_requested_bytes"]), (128, 100))
        self.assertEqual(self.rows()["bud", "boot"]["summary"]["peak_requested_bytes"], 100)

    def test_there_is_no_such_row_without_what_was_spent(self):
        ktr_files.write(self.path("boot.ktr"), self.PAIRS, "origin=kernel\n")
        ktr_files.write(self.path("git.ktr"), self.PAIRS, "origin=program\n", {"spent": [1, 1]})
        self.compare(*QUIET, traces="boot.ktr git.ktr")
        self.assertEqual([key for key in self.rows() if key[0] == "linux"], [])

    def test_text_and_compact_of_the_same_events_have_the_same_figures(self):
        pairs = list(ktr.events(self.path("a.trace")))
        ktr_files.write(self.path("c.ktr"), pairs, blocks=3)
        self.compare(*QUIET, traces="a.trace c.ktr")
        for name in ("dummy", "bud", "ideal"):
            text, compact = (self.rows()[name, trace]["summary"] for trace in ("a.trace", "c"))
            for figure in ("events", "pages", "penalty", "utilization_mean", "peak_page_bytes"):
                self.assertEqual(text[figure], compact[figure])
        for event in self.rows()["bud", "c"]["worst"]:
            self.assertIsNone(event["line"])
            self.assertEqual(event["command"] == "FREE", pairs[event["event"] - 1][0] == 0)
        for event in self.rows()["bud", "a.trace"]["worst"]:
            self.assertEqual(event["line"], event["event"] + 1)

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    @unittest.skipIf("sanitize" in BUILD, "valgrind cannot run programs built with sanitizers")
    def test_long_recorded_traces_have_fewer_turns_and_sums_of_instructions(self):
        pairs = [(64, 0), (0, 0)] * 600
        ktr_files.write(self.path("long.ktr"), pairs)
        for name in ("dummy", "bud"):  # valgrind does not look behind a script
            os.unlink(self.path("bin", f"kma_{name}"))
            os.symlink(program(f"kma_{name}"), self.path("bin", f"kma_{name}"))
        self.compare("--retries", "0", "--no-references", "--no-growth", "--no-plots",
                     traces="long.ktr")
        row = self.rows()["bud", "long"]
        replay = row["summary"]["replay"]
        # Disturbed ones are left out, unless there are no others.
        counted = len(replay["turns_s"]) + replay["disturbed_turns"]
        self.assertIn(plan.TURNS_OF_A_RECORDED_TRACE, (counted, len(replay["turns_s"])))
        found = row["instructions"]["malloc"]
        self.assertEqual(found["count"], 600)
        self.assertGreater(found["mean"], 10)
        self.assertIsNone(found["worst"])

    def test_one_that_is_damaged(self):
        with open(self.path("boot.ktr"), "r+b") as file:
            file.truncate(os.path.getsize(self.path("boot.ktr")) - 3)
        done = self.compare(*QUIET, traces="boot.ktr", status=2)
        self.assertRegex(done.stderr, r"^compare: boot\.ktr: byte \d+: the trace is cut short\n$")

    def test_names_must_differ(self):
        os.mkdir(self.path("more"))
        shutil.copy(self.path("boot.ktr"), self.path("more", "boot.ktr"))
        done = self.compare(*QUIET, traces="boot.ktr more/boot.ktr", status=2)
        self.assertEqual(done.stderr, "compare: two traces have the same name\n")

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_plots(self):
        self.compare(*QUIET[:-1], "--plots", "kma_output,kma_pareto,kma_pareto_real",
                     traces="boot.ktr b.trace")
        size = self.found()["rows"][0]["page_size"]
        svg = read(self.path("out", "plots", f"boot-{size}", "kma_output.svg"))
        self.assertIn(">linux<", svg)
        self.assertIn("Linux&apos;s own allocator" if "&apos;" in svg else "Linux's own allocator", svg)
        # The main trace is one that was not recorded, wherever it stands.
        self.assertNotIn(">linux<", read(self.path("out", "plots", "kma_output.svg")))
        for name, trace in (("kma_pareto", "b.trace"), ("kma_pareto_real", "boot")):
            self.assertIn(f">{trace}, ", read(self.path("out", "plots", f"{name}.svg")))


class Words(unittest.TestCase):
    def test_the_traces_that_come_with_kma(self):
        standard = measure.trace_files(["standard"])
        self.assertEqual([os.path.basename(path) for path in standard],
                         [f"{number}.trace" for number in range(1, 6)])
        self.assertEqual(measure.trace_files(["x", "standard", "x"]), ["x", *standard])
        self.assertEqual(measure.all_shipped()[:5], standard)

    def test_recorded_ones(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(measure.machine, "HERE", folder):
            with self.assertRaisesRegex(measure.Refusal, "testsuite/real/.*: no such traces"):
                measure.trace_files(["real"])
            self.assertEqual(measure.all_shipped(), [])
            os.makedirs(os.path.join(folder, "testsuite/real"))
            for name in ("b.ktr", "a.ktr", "README"):
                write_script(os.path.join(folder, "testsuite/real", name), "")
            names = [measure.trace_name(path) for path in measure.trace_files(["real"])]
            self.assertEqual(names, ["a", "b"])

    def test_room_for_a_page_for_each_block(self):
        facts = ktr.Facts(True, {}, 10**6, slots=200_000)
        self.assertEqual(plan.pages_for(facts), 200_000)
        self.assertEqual(plan.pages_for(ktr.Facts(True, {}, 10, slots=2**31)), measure.MAX_PAGES)
        self.assertEqual(plan.pages_for(ktr.Facts(False, {}, 10**6)), measure.MAX_PAGES)


if __name__ == "__main__":
    unittest.main()
