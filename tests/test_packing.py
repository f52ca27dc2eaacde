#!/usr/bin/python3
"""analysis/packing.py: the bound that no packer goes below, and the best fit without metadata."""

import os
import random
import sys
import tempfile
import unittest

from driver_case import trace_text
from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import packing  # noqa: E402


def bound(sizes, page):
    found = packing.LowerBound(page)
    for size in sizes:
        found.change(size, 1)
    return found.pages


def by_definition(sizes, page):
    """L2 as Martello and Toth write it, for each K anew."""
    most = 0
    for least in range(page // 2 + 1):
        alone = [s for s in sizes if s > page - least]
        large = [s for s in sizes if page - least >= s and 2 * s > page]
        small = [s for s in sizes if 2 * s <= page and s >= least]
        excess = sum(small) - (len(large) * page - sum(large))
        most = max(most, len(alone) + len(large) + max(0, -(-excess // page)))
    return most


def fewest_pages(sizes, page):
    """By trying everything."""
    best = len(sizes)

    def place(rest, pages):
        nonlocal best
        if len(pages) >= best:
            return
        if not rest:
            best = len(pages)
            return
        for number, room in enumerate(pages):
            if rest[0] <= room and room not in pages[:number]:
                place(rest[1:], [*pages[:number], room - rest[0], *pages[number + 1:]])
        place(rest[1:], [*pages, page - rest[0]])

    place(sorted(sizes, reverse=True), [])
    return best


class LowerBound(unittest.TestCase):
    def test_by_hand(self):
        for sizes, pages in (
                ([], 0), ([1], 1), ([10], 1), ([5, 5], 1), ([5, 5, 1], 2),
                ([6, 6, 6], 3),        # no two share a page, though 18 would fit two
                ([6, 6, 4, 4], 2),     # what the large leave takes the small
                ([6, 6, 4, 4, 4], 3),
                ([8, 8, 8, 3, 3], 4),  # what the large leave is too little for a 3
                ([8, 8, 8, 2, 2], 3)):
            with self.subTest(sizes=sizes):
                self.assertEqual(bound(sizes, 10), pages)

    def test_no_packing_is_below_it(self):
        rand = random.Random(1990)
        tight = 0
        for page in (7, 8, 10, 13):
            for _ in range(250):
                sizes = [rand.randint(1, page) for _ in range(rand.randint(0, 8))]
                found, fewest = bound(sizes, page), fewest_pages(sizes, page)
                self.assertLessEqual(found, fewest, (sizes, page))
                self.assertGreaterEqual(found, -(-sum(sizes) // page))
                self.assertEqual(found, by_definition(sizes, page), (sizes, page))
                tight += found == fewest
        self.assertGreater(tight, 900)

    def test_what_went_is_forgotten(self):
        rand = random.Random(1990)
        found, live = packing.LowerBound(64), []
        for _ in range(1000):
            if live and rand.random() < 0.48:
                found.change(live.pop(rand.randrange(len(live))), -1)
            else:
                live.append(rand.randint(1, 64))
                found.change(live[-1], 1)
            self.assertEqual(found.pages, by_definition(live, 64))


class NaiveFit:
    """Looks through every unit of every page for each request."""

    def __init__(self, page):
        self.page = page
        self.held = {}  # {number: what is taken, unit by unit}

    def extents(self):
        """(length, page, place)"""
        for number, taken in self.held.items():
            start = 0
            for place, is_taken in enumerate([*taken, True]):
                if is_taken:
                    if place > start:
                        yield place - start, number, start
                    start = place + 1

    def mark(self, number, place, size, taken):
        self.held[number][place:place + size] = [taken] * size

    def take(self, size):
        fitting = [extent for extent in self.extents() if extent[0] >= size]
        if fitting:
            _, number, place = min(fitting)
        else:
            number, place = next(n for n in range(len(self.held) + 1) if n not in self.held), 0
            self.held[number] = [False] * self.page
        self.mark(number, place, size, True)
        return number * self.page + place

    def give_back(self, start, size):
        number, place = divmod(start, self.page)
        self.mark(number, place, size, False)
        if not any(self.held[number]):
            del self.held[number]

    @property
    def pages(self):
        return len(self.held)


class BestFit(unittest.TestCase):
    def test_by_hand(self):
        fit = packing.BestFit(10)
        self.assertEqual([fit.take(6), fit.take(7), fit.take(3)], [0, 10, 17])  # 17: exact
        self.assertEqual((fit.take(4), fit.pages), (6, 2))
        fit.give_back(10, 7)
        fit.give_back(0, 6)
        self.assertEqual(fit.take(5), 0)  # the smaller extent
        fit.give_back(17, 3)              # joins what is before it: the page goes back
        self.assertEqual(fit.pages, 1)
        self.assertEqual((fit.take(10), fit.pages), (10, 2))

    def test_extents_do_not_join_across_pages(self):
        fit = packing.BestFit(10)
        blocks = [fit.take(size) for size in (6, 4, 4, 6)]
        self.assertEqual(blocks, [0, 6, 10, 14])
        fit.give_back(6, 4)
        fit.give_back(10, 4)
        self.assertEqual((fit.take(8), fit.pages), (20, 3))

    def test_as_a_naive_one(self):
        rand = random.Random(1990)
        for page in (8, 16, 33):
            fit, naive, live = packing.BestFit(page), NaiveFit(page), []
            for step in range(1500):
                growing = step % 500 < 250
                if live and rand.random() < (0.4 if growing else 0.6):
                    block = live.pop(rand.randrange(len(live)))
                    fit.give_back(*block)
                    naive.give_back(*block)
                else:
                    size = rand.choice((rand.randint(1, page), rand.randint(1, page // 3)))
                    start = fit.take(size)
                    self.assertEqual(start, naive.take(size))
                    live.append((start, size))
                self.assertEqual(fit.pages, naive.pages)
            for block in live:
                fit.give_back(*block)
            self.assertEqual((fit.pages, fit.extents), (0, []))


class Pack(unittest.TestCase):
    def pack(self, *events, page_size=64, word=8):
        with tempfile.TemporaryDirectory(prefix="kma-test-") as folder:
            path = os.path.join(folder, "t.trace")
            with open(path, "w", encoding="ascii") as file:
                file.write(trace_text(*events))
            return packing.pack(path, page_size, word)

    def test_by_hand(self):
        """Of pages of 64 bytes: 33 takes 40, so the second one needs a page more; the third
        fits what the first left."""
        found = self.pack("REQUEST 0 33", "REQUEST 1 33", "FREE 0", "REQUEST 2 24", "FREE 1",
                          "FREE 2")
        moments = [(33, 1), (66, 2), (33, 1), (57, 1), (24, 1)]
        penalty = sum(64 * pages / live - 1 for live, pages in moments) / 5
        self.assertAlmostEqual(found.lower_bound, penalty)
        self.assertAlmostEqual(found.best_fit, penalty)

    def test_who_may_not_move_needs_more(self):
        found = self.pack(*(f"REQUEST {n} 32" for n in range(4)), "FREE 0", "FREE 2",
                          "FREE 1", "FREE 3")
        bound = sum(64 * pages / live - 1 for live, pages in
                    ((32, 1), (64, 1), (96, 2), (128, 2), (96, 2), (64, 1), (32, 1))) / 7
        self.assertAlmostEqual(found.lower_bound, bound)
        self.assertAlmostEqual(found.best_fit, bound + 1 / 7)  # 2 pages for 64 bytes

    def test_what_is_too_large_is_not_served(self):
        alone = self.pack("REQUEST 0 8", "FREE 0")
        self.assertEqual(self.pack("REQUEST 0 8", "FREE 0", "REQUEST 1 57", "FREE 1"), alone)
        self.assertNotEqual(self.pack("REQUEST 0 8", "FREE 0", "REQUEST 1 57", "FREE 1", word=4),
                            alone)

    def test_nothing_at_all(self):
        self.assertEqual(self.pack(), packing.Packing(0, 0))
        self.assertEqual(self.pack("REQUEST 0 9999", "FREE 0"), packing.Packing(0, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
