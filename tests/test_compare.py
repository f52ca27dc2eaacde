#!/usr/bin/python3
"""analysis/compare: the matrix of runs, resuming, failures as rows, results.json's schema.

The executables are those under KMA_BUILD, behind scripts that write down each run."""

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from driver_case import BUILD, program, simple_events, trace_text
from shared import ROOT, read, write_script
from sweep_case import page_size

ANALYSIS = os.path.join(ROOT, "analysis")
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import jobs  # noqa: E402
import ktr  # noqa: E402
import plan  # noqa: E402
import results  # noqa: E402
import schedule  # noqa: E402

QUIET = ("--retries", "0", "--no-references", "--no-instructions", "--no-growth", "--no-plots")

TURNS = plan.turns_for(ktr.Facts(False, {}, 400))  # both traces are short

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None),
         "number": (int, float), "boolean": bool}


def complaints(value, schema, where="results"):
    """What a value breaks of the part of JSON Schema that results.schema.json uses."""
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r} is not in the list"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[kind]) and
               (kind == "boolean" or not isinstance(value, bool)) for kind in kinds):
        return [f"{where}: {value!r} is no {' or '.join(kinds)}"]
    found = []
    if isinstance(value, dict):
        found += [f"{where}.{name} is missing" for name in schema["required"] if name not in value]
        for name, inner in value.items():
            if name in schema["properties"]:
                found += complaints(inner, schema["properties"][name], f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{where}.{name} is not in the schema")
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += complaints(inner, schema["items"], f"{where}[{number}]")
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(self.path("bin"))
        for name in ("dummy", "bud"):
            self.wrap(name, program(f"kma_{name}"))
        self.write("a.trace", simple_events(400))
        self.write("b.trace", simple_events(60))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, events):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(trace_text(*events))

    def wrap(self, name, target, before=":"):
        write_script(self.path("bin", f"kma_{name}"),
                     f'#!/bin/sh\necho "{name} $*" >> {self.path("log")}\n{before}\n'
                     f'exec {target} "$@"\n')

    def runs(self):
        """Of the log: (algorithm, kind of run, trace); the question for the page size aside."""
        try:
            lines = read(self.path("log")).splitlines()
        except FileNotFoundError:
            return []
        return [(words[0], "times" if "--latency" in words else "memory",
                 os.path.basename(words[-1])) for words in map(str.split, lines)
                if "1.trace" not in words[-1]]

    def command(self, *arguments, algorithms="dummy,bud", traces="a.trace b.trace"):
        return [PYTHON, "-B", os.path.join(ANALYSIS, "compare"), "--bin", "bin", "--out", "out",
                "--algorithms", algorithms, "--traces", traces, "--passes", "2", *arguments]

    def environment(self):
        """What a killed run leaves in the folder for temporary files goes with the test's."""
        return dict(os.environ, TMPDIR=self.folder)

    def compare(self, *arguments, status=0, **what):
        done = subprocess.run(self.command(*arguments, **what), cwd=self.folder, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=300,
                              env=self.environment())
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        return done

    def found(self):
        with open(self.path("out", "results.json"), encoding="utf-8") as file:
            return json.load(file)

    def rows(self):
        return {(row["algorithm"], row["trace"]): row for row in self.found()["rows"]}


class Matrix(Case):
    def test_every_pair_is_a_row_and_the_schema_holds(self):
        done = self.compare(*QUIET)
        rows = self.rows()
        self.assertEqual(list(rows), [(a, t) for t in ("a.trace", "b.trace")
                                      for a in ("dummy", "bud", "ideal")])
        with open(os.path.join(ANALYSIS, "results.schema.json"), encoding="utf-8") as file:
            self.assertEqual(complaints(self.found(), json.load(file)), [])
        for name in ("dummy", "bud", "ideal"):
            self.assertIn(name, done.stdout)
        self.assertEqual(sorted(name for name in os.listdir(self.path("out")) if name[0] != "."),
                         ["curves.json", "results.csv", "results.json", "results.md", "runs"])

    def test_figures_are_the_drivers(self):
        self.compare(*QUIET)
        for name in ("dummy", "bud"):
            direct = json.loads(subprocess.run(
                [program(f"kma_{name}"), "--no-output", "--json", "-", self.path("a.trace")],
                capture_output=True, check=True).stdout)
            row = self.rows()[name, "a.trace"]["summary"]
            for figure in ("pages", "memory", "penalty", "utilization_mean", "peak_page_bytes"):
                self.assertEqual(row[figure], direct[figure])
            ideal = self.rows()["ideal", "a.trace"]["summary"]
            self.assertAlmostEqual(ideal["penalty"], direct["memory"]["ideal_penalty"], 6)
            self.assertEqual(ideal["pages"]["peak"], direct["memory"]["ideal_pages_at_peak"])

    def test_two_comparisons_agree_to_the_byte_in_memory(self):
        def memory():
            self.compare(*QUIET)
            kept = [[row["algorithm"], row["trace"], row["failure"],
                     {name: value for name, value in row["summary"].items()
                      if name not in ("replay", "timer", "latency", "worst")}]
                    for row in self.found()["rows"]]
            shutil.rmtree(self.path("out"))
            return json.dumps(kept)
        self.assertEqual(memory(), memory())

    def test_csv_and_markdown_say_the_same(self):
        self.compare(*QUIET)
        rows = self.rows()
        with open(self.path("out", "results.csv"), encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        self.assertEqual([(line["algorithm"], line["trace"]) for line in lines], list(rows))
        for line in lines:
            summary = rows[line["algorithm"], line["trace"]]["summary"]
            self.assertEqual(float(line["penalty"]), summary["penalty"])
            self.assertEqual(int(line["pages.peak"]), summary["pages"]["peak"])
            if summary["latency"]:
                self.assertEqual(float(line["latency.malloc.p99_9"]),
                                 summary["latency"]["malloc"]["p99_9"])
        text = read(self.path("out", "results.md"))
        self.assertIn(f"{rows['bud', 'a.trace']['summary']['penalty']:.4f}", text)

    def test_references(self):
        self.wrap("libc", program("kma_libc"))
        self.compare("--no-instructions", "--no-growth", "--no-plots", traces="a.trace")
        row = self.rows()["libc", "a.trace"]
        self.assertEqual((row["kind"], row["failure"]), ("reference", None))
        self.assertEqual(row["summary"]["memory_source"], "resident set")
        self.assertGreater(row["summary"]["latency"]["malloc"]["mean"], 0)

    def test_a_trace_of_one_event_and_one_of_none(self):
        self.write("a.trace", ["REQUEST 0 100"])
        self.write("b.trace", [])
        self.compare("--no-references", "--no-instructions", "--no-growth")
        row = self.rows()["bud", "a.trace"]["summary"]
        self.assertEqual((row["events"], row["latency"]["malloc"]["count"]), (1, 1))
        self.assertEqual(row["latency"]["malloc"]["p50"], row["latency"]["malloc"]["max"])
        self.assertEqual(self.rows()["bud", "b.trace"]["summary"]["events"], 0)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_plots(self):
        self.compare("--no-references", "--no-instructions", "--live", "50,100")
        names = {"kma_output", "kma_waste", "kma_utilization", "kma_latency",
                 "kma_heapmap_dummy", "kma_heapmap_bud"}
        for folder, expected in ((["a.trace-8192"], names), (["b.trace-8192"], names),
                                 ([], names | {"kma_pareto", "kma_growth"})):
            folder = [name.replace("8192", str(self.found()["rows"][0]["page_size"]))
                      for name in folder]
            self.assertEqual({name for name in os.listdir(self.path("out", "plots", *folder))
                              if "." in name and "trace" not in name},
                             {name + ending for name in expected for ending in (".png", ".svg")})

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_some_plots(self):
        self.compare(*QUIET[:-1], "--plots", "kma_waste", traces="b.trace")
        self.assertEqual(sorted(os.listdir(self.path("out", "plots")))[1:],
                         ["kma_waste.png", "kma_waste.svg"])

    def test_growth(self):
        self.compare("--no-references", "--no-instructions", "--no-plots", "--live", "50,100",
                     traces="b.trace")
        growth = self.found()["growth"]
        self.assertEqual([(entry["algorithm"], entry["live"]) for entry in growth],
                         [("dummy", 50), ("bud", 50), ("dummy", 100), ("bud", 100)])
        self.assertTrue(all(entry["ns_per_event"] > 0 for entry in growth))


class Failures(Case):
    def test_a_broken_allocator_is_a_marked_row(self):
        self.wrap("broken", program("broken_overlap"))
        self.write("b.trace", ["REQUEST 0 500", "REQUEST 1 1000"])
        done = self.compare(*QUIET, algorithms="dummy,broken,bud", traces="b.trace", status=1)
        row = self.rows()["broken", "b.trace"]
        self.assertIsNone(row["summary"])
        self.assertRegex(row["failure"], r"b\.trace:\d+: .*overlaps")
        self.assertRegex(done.stdout, r"broken +FAILED: .*overlaps")
        self.assertIsNone(self.rows()["bud", "b.trace"]["failure"])
        self.assertIn("overlaps", read(self.path("out", "results.md")))

    def test_one_that_hangs_does_not_keep_the_page_size_back(self):
        self.wrap("bud", program("broken_hang"))
        folder = self.path("bin")
        with mock.patch.object(plan, "LONGEST_ANSWER", 0.2):
            self.assertEqual(plan.page_size_of(folder, ["bud"]), plan.DEFAULT_PAGE_SIZE)
        os.unlink(self.path("log"))
        self.wrap("libc", program("kma_libc"))
        self.assertEqual(plan.page_size_of(folder, ["bud"]), page_size())
        self.assertEqual([line.split()[0] for line in read(self.path("log")).splitlines()],
                         ["libc"])

    def test_other_ends(self):
        write_script(self.path("bin", "kma_crash"), "#!/bin/sh\nkill -SEGV $$\n")
        write_script(self.path("bin", "kma_silent"), "#!/bin/sh\nexit 0\n")
        self.compare(*QUIET, algorithms="missing,crash,silent,bud", traces="b.trace", status=1)
        said = {row["algorithm"]: row["failure"] for row in self.found()["rows"]}
        self.assertEqual(said["missing"], "kma_missing is not built")
        self.assertEqual(said["crash"], "ended by SIGSEGV")
        self.assertIn("no summary", said["silent"])
        self.assertIsNone(said["bud"])

    def test_figures_that_contradict_each_other(self):
        """Curves and summary are counted by different programs."""
        write_script(self.path("bin", "kma_liar"),
                     f"""#!{PYTHON}
import json, subprocess, sys
subprocess.run([{program("kma_bud")!r}, *sys.argv[1:]], check=True)
path = sys.argv[sys.argv.index("--json") + 1]
with open(path) as file:
    summary = json.load(file)
if "--output" in sys.argv:
    summary["penalty"] += 1
with open(path, "w") as file:
    json.dump(summary, file)
""")
        self.compare(*QUIET, algorithms="liar,bud", traces="b.trace", status=1)
        self.assertRegex(self.rows()["liar", "b.trace"]["failure"],
                         r"penalty is .* by the data file, .* by the summary")

    def test_nothing_to_draw(self):
        self.compare("--no-references", "--no-instructions", "--no-growth", algorithms="missing",
                     traces="b.trace", status=1)
        self.assertEqual([name for _, _, files in os.walk(self.path("out", "plots"))
                          for name in files if "heapmap" in name], [])

    def test_what_was_missing_is_tried_again(self):
        self.compare(*QUIET, algorithms="late", traces="b.trace", status=1)
        self.wrap("late", program("kma_bud"))
        self.compare(*QUIET, algorithms="late", traces="b.trace")

    def test_a_fault_of_the_system_is_not_remembered(self):
        self.wrap("moody", program("kma_bud"), before=(
            f'case "$*" in *--latency*) [ -e {self.path("mended")} ] ||'
            ' { echo "no room" >&2; exit 2; } ;; esac'))
        self.compare(*QUIET, algorithms="moody", traces="b.trace", status=1)
        self.assertEqual(self.rows()["moody", "b.trace"]["failure"], "no room")
        write_script(self.path("mended"), "")
        self.compare(*QUIET, algorithms="moody", traces="b.trace")

    def test_a_bad_trace_is_one_line(self):
        with open(self.path("b.trace"), "w", encoding="ascii") as file:
            file.write("2\nREQUEST 0 10\nFREE 7\n")
        done = self.compare(*QUIET, status=2)
        self.assertRegex(done.stderr, r"^compare: .*b\.trace:3: .*\n$")
        self.assertFalse(os.path.exists(self.path("out", "results.json")))

    def test_wrong_words(self):
        for more, complaint in ((["--passes", "0"], "--passes"), (["--jobs", "x"], "--jobs"),
                                (["--page-size", "5000"], "--page-size"),
                                (["--frob"], "--frob"), (["--page-size", "4096"], "exclude")):
            with self.subTest(more=more):
                done = self.compare(*QUIET, *more, status=2)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(complaint, done.stderr)
        done = self.compare(*QUIET, traces="nowhere.trace", status=2)
        self.assertIn("nowhere.trace: no such trace", done.stderr)
        for name in ("ideal", "linux"):
            done = self.compare(*QUIET, algorithms=name, status=2)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    def shared_core(self, name, probes):
        """kma_NAME with the probe's time (us) of each timed run set."""
        write_script(self.path("bin", f"kma_{name}"), f"""#!{PYTHON}
import json, os, subprocess, sys
subprocess.run([{program("kma_bud")!r}, *sys.argv[1:]], check=True)
if "--latency" in sys.argv:
    with open({self.path("log")!r}, "a") as log:
        log.write("run\\n")
    number = sum(1 for _ in open({self.path("log")!r}))
    path = sys.argv[sys.argv.index("--json") + 1]
    with open(path) as file:
        summary = json.load(file)
    probe = {probes!r}[min(number, len({probes!r})) - 1]
    summary["replay"].update(probe_ns=probe * 1000, min_s=probe / 1e6)
    summary["latency"]["probe_ns"] = probe * 1000
    with open(path, "w") as file:
        json.dump(summary, file)
""")

    def timed(self, probes, retries="5"):
        self.shared_core("shared", probes)
        self.compare(*QUIET, "--retries", retries, algorithms="shared", traces="b.trace")
        return len(read(self.path("log")).splitlines()), \
            self.rows()["shared", "b.trace"]["summary"]["replay"]

    def test_runs_on_a_shared_core_are_repeated(self):
        calm = [101] * (TURNS - 5)
        runs, replay = self.timed([100, 150, 105, 180, *calm, 102, 102, 170, 103])
        # Turns 2 and 4 were disturbed; of the repeats, the second still is, the third is not.
        self.assertEqual(runs, TURNS + 3)
        self.assertEqual(sorted(replay["turns_s"]),
                         sorted(p / 1e6 for p in (100, 102, 105, 103, *calm, 102)))
        self.assertEqual((replay["median_s"], replay["disturbed_turns"]), (101e-6, 0))

    def test_what_stays_disturbed_is_left_out_and_told(self):
        runs, replay = self.timed([100, 150] + [101] * (TURNS - 2) + [160], retries="2")
        self.assertEqual(runs, TURNS + 2)
        self.assertEqual((len(replay["turns_s"]), replay["disturbed_turns"]), (TURNS - 1, 1))

    def test_without_retries_nothing_is_repeated(self):
        runs, _ = self.timed([100, 150], retries="0")
        self.assertEqual(runs, TURNS)

    def test_a_folder_that_cannot_be_written(self):
        write_script(self.path("out"), "")
        done = self.compare(*QUIET, status=2)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class Resuming(Case):
    def test_nothing_is_repeated(self):
        self.compare(*QUIET)
        first = self.runs()
        self.assertEqual(len(first), 2 * 2 * (1 + TURNS))
        self.compare(*QUIET)
        self.assertEqual(self.runs(), first)
        # More of the matrix: only what is new.
        self.write("c.trace", simple_events(20))
        self.compare(*QUIET, traces="a.trace c.trace")
        self.assertEqual({trace for _, _, trace in self.runs()[len(first):]}, {"c.trace"})

    def test_a_changed_allocator_is_measured_again_and_no_other(self):
        self.compare(*QUIET)
        first = self.runs()
        self.wrap("bud", program("kma_dummy"), before=": changed")
        self.compare(*QUIET)
        self.assertEqual({name for name, _, _ in self.runs()[len(first):]}, {"bud"})
        self.assertEqual(self.rows()["bud", "a.trace"]["summary"]["penalty"],
                         self.rows()["dummy", "a.trace"]["summary"]["penalty"])

    def under_way(self):
        """A comparison whose third run is on."""
        self.wrap("bud", program("kma_bud"), before="sleep 0.3")
        process = subprocess.Popen(self.command(*QUIET, "--jobs", "1"), cwd=self.folder,
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment())
        deadline = time.monotonic() + 60
        while len(self.runs()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        return process

    def interrupted(self, number):
        """What a comparison says that is ended by a signal."""
        process = self.under_way()
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        self.assertFalse(os.path.exists(self.path("out", "results.json")))
        return said

    def test_interrupted_again_and_again_it_ends_as_by_one(self):
        process = self.under_way()
        while process.poll() is None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                process.send_signal(number)
            time.sleep(0.001)
        self.assertEqual(process.communicate(timeout=60)[1], "compare: interrupted\n")
        self.assertEqual(process.returncode, 130)

    def test_interrupted_it_goes_on(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number=number):
                shutil.rmtree(self.path("out"), ignore_errors=True)
                if os.path.exists(self.path("log")):
                    os.unlink(self.path("log"))
                said = self.interrupted(number)
                if number == signal.SIGTERM:
                    self.assertEqual(said, "compare: interrupted\n")
                    self.assertEqual([name for name in os.listdir(self.folder)
                                      if name.startswith("kma-")], [])
                kept = len([name for name in os.listdir(self.path("out", "runs"))
                            if name.endswith(".json") and not name.startswith("ideal")])
                before = len(self.runs())
                self.assertLessEqual(before - kept, 1)
                self.compare(*QUIET, "--jobs", "1")
                self.assertEqual(len(self.runs()) - before, 2 * 2 * (1 + TURNS) - kept)

    def test_two_at_once_are_refused(self):
        self.wrap("bud", program("kma_bud"), before="sleep 0.5")
        process = subprocess.Popen(self.command(*QUIET), cwd=self.folder,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=self.environment())
        try:
            deadline = time.monotonic() + 60
            while not self.runs() and time.monotonic() < deadline:
                time.sleep(0.01)
            done = self.compare(*QUIET, status=2)
            self.assertEqual(done.stderr, "compare: out: another comparison is writing here\n")
        finally:
            process.communicate(timeout=120)

    def test_half_an_outcome_is_none(self):
        self.compare(*QUIET)
        first = self.runs()
        victim = next(name for name in os.listdir(self.path("out", "runs"))
                      if re.match(r"times-bud-a.*\.json", name))
        with open(self.path("out", "runs", victim), "w", encoding="ascii") as file:
            file.write('{"summ')
        self.compare(*QUIET)
        self.assertEqual(self.runs()[len(first):], [("bud", "times", "a.trace")])


class Parts(unittest.TestCase):
    def test_the_curve_of_the_tail_is_exact(self):
        self.assertEqual(jobs.tail_curve([5, 1, 1, 3]), [(1, 1.0), (3, 0.5), (5, 0.25)])
        self.assertEqual(jobs.tail_curve([2]), [(2, 1.0)])
        self.assertEqual(jobs.tail_curve([]), [])

    def test_a_long_curve_keeps_its_ends_and_its_shape(self):
        times = [i * 0.5 for i in range(20000)]
        curve = jobs.tail_curve(times)
        self.assertLessEqual(len(curve), jobs.CURVE_POINTS + 1)
        self.assertEqual((curve[0], curve[-1]), ((0, 1.0), (9999.5, 1 / 20000)))
        for ns, share in curve:
            self.assertAlmostEqual(share, sum(t >= ns for t in times) / len(times))
        # No step in the logarithm of the share that could be seen.
        steps = [math.log10(a[1] / b[1]) for a, b in zip(curve, curve[1:])]
        self.assertLess(max(steps[:-2]), 0.31)

    def test_requested_bytes_leave_out_what_is_too_large(self):
        with tempfile.NamedTemporaryFile("w", suffix=".trace") as file:
            file.write(trace_text("REQUEST 0 8184", "REQUEST 1 8185", "FREE 1", "FREE 0"))
            file.flush()
            self.assertEqual([requested for requested, _ in ktr.live_totals(file.name, 8184)],
                             [8184, 8184, 8184, 0])

    def test_time_left(self):
        self.assertEqual([schedule.duration(s) for s in (0.2, 40, 89, 100, 5400, 7500)],
                         ["1 s", "40 s", "89 s", "2 min", "1 h 30 min", "2 h 5 min"])
        estimate = schedule.Estimate()
        short, long = (jobs.Job("memory", "bud", "t", 8192, "p", weight) for weight in (10, 1e6))
        guess = estimate.of(long)
        # A short job says next to nothing of a long one, a long one nearly all.
        estimate.learn(short, 1)
        self.assertLess(estimate.of(long), guess + 20)
        for _ in range(10):
            estimate.learn(long, 20)
        self.assertAlmostEqual(estimate.of(long), 20, delta=1)

    def test_labels(self):
        self.assertEqual(results.label("t", 8192), "t, 8,192-byte pages")


if __name__ == "__main__":
    os.environ.setdefault("KMA_BUILD", BUILD)
    unittest.main()
