#!/usr/bin/python3
"""analysis/compare --sweep and analysis/report --results sweep.db: what a sweep has found, as
the results of a comparison, equal to one that measured; and that plans/paper.toml is what
`make report` measures."""

import collections
import copy
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import types
import unittest
from unittest import mock

from driver_case import BUILD, program, simple_events
from shared import ROOT, read
from sweep_case import PYTHON, SWEEP, SweepCase, group, page_size, random_group
from test_compare import complaints

ANALYSIS = os.path.dirname(SWEEP)
ALGORITHMS = ["bud", "rm", "word"]
ALL = ["memory", "times", "ideal"]
CURVES = "curves = true"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import growth  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import plan  # noqa: E402
import sweep_jobs  # noqa: E402
import sweep_plan  # noqa: E402
import sweep_rows  # noqa: E402


def growth_group(live, seeds, algorithms=ALGORITHMS, **keys):
    return group(algorithms=algorithms, traces=None, **keys) + (
        f'[runs.generate]\ngenerator = "growth"\nlive = {live}\nseeds = {seeds}\n')


def shape(value):
    """What there is, without what it is."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def exact(results):
    """Results without times, and without what follows from them."""
    found = copy.deepcopy(results)
    found.pop("date")
    for entry in found["correlation"]:
        entry.update(malloc=None, free=None)
    for point in found["growth"]:
        point["ns_per_event"] = None
    for row in found["rows"]:
        row["worst"] = None
        (row["summary"] or {}).update(replay=None, latency=None, timer=None, worst=None)
    return found


class Case(SweepCase):
    def setUp(self):
        super().setUp()
        for name in ALGORITHMS:
            self.whole(name)

    def whole(self, name, target=None):
        """kma_NAME itself, not behind a script."""
        path = self.path("bin", f"kma_{name}")
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(target or program(f"kma_{name}"), path)

    def script(self, name, *arguments, status=0):
        done = subprocess.run([PYTHON, "-B", os.path.join(ANALYSIS, name), *arguments], text=True,
                              cwd=self.folder, capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=300, env=self.environment())
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        self.assertEqual(os.listdir(self.path("tmp")), [])
        return done

    def refused(self, name, *arguments):
        """The one line that it says, and nothing else."""
        done = self.script(name, *arguments, status=2)
        self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1), done.stderr)
        return done.stderr

    def compare(self, *arguments, sweep="out", to="results", status=0):
        if "--plots" not in arguments:
            arguments = ("--no-plots", *arguments)
        return self.script("compare", "--sweep", sweep, "--out", to, *arguments,
                           status=status).stdout

    def found(self, folder="results"):
        return json.loads(read(self.path(folder, "results.json")))

    def row(self, algorithm, trace, folder="results"):
        row, = [row for row in self.found(folder)["rows"]
                if (row["algorithm"], row["trace"]) == (algorithm, trace)]
        return row

    def names(self):
        return {(row["algorithm"], row["trace"]) for row in self.found()["rows"]}

    def check_schema(self, folder="results"):
        schema = json.loads(read(os.path.join(ANALYSIS, "results.schema.json")))
        self.assertEqual(complaints(self.found(folder), schema), [])

    def change(self, statement, *values):
        """In the database."""
        with self.database() as database, database:
            return database.execute(statement, values).rowcount

    def sweep_of(self, *groups, top=CURVES, status=0):
        self.plan(*groups, top=top)
        self.sweep(status=status)


class Equal(Case):
    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_a_sweep_gives_what_a_comparison_measures(self):
        self.sweep_of(group(algorithms=ALGORITHMS, turns=None,
                            measure=["memory", "times", "instructions", "ideal"]),
                      growth_group("[50, 70]", growth.SEED, measure=["replay", "total"], turns=3))
        self.compare()
        self.script("compare", "--bin", "bin", "--out", "measured", "--no-references",
                    "--no-plots", "--algorithms", ",".join(ALGORITHMS), "--traces",
                    "a.trace,b.trace", "--passes", "2", "--live", "50,70", "--retries", "0")
        swept, measured = self.found(), self.found("measured")
        self.check_schema()
        self.assertEqual(exact(swept), exact(measured))
        self.assertEqual(shape(swept), shape(measured))
        for row in swept["rows"]:
            if row["kind"] == "algorithm":
                self.assertGreater(row["summary"]["replay"]["ns_per_event"], 0)
                self.assertEqual(len(row["summary"]["replay"]["turns_s"]) +
                                 row["summary"]["replay"]["disturbed_turns"], 11)
        self.check_curves()
        self.assertEqual(sorted(os.listdir(self.path("results"))),
                         [".lock", "curves.json", "results.csv", "results.json", "results.md",
                          "runs"])

    def check_curves(self):
        runs = [json.loads(read(self.path(folder, "curves.json")))["runs"]
                for folder in ("results", "measured")]
        self.assertEqual(*(list(each) for each in runs))
        for mine, other in zip(*(each.values() for each in runs)):
            self.assertEqual(mine["series"], other["series"])
            self.assertEqual(mine["latency"] is None, other["latency"] is None)
            self.assertEqual(mine["heapmap"] is None, other["heapmap"] is None)
            if mine["heapmap"]:
                self.assertEqual(read(self.path("results", mine["heapmap"])),
                                 read(self.path("measured", other["heapmap"])))

    def test_references_and_operations(self):
        self.whole("libc")
        self.sweep_of(group(algorithms=["bud"], traces="b.trace", references=True,
                            measure=["memory", "times", "operations", "ideal"]))
        self.compare()
        self.check_schema()
        self.assertEqual([row["kind"] for row in self.found()["rows"]][:2],
                         ["algorithm", "reference"])
        self.assertEqual(self.found()["rows"][-1]["kind"], "bound")
        self.assertEqual(self.row("libc", "b.trace")["summary"]["memory_source"], "resident set")
        event = self.row("bud", "b.trace")["worst"][0]
        self.assertIsNotNone(event["pages_got"])
        self.compare("--no-references")
        self.assertEqual(self.names(), {("bud", "b.trace"), ("ideal", "b.trace")})

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_the_page_from_the_database_is_that_of_the_results(self):
        self.sweep_of(group(algorithms=ALGORITHMS, measure=ALL))
        said = self.script("compare", "--sweep", "out", "--out", "results").stdout
        names = {"kma_output", "kma_waste", "kma_utilization", "kma_latency",
                 *(f"kma_heapmap_{name}" for name in ALGORITHMS)}
        place = self.path("results", "plots", f"a.trace-{page_size()}")
        self.assertEqual(set(os.listdir(place)),
                         {name + ending for name in names for ending in (".png", ".svg")})
        self.assertIn("kma_pareto.png", os.listdir(self.path("results", "plots")))
        self.assertNotIn("Left out", said)
        pages = []
        for words in ("results", "out", "out/sweep.db"):
            self.script("report", "--results", words, "--out", "page")
            pages.append(read(self.path("page", "index.html")))
        self.assertEqual(pages[0], pages[1])
        self.assertEqual(pages[0], pages[2])
        self.assertIn(f"{self.row('word', 'b.trace')['summary']['penalty']:.4f}", pages[0])


class Parts(Case):
    def test_limits_of_pages_are_told_by_the_traces_name(self):
        self.sweep_of(group(algorithms=["bud"], traces="a.trace", page_limits=[1, 3000],
                            measure=["memory", "ideal"]),
                      group(algorithms=["bud"], traces="a.trace"), status=1)
        self.compare(status=1)
        self.check_schema()
        self.assertEqual([one["trace"] for one in self.found()["traces"]],
                         ["a.trace-1-page", "a.trace-3000-pages", "a.trace"])
        self.assertIn("out of pages", self.row("bud", "a.trace-1-page")["failure"])
        for trace, limit in (("a.trace-3000-pages", 3000), ("a.trace", measure.MAX_PAGES)):
            summary = self.row("bud", trace)["summary"]
            self.assertEqual((summary["trace"], summary["max_pages"]), (trace, limit))
            self.assertIsNone(self.row("ideal", trace)["failure"])
        self.compare("--traces", "a.trace-3000-pages")
        self.assertEqual({trace for _, trace in self.names()}, {"a.trace-3000-pages"})
        self.compare("--traces", "a.trace", status=1)
        self.assertEqual(len({trace for _, trace in self.names()}), 3)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_limits_have_plots_of_their_own(self):
        self.sweep_of(group(algorithms=["bud"], traces="a.trace", page_limits=[2000, 3000]))
        self.compare("--plots", "kma_waste")
        for limit in (2000, 3000):
            self.assertEqual(os.listdir(self.path(
                "results", "plots", f"a.trace-{limit}-pages-{page_size()}"))[0][:9], "kma_waste")

    def test_a_limit_that_another_part_has_of_itself(self):
        """The run of memory is one run of both parts."""
        self.sweep_of(group(algorithms=["bud"], traces="a.trace"),
                      group(algorithms=["bud"], traces="a.trace", measure=["memory", "times"],
                            page_limits=[measure.MAX_PAGES]))
        self.compare()
        self.assertIsNotNone(self.row("bud", "a.trace")["summary"]["replay"])

    def test_room_of_its_own_is_no_limit(self):
        """Who takes a page for each block is given more of them."""
        names = ["dummy", "bud"]
        self.whole("dummy")
        self.sweep_of(growth_group(50, 1, algorithms=names, measure=["memory", "replay"], turns=1))
        self.assertEqual(len({row["page_limit"] for row in self.rows()}), 2)
        self.compare()
        self.assertEqual(self.names(), {(name, "growth-50-s1") for name in names})

    def test_a_part_of_the_algorithms_and_traces(self):
        self.sweep_of(group(algorithms=ALGORITHMS, measure=ALL))
        self.compare("--algorithms", "rm,word", "--traces", "b.trace")
        self.assertEqual(self.names(), {(name, "b.trace") for name in ("rm", "word", "ideal")})
        self.assertEqual([one["trace"] for one in self.found()["traces"]], ["b.trace"])
        self.assertIn("no trace c.trace", self.refused(
            "compare", "--sweep", "out", "--no-plots", "--traces", "c.trace"))
        self.assertIn("no algorithm tlsf", self.refused(
            "compare", "--sweep", "out", "--no-plots", "--algorithms", "bud,tlsf"))

    def test_a_name_without_the_seed_means_all_seeds(self):
        self.sweep_of(random_group([1, 2]), group())
        made = [f"random-log-uniform-50-8-1000-s{seed}" for seed in (1, 2)]
        self.compare("--traces", made[0].removesuffix("-s1"))
        self.assertEqual([one["trace"] for one in self.found()["traces"]], made)
        self.compare("--traces", made[1])
        self.assertEqual([one["trace"] for one in self.found()["traces"]], made[1:])

    def test_without_times_there_are_none(self):
        """The run of memory was timed too, with every check on."""
        self.sweep_of(group(algorithms=["bud"], traces="a.trace"))
        self.assertIn("a.trace", self.compare())
        self.check_schema()
        summary = self.row("bud", "a.trace")["summary"]
        self.assertEqual([summary[name] for name in ("replay", "latency", "timer", "worst")],
                         [None, None, None, []])
        self.script("report", "--results", "out", "--out", "page")
        self.assertIn(f"{summary['penalty']:.4f}", read(self.path("page", "index.html")))

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_instructions_without_times(self):
        self.sweep_of(group(algorithms=["bud"], traces="b.trace", measure=["memory", "total"]))
        self.compare()
        self.check_schema()
        self.assertGreater(self.row("bud", "b.trace")["instructions"]["malloc"]["mean"], 0)
        self.compare("--no-instructions")
        self.assertIsNone(self.row("bud", "b.trace")["instructions"])

    def test_what_belongs_to_no_row_is_counted(self):
        self.sweep_of(group(algorithms=["bud"], traces="a.trace"),
                      group(algorithms=["rm"], traces="a.trace", measure="replay", turns=2),
                      growth_group(50, [1, 2], measure="replay", turns=1))
        said = self.compare()
        # Of rm both turns, of growth the second seed of each algorithm.
        self.assertIn("In no row: 5 runs (replay)", said)
        self.assertEqual([(point["algorithm"], point["live"]) for point in
                          self.found()["growth"]], [(name, 50) for name in ALGORITHMS])
        self.compare("--no-growth")
        self.assertEqual(self.found()["growth"], [])

    def test_points_over_live_blocks_alone(self):
        self.sweep_of(growth_group([50, 100], 1, measure="replay", turns=1))
        self.compare()
        self.check_schema()
        self.assertEqual(self.found()["rows"], [])
        self.assertEqual({point["live"] for point in self.found()["growth"]}, {50, 100})

    def test_no_runs_of_memory(self):
        self.sweep_of(group(measure="replay"))
        self.assertIn("no finished run of memory",
                      self.refused("compare", "--sweep", "out", "--no-plots"))
        self.assertFalse(os.path.exists(self.path("report", "results.json")))

    def test_a_trace_that_has_changed_since(self):
        """What is known of the replayed bytes is told, not what is in the file now."""
        self.sweep_of(group(algorithms=["bud"]))
        self.write_trace("a.trace", simple_events(20))
        os.unlink(self.path("b.trace"))
        self.compare()
        self.assertEqual([one["events"] for one in self.found()["traces"]],
                         [self.row("bud", name)["summary"]["events"]
                          for name in ("a.trace", "b.trace")])


class Unfinished(Case):
    def test_what_is_there_and_how_much_is_missing(self):
        self.sweep_of(group(algorithms=ALGORITHMS, measure=ALL))
        gone = "FROM runs WHERE trace = 'b.trace' AND algorithm = 'bud' AND kind = 'memory' " \
            "OR trace = 'a.trace' AND algorithm = 'rm' AND kind = 'times'"
        self.change(f"DELETE FROM outcomes WHERE key IN (SELECT key {gone})")
        self.change("UPDATE runs SET state = 'waiting' WHERE key IN "
                    f"(SELECT key {gone} AND kind = 'memory')")
        self.change("UPDATE runs SET state = 'lost' WHERE key IN "
                    f"(SELECT key {gone} AND kind = 'times')")
        said = self.compare()
        self.assertIn("3 of 20 runs missing", said)
        self.check_schema()
        self.assertNotIn(("bud", "b.trace"), self.names())
        self.assertIsNone(self.row("rm", "a.trace")["summary"]["replay"])
        self.assertIsNotNone(self.row("rm", "b.trace")["summary"]["replay"])
        done = self.script("report", "--results", "out", "--out", "page")
        self.assertIn("3 of 20 runs missing", done.stdout)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_without_curves(self):
        self.sweep_of(group(algorithms=ALGORITHMS, measure=ALL), top="")
        said = self.script("compare", "--sweep", "out", "--out", "results").stdout
        self.check_schema()
        self.assertEqual(len(self.found()["rows"]), 8)
        line, = [line for line in said.splitlines() if "Left out" in line]
        self.assertRegex(line, "kma_output, .*kma_latency.*`curves = true`")
        self.assertEqual(sorted(name for _, _, files in os.walk(self.path("results", "plots"))
                                for name in files), ["kma_pareto.png", "kma_pareto.svg"])
        self.assertNotIn("Left out", self.compare("--plots", "kma_pareto"))
        for words in ("out", "out/sweep.db", "results"):
            said = self.refused("report", "--results", words, "--out", "page")
            self.assertIn("`curves = true`", said)
        self.assertFalse(os.path.exists(self.path("page")))


class Hosts(Case):
    def test_several_hosts_are_not_called_one(self):
        self.sweep_of(group(algorithms=ALGORITHMS, traces="a.trace"))
        self.change("UPDATE runs SET host = algorithm, cpu = 'Model A', cores = 4, "
                    "memory_bytes = 1073741824, kernel = 'Linux 6'")
        self.change("UPDATE runs SET cpu = 'Model B', cores = 16 WHERE algorithm = 'word'")
        self.compare()
        self.check_schema()
        self.assertEqual(self.found()["machine"],
                         {"cpu": "3 hosts: 2 x Model A, 1 x Model B; together", "cores": 24,
                          "memory_bytes": 3 * 2 ** 30, "kernel": "Linux 6"})
        self.assertIn("3 hosts: 2 x Model A, 1 x Model B; together, 24 cores",
                      read(self.path("results", "results.md")))
        self.compare("--algorithms", "word")
        self.assertEqual(self.found()["machine"]["cpu"], "Model B")

    def test_a_slow_host_is_not_a_disturbed_one(self):
        def run(host, probe):
            return {"host": host, "replay_probe_ns": probe, "latency_probe_ns": None}

        def holds(host, probe):
            return calm.holds({"host": host, "summary": {"replay": {"probe_ns": probe}}})
        calm = sweep_rows.CalmOnEach([run("fast", 100), run("slow", 200), run("slow", None)])
        self.assertTrue(holds("fast", 100) and holds("slow", 200))
        self.assertFalse(holds("fast", 200))


class Refused(Case):
    def test_options_that_say_how_to_measure(self):
        for words in (["--passes", "9"], ["--jobs", "1"], ["--page-size", "8192"],
                      ["--bin", "bin"], ["--live", "50"], ["--retries", "5"], ["--fresh"]):
            with self.subTest(words=words):
                said = self.refused("compare", "--sweep", "out", *words)
                self.assertRegex(said, f"^compare: {words[0]} .*nothing is measured")

    def test_what_is_no_sweep(self):
        self.sweep_of(group(algorithms=["bud"], traces="a.trace"))
        for script, option in (("compare", "--sweep"), ("report", "--results")):
            for words, complaint in (("bin", "there is no sweep" if script == "compare" else
                                      "No such file"), ("nowhere", "nowhere: "),
                                     ("a.trace", "a.trace: file is not a database"),
                                     ("p.toml", "sweeps/p: there is no sweep")):
                with self.subTest(script=script, words=words):
                    self.assertIn(complaint, self.refused(script, option, words,
                                                          "--out", "results"))
        self.assertIn("the sweep's own folder", self.refused(
            "compare", "--sweep", "out/sweep.db", "--no-plots", "--out", "out"))

    def test_a_damaged_outcome(self):
        self.sweep_of(group(algorithms=["bud"], traces="a.trace"))
        for statement in ("UPDATE outcomes SET json = 'x'", "DELETE FROM outcomes"):
            self.change(statement)
            self.assertIn("is damaged", self.refused("compare", "--sweep", "out", "--no-plots"))

    def test_the_plan_names_its_sweep(self):
        self.plan(group(algorithms=["bud"], traces="a.trace"), top=CURVES)
        self.sweep("--out", "sweeps/p")
        self.compare(sweep="p.toml")
        self.assertEqual(self.names(), {("bud", "a.trace")})


# ---- the plan that ships

Told = collections.namedtuple("Told", "kind algorithm trace page_size passes max_pages turn "
                              "program preload")


def told(job, trace):
    return Told(job.kind, job.algorithm, trace, job.page_size, job.passes, job.max_pages, job.turn,
                job.program, job.preload)


class Paper(unittest.TestCase):
    def options(self):
        """Of a comparison without any."""
        compare = types.ModuleType("compare")
        importlib.machinery.SourceFileLoader(
            "compare", os.path.join(ANALYSIS, "compare")).exec_module(compare)
        options = compare.parse_arguments([])
        compare.check_choice(options, machine.make_settings())
        return options

    def measured(self, build):
        """Of each job of that: what it is."""
        made = plan.Plan(self.options(), [build], "")
        of_growth = {}

        def kept_trace(folder, live):
            of_growth[f"growth-{live}"] = f"growth-{live}-s{growth.SEED}"
            return f"growth-{live}"
        for _ in made.of_workloads():
            pass
        with mock.patch("growth.kept_trace", kept_trace):
            for _ in made.of_growth(os.path.join(ROOT, "tests")):
                pass
        return [told(job, of_growth.get(job.trace, measure.trace_name(job.trace)))
                for job in made.jobs]

    def test_the_plan_is_what_a_comparison_measures_by_itself(self):
        build = plan.Build(plan.DEFAULT_PAGE_SIZE, BUILD, os.path.join(BUILD, "."))
        found = sweep_plan.read(os.path.join(ROOT, "plans", "paper.toml"),
                                machine.make_settings()["algorithms"].split())
        runs, _ = sweep_jobs.expand(found, {build.page_size: build}, "")
        swept = [told(run, run.trace) for run in runs]
        measured = self.measured(build)
        self.assertEqual(sorted(set(measured) - set(swept)), [], "not in the plan")
        self.assertEqual(sorted(set(swept) - set(measured)), [], "in the plan alone")
        self.assertEqual(len(swept), len(measured))
        self.assertTrue(found.curves, "the report is drawn from curves")


if __name__ == "__main__":
    unittest.main()
