#!/usr/bin/python3
"""What each call did: the operations file, and the build that counts the algorithms'
splits, joins and steps."""

import json
import os
import unittest

from counted import build_counted
from driver_case import program, trace_text, simple_events, DriverTest
from shared import ROOT

ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
MIN_BLOCK = 32  # of the buddy systems


class OperationsTest(DriverTest):
    def operations(self, name, trace, *arguments, **options):
        """{event index: the other fields of its line}"""
        result = self.run_driver(name, "--operations", "o", "--max-pages", "65536",
                                 "--competition", *arguments, trace, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        rows = [line.split(" ") for line in self.read("o").splitlines()]
        self.assertEqual(len({row[0] for row in rows}), len(rows))
        return {int(row[0]): row[1:] for row in rows}


class Operations(OperationsTest):
    def test_lines(self):
        self.write("t", trace_text("REQUEST 0 10", "REQUEST 1 100000", "REQUEST 2 30",
                                   "FREE 1", "FREE 0", "FREE 2"))
        self.passes("kma_dummy", "--operations", "o", "--no-output", "t")
        self.assertEqual(self.read("o"), "1 REQUEST 10 1 0 - - -\n"
                                         "2 REQUEST 100000 0 0 - - -\n"
                                         "3 REQUEST 30 1 0 - - -\n"
                                         "5 FREE 10 0 1 - - -\n"
                                         "6 FREE 30 0 1 - - -\n")

    def test_a_run_is_all_its_pages(self):
        self.write("t", trace_text("REQUEST 0 10", "FREE 0"))
        self.passes("broken_in_runs", "--operations", "o", "--json", "j", "t")
        self.assertEqual(self.read("o"), "1 REQUEST 10 4 0 - - -\n2 FREE 10 0 4 - - -\n")
        self.assertEqual(json.loads(self.read("j"))["pages"], {
            "requested": 4, "freed": 4, "in_use_at_end": 0, "peak": 4, "span": 4})

    def test_the_same_lines_as_the_latency_file(self):
        self.write("t", trace_text("REQUEST 0 100000", "FREE 0", *(
            event.replace(" ", " 1", 1) for event in simple_events(2000))))
        rows = self.operations("kma_bud", "t", "--latency", "l")
        timed = [line.split() for line in self.read("l").splitlines()]
        self.assertEqual([[str(index), *row[:2]] for index, row in rows.items()],
                         [row[:3] for row in timed])

    def test_pages_add_up(self):
        self.write("t", trace_text(*simple_events(3000)))
        for algorithm in ALGORITHMS:
            name = f"kma_{algorithm}"
            rows = self.operations(name, "t", "--json", "j")
            figures = json.loads(self.read("j"))
            self.assertEqual(sum(int(row[2]) for row in rows.values()),
                             figures["pages"]["requested"])
            self.assertEqual(sum(int(row[3]) for row in rows.values()),
                             figures["pages"]["freed"])
            for event in figures["worst"]:
                self.assertEqual(rows[event["line"] - 1], [
                    event["command"], str(event["size"]), str(event["pages_got"]),
                    str(event["pages_freed"]), "-", "-", "-"])

    def test_the_same_in_both_modes_and_on_every_run(self):
        self.write("t", trace_text(*simple_events(3000)))
        texts = set()
        for mode in ("--correctness", "--correctness", "--competition"):
            self.passes("kma_lzbud", mode, "--operations", "o", "t")
            texts.add(self.read("o"))
        self.assertEqual(len(texts), 1)

    def test_nothing_is_timed_for_it(self):
        self.write("t", trace_text("REQUEST 0 8"))
        self.assertEqual(self.passes("kma_bud", "--operations", "o", "t"),
                         f"{program('kma_bud')}: Running in correctness mode\n"
                         "Page Requested/Freed/In Use:     3/    0/    3\nTest: PASS\n")

    def test_on_standard_output(self):
        self.write("t", trace_text("REQUEST 0 8"))
        result = self.run_driver("kma_dummy", "--no-output", "--operations", "-", "t")
        self.assertEqual(result.stdout, "1 REQUEST 8 1 0 - - -\n")
        self.assertTrue(result.stderr.endswith("Test: PASS\n"))

    def test_empty_trace(self):
        self.write("t", "0\n")
        self.assertEqual(self.operations("kma_bud", "t"), {})

    def test_memory_of_its_own(self):
        self.write("t", trace_text("REQUEST 0 8", "FREE 0"))
        self.assertEqual(self.operations("kma_libc", "t"),
                         {1: ["REQUEST", "8", "0", "0", "-", "-", "-"],
                          2: ["FREE", "8", "0", "0", "-", "-", "-"]})

    def test_none_left_by_a_failure(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 1000"))
        self.fails("broken_overlap", "--operations", "o", "--heapmap", "h", "t")
        self.assertEqual(self.files(), ["t"])


class Counted(OperationsTest):
    """The same executables built with COUNTED=1, in the folder that make gives them."""

    @classmethod
    def setUpClass(cls):
        cls.counted = build_counted(ALGORITHMS)

    def counts(self, algorithm, trace):
        """{event index: (command, splits, joins, steps)}"""
        name = os.path.join(self.counted, f"kma_{algorithm}")
        return {index: (row[0], *map(int, row[4:]))
                for index, row in self.operations(name, trace).items()}

    def page_size(self):
        self.write("p", trace_text("REQUEST 0 8"))
        self.passes("kma_dummy", "--no-output", "--json", "j", "p")
        return json.loads(self.read("j"))["page_size"]

    def orders(self):
        """How often a page can be halved."""
        return (self.page_size() // MIN_BLOCK).bit_length() - 1

    def test_the_least_block_of_an_empty_buddy_system(self):
        orders = self.orders()
        self.write("t", trace_text(f"REQUEST 0 {MIN_BLOCK}", "FREE 0"))
        self.assertEqual(self.counts("bud", "t"), {1: ("REQUEST", orders, 0, 0),
                                                   2: ("FREE", 0, orders, 0)})

    def test_a_buddy_system_joins_what_it_split(self):
        self.write("t", trace_text(*simple_events(3000)))
        rows = self.counts("bud", "t").values()
        self.assertEqual(sum(row[1] for row in rows), sum(row[2] for row in rows))
        self.assertGreater(sum(row[1] for row in rows), 100)

    def test_the_lazy_one_does_not_join_at_once(self):
        self.write("t", trace_text("REQUEST 0 32", "REQUEST 1 32", "REQUEST 2 32",
                                   "FREE 2", "REQUEST 3 32"))
        self.assertEqual([row[1:] for row in self.counts("bud", "t").values()][2:],
                         [(1, 0, 0), (0, 1, 0), (1, 0, 0)])
        self.assertEqual([row[1:] for row in self.counts("lzbud", "t").values()][2:],
                         [(1, 0, 0), (0, 0, 0), (0, 0, 0)])

    def test_a_page_of_the_lazy_one_is_taken_apart_without_joining(self):
        orders = self.orders()
        self.write("t", trace_text(f"REQUEST 0 {MIN_BLOCK}", "FREE 0"))
        self.assertEqual(self.counts("lzbud", "t"), {1: ("REQUEST", orders, 0, 0),
                                                     2: ("FREE", 0, 0, orders + 1)})

    def test_the_bound_of_barkley_and_lee(self):
        """A free runs at most two chains of joining, a request none."""
        orders = self.orders()
        most = 0
        rows = self.counts("lzbud", os.path.join(ROOT, "testsuite/5.trace"))
        for command, splits, joins, _ in rows.values():
            self.assertLessEqual(splits, orders if command == "REQUEST" else 0)
            self.assertLessEqual(joins, 2 * orders if command == "FREE" else 0)
            most = max(most, joins)
        self.assertGreater(most, 1)

    def test_extents(self):
        # Blocks are cut from the end of the page, one before the other.
        self.write("t", trace_text(*(f"REQUEST {i} 64" for i in range(4)),
                                   "FREE 0", "FREE 2", "FREE 1", "REQUEST 1 192"))
        rows = [row[1:] for row in self.counts("rm", "t").values()]
        self.assertEqual([row[:2] for row in rows],
                         [(1, 0)] * 4 + [(0, 0), (0, 0), (0, 2), (1, 0)])
        self.assertEqual([row[2] for row in rows[4:]], [1, 1, 1, 1])

    def test_an_extent_that_fits_is_not_split(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 64", "FREE 0",
                                   "REQUEST 0 64"))
        # Best fit takes the extent that has just the size.
        self.assertEqual(self.counts("rm_best", "t")[4][1:3], (0, 0))
        self.assertEqual(self.counts("rm_worst", "t")[4][1:3], (1, 0))

    def test_a_tree_is_searched_in_few_steps(self):
        rows = self.counts("rm_best", os.path.join(ROOT, "testsuite/5.trace")).values()
        self.assertGreater(sum(row[3] for row in rows), len(rows))
        self.assertLess(max(row[3] for row in rows), 40)

    def test_pages_of_one_size_have_nothing_to_split(self):
        self.write("t", trace_text(*simple_events(3000)))
        for algorithm in ("dummy", "p2fl", "mck2"):
            self.assertEqual({row[1:] for row in self.counts(algorithm, "t").values()},
                             {(0, 0, 0)})

    def test_counting_changes_nothing_else(self):
        self.write("t", trace_text(*simple_events(3000)))
        for algorithm in ALGORITHMS:
            name = os.path.join(self.counted, f"kma_{algorithm}")
            counted = self.operations(name, "t")
            self.assertEqual({index: row[:4] for index, row in counted.items()},
                             {index: row[:4] for index, row in
                              self.operations(f"kma_{algorithm}", "t").items()})
            self.assertEqual(self.operations(name, "t"), counted)


if __name__ == "__main__":
    unittest.main()
