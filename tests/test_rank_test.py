#!/usr/bin/python3
"""analysis/rank_test.py: against tables, worked examples and all signs tried one by one."""

import collections
import itertools
import os
import random
import statistics
import sys
import unittest

from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import rank_test  # noqa: E402
from rank_test import signed_rank  # noqa: E402

# Two-sided critical values at 0.05 and at 0.01, as textbooks print them.
CRITICAL = {0.05: {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 11: 10, 12: 13, 13: 17, 14: 21, 15: 25, 20: 52,
                   25: 89, 30: 137},
            0.01: {8: 0, 9: 1, 10: 3, 11: 5, 12: 7, 13: 9, 14: 12, 15: 15, 20: 37, 25: 68,
                   30: 109}}

# Darwin's plants of maize, crossed less self-fertilised, in eighths of an inch.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def with_statistic(count, statistic):
    """Differences 1 to count of which those that are negative have ranks of this sum."""
    differences = list(range(1, count + 1))
    for rank in range(count, 0, -1):
        if rank <= statistic:
            differences[rank - 1] = -rank
            statistic -= rank
    assert statistic == 0
    return differences


def by_trying(differences):
    """(the lesser sum of ranks, p), from all signs."""
    sizes = [abs(value) for value in differences if value]
    ranks = [sum(other < size for other in sizes) + (sizes.count(size) + 1) / 2
             for size in sizes]
    signs = [value > 0 for value in differences if value]

    def statistic(choice):
        positive = sum(itertools.compress(ranks, choice))
        return min(positive, sum(ranks) - positive)

    sums = [statistic(choice) for choice in itertools.product((False, True), repeat=len(ranks))]
    least = statistic(signs)
    return least, sum(one <= least for one in sums) / len(sums)


class Test(unittest.TestCase):
    def test_published_critical_values(self):
        for level, values in CRITICAL.items():
            for count, critical in values.items():
                with self.subTest(level=level, count=count):
                    found = signed_rank(with_statistic(count, critical))
                    self.assertEqual(found.statistic, critical)
                    self.assertLessEqual(found.p, level)
                    self.assertGreater(signed_rank(with_statistic(count, critical + 1)).p, level)

    def test_published_probabilities(self):
        for count, statistic, one_sided in ((5, 0, 0.0313), (8, 3, 0.0195), (8, 5, 0.0391),
                                            (10, 8, 0.0244), (10, 10, 0.0420), (20, 52, 0.0242)):
            p = signed_rank(with_statistic(count, statistic)).p
            self.assertAlmostEqual(p / 2, one_sided, delta=0.000051)

    def test_maize(self):
        found = signed_rank(MAIZE)
        self.assertEqual((found.statistic, found.positive, found.differences), (24, 96, 15))
        self.assertEqual(found.p, 0.041259765625)

    def test_all_signs_tried_with_and_without_ties(self):
        rand = random.Random(1945)
        for count in range(1, 11):
            for largest in (1, 3, 6, 1000):
                values = [rand.randint(-largest, largest) for _ in range(count)]
                with self.subTest(values=values):
                    found = signed_rank(values)
                    statistic, p = by_trying(values)
                    self.assertEqual((found.statistic, found.p), (statistic, p))
                    self.assertEqual(found.zeros, values.count(0))
                    self.assertEqual(found.differences + found.zeros, count)

    def test_symmetry_and_order(self):
        rand = random.Random(2)
        for count in (5, 12, 40, 150):
            values = [rand.randint(-20, 30) for _ in range(count)]
            found = signed_rank(values)
            turned = signed_rank([-value for value in values])
            self.assertEqual((found.p, found.positive), (turned.p, turned.negative))
            self.assertEqual(signed_rank(sorted(values)), found)
            self.assertEqual(signed_rank([value / 4 for value in values]), found)

    def test_p_is_no_less_often_small_than_it_says(self):
        """Of all signs, p is at most some value with just that probability."""
        for sizes in (range(1, 11), [1, 1, 2, 2, 2, 3, 5, 5, 5, 9]):
            times = collections.Counter(
                signed_rank([size if sign else -size for size, sign in zip(sizes, signs)]).p
                for signs in itertools.product((0, 1), repeat=10))
            seen = 0
            for p in sorted(times):
                seen += times[p]
                self.assertEqual(seen / 2 ** 10, p)
            self.assertEqual(p, 1)

    def test_nothing_but_zeros(self):
        self.assertEqual(signed_rank([]).p, 1)
        found = signed_rank([0.0] * 30)
        self.assertEqual((found.p, found.differences, found.zeros), (1, 0, 30))

    def test_one_sign(self):
        for count in (1, 2, 10, rank_test.EXACT):
            self.assertEqual(signed_rank([0.5] * count).p, 2 / 2 ** count)

    def test_many_are_by_the_normal_law(self):
        count = rank_test.EXACT + 20
        rand = random.Random(3)
        values = [rand.choice((-1, 1, 1)) * rand.randint(1, 9) for _ in range(count)]
        found = signed_rank(values)
        ties = collections.Counter(map(abs, values)).values()
        variance = (count * (count + 1) * (2 * count + 1) / 24 -
                    sum(times ** 3 - times for times in ties) / 48)
        z = (found.statistic - count * (count + 1) / 4 + 0.5) / variance ** 0.5
        self.assertAlmostEqual(found.p, 2 * statistics.NormalDist().cdf(z), places=12)
        self.assertLess(found.p, 0.05)
        even = [1, -1] * count
        self.assertEqual(signed_rank(even).p, 1)

    def test_where_the_normal_law_takes_over_the_two_agree(self):
        count = rank_test.EXACT
        for statistic in (1500, 1900, 2300, 2525):
            ranks = tuple(range(2, 2 * count + 1, 2))
            exact = signed_rank(with_statistic(count, statistic)).p
            self.assertAlmostEqual(rank_test._normal_p(ranks, 2 * statistic), exact, delta=0.002)


class Family(unittest.TestCase):
    def test_holm_by_hand(self):
        for given, expected in (([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
                                ([0.5, 0.6], [1, 1]), ([0.02], [0.02]), ([], [])):
            adjusted = rank_test.holm(given)
            self.assertEqual(len(adjusted), len(expected))
            for one, other in zip(adjusted, expected):
                self.assertAlmostEqual(one, other)

    def test_adjusted_at_most_the_level_are_those_that_holm_rejects(self):
        rand = random.Random(1979)
        for _ in range(300):
            p_values = [rand.random() ** 4 for _ in range(rand.randint(1, 12))]
            ranked = sorted(p_values)
            rejected = list(itertools.takewhile(
                lambda one: one[1] <= 0.05 / (len(ranked) - one[0]), enumerate(ranked)))
            real = [p for p, one in zip(p_values, rank_test.holm(p_values)) if one <= 0.05]
            self.assertEqual(sorted(real), [p for _, p in rejected])

    def test_least_pairs(self):
        self.assertEqual([rank_test.least_pairs(count, 0.05) for count in (1, 2, 66, 120)],
                         [6, 7, 12, 13])
        self.assertEqual(rank_test.least_pairs(1, 0.5), 2)
        for comparisons in (1, 3, 66, 190):
            least = rank_test.least_pairs(comparisons, 0.05)
            for seeds, real in ((least, True), (least - 1, False)):
                p = signed_rank([1.0] * seeds).p
                self.assertEqual(rank_test.holm([p] + [1.0] * (comparisons - 1))[0] <= 0.05, real)


class Letters(unittest.TestCase):
    def test_by_hand(self):
        for count, different, expected in (
                (0, [], []), (1, [], ["a"]), (3, [], ["a", "a", "a"]),
                (3, [(0, 2)], ["a", "ab", "b"]), (3, [(0, 1), (0, 2)], ["a", "b", "b"]),
                (3, [(0, 1), (0, 2), (1, 2)], ["a", "b", "c"]),
                (4, [(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"])):
            self.assertEqual(list(map("".join, rank_test.letters(count, different))), expected)

    def test_a_letter_in_common_where_and_only_where_two_do_not_differ(self):
        rand = random.Random(2004)
        for _ in range(300):
            count = rand.randint(2, 9)
            pairs = list(itertools.combinations(range(count), 2))
            different = [pair for pair in pairs if rand.random() < 0.5]
            found = rank_test.letters(count, different)
            self.assertEqual([pair for pair in pairs
                              if not set(found[pair[0]]) & set(found[pair[1]])], different)
            columns = list(map(set, rank_test.letter_columns(count, different)))
            self.assertFalse(any(one < other for one in columns for other in columns))
            rand.shuffle(different)
            self.assertEqual(rank_test.letters(count, different), found)

    def test_more_groups_than_letters(self):
        """Four groups of three that differ within their group: one of each makes 81 groups."""
        different = [pair for start in range(0, 12, 3)
                     for pair in itertools.combinations(range(start, start + 3), 2)]
        found = rank_test.letters(12, different)
        self.assertEqual(len({letter for each in found for letter in each}), 81)
        self.assertEqual([pair for pair in itertools.combinations(range(12), 2)
                          if not set(found[pair[0]]) & set(found[pair[1]])], different)


if __name__ == "__main__":
    unittest.main(verbosity=2)
