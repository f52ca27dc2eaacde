#!/usr/bin/python3
"""analysis/frontier: scores, frontiers and pictures, from stubs and from the executables."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from unittest import mock

import test_plots
from driver_case import BUILD, trace_text
from shared import ROOT, read
from test_analysis import PYTHON, Case

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import measure  # noqa: E402
from packing import Packing  # noqa: E402
from plot_frontier import frontier_picture  # noqa: E402
from standings import Field, Standing, best, frontier, over_all  # noqa: E402

ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()

EVENTS = [f"REQUEST {n} {100 + 700 * n}" for n in range(9)] + [f"FREE {n}" for n in range(9)]


def standing(name, time, room, kind=measure.ALGORITHM):
    return Standing(name, kind, time, room - 1)


def field(*standings, label="t", packing=Packing(0.01, 0.2), **more):
    return Field(label, list(standings), packing, **more)


def plain(trace):
    """{name: its standing} of a trace in the JSON."""
    return {one["name"]: one for one in trace["standings"]}


class FrontierCase(Case):
    def setUp(self):
        super().setUp()
        self.write_trace("t.trace", *EVENTS)

    def write_trace(self, name, *events):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(trace_text(*events))

    def frontier(self, algorithms, *more, status=0, traces=("t.trace",), programs="."):
        return self.run_script("frontier", "--algorithms", algorithms, "--bin", programs,
                               "--output", "out", "--quick", "--results", "found.json",
                               "--traces", *traces, *more, status=status)

    def found(self):
        return json.loads(read(self.path("found.json")))

    def assert_pictures(self, *traces):
        """All of them, each whole, and nothing else."""
        names = ["frontier", *(f"frontier-{trace}" for trace in traces)]
        self.assertEqual(sorted(os.listdir(self.path("out"))),
                         sorted(f"{name}.{kind}" for name in names for kind in ("png", "svg")))
        for name in os.listdir(self.path("out")):
            with open(self.path("out", name), "rb") as file:
                content = file.read().rstrip()
            start, end = ((b"\x89PNG", b"IEND\xaeB`\x82") if name.endswith("png")
                          else (b"<?xml", b"</svg>"))
            self.assertTrue(content.startswith(start) and content.endswith(end), name)


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Stubs(FrontierCase):
    """Times and penalties are what the stubs say, so that everything is known."""

    def contestant(self, name, ns, penalty):
        self.stub(name, penalty=penalty, replay={"ns_per_event": ns})

    def usual(self):
        self.contestant("libc", 40.0, 2.0)
        self.contestant("fast", 10.0, 3.0)   # 0.25 x 4
        self.contestant("tight", 30.0, 1.0)  # 0.75 x 2
        self.contestant("worse", 35.0, 1.5)  # 0.875 x 2.5: less than libc's in both
        self.contestant("worst", 80.0, 4.0)  # 2 x 5

    def test_scores_and_who_is_on_the_frontier(self):
        self.usual()
        out, complaints = self.frontier("fast tight worse worst")
        self.assertEqual(complaints, "")
        self.assertRegex(out, r"\nt\.trace +1\.000\* +1\.500\+ +2\.188 +10\.000 +3\.000\n")
        self.assertRegex(out, r"\nall +1\.000\* +1\.500\+ +2\.188 +10\.000 +3\.000\n")
        self.assertRegex(out, r"\nfast +0\.250 +4\.0000 +1\.000 +1 +1\n"
                         r"tight +0\.750 +2\.0000 +1\.500 +1 +1\n"
                         r"worse +0\.875 +2\.5000 +2\.188 +0 +0\nlibc +1\.000 +3\.0000 ")
        self.assertIn("2.0000 tight\n", out)
        self.assertIn("\nIn out: frontier.png over all, ", out)
        self.assert_pictures("t.trace")

    def test_a_reference_may_stand_before_an_algorithm(self):
        self.contestant("libc", 40.0, 0.5)
        self.contestant("near", 44.0, 0.75)
        self.contestant("fast", 10.0, 3.0)
        self.frontier("near fast")
        trace = self.found()["traces"][0]
        self.assertEqual((trace["frontier"], trace["algorithms_frontier"], trace["best"]),
                         (["libc", "fast"], ["near", "fast"], "fast"))

    def test_the_json(self):
        self.usual()
        self.write_trace("more.trace", "REQUEST 0 100", "FREE 0")
        self.frontier("fast tight", traces=("t.trace", "more.trace"))
        found = self.found()
        self.assertEqual((found["format"], found["rounds"], found["passes"]), (1, 3, 2))
        self.assertEqual([(one["trace"], one["events"], one["page_size"])
                          for one in found["traces"]],
                         [("t.trace", 18, 8192), ("more.trace", 2, 8192)])
        self.assertEqual(plain(found["traces"][0])["tight"],
                         {"name": "tight", "kind": "algorithm", "time": 0.75, "penalty": 1.0,
                          "score": 1.5})
        self.assertEqual(plain(found["traces"][0])["libc"]["kind"], "reference")
        self.assertEqual(found["traces"][0]["ns_per_event"]["fast"], [10.0] * 3)
        packing = found["traces"][1]["packing"]
        self.assertAlmostEqual(packing["lower_bound"], 8192 / 100 - 1)
        self.assertEqual(packing["lower_bound"], packing["best_fit"])
        self.assertAlmostEqual(plain(found["overall"])["fast"]["score"], 1)
        self.assert_pictures("t.trace", "more.trace")

    def test_who_fails_is_left_out(self):
        self.usual()
        self.stub("broken", "fail")
        out, _ = self.frontier("fast broken missing", status=1)
        self.assertIn("\nbroken  FAILED on t.trace: testsuite/t:7: id 3 overlaps id 1\n"
                      "missing  FAILED on t.trace: kma_missing is not built\n", out)
        self.assertRegex(out, r"\nt\.trace +1\.000\* +- +- +3\.000\+\n")
        trace, overall = self.found()["traces"][0], self.found()["overall"]
        self.assertEqual(list(plain(trace)), ["fast", "libc"])
        self.assertEqual(set(overall["left_out"]), {"broken", "missing"})
        for name in ("frontier", "frontier-t.trace"):
            self.assertIn("Left out, for want of figures: broken, missing",
                          read(self.path("out", f"{name}.svg")))

    def test_times_of_zero_have_no_place(self):
        self.usual()
        self.contestant("nothing", 0.0, 1.0)
        out, _ = self.frontier("fast nothing", status=1)
        self.assertIn("nothing  FAILED on t.trace: no time or no memory that could be told", out)


class Refused(FrontierCase):
    def refused(self, words, *arguments, **more):
        out, complaints = self.frontier("bud", *arguments, status=2, **more)
        self.assertEqual((out, complaints.count("\n")), ("", 1))
        self.assertIn(words, complaints)
        self.assertFalse(os.path.isdir(self.path("out")) and os.listdir(self.path("out")))
        self.assertFalse(os.path.exists(self.path("found.json")))

    def test_words(self):
        self.stub("libc")
        for words, arguments in (("'0' is not a whole number above 0", ["--rounds", "0"]),
                                 ("'x' is not a whole number above 0", ["--passes", "x"]),
                                 ("'a/b' is no name", ["--algorithms", "a/b"]),
                                 ("unrecognized arguments: --frob", ["--frob"]),
                                 ("nosuch: no such trace", ["--traces", "nosuch"]),
                                 ("t.trace/out: Not a directory", ["--output", "t.trace/out"]),
                                 ("t.trace: File exists", ["--output", "t.trace"])):
            self.refused(words, *arguments)

    def test_traces(self):
        self.stub("libc")
        self.stub("bud")
        self.write_trace("none.trace")
        self.refused("none.trace: no event", traces=("none.trace",))
        with open(self.path("odd.trace"), "w", encoding="ascii") as file:
            file.write("2\nREQUEST 0 100\nFREE 1\n")
        self.refused("odd.trace:3: event 2 of the 2", traces=("odd.trace",))

    def test_without_glibc(self):
        self.refused("kma_libc: not built, and times are told as a part of its")
        self.stub("libc", "fail")
        self.refused("kma_libc on t.trace: testsuite/t:7: id 3 overlaps id 1")

    def test_without_gnuplot(self):
        with mock.patch.dict(os.environ, PATH=self.folder):
            self.refused("gnuplot is not installed")


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Executables(FrontierCase):
    def test_all_algorithms(self):
        traces = [os.path.join(ROOT, f"testsuite/{number}.trace") for number in (1, 2)]
        out, _ = self.frontier(" ".join(ALGORITHMS), "--rounds", "1", "--passes", "1",
                               traces=("t.trace", *traces), programs=BUILD)
        found = self.found()
        self.assert_pictures("t.trace", "1.trace", "2.trace")
        for trace in [*found["traces"], found["overall"]]:
            stands, packing = plain(trace), trace["packing"]
            self.assertLessEqual({*ALGORITHMS, "libc"}, set(stands))
            self.assertLessEqual(packing["lower_bound"], packing["best_fit"])
            for name in ALGORITHMS:
                self.assertLessEqual(packing["lower_bound"], stands[name]["penalty"] + 1e-6, name)
            for which, among in (("frontier", stands), ("algorithms_frontier", ALGORITHMS)):
                unbeaten = {one for one in among if not any(
                    all(stands[other][figure] <= stands[one][figure]
                        for figure in ("time", "penalty")) and other != one for other in among)}
                self.assertEqual(set(trace[which]), unbeaten)
            self.assertEqual(trace["best"], min(stands, key=lambda name: stands[name]["score"]))
        self.assertEqual(len([line for line in out.splitlines() if line.startswith("2.trace ")]), 2)

    def test_figures_of_memory_are_the_drivers(self):
        self.frontier("bud", "--rounds", "1", "--passes", "1", programs=BUILD)
        trace = self.found()["traces"][0]
        done = subprocess.run([os.path.join(BUILD, "kma_bud"), "--competition", "--passes", "1",
                               "--json", "-", self.path("t.trace")], text=True, capture_output=True)
        summary = json.loads(done.stdout[done.stdout.index("{"):done.stdout.rindex("}") + 1])
        self.assertEqual(plain(trace)["bud"]["penalty"], summary["penalty"])
        self.assertEqual(plain(trace)["libc"]["time"], 1)


class Standings(unittest.TestCase):
    def test_frontier_and_best(self):
        a, b, c, d = (standing(*one) for one in
                      (("a", 1, 5), ("b", 2, 3), ("c", 2, 4), ("d", 9, 3)))
        self.assertEqual(frontier([a, b, c, d]), [b, a])
        self.assertEqual(best([c, b, a, d]), a)
        self.assertEqual((frontier([]), best([])), ([], None))

    def test_over_all(self):
        fields = [field(standing("a", 1, 2), standing("b", 4, 2), label="one",
                        packing=Packing(0, 1)),
                  field(standing("a", 4, 8), label="two", packing=Packing(3, 7),
                        left_out={"b": "it broke"})]
        found = over_all("both", fields)
        self.assertEqual([one.name for one in found.standings], ["a"])
        self.assertAlmostEqual(found.standings[0].time, 2)
        self.assertAlmostEqual(found.standings[0].room, 4)
        self.assertAlmostEqual(found.packing.lower_bound, 1)
        self.assertAlmostEqual(found.packing.best_fit, 3)
        self.assertEqual(found.left_out, {"b": "has no figures on two"})


class Picture(test_plots.Case):
    NAMES, REFERENCES = test_plots.Usual.NAMES, test_plots.Usual.REFERENCES

    def everybody(self):
        found = [standing(name, 0.3 + 0.2 * n, 1.1 + 9 / (n + 1) ** 2)
                 for n, name in enumerate(self.NAMES)]
        return found + [standing(name, 1 + n / 7, 1.2 + n, measure.REFERENCE)
                        for n, name in enumerate(self.REFERENCES)]

    def test_everybody(self):
        picture = frontier_picture(field(*self.everybody(), label="5.trace",
                                         left_out={"gone": "it broke"}))
        self.assert_png(picture)
        self.assert_readable(picture, "Time against memory: 5.trace", "algorithm", "reference",
                             "no packer into single pages is left of this: 1.0100",
                             "best fit without metadata: 1.2000", "dummy → 10.1",
                             "Left out, for want of figures: gone",
                             "time as part of glibc's", *self.NAMES, *self.REFERENCES)

    def test_the_best(self):
        words = self.assert_readable(frontier_picture(field(
            standing("a", 1, 2), standing("libc", 1, 1.5, measure.REFERENCE))))
        self.assertIn("Best: libc 1.500, of the algorithms a 2.000.", words)

    def test_odd_figures(self):
        for name, standings in (
                ("none", []), ("one", [standing("a", 1, 1)]),
                ("equal", [standing(name, 0.5, 2) for name in self.NAMES]),
                ("wide", [standing("a", 1e-6, 1), standing("b", 1e6, 1e9)]),
                ("narrow", [standing("a", 0.4, 1.30001), standing("b", 0.40001, 1.3)]),
                ("long", [standing(f"{n}_{test_plots.LONGEST * 3}", 1 + n, 9 - n)
                          for n in range(5)])):
            for packing in (Packing(0, 0), Packing(6, 80)):
                with self.subTest(name=name, packing=packing):
                    self.assert_readable(frontier_picture(field(*standings, packing=packing)))

    def test_odd_names_of_traces(self):
        for label in test_plots.ODD:
            self.assert_readable(frontier_picture(field(standing("a", 1, 2), label=label)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
