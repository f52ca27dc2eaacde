#!/usr/bin/python3
"""The table of object caches that --slabinfo prints."""

import itertools
import unittest

from driver_case import DriverTest, simple_events, trace_text

HEAD = ["slabinfo - version: 2.1",
        "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
        " : tunables <limit> <batchcount> <sharedfactor>"
        " : slabdata <active_slabs> <num_slabs> <sharedavail>"]


class SlabInfo(DriverTest):
    def caches(self, trace, *arguments):
        """{name: (active, objects, size, objects a slab, pages a slab, active slabs, slabs)}"""
        out = self.passes("kma_slab", "--no-output", *arguments, trace).splitlines()
        start = out.index(HEAD[0])
        self.assertEqual(out[start:start + 2], HEAD)
        table = {}
        for line in itertools.takewhile(lambda line: " : " in line, out[start + 2:]):
            objects, tunables, slabs = line.split(" : ")
            name, *numbers = objects.split()
            self.assertEqual(tunables.split(), ["tunables", "0", "0", "0"])
            self.assertEqual((slabs.split()[0], slabs.split()[3]), ("slabdata", "0"))
            table[name] = (*map(int, numbers), *map(int, slabs.split()[1:3]))
        return table

    def test_after_an_event_and_at_the_end(self):
        self.write("t", trace_text(*(f"REQUEST {i} 100" for i in range(10)),
                                   "REQUEST 10 300", *(f"FREE {i}" for i in range(10))))
        at_ten = self.caches("t", "--slabinfo=10")
        self.assertEqual(set(at_ten), {"kmem_cache", "size-112"})
        active, objects, size, capacity, pages, active_slabs, slabs = at_ten["size-112"]
        self.assertGreaterEqual(active, 10)  # a magazine may hold some more
        self.assertEqual((objects, size, pages, active_slabs, slabs),
                         (capacity, 112, 1, 1, 1))
        at_end = self.caches("t", "--slabinfo")
        self.assertEqual(set(at_end), {"kmem_cache", "size-320"})

    def test_nothing_live_is_no_cache(self):
        self.write("t", trace_text("REQUEST 0 100", "FREE 0"))
        self.assertEqual(self.caches("t", "--slabinfo"), {})

    def test_both_modes_and_other_figures(self):
        self.write("t", trace_text(*simple_events(400)))
        self.assertEqual(self.caches("t", "--slabinfo=200"),
                         self.caches("t", "--slabinfo=200", "--competition"))
        plain = self.passes("kma_slab", "--no-output", "t")
        with_table = self.passes("kma_slab", "--no-output", "--slabinfo=200", "t")
        self.assertEqual([line for line in plain.splitlines() if "Page" in line],
                         [line for line in with_table.splitlines() if "Page" in line])

    def test_refusals(self):
        self.write("t", trace_text("REQUEST 0 100", "FREE 0"))
        for name, arguments, reason in (
                ("kma_slab", ["--slabinfo=3"], "--slabinfo=3: the last event of t is number 2"),
                ("kma_slab", ["--slabinfo=0"], "--slabinfo wants a number from 1"),
                ("kma_slab", ["--slabinfo=x"], "--slabinfo wants a number from 1"),
                ("kma_slab", ["--slabinfo", "--calls-only"], "no meaning with --calls-only"),
                ("kma_bud", ["--slabinfo"], "this algorithm has no object caches")):
            result = self.run_driver(name, *arguments, "t")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(reason, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)
        self.assertEqual(self.files(), ["t"])


if __name__ == "__main__":
    unittest.main()
