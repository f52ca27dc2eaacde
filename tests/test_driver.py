#!/usr/bin/python3
"""The modes of the driver, its command line, and what it says of broken allocators."""

import json
import os
import platform
import re
import unittest

from driver_case import (
    BUILD, FAULT_SIZE, program, word_bytes, trace_text, simple_events, DriverTest)


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

    def test_pages_that_are_no_run(self):
        figures = self.run_driver("kma_dummy", "--no-output", "--json", "-", "t").stdout
        large = json.loads(figures)["page_size"] - 8
        self.write("u", trace_text(f"REQUEST 0 {large}", f"REQUEST 1 {large}", "REQUEST 2 64"))
        for mode in ("--correctness", "--competition"):
            self.assertIn("Test: PASS",
                          self.passes("broken_in_runs", mode, "--max-pages", "8", "u"))
            self.assertEqual(self.fails("broken_in_runs", mode, "--max-pages", "7", "u"),
                             "u:4: out of pages at this event: no run of 4 is left, 2 of 7 "
                             "pages in use, request of 64 bytes")

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
        "straddle_run": rf"t:3: id 1 {BLOCK} runs over the end of its page at 0x[0-9a-f]+",
        "free_used_run": r"t:6: the run from page 0 \(0x[0-9a-f]+\) is freed though id 2 "
                         r"\(64 bytes at 0x[0-9a-f]+, requested in line 4\) lies in it, "
                         rf"while freeing id 1 {BLOCK}",
        "double_free_run": r"t:7: free_pages\(0x[0-9a-f]+\): that is free already, "
                           rf"while freeing id 1 {BLOCK}",
        "run_as_page": r"t:6: free_page\(0x[0-9a-f]+\): that is a run: free_pages gives "
                       rf"it back, while freeing id 1 {BLOCK}",
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
                events = self.LAST if fault.startswith("double_free") else self.EVENTS
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

    def test_a_block_may_cross_pages_within_a_run(self):
        for events in (self.EVENTS, self.LAST, simple_events(2000)):
            self.write("t", trace_text(*events))
            self.assertIn("Test: PASS", self.passes("broken_in_runs", "--audit", "t"))

    def test_where_a_run_ends(self):
        self.write("t", trace_text(*self.EVENTS))
        for fault, pages in (("straddle", 1), ("straddle_run", 4)):
            line = self.fails(f"broken_{fault}", "t")
            start, end = re.search(r" at 0x(\w+), .* at 0x(\w+)$", line).groups()
            self.assertEqual(int(end, 16) - int(start, 16), 8)
            self.passes("broken_nothing", "--no-output", "--json", "j", "t")
            size = json.loads(self.read("j"))["page_size"]
            self.assertEqual(int(end, 16) % (pages * size), 0)

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


class CommandLine(DriverTest):
    def test_help(self):
        text = self.passes("kma_dummy", "--help")
        self.assertTrue(text.startswith("Usage: "))
        for option in ("--correctness", "--competition", "--output", "--no-output",
                       "--audit", "--max-pages", "--passes", "--json", "--latency",
                       "--operations", "--heapmap", "--resident", "--slabinfo",
                       "--calls-only",
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
                (["--calls-only", "--output", "x", "t"], "--output has no meaning"),
                (["--calls-only", "--json", "x", "t"], "--json has no meaning with"),
                (["--calls-only", "--latency", "x", "t"], "--latency has no meaning"),
                (["--calls-only", "--heapmap", "x", "t"], "--heapmap has no meaning"),
                (["--calls-only", "--operations", "-", "t"],
                 "--operations has no meaning"),
                (["--calls-only", "--audit", "t"], "--audit has no meaning with"),
                (["--calls-only", "--passes", "2", "t"], "--passes has no meaning"),
                (["--calls-only", "--resident", "t"], "--resident has no meaning"),
                (["--competition", "--calls-only", "--json", "x", "t"],
                 "--json has no meaning with --calls-only"),
                (["--resident=3", "t"], "--resident=3 takes no value"),
                (["--heapmap", "t", "t"], "t is the trace"),
                (["--operations", "x", "--heapmap", "x", "t"], "two outputs go to x"),
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


if __name__ == "__main__":
    unittest.main()
