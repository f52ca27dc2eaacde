#!/usr/bin/python3
"""The figures that the driver writes: the JSON summary and the latency file."""

import json
import math
import os
import shutil
import unittest

from driver_case import FAULT_SIZE, program, trace_text, simple_events, DriverTest


class Json(DriverTest):
    FIGURES = {"count", "mean", "p50", "p90", "p99", "p99_9", "max"}
    SCHEMA = {
        "program": str, "algorithm": str, "version": str, "mode": str, "trace": str,
        "events": int, "page_size": int, "max_pages": int,
        "memory_source": str, "samples": (int, type(None)),
        "pages": {"requested", "freed", "in_use_at_end", "peak", "span"},
        "peak_requested_bytes": int, "peak_page_bytes": int,
        "utilization_at_peak": (int, float), "utilization_mean": (int, float),
        "penalty": (int, float),
        "memory": {"at_peak", "mean", "ideal_pages_at_peak", "ideal_penalty"},
        "replay": {"passes", "min_s", "median_s", "ns_per_event", "score", "probe_ns"},
        "timer": {"source", "overhead_ns", "resolution_ns"},
        "latency": {"passes", "malloc", "free", "probe_ns"},
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
            self.assertEqual(set(event), {"event", "line", "command", "size", "ns", "pages_got",
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
        self.assertEqual((figures["memory_source"], figures["samples"]), ("pages", None))

    def test_the_span_is_the_least_pool(self):
        self.write("t", trace_text("REQUEST 0 8"))
        page = self.figures("broken_in_runs", "t")["page_size"]
        # A page alone, and a run of four that must be aligned.
        self.write("t", trace_text(f"REQUEST 0 {page - 8}", "REQUEST 1 8"))
        for pages in (8, 100):
            figures = self.figures("broken_in_runs", "--max-pages", str(pages), "t")
            self.assertEqual((figures["pages"]["peak"], figures["pages"]["span"]), (5, 8))

    def test_memory_figures(self):
        self.write("t", trace_text("REQUEST 0 100", "REQUEST 1 50", "FREE 0",
                                   "REQUEST 0 10", "FREE 1"))
        figures = self.figures("kma_dummy", "t")
        page = figures["page_size"]
        self.assertEqual(figures["pages"], {"requested": 3, "freed": 2,
                                            "in_use_at_end": 1, "peak": 2,
                                            "span": 2})
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
        # A fixed piece of work: the same beside both, but for what else the core does.
        probes = [figures[part]["probe_ns"] for part in ("replay", "latency")]
        self.assertGreater(min(probes), 1000)
        self.assertLess(max(probes), 100 * min(probes))
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
            self.assertEqual(event["event"], event["line"] - 1)  # line 1 is the header
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
