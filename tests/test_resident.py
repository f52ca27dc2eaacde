#!/usr/bin/python3
"""Memory figures from the resident set: for allocators with memory of their own."""

import ctypes.util
import json
import os
import shutil
import subprocess
import unittest

from driver_case import BUILD, FAULT_SIZE, program, trace_text, simple_events, \
    word_bytes, DriverTest
from shared import ROOT

MOST_SAMPLES = 1000
SLACK = 1 << 16  # bytes: the page source's tables, pages begun before
LIBRARIES = ("jemalloc", "mimalloc", "tcmalloc_minimal")
SANITIZED = "sanitize" in BUILD


class ResidentTest(DriverTest):
    def figures(self, name, *arguments, **options):
        result = self.run_driver(name, "--competition", "--resident", "--passes", "1",
                                 "--json", "j", "--output", "d", *arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        figures = json.loads(self.read("j"))
        self.report = result.stdout
        return figures, self.samples("d")

    def samples(self, name):
        lines = self.read(name).splitlines()
        self.assertEqual(lines[0], "0 0 0")
        return [tuple(map(int, line.split(" "))) for line in lines[1:]]

    def long_trace(self, count=3000, size=2000):
        """All requests, then all frees: the peak is in the middle."""
        self.write("t", trace_text(*(f"REQUEST {i} {size}" for i in range(count)),
                                   *(f"FREE {i}" for i in range(count))))


class Samples(ResidentTest):
    def test_every_event_of_a_short_trace(self):
        events = simple_events(MOST_SAMPLES)
        self.write("t", trace_text(*events))
        figures, samples = self.figures("kma_libc", "t")
        self.assertEqual([sample[0] for sample in samples],
                         list(range(1, len(events) + 1)))
        self.assertEqual(figures["samples"], len(events))
        live, sizes = 0, {}
        for event, (_, requested, _) in zip(events, samples):
            words = event.split()
            if words[0] == "REQUEST":
                sizes[words[1]] = int(words[2])
            live += sizes[words[1]] if words[0] == "REQUEST" else -sizes[words[1]]
            self.assertEqual(requested, live)

    def test_a_thousand_of_a_long_one_and_the_peak_among_them(self):
        self.long_trace(count=3333)
        figures, samples = self.figures("kma_libc", "t")
        self.assertEqual(figures["samples"], len(samples))
        self.assertIn(len(samples), (MOST_SAMPLES - 1, MOST_SAMPLES))
        indices = [0, *(sample[0] for sample in samples)]
        self.assertEqual(indices[-1], 6666)
        steps = [after - before for before, after in zip(indices, indices[1:])]
        self.assertGreater(min(steps), 0)
        self.assertLessEqual(max(steps), 7)
        self.assertIn((3333, 3333 * 2000), [sample[:2] for sample in samples])
        self.assertEqual(figures["peak_requested_bytes"], 3333 * 2000)

    def test_the_figures_are_of_the_samples(self):
        self.long_trace()
        figures, samples = self.figures("kma_libc", "t")
        self.assertEqual(figures["memory_source"], "resident set")
        peak = max(sample[2] for sample in samples)
        self.assertEqual(figures["peak_page_bytes"], peak)
        self.assertEqual(figures["pages"], {
            "requested": 0, "freed": 0, "in_use_at_end": 0,
            "peak": -(-peak // figures["page_size"]), "span": 0})
        moments = [sample[1:] for sample in samples if sample[1] > 0]
        penalty = sum(held / live - 1 for live, held in moments) / len(moments)
        self.assertAlmostEqual(figures["penalty"], penalty, places=6)
        self.assertIn(f"Competition average ratio: {figures['penalty']:.6f}\n",
                      self.report)
        utilization = sum(live / held for live, held in moments if held) / len(moments)
        self.assertAlmostEqual(figures["utilization_mean"], utilization, places=6)
        self.assertIsNone(figures["memory"]["mean"]["internal"])
        self.assertGreater(figures["replay"]["min_s"], 0)
        self.assertEqual(figures["latency"]["malloc"]["count"], 3000)

    def test_one_event_and_none(self):
        self.write("t", trace_text("REQUEST 0 8"))
        figures, samples = self.figures("kma_libc", "t")
        self.assertEqual([sample[:2] for sample in samples], [(1, 8)])
        self.assertEqual(figures["samples"], 1)
        self.write("t", "0\n")
        figures, samples = self.figures("kma_libc", "t")
        self.assertEqual((figures["samples"], samples, figures["penalty"]), (0, [], 0))

    def test_what_is_too_large_is_not_requested(self):
        self.write("t", trace_text("REQUEST 0 1000000", "REQUEST 1 8", "FREE 0",
                                   "FREE 1"))
        _, samples = self.figures("kma_libc", "t")
        self.assertEqual([sample[1] for sample in samples], [0, 8, 8, 0])


@unittest.skipIf(SANITIZED, "the sanitizers take memory beside each block")
class Bytes(ResidentTest):
    """How much is resident, where that is known."""

    def test_a_page_for_each_request(self):
        self.write("t", trace_text("REQUEST 0 8"))
        page = self.figures("kma_dummy", "t")[0]["page_size"]
        count = 300
        self.write("t", trace_text(*(f"REQUEST {i} {page - word_bytes()}"
                                     for i in range(count))))
        _, samples = self.figures("kma_dummy", "t")
        for index, _, resident in samples:
            self.assertGreaterEqual(resident, (index - 1) * page)
            self.assertLessEqual(resident, index * page + SLACK)

    def test_only_what_is_written_is_resident(self):
        # Of each page its first bytes and its last word: two host pages at most.
        self.write("t", trace_text(*(f"REQUEST {i} 8" for i in range(300))))
        _, samples = self.figures("kma_dummy", "t")
        host_page = os.sysconf("SC_PAGE_SIZE")
        self.assertLessEqual(samples[-1][2], 300 * 2 * host_page + SLACK)

    def test_the_c_library(self):
        self.long_trace()
        figures, samples = self.figures("kma_libc", "t")
        requested = figures["peak_requested_bytes"]
        self.assertGreater(figures["peak_page_bytes"], requested)
        self.assertLess(figures["peak_page_bytes"], requested * 1.1 + SLACK)
        # It is there as soon as it is requested, wherever the driver's own memory is.
        for _, live, resident in samples[:500]:
            self.assertGreater(resident, live - SLACK)

    def test_the_trace_is_not_in_it(self):
        """A hundred times the events, and the same blocks live: the same figures. What
        the driver has given back by then would take all of them if it were malloc's."""
        events = [f"REQUEST {i} 2000" for i in range(100)]
        events += [f"FREE {i}" for i in range(100)]
        for rounds in (1, 100):
            self.write("t", trace_text(*(events * rounds)))
            peak = self.figures("kma_libc", "t")[0]["peak_page_bytes"]
            self.assertGreater(peak, 200000 - SLACK)
            self.assertLess(peak, 200000 + SLACK)

    def test_much_the_same_on_every_run(self):
        self.long_trace()
        peaks = [self.figures("kma_libc", "t")[0]["peak_page_bytes"] for _ in range(3)]
        self.assertLessEqual(max(peaks) - min(peaks), SLACK)

    @unittest.skipIf(word_bytes() == 4, "the libraries are for 64-bit programs")
    def test_other_allocators(self):
        trace = os.path.join(ROOT, "testsuite/3.trace")
        found = [name for name in map(ctypes.util.find_library, LIBRARIES) if name]
        if not found:
            self.skipTest("none of " + ", ".join(LIBRARIES) + " is installed")
        peaks = set()
        for library in found:
            with self.subTest(library=library):
                figures, _ = self.figures("kma_libc", trace,
                                          env={**os.environ, "LD_PRELOAD": library})
                ratio = figures["peak_page_bytes"] / figures["peak_requested_bytes"]
                self.assertTrue(1 < ratio < 1.6, ratio)
                peaks.add(figures["peak_page_bytes"])
        self.assertEqual(len(peaks), len(found), "they are not the same allocator")


class Modes(ResidentTest):
    def test_correctness(self):
        self.write("t", trace_text(*simple_events(2000)))
        self.assertEqual(self.passes("kma_libc", "--resident", "t"),
                         f"{program('kma_libc')}: Running in correctness mode\n"
                         "Page Requested/Freed/In Use:     0/    0/    0\n"
                         "Test: PASS\n")
        self.assertGreater(len(self.samples("kma_output.dat")), 990)

    def test_without_it_a_block_has_to_lie_in_a_page(self):
        self.write("t", trace_text("REQUEST 0 8"))
        self.assertIn("does not begin in a page that is held",
                      self.fails("kma_libc", "t"))

    def test_what_is_still_checked(self):
        events = ("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}", "REQUEST 2 64", "FREE 0",
                  "FREE 1", "FREE 2")
        self.write("t", trace_text(*events))
        for fault, message in (("overlap", "t:3: id 1"), ("misaligned", "t:3: id 1"),
                               ("scribble", "t:5: contents of id 0"),
                               ("leak", "t:8: 1 page is still held"),
                               ("lazy_null", "t:3: NULL for id 1")):
            self.assertIn(message, self.fails(f"broken_{fault}", "--resident", "t"))

    SAME_TWICE = """
        #include <dlfcn.h>
        #include <stddef.h>
        static _Alignas(8) char room[1300];
        void *malloc(size_t size)
        {
            static void *(*next)(size_t);
            if (next == NULL)
                next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
            return size == 1237 ? room + SHIFT : next(size);
        }
        void free(void *block)
        {
            static void (*next)(void *);
            if (next == NULL)
                next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
            if (block != room + SHIFT)
                next(block);
        }
        """

    @unittest.skipIf(SANITIZED, "the sanitizers have a malloc of their own")
    def test_blocks_outside_the_pool_are_checked_too(self):
        self.write("t", trace_text("REQUEST 0 1237", "REQUEST 1 1237", "FREE 0"))
        for shift, message in ((0, "t:4: contents of id 0 (1237 bytes"),
                               (4, "is not aligned to 8 bytes")):
            environment = self.preloaded(f"#define SHIFT {shift}\n{self.SAME_TWICE}")
            self.assertIn(message, self.fails("kma_libc", "--resident", "t",
                                              env=environment))

    def test_no_data_file_unless_asked_for_in_competition_mode(self):
        self.write("t", trace_text("REQUEST 0 8"))
        self.passes("kma_libc", "--competition", "--resident", "t")
        self.assertEqual(self.files(), ["t"])

    def test_data_file_on_standard_output(self):
        self.write("t", trace_text("REQUEST 0 8"))
        result = self.run_driver("kma_libc", "--competition", "--resident", "--output",
                                 "-", "t")
        self.assertRegex(result.stdout, r"^0 0 0\n1 8 \d+\n$")
        self.assertTrue(result.stderr.endswith("Test: PASS\n"))

    def test_together_with_operations_and_heap_map(self):
        self.write("t", trace_text("REQUEST 0 8", "FREE 0"))
        self.figures("kma_bud", "--operations", "o", "--heapmap", "h", "t")
        self.assertEqual(self.read("o"), "1 REQUEST 8 3 0 - - -\n2 FREE 8 0 3 - - -\n")
        self.assertTrue(self.read("h").startswith("2 3 1 "))

    def test_full_disk(self):
        self.write("t", trace_text(*simple_events(2000)))
        self.assertEqual(
            self.refused("kma_libc", "--competition", "--resident", "--output",
                         "/dev/full", "t"),
            "/dev/full: cannot be written: No space left on device")

    def test_out_of_pages(self):
        self.write("t", trace_text("REQUEST 0 8", "REQUEST 1 8"))
        self.assertEqual(self.fails("kma_dummy", "--resident", "--max-pages", "1", "t"),
                         "t:3: out of pages at this event: 1 of 1 pages in use, request "
                         "of 8 bytes")

    @unittest.skipUnless(os.geteuid() == 0, "takes root to change the root")
    @unittest.skipIf(SANITIZED, "the sanitizers themselves need /proc")
    def test_without_proc(self):
        libraries = subprocess.run(["ldd", program("kma_libc")], capture_output=True,
                                   text=True, check=True).stdout
        for path in (word for word in libraries.split() if word.startswith("/")):
            os.makedirs(self.path(os.path.dirname(path)[1:]), exist_ok=True)
            shutil.copy(path, self.path(path[1:]))
        shutil.copy(program("kma_libc"), self.path("copy"))
        self.write("t", trace_text("REQUEST 0 8"))
        done = subprocess.run(["/copy", "--competition", "--resident", "t"],
                              cwd=self.folder, text=True, check=False,
                              capture_output=True,
                              preexec_fn=lambda: os.chroot(self.folder))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stderr, "--resident: /proc/self/statm cannot be read: No "
                                      "such file or directory\n")


if __name__ == "__main__":
    unittest.main()
