#!/usr/bin/python3
"""The report without a browser: what it claims and explains, fewer points, refusals."""

import contextlib
import copy
import importlib.machinery
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from driver_case import BUILD
from report_fixture import make_programs, make_results
from shared import ROOT, read

sys.dont_write_bytecode = True
ANALYSIS = os.path.join(ROOT, "analysis")
sys.path.insert(0, ANALYSIS)
import programs_results  # noqa: E402
import report_data  # noqa: E402
import report_text  # noqa: E402
import style  # noqa: E402
from measure import Row  # noqa: E402

REPORT = os.path.join(ANALYSIS, "report")
_loader = importlib.machinery.SourceFileLoader("report", REPORT)
report = importlib.util.module_from_spec(importlib.util.spec_from_loader("report", _loader))
_loader.exec_module(report)


def row(name="bud", penalty=0.5, ns=20.0, worst=300.0, turns=(1.0, 1.02), kind="algorithm"):
    part = {"count": 10, "mean": ns, "p50": 20.0, "p99": 50.0, "p99_9": 60.0, "max": worst}
    summary = {"events": 20, "penalty": penalty, "pages": {"peak": 7},
               "replay": {"ns_per_event": ns, "turns_s": list(turns), "score": ns * (1 + penalty)},
               "latency": {"malloc": part, "free": dict(part, max=worst / 2)}}
    return Row(name, "t.trace", summary, kind=kind, page_size=8192,
               instructions={"malloc": {"p50": 100}, "free": {"p50": 50}})


def event(**changes):
    return {"event": 8, "line": 9, "command": "REQUEST", "size": 100, "ns": 200.0, "pages_got": 0,
            "pages_freed": 0, "splits": 0, "joins": 0, "steps": 0, "instructions": None, **changes}


class Explanations(unittest.TestCase):
    def says(self, expected, one=None, **changes):
        self.assertEqual(report_text.explain(event(**changes), one or row()), expected)

    def test_pages(self):
        self.says("Got and gave back no page.")
        self.says("Got a page.", pages_got=1)
        self.says("Got 2 pages: one at most for the block, the other for control data; 8 splits.",
                  pages_got=2, splits=8)
        self.says("Got 3 pages: one at most for the block, the others for control data.",
                  pages_got=3)
        self.says("Gave back a page; 8 joins, 1 step.", pages_freed=1, joins=8, steps=1)
        self.says("Gave back 2 pages.", command="FREE", pages_freed=2)

    def test_the_first_event(self):
        self.says("The first event, nothing was held before; got a page.", event=1, line=2, pages_got=1)
        self.says("The first event, nothing was held before; got a page.", event=1, line=None,
                  pages_got=1)

    def test_places(self):
        self.assertEqual(report_text.place(event()), "line 9")
        self.assertEqual(report_text.place(event(event=12345, line=None)), "event 12,345")

    def test_what_was_not_counted_is_not_spoken_of(self):
        self.says("Got a page.", pages_got=1, splits=None, joins=None, steps=None)
        self.says("Got a page. 900 instructions.", Row("x", "t", row().summary), pages_got=1,
                  instructions=900)

    def test_usual_instructions_leave_the_time_to_the_machine(self):
        self.says("Got and gave back no page. 110 instructions, the median is 100: no more than "
                  "usual, so the time is the machine's (such as a cache or TLB miss), not the algorithm's.",
                  instructions=110)
        self.says("Got and gave back no page. 110 instructions, the median is 100: a usual call.",
                  instructions=110, ns=21.0)

    def test_more_instructions_account_for_the_time_or_for_a_part(self):
        self.says("Got and gave back no page. 1,000 instructions, the median is 100: 10.0 times the "
                  "work accounts for 10.0 times the time.", instructions=1000)
        self.says("Got and gave back no page. 200 instructions, the median is 100: 2.0 times the "
                  "work, but 10.0 times the time: a part is the machine's (such as cache or TLB "
                  "misses).", instructions=200)

    def test_of_a_reference_nothing_is_claimed(self):
        self.says("What happened inside is not known: it takes its memory from the system.",
                  row(kind="reference"))


class Claims(unittest.TestCase):
    def verdict(self, question, *rows):
        return report_text.verdict(question, rows)

    def test_least_memory_is_exact_however_close(self):
        found = self.verdict(report_text.MEMORY, row("b", 0.30), row("a", 0.29))
        self.assertEqual((found.first.algorithm, found.level), ("a", []))
        self.assertEqual(found.certainty, "exact; b 3 % more")
        self.assertEqual(
            report_text.sentences(found, []),
            "a holds the least memory: penalty 0.2900, at most 7 pages; next is b (penalty 0.3000), "
            "3 % more. Pages are counted, so this is exact and the same on every run.")

    def test_times_within_ten_percent_are_a_tie(self):
        found = self.verdict(report_text.MEAN, row("a", ns=20.0), row("b", ns=21.9), row("c", ns=23))
        self.assertEqual(found.level, ["b"])
        self.assertEqual(found.certainty, "a tie with b")
        self.assertEqual(
            report_text.sentences(found, []),
            "a is the fastest on average: 20.0 ns per event, at penalty 0.5000; b (21.9 ns per "
            "event) is within 10 %: a tie. Its best replays in 2 processes lie within 2.0 %.")
        self.assertEqual(self.verdict(report_text.MEAN, row("a", ns=20.0), row("b", ns=22.1)).level, [])

    def test_worst_case_is_that_of_malloc_and_free(self):
        slow_free = row("a", worst=100)
        slow_free.summary["latency"]["free"]["max"] = 700
        found = self.verdict(report_text.WORST, slow_free, row("b", worst=300))
        self.assertEqual((found.first.algorithm, round(found.ratio, 2)), ("b", 2.33))
        self.assertEqual(found.certainty, "clear; a 2.3 times as much")
        close = self.verdict(report_text.WORST, row("a", worst=300), row("b", worst=400))
        self.assertEqual(close.certainty, "ahead; b 33 % more")

    def test_processes_that_differ_by_more_than_the_margin(self):
        found = self.verdict(report_text.MEAN, row("a", ns=20, turns=(1.0, 1.3)), row("b", ns=25))
        self.assertIn("lie within 30.0 %, which is more than the margin",
                      report_text.sentences(found, []))

    def test_calls_that_were_not_made_do_not_count(self):
        one = row("a", worst=100)
        one.summary["latency"]["malloc"]["count"] = 0
        self.assertEqual(report_text.worst_call(one), 50)

    def test_one_row_or_none(self):
        found = self.verdict(report_text.MEMORY, row("a"))
        self.assertEqual(found.certainty, "nothing to compare it with")
        self.assertIn("there is nothing to compare it with", report_text.sentences(found, []))
        self.assertIsNone(self.verdict(report_text.MEMORY))

    def test_other_workloads(self):
        found = self.verdict(report_text.MEMORY, row("a", 0.1), row("b", 0.2))
        same = report_data.Run("x", 8192, [row("a", 1), row("b", 2)])
        other = report_data.Run("y", 8192, [row("a", 2), row("b", 1)])
        self.assertTrue(report_text.sentences(found, [same, other]).endswith(
            "It is first on 1 of the 2 other workloads."))
        self.assertTrue(report_text.sentences(found, [other]).endswith(
            "On the other workload it is not the first."))

    def test_recorded_traces_are_counted_apart(self):
        found = self.verdict(report_text.MEMORY, row("a", 0.1), row("b", 0.2))
        same, other = ([row("a", 1), row("b", 2)], [row("a", 2), row("b", 1)])
        workloads = [report_data.Run("x", 8192, same), report_data.Run("y", 8192, other)]
        recorded = [report_data.Run(name, 8192, rows, {"recorded": True})
                    for name, rows in (("k", same), ("l", other), ("m", other))]
        self.assertTrue(report_text.sentences(found, workloads + recorded).endswith(
            "It is first on 1 of the 2 other workloads and on 1 of the 3 recorded traces."))
        self.assertTrue(report_text.sentences(found, recorded[1:]).endswith(
            "It is first on none of the 2 recorded traces."))
        self.assertTrue(report_text.sentences(found, recorded[:1]).endswith(
            "On the recorded trace it is first too."))

    def test_correlations(self):
        def meaning(malloc, free, rows=8):
            return report_text.correlation_text({"malloc": malloc, "free": free, "rows": rows})
        self.assertIn("nearly without exception", meaning(0.95, 0.9))
        self.assertIn("mostly", meaning(0.95, 0.7))
        self.assertIn("part of", meaning(0.95, 0.5))
        self.assertIn("do not tell", meaning(0.95, -0.5))
        self.assertIn("too few", meaning(None, None))
        self.assertIn("too few", meaning(1.0, 1.0, rows=2))


class FewerPoints(unittest.TestCase):
    def series(self, events, length):
        count = 1 + -(-events // length)
        curve = {"low": list(range(count)), "mean": [n + 0.5 for n in range(count)],
                 "high": [n + 1 for n in range(count)]}
        return {"events": events, "slice_length": length, "index": list(range(count)),
                "requested": curve, "paged": curve, "waste": curve}

    def test_extremes_and_means_stay(self):
        found = report_data.thin_series(self.series(1000, 1), points=100)
        self.assertEqual(len(found["index"]), 101)
        self.assertEqual((found["paged"]["low"][0], found["paged"]["low"][1]), (0, 1))
        self.assertEqual((found["paged"]["high"][1], found["paged"]["high"][-1]), (11, 1001))
        self.assertAlmostEqual(found["paged"]["mean"][1], 6.0)

    def test_a_short_last_slice_weighs_less(self):
        found = report_data.thin_series(self.series(25, 10), points=1)
        self.assertAlmostEqual(found["paged"]["mean"][1], (1.5 * 10 + 2.5 * 10 + 3.5 * 5) / 25)

    def test_small_series_stay_as_they_are(self):
        for events in (0, 1, 2):
            found = report_data.thin_series(self.series(events, 1))
            self.assertEqual(found["index"], list(range(events + 1)))

    def test_the_slowest_calls_stay(self):
        pairs = [[n / 3, 1 - n / 10000] for n in range(10000)]
        ns, share = report_data.thin_steps(pairs)
        self.assertEqual((len(ns), ns[0], share[0]), (200, 0, 1))
        self.assertEqual(ns[-3:], [float(f"{n / 3:.6g}") if n % 3 else n // 3
                                   for n in (9997, 9998, 9999)])

    def test_heap_map(self):
        cells = [[None, None, 0, 1000]] * 2 + [[500] * 4]
        found = report_data.thin_heapmap({"cells": cells, "index": [1, 5, 9], "pages_per_row": 2,
                                          "page_size": 8192})
        self.assertEqual((found["rows"], found["pages_per_row"], found["index"]), (4, 2, [1, 5, 9]))
        self.assertEqual(found["cells"][:4], "AAB/")
        tall = report_data.thin_heapmap({"cells": [[1000, None] * 200], "index": [1],
                                         "pages_per_row": 1, "page_size": 8192})
        self.assertEqual((tall["rows"], tall["pages_per_row"]), (100, 4))
        self.assertEqual(set(tall["cells"]), {"/"})


class Parts(unittest.TestCase):
    def test_json_holds_no_markup(self):
        evil = {"<script>": "</script><!-- & ]]> \u2028"}
        found = report.safe_json(evil)
        self.assertEqual(json.loads(found), evil)
        for sign in "<>&\u2028":
            self.assertNotIn(sign, found)
        with self.assertRaises(ValueError):
            report.safe_json(float("nan"))

    def test_dark_colours_can_be_seen_and_told_apart(self):
        dark = [report.dark_colour(colour) for colour in style.COLOURS.values()]
        for colour in dark:
            self.assertGreaterEqual(report.contrast(colour, report.DARK_PAPER), report.CONTRAST)
        self.assertEqual(len(set(dark)), len(dark))
        self.assertEqual(report.dark_colour("#e69f00"), "#e69f00")

    def test_dark_paper_is_the_pages(self):
        self.assertIn(f"light-dark(#ffffff, {report.DARK_PAPER})",
                      read(os.path.join(report.PARTS, "page.css")))


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kma-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.good = os.path.join(cls.folder, "good")
        os.mkdir(cls.good)
        make_results(cls.good, BUILD, [os.path.join(ROOT, "testsuite/1.trace")],
                     algorithms=("bud", "rm"))

    def copy(self):
        found = os.path.join(self.folder, self.id())
        shutil.copytree(self.good, found, dirs_exist_ok=True)
        return found

    @contextlib.contextmanager
    def changed(self, folder, name):
        path = os.path.join(folder, f"{name}.json")
        content = json.loads(read(path))
        yield content
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file)

    def refused(self, folder, expected, *arguments):
        out = os.path.join(folder, "page")
        done = subprocess.run([sys.executable, "-B", REPORT, "--results", folder, "--out", out,
                               *arguments], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn(expected, done.stderr)
        self.assertFalse(os.path.exists(out))

    def test_files_that_are_not_there(self):
        self.refused(os.path.join(self.folder, "nowhere"), "no such folder")
        for name in ("results.json", "curves.json", "heapmaps/bud-1.txt"):
            folder = self.copy()
            os.unlink(os.path.join(folder, name))
            self.refused(folder, name)

    def test_other_formats(self):
        for name in ("results", "curves"):
            folder = self.copy()
            with self.changed(folder, name) as content:
                content["format"] = 99
            self.refused(folder, f"{name}.json")
            with open(os.path.join(folder, f"{name}.json"), "w") as file:
                file.write("{")
            self.refused(folder, f"{name}.json")

    def test_curves_of_another_comparison(self):
        folder = self.copy()
        with self.changed(folder, "curves") as curves:
            curves["runs"]["bud/1.trace/8192"]["series"]["penalty"] += 1
        self.refused(folder, "bud/1.trace/8192 is of another run")
        folder = self.copy()
        with self.changed(folder, "curves") as curves:
            curves["runs"]["bud/7.trace/8192"] = curves["runs"].pop("bud/1.trace/8192")
        self.refused(folder, "bud/7.trace/8192 is not in results.json")
        folder = self.copy()
        with self.changed(folder, "curves") as curves:
            del curves["runs"]["rm/1.trace/8192"]
        self.refused(folder, "no curves of rm/1.trace/8192")

    def test_rows_that_make_no_sense(self):
        folder = self.copy()
        with self.changed(folder, "results") as results:
            results["rows"].append(copy.deepcopy(results["rows"][0]))
        self.refused(folder, "is there twice")
        with self.changed(folder, "results") as results:
            results["rows"] = []
        self.refused(folder, "no rows")

    def test_traces_that_are_not_in_the_list(self):
        folder = self.copy()
        with self.changed(folder, "results") as results:
            results["traces"][0]["trace"] = "another"
        self.refused(folder, "bud/1.trace/8192 is of a trace that is not in its list")
        with self.changed(folder, "results") as results:
            results["traces"] = [3]
        self.refused(folder, "these are no results of analysis/compare")

    def test_programs_that_make_no_sense(self):
        folder = self.copy()
        make_programs(folder, quick=True)
        self.refused(folder, "programs.json: a quick run")
        make_programs(folder)
        with self.changed(folder, "programs") as found:
            found["rows"][1]["wall_s"] = []
        self.refused(folder, "ls with dummy has neither figures nor a failure")
        with self.changed(folder, "programs") as found:
            found["rows"][1]["program"] = "emacs"
            found["rows"][1]["failure"] = "it fell"
        self.refused(folder, "emacs is not in its list of programs")
        with self.changed(folder, "programs") as found:
            del found["settings"]
        self.refused(folder, "these are no results of analysis/programs")
        with self.changed(folder, "programs") as found:
            found["format"] = 99
        self.refused(folder, "written by another version")

    def test_the_tables_of_doc(self):
        """What was not run leaves the table as it is."""
        folder = self.copy()
        doc, marks = os.path.join(folder, "DOC"), ("<!-- table:programs-{} -->\n", "<!-- /table -->\n")
        text = "".join(f"{marks[0].format(name)}old {name}\n{marks[1]}" for name in ("time", "memory"))
        with open(doc, "w", encoding="utf-8") as file:
            file.write(text)

        def rewritten():
            subprocess.run([sys.executable, "-B", os.path.join(ROOT, "analysis/doc_tables"), "--results",
                            os.path.join(folder, "results.json"), doc], check=True)
            return read(doc)

        self.assertEqual(rewritten(), text)
        rows = make_programs(folder)["rows"]
        for name, figure in (("time", "wall"), ("memory", "peak")):
            text = text.replace(f"old {name}", "\n".join(programs_results.markdown(rows, figure)))
        self.assertEqual(rewritten(), text)
        self.assertIn("| redis ", text)

    def test_a_broken_heap_map(self):
        folder = self.copy()
        for text in ("", "2 2 1 8192\n1 - 0\n", "1 2 1 8192\n1 - x\n"):
            with open(os.path.join(folder, "heapmaps/bud-1.txt"), "w") as file:
                file.write(text)
            self.refused(folder, "heapmaps/bud-1.txt")

    def test_wrong_words(self):
        for arguments in ([], ["--results"], ["--results", ".", "--frob"]):
            with self.assertRaises(SystemExit) as end, \
                    contextlib.redirect_stderr(io.StringIO()) as said:
                report.main(arguments)
            self.assertEqual((end.exception.code, said.getvalue().count("\n")), (2, 1))

    def test_nothing_half_written(self):
        folder, out = self.copy(), os.path.join(self.folder, "out")
        os.makedirs(os.path.join(out, "index.html"))
        done = subprocess.run([sys.executable, "-B", REPORT, "--results", folder, "--out", out],
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertEqual(os.listdir(out), ["index.html"])


if __name__ == "__main__":
    unittest.main()
