#!/usr/bin/python3
"""The driver on compact traces: the same figures as on the text, read from a file or a
pipe, and messages that name events and bytes."""

import json
import os
import subprocess
import unittest

from driver_case import BUILD, FAULT_SIZE, DriverTest, program, simple_events, trace_text

ALGORITHMS = os.environ.get("KMA_ALGORITHMS", "dummy rm bud").split()
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class CompactTest(DriverTest):
    def convert(self, source, target, *options):
        subprocess.run([os.path.join(BUILD, "capture/convert"), "--quiet", *options,
                        source, "-o", target], cwd=self.folder, check=True)
        return target

    def compact(self, *events):
        self.write("t", trace_text(*events))
        return self.convert("t", "t.ktr", "--page-size", "any")


class Figures(CompactTest):
    def figures(self, name, trace, *options):
        done = self.run_driver(name, "--no-output", *options, "--json", "-", trace)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        for timed in ("trace", "replay", "timer", "latency", "worst"):
            del found[timed]
        return found

    def test_equal_to_those_of_the_text(self):
        text = os.path.join(HERE, "testsuite/3.trace")
        compact = self.convert(text, "3.ktr", "--keep")
        for name in ALGORITHMS:
            with self.subTest(name):
                self.assertEqual(self.figures(f"kma_{name}", compact),
                                 self.figures(f"kma_{name}", text))

    def test_streamed_and_held_report_the_same(self):
        compact = self.compact(*simple_events(2000))
        for options in ([], ["--competition"]):
            streamed = self.run_driver("kma_bud", *options, *self.no_output(options), compact)
            held = self.run_driver("kma_bud", *options, "--json", "j",
                                   *self.no_output(options), compact)
            pages = [[line for line in done.stdout.splitlines()
                      if line.startswith(("Page", "Competition", "Test"))]
                     for done in (streamed, held)]
            self.assertEqual(*pages)
            self.assertIn("Test: PASS", pages[0])

    def no_output(self, options):
        return [] if "--competition" in options else ["--no-output"]

    def test_the_same_data_file(self):
        compact = self.compact(*simple_events(500))
        self.passes("kma_bud", compact, "--output", "of-compact")
        self.passes("kma_bud", "t", "--output", "of-text")
        self.assertEqual(self.read("of-compact"), self.read("of-text"))

    def test_from_standard_input(self):
        compact = self.compact(*simple_events(300))
        for options in (["--no-output"], ["--competition"], ["--competition", "--json", "j"],
                        ["--calls-only"]):
            with self.subTest(options=options):
                for shell in ("cat t.ktr | %s -", "%s - <t.ktr"):
                    done = subprocess.run(
                        shell % " ".join([program("kma_bud"), *options]), shell=True,
                        cwd=self.folder, capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("Test: PASS", done.stdout)

    def test_what_is_kept_of_a_pipe_is_gone_afterwards(self):
        self.compact(*simple_events(300))
        os.mkdir(self.path("tmp"))
        subprocess.run(f"cat t.ktr | TMPDIR=tmp {program('kma_bud')} --competition -",
                       shell=True, cwd=self.folder, capture_output=True, check=True)
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def test_no_place_to_keep_a_pipe_in(self):
        self.compact(*simple_events(300))
        done = subprocess.run(
            f"cat t.ktr | TMPDIR=/nonexistent {program('kma_bud')} --competition -",
            shell=True, cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "^-: byte 0: cannot be kept in /nonexistent for a second "
                         "reading: No such file or directory\n$")

    def test_too_large_requests_are_refused_and_passed_over(self):
        compact = self.compact("REQUEST 0 100", "REQUEST 1 2000000", "FREE 1", "FREE 0")
        self.passes("kma_bud", "--no-output", compact)


class Messages(CompactTest):
    def test_of_an_allocator_that_fails_name_the_event(self):
        compact = self.compact("REQUEST 0 10", "REQUEST 1 20", f"REQUEST 2 {FAULT_SIZE}",
                               "FREE 0", "FREE 1", "FREE 2")
        done = self.run_driver("broken_lazy_null", "--no-output", compact)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"^t\.ktr: event 3: NULL for id 2, {FAULT_SIZE} bytes")

    def test_of_blocks_name_the_event_that_requested_them(self):
        compact = self.compact("REQUEST 0 10", "REQUEST 1 20", f"REQUEST 2 {FAULT_SIZE}",
                               "FREE 0", "FREE 1", "FREE 2")
        done = self.run_driver("broken_overlap", "--no-output", compact)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^t\.ktr: event 3: id 2 .*requested in event 3\) overlaps")

    def refused(self, data, *options):
        self.write("bad.ktr", data)
        done = self.run_driver("kma_bud", *options, "--no-output", "bad.ktr")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_of_a_file_cut_short_name_the_byte(self):
        self.compact(*simple_events(3000))
        with open(self.path("t.ktr"), "rb") as file:
            data = file.read()
        self.assertRegex(self.refused(data[:-5]),
                         r"^bad\.ktr: byte \d+: the trace is cut short after event 3000\n$")
        self.assertRegex(self.refused(data[:-5], "--json", "j"),
                         r"^bad\.ktr: byte \d+: the trace is cut short after event 3000\n$")
        self.assertNotIn("j", self.files())

    def test_of_a_damaged_file(self):
        self.compact(*simple_events(3000))
        with open(self.path("t.ktr"), "rb") as file:
            data = bytearray(file.read())
        data[len(data) // 2] ^= 0x55
        self.assertRegex(self.refused(bytes(data)), r"^bad\.ktr: byte \d+: ")

    def test_when_there_is_no_libzstd(self):
        self.compact("REQUEST 0 10")
        os.mkdir(self.path("lib"))
        self.write("lib/libzstd.so.1", "this is no library")
        done = subprocess.run([program("kma_bud"), "--no-output", "t.ktr"], cwd=self.folder,
                              env=dict(os.environ, LD_LIBRARY_PATH=self.path("lib")),
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "t.ktr: byte 0: a compact trace needs libzstd.so.1 "
                         "(Debian's libzstd1) to be read\n")


class Reading(CompactTest):
    def test_says_how_much_was_read(self):
        compact = self.compact(*simple_events(1000))
        for trace in ("t", compact):
            size = os.path.getsize(self.path(trace))
            done = self.run_driver("kma_bud", "--read", "--json", "j", trace)
            self.assertRegex(done.stdout, rf"^1000 events, {size} bytes, \d\.\d{{6}} s\n$")
            found = json.loads(self.read("j"))
            self.assertEqual((found["events"], found["bytes"]), (1000, size))
            self.assertGreater(found["seconds"], 0)

    def test_of_what_is_damaged_at_its_end(self):
        self.compact(*simple_events(1000))
        with open(self.path("t.ktr"), "ab") as file:
            file.write(b"x")
        done = self.run_driver("kma_bud", "--read", "t.ktr")
        self.assertEqual(done.returncode, 2)
        self.assertIn("something follows the last block", done.stderr)


if __name__ == "__main__":
    unittest.main()
