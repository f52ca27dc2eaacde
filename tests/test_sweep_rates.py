#!/usr/bin/python3
"""How long runs take, as analysis/sweep --dry-run says it: from short runs with a few numbers of
live blocks, and from finished runs. All on rates that are planted."""

import os
import types
import unittest

from driver_case import DriverTest
from shared import ROOT
from sweep_cost_case import EVENTS, PLAN, PlantedTrial, expanded, planted

import ktr
import sweep_cost
import sweep_cost_text
import sweep_rates
import sweep_traces
from jobs import Hashes
from sweep_db import DONE, Database
from sweep_live import at, live_of, magnitude

LIVE, MANY, MORE = 1_000, 100_000, 1_000_000


def growing(live, seeds="1-100", measure="times"):
    return expanded(f"""\
[[runs]]
algorithms = ["bud", "slab"]
measure = "{measure}"
passes = 2
turns = 1
[runs.generate]
generator = "growth"
live = {live}
seeds = "{seeds}"
""")


def measured(runs, trial):
    rates = sweep_rates.measure(runs, trial)
    sweep_rates.measure_more(rates, runs, trial)
    return rates


class Points(unittest.TestCase):
    POINTS = [(1_000, 2.0), (100_000, 6.0), (1_000_000, 7.0)]

    def test_at_each_of_them(self):
        for live, value in self.POINTS:
            self.assertAlmostEqual(at(self.POINTS, live), value)

    def test_between_two_on_a_logarithmic_scale(self):
        self.assertAlmostEqual(at(self.POINTS, 10_000), 4)
        self.assertAlmostEqual(at(self.POINTS, 10 ** 5.5), 6.5)

    def test_beyond_the_last_the_last_line_goes_on(self):
        self.assertAlmostEqual(at(self.POINTS, 10_000_000), 8)
        self.assertAlmostEqual(at(self.POINTS[:2], 10_000_000), 10)

    def test_beyond_the_last_it_is_never_below_the_highest(self):
        self.assertEqual(at([(1_000, 2.0), (100_000, 6.0), (1_000_000, 3.0)], 10**7), 6)
        self.assertAlmostEqual(at([(1_000, 6.0), (100_000, 2.0)], 10_000), 4)

    def test_before_the_first_one_only_and_none(self):
        self.assertEqual(at(self.POINTS, 10), 2)
        for live in (10, 1_000, 10_000_000):
            self.assertEqual(at([(1_000, 2.0)], live), 2)
            self.assertEqual(at([], live), 0)


class LiveBlocks(DriverTest):
    def most_live(self, path):
        live = most = 0
        for size, _ in ktr.events(path):
            live += 1 if size else -1
            most = max(most, live)
        return most

    def test_of_generated_traces(self):
        traces = sweep_traces.Traces(os.path.join(self.folder, "traces"))
        sizes = {"sizes": "log", "smallest": 8, "largest": 512}
        for generator, settings in (("steady", {"live": 70, "exchanges": 500, **sizes}),
                                    ("growth", {"live": 300}),
                                    ("random", {"requests": 9_000, "frees": "early", **sizes}),
                                    ("random", {"requests": 9_000, "frees": "uniform", **sizes})):
            source = sweep_traces.generated(generator, settings, 3)
            with self.subTest(source.name):
                exactly = generator != "random"
                self.assertAlmostEqual(self.most_live(traces.path_of(source)) / live_of(source),
                                       1, delta=0 if exactly else 0.1)

    def test_a_compact_trace_says_it_and_a_text_does_not(self):
        path = os.path.join(ROOT, "testsuite", "real", "vim.ktr")
        self.assertEqual(live_of(sweep_traces.from_file(path)), self.most_live(path))
        path = os.path.join(ROOT, "testsuite", "1.trace")
        self.assertIsNone(live_of(sweep_traces.from_file(path)))

    def test_of_a_text_no_more_is_told_than_of_the_usual_short_run(self):
        rates = planted(more={("memory", "word"): [(LIVE, 0), (MANY, 1.0)]})
        run = next(run for run in expanded(PLAN) if run.part == 2)
        self.assertEqual(rates.of(run), planted().of(run))


class Usual(unittest.TestCase):
    """Short runs with the usual live blocks."""

    def setUp(self):
        self.runs = [run for run in expanded(PLAN) if run.part == 1]

    def test_rates_are_those_of_the_runs(self):
        trial = PlantedTrial(planted())
        found, truth = measured(self.runs, trial), planted()
        for run in self.runs:
            self.assertAlmostEqual(found.of(run) / truth.of(run), 1, delta=0.02)
        self.assertFalse(found.guessed or found.measured or found.finished)
        self.assertLessEqual(max(dict(run.source.settings)["live"] for run in trial.done), LIVE)

    def test_one_algorithm_takes_longer_for_each_event_beside_the_replay(self):
        truth = planted()
        truth.per_event["times", "slab"] *= 5
        truth.per_replayed["times", "slab"] *= 10  # of less than a hundredth nothing is told
        found = measured(self.runs, PlantedTrial(truth))
        for run in self.runs:
            self.assertAlmostEqual(found.of(run) / truth.of(run), 1, delta=0.02)

    def longest(self, runs):
        trial = PlantedTrial(planted())
        sweep_rates.measure(runs, trial)
        return max(sweep_rates.events_of(run) for run in trial.done)

    def test_timed_runs_are_about_as_long_as_the_plans_if_that_has_many(self):
        self.assertEqual(self.longest(growing(LIVE, "1-20")), 160_000)
        self.assertEqual(self.longest(growing(LIVE, "1-100")), 200_000)
        for few in (growing(LIVE, "1-2"), growing(MORE, "1-50", measure="memory")):
            self.assertEqual(self.longest(few), 40_000)

    def test_an_algorithm_that_fails_is_taken_to_be_as_the_others(self):
        found = measured(self.runs, PlantedTrial(planted(), failing=("slab",)))
        self.assertEqual(found.guessed, {("memory", "slab"), ("times", "slab")})
        for told in (found.per_event, found.per_replayed):
            self.assertAlmostEqual(told["memory", "slab"], told["memory", "bud"])

    def test_all_that_fails_still_has_a_rate(self):
        found = measured(self.runs, PlantedTrial(planted(), failing=("bud", "slab")))
        self.assertEqual(len(found.guessed), 4)
        self.assertGreater(min(map(found.of, self.runs)), 0)


class MoreLive(unittest.TestCase):
    """Short runs with more live blocks: only where the plan has such runs."""

    TRUTH = {("times", "bud"): [(LIVE, 0), (MANY, 3e-7), (MORE, 5e-7)],
             ("times", "slab"): [(LIVE, 0), (MANY, 2e-7), (MORE, 5e-7)]}

    def setUp(self):
        self.truth = planted(more=self.TRUTH)
        self.truth.per_event = dict.fromkeys(self.truth.per_event, 2e-7)
        self.truth.per_replayed.update({who: 1e-7 for who in self.TRUTH})

    def found(self, runs, **trial):
        return measured(runs, PlantedTrial(self.truth, **trial))

    def live_measured(self, runs):
        return {live for _, _, live in self.found(runs).measured}

    def test_rates_are_those_of_the_runs(self):
        runs = growing([LIVE, 10_000, MANY, MORE, 10 * MORE])
        found = self.found(runs)
        self.assertEqual(len(found.measured), 4)
        for run in runs:
            self.assertAlmostEqual(found.of(run) / self.truth.of(run), 1, delta=0.02)

    def test_as_many_as_the_plan_has_and_no_more(self):
        for live, expected in ((LIVE, set()), (4_000, set()), (20_000, {20_000}), (MANY, {MANY}),
                               ([LIVE, MANY], {MANY}), (400_000, {MANY}),
                               (600_000, {MANY, 600_000}), (10 * MORE, {MANY, MORE})):
            with self.subTest(live):
                self.assertEqual(self.live_measured(growing(live)), expected)

    def test_not_for_a_few_runs(self):
        self.assertEqual(self.live_measured(growing(MANY, "1-2")), set())
        self.assertEqual(self.live_measured(growing(MANY, "1-100")), {MANY})

    def test_not_where_such_a_run_takes_too_long(self):
        self.assertEqual(self.live_measured(growing(MANY, measure="memory")), set())

    def test_of_what_is_not_timed_not_with_a_million(self):
        self.truth.per_replayed = dict.fromkeys(self.truth.per_replayed, 1e-5)
        self.assertEqual(self.live_measured(growing(MORE, measure="memory")), {MANY})

    def test_what_cannot_be_done_goes_on_as_it_began(self):
        found = self.found(growing([MANY, MORE]), most=MORE)
        self.assertEqual({live for _, _, live in found.measured}, {MANY})
        for who, points in self.TRUTH.items():
            self.assertEqual(found.most_live(who), MANY)
            self.assertAlmostEqual(at(found.more[who], MORE) / (1.5 * points[1][1]), 1,
                                   delta=0.02)

    def test_one_that_fails_there_takes_as_much_more_as_the_others(self):
        runs = growing(MANY)
        wanted = {run.algorithm: run for run in runs}
        wanted = {("times", name): sweep_rates.run_of(run, sweep_rates.growing_trace(MANY))
                  for name, run in wanted.items()}
        rates = planted()
        bud = wanted["times", "bud"]
        sweep_rates._learn_more(rates, wanted, {bud: planted(more=self.TRUTH).of(bud)})
        self.assertEqual(rates.measured, {("times", "bud", MANY)})
        self.assertAlmostEqual(at(rates.more["times", "slab"], MANY), 3e-7)


class FinishedRuns(DriverTest):
    """What the finished runs of a sweep tell of others."""

    def finished(self, runs, truth):
        """As of a sweep in which these runs took what `truth` says."""
        hashes = Hashes()
        with Database(os.path.join(self.folder, "sweep.db"), write=True) as database:
            database.plan([run.row(hashes) for run in runs], {})
            with database.writing() as connection:
                connection.executemany(
                    "UPDATE runs SET state = ?, seconds = ? WHERE key = ?",
                    [(DONE, truth.of(run), run.key) for run in runs])
            return sweep_rates.of_finished(database)

    def corrected(self, finished):
        rates = planted()
        rates.correct(finished)
        return rates

    def test_they_tell_of_those_with_as_many_live_blocks_and_of_no_others(self):
        truth = planted()
        truth.start = {"times": 7}
        truth.per_replayed = dict.fromkeys(truth.per_replayed, 5e-6)
        known = self.finished(growing(2_000, "1-9"), truth)
        self.assertEqual(set(known), {("times", name, magnitude(2_000))
                                      for name in ("bud", "slab")})
        rates = self.corrected(known)
        for run in growing([2_000, 50_000], "10-11"):
            right = truth if live_of(run.source) == 2_000 else planted()
            self.assertAlmostEqual(rates.of(run), right.of(run))

    def test_several_numbers_of_live_blocks_each_for_itself(self):
        truth = planted(more={("times", name): [(LIVE, 0), (MANY, 0.01)]
                              for name in ("bud", "slab")})
        rates = self.corrected(self.finished(growing([LIVE, 30_000, MANY], "1-5"), truth))
        for run in growing([LIVE, 30_000, MANY], "6-7"):
            self.assertAlmostEqual(rates.of(run), truth.of(run))

    def test_where_there_are_enough_or_long_ones(self):
        truth = planted()
        truth.start, truth.per_event = {"times": 0.1}, dict.fromkeys(truth.per_event, 1e-7)
        truth.per_replayed = dict.fromkeys(truth.per_replayed, 1e-9)
        known = self.finished(growing(LIVE, "1-4") + growing(20_000, "1-5") +
                              growing(5 * MORE, "1-1"), truth)
        self.assertEqual({live for _, _, live in known}, {5, 7})

    def test_files_of_text_are_kept_apart_and_what_is_gone_is_left_out(self):
        runs = [run for run in expanded(PLAN) if run.part == 2]
        truth = planted()
        truth.per_replayed["memory", "word"] = 0.5
        known = self.finished(runs, truth)
        self.assertEqual(set(known), {("memory", "word", None)})
        rates = self.corrected(known)
        self.assertAlmostEqual(sum(map(rates.of, runs)), sum(map(truth.of, runs)))
        gone = types.SimpleNamespace(spent=lambda: [
            {"kind": "memory", "algorithm": "bud", "source": '{"path": "/nowhere/a.trace"}',
             "runs": 9, "seconds": 9, "weight": 9, "weight_of_a_pass": 9}])
        self.assertEqual(sweep_rates.of_finished(gone), {})

    def test_two_lengths_and_passes_together(self):
        runs = [run for run in expanded(PLAN) if run.part == 1]
        found = self.finished(runs, planted())["times", "bud", magnitude(50)]
        self.assertEqual([(its.runs, its.events, its.weight, its.live) for its in found],
                         [(6, 6 * EVENTS, 6 * EVENTS * 400 * 2, 50)])


class Said(unittest.TestCase):
    def lines(self, rates):
        return sweep_cost_text.about_rates(rates, "out")

    def test_with_how_many_live_blocks_rates_were_measured(self):
        self.assertTrue(self.lines(planted())[0].endswith("with 1,000 live blocks"))
        more = {("times", "bud", MANY), ("memory", "bud", MANY), ("times", "bud", MORE)}
        self.assertTrue(self.lines(planted(measured=more))[0].endswith(
            "with 1,000 live blocks; also with 100,000 (memory, times) and with 1,000,000 "
            "(times)"))

    def test_by_which_runs_they_were_corrected(self):
        rates = planted()
        rates.correct({("times", "bud", 4): [sweep_rates.Finished(7, 9.0, 7, 7, LIVE)],
                       ("times", "bud", 6): [sweep_rates.Finished(5, 9.0, 7, 7, MANY)]})
        self.assertEqual(self.lines(rates)[1],
                         "rates corrected by 12 finished runs in out: times of bud")

    def unknown(self, runs, rates):
        return sweep_cost_text.about_unknown(sweep_cost.alike(runs), rates)

    def test_what_is_not_known(self):
        self.assertNotIn("live", self.unknown(growing(LIVE), planted()))
        self.assertIn("up to 10,000,000, but", self.unknown(growing([LIVE, 10 * MORE]), planted()))
        measured_there = planted(more={("times", name): [(LIVE, 0), (5 * MORE, 1e-9)]
                                       for name in ("bud", "slab")})
        self.assertNotIn("live", self.unknown(growing([LIVE, 10 * MORE]), measured_there))
        self.assertIn("live in files of text", self.unknown(expanded(PLAN), planted()))


if __name__ == "__main__":
    unittest.main()
