#!/usr/bin/python3
"""analysis/: the table, the figures, the pictures, bench and DOC's tables.

No allocator is needed: stubs stand for the executables."""

import contextlib
import copy
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from shared import ROOT, read, write_script

ANALYSIS = os.path.join(ROOT, "analysis")
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import common  # noqa: E402
import growth  # noqa: E402
import measure  # noqa: E402
import plot_waste  # noqa: E402
import results  # noqa: E402
import series  # noqa: E402
import style  # noqa: E402
import tables  # noqa: E402

# After each of four events; the figures below are worked out by hand from these.
DATA = [(100, 8192), (300, 8192), (200, 16384), (0, 0)]
PENALTY = ((8192 - 100) / 100 + (8192 - 300) / 300 + (16384 - 200) / 200) / 3
UTILIZATION = (100 / 8192 + 300 / 8192 + 200 / 16384) / 3

SUMMARY = {
    "program": "./kma_x", "algorithm": "x", "trace": "t", "events": 4, "page_size": 8192,
    "pages": {"requested": 3, "freed": 3, "in_use_at_end": 0, "peak": 2},
    "peak_requested_bytes": 300, "peak_page_bytes": 16384,
    "utilization_at_peak": 200 / 16384, "utilization_mean": UTILIZATION, "penalty": PENALTY,
    "memory": {
        "at_peak": {"requested": 200, "internal": 56, "external": 16128, "page_bytes": 16384},
        "mean": {"requested": 250, "internal": 250, "external": 500, "page_bytes": 1000},
        "ideal_pages_at_peak": 1, "ideal_penalty": 0.5},
    "replay": {"passes": 9, "min_s": 1e-6, "median_s": 2e-6, "ns_per_event": 12.5,
               "score": 0.001234},
    "latency": {"passes": 9,
                "malloc": {"mean": 20.25, "p99": 40.4, "max": 900.6},
                "free": {"mean": 10.5, "p99": 30.0, "max": 70.0}},
}

# Takes the driver's options; what to do instead of the usual stands in BEHAVIOUR.
STUB = f"""#!{PYTHON}
import json, signal, sys, time
summary, behaviour = json.loads({{!r}})
options = dict(zip(sys.argv[1:-1], sys.argv[2:-1]))
if behaviour == "fail":
    print("testsuite/t:7: id 3 overlaps id 1", file=sys.stderr)
    print("Test: FAILED")
    sys.exit(1)
if behaviour == "crash":
    import os
    os.kill(os.getpid(), signal.SIGSEGV)
if behaviour == "sleep":
    open(sys.argv[0] + ".started", "w").close()
    time.sleep(60)
if "--output" in options:
    with open(options["--output"], "w") as data:
        data.write("0 0 0\\n")
        for index, (requested, paged) in enumerate({DATA!r}, 1):
            data.write(f"{{{{index}}}} {{{{requested}}}} {{{{paged}}}}\\n")
with open(options["--json"], "w") as out:
    json.dump(summary, out)
print("Test: PASS")
"""


def with_changes(**changes):
    return {**copy.deepcopy(SUMMARY), **changes}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.scratch = self.path("tmp")
        os.mkdir(self.scratch)
        self.trace = self.path("t.trace")
        with open(self.trace, "w", encoding="ascii") as file:
            file.write("4\n")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def stub(self, algorithm, behaviour="", **changes):
        write_script(self.path(f"kma_{algorithm}"),
                     STUB.format(json.dumps([with_changes(**changes), behaviour])))

    def start(self, script, *arguments):
        return subprocess.Popen(
            [PYTHON, "-B", os.path.join(ANALYSIS, script), *arguments], cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            encoding="utf-8", env=dict(os.environ, TMPDIR=self.scratch))

    def run_script(self, script, *arguments, status=0):
        process = self.start(script, *arguments)
        out, complaints = process.communicate(timeout=120)
        self.assertEqual(process.returncode, status, out + complaints)
        self.assertEqual(os.listdir(self.scratch), [], "something is left in TMPDIR")
        self.assertEqual([n for n in os.listdir(self.folder) if n.endswith(".part")], [])
        return out, complaints


class Table(unittest.TestCase):
    ROWS = [measure.Row("rm_worst", "t", with_changes(penalty=1.5)),
            measure.Row("broken", "t", failure="t:7: id 3 overlaps id 1"),
            measure.Row("bud", "t", with_changes(penalty=0.25))]

    def test_text_is_exact(self):
        self.assertEqual("\n".join(tables.text_table(tables.OVERVIEW[:4] + tables.LATENCY[:1],
                                                     tables.by_penalty(self.ROWS))), """\
            peak  utilization           ns per   malloc
algorithm  pages         mean  penalty   event  mean ns
-------------------------------------------------------
bud            2        0.020   0.2500    12.5     20.2
rm_worst       2        0.020   1.5000    12.5     20.2
broken     FAILED: t:7: id 3 overlaps id 1""")

    def test_best_value_is_marked_in_colours(self):
        lines = tables.text_table([tables.PENALTY], self.ROWS, colours=True)
        self.assertIn("\033[1;32m 0.2500\033[0m", lines[-1])
        self.assertNotIn("\033", lines[-3])

    def test_one_row_has_no_best_value(self):
        self.assertEqual(tables.best_cells([tables.PENALTY], self.ROWS[:2]), [None])

    def test_markdown_is_exact(self):
        self.assertEqual(tables.markdown_table(tables.WASTE, self.ROWS[1:]), [
            "| algorithm | requested | internal waste | external waste |",
            "|-----------|----------:|---------------:|---------------:|",
            "| broken    |    failed |              - |              - |",
            "| bud       |     25.0% |          25.0% |          50.0% |"])

    def test_unknown_internal_waste_is_a_dash(self):
        summary = with_changes()
        summary["memory"]["mean"]["internal"] = None
        self.assertEqual(tables.WASTE[1].cell(summary), "-")


class Figures(Case):
    def data(self, lines):
        path = self.path("data")
        with open(path, "w", encoding="ascii") as file:
            file.write("".join(f"{index} {r} {p}\n" for index, (r, p) in enumerate(lines)))
        return path

    def test_hand_computed(self):
        found = series.read_series(self.data([(0, 0)] + DATA))
        self.assertAlmostEqual(found.penalty, PENALTY)
        self.assertAlmostEqual(found.utilization_mean, UTILIZATION)
        self.assertEqual(found.mean_waste, (8092 + 7892 + 16184 + 0) / 4)
        self.assertEqual(found.waste.mean, [0, 8092, 7892, 16184, 0])
        self.assertTrue(found.exact)
        self.assertIsNone(series.disagreement(found, SUMMARY))

    def test_slices_keep_extremes(self):
        lines = [(0, 0)] + [(10, 8192)] * 5000 + [(20, 81920)] + [(10, 8192)] * 4999
        found = series.read_series(self.data(lines), slices=100)
        self.assertEqual(len(found.index), 101)
        self.assertEqual(max(found.paged.high), 81920)
        self.assertEqual(max(found.requested.high), 20)
        self.assertFalse(found.exact)

    def test_one_event(self):
        self.assertEqual(series.read_series(self.data([(0, 0), (8, 8192)])).events, 1)

    def test_bad_data(self):
        for lines in ([], [(1, 1), (2, 2)], [(0, 0), (1, "x")]):
            with self.assertRaises(series.BadData):
                series.read_series(self.data(lines))

    def test_disagreement_is_told(self):
        found = series.read_series(self.data([(0, 0)] + DATA))
        self.assertIn("penalty is 62.7", series.disagreement(found, with_changes(penalty=1.0)))


class Style(unittest.TestCase):
    def test_every_algorithm_has_a_colour_of_its_own(self):
        self.assertEqual(len(set(style.COLOURS.values())), len(style.COLOURS))

    def test_a_new_algorithm_keeps_its_colour(self):
        self.assertEqual(style.colour("mine"), style.colour("mine"))
        self.assertRegex(style.colour("mine"), "^#[0-9a-f]{6}$")

    def test_names_beside_curves_do_not_overlap(self):
        places = plot_waste.spread([0.9, 0.2, 0.2, 0.2, 0.1], 0.05, 0.1, 0.8)
        self.assertEqual(places, sorted(places, reverse=True))
        self.assertGreaterEqual(min(a - b for a, b in zip(places, places[1:])), 0.05 - 1e-9)
        self.assertGreaterEqual(places[-1], 0.1)


class DocTables(Case):
    DOC = ("# Report\n\nBefore.\n<!-- table:penalty -->\nold\n<!-- /table -->\nAfter.\n\n"
           "<!-- table:latency -->\n<!-- /table -->\n")

    def setUp(self):
        super().setUp()
        self.results([("bud", "1.trace", 0.5, "algorithm"), ("rm", "1.trace", 0.25, "algorithm"),
                      ("libc", "1.trace", 0.4, "reference"), ("ideal", "1.trace", 0.1, "bound"),
                      ("bud", "5.trace", 0.75, "algorithm"),
                      ("rm", "5.trace", 0.125, "algorithm"),
                      ("libc", "5.trace", 0.3, "reference"), ("ideal", "5.trace", 0, "bound")])
        self.doc(self.DOC)

    def results(self, rows, recorded=()):
        replay = dict(SUMMARY["replay"])
        traces = list(dict.fromkeys(trace for _, trace, _, _ in rows))
        found = {"format": results.FORMAT, "machine": {"cpu": "c", "cores": 1, "kernel": "k"},
                 "build": {"compiler": "cc", "flags": "-O3", "version": "1", "commit": None,
                           "modified": False},
                 "date": "today", "settings": {"passes": 9}, "correlation": [], "growth": [],
                 "traces": [{"trace": name, "recorded": name in recorded, "events": 4, "lost": 0,
                             "about": {}} for name in traces]}
        found["rows"] = [
            measure.Row(a, t, with_changes(penalty=p, replay=replay), kind=kind, page_size=8192)
            for a, t, p, kind in rows]
        results.save(self.folder, found, {})

    def doc(self, text):
        with open(self.path("DOC"), "w", encoding="utf-8") as file:
            file.write(text)

    def doc_tables(self, *arguments, status=0):
        return self.run_script("doc_tables", "--results", "results.json", *arguments, status=status)

    def test_replaced_and_idempotent(self):
        self.doc_tables()
        text = read(self.path("DOC"))
        self.assertIn("""\
Before.
<!-- table:penalty -->
| algorithm | 1.trace | 5.trace |
|-----------|--------:|--------:|
| bud       |  0.5000 |  0.7500 |
| rm        |  0.2500 |  0.1250 |
| ideal     |  0.1000 |  0.0000 |
<!-- /table -->
After.
""", text)
        self.assertIn("| bud       |           20.2 |", text)
        self.doc_tables()
        self.assertEqual(read(self.path("DOC")), text)

    def test_recorded_traces_have_tables_of_their_own(self):
        kinds = (("bud", "algorithm"), ("libc", "reference"), ("ideal", "bound"))
        rows = [(name, trace, penalty, kind) for trace, penalty in
                (("1.trace", 0.5), ("boot", 0.25), ("git", 0.75)) for name, kind in kinds]
        rows.insert(6, ("linux", "boot", 0.125, "recorded"))
        self.results(rows, ("boot", "git"))
        self.doc("".join(f"<!-- table:{name} -->\n<!-- /table -->\n" for name in
                         ("penalty", "penalty-real", "ratio-real", "latency")))
        self.doc_tables()
        self.assertEqual(read(self.path("DOC")), """\
<!-- table:penalty -->
| algorithm | 1.trace |
|-----------|--------:|
| bud       |  0.5000 |
| ideal     |  0.5000 |
<!-- /table -->
<!-- table:penalty-real -->
| trace |    bud |  ideal |  linux |
|-------|-------:|-------:|-------:|
| boot  | 0.2500 | 0.2500 | 0.1250 |
| git   | 0.7500 | 0.7500 |      - |
<!-- /table -->
<!-- table:ratio-real -->
| trace |  bud | libc |
|-------|-----:|-----:|
| boot  | 1.00 | 1.00 |
| git   | 1.00 | 1.00 |
<!-- /table -->
<!-- table:latency -->
| algorithm | malloc mean ns | malloc p99 ns | malloc worst ns | free mean ns | free p99 ns | free worst ns |
|-----------|---------------:|--------------:|----------------:|-------------:|------------:|--------------:|
| bud       |           20.2 |            40 |             901 |         10.5 |          30 |            70 |
| libc      |           20.2 |            40 |             901 |         10.5 |          30 |            70 |
<!-- /table -->
""")

    def test_tables_of_traces_that_were_not_measured_stay(self):
        text = "<!-- table:penalty-real -->\nold\n<!-- /table -->\n"
        self.doc(text)
        self.doc_tables("--check")
        self.doc_tables()
        self.assertEqual(read(self.path("DOC")), text)

    def test_check(self):
        out, _ = self.doc_tables("--check", status=1)
        self.assertEqual(out, "DOC: table penalty is not what the results say\n")
        self.assertEqual(read(self.path("DOC")), self.DOC)
        self.doc_tables()
        self.doc_tables("--check")
        # Times differ from run to run: they are not compared.
        self.doc(read(self.path("DOC")).replace("20.2", "99.9"))
        self.doc_tables("--check")
        self.doc(read(self.path("DOC")).replace("0.7500", "0.7501"))
        self.doc_tables("--check", status=1)

    def test_claims_come_from_a_file_of_their_own(self):
        marks = "<!-- table:claims -->\n{}<!-- /table -->\n"
        self.doc(marks.format("kept\n"))
        self.doc_tables()
        self.assertEqual(read(self.path("DOC")), marks.format("kept\n"))
        claim = {"cited": "Knuth 1973", "says": "It is so.", "short": "3 of 4",
                 "verdict": "holds in part"}
        results.write_json(self.path("claims.json"), {"claims": [claim]})
        self.doc_tables()
        self.assertIn("| Knuth 1973: It is so. | 3 of 4 | holds in part |",
                      read(self.path("DOC")))
        results.write_json(self.path("claims.json"), {})
        _, complaints = self.doc_tables(status=2)
        self.assertIn("claims.json: these are no results of analysis/claims", complaints)

    def test_marks_that_are_missing(self):
        for text, complaint in (
                ("text\n", "DOC: no table to write: a line <!-- table:NAME --> is missing"),
                (self.DOC.replace("<!-- /table -->\nAfter", "After"),
                 "DOC:8: a table begins, but <!-- /table --> of table penalty is missing"),
                ("<!-- table:peak -->\n", "DOC: <!-- /table --> of table peak is missing"),
                ("\n<!-- /table -->\n", "DOC:2: a table ends, but none has begun"),
                ("<!-- table:nothere -->\n<!-- /table -->\n",
                 "DOC:1: no table is called 'nothere', there are: penalty, peak, utilization, "
                 "waste, latency, references, ratio, entrant, instructions, claims, programs-time, "
                 "programs-cpu, programs-memory, metal, metal-worst, fresh, sweep-cost, "
                 "sweep-scale, sweep-limits, scaling-live, scaling-events, penalty-real, "
                 "peak-real, entrant-real, ratio-real")):
            self.doc(text)
            _, complaints = self.doc_tables(status=2)
            self.assertEqual(complaints, f"doc_tables: {complaint}\n")
            self.assertEqual(read(self.path("DOC")), text)

    def test_no_results(self):
        with open(self.path("results.json"), "w", encoding="utf-8") as file:
            file.write("{}")
        _, complaints = self.doc_tables(status=2)
        self.assertIn("these are no results", complaints)


class Bench(Case):
    def test_table(self):
        self.stub("libc", replay={"ns_per_event": 40.0})
        self.stub("bud", replay={"ns_per_event": 10.0})
        self.stub("rm", replay={"ns_per_event": 60.0})
        self.stub("broken", "fail")
        out, _ = self.run_script("bench", "--algorithms", "rm bud broken", "--trace", "t.trace",
                                 "--quick", "--cache", "kept", status=1)
        self.assertRegex(out, r"\nbud +10\.0 +10\.0 +0\.25 +0\.25 +0\.25 +0\.50 +ok +62\.7156\n")
        self.assertRegex(out, r"\nrm +60\.0 +60\.0 +1\.50 +1\.50 +1\.50 +1\.00 +missed +62\.7156\n")
        self.assertRegex(out, r"\nlibc +40\.0 +40\.0\n")
        self.assertRegex(out, r"\nbud +10\.0 +10\.0 +x 1\.0\n")
        self.assertIn("broken  FAILED: testsuite/t:7: id 3 overlaps id 1", out)
        self.assertEqual(len(os.listdir(self.path("kept"))), 2)

    READER = f"""#!{PYTHON}
import json, sys
options = dict(zip(sys.argv[1:-1], sys.argv[2:-1]))
events = 500_000
seconds = {{"ktr": 0.02, "trace": 0.01}}[sys.argv[-1].rpartition(".")[2]]
found = ({{"events": events, "bytes": 5_000_000, "seconds": seconds}} if "--read" in sys.argv
         else {{"replay": {{"ns_per_event": 3.25}}}})
with open(options["--json"], "w") as out:
    json.dump(found, out)
"""

    def test_reading(self):
        """Half of what compact is meant to reach, and more than what text is."""
        self.stub("libc")
        self.stub("bud")
        write_script(self.path("kma_nothing"), self.READER)
        os.mkdir(self.path("capture"))
        write_script(self.path("capture", "generate"),
                     f"#!{PYTHON}\nimport sys\nopen(sys.argv[-1], 'w').close()\n")
        out, _ = self.run_script("bench", "--algorithms", "bud", "--trace", "t.trace", "--quick",
                                 "--cache", "kept", "--results", "found.json")
        self.assertRegex(out, r"\ncompact +5\.0 +40\.00 +25\.0 +250 +50 million events/s +missed\n")
        self.assertRegex(out, r"\ntext +5\.0 +20\.00 +50\.0 +500 +400 MB/s +ok\n")
        self.assertRegex(out, r"\nreplay +3\.25\n")
        found = json.loads(read(self.path("found.json")))["reading"]
        self.assertEqual((found["failure"], found["replay_ns_per_event"]), (None, 3.25))
        self.assertEqual(found["traces"]["text"], {"events": 500_000, "bytes": 5_000_000,
                                                   "seconds": 0.01})

    def test_reading_is_not_timed_without_its_programs(self):
        self.stub("libc")
        self.stub("bud")
        out, _ = self.run_script("bench", "--algorithms", "bud", "--trace", "t.trace", "--quick")
        self.assertIn("\nnot timed: not built: generate, kma_nothing\n", out)

    def test_missed_targets_are_no_failure(self):
        self.stub("libc", replay={"ns_per_event": 1.0})
        self.stub("bud", replay={"ns_per_event": 10.0})
        out, _ = self.run_script("bench", "--algorithms", "bud", "--trace", "t.trace", "--quick")
        self.assertIn("missed", out)


class Growth(Case):
    LIVE = 60_000

    def setUp(self):
        super().setUp()
        self.path_of_trace = self.path("growth.trace")
        growth.write_trace(self.path_of_trace, self.LIVE)

    def test_live_blocks(self):
        with open(self.path_of_trace, encoding="ascii") as file:
            announced = int(file.readline())
            events = [line.split() for line in file]
        self.assertEqual(len(events), announced)
        self.assertEqual(announced, 2 * 4 * self.LIVE)
        live, counts, sizes = set(), [], set()
        for words in events:
            block = int(words[1])
            self.assertLess(block, announced)
            if words[0] == "REQUEST":
                self.assertNotIn(block, live)
                live.add(block)
                sizes.add(int(words[2]))
            else:
                self.assertEqual((words[0], len(words)), ("FREE", 2))
                live.remove(block)
            counts.append(len(live))
        self.assertEqual(counts[-1], 0)
        self.assertEqual((min(sizes), max(sizes)), (8, 511))
        for cycle in (0, 4 * self.LIVE):
            middle = counts[cycle + self.LIVE - 1:cycle + 3 * self.LIVE]
            self.assertEqual(set(middle[::2]), {self.LIVE})
            self.assertEqual(set(middle[1::2]), {self.LIVE - 1})

    def test_deterministic(self):
        again = self.path("again.trace")
        growth.write_trace(again, self.LIVE)
        self.assertEqual(read(again), read(self.path_of_trace))


class Common(unittest.TestCase):
    def test_written_aside_leaves_the_old_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file")
            write_script(path, "old")
            with contextlib.suppress(KeyboardInterrupt), common.written_aside(path) as out:
                out.write(b"new")
                raise KeyboardInterrupt
            self.assertEqual((read(path), os.listdir(folder)), ("old", ["file"]))

    def test_a_full_disk_is_named(self):
        with self.assertRaises(OSError) as caught, tempfile.TemporaryDirectory() as folder:
            with common.written_aside(os.path.join(folder, "file")):
                raise OSError(28, "No space left on device")
        self.assertTrue(caught.exception.filename.endswith("file"))

    def test_progress_is_for_terminals(self):
        stream = io.StringIO()
        with common.Progress(2, stream) as progress:
            progress.step("one")
        self.assertEqual(stream.getvalue(), "")
        stream.isatty = lambda: True
        with common.Progress(2, stream) as progress:
            progress.step("one")
        self.assertEqual(stream.getvalue(), "\r\033[K[##########..........] 1/2 one\r\033[K")

    def test_counted(self):
        self.assertEqual([common.counted(n, noun) for n, noun in
                          ((1, "pass"), (2, "pass"), (1, "page"), (0, "page"))],
                         ["1 pass", "2 passes", "1 page", "0 pages"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
