#!/usr/bin/python3
"""analysis/instructions.py and analysis/icount: counts of instructions, call by call."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import ktr_files
from driver_case import BUILD, DriverTest, program, trace_text, word_bytes
from shared import ROOT, write_script

sys.path.insert(0, os.path.join(ROOT, "analysis"))
sys.dont_write_bytecode = True

import instructions  # noqa: E402
from common import Refusal  # noqa: E402

NOT_DRIVEN = ktr_files.not_driven(program("kma_bud"))

MALLOCS = {"REQUEST": "malloc", "FREE": "free"}

SLOW_MALLOC = """
#include <stddef.h>
void *__libc_malloc(size_t);
void *malloc(size_t size)
{
    for (volatile int i = 0; i < 1000; i++)
        ;
    return __libc_malloc(size);
}
"""


@unittest.skipIf("sanitize" in BUILD, "valgrind cannot run programs built with sanitizers")
class Counting(DriverTest):
    def count(self, name, trace, **more):
        found, why = instructions.count(program(name), self.path(trace), self.folder, **more)
        self.assertIsNone(why)
        return found

    def total(self, name, trace):
        found, why = instructions.total(program(name), self.path(trace), self.folder)
        self.assertIsNone(why)
        return found

    def given(self, *events):
        return self.write("t.trace", trace_text(*events))

    def shipped(self, name):
        path = os.path.join(ROOT, "testsuite", name)
        with open(path, encoding="ascii") as file:
            return self.write(name, file.read())

    def test_a_hand_made_trace(self):
        trace = self.given("REQUEST 5 100", "REQUEST 3 1500", "FREE 5", "REQUEST 5 24",
                           "FREE 3", "FREE 5")
        found = self.count("kma_bud", trace)
        self.assertEqual([(call.event, call.command, call.size) for call in found.calls],
                         [(0, "REQUEST", 100), (1, "REQUEST", 1500), (2, "FREE", 100),
                          (3, "REQUEST", 24), (4, "FREE", 1500), (5, "FREE", 24)])
        self.assertEqual(len(found.per_event), 6)
        # The first call opens the allocator and gets its pages, the last gives them back.
        figures = found.figures()
        self.assertEqual(figures["malloc"]["worst_line"], 2)
        self.assertEqual(figures["malloc"]["worst_event"], 1)
        self.assertEqual(figures["malloc"]["worst_size"], 100)
        self.assertEqual(figures["malloc"]["worst"], found.per_event[0])
        self.assertEqual(figures["free"]["worst_line"], 7)
        self.assertEqual(figures["malloc"]["count"], 3)

    def test_the_same_on_every_run_and_the_figures_follow_from_the_events(self):
        trace = self.shipped("2.trace")
        found = self.count("kma_lzbud", trace)
        self.assertEqual(self.count("kma_lzbud", trace).per_event, found.per_event)
        for command, name in MALLOCS.items():
            counts = [(found.per_event[call.event], call) for call in found.calls
                      if call.command == command]
            figures = found.figures()[name]
            self.assertEqual(figures["count"], 1000)
            self.assertAlmostEqual(figures["mean"] * 1000, sum(one for one, _ in counts))
            worst = max(one for one, _ in counts)
            first = next(call for one, call in counts if one == worst)
            self.assertEqual((figures["worst"], figures["worst_line"], figures["worst_size"]),
                             (worst, first.event + 2, first.size))
            self.assertEqual(figures["p50"], sorted(one for one, _ in counts)[499])
        self.assertEqual(self.total("kma_lzbud", trace), (sum(found.per_event), 2000))

    def test_the_sums_of_malloc_and_of_free(self):
        trace = self.shipped("1.trace")
        for name in ("kma_bud", "kma_lzbud", "kma_rm"):
            counts = self.count(name, trace).figures()
            sums, why = instructions.totals(program(name), self.path(trace), self.folder)
            self.assertIsNone(why)
            for call, found in instructions.mean_figures(sums).items():
                self.assertEqual((found["count"], found["mean"]),
                                 (counts[call]["count"], counts[call]["mean"]))
                self.assertIsNone(found["worst"])

    @unittest.skipIf(NOT_DRIVEN, NOT_DRIVEN)
    def test_a_compact_trace_has_events_instead_of_lines(self):
        pairs = [(100, 0), (1500, 1), (0, 0), (24, 0), (0, 1), (0, 0)]
        ktr_files.write(self.path("t.ktr"), pairs)
        text = self.given("REQUEST 5 100", "REQUEST 3 1500", "FREE 5", "REQUEST 5 24",
                          "FREE 3", "FREE 5")
        found = self.count("kma_bud", "t.ktr")
        self.assertEqual(found.per_event, self.count("kma_bud", text).per_event)
        self.assertEqual(found.figures()["free"]["worst_event"], 6)
        self.assertIsNone(found.figures()["free"]["worst_line"])

    def test_the_driver_need_not_say_when_it_starts(self):
        trace = self.shipped("1.trace")
        found = self.count("kma_rm", trace)
        with mock.patch.object(instructions, "WHEN_TOLD", "--instr-atstart=yes"):
            self.assertEqual(self.count("kma_rm", trace).per_event, found.per_event)

    def test_what_is_too_large_is_a_request_without_a_free(self):
        self.passes("kma_dummy", "--competition", "--json", "figures", self.given())
        limit = json.loads(self.read("figures"))["page_size"] - word_bytes()
        trace = self.given(f"REQUEST 0 {limit}", "REQUEST 1 100000", "REQUEST 2 2000000000",
                           "FREE 1", "FREE 0", "FREE 2")
        found = self.count("kma_p2fl", trace)
        self.assertEqual([one is not None for one in found.per_event],
                         [True, True, True, False, True, False])
        self.assertLess(found.per_event[1], 20)
        self.assertEqual([found.figures()[name]["count"] for name in ("malloc", "free")], [3, 1])

    def test_frees_of_what_is_left_are_in_the_total_only(self):
        trace = self.given("REQUEST 0 10", "REQUEST 1 20", "FREE 0", "REQUEST 2 1500")
        found = self.count("kma_mck2", trace)
        self.assertEqual((len(found.calls), len(found.per_event)), (4, 4))
        instructions_of_all, calls = self.total("kma_mck2", trace)
        self.assertEqual(calls, 6)
        self.assertGreater(instructions_of_all, sum(found.per_event))

    def test_no_event_no_figures(self):
        found = self.count("kma_dummy", self.given())
        self.assertEqual(found.per_event, [])
        self.assertEqual(found.figures()["free"], {
            "count": 0, "mean": None, "p50": None, "worst": None, "worst_event": None,
            "worst_line": None, "worst_size": None})

    def test_another_malloc_put_in_front_of_the_c_library(self):
        trace = self.given("REQUEST 0 10", "FREE 0")
        library = self.path("slow.so")
        self.write("slow.c", SLOW_MALLOC)
        subprocess.run([*os.environ.get("KMA_CC", "gcc").split(), "-O1", "-shared", "-fPIC",
                        *(["-m32"] if word_bytes() == 4 else []), "-o", library,
                        self.path("slow.c")], check=True, capture_output=True)
        plain, slow = (self.count("kma_libc", trace, preload=preload)
                       for preload in (None, library))
        self.assertGreater(slow.per_event[0], plain.per_event[0] + 3000)
        self.assertEqual(slow.per_event[1], plain.per_event[1])

    def test_who_fails_is_not_counted(self):
        trace = self.given("REQUEST 0 10", "FREE 0")
        write_script(self.path("kma_bad"), "#!/bin/sh\necho 't.trace:7: it broke' >&2\nexit 1\n")
        for function in (instructions.count, instructions.total):
            with self.subTest(function=function.__name__):
                self.assertEqual(function(self.path("kma_bad"), self.path(trace), self.folder),
                                 (None, "t.trace:7: it broke"))
                self.assertEqual(function(self.path("kma_no"), self.path(trace), self.folder),
                                 (None, "kma_no is not built"))
                with mock.patch.dict(os.environ, PATH="/nowhere"):
                    found, why = function(program("kma_bud"), self.path(trace), self.folder)
                self.assertIsNone(found)
                self.assertIn("valgrind is not installed", why)
        self.assertEqual(sorted(self.files()), ["kma_bad", "t.trace"])

    def test_a_pool_too_small_and_no_trace(self):
        trace = self.given("REQUEST 0 10", "FREE 0")
        for function in (instructions.count, instructions.total):
            found, why = function(program("kma_dummy"), self.path(trace), self.folder,
                                  max_pages=1)
            self.assertIsNone(why)
        trace = self.given("REQUEST 0 10", "REQUEST 1 10")  # too much for the pool
        for function in (instructions.count, instructions.total):
            found, why = function(program("kma_dummy"), self.path(trace), self.folder,
                                  max_pages=1)
            self.assertIn("out of pages", why)
        self.write("no.trace", "three\n")
        with self.assertRaises(Refusal):
            instructions.count(program("kma_dummy"), self.path("no.trace"), self.folder)

    def test_parts_come_in_pieces(self):
        text = b"".join(b"part: %d\n\ndesc: Timerange: Basic block 1 - 2\n"
                        b"desc: Trigger: --dump-after=kma_%s\n\npositions: line\nevents: Ir\n"
                        b"summary: %d\n\nfn=(1) kma_free\n0 5\n\ntotals: %d\n\n"
                        % (number, (b"malloc", b"free")[number % 2], 50 + number, 50 + number)
                        for number in range(40))
        for step in (1, 7, 100, 1000, len(text)):
            reader = instructions.PartReader(self.path(f"pipe{step}"))
            with mock.patch.object(instructions, "PAUSE", 0), reader:
                for first in range(0, len(text), step):
                    os.write(reader.writing, text[first:first + step])
            self.assertEqual(reader.parts, [(("malloc", "free")[number % 2], 50 + number)
                                            for number in range(40)])


@unittest.skipIf("sanitize" in BUILD, "valgrind cannot run programs built with sanitizers")
class Script(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kma-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def icount(self, *options, **environment):
        return subprocess.run(["/usr/bin/python3", "-B", os.path.join(ROOT, "analysis/icount"),
                               *options], cwd=self.folder, capture_output=True, text=True,
                              env=dict(os.environ, **environment))

    def test_a_table_for_each_trace_and_a_row_for_each_algorithm(self):
        write_script(os.path.join(self.folder, "kma_bad"), "#!/bin/sh\nexit 1\n")
        for name in ("bud", "dummy"):
            os.symlink(program(f"kma_{name}"), os.path.join(self.folder, f"kma_{name}"))
        traces = []
        for name, events in (("a", ("REQUEST 0 9", "FREE 0")), ("b", ("REQUEST 0 2000",))):
            traces.append(os.path.join(self.folder, f"{name}.trace"))
            with open(traces[-1], "w", encoding="ascii") as file:
                file.write(trace_text(*events))
        options = ("--algorithms", "bad bud dummy", "--bin", ".", "--traces", ",".join(traces))
        done = self.icount(*options)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(self.icount(*options, "--jobs", "1").stdout, done.stdout)
        first, second = done.stdout.split("b.trace: ")
        self.assertEqual([line.split()[0] for line in first.split("---\n")[1].split("\n") if line],
                         ["dummy", "bud", "bad"])
        self.assertIn("bad    FAILED: exit status 1".split(), map(str.split, first.split("\n")))
        row = next(line.split() for line in second.splitlines() if line.startswith("dummy"))
        self.assertEqual((row[1], row[3:5], row[5:]),
                         (f"{int(row[2]):.1f}", ["2", "2000"], ["-"] * 4))

    def test_wrong_words_are_refused(self):
        for options in (["--jobs", "0"], ["--traces", "nowhere.trace"], ["--frob"]):
            with self.subTest(options=options):
                done = self.icount("--algorithms", "bud", *options)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))
        done = self.icount("--algorithms", "bud", PATH="/nowhere")
        self.assertEqual((done.returncode, done.stderr),
                         (2, f"icount: {instructions.NO_VALGRIND}\n"))


class RankCorrelation(unittest.TestCase):
    def check(self, xs, ys, expected):
        found = instructions.rank_correlation(xs, ys)
        if expected is None:
            self.assertIsNone(found)
        else:
            self.assertAlmostEqual(found, expected, 12)

    def test_exact_values(self):
        self.check([1, 2, 3], [10, 20, 300], 1)
        self.check([1, 2, 3], [3, 2, 1], -1)
        self.check([1, 2, 3, 4], [2, 1, 4, 3], 1 - 6 * 4 / (4 * 15))
        # The squared differences of the ranks add up to 194.
        self.check([106, 100, 86, 101, 99, 103, 97, 113, 112, 110],
                   [7, 27, 2, 50, 28, 29, 20, 12, 6, 17], 1 - 6 * 194 / (10 * 99))

    def test_equal_values_share_their_mean_rank(self):
        # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 x 5)
        self.check([1, 2, 2, 3], [5, 6, 7, 8], 0.9 ** 0.5)
        # Ranks 2, 2, 2, 4 against 1, 2, 3, 4: 3 / sqrt(3 x 5)
        self.check([0, 0, 0, 1], [5, 6, 7, 8], 3 / 15 ** 0.5)

    def test_too_little_to_tell(self):
        self.check([], [], None)
        self.check([1, 2], [1, 2], None)
        self.check([1, 1, 1], [1, 2, 3], None)
        self.check([1, 2, 3], [4, 4, 4], None)
        self.check([1, 2, None, 4], [1, 2, 3, None], None)
        self.check([1, None, 2, 3], [1, 9, 2, 3], 1)


if __name__ == "__main__":
    unittest.main()
