#!/usr/bin/python3
"""analysis/claims: measured the same twice, judged as the numbers say, failures told."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from counted import build_counted
from driver_case import BUILD, DriverTest
from shared import ROOT, write_script

sys.path.insert(0, os.path.join(ROOT, "analysis"))
sys.dont_write_bytecode = True

import claim_list  # noqa: E402
import steady  # noqa: E402
from claim_list import FAILS, HOLDS, IN_PART, Evidence  # noqa: E402
from evidence import Facts, Workload  # noqa: E402

ALGORITHMS = ["rm", "rm_best", "bud", "lzbud", "p2fl", "mck2"]


@unittest.skipIf("sanitize" in BUILD, "valgrind cannot run programs built with sanitizers")
class Script(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.counted = build_counted(ALGORITHMS)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kma-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def claims(self, *options, folder=BUILD, counted=None, **environment):
        traces = ",".join(os.path.join(ROOT, f"testsuite/{number}.trace") for number in (1, 2))
        return subprocess.run(
            ["/usr/bin/python3", "-B", os.path.join(ROOT, "analysis/claims"), "--bin", folder,
             "--counted", counted or self.counted, "--traces", traces, "--exchanges", "200",
             "--rounds", "1", *options], cwd=self.folder, capture_output=True, text=True,
            env=dict(os.environ, **environment))

    def findings(self, done, name):
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return {claim["key"]: claim for claim in json.load(file)["claims"]}

    def test_the_same_twice_but_for_the_times(self):
        text = self.claims("--json", "a")
        first = self.findings(text, "a")
        again = self.claims("--json", "b", "--jobs", "1", "--only", "lazy-faster,fits")
        for key, claim in self.findings(again, "b").items():
            self.assertEqual(len(claim.pop("times")), len(first[key].pop("times")))
            self.assertEqual(claim, first[key])
        self.assertEqual(list(first), [claim.key for claim in claim_list.CLAIMS])
        self.assertEqual(first["lazy-bound"]["verdict"], HOLDS)
        self.assertEqual(first["mck-exact"]["verdict"], HOLDS)
        self.assertEqual(len(first["lazy-faster"]["rows"]), 8)
        for claim in first.values():
            said = " ".join(text.stdout.split())
            for part in ("title", "source", "says", "reason"):
                self.assertIn(" ".join(claim[part].split()), said)
            self.assertIn(f"Verdict: {claim['verdict']}", text.stdout)
            for row in claim["rows"]:
                self.assertEqual(len(row), len(claim["heading"]))

    def test_who_fails_leaves_its_claims_open_and_the_others_judged(self):
        for name in ALGORITHMS:
            shutil.copy(os.path.join(BUILD, f"kma_{name}"), self.folder)
        write_script(os.path.join(self.folder, "kma_mck2"),
                     "#!/bin/sh\necho 'x:7: it broke' >&2\nexit 1\n")
        done = self.claims("--json", "a", "--only", "lazy-bound,mck-exact,mck-faster",
                           folder=self.folder)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        with open(os.path.join(self.folder, "a"), encoding="utf-8") as file:
            found = {claim["key"]: claim for claim in json.load(file)["claims"]}
        self.assertEqual({key for key, claim in found.items()
                          if claim["verdict"] == claim_list.NOT_MEASURED},
                         {"mck-exact", "mck-faster"})
        self.assertEqual(found["lazy-bound"]["verdict"], HOLDS)
        self.assertIn("kma_mck2 on 1.trace: x:7: it broke", found["mck-faster"]["reason"])
        self.assertEqual(found["mck-faster"]["times"], [])

    def test_executables_that_do_not_count(self):
        done = self.claims("--only", "mck-exact", counted=BUILD)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is built without COUNTED=1", done.stdout)

    def test_wrong_words_are_refused(self):
        for options in (["--rounds", "0"], ["--traces", "nowhere.trace"], ["--frob"],
                        ["--only", "nothing"]):
            with self.subTest(options=options):
                done = self.claims(*options)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))
        done = self.claims(PATH="/nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertIn("valgrind is not installed", done.stderr)


def facts(**changed):
    """Of a call that does nothing; `changed` says what is different."""
    summary = {"page_size": 8192, "pages": {"peak": changed.pop("peak", 100)},
               "utilization_mean": changed.pop("utilization", 0.5),
               "utilization_at_peak": changed.pop("at_peak", 0.5),
               "memory": {"mean": {"requested": 100, "internal": changed.pop("internal", 0),
                                   "external": 0, "page_bytes": 200}}}
    return Facts(**{"calls": 1000, "splits": 0, "joins": 0, "steps": 0, "most_joins": 0,
                    "most_steps": 0, "instructions": 100.0, "summary": summary, **changed})


class Verdicts(unittest.TestCase):
    """Each claim on made-up facts: one trace, and the steady states it asks for."""

    def judge(self, key, *columns, steady=(), path="t.trace"):
        """A column is {algorithm: facts} of a workload."""
        claim = next(claim for claim in claim_list.CLAIMS if claim.key == key)
        names = ["t.trace", *steady][:len(columns)]
        workloads = [Workload(name, path, live=number) for number, name in enumerate(names)]
        known = {(algorithm, workload.name): found for workload, column in zip(workloads, columns)
                 for algorithm, found in column.items()}
        return claim.judge(Evidence(claim, workloads, known))

    def test_lazy_buddies_are_a_third_faster_or_not(self):
        def column(instructions):
            return {"bud": facts(), "lzbud": facts(instructions=instructions)}
        many = {"steady": ("a",)}
        self.assertEqual(self.judge("lazy-faster", column(75.0), column(60.0), **many).verdict,
                         HOLDS)
        found = self.judge("lazy-faster", column(76.0), column(60.0), **many)
        self.assertEqual(found.verdict, IN_PART)
        self.assertIn("Not a third faster: t.trace.", found.reason)
        self.assertEqual(self.judge("lazy-faster", column(90.0), column(80.0), **many).verdict,
                         FAILS)

    def test_the_bound_is_two_joins_for_each_class(self):
        for most, verdict in ((16, HOLDS), (17, FAILS)):
            found = self.judge("lazy-bound", {"bud": facts(), "lzbud": facts(most_joins=most)})
            self.assertEqual(found.verdict, verdict)
            self.assertEqual(found.rows, [["t.trace", "0", str(most), "16", "0"]])

    def test_an_exact_fit_is_exact(self):
        for internal, header, verdict in ((0, 100, HOLDS), (1, 100, IN_PART), (1, 50, FAILS)):
            column = {"p2fl": facts(internal=header), "mck2": facts(internal=internal)}
            found = self.judge("mck-exact", column, column, steady=("powers",))
            self.assertEqual(found.verdict, verdict)

    def test_faster_than_first_fit(self):
        for instructions, verdict in ((99.0, HOLDS), (100.0, FAILS)):
            column = {"rm": facts(), "mck2": facts(instructions=instructions)}
            self.assertEqual(self.judge("mck-faster", column).verdict, verdict)

    def test_the_order_of_utilization_counts_in_the_mean_and_at_the_peak(self):
        def column(mean, at_peak, peak=100):
            return {name: facts(utilization=mean[number], at_peak=at_peak[number], peak=peak)
                    for number, name in enumerate(("rm", "bud", "p2fl"))}
        order, other = (0.9, 0.6, 0.5), (0.9, 0.5, 0.6)
        self.assertEqual(self.judge("utilization", column(order, order)).verdict, HOLDS)
        self.assertEqual(self.judge("utilization", column(other, other)).verdict, FAILS)
        found = self.judge("utilization", column(other, order))
        self.assertEqual((found.verdict, found.short),
                         (IN_PART, "mean: another order on t.trace; at peak: in that order"))
        # A trace of a few pages is left out.
        found = self.judge("utilization", column(other, other, peak=9), column(order, order),
                           steady=("powers",))
        self.assertEqual((found.verdict, len(found.rows)), (HOLDS, 1))

    def test_first_fit_against_best_fit_by_the_variation_of_sizes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "t.trace")
            # Mean 100; deviations of 60 and, with one large size among small ones, of 200.
            for sizes, expected in (((40, 160), "best fit"), ((0,) * 4 + (500,), "first fit")):
                with open(path, "w", encoding="ascii") as file:
                    file.write(f"{len(sizes)}\n")
                    file.writelines(f"REQUEST {number} {size}\n"
                                    for number, size in enumerate(sizes))
                found = self.judge("fits", {"rm": facts(utilization=0.50),
                                            "rm_best": facts(utilization=0.51)}, path=path)
                self.assertEqual(found.rows[0][2:4], [expected, "best fit"])
                self.assertEqual(found.verdict, HOLDS if expected == "best fit" else IN_PART)

    def test_lists_of_words(self):
        self.assertEqual([claim_list.listed(words) for words in (["a"], ["a", "b"], [1, 2, 3])],
                         ["a", "a and b", "1, 2 and 3"])


class SteadyState(DriverTest):
    def test_the_live_blocks_stay_as_many_and_the_driver_takes_it(self):
        for name, size in (("even", steady.even_ratios(8, 512)), ("powers", steady.powers(4, 6))):
            steady.write_trace(self.path(name), 10, 50, size, 7)
            lines = self.read(name).splitlines()
            self.assertEqual(len(lines), 1 + int(lines[0]))
            self.assertEqual(int(lines[0]), 120)
            live, seen = 0, []
            for line in lines[1:]:
                live += 1 if line.startswith("REQUEST") else -1
                seen.append(live)
            self.assertEqual(set(seen[10:-10]), {9, 10})
            self.assertEqual(seen[-1], 0)
            sizes = {int(line.split()[2]) for line in lines if line.startswith("REQUEST")}
            if name == "powers":
                self.assertEqual(sizes, {16, 32, 64})
            else:
                self.assertTrue(8 <= min(sizes) <= max(sizes) <= 511)
            self.passes("kma_bud", "--no-output", name)

    def test_one_seed_one_trace(self):
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            steady.write_trace(self.path(name), 5, 20, steady.even_ratios(8, 512), seed)
        self.assertEqual(self.read("a"), self.read("b"))
        self.assertNotEqual(self.read("a"), self.read("c"))


if __name__ == "__main__":
    unittest.main()
