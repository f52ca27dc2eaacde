#!/usr/bin/python3
"""The heap map: how full each page is as the trace goes on."""

import json
import os
import unittest

from driver_case import FAULT_SIZE, trace_text, simple_events, word_bytes, DriverTest

ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
MOST_COLUMNS, MOST_ROWS = 600, 400


class DummyModel:
    """Which pages of the pool kma_dummy holds, and with how many bytes."""

    def __init__(self):
        self.fresh, self.given_back = 0, []
        self.page_of, self.live = {}, {}

    def play(self, event):
        command, block, *size = event.split()
        if command == "REQUEST":
            if self.given_back:
                page = self.given_back.pop()
            else:
                page, self.fresh = self.fresh, self.fresh + 1
            self.page_of[block] = page
            self.live[page] = int(size[0])
        else:
            page = self.page_of.pop(block)
            del self.live[page]
            self.given_back.append(page)
            if not self.live:
                self.fresh, self.given_back = 0, []


class HeapMap(DriverTest):
    def setUp(self):
        super().setUp()
        self.write("p", trace_text("REQUEST 0 8"))
        self.run_driver("kma_dummy", "--no-output", "--json", "j", "p")
        self.page = json.loads(self.read("j"))["page_size"]

    def cell(self, sizes):
        total = len(sizes) * self.page
        return str((sum(sizes) * 1000 + total // 2) // total) if sizes else "-"

    def heapmap(self, name, trace, *arguments):
        self.passes(name, "--max-pages", "65536", "--heapmap", "h", *arguments, trace)
        head, *rows = [line.split(" ") for line in self.read("h").splitlines()]
        columns, height, pages_per_row, page_size = map(int, head)
        self.assertEqual(page_size, self.page)
        self.assertEqual(columns, len(rows))
        self.assertLessEqual(columns, MOST_COLUMNS)
        self.assertLessEqual(height, MOST_ROWS)
        for row in rows:
            self.assertEqual(len(row), 1 + height)
        return pages_per_row, [(int(row[0]), row[1:]) for row in rows]

    def test_every_cell(self):
        half, most, quarter = self.page // 2, self.page - word_bytes(), self.page // 4
        self.write("t", trace_text(f"REQUEST 0 {half}", f"REQUEST 1 {most}", "FREE 0",
                                   f"REQUEST 2 {quarter}", "FREE 1", "FREE 2"))
        full = self.cell([most])
        self.assertIn(full, ("998", "999", "1000"))
        for mode in ("--correctness", "--competition"):
            self.passes("kma_dummy", mode, "--heapmap", "h", "t")
            self.assertEqual(self.read("h"), f"6 2 1 {self.page}\n1 500 -\n2 500 {full}\n"
                                             f"3 - {full}\n4 250 {full}\n5 250 -\n6 - -\n")

    def test_each_byte_counts_in_its_own_page(self):
        # The broken one puts the block of 1000 bytes 8 bytes before the end of a page.
        half = self.page // 2
        self.write("t", trace_text(f"REQUEST 0 {half}", f"REQUEST 1 {FAULT_SIZE}",
                                   f"REQUEST 2 {half}", "FREE 1"))
        _, columns = self.heapmap("broken_straddle", "t", "--competition")
        self.assertEqual(columns[2:], [
            (3, [self.cell([half + 8]), self.cell([half + FAULT_SIZE - 8])]),
            (4, ["500", "500"])])

    def test_all_pages_of_a_run(self):
        # A large block has a page of its own; the others fill a run behind a head of 16.
        large, half = self.page - word_bytes(), self.page // 2
        self.write("t", trace_text(f"REQUEST 0 {large}", f"REQUEST 1 {half}",
                                   f"REQUEST 2 {half}", "FREE 0", "FREE 1", "FREE 2"))
        _, columns = self.heapmap("broken_in_runs", "t", "--competition")
        alone = [self.cell([large]), "-", "-", "-"]
        self.assertEqual([cells for _, cells in columns], [
            alone + ["-"] * 4,
            alone + ["500", "0", "0", "0"],
            alone + [self.cell([self.page - 16]), self.cell([16]), "0", "0"],
            ["-"] * 4 + [self.cell([self.page - 16]), self.cell([16]), "0", "0"],
            ["-"] * 4 + [self.cell([half - 16]), self.cell([16]), "0", "0"],
            ["-"] * 8])

    def test_pages_and_events_taken_together(self):
        events = [f"REQUEST {i} {8 + i * 61 % 4000}" for i in range(1000)]
        events += [f"FREE {i}" for i in range(0, 1000, 2)]
        events += [f"REQUEST {i} 777" for i in range(0, 1000, 4)]
        self.write("t", trace_text(*events))
        pages_per_row, columns = self.heapmap("kma_dummy", "t")
        self.assertEqual(pages_per_row, 3)
        self.assertEqual(len(columns), 600)
        self.assertEqual(columns[-1][0], len(events))
        model, done = DummyModel(), 0
        for index, cells in columns:
            self.assertIn(index - done, (2, 3))
            while done < index:
                model.play(events[done])
                done += 1
            expected = [self.cell([model.live[page] for page in range(first, first + 3)
                                   if page in model.live])
                        for first in range(0, 1000, 3)]
            self.assertEqual(cells, expected, f"after event {index}")

    def test_it_agrees_with_the_data_file(self):
        self.write("t", trace_text(*simple_events(500)))
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm=algorithm):
                pages_per_row, columns = self.heapmap(f"kma_{algorithm}", "t")
                self.assertEqual(pages_per_row, 1)
                data = [tuple(map(int, line.split()))
                        for line in self.read("kma_output.dat").splitlines()[1:]]
                self.assertEqual(len(columns), len(data))
                for (index, cells), (event, requested, paged) in zip(columns, data):
                    self.assertEqual(index, event)
                    held = [int(cell) for cell in cells if cell != "-"]
                    self.assertEqual(len(held) * self.page, paged)
                    self.assertAlmostEqual(sum(held) * self.page / 1000, requested,
                                           delta=len(held) * self.page / 2000)

    def test_the_rows_reach_to_the_highest_page(self):
        self.write("t", trace_text(*(f"REQUEST {i} 8" for i in range(MOST_ROWS))))
        self.assertEqual(self.heapmap("kma_dummy", "t")[0], 1)
        self.write("t", trace_text(*(f"REQUEST {i} 8" for i in range(MOST_ROWS + 1))))
        pages_per_row, columns = self.heapmap("kma_dummy", "t")
        self.assertEqual((pages_per_row, len(columns[0][1])), (2, 201))

    def test_the_same_on_every_run(self):
        self.write("t", trace_text(*simple_events(3000)))
        self.assertEqual(self.heapmap("kma_bud", "t"), self.heapmap("kma_bud", "t"))

    def test_on_standard_output(self):
        self.write("t", trace_text("REQUEST 0 8"))
        result = self.run_driver("kma_dummy", "--no-output", "--heapmap", "-", "t")
        self.assertEqual(result.stdout, f"1 1 1 {self.page}\n1 {self.cell([8])}\n")
        self.assertTrue(result.stderr.endswith("Test: PASS\n"))

    def test_no_event_and_no_page(self):
        self.write("t", "0\n")
        self.assertEqual(self.heapmap("kma_bud", "t"), (1, []))
        self.write("t", trace_text("REQUEST 0 100000", "FREE 0"))
        for name in ("kma_bud", "kma_libc"):
            self.assertEqual(self.heapmap(name, "t", "--competition"),
                             (1, [(1, ["-"]), (2, ["-"])]))

    def test_memory_of_its_own_has_no_map(self):
        self.write("t", trace_text("REQUEST 0 8"))
        self.assertEqual(self.refused("kma_libc", "--competition", "--heapmap", "h", "t"),
                         "t: no heap map: the allocator holds no page of the pool")
        self.assertEqual(self.files(), ["j", "p", "t"])


if __name__ == "__main__":
    unittest.main()
