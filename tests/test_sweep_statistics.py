#!/usr/bin/python3
"""analysis/sweep_statistics.py: what is told of the allocators of a sweep over seeds."""

import itertools
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
import unittest

from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import sweep_db  # noqa: E402
import sweep_statistics_text  # noqa: E402
from common import Refusal  # noqa: E402
from measure import BOUND, REFERENCE  # noqa: E402
from sweep_statistics import FIGURES, tables  # noqa: E402

FAMILY = "random-log-early-1000-8-8000"
TWELVE = "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word".split()


def row(algorithm, seed, kind="memory", family=FAMILY, **changes):
    found = dict.fromkeys((
        "failure", "page_limit", "turn", "penalty", "peak_page_bytes", "replay_ns_per_event",
        "replay_score", "instructions_malloc_mean", "instructions_free_mean"))
    found.update(kind=kind, state="done", algorithm=algorithm, contestant="algorithm",
                 trace=f"{family}-s{seed}", family=family, seed=seed, page_size=8192, host="one")
    found.update(changes)
    return found


def text(found, colours=False):
    return sweep_statistics_text.text(found, colours).splitlines()


def penalties(**figures):
    """Of algorithm=[penalty with seed 1, with seed 2, ...]."""
    return [row(algorithm, seed, penalty=penalty) for algorithm, each in figures.items()
            for seed, penalty in enumerate(each, 1)]


def times(**figures):
    return [row(algorithm, seed, "times", replay_ns_per_event=ns)
            for algorithm, each in figures.items() for seed, ns in enumerate(each, 1)]


def around(middle, count, rand):
    return [middle + rand.gauss(0, 0.05) for _ in range(count)]


class Tables(unittest.TestCase):
    def only(self, rows, key=None, level=0.05):
        """The table of that figure, or the one table that there is."""
        found = [table for table in tables(rows, level) if key in (None, table.figure.key)]
        self.assertEqual(len(found), 1)
        return found[0]

    def line(self, table, algorithm):
        return next(line for line in table.lines if line.algorithm == algorithm)


class Differences(Tables):
    def test_a_planted_difference_is_found(self):
        rand = random.Random(1)
        base = around(1.0, 12, rand)
        table = self.only(penalties(
            bud=base, slab=[value + 0.01 + rand.random() / 100 for value in base],
            word=[value + rand.choice((-1, 1)) * rand.random() / 100 for value in base]))
        real = {(pair.first, pair.second, pair.less) for pair in table.pairs if pair.real}
        self.assertIn("slab", {line.algorithm for line in table.lines})
        self.assertEqual({frozenset(pair[:2]) for pair in real},
                         {frozenset(("bud", "slab")), frozenset(("slab", "word"))})
        self.assertEqual({pair[2] for pair in real}, {"bud", "word"})
        shared = set(self.line(table, "bud").letters) & set(self.line(table, "word").letters)
        self.assertTrue(shared)
        self.assertFalse(shared & set(self.line(table, "slab").letters))
        self.assertIn("2 of 3 pairs differ.", text([table]))

    def test_none_is_claimed_among_the_same(self):
        each = around(1.0, 30, random.Random(2))
        table = self.only(penalties(bud=each, slab=each, word=each))
        self.assertEqual([(pair.adjusted, pair.real, pair.test.zeros) for pair in table.pairs],
                         [(1, False, 30)] * 3)
        self.assertEqual([line.letters for line in table.lines], [["a"]] * 3)
        self.assertIn("0 of 3 pairs differ.", text([table]))
        del each[12:]
        self.assertIn("The two are not told apart.",
                      text(tables(penalties(bud=each, slab=each))))

    def test_a_difference_of_one_seed_is_not_real(self):
        table = self.only(penalties(bud=[0.5] * 10, slab=[0.5] * 9 + [100.0]))
        self.assertEqual((table.pairs[0].adjusted, table.pairs[0].real), (1, False))

    def test_chance_alone_seldom_looks_like_a_difference(self):
        """Of sweeps in which nothing differs, at most the level may claim anything."""
        rand, claimed, sweeps = random.Random(3), 0, 200
        for _ in range(sweeps):
            table = self.only(penalties(**{name: around(1.0, 12, rand) for name in TWELVE[:5]}))
            claimed += any(pair.real for pair in table.pairs)
        self.assertLessEqual(claimed, 0.05 * sweeps + 3 * (0.05 * 0.95 * sweeps) ** 0.5)

    def test_pairs_are_by_seed_not_by_place(self):
        """What differs between seeds a hundred times as much does not hide a difference."""
        rows = penalties(bud=[float(seed) for seed in range(10)],
                         slab=[seed + 0.01 for seed in range(10)])
        self.assertTrue(self.only(rows).pairs[0].real)
        self.assertAlmostEqual(self.only(rows).pairs[0].median_difference, -0.01)
        late = [dict(one, seed=one["seed"] + (one["algorithm"] == "slab") * 100) for one in rows]
        self.assertEqual((self.only(late).pairs[0].seeds, self.only(late).pairs[0].real),
                         (0, False))

    def test_too_few_seeds_say_so(self):
        for seeds, expected in ((7, "7 seeds cannot tell 66 pairs apart at 0.05; 12 can."),
                                (11, "11 seeds cannot tell 66 pairs apart at 0.05; 12 can."),
                                (12, "66 of 66 pairs differ.")):
            rows = penalties(**{name: [number + seed / 100 for seed in range(seeds)]
                                for number, name in enumerate(TWELVE)})
            table = self.only(rows)
            self.assertIn(expected, text([table]))
            self.assertEqual(any(pair.real for pair in table.pairs), seeds == 12)
        self.assertIn("7 seeds cannot tell 1 pair apart at 0.01; 8 can.",
                      text(tables(penalties(a=range(7), b=range(1, 8)), 0.01)))

    def test_one_alone(self):
        self.assertIn("There are no two to compare.", text(tables(penalties(bud=[1.0, 2.0]))))

    def test_the_level(self):
        for level in (0, 1, -0.5, float("nan")):
            with self.assertRaisesRegex(Refusal, "is not between 0 and 1"):
                tables([], level)


class Figures(Tables):
    def test_quartiles(self):
        table = self.only(penalties(bud=[5.0, 1.0, 4.0, 2.0, 3.0], slab=[7.0, 8.0, 9.0, 10.0]))
        for algorithm, expected in (("bud", (1, 2, 3, 4, 5)),
                                    ("slab", (7, 7.75, 8.5, 9.25, 10))):
            line = self.line(table, algorithm)
            self.assertEqual((line.least, line.lower, line.median, line.upper, line.most),
                             expected)
        self.assertEqual([line.algorithm for line in table.lines], ["bud", "slab"])

    def test_one_table_for_each_figure_family_and_pages(self):
        rows = [row("bud", seed, family=family, page_size=size, page_limit=limit, penalty=0.5,
                    peak_page_bytes=8192)
                for seed in (1, 2) for family in ("live-1000", "live-200")
                for size in (8192, 4096) for limit in (500, None)]
        self.assertEqual(
            [(table.family, table.page_size, table.page_limit, table.figure.key)
             for table in tables(rows)],
            [(family, size, limit, key) for family in ("live-200", "live-1000")
             for size in (4096, 8192) for limit in (None, 500)
             for key in ("penalty", "peak_page_bytes")])

    def test_room_for_every_block_is_one_whatever_pages_that_takes(self):
        rows = [row("bud", seed, page_limit=65536 + seed, limited=0, penalty=0.5)
                for seed in range(3)]
        self.assertEqual((self.only(rows).page_limit, self.only(rows).seeds), (None, 3))
        self.assertIn(", room for every block: ", text(tables(rows))[3])
        limited = [dict(one, limited=1, page_limit=500) for one in rows]
        self.assertEqual([table.page_limit for table in tables(rows + limited)], [None, 500])
        self.assertIn(", page limit 500: ", text(tables(limited))[3])

    def test_one_seed_and_files_have_no_table(self):
        rows = [row("bud", 1, penalty=0.5), row("slab", 1, penalty=0.7),
                row("bud", None, penalty=0.5), row("slab", None, penalty=0.7)]
        self.assertEqual(tables(rows), [])
        self.assertEqual(text([]), ["No family of traces has figures of two seeds or more."])

    def test_times_are_the_least_of_all_turns(self):
        rows = [row("bud", seed, kind, turn=turn, replay_ns_per_event=ns + seed, penalty=0.5)
                for seed in (1, 2) for kind in ("times", "replay")
                for turn, ns in enumerate((9.0, 7.0, 8.0))]
        found = tables(rows)
        self.assertEqual([table.figure.key for table in found], ["replay_ns_per_event", "score"])
        self.assertEqual([(table.lines[0].least, table.lines[0].most) for table in found],
                         [(8, 9), (12, 13.5)])

    def test_the_score_of_a_reference_takes_the_penalty_of_its_memory_run(self):
        rows = [row("libc", seed, kind, contestant=REFERENCE, penalty=penalty,
                    replay_ns_per_event=10.0)
                for seed in (1, 2) for kind, penalty in (("memory", 0.5), ("times", -1.0))]
        score = next(table for table in tables(rows) if table.figure.key == "score")
        self.assertEqual(score.lines[0].median, 15)
        timed = [one for one in rows if one["kind"] == "times"]
        self.assertEqual([table.figure.key for table in tables(timed)], ["replay_ns_per_event"])

    def test_instructions_where_there(self):
        rows = [row("bud", seed, kind, instructions_malloc_mean=40.5)
                for seed, kind in ((1, "instructions"), (2, "total"))]
        self.assertEqual(self.only(rows).figure.key, "instructions_malloc_mean")

    def test_bounds_are_shown_and_not_compared(self):
        rows = penalties(bud=[0.5] * 12, slab=[0.6 + seed / 100 for seed in range(12)])
        rows += [row("ideal", seed, "ideal", contestant=BOUND, penalty=0.1)
                 for seed in range(1, 13)]
        table = self.only(rows)
        self.assertEqual([(line.algorithm, line.letters) for line in table.lines],
                         [("ideal", []), ("bud", ["a"]), ("slab", ["b"])])
        self.assertEqual(len(table.pairs), 1)

    def test_the_order_of_rows_does_not_matter(self):
        rand = random.Random(4)
        rows = [row(name, seed, kind, turn=turn, replay_ns_per_event=rand.random(),
                    penalty=rand.random(), host=rand.choice(("one", "two")),
                    failure=rand.choice((None,) * 20 + ("first", "second", "third")))
                for name in TWELVE[:4] for seed in range(15)
                for kind in ("memory", "times", "replay") for turn in range(3)]
        expected = sweep_statistics_text.as_json(tables(rows)), text(tables(rows))
        for _ in range(5):
            rand.shuffle(rows)
            found = tables(iter(rows))
            self.assertEqual((sweep_statistics_text.as_json(found), text(found)), expected)


class OfDatabase(Tables):
    def test_its_columns_are_those_that_are_read(self):
        with tempfile.TemporaryDirectory(prefix="kma_test_statistics_") as folder:
            with sweep_db.Database(os.path.join(folder, sweep_db.NAME), write=True) as database:
                self.assertLessEqual(
                    {*row("bud", 1), "limited", *(figure.key for figure in FIGURES
                                                  if figure.value is None)},
                    set(database.columns))
                names = ("kind", "algorithm", "contestant", "family", "seed", "page_size",
                         "page_limit", "limited", "penalty")
                database.plan([{"key": f"{number}", "number": number, **{
                    name: one.get(name) for name in names}} for number, one in enumerate(
                        penalties(bud=[0.5] * 8, slab=[0.75] * 8))], {})
                table = self.only(database.rows())
        self.assertEqual((table.seeds, table.pairs[0].less), (8, "bud"))


class Failures(Tables):
    def struck(self, rows, algorithm, seeds, why="id 3 overlaps id 1", **figures):
        for one in rows:
            if one["algorithm"] == algorithm and one["seed"] in seeds:
                one.update(figures, failure=why, state="failed")
        return rows

    def test_they_are_counted_and_their_seeds_are_not_compared(self):
        rows = penalties(bud=around(1.0, 12, random.Random(5)),
                         slab=around(9.0, 12, random.Random(6)))
        table = self.only(self.struck(rows, "bud", (3, 7), penalty=None), "penalty")
        line = self.line(table, "bud")
        self.assertEqual((line.passed, line.failed, line.missing), (10, 2, 0))
        self.assertEqual(table.pairs[0].seeds, 10)
        self.assertIn("bud failed on 2 of 12 seeds, the first is 3: id 3 overlaps id 1",
                      text([table]))
        self.assertEqual(sweep_statistics_text.as_json([table])["tables"][0]["algorithms"][0]
                         ["failures"], [{"seed": seed, "failure": "id 3 overlaps id 1"}
                                        for seed in (3, 7)])

    def test_a_figure_beside_a_failure_does_not_count(self):
        rows = self.struck(penalties(bud=[1.0, 2.0, 900.0]), "bud", (3,))
        table = self.only(rows, "penalty")
        self.assertEqual((table.lines[0].most, table.lines[0].failed), (2, 1))

    def test_one_turn_that_fails_fails_the_seed(self):
        rows = [row("bud", seed, "times", turn=turn, replay_ns_per_event=5.0)
                for seed in range(3) for turn in range(3)]
        rows[4].update(failure="no end after 900 s", replay_ns_per_event=None)
        line = self.only(rows, "replay_ns_per_event").lines[0]
        self.assertEqual((line.passed, line.failed), (2, 1))

    def test_what_fails_its_checks_has_no_times(self):
        rows = (self.struck(penalties(bud=[1.0] * 4, slab=[1.0] * 4), "bud", (2,)) +
                times(bud=[5.0] * 4, slab=[6.0] * 4))
        for key in ("penalty", "replay_ns_per_event", "score"):
            line = self.line(self.only(rows, key), "bud")
            self.assertEqual((key, line.passed, line.failed), (key, 3, 1))

    def test_times_that_fail_leave_the_memory(self):
        rows = penalties(bud=[1.0] * 4) + self.struck(times(bud=[5.0] * 4), "bud", (2,))
        self.assertEqual({table.figure.key: table.lines[0].failed for table in tables(rows)},
                         {"penalty": 0, "replay_ns_per_event": 1, "score": 1})

    def test_who_fails_on_every_seed_is_shown_last(self):
        rows = self.struck(penalties(bud=[1.0] * 6, slab=[2.0] * 6, word=[3.0] * 6), "bud",
                         range(1, 7))
        table = self.only(rows, "penalty")
        self.assertEqual(table.lines[-1].algorithm, "bud")
        self.assertEqual(len(table.pairs), 1)
        self.assertIn("bud        FAILED: on 6 of 6 seeds", text([table]))
        alone = self.struck(penalties(bud=[1.0] * 6), "bud", range(1, 7))
        self.assertEqual(self.only(alone, "penalty").lines[0].failed, 6)

    def test_of_what_was_not_timed_no_failure_is_told_with_the_times(self):
        rows = penalties(bud=[1.0] * 4, slab=[2.0] * 4)
        self.struck(self.struck(rows, "bud", (4,)), "slab", (1,))
        rows += times(bud=[5.0] * 3)
        table = self.only(rows, "replay_ns_per_event")
        self.assertEqual([(line.algorithm, line.passed, line.failed) for line in table.lines],
                         [("bud", 3, 0)])

    def test_no_instructions_leave_the_memory(self):
        rows = penalties(bud=[1.0] * 4) + [
            row("bud", seed, "instructions", state="failed", failure="none")
            for seed in range(1, 5)]
        self.assertEqual(self.only(rows, "penalty").lines[0].passed, 4)
        self.assertEqual(self.only(rows, "instructions_malloc_mean").lines[0].failed, 4)

    def test_what_has_not_run_is_said_and_is_no_failure(self):
        rows = penalties(bud=[1.0] * 5, slab=[2.0] * 5)
        rows[8].update(penalty=None, state="lost", failure="the node went down")
        rows[9].update(penalty=None, state="waiting", failure="kma_slab is not built")
        del rows[7]
        table = self.only(rows)
        line = self.line(table, "slab")
        self.assertEqual((line.passed, line.failed, line.missing), (2, 0, 3))
        self.assertIn("slab has no figure of 3 of 5 seeds: not run, lost or not known.",
                      text([table]))

    def test_one_seed_that_passed(self):
        rows = self.struck(penalties(bud=[1.0, 2.0, 3.0]), "bud", (1, 2))
        line = self.only(rows, "penalty").lines[0]
        self.assertEqual((line.least, line.lower, line.median, line.upper, line.most), (3,) * 5)


class Hosts(Tables):
    def test_times_are_compared_on_one_host_only(self):
        rows = times(bud=range(10, 22), slab=range(20, 32))
        self.assertTrue(tables(rows)[0].pairs[0].real)
        for one in rows:
            one["host"] = one["algorithm"]
        table = tables(rows)[0]
        self.assertEqual((table.pairs[0].seeds, table.pairs[0].real, table.hosts),
                         (0, False, ("bud", "slab")))
        self.assertIn("0 seeds cannot tell 1 pair apart at 0.05; 6 can.", text([table]))
        self.assertTrue(any("The times are of 2 hosts" in line for line in text([table])))

    def test_a_slow_host_does_not_make_a_slow_allocator(self):
        """slab is the faster one wherever both ran; over all hosts its least time is higher."""
        rows = []
        for seed in range(8):
            rows += [row("bud", seed, "times", host="slow", replay_ns_per_event=100.0 + seed),
                     row("slab", seed, "times", host="slow", replay_ns_per_event=90.0 + seed),
                     row("bud", seed, "times", host="fast", replay_ns_per_event=10.0 + seed)]
        pair = tables(rows)[0].pairs[0]
        self.assertEqual((pair.seeds, pair.real, pair.less), (8, True, "slab"))
        self.assertEqual(pair.median_difference, {"bud": 10, "slab": -10}[pair.first])

    def test_a_seed_on_two_hosts_is_one_pair(self):
        rows = [row(name, seed, "times", host=host, replay_ns_per_event=ns)
                for seed in range(5) for host, add in (("one", 0.0), ("two", 2.0))
                for name, ns in (("bud", 10.0), ("slab", 20.0 + add))]
        pair = tables(rows)[0].pairs[0]
        self.assertEqual((pair.seeds, pair.median_difference), (5, -11))

    def test_a_host_that_is_not_known_is_nobodys(self):
        rows = [dict(one, host=None) for one in times(bud=range(12), slab=range(5, 17))]
        table = tables(rows)[0]
        self.assertEqual((table.pairs[0].seeds, table.lines[0].passed), (0, 12))

    def test_memory_is_the_same_on_every_host(self):
        rows = penalties(bud=[1.0] * 8, slab=[2.0] * 8)
        for number, one in enumerate(rows):
            one["host"] = str(number)
        table = self.only(rows)
        self.assertEqual((table.pairs[0].seeds, table.pairs[0].real, table.hosts), (8, True, ()))


class Text(Tables):
    def test_whole(self):
        rows = penalties(bud=[0.25 + seed / 500 for seed in range(8)],
                         slab=[0.5 + seed / 500 for seed in range(8)])
        self.assertEqual(text(tables(rows)), f"""\
Two-sided signed-rank tests (Wilcoxon) of pairs by seed, corrected in each table (Holm), level 0.05.
Two that share a letter are not told apart, two that share none differ. Bounds are not compared.

{FAMILY}, pages of 8,192 bytes, room for every block: penalty, 8 seeds
                                      lower     upper
algorithm  passed  failed  median  quartile  quartile   least    most  letters
------------------------------------------------------------------------------
bud             8       0  0.2570    0.2535    0.2605  0.2500  0.2640  a
slab            8       0  0.5070    0.5035    0.5105  0.5000  0.5140   b
The two differ.""".splitlines())

    def test_green_is_what_is_really_least(self):
        alone = tables(penalties(bud=[0.25] * 8, slab=[0.5] * 8))
        self.assertIn("\033[1;32m0.2500\033[0m", "\n".join(text(alone, colours=True)))
        for rows in (penalties(bud=[0.25] * 4, slab=[0.5] * 4), penalties(bud=[0.25] * 8)):
            self.assertNotIn("\033", "\n".join(text(tables(rows), colours=True)))
        self.assertEqual([re.sub(r"\033\[[\d;]*m", "", line) for line in text(alone, True)],
                         text(alone))

    def test_no_line_is_longer_than_100(self):
        """Also with more letters than there is room for: none is lost."""
        rand = random.Random(7)
        names = [f"allocator_of_today_{number}" for number in range(16)]
        rows = [row(name, seed, family="f" * 90 + "-" + "g" * 90, penalty=rand.random() * number,
                    peak_page_bytes=2**33 - 8192 * rand.randint(0, 9000 * (number + 1)),
                    failure="too long " * 30 if rand.random() < 0.05 else None,
                    page_limit=2**31 - 1)
                for number, name in enumerate(names) for seed in range(25)]
        found = tables(rows, 0.5)
        lines = text(found)
        self.assertLessEqual(max(map(len, lines)), 100)
        for line in found[1].lines:
            self.assertIn(f"{line.algorithm}: {' '.join(line.letters)}", lines)

    def test_json_has_every_comparison(self):
        rand = random.Random(8)
        rows = penalties(**{name: around(number / 50, 14, rand)
                            for number, name in enumerate(TWELVE)})
        found = json.loads(json.dumps(sweep_statistics_text.as_json(tables(rows, 0.01))))
        table = found["tables"][0]
        self.assertEqual([table[key] for key in ("family", "page_size", "page_limit", "figure",
                                                 "level", "seeds", "seeds_needed", "hosts")],
                         [FAMILY, 8192, None, "penalty", 0.01, 14, 14, []])
        names = [one["algorithm"] for one in table["algorithms"]]
        self.assertEqual([(pair["first"], pair["second"]) for pair in table["pairs"]],
                         list(itertools.combinations(names, 2)))
        shared = {one["algorithm"]: set(one["letters"]) for one in table["algorithms"]}
        for pair in table["pairs"]:
            self.assertEqual(pair["real"], pair["adjusted"] <= 0.01)
            self.assertEqual(pair["real"], not shared[pair["first"]] & shared[pair["second"]])
            self.assertLessEqual(pair["p"], pair["adjusted"])
        medians = [one["median"] for one in table["algorithms"]]
        self.assertEqual(medians, sorted(medians))
        self.assertEqual(medians[0], statistics.median(
            one["penalty"] for one in rows if one["algorithm"] == names[0]))

    def test_a_hundred_thousand_rows_take_seconds(self):
        rand = random.Random(9)
        rows = [row(name, seed, family=f"live-{live}", penalty=rand.random(),
                    peak_page_bytes=8192 * rand.randint(1, 50))
                for live in range(200) for name in TWELVE for seed in range(40)]
        start = time.process_time()
        found = tables(rows)
        text(found)
        self.assertEqual(len(found), 400)
        self.assertLess(time.process_time() - start, 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
