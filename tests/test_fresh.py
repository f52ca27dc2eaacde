#!/usr/bin/python3
"""analysis/fresh: the traces of its plan, what it records, tables, results, and DOC's table."""

import dataclasses
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest

from driver_case import BUILD, word_bytes
from shared import ROOT, read, write_script
from test_analysis import ANALYSIS, PYTHON, STUB, Case, with_changes

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import fresh_plan  # noqa: E402
import fresh_programs  # noqa: E402
import fresh_results  # noqa: E402
import ktr  # noqa: E402
from common import Refusal  # noqa: E402
from fresh_plan import PAGE_SIZES, PLAN  # noqa: E402

GENERATOR = os.path.join(ROOT, "testsuite", "generate_trace")
RECORDER = os.path.join(BUILD, "capture", "record")
SANITIZED = "sanitize" in os.path.basename(BUILD)


def made(name):
    return next(one for one in PLAN if one.name == name)


class Plan(Case):
    def write(self, one, seed=1, name="made"):
        fresh_plan.write_trace(self.path(name), one, seed)
        return read(self.path(name))

    def test_ten_for_three_page_sizes(self):
        self.assertEqual(len({one.name for one in PLAN}), 10)
        self.assertEqual({one.page_size for one in PLAN}, set(PAGE_SIZES))
        events = [2 * one.requests for one in PLAN]
        self.assertEqual((min(events), max(events)), (2_000, 300_000))
        for one in PLAN:
            self.assertLessEqual(one.largest, one.page_size - 8)
            self.assertIn(f"{one.largest:,} bytes", one.about)

    def test_sizes_lie_within_the_law_and_every_block_is_freed(self):
        for one in map(fresh_plan.quick, PLAN):
            with self.subTest(name=one.name):
                self.write(one)
                events = list(ktr.events(self.path("made")))
                self.assertEqual(len(events), 2 * one.requests)
                sizes = [size for size, _ in events if size]
                self.assertEqual(len(sizes), one.requests)
                self.assertGreaterEqual(min(sizes), one.smallest)
                self.assertLessEqual(max(sizes), one.largest)
                if one.law == "powers":
                    self.assertTrue(all(size & size - 1 == 0 for size in sizes))
                if one.law == "few":
                    self.assertLessEqual(len(set(sizes)), 6)

    def test_extremes_of_the_laws(self):
        for one in PLAN:
            draw = fresh_plan.size_law(one, 1)
            for least in (True, False):
                drawn = draw(lambda: 0.0 if least else 1 - 2**-53)
                self.assertGreaterEqual(drawn, one.smallest)
                self.assertLessEqual(drawn, one.largest)
                if one.law in ("log", "linear", "powers"):
                    self.assertEqual(drawn, one.smallest if least else one.largest)

    def test_what_is_steady_has_as_many_blocks_live(self):
        one = fresh_plan.quick(made("8k-log-steady"))
        self.write(one)
        live, most = 0, []
        for size, _ in ktr.events(self.path("made")):
            live += 1 if size else -1
            most.append(live)
        self.assertEqual((max(most), most[-1]), (one.live, 0))
        self.assertGreaterEqual(min(most[one.live:-one.live]), one.live - 1)

    def test_a_seed_gives_the_same_traces_and_another_gives_others(self):
        for one in map(fresh_plan.quick, PLAN):
            with self.subTest(name=one.name):
                first = self.write(one)
                self.assertEqual(self.write(one), first)
                self.assertNotEqual(self.write(one, seed=2), first)

    def test_every_trace_has_a_seed_of_its_own(self):
        seeds = {fresh_plan.seed_of(seed, one.name) for seed in (1, 2) for one in PLAN}
        self.assertEqual(len(seeds), 20)

    def test_generate_trace_makes_the_same(self):
        for name in ("4k-log-early", "16k-linear-uniform"):
            one = dataclasses.replace(made(name), requests=500)
            subprocess.run([GENERATOR, "500", one.law, f"{one.smallest}", f"{one.largest + 1}",
                            one.frees, self.path("generated"), "--no-plot", "--seed",
                            f"{fresh_plan.seed_of(7, name)}"], check=True, capture_output=True)
            self.assertEqual(self.write(one, seed=7), read(self.path("generated")))


class FreshCase(Case):
    def fresh(self, algorithms, *more, status=0, traces="8k-powers-uniform", folders=None):
        """Of stubs in folders named after their page sizes."""
        folders = folders or {size: str(size) for size in PAGE_SIZES}
        return self.run_script(
            "fresh", "--algorithms", algorithms, "--entrant", algorithms.split()[0], "--quick",
            "--traces", traces, "--results", "fresh.json", "--rounds", "1",
            *(word for size, folder in folders.items() for word in (f"--bin-{size}", folder)),
            *more, status=status)

    def found(self):
        return json.loads(read(self.path("fresh.json")))


class Stubs(FreshCase):
    """Times and penalties are what the stubs say, so that everything is known."""

    def setUp(self):
        super().setUp()
        for size in PAGE_SIZES:
            os.mkdir(self.path(f"{size}"))
        self.contestant("libc", 40.0, 2.0)
        self.contestant("fast", 10.0, 3.0)   # 0.25 x 4
        self.contestant("tight", 30.0, 1.0)  # 0.75 x 2

    def contestant(self, name, ns, penalty, behaviour="", sizes=PAGE_SIZES):
        for size in sizes:
            summary = with_changes(penalty=penalty, replay={"ns_per_event": ns}, page_size=size)
            write_script(self.path(f"{size}", f"kma_{name}"),
                         STUB.format(json.dumps([summary, behaviour])))

    def test_scores_and_how_the_entrant_stands(self):
        out, complaints = self.fresh("tight fast", traces="8k-powers-uniform")
        self.assertEqual(complaints, "")
        self.assertRegex(out, r"\n8k-powers-uniform +8,192 +400 +1\.500 +1\.000\*\n"
                         r"all +- +- +1\.500 +1\.000\*\n")
        self.assertRegex(out, r"\n8k-powers-uniform +1\.0000 +0\.750 +0\.750 +\w+ +1\.500 +fast "
                         r"+1\.000 +1\.500\n"
                         r"all +1\.0000 +0\.750 +0\.750 +- +1\.500 +fast +1\.000 +1\.500\n")

    def test_each_trace_has_the_executables_of_its_page_size(self):
        self.contestant("fast", 10.0, 7.0, sizes=[4096])    # 0.25 x 8
        self.contestant("fast", 80.0, 3.0, sizes=[16384])   # 2 x 4
        out, _ = self.fresh("fast", traces="4k-log-early,8k-powers-uniform,16k-few-uniform")
        found = self.found()
        self.assertEqual([(one["page_size"], one["entry"]["score"]) for one in found["traces"]],
                         [(4096, 2.0), (8192, 1.0), (16384, 8.0)])
        self.assertAlmostEqual(found["means"]["all"]["entry"]["score"], 16 ** (1 / 3))
        self.assertIsNone(found["means"]["all"]["entry"]["next"])
        self.assertEqual(list(found["means"]), ["all"])
        self.assertRegex(out, r"\nall +- +- +2\.520\*\n")

    def test_the_json(self):
        self.fresh("fast tight", "--seed", "5")
        found = self.found()
        self.assertEqual([found[key] for key in ("format", "seed", "quick", "rounds", "passes",
                                                 "entrant", "left_out")],
                         [1, 5, True, 1, 2, "fast", {}])
        one = found["traces"][0]
        self.assertEqual(one["seed"], fresh_plan.seed_of(5, "8k-powers-uniform"))
        self.assertEqual(one["ns_per_event"]["tight"], [30.0])
        self.assertEqual(one["standings"][1], {"name": "tight", "kind": "algorithm", "time": 0.75,
                                               "penalty": 1.0, "score": 1.5})
        self.assertEqual((one["entry"]["next"], one["entry"]["time_to_fastest"]), ("tight", 0.25))

    def test_who_fails_is_left_out(self):
        self.contestant("broken", 1.0, 0.0, "fail")
        out, _ = self.fresh("fast broken", status=1)
        self.assertIn("\nbroken  FAILED on 8k-powers-uniform: testsuite/t:7: id 3 overlaps", out)
        self.assertRegex(out, r"\n8k-powers-uniform +8,192 +400 +1\.000\* +-\n")
        out, _ = self.fresh("broken fast", status=1)
        self.assertRegex(out, r"\n8k-powers-uniform( +-){8}\n")
        self.assertIsNone(self.found()["traces"][0]["entry"])
        self.assertIsNone(self.found()["means"]["all"]["entry"])

    def test_what_cannot_be_recorded_is_left_out(self):
        out, complaints = self.fresh("fast", "--recorder", "nosuch",
                                     traces="8k-powers-uniform,perl")
        self.assertEqual(complaints, "")
        why = "nosuch is not built: make capture"
        self.assertIn(f"\nperl is left out, it could not be recorded here: {why}\n", out)
        self.assertEqual(self.found()["left_out"], {"perl": why})
        write_script(self.path("recorder"), "#!/bin/sh\necho it broke >&2\nexit 3\n")
        out, complaints = self.fresh("fast", "--recorder", "recorder", traces="perl", status=2)
        self.assertEqual((out, complaints), (
            "", "fresh: no trace to replay: perl: exit status 3: it broke\n"))
        write_script(self.path("recorder"), "#!/bin/sh\n")
        _, complaints = self.fresh("fast", "--recorder", "recorder", traces="perl", status=2)
        self.assertIn("perl: no process perl was recorded", complaints)

    def refused(self, words, *arguments, algorithms="fast", **more):
        out, complaints = self.fresh(algorithms, *arguments, status=2, **more)
        self.assertEqual((out, complaints.count("\n")), ("", 1))
        self.assertIn(words, complaints)
        self.assertFalse(os.path.exists(self.path("fresh.json")))

    def test_refusals(self):
        for words, arguments in (
                ("the entrant 'slow' is none of the algorithms", ["--entrant", "slow"]),
                ("the entrant 'libc' is none of the algorithms", ["--entrant", "libc"]),
                ("'0' is not a whole number above 0", ["--seed", "0"]),
                ("'x' is not a whole number above 0", ["--rounds", "x"]),
                ("no trace is called '9k', there are: 4k-log-early, ", ["--traces", "9k"]),
                ("nosuch/f: there is no such folder", ["--results", "nosuch/f"]),
                ("unrecognized arguments: --frob", ["--frob"]),
                ("kma_libc: not built, and times are told as a part of its",
                 ["--bin-8192", "nosuch"]),
                ("4096/kma_libc: built with pages of 4096 bytes, not of 8192",
                 ["--bin-8192", "4096"])):
            with self.subTest(words=words):
                self.refused(words, *arguments)
        self.contestant("libc", 1.0, 1.0, "fail")
        self.refused("kma_libc: testsuite/t:7: id 3 overlaps id 1")


class Executables(FreshCase):
    def page_size(self):
        done = subprocess.run([os.path.join(BUILD, "kma_dummy"), "--no-output", "--json", "-",
                               os.path.join(ROOT, "testsuite/1.trace")], capture_output=True,
                              text=True, check=True)
        return int(re.search(r'"page_size": (\d+)', done.stdout)[1])

    def test_from_end_to_end(self):
        size = self.page_size()
        names = [one.name for one in PLAN if one.page_size == size][:2]
        if not names:
            self.skipTest(f"no trace of the plan is for pages of {size} bytes")
        if size == fresh_programs.PAGE_SIZE and word_bytes() == 8 and not SANITIZED:
            names += ["perl", "python3"]
        out, complaints = self.fresh("word bud", "--recorder", RECORDER, "--passes", "1",
                                     traces=",".join(names), folders={size: BUILD})
        self.assertEqual(complaints, "")
        found = self.found()
        self.assertEqual([one["trace"] for one in found["traces"]], names)
        for one in (*found["traces"], *found["means"].values()):
            stands = {standing["name"]: standing for standing in one["standings"]}
            self.assertLessEqual({"word", "bud", "libc"}, set(stands))
            self.assertEqual(one["entry"]["score"], stands["word"]["score"])
            self.assertEqual(one["entry"]["next_score"], stands["bud"]["score"])
            self.assertGreater(one["entry"]["time_to_fastest"], 0)
        self.assertEqual(set(found["means"]),
                         {"all", "made", "recorded"} if "perl" in names else {"all"})
        self.assertRegex(out, rf"\n{names[-1]} +{size:,} +[\d,]+ +[\d.]+[* ] +[\d.]+")

    @unittest.skipIf(SANITIZED or word_bytes() != 8, "the programs are plain 64-bit ones")
    def test_recordings_are_of_the_program(self):
        scratch = os.path.realpath(self.path("tmp"))
        recorder = fresh_programs.Recorder(RECORDER, os.path.join(BUILD, "kma_libc"), scratch, 1,
                                           part=fresh_plan.QUICK)
        for one in fresh_programs.PROGRAMS:
            with self.subTest(name=one.name):
                path = self.path(f"{one.name}.ktr")
                why = recorder.record(one, path)
                if why and "not installed" in why:
                    continue
                self.assertIsNone(why)
                facts = ktr.facts(path)
                self.assertEqual(facts.about["program"], one.name)
                self.assertGreater(facts.events, 2_000)
        self.assertEqual([name for name in os.listdir(scratch) if "record" in name], [])


class Doc(Case):
    """The table fresh of DOC."""

    def setUp(self):
        super().setUp()
        loader = importlib.machinery.SourceFileLoader("doc_tables",
                                                      os.path.join(ANALYSIS, "doc_tables"))
        self.doc_tables = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("doc_tables", loader))
        loader.exec_module(self.doc_tables)

    def write(self, **changes):
        entry = {"penalty": 0.25, "time": 0.5, "score": 0.625, "fastest": "mimalloc",
                 "time_to_fastest": 0.875, "next": "bud", "next_score": 1.25}
        traces = [{"trace": one.name, "about": one.about, "page_size": one.page_size,
                   "events": 4000, "standings": [], "entry": entry} for one in PLAN]
        traces[1]["entry"] = None
        found = {"format": 1, "seed": 1, "quick": False, "entrant": "word", "traces": traces,
                 "means": {"all": {"standings": [], "entry": dict(entry, fastest=None)}}}
        with open(self.path(fresh_results.NAME), "w", encoding="utf-8") as file:
            json.dump(dict(found, **changes), file)

    def rewritten(self):
        pieces = self.doc_tables.parse("DOC", "<!-- table:fresh -->\nold\n<!-- /table -->\n")
        return self.doc_tables.rewritten(
            pieces, self.doc_tables.load_fresh(self.folder)).splitlines()[1:-1]

    def test_a_line_a_trace_and_one_for_all(self):
        self.assertEqual(self.rewritten(), ["old"], "nothing was measured")
        self.write()
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in self.rewritten()]
        self.assertEqual(cells[0], ["trace (page size; events)", "penalty of word", "its score",
                                    "next best", "its score", "time to the fastest reference"])
        self.assertEqual(cells[2:4] + cells[12:], [
            ["log, 8 to 4,088 bytes, early frees (4,096; 4,000)", "0.2500", "0.625", "bud",
             "1.250", "0.88 of mimalloc's"],
            ["linear, 16 to 600 bytes, uniform frees (4,096; 4,000)", "failed", "-", "-",
             "-", "-"],
            ["geometric mean", "0.2500", "0.625", "bud", "1.250", "0.88"]])

    def test_quick_figures_and_those_of_a_part_are_not_for_doc(self):
        self.write(quick=True)
        self.assertEqual(self.rewritten(), ["old"])
        self.write(traces=[])
        self.assertEqual(self.rewritten(), ["old"])

    def test_files_that_are_none(self):
        for changes, expected in (({"format": 9}, "written by another version"),
                                  ({"traces": 3}, "these are no results of analysis/fresh"),
                                  ({"traces": [{"trace": "t"}]}, "these are no results"),
                                  ({"means": {}}, "these are no results"),
                                  ({"means": {"all": {"entry": {"penalty": 1}}}},
                                   "these are no results"),
                                  ({"entrant": None, "traces": [dict(
                                      about="", page_size="x", events=1, entry=None)]},
                                   "these are no results")):
            self.write(**changes)
            with self.assertRaisesRegex(Refusal, expected):
                self.doc_tables.load_fresh(self.folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)
