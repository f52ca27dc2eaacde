#!/usr/bin/python3
"""The trace driver as its users see it: modes, options, outputs, errors, signals.

KMA_BUILD names the folder of the executables: kma_dummy, kma_bud and, for each fault
of tests/broken.c, broken_<fault>.
"""

import json
import math
import os
import platform
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", "."))
TEMPORARY = ".kma-"
FAULT_SIZE = 1000  # tests/broken.c strikes at requests of this size


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path}: build it first, or set KMA_BUILD")
    return path


def word_bytes():
    """Bytes in a pointer of the executables: their ELF class says."""
    with open(program("kma_dummy"), "rb") as file:
        return 8 if file.read(5)[4] == 2 else 4


def trace_text(*events):
    return "".join(f"{line}\n" for line in (len(events), *events))


def simple_events(count):
    """Requests and frees of rising sizes with a few blocks live, none of them left."""
    events = []
    for i in range(count // 2):
        events.append(f"REQUEST {i} {16 + i * 37 % 1500}")
        if i >= 5:
            events.append(f"FREE {i - 5}")
    events += [f"FREE {i}" for i in range(max(count // 2 - 5, 0), count // 2)]
    return events


class DriverTest(unittest.TestCase):
    """Runs in a folder of its own, which is looked at afterwards."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma_test_driver_")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        data = content if isinstance(content, bytes) else content.encode()
        with open(self.path(name), "wb") as file:
            file.write(data)
        return name

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def files(self):
        return sorted(os.listdir(self.folder))

    def run_driver(self, name, *arguments, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("timeout", 120)
        return subprocess.run([program(name), *arguments], cwd=self.folder, text=True,
                              errors="replace", check=False, **options)

    def passes(self, name, *arguments, **options):
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 0, (result.stdout, result.stderr))
        self.assertEqual(result.stderr, "")
        return result.stdout

    def run_as_nobody(self, trace):
        """A copy, since the executables may lie where only root may look."""
        shutil.copy(program("kma_dummy"), self.path("copy"))
        os.chmod(self.path("copy"), 0o755)
        return subprocess.run(["./copy", trace], cwd=self.folder, text=True,
                              check=False, capture_output=True,
                              preexec_fn=lambda: os.setuid(65534))

    def one_line(self, text):
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.endswith("\n"), text)
        return text[:-1]

    def refused(self, name, *arguments, **options):
        """The one line on standard error of a run that ends with status 2."""
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 2, (result.stdout, result.stderr))
        self.assertNotIn("PASS", result.stdout or "")
        return self.one_line(result.stderr)

    def fails(self, name, *arguments, **options):
        """The last line on standard error of a run in which the allocator fails."""
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 1, (result.stdout, result.stderr))
        self.assertEqual(result.stdout.splitlines()[-1], "Test: FAILED")
        self.assertNotIn("PASS", result.stdout)
        return result.stderr.splitlines()[-1]


class CorrectnessMode(DriverTest):
    def test_report(self):
        self.write("t", trace_text("REQUEST 0 10", "REQUEST 1 20", "FREE 0", "FREE 1"))
        self.assertEqual(self.passes("kma_dummy", "t"),
                         f"{program('kma_dummy')}: Running in correctness mode\n"
                         "Page Requested/Freed/In Use:     2/    2/    0\n"
                         "Test: PASS\n")

    def test_data_file(self):
        self.write("t", trace_text("REQUEST 0 10", "REQUEST 1 20", "FREE 0", "FREE 1"))
        self.passes("kma_dummy", "t")
        page = self.page_size()
        self.assertEqual(self.read("kma_output.dat"),
                         f"0 0 0\n1 10 {page}\n2 30 {2 * page}\n3 20 {page}\n4 0 0\n")

    def page_size(self):
        self.write("p", trace_text("REQUEST 0 8"))
        return json.loads(self.passes_json("p"))["page_size"]

    def passes_json(self, trace):
        return self.run_driver("kma_dummy", "--no-output", "--json", "-", trace).stdout

    def test_output_option(self):
        self.write("t", trace_text("REQUEST 0 10"))
        self.passes("kma_dummy", "t", "--output", "mine.dat")
        self.assertEqual(self.files(), ["mine.dat", "t"])
        self.assertTrue(self.read("mine.dat").startswith("0 0 0\n1 10 "))

    def test_no_output(self):
        self.write("t", trace_text("REQUEST 0 10"))
        self.passes("kma_dummy", "--no-output", "t")
        self.assertEqual(self.files(), ["t"])

    def test_output_in_another_folder(self):
        os.mkdir(self.path("sub"))
        self.write("t", trace_text("REQUEST 0 10"))
        self.passes("kma_dummy", "t", "--output", "sub/x")
        self.assertEqual(os.listdir(self.path("sub")), ["x"])

    def test_output_replaces_what_a_link_names_and_keeps_its_rights(self):
        self.write("t", trace_text("REQUEST 0 10"))
        self.write("real", "old")
        os.chmod(self.path("real"), 0o640)
        os.symlink("real", self.path("link"))
        self.passes("kma_dummy", "t", "--output", "link")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertTrue(self.read("real").startswith("0 0 0\n"))
        self.assertEqual(os.stat(self.path("real")).st_mode & 0o777, 0o640)

    def test_new_output_follows_the_umask(self):
        self.write("t", trace_text("REQUEST 0 10"))
        self.passes("kma_dummy", "t", preexec_fn=lambda: os.umask(0o027))
        self.assertEqual(os.stat(self.path("kma_output.dat")).st_mode & 0o777, 0o640)

    def test_output_to_a_pipe_moves_the_report(self):
        self.write("t", trace_text("REQUEST 0 10"))
        result = self.run_driver("kma_dummy", "t", "--output", "-")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout.splitlines()[0], "0 0 0")
        self.assertEqual(len(result.stdout.splitlines()), 2)
        self.assertEqual(result.stderr.splitlines()[-1], "Test: PASS")
        self.assertEqual(self.files(), ["t"])

    def test_one_event(self):
        self.write("t", trace_text("REQUEST 0 10"))
        self.assertIn(":     1/    0/    1\nTest: PASS", self.passes("kma_dummy", "t"))

    def test_empty_trace(self):
        self.write("t", "0\n")
        self.assertIn(":     0/    0/    0\nTest: PASS", self.passes("kma_dummy", "t"))
        self.assertEqual(self.read("kma_output.dat"), "0 0 0\n")

    def test_blocks_left_are_legal(self):
        self.write("t", trace_text(*(f"REQUEST {i} 100" for i in range(9))))
        self.assertIn("Test: PASS", self.passes("kma_bud", "t", "--audit"))

    def test_oversize_request_gets_nothing_and_its_free_is_skipped(self):
        self.write("t", trace_text("REQUEST 0 100000", "REQUEST 1 8", "FREE 0",
                                   "FREE 1"))
        self.assertIn(":     1/    1/    0\n", self.passes("kma_dummy", "t"))
        lines = self.read("kma_output.dat").splitlines()
        self.assertEqual([line.split()[1] for line in lines], ["0", "0", "8", "8", "0"])

    def test_the_limit_of_sizes(self):
        largest = self.page_size() - word_bytes()
        self.write("t", trace_text(f"REQUEST 0 {largest}", f"REQUEST 1 {largest + 1}"))
        self.assertIn(":     1/    0/    1\n", self.passes("broken_nothing", "t"))

    def test_crlf_and_missing_last_newline(self):
        self.write("t", "2\r\nREQUEST 0 8\r\nFREE 0")
        self.assertIn("Test: PASS", self.passes("kma_dummy", "t"))

    def test_standard_input(self):
        text = trace_text("REQUEST 0 8", "FREE 0")
        report = self.passes("kma_dummy", "-", input=text)
        self.assertIn(":     1/    1/    0\n", report)
        self.assertIn("Test: PASS", self.passes("kma_dummy", "/dev/stdin", input=text))

    def test_long_standard_input(self):
        text = trace_text(*simple_events(40000))
        self.assertGreater(len(text), 1 << 18)
        self.write("t", text)
        self.assertEqual(self.passes("kma_bud", "-", input=text),
                         self.passes("kma_bud", "t"))

    def test_standard_input_from_where_it_stands(self):
        self.write("t", "skipped\n" + trace_text("REQUEST 0 8", "FREE 0"))
        with open(self.path("t"), "rb") as file:
            os.lseek(file.fileno(), 8, os.SEEK_SET)
            self.assertIn("Test: PASS", self.passes("kma_dummy", "-", stdin=file))

    def test_audit(self):
        self.write("t", trace_text(*simple_events(200)))
        for option in ("--audit", "--audit=7", "--audit=100000"):
            self.assertIn("Test: PASS", self.passes("kma_bud", option, "t"))

    def test_audit_where_there_is_none(self):
        self.write("t", trace_text("REQUEST 0 8"))
        result = self.run_driver("broken_no_audit", "--audit", "t")
        self.assertEqual(result.returncode, 0)
        self.assertIn("has no kma_audit", self.one_line(result.stderr))
        self.assertIn("Test: PASS", result.stdout)


class CompetitionMode(DriverTest):
    LINES = (r"Running in competition mode\n"
             r"Page Requested/Freed/In Use: +(\d+)/ *(\d+)/ *(\d+)\n"
             r"Competition average ratio: (\d+\.\d{6})\n"
             r"Replay time: (\d+\.\d{6}) s\n"
             r"Process time: (\d+\.\d{6}) s\n"
             r"Score: (\d+\.\d{6})\n"
             r"Test: PASS\n")

    def report(self, *arguments):
        match = re.fullmatch(self.LINES, self.passes("kma_dummy", *arguments))
        self.assertIsNotNone(match)
        return [float(group) for group in match.groups()]

    def test_report(self):
        self.write("t", trace_text(*simple_events(20000)))
        requested, freed, held, penalty, replay, process, score = self.report(
            "--competition", "t")
        self.assertEqual((requested, freed, held), (10000, 10000, 0))
        self.assertGreater(replay, 0)
        self.assertGreater(process, replay)
        self.assertAlmostEqual(score, replay * (1 + penalty),
                               delta=1e-5 * (1 + penalty))
        self.assertEqual(self.files(), ["t"])

    def test_penalty_is_the_mean_over_events(self):
        self.write("t", trace_text("REQUEST 0 16", "REQUEST 1 48", "FREE 0", "FREE 1"))
        page = json.loads(self.run_driver("kma_dummy", "--no-output", "--json", "-",
                                          "t").stdout)["page_size"]
        moments = [(16, page), (64, 2 * page), (48, page)]
        expected = sum((pages - live) / live for live, pages in moments) / len(moments)
        self.assertAlmostEqual(self.report("--competition", "t")[3], expected, places=5)

    def test_counts_are_of_one_replay(self):
        self.write("t", trace_text("REQUEST 0 8", "REQUEST 1 8", "FREE 0"))
        report = self.report("--competition", "--passes", "5", "t")
        self.assertEqual(report[:3], [2, 1, 1])

    def test_empty_trace(self):
        self.write("t", "0\n")
        self.assertEqual(self.report("--competition", "t")[:4], [0, 0, 0, 0])

    def test_correctness_can_be_asked_for(self):
        self.write("t", trace_text("REQUEST 0 8"))
        report = self.passes("kma_dummy", "--competition", "--correctness", "t")
        self.assertIn("Running in correctness mode", report)

    def test_nothing_is_checked(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 1000"))
        self.assertIn("Test: PASS", self.passes("broken_overlap", "--competition", "t"))

    def test_null_and_lost_pages_are_still_seen(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 1000"))
        self.assertIn("t:3: NULL for id 1, 1000 bytes",
                      self.fails("broken_lazy_null", "--competition", "t"))
        self.assertIn("t:4: 1 page is still held",
                      self.fails("broken_leak", "--competition", "t"))

    def test_a_crash(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 1000"))
        self.assertIn("t:3: crashed: SIGSEGV",
                      self.fails("broken_segfault", "--competition", "t"))


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, "kma_competition")),
                     "kma_competition is not built")
class CompetitionByDefault(DriverTest):
    """An executable built with -DCOMPETITION."""

    def test_mode(self):
        self.write("t", trace_text("REQUEST 0 8"))
        self.assertRegex(self.passes("kma_competition", "t"), CompetitionMode.LINES)
        self.assertEqual(self.files(), ["t"])
        self.assertIn("Running in correctness mode",
                      self.passes("kma_competition", "--correctness", "t"))


class MaxPages(DriverTest):
    def setUp(self):
        super().setUp()
        self.write("t", trace_text(*(f"REQUEST {i} 600" for i in range(60))))
        figures = self.run_driver("kma_bud", "--no-output", "--json", "-", "t").stdout
        self.peak = json.loads(figures)["pages"]["peak"]

    def test_at_the_peak(self):
        for mode in ("--correctness", "--competition"):
            self.assertIn("Test: PASS", self.passes("kma_bud", mode, "--max-pages",
                                                    str(self.peak), "t"))

    def test_below_the_peak(self):
        limit = self.peak - 1
        for mode in ("--correctness", "--competition"):
            line = self.fails("kma_bud", mode, "--max-pages", str(limit), "t")
            self.assertRegex(line, rf"^t:\d+: out of pages at this event: {limit} of "
                                   rf"{limit} pages in use, request of 600 bytes$")

    def test_names_the_event(self):
        self.write("u", trace_text("REQUEST 0 8", "REQUEST 1 8", "FREE 0",
                                   "REQUEST 0 8", "REQUEST 3 77"))
        for mode in ("--correctness", "--competition"):
            self.assertEqual(self.fails("kma_dummy", mode, "--max-pages", "2", "u"),
                             "u:6: out of pages at this event: 2 of 2 pages in use, "
                             "request of 77 bytes")

    def test_running_out_within_a_call_that_gives_its_pages_back(self):
        self.write("u", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        for mode in ("--correctness", "--competition"):
            arguments = ("broken_two_pages", mode, "u", "--max-pages")
            self.assertIn("Test: PASS", self.passes(*arguments, "3"))
            self.assertIn("u:3: out of pages at this event: 2 of 2 pages in use",
                          self.fails(*arguments, "2"))

    def test_the_peak_counts_pages_held_within_a_call(self):
        self.write("u", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        self.passes("broken_two_pages", "--json", "j", "u")
        figures = json.loads(self.read("j"))
        self.assertEqual(figures["pages"]["peak"], 3)
        self.assertEqual(figures["peak_page_bytes"], figures["page_size"])

    def test_leaves_no_data_file(self):
        self.fails("kma_dummy", "--max-pages", "3", "t")
        self.assertEqual(self.files(), ["t"])

    def test_null_with_pages_left_is_another_error(self):
        self.write("u", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        line = self.fails("broken_lazy_null", "--max-pages", "2", "u")
        self.assertEqual(line, "u:3: NULL for id 1, 1000 bytes, which must be served: "
                               "1 of 2 pages in use")


class BrokenAllocators(DriverTest):
    """Every fault is caught, at the right line, with the right words."""

    BLOCK = r"\(1000 bytes at 0x[0-9a-f]+, requested in line 3\)"
    OTHER = r"\(64 bytes at 0x[0-9a-f]+, requested in line 2\)"
    EXPECTED = {
        "overlap": rf"t:3: id 1 {BLOCK} overlaps id 0 {OTHER}",
        "misaligned": rf"t:3: id 1 {BLOCK} is not aligned to 8 bytes",
        "outside": rf"t:3: id 1 {BLOCK} does not begin in a page that is held",
        "unheld": rf"t:3: id 1 {BLOCK} does not begin in a page that is held",
        "straddle": rf"t:3: id 1 {BLOCK} runs over the end of its page at 0x[0-9a-f]+",
        "leak": r"t:8: 1 page is still held when every block is freed",
        "fresh_page": r"t:8: 1 page is still held when every block is freed",
        "scribble": rf"t:5: contents of id 0 {OTHER} changed since: "
                    r"byte 63 was 0x[0-9a-f]{2} and is 0x[0-9a-f]{2}",
        "scribble_free": r"t:7: contents of id 2 \(64 bytes at 0x[0-9a-f]+, requested "
                         r"in line 4\) changed since: byte 0 was .*",
        "double_free_page": r"t:7: free_page\(0x[0-9a-f]+\): that is free already, "
                            rf"while freeing id 1 {BLOCK}",
        "garbage_page": r"t:6: free_page\(0x[0-9a-f]+\): that is not a descriptor that "
                        rf"get_page returned, while freeing id 1 {BLOCK}",
        "free_used_page": r"t:6: page 0 \(0x[0-9a-f]+\) is freed though id 2 \(64 "
                          r"bytes at 0x[0-9a-f]+, requested in line 4\) lies in it, "
                          rf"while freeing id 1 {BLOCK}",
        "request_frees": rf"t:3: page 0 \(0x[0-9a-f]+\) is freed though id 0 {OTHER} "
                         r"lies in it",
        "lazy_null": r"t:3: NULL for id 1, 1000 bytes, which must be served: 1 of \d+ "
                     r"pages in use",
        "unsound": r"t:3: kma_audit finds 2 broken invariants after this event",
        "segfault": r"t:3: crashed: SIGSEGV at address 0x0",
        "segfault_free": r"t:6: crashed: SIGSEGV at address 0x0",
        "abort_call": r"t:3: crashed: SIGABRT",
        "endless": r"t:3: crashed: SIGSEGV at address 0x[0-9a-f]+",
        "complain": r"t:3: the allocator gave up: no reason",
    }
    EVENTS = ("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}", "REQUEST 2 64", "FREE 0",
              "FREE 1", "FREE 2")
    # The block that strikes goes last.
    LAST = ("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}", "REQUEST 2 64", "FREE 0",
            "FREE 2", "FREE 1")

    def test_each_fault(self):
        for fault, expected in self.EXPECTED.items():
            with self.subTest(fault=fault):
                events = self.LAST if fault == "double_free_page" else self.EVENTS
                self.write("t", trace_text(*events))
                self.write("kma_output.dat", "older")
                line = self.fails(f"broken_{fault}", "--audit", "t")
                self.assertRegex(line, f"^{expected}$")
                self.assertEqual(self.files(), ["kma_output.dat", "t"])
                self.assertEqual(self.read("kma_output.dat"), "older")

    def test_the_sound_one_passes(self):
        for events in (self.EVENTS, self.LAST, simple_events(2000)):
            self.write("t", trace_text(*events))
            self.assertIn("Test: PASS", self.passes("broken_nothing", "--audit", "t"))

    def test_faults_in_a_block_never_freed(self):
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        self.assertIn("t:4: contents of id 0", self.fails("broken_scribble", "t"))

    def test_a_page_freed_while_clearing_up(self):
        self.write("t", trace_text(f"REQUEST 1 {FAULT_SIZE}", "REQUEST 0 64"))
        self.assertIn("t:4: page 0", self.fails("broken_free_used_page", "t"))

    def test_a_block_for_an_oversize_request(self):
        self.write("t", trace_text("REQUEST 0 64", "REQUEST 1 100000"))
        self.assertRegex(self.fails("broken_eager", "t"),
                         r"^t:3: id 1 \(100000 bytes at 0x[0-9a-f]+, requested in line "
                         r"3\) must be refused: it is over \d+ bytes$")

    @unittest.skipUnless(platform.machine() in ("x86_64", "i686"), "x86 traps this")
    def test_a_division_by_zero(self):
        self.write("t", trace_text(*self.EVENTS))
        self.assertEqual(self.fails("broken_divide", "t"), "t:3: crashed: SIGFPE")

    def test_audit_happens_every_so_often(self):
        events = [f"REQUEST {i} {FAULT_SIZE if i == 2 else 64}" for i in range(20)]
        self.write("t", trace_text(*events))
        for option, line in (("--audit", 4), ("--audit=2", 5), ("--audit=5", 6),
                             ("--audit=20", 21)):
            error = self.fails("broken_unsound", option, "t")
            self.assertIn(f"t:{line}: kma_audit", error)
        error = self.fails("broken_unsound", "--audit=99", "t")
        self.assertIn("t:22: kma_audit", error)
        self.assertIn("Test: PASS", self.passes("broken_unsound", "t"))


class BadTraces(DriverTest):
    TABLE = [
        ("", 1, "empty"),
        ("REQUEST 0 8\n", 1, "the first line must be the number of events"),
        ("-3\n", 1, "the first line must be the number of events"),
        ("3.5\n", 1, "the first line must be the number of events"),
        ("1000000000000\nREQUEST 0 8\n", 1, "events announced"),
        ("9" * 400 + "\nREQUEST 0 8\n", 1, "events announced"),
        ("1\nRESIZE 0 8\n", 2, "unknown command 'RESIZE'"),
        ("1\nREQUEST 0\n", 2, "the size is missing"),
        ("1\nREQUEST\n", 2, "the id is missing"),
        ("1\nFREE \n", 2, "the id is missing"),
        ("1\nREQUEST x 8\n", 2, "the id is not a number: 'x'"),
        ("1\nREQUEST 0 8k\n", 2, "the size is not a number: '8k'"),
        ("1\nREQUEST 0 99999999999999999999\n", 2, "is over 2147483647"),
        ("1\nREQUEST 0 4294967304\n", 2, "is over 2147483647"),
        ("1\nREQUEST 18446744073709551616 8\n", 2, "is out of range: 0 to 0"),
        ("1\nREQUEST 1 8\n", 2, "id '1' is out of range: 0 to 0"),
        ("1\nREQUEST -1 8\n", 2, "id '-1' is out of range: 0 to 0"),
        ("2\nREQUEST 0 8\nFREE 1\n", 3, "FREE of id 1, which was never requested"),
        ("3\nREQUEST 0 8\nFREE 0\nFREE 0\n", 4, "which is free since line 3"),
        ("2\nREQUEST 0 8\nREQUEST 0 8\n", 3, "id 0, which is live since line 2"),
        ("1\nREQUEST 0 0\n", 2, "size '0' is not positive"),
        ("1\nREQUEST 0 -5\n", 2, "size '-5' is not positive"),
        ("1\nREQUEST 0 8 8\n", 2, "'8' after the end"),
        ("3\nREQUEST 0 8\nFREE 0\n", 4, "ends after 2 of the 3 events"),
        ("1\nREQUEST 0 8\nFREE 0\n", 3, "'FREE' after the last of the 1 events"),
        ("2\nREQUEST 0 8\n\nFREE 0\n", 3, "blank line"),
        (b"\x7fELF\x02\x01\x01" + bytes(300), 1, r"\x7fELF\x02"),
        (b"1\n" + bytes(range(128, 256)) * 50, 2, r"unknown command '\x80\x81"),
    ]

    def test_each(self):
        for content, line, message in self.TABLE:
            with self.subTest(content=content[:60]):
                self.write("bad", content)
                self.write("kma_output.dat", "older")
                error = self.refused("kma_dummy", "bad")
                self.assertTrue(error.startswith(f"bad:{line}: "), error)
                self.assertIn(message, error)
                self.assertLess(len(error), 200)
                self.assertTrue(error.isprintable() and error.isascii(), error)
                self.assertEqual(self.files(), ["bad", "kma_output.dat"])
                self.assertEqual(self.read("kma_output.dat"), "older")

    def test_the_same_through_a_pipe(self):
        for content, line, message in self.TABLE:
            with self.subTest(content=content[:60]):
                self.write("bad", content)
                with open(self.path("bad"), "rb") as file:
                    cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
                with cat:
                    error = self.refused("kma_dummy", "-", stdin=cat.stdout)
                self.assertTrue(error.startswith(f"-:{line}: "), error)
                self.assertIn(message, error)

    def test_no_file_and_a_folder(self):
        self.assertEqual(self.refused("kma_dummy", "nothing"),
                         "nothing:1: cannot be opened: No such file or directory")
        os.mkdir(self.path("folder"))
        self.assertEqual(self.refused("kma_dummy", "folder"),
                         "folder:1: cannot be read: Is a directory")
        self.assertEqual(self.files(), ["folder"])

    @unittest.skipUnless(os.geteuid() == 0, "takes root to become somebody else")
    def test_an_unreadable_file(self):
        self.write("t", trace_text("REQUEST 0 8"))
        os.chmod(self.path("t"), 0)
        os.chmod(self.folder, 0o777)
        result = self.run_as_nobody("t")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "t:1: cannot be opened: Permission denied\n")

    def limited(self):
        """Little memory, unless the executables need the whole address space."""
        with open(program("kma_dummy"), "rb") as file:
            if b"__asan_" in file.read():
                return {"timeout": 60}
        size = 1 << 29
        return {"timeout": 60, "preexec_fn":
                lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))}

    def test_no_memory_for_what_a_header_says(self):
        self.write("t", "4000000000\nREQUEST 0 8\n")
        self.assertIn("t:1: '4000000000' events announced",
                      self.refused("kma_dummy", "t", **self.limited()))

    def test_endless_input(self):
        for source in ("/dev/zero", "/dev/urandom"):
            self.assertTrue(self.refused("kma_dummy", source, **self.limited())
                            .startswith(f"{source}:1: "))
        yes = subprocess.Popen(["sh", "-c", "echo 2; yes FREE 0"],
                               stdout=subprocess.PIPE)
        with yes:
            error = self.refused("kma_dummy", "-", stdin=yes.stdout, **self.limited())
            yes.kill()
        self.assertIn("-:2: FREE of id 0, which was never requested", error)

    def test_a_name_with_a_line_end_stays_one_line(self):
        self.refused("kma_dummy", "no\nsuch\nfile")


class CommandLine(DriverTest):
    def test_help(self):
        text = self.passes("kma_dummy", "--help")
        self.assertTrue(text.startswith("Usage: "))
        for option in ("--correctness", "--competition", "--output", "--no-output",
                       "--audit", "--max-pages", "--passes", "--json", "--latency",
                       "--help", "--version"):
            self.assertIn(f"  {option}", text)
        self.assertLessEqual(max(map(len, text.splitlines()[1:])), 80)

    def test_version(self):
        self.assertRegex(self.passes("kma_dummy", "--version"), r"^\S+ \(kma\) \S+\n$")

    def test_mistakes(self):
        self.write("t", trace_text("REQUEST 0 8"))
        for arguments, message in [
                ([], "no trace given"),
                (["t", "t"], "more than one trace given: 't'"),
                (["--frobnicate", "t"], "unknown option --frobnicate"),
                (["-x", "t"], "unknown option -x"),
                (["t", "--output"], "--output wants a value"),
                (["t", "--passes"], "--passes wants a value"),
                (["--no-output=3", "t"], "--no-output=3 takes no value"),
                (["--max-pages", "many", "t"], "--max-pages wants a number from 1"),
                (["--max-pages", "0", "t"], "not '0'"),
                (["--max-pages", "-1", "t"], "not '-1'"),
                (["--max-pages", "99999999999999999999", "t"], "--max-pages wants"),
                (["--max-pages", "5 ", "t"], "not '5 '"),
                (["--max-pages", "", "t"], "not ''"),
                (["--passes", "0", "t"], "--passes wants a number from 1"),
                (["--passes", "3x", "t"], "not '3x'"),
                (["--audit=no", "t"], "--audit wants a number from 1"),
                (["--audit=0", "t"], "not '0'"),
                (["--audit=99999999999999999999", "t"], "--audit wants a number"),
                (["--competition", "--output", "x", "t"], "--output has no meaning"),
                (["--competition", "--audit", "t"], "--audit has no meaning"),
                (["--output", "t", "t"], "t is the trace"),
                (["--json", "./t", "t"], "./t is the trace"),
                (["--json", "x", "--latency", "x", "t"], "two outputs go to x"),
                (["--json", "-", "--latency", "-", "t"], "two outputs go to -")]:
            with self.subTest(arguments=arguments):
                line = self.refused("kma_dummy", *arguments)
                self.assertTrue(line.startswith(program("kma_dummy") + ": "), line)
                self.assertIn(message, line)
                self.assertTrue(line.endswith("(try --help)"), line)
                self.assertEqual(self.files(), ["t"])

    def test_options_may_follow_the_trace(self):
        self.write("t", trace_text("REQUEST 0 8"))
        report = self.passes("kma_dummy", "t", "--competition")
        self.assertIn("competition mode", report)

    def test_a_trace_whose_name_begins_with_a_dash(self):
        self.write("-t", trace_text("REQUEST 0 8"))
        self.assertIn("Test: PASS", self.passes("kma_dummy", "--", "-t"))


class Outputs(DriverTest):
    """Whatever stands in the way of writing costs one line and leaves nothing."""

    def setUp(self):
        super().setUp()
        self.write("t", trace_text(*simple_events(2000)))

    def test_full_disk(self):
        for option in ("--output", "--json", "--latency"):
            arguments = [] if option == "--output" else ["--no-output"]
            self.assertEqual(
                self.refused("kma_dummy", option, "/dev/full", *arguments, "t"),
                "/dev/full: cannot be written: No space left on device")
        self.assertEqual(self.files(), ["t"])

    def test_file_size_limit(self):
        self.write("kma_output.dat", "older")
        error = self.refused(
            "kma_dummy", "t",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        self.assertEqual(error, "kma_output.dat: cannot be written: File too large")
        self.assertEqual(self.files(), ["kma_output.dat", "t"])
        self.assertEqual(self.read("kma_output.dat"), "older")

    def test_no_such_folder(self):
        self.assertEqual(self.refused("kma_dummy", "t", "--output", "no/such"),
                         "no/such: cannot be written: No such file or directory")

    def test_a_folder_as_target(self):
        os.mkdir(self.path("folder"))
        self.assertEqual(self.refused("kma_dummy", "t", "--output", "folder"),
                         "folder: cannot be written: Is a directory")
        self.assertEqual(os.listdir(self.path("folder")), [])

    @unittest.skipUnless(os.geteuid() == 0, "takes root to become somebody else")
    def test_a_folder_that_cannot_be_written(self):
        os.chmod(self.folder, 0o755)
        result = self.run_as_nobody("t")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr,
                         "kma_output.dat: cannot be written: Permission denied\n")

    def test_all_or_none(self):
        """A second output that cannot be written takes the first one along."""
        self.refused("kma_dummy", "t", "--json", "no/such")
        self.refused("kma_dummy", "t", "--json", "/dev/full")
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            error = self.refused("kma_dummy", "t", stdout=full)
        self.assertIn("the report cannot be written: No space left on device", error)
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_closed(self):
        error = self.refused("kma_dummy", "t", preexec_fn=lambda: os.close(1))
        self.assertIn("the report cannot be written: Bad file descriptor", error)
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_a_broken_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        error = self.refused("kma_dummy", "t", stdout=writer)
        os.close(writer)
        self.assertIn("the report cannot be written: Broken pipe", error)
        self.assertEqual(self.files(), ["t"])

    def test_a_report_on_closed_standard_error_gets_into_no_file(self):
        result = self.run_driver("kma_dummy", "t", "--json", "-",
                                 preexec_fn=lambda: os.close(2))
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(self.files(), ["t"])

    def test_standard_input_and_error_are_closed(self):
        def close_both():
            os.close(0)
            os.close(2)
        result = self.run_driver("kma_dummy", "t", preexec_fn=close_both)
        self.assertEqual(result.returncode, 0)
        self.assertTrue(self.read("kma_output.dat").startswith("0 0 0\n1 16 "))


class Signals(DriverTest):
    SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def start(self, ignored=()):
        """An allocator that hangs in line 3, once it is there."""
        def dispositions():
            for number in self.SENT:
                signal.signal(number, signal.SIG_IGN if number in ignored
                              else signal.SIG_DFL)
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        self.write("kma_output.dat", "older")
        process = subprocess.Popen([program("broken_hang"), "t"], cwd=self.folder,
                                   text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, preexec_fn=dispositions)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.assertIn("correctness mode", process.stdout.readline())
        self.assertTrue(any(name.startswith(TEMPORARY) for name in self.files()))
        time.sleep(0.2)
        return process

    def test_interrupted(self):
        for number in self.SENT:
            with self.subTest(signal=number.name):
                process = self.start()
                process.send_signal(number)
                output, error = process.communicate(timeout=30)
                self.assertEqual(process.returncode, -number)
                self.assertEqual(error, f"t:3: ended by {number.name}\n")
                self.assertEqual(output, "")
                self.assertEqual(self.files(), ["kma_output.dat", "t"])
                self.assertEqual(self.read("kma_output.dat"), "older")

    def test_an_ignored_signal_stays_ignored(self):
        for number in self.SENT:
            with self.subTest(signal=number.name):
                process = self.start(ignored=[number])
                process.send_signal(number)
                time.sleep(0.2)
                self.assertIsNone(process.poll())


class Progress(DriverTest):
    """A run that lasts, with standard error a terminal or not."""

    ARGUMENTS = ["--competition", "--passes", "100000", "t"]

    def setUp(self):
        super().setUp()
        self.write("t", trace_text(*simple_events(20000)))

    def on_terminal(self, arguments, enough):
        """What appears on the terminal until enough(text), then SIGTERM."""
        master, slave = pty.openpty()
        process = subprocess.Popen([program("kma_bud"), *arguments], cwd=self.folder,
                                   stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen = b""
        deadline = time.monotonic() + 30
        stopped = False
        while time.monotonic() < deadline:
            if not stopped and enough(seen):
                process.terminate()
                stopped = True
            if select.select([master], [], [], 0.05)[0]:
                try:
                    chunk = os.read(master, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                seen += chunk
        process.kill()
        process.wait()
        os.close(master)
        return seen.decode()

    def test_on_a_terminal(self):
        seen = self.on_terminal(self.ARGUMENTS, lambda text: text.count(b"%") >= 3)
        self.assertRegex(seen, r"\rtiming: \d+ of 2000000000 events, \d+%\x1b\[K")
        updates, end = seen.rsplit("\r\x1b[K", 1)
        self.assertIn("%", updates)
        self.assertRegex(end, r"^t:\d+: .*ended by SIGTERM\r\n$")

    def test_cleared_at_the_end(self):
        started = time.monotonic()
        self.passes("kma_bud", "--competition", "--passes", "200", "t")
        passes = int(200 * 2.5 / (time.monotonic() - started))
        seen = self.on_terminal(["--competition", "--passes", str(passes), "t"],
                                lambda text: False)
        self.assertIn("%", seen)
        self.assertTrue(seen.endswith("\x1b[K\r\x1b[K"), seen[-80:])

    def test_not_too_often(self):
        started = time.monotonic()
        seen = self.on_terminal(self.ARGUMENTS,
                                lambda text: time.monotonic() - started > 2.5)
        self.assertLessEqual(seen.count("%"), 10 * (time.monotonic() - started - 1) + 1)
        self.assertGreater(seen.count("%"), 2)

    def test_a_short_run_is_silent(self):
        self.assertEqual(self.on_terminal(["t"], lambda text: False), "")

    def test_without_a_terminal(self):
        process = subprocess.Popen([program("kma_bud"), *self.ARGUMENTS],
                                   cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        time.sleep(1.8)
        process.terminate()
        self.assertRegex(process.communicate(timeout=30)[1],
                         r"^t:\d+: .*ended by SIGTERM\n$")


class Json(DriverTest):
    FIGURES = {"count", "mean", "p50", "p90", "p99", "p99_9", "max"}
    SCHEMA = {
        "program": str, "algorithm": str, "version": str, "mode": str, "trace": str,
        "events": int, "page_size": int, "max_pages": int,
        "pages": {"requested", "freed", "in_use_at_end", "peak"},
        "peak_requested_bytes": int, "peak_page_bytes": int,
        "utilization_at_peak": (int, float), "utilization_mean": (int, float),
        "penalty": (int, float),
        "memory": {"at_peak", "mean", "ideal_pages_at_peak", "ideal_penalty"},
        "replay": {"passes", "min_s", "median_s", "ns_per_event", "score"},
        "timer": {"source", "overhead_ns", "resolution_ns"},
        "latency": {"passes", "malloc", "free"},
        "worst": list,
    }
    TIMES = ("replay", "timer", "latency", "worst")

    def figures(self, name, *arguments):
        result = self.run_driver(name, "--no-output", "--json", "-", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.splitlines()[-1], "Test: PASS")

        def refuse(constant):
            self.fail(f"{constant} in JSON")
        return json.loads(result.stdout, parse_constant=refuse)

    def assert_schema(self, figures):
        self.assertEqual(set(figures), set(self.SCHEMA))
        for name, kind in self.SCHEMA.items():
            if isinstance(kind, set):
                self.assertEqual(set(figures[name]), kind, name)
            else:
                self.assertIsInstance(figures[name], kind, name)
        for call in ("malloc", "free"):
            self.assertEqual(set(figures["latency"][call]), self.FIGURES)
        for split in ("at_peak", "mean"):
            self.assertEqual(set(figures["memory"][split]),
                             {"requested", "internal", "external", "page_bytes"})
        for event in figures["worst"]:
            self.assertEqual(set(event), {"line", "command", "size", "ns", "pages_got",
                                          "pages_freed"})

    def test_schema(self):
        for count in (0, 2, 3000):
            for mode in ("correctness", "competition"):
                with self.subTest(count=count, mode=mode):
                    self.write("t", trace_text(*simple_events(count)))
                    arguments = ["--competition"] if mode == "competition" else []
                    result = self.run_driver("kma_bud", *arguments, "--json", "j", "t")
                    self.assertEqual(result.returncode, 0, result.stderr)
                    figures = json.loads(self.read("j"))
                    self.assert_schema(figures)
                    self.assertEqual(figures["mode"], mode)
                    self.assertEqual(figures["events"], count)
                    self.assertEqual(len(figures["worst"]), min(count, 10))

    def test_identity(self):
        self.write("t", trace_text("REQUEST 0 8"))
        figures = self.figures("kma_dummy", "--max-pages", "77", "t")
        self.assertEqual(figures["program"], program("kma_dummy"))
        self.assertEqual(figures["algorithm"], "dummy")
        self.assertEqual(figures["trace"], "t")
        self.assertEqual(figures["max_pages"], 77)

    def test_memory_figures(self):
        self.write("t", trace_text("REQUEST 0 100", "REQUEST 1 50", "FREE 0",
                                   "REQUEST 0 10", "FREE 1"))
        figures = self.figures("kma_dummy", "t")
        page = figures["page_size"]
        self.assertEqual(figures["pages"], {"requested": 3, "freed": 2,
                                            "in_use_at_end": 1, "peak": 2})
        self.assertEqual(figures["peak_requested_bytes"], 150)
        self.assertEqual(figures["peak_page_bytes"], 2 * page)
        # The first event with two pages has 150 bytes, a later one 60.
        self.assertAlmostEqual(figures["utilization_at_peak"], 150 / (2 * page),
                               places=9)
        moments = [(100, page), (150, 2 * page), (50, page), (60, 2 * page), (10, page)]
        self.assertAlmostEqual(figures["utilization_mean"],
                               sum(live / pages for live, pages in moments) / 5,
                               places=9)
        self.assertTrue(math.isclose(
            figures["penalty"], sum(pages / live - 1 for live, pages in moments) / 5,
            rel_tol=1e-8))
        memory = figures["memory"]
        self.assertTrue(math.isclose(memory["ideal_penalty"],
                                     sum(page / live - 1 for live, _ in moments) / 5,
                                     rel_tol=1e-8))
        self.assertEqual(memory["ideal_pages_at_peak"], 1)
        self.assertEqual(memory["mean"]["requested"], (100 + 150 + 50 + 60 + 10) / 5)
        self.assertEqual(memory["mean"]["page_bytes"], 7 * page / 5)

    def test_the_split_adds_up(self):
        self.write("t", trace_text(*simple_events(3000)))
        for name in ("kma_dummy", "kma_bud", "broken_nothing"):
            for split in ("at_peak", "mean"):
                part = self.figures(name, "t")["memory"][split]
                total = part["requested"] + (part["internal"] or 0) + part["external"]
                self.assertTrue(math.isclose(total, part["page_bytes"], rel_tol=1e-6))
        memory = self.figures("broken_nothing", "t")["memory"]
        self.assertIsNone(memory["mean"]["internal"])

    def test_agrees_with_the_text(self):
        self.write("t", trace_text(*simple_events(3000)))
        result = self.run_driver("kma_bud", "--competition", "--json", "j", "t")
        figures = json.loads(self.read("j"))
        self.assertIn(f"Competition average ratio: {figures['penalty']:.6f}\n",
                      result.stdout)
        self.assertIn(f"Score: {figures['replay']['score']:.6f}\n", result.stdout)
        self.assertIn(f"Replay time: {figures['replay']['min_s']:.6f} s\n",
                      result.stdout)

    def test_memory_is_the_same_on_every_run(self):
        self.write("t", trace_text(*simple_events(5000)))
        for name in ("kma_dummy", "kma_bud"):
            runs = []
            for mode in ("--correctness", "--correctness", "--competition"):
                result = self.run_driver(name, mode, "--json", "-", "t")
                figures = json.loads(result.stdout)
                runs.append({key: value for key, value in figures.items()
                             if key not in self.TIMES + ("mode",)})
            self.assertEqual(runs[0], runs[1])
            self.assertEqual(runs[0], runs[2])

    def test_times_are_sane(self):
        self.write("t", trace_text(*simple_events(3000)))
        figures = self.figures("kma_bud", "--passes", "4", "t")
        replay = figures["replay"]
        self.assertEqual((replay["passes"], figures["latency"]["passes"]), (4, 4))
        self.assertLessEqual(replay["min_s"], replay["median_s"])
        self.assertTrue(math.isclose(replay["ns_per_event"],
                                     replay["min_s"] * 1e9 / 3000, rel_tol=1e-6))
        self.assertIn(figures["timer"]["source"], ("rdtsc", "clock_gettime"))
        self.assertGreater(figures["timer"]["resolution_ns"], 0)
        for call in ("malloc", "free"):
            part = figures["latency"][call]
            self.assertEqual(part["count"], 1500)
            order = [part[key] for key in ("p50", "p90", "p99", "p99_9", "max")]
            self.assertEqual(order, sorted(order))
            self.assertGreaterEqual(order[0], 0)
            self.assertLessEqual(part["mean"], part["max"])

    def test_the_least_time_counts(self):
        """Every other replay takes 20 ms more, the first and the last included."""
        self.write("t", trace_text(f"REQUEST 0 {FAULT_SIZE}"))
        for passes in ("2", "3"):
            figures = self.figures("broken_slow_at_times", "--competition", "--passes",
                                   passes, "t")
            replay = figures["replay"]
            self.assertLess(replay["min_s"], 0.01)
            self.assertLess(figures["latency"]["malloc"]["max"], 0.01e9)
            self.assertTrue(math.isclose(replay["score"],
                                         replay["min_s"] * (1 + figures["penalty"]),
                                         rel_tol=1e-6))
            if passes == "2":
                self.assertGreater(replay["median_s"], 0.01)

    def test_default_passes(self):
        self.write("t", trace_text("REQUEST 0 8"))
        figures = self.figures("kma_bud", "t")
        self.assertEqual(figures["replay"]["passes"], 9)
        self.assertEqual(figures["latency"]["passes"], 9)

    def test_worst_events(self):
        self.write("t", trace_text(*simple_events(3000)))
        lines = self.read("t").splitlines()
        sizes = {line.split()[1]: int(line.split()[2]) for line in lines
                 if line.startswith("REQUEST")}
        figures = self.figures("kma_dummy", "t")
        times = [event["ns"] for event in figures["worst"]]
        self.assertEqual(times, sorted(times, reverse=True))
        longest = max(figures["latency"][call]["max"] for call in ("malloc", "free"))
        self.assertEqual(times[0], longest)
        for event in figures["worst"]:
            words = lines[event["line"] - 1].split()
            self.assertEqual(event["command"], words[0])
            self.assertEqual(event["size"], sizes[words[1]])
            traffic = (1, 0) if words[0] == "REQUEST" else (0, 1)
            self.assertEqual((event["pages_got"], event["pages_freed"]), traffic)

    def test_strange_names(self):
        name = 'a "quoted" \\ back\tslash é'
        self.write(name, trace_text("REQUEST 0 8"))
        self.assertEqual(self.figures("kma_dummy", name)["trace"], name)
        bad = b"bad \xff\xc3 name"
        shutil.copy(self.path(name), os.path.join(os.fsencode(self.folder), bad))
        self.assertEqual(self.figures("kma_dummy", bad)["trace"],
                         "bad \ufffd\ufffd name")

    def test_none_left_by_a_failure(self):
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        self.fails("broken_overlap", "--json", "j", "--latency", "l", "t")
        self.assertEqual(self.files(), ["t"])

    def test_failure_with_json_on_standard_output(self):
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        result = self.run_driver("broken_overlap", "--json", "-", "t")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.splitlines()[-1], "Test: FAILED")


class Latency(DriverTest):
    def rows(self, name="l"):
        return [line.split() for line in self.read(name).splitlines()]

    def test_a_line_for_each_event(self):
        events = simple_events(2000)
        self.write("t", trace_text(*events))
        self.passes("kma_bud", "--latency", "l", "--no-output", "t")
        sizes = {}
        rows = self.rows()
        self.assertEqual(len(rows), len(events))
        for index, (event, row) in enumerate(zip(events, rows), 1):
            words = event.split()
            if words[0] == "REQUEST":
                sizes[words[1]] = words[2]
            self.assertEqual(row[:3], [str(index), words[0], sizes[words[1]]])
            self.assertRegex(row[3], r"^\d+\.\d$")

    def test_no_line_without_a_call(self):
        self.write("t", trace_text("REQUEST 0 100000", "FREE 0", "REQUEST 0 8"))
        self.passes("kma_bud", "--latency", "l", "t")
        self.assertEqual([row[:3] for row in self.rows()],
                         [["1", "REQUEST", "100000"], ["3", "REQUEST", "8"]])

    def test_percentiles_are_of_these_lines(self):
        for count in (2000, 1954, 14, 6):
            with self.subTest(count=count):
                self.check_percentiles(count)

    def check_percentiles(self, count):
        self.write("t", trace_text(*simple_events(count)))
        self.passes("kma_bud", "--latency", "l", "--json", "j", "--no-output", "t")
        latency = json.loads(self.read("j"))["latency"]
        for call, command in (("malloc", "REQUEST"), ("free", "FREE")):
            times = sorted(float(row[3]) for row in self.rows() if row[1] == command)
            self.assertEqual(latency[call]["count"], len(times))
            for key, per_mille in (("p50", 500), ("p90", 900), ("p99", 990),
                                   ("p99_9", 999), ("max", 1000)):
                rank = math.ceil(len(times) * per_mille / 1000)
                self.assertAlmostEqual(latency[call][key], times[rank - 1], delta=0.06)
            self.assertAlmostEqual(latency[call]["mean"], sum(times) / len(times),
                                   delta=0.06)

    def test_in_competition_mode_too(self):
        self.write("t", trace_text("REQUEST 0 8", "FREE 0"))
        self.passes("kma_bud", "--competition", "--latency", "l", "t")
        self.assertEqual(len(self.rows()), 2)


if __name__ == "__main__":
    unittest.main()
