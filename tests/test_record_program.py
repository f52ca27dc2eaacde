#!/usr/bin/python3
"""record program: that a trace has exactly what the program did, and that each process has
one."""

import collections
import os
import re
import signal
import unittest

from driver_case import BUILD, word_bytes
from record_program_case import (PYTHON, LINE, CALLS, HAND_OVER, CHILDREN, ALONE, HANDLER, BUMP,
                                  SHORT_THREADS, RecordTest, ktr)
from shared import ROOT


class ExactTest(RecordTest):
    def test_every_function(self):
        lines, stderr = self.record(self.compile("calls", CALLS))
        self.exact(stderr)
        self.assertEqual([line.path for line in lines], ["out.ktr"])
        free = [(0, number) for number in (3, 1, 5, 6, 7, 8, 9, 10, 11)]
        self.assertEqual(self.events("out.ktr", "calls"), [
            (10, None), (21, None),                        # malloc, calloc
            (100000, None), (0, 0), (5, None), (0, 2),     # realloc up and down
            (33, None), (32, None),                        # realloc and its array, of NULL
            (128, None), (200, None), (40, None),          # aligned
            (50, None), (60, None), (1, None),             # to a page; of 0 bytes
            (0, 4), *free])
        self.assertIn("1 request of 0 bytes", stderr)
        self.assertIn("5 calls that returned NULL", stderr)

    def test_what_is_told_of_the_trace(self):
        self.record(self.compile("calls", CALLS), "a b", "c\nd")
        facts = ktr.facts(self.path("out.ktr"))
        system = os.uname()
        self.assertEqual(facts.about["columns"], "time,site")
        self.assertEqual(facts.about["origin"], "program")
        self.assertEqual(facts.about["program"], "calls")
        self.assertEqual(facts.about["command"], "./calls a b c?d")
        self.assertEqual(facts.about["system"], f"{system.sysname} {system.release}")
        self.assertEqual(facts.about["machine"], system.machine)
        self.assertEqual(facts.about["word"], str(word_bytes()))
        self.assertRegex(facts.about["recorded"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(facts.lost, 0)

    def test_blocks_that_go_from_thread_to_thread(self):
        lines, stderr = self.record(self.compile("hand_over", HAND_OVER, "-pthread"))
        self.exact(stderr)
        sizes = self.sizes("out.ktr", "hand_over")
        self.assertEqual(sizes.count(0), len(sizes) / 2)
        self.assertEqual(len(sizes), 2 * 4 * 100000)
        self.assertGreaterEqual(int(lines[0].events), len(sizes))

    def test_allocation_heavy_threads(self):
        with open(os.path.join(ROOT, "tests/alloc_heavy.c"), encoding="utf-8") as file:
            heavy = self.compile("heavy", file.read(), "-pthread")
        for threads in (1, 4):
            _, stderr = self.record(heavy, str(threads), "50000")
            self.exact(stderr)
            sizes = self.sizes("out.ktr", "heavy")
            self.assertEqual(len(sizes), 2 * threads * 50000)
            self.assertEqual(sizes.count(0), len(sizes) / 2)

    def test_times_never_fall_and_span_the_run(self):
        self.record(self.compile("alone", ALONE % ("malloc(77);", "sleep(1); malloc(78);",
                                                   1000)))
        at, last = {}, 0
        for size, _, now in ktr.events(self.path("out.ktr"), ("time",)):
            self.assertGreaterEqual(now, last)
            last = at[size] = now
        self.assertGreaterEqual(at[78] - at[24], 9 * 10**8)

    def test_children(self):
        children = self.compile("children", CHILDREN)
        lines, stderr = self.record(os.path.join(self.folder, children))
        self.exact(stderr)
        found = [self.sizes(line.path, "children") for line in lines]
        self.assertEqual(found, [[100, 101, 102, 0, 103, 0, 0, 0], [200, 0], [300, 0],
                                 [400, 0], [500, 0], [600, 0]])
        self.assertEqual([line.path for line in lines],
                         ["out.ktr", *(f"out-{n}.ktr" for n in range(2, 7))])
        pids = [line.pid for line in lines]
        self.assertEqual(pids[1], pids[2])
        self.assertEqual(len(set(pids)), 5)

    def test_a_thousand_short_threads_share_chunks(self):
        # A chunk for each would be over the limit that the file is given here.
        threads = self.compile("threads", SHORT_THREADS, "-pthread")
        lines, stderr = self.record("sh", "-c", f"ulimit -f 4096; exec {threads}")
        self.exact(stderr)
        self.assertEqual(self.sizes(lines[-1].path, "threads"), [24, 0] * 1000)

    def test_a_handler_that_allocates_anywhere(self):
        handler = self.compile("handler", HANDLER)
        bump = self.compile("bump.so", BUMP, "-shared", "-fPIC")
        lines, stderr = self.record("sh", "-c",
                                    f"LD_PRELOAD=$LD_PRELOAD:{bump} exec {handler}")
        self.exact(stderr)
        handled = int(re.search(r"handled (\d+)\n", stderr)[1])
        sizes = self.sizes(lines[-1].path, "handler")
        self.assertEqual(sizes.count(24), 1000000)
        self.assertEqual(sizes.count(48), handled)
        self.assertEqual(sizes.count(0), 1000000 + handled)


class CommandTest(RecordTest):
    def test_real_program_replays(self):
        self.needs_shell()  # and Python is one, too
        lines, stderr = self.record(PYTHON, "-c", "import json, asyncio")
        self.exact(stderr)
        self.assertGreater(int(lines[0].events), 5000)
        self.assertEqual(int(lines[0].events), ktr.facts(self.path("out.ktr")).events)
        modules = collections.Counter(
            (site or "?").split("+")[0]
            for _, _, site in ktr.events(self.path("out.ktr"), ("site",)))
        self.assertTrue(modules.most_common(1)[0][0].startswith("python"), modules)
        self.passes("capture/convert", "--quiet", "out.ktr", "-o", "small.ktr")
        self.assertIn("Test: PASS",
                      self.passes("kma_bud", "--no-output", "small.ktr"))

    def test_status_is_passed_on(self):
        self.needs_shell()
        for status in (0, 1, 77, 255):
            self.record("sh", "-c", f"exit {status}", status=status)
        self.record("sh", "-c", "kill -TERM $$", status=128 + signal.SIGTERM)

    def test_output_of_the_command_is_its_own(self):
        self.needs_shell()
        result = self.run_record("-o", "out.ktr", "--", "sh", "-c", "cat; echo told >&2",
                                 input="through\n")
        self.assertEqual(result.stdout, "through\n")
        self.assertTrue(result.stderr.startswith("told\n"), result.stderr)

    def test_names_of_traces(self):
        self.needs_shell()
        for output, second in (("plain", "plain-2"), ("a.b.ktr", "a.b-2.ktr"),
                               (".hidden", ".hidden-2"), ("fold.er/x", "fold.er/x-2")):
            os.makedirs(self.path("fold.er"), exist_ok=True)
            result = self.run_record("-o", output, "--", "sh", "-c", "(exec sh -c :); :")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual([line[0] for line in LINE.findall(result.stderr)][:2],
                             [output, second])
            self.assertTrue(os.path.exists(self.path(second)))

    def test_many_processes(self):
        self.needs_shell()
        lines, _ = self.record("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "
                               "sh -c : ; done; :")
        self.assertGreaterEqual(len(lines), 13)
        for line in lines:
            self.assertEqual(ktr.facts(self.path(line.path)).events, int(line.events))

    @unittest.skipIf("sanitize" in BUILD, "the sanitizers want to be preloaded first")
    def test_preloaded_library_stays(self):
        environment = self.preloaded("#include <stdlib.h>\n"
                                     "void leave(int status) { _Exit(status + 40); }\n")
        self.write("prints.c", "#include <stdio.h>\n#include <stdlib.h>\n"
                   "int main(void) { puts(getenv(\"LD_PRELOAD\")); return 0; }\n")
        name = self.compile("prints", self.read("prints.c"))
        result = self.run_record("-o", "out.ktr", "--", name, env=environment)
        first, second = result.stdout.rstrip().split(":")
        self.assertTrue(first.endswith("/capture/librecorder.so"))
        self.assertEqual(second, self.path("library.so"))

    def test_what_is_left_running_is_waited_for(self):
        alone = self.compile("alone", ALONE % ("sleep(2);", "", 10))
        lines, stderr = self.record("sh", "-c", f"{alone} & exit 3", status=3)
        self.assertIn("waiting for what it left running\n", stderr)
        self.assertEqual(self.sizes(lines[-1].path, "alone"), [24] * 10)


if __name__ == "__main__":
    unittest.main()
