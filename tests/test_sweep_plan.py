#!/usr/bin/python3
"""analysis/sweep_plan.py: what a sweep's plan says, and the line of what is wrong in one."""

import glob
import os
import random
import sys
import unittest

from shared import ROOT
from test_analysis import ANALYSIS, Case

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import growth  # noqa: E402
import jobs  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import plan  # noqa: E402
import sweep_plan  # noqa: E402
import toml_lines  # noqa: E402
from common import Refusal  # noqa: E402

ALGORITHMS = ("dummy", "bud", "slab", "word")

RUNS = """
[[runs]]
algorithms = "all"
"""

RANDOM = """[runs.generate]
generator = "random"
requests = 1000
sizes = "log"
smallest = 8
largest = 8000
frees = "early"
seeds = 3
"""


class PlanCase(Case):
    def write(self, text):
        with open(self.path("p.toml"), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path("p.toml")

    def read(self, text):
        return sweep_plan.read(self.write(text), ALGORITHMS)

    def group(self, text):
        """The only group of a plan that says so besides the algorithms."""
        group, = self.read(RUNS + text).groups
        return group

    def names(self, text):
        return [source.name for source in self.group(text).sources]

    def refusal(self, text):
        """(line, reason); line None: the plan as a whole."""
        path = self.write(text)
        with self.assertRaises(Refusal) as caught:
            sweep_plan.read(path, ALGORITHMS)
        message = str(caught.exception)
        self.assertEqual(message.splitlines(), [message])
        self.assertTrue(message.isprintable() and len(message) < 600, message)
        self.assertTrue(message.startswith(path + ":"), message)
        line, colon, reason = message[len(path) + 1:].partition(": ")
        return (int(line), reason) if colon and line.isdigit() else (None, message)

    def refused(self, text, line, *reasons):
        found, why = self.refusal(text)
        for reason in reasons:
            self.assertIn(reason, why)
        self.assertEqual(found, line, why)

    def make_trace(self, name, content="2\nREQUEST 0 8\nFREE 0\n"):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(content)


class Reading(PlanCase):
    def test_defaults(self):
        found = self.read('[[runs]]\nalgorithms = "all"\ntraces = "standard"\n')
        self.assertEqual((found.title, found.curves), (None, False))
        group, = found.groups
        self.assertEqual((group.number, group.line), (1, 1))
        self.assertEqual(group.algorithms, ALGORITHMS)
        self.assertEqual(group.references, False)
        self.assertEqual(group.page_sizes, (8192,))
        self.assertEqual(group.page_limits, ())
        self.assertEqual(group.measure, ("memory",))
        self.assertEqual((group.passes, group.turns, group.time_limit),
                         (9, None, measure.LONGEST_RUN))

    def test_everything_that_can_be_said(self):
        found = self.read("""title = "T"  # comment
curves = true
[[runs]]
algorithms = ["word", "bud"]
references = true
traces = "standard"
page_sizes = [4096, 1048576]
page_limits = [500, 1]
measure = ["times", "ideal", "recorded"]
passes = 1
turns = 1_000
time_limit = 1000000
[[runs]]
algorithms = "slab"
traces = "real"
""")
        self.assertEqual((found.title, found.curves), ("T", True))
        group, second = found.groups
        self.assertEqual(group.algorithms, ("word", "bud"))
        self.assertEqual(group.references, True)
        self.assertEqual(group.page_sizes, (4096, 1048576))
        self.assertEqual(group.page_limits, (500, 1))
        self.assertEqual(group.measure, ("times", "ideal", "recorded"))
        self.assertEqual((group.passes, group.turns, group.time_limit), (1, 1000, 10**6))
        self.assertEqual((second.number, second.line, second.algorithms), (2, 13, ("slab",)))

    def test_the_text_is_kept(self):
        text = RUNS + 'traces = "standard"\n'
        path = self.write(text)
        found = sweep_plan.read(path, ALGORITHMS)
        self.assertEqual((found.path, found.text), (path, text))

    def test_the_traces_that_ship_wherever_one_is(self):
        shipped = sorted(glob.glob(os.path.join(machine.HERE, measure.SHIPPED["standard"])))
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        group = self.group('traces = ["real", "standard"]')
        self.assertEqual([source.path for source in group.sources][-5:], shipped)
        self.assertEqual(group.sources[0].name, "cc1")

    def test_files_lie_relative_to_the_plan(self):
        self.make_trace("sub/my.ktr")
        self.make_trace("other.trace")
        group = self.group('traces = ["sub/../sub/my.ktr", "other.trace"]')
        self.assertEqual([(source.name, source.path) for source in group.sources],
                         [("my", self.path("sub/my.ktr")),
                          ("other.trace", self.path("other.trace"))])

    def test_two_groups_may_have_a_trace_in_common(self):
        self.make_trace("my.ktr")
        found = self.read((RUNS + 'traces = "my.ktr"\n') * 2)
        self.assertEqual(found.groups[0].sources, found.groups[1].sources)

    def test_the_product_in_order_with_seeds_running_fastest(self):
        names = self.names(RANDOM.replace('"log"', '["log", "linear"]')
                           .replace("1000", "[20, 10]").replace("3", "[7, 5]"))
        self.assertEqual(names, [
            f"random-{sizes}-early-{requests}-8-8000-s{seed}"
            for requests in (20, 10) for sizes in ("log", "linear") for seed in (7, 5)])

    def test_settings_of_each_generator(self):
        for settings in ('generator = "steady"\nlive = 8\nexchanges = 0\nsizes = "powers"\n'
                         "smallest = 16\nlargest = 4096",
                         'generator = "growth"\nlive = 100_000_000',
                         'generator = "stream"\nevents = 1_000_000_000_000\nlive = 1'):
            with self.subTest(settings=settings):
                source, = self.group(f"[runs.generate]\n{settings}\nseeds = 0\n").sources
                self.assertEqual((source.path, source.seed), (None, 0))
                self.assertIn(source.generator, settings)
                for name, value in source.settings:
                    self.assertIn(f"{name} = {value}", settings.replace("_", "").replace('"', ""))

    def test_a_range_of_seeds_has_both_its_ends(self):
        group = self.group(RANDOM.replace("seeds = 3", 'seeds = "1-100"'))
        self.assertEqual([source.seed for source in group.sources], list(range(1, 101)))
        group = self.group(RANDOM.replace("seeds = 3", 'seeds = "2147483647-2147483647"'))
        self.assertEqual([source.seed for source in group.sources], [2**31 - 1])

    def test_generate_as_an_inline_table_and_with_dots(self):
        dotted = "".join(f"generate.{line}\n" for line in RANDOM.splitlines()[1:])
        inline = f"generate = {{ {', '.join(RANDOM.splitlines()[1:])} }}\n"
        for text in (dotted, inline):
            self.assertEqual(self.names(text), self.names(RANDOM))

    def test_windows_line_ends_and_a_byte_order_mark(self):
        text = (RUNS + 'traces = "standard"\n').replace("\n", "\r\n")
        self.assertEqual(len(self.read(b"\xef\xbb\xbf" + text.encode()).groups), 1)
        self.refused(text + "passes = 0\r\n", 5, "passes: 0")


class Shipped(unittest.TestCase):
    def read(self, name):
        algorithms = machine.make_settings()["algorithms"].split()
        return sweep_plan.read(os.path.join(ROOT, "plans", name), algorithms), algorithms

    def test_each_is_read(self):
        found = sorted(os.listdir(os.path.join(ROOT, "plans")))
        self.assertLessEqual({"paper.toml", "scaling.toml"}, set(found))
        for name in found:
            with self.subTest(name=name):
                self.assertTrue(self.read(name)[0].title)

    def test_the_papers_are_the_runs_of_the_report(self):
        found, algorithms = self.read("paper.toml")
        self.assertTrue(found.curves)
        traces = {source.path for group in found.groups[:2] for source in group.sources}
        self.assertEqual(traces, {os.path.abspath(path) for path in measure.all_shipped()})
        for group in found.groups:
            self.assertTrue(group.references)
        growths = [(algorithm, dict(source.settings)["live"], group.turns)
                   for group in found.groups[2:] for source in group.sources
                   for algorithm in group.algorithms]
        wanted = [(algorithm, live, 1 if growth.event_count(live) > plan.LONG_REPLAY
                   else plan.GROWTH_TURNS)
                  for live in plan.LIVE for algorithm in algorithms
                  if not growth.left_out(algorithm, live)]
        self.assertEqual(sorted(growths), sorted(wanted))
        for group in found.groups[2:]:
            self.assertEqual(group.passes, plan.GROWTH_PASSES)
            self.assertEqual({source.seed for source in group.sources}, {growth.SEED})

    def test_all_but_dummy_scale(self):
        found, algorithms = self.read("scaling.toml")
        for group in found.groups:
            self.assertEqual(group.algorithms, tuple(algorithms[1:]))
            self.assertEqual((group.page_limits, group.measure), ((), ("replay",)))
        for key, most in (("live", 10**7), ("events", 10**8)):
            self.assertEqual(max(dict(source.settings).get(key, 0) for group in found.groups
                                 for source in group.sources), most)


class Refusals(PlanCase):
    """RUNS takes three lines, so what comes behind it begins in line 4."""

    def wrong(self, text, *reasons, line=4):
        """Beside a trace that is good."""
        self.refused(f'{RUNS}{text}\ntraces = "standard"\n', line, *reasons)

    def test_unknown_keys(self):
        self.refused("# so\n\ntitel = 'x'\n", 3, "'titel'", "did you mean title?")
        self.wrong("pases = 9", "'pases'", "did you mean passes?")
        self.wrong("xyz = 9", "'xyz'", "known: algorithms, traces, generate")
        self.refused(RUNS + RANDOM + "live = 3\n", 12, "'live' is no key of the generator random",
                     "requests, sizes")
        self.refused(RUNS + RANDOM + '"x\\u0007".y.z = 3\n', 12, "'x\\x07' is no key")

    def test_no_runs(self):
        for text in ("", "title = 'x'\n", "runs = []\n"):
            self.refused(text, 1, "no [[runs]]")
        self.refused("\n[runs]\nalgorithms = 'all'\n", 2, "write [[runs]]")
        self.refused("\n\nruns = 5\n", 3, "write [[runs]]")
        self.refused("runs = [\n1]\n", 1, "write [[runs]]")

    def test_top(self):
        for value in ('""', "3", '"a\\nb"', '"' + "x" * 201 + '"', "[1]"):
            self.refused(f"\ntitle = {value}\n", 2, "title: ", "line of text")
        for value in ("1", '"yes"', "[true]"):
            self.refused(f"\n\ncurves = {value}\n", 3, "curves: ", "is not true or false")

    def test_algorithms(self):
        self.refused("\n\n[[runs]]\ntraces = 'standard'\n", 3, "algorithms are missing")
        group = '[[runs]]\ntraces = "standard"\nalgorithms = '
        self.refused(group + '"budd"', 3, "algorithms: 'budd' is unknown", "did you mean bud?")
        self.refused(group + '["bud",\n "zzz" # "bud"\n]', 4, "known: all, dummy, bud")
        self.refused(group + '["bud",\n\n# "bud"\n "slab",\n"bud"]', 7, "'bud' is listed twice")
        self.refused(group + "[]", 3, "algorithms: the list is empty")
        self.refused(group + "3", 3, "algorithms: 3 is no text")
        self.refused(group + '["bud", ["slab"]]', 3, "a list is no text")
        self.refused(group + '["bud",\n"all"]', 4, '"all" stands alone')
        for name in ("libc", "glibc", "jemalloc"):
            self.refused(group + f'["bud",\n"{name}"]', 4, "references = true")

    def test_whole_numbers(self):
        for key, low, high in (("passes", 1, 10_000), ("turns", 1, 1_000),
                               ("time_limit", 1, 10**6), ("page_limits", 1, 2**28)):
            for value in (low - 1, high + 1, "true", "1.5", '"9"', "1979-05-27", "nan", "{a=1}",
                          "0x" + "f" * 4500):
                with self.subTest(key=key, value=value):
                    self.wrong(f"{key} = {value}", f"{key}: ",
                               f"is not a whole number from {low} to {high}")
            for value in (low, high):
                found = self.group(f'{key} = {value}\ntraces = "standard"\n')
                self.assertIn(getattr(found, key), (value, (value,)))
        self.wrong("passes = [9]", "passes: a list is not a whole number")

    def test_page_sizes(self):
        for value in (0, 1024, 3000, 2**21, -4096, "true", "4096.0", '"4096"'):
            self.wrong(f"page_sizes = {value}", "page_sizes: ",
                       "is not a power of two from 2048 to 1048576")
        self.wrong("page_sizes = [\n  4096,\n  # no power: 5000\n  5000,\n]", "5000", line=7)
        self.wrong("page_sizes = [4096,\n 8192, 4096]", "4096 is listed twice", line=5)
        self.wrong("page_sizes = []", "page_sizes: the list is empty")
        self.wrong("page_limits = [5,\n6,\n5]", "page_limits: 5 is listed twice", line=6)

    def test_kinds_of_measurement(self):
        self.wrong('measure = ["memory",\n"time"]', "measure: 'time' is unknown",
                   "did you mean times?", line=5)
        self.wrong('measure = "xyz"', f"known: {', '.join(jobs.KINDS)}")
        self.wrong("measure = []", "measure: the list is empty")
        self.wrong('measure = ["memory", "memory"]', "'memory' is listed twice")
        self.wrong("references = 1", "references: 1 is not true or false")

    def test_traces(self):
        self.make_trace("my.ktr")
        self.make_trace("sub/my.ktr")
        self.make_trace("1.trace")
        for value, line, reason in (
                ("[]", 4, "traces: the list is empty"),
                ('["standard",\n  "real",\n  "no.ktr",\n]', 6, "no.ktr: no such trace"),
                ('"sub"', 4, "sub: no such trace"),
                ('["standard",\n"standard"]', 5, "'standard' is listed twice"),
                ('["my.ktr",\n"./my.ktr"]', 5, "my.ktr: listed twice"),
                ('["my.ktr",\n\n"sub/my.ktr"]', 6, "its name is also that of"),
                ('["1.trace",\n"standard"]', 5, "its name is also that of"),
                ("[3]", 4, "3 is no file's name"), ('""', 4, "is no file's name"),
                ('"a\\u0000b"', 4, "is no file's name"), ('"a\\nb"', 4, "is no file's name"),
                ("'''a\nb'''", 4, "is no file's name")):
            with self.subTest(value=value):
                self.refused(f"{RUNS}traces = {value}\n", line, reason)

    def test_one_name_in_two_groups(self):
        self.make_trace("my.ktr")
        self.make_trace("sub/my.ktr")
        self.refused(f'{RUNS}traces = "my.ktr"\n{RUNS}traces = [\n"sub/my.ktr"]\n', 9,
                     "its name is also that of")
        self.make_trace("random-log-early-1000-8-8000-s3.ktr")
        self.refused(f'{RUNS}{RANDOM}{RUNS}traces = "random-log-early-1000-8-8000-s3.ktr"', 4,
                     "random-log-early-1000-8-8000-s3: so is the name of")

    def test_neither_traces_nor_generate_or_both(self):
        self.refused(f"# so\n{RUNS}passes = 9\n", 3, "traces are missing", "[runs.generate]")
        self.refused(f'{RUNS}traces = "standard"\n\n{RANDOM}', 6, "exclude each other")
        for value in ("5", '"random"', "[{seeds = 1}]"):
            self.refused(f"{RUNS}generate = {value}\n", 4, "is not one table")

    def test_generators(self):
        self.refused(RUNS + RANDOM.replace('"random"', '"randon"'), 5,
                     "generator: 'randon' is unknown", "did you mean random?")
        self.refused(RUNS + RANDOM.replace('generator = "random"', ""), 4,
                     "the generator is missing: random, steady, growth, stream")
        for line in RANDOM.splitlines()[2:]:
            name = line.split()[0]
            self.refused(RUNS + RANDOM.replace(line, ""), 4, f"generate: {name} ", "missing")

    def test_settings(self):
        for old, new, line, reason in (
                ("requests = 1000", "requests = 0", 6, "from 1 to 1073741823"),
                ("requests = 1000", "requests = [\n1,\ntrue]", 8, "requests: true is not a whole"),
                ('sizes = "log"', 'sizes = ["log", "powers"]', 7, "'powers' is unknown"),
                ('sizes = "log"', "sizes = []", 7, "sizes: the list is empty"),
                ("smallest = 8", "smallest = 8.0", 8, "smallest: 8.0 is not"),
                ("smallest = 8", "smallest = 8001", 9,
                 "largest: 8000 is less than the smallest, 8001"),
                ("smallest = 8", "smallest = [8,\n9,\n9]", 10, "smallest: 9 is listed twice"),
                ("largest = 8000", "largest = [\n8000,\n7]", 11, "largest: 7 is less"),
                ("largest = 8000", "largest = 8185", 9,
                 "largest: 8185 is more than pages of 8192 serve, 8184"),
                ('frees = "early"', 'frees = "late"', 10, "known: uniform, early")):
            with self.subTest(new=new):
                self.refused(RUNS + RANDOM.replace(old, new), line, reason)

    def test_the_smallest_page_must_serve_the_largest_size(self):
        self.refused(f"{RUNS}page_sizes = [8192, 4096]\n{RANDOM}", 10, "pages of 4096 serve, 4088")

    def test_settings_that_only_some_generators_have(self):
        for settings, line, reason in (
                ('"stream"\nlive = 1\nevents = 3', 7, "events: 3 is not even"),
                ('"stream"\nlive = 1\nevents = [2,\n1_000_000_000_002]', 8,
                 "from 2 to 1000000000000"),
                ('"growth"\nlive = 100_000_001', 6, "from 1 to 100000000"),
                ('"steady"\nlive = 1\nexchanges = -1\nsizes = "log"\nsmallest = 1\nlargest = 2', 7,
                 "from 0 to 1000000000"),
                ('"steady"\nlive = 1\nexchanges = 0\nsizes = "powers"\nsmallest = [8,\n12]\n'
                 "largest = 16", 10, "smallest: 12 is no power of two"),
                ('"steady"\nlive = 100_000_000\nexchanges = 1_000_000_000\nsizes = "log"\n'
                 "smallest = 1\nlargest = 2", 4, "2200000000 events")):
            with self.subTest(settings=settings):
                self.refused(f"{RUNS}[runs.generate]\ngenerator = {settings}\nseeds = 1\n", line,
                             reason)

    def test_seeds(self):
        for value, line, reason in (
                ("[]", 11, "seeds: the list is empty"),
                ("[1,\n2,\n1]", 13, "seeds: 1 is listed twice"),
                ("[1,\n2147483648]", 12, "from 0 to 2147483647"),
                ("-1", 11, "from 0 to 2147483647"), ("[true]", 11, "true is not a whole number"),
                ("1.0", 11, "1.0 is not a whole number"),
                ('["1-3"]', 11, "'1-3' is not a whole number"),
                ('"9-1"', 11, 'seeds: "9-1" runs down: "1-9"?'),
                ('"1-2147483648"', 11, "from 0 to 2147483647"),
                ('"5"', 11, "is no range such as"), ('"1 - 5"', 11, "is no range such as"),
                ('"1-\u0665"', 11, "is no range such as"), ('""', 11, "is no range such as"),
                (f'"1-{"9" * 5000}"', 11, "is no range such as")):
            with self.subTest(value=value):
                self.refused(RUNS + RANDOM.replace("seeds = 3", f"seeds = {value}"), line, reason)

    def test_more_runs_than_a_plan_may_have_before_they_are_expanded(self):
        self.refused(RUNS + RANDOM.replace("seeds = 3", 'seeds = "0-2147483647"'), 2,
                     f"{4 * 2**31:,} runs", "at most 10,000,000")
        lists = RANDOM
        for name, value in (("requests", "1000"), ("smallest", "8"), ("largest", "8000")):
            lists = lists.replace(f"{name} = {value}", f"{name} = {list(range(1, 5001))}")
        self.refused(RUNS + lists, 2, f"{4 * 5000**3:,} runs")
        self.refused(RUNS + "page_sizes = [2048, 4096]\npage_limits = [1, 2, 3]\n" +
                     RANDOM.replace("8000", "80").replace("seeds = 3", 'seeds = "1-500000"'), 2,
                     "12,000,000 runs")
        most = f'{RUNS}passes = 1\nmeasure = ["times"]\nturns = 500\n{RANDOM}'
        self.assertEqual(len(self.read(most.replace("seeds = 3", 'seeds = "1-2500"')).groups[0]
                             .sources), 2500)  # five millions
        self.refused(most.replace("seeds = 3", 'seeds = "1-2500"') +
                     most.replace("seeds = 3", 'seeds = "1-2501"'), 16, "10,002,000 runs")

    def test_the_second_group(self):
        good = f"{RUNS}{RANDOM}"
        self.refused(f'{good}{RUNS}passes = 0\ntraces = "real"\n', 15, "passes: 0")
        self.refused(good + good.replace("3", "[1,\n\n1]"), 24, "seeds: 1 is listed twice")
        self.refused(f"{good}\n[[runs]] # two\n\npasses = 1\n", 13, "algorithms are missing")
        self.refused(f"{good}{good.replace('early', 'late')}", 21, "frees: 'late'")

    def test_generate_with_dots_and_inline(self):
        start = RUNS + 'generate.generator = "growth"\ngenerate.seeds = 1\n'
        self.refused(start + "generate . 'live' = [1,\n 0]\n", 7, "live: 0")
        self.refused(start + "generate.lives = 1\n", 6, "did you mean live?")
        self.refused(start, 4, "live is missing")
        inline = RUNS + "\n# {\ngenerate = { live = [1,  # one\n 2, # two\n 0], "
        self.refused(inline + 'generator = "growth", seeds = 1 }', 8, "live: 0")
        self.refused(inline.replace("0]", "3]") + 'generator = "growth", "seeds" = -1 }', 8,
                     "seeds: -1")
        self.refused('runs = [\n {algorithms = "all", traces = "real"},\n'
                     ' {algorithms = "all", traces = ["real"], passes = 0},\n]\n', 3, "passes: 0")

    def test_text_that_looks_like_something_else(self):
        text = 'title = "[[runs]] # \\" = ["\n' + RUNS.replace('"all"', "'all' # [ \" {")
        self.refused(text + 'traces = [\n"standard", # "]\n\'real\', # \'\'\'\n"a#[b]"]\n', 8,
                     "a#[b]: no such trace")
        self.refused('title = """\n[[runs]]\npasses = 0\n\\"""" \n' + RUNS, 1, "title: ")
        self.refused("# [[runs]]\nx = '''\n[[runs]]\ntitle = 3\n'''\n\n" + RUNS, 2,
                     "'x' is no key")


class NoPlans(PlanCase):
    def test_no_file_a_folder_and_a_large_one(self):
        for path, reason in (("none.toml", "No such file"), (".", "Is a directory")):
            with self.assertRaises(Refusal) as caught:
                sweep_plan.read(self.path(path), ALGORITHMS)
            self.assertIn(f"{self.path(path)}: {reason}", str(caught.exception))
        self.refused(b"#" * (2**20 + 1), None, "larger than 1048576 bytes")
        self.assertEqual(self.refusal(b"#" * 2**20)[0], 1)  # it is only empty

    def test_text_that_is_no_utf_8(self):
        self.refused(b"title = 'x'\n# so\ncurves = '\xff'\n", 3, "not UTF-8")

    def test_errors_of_syntax_stand_where_they_are(self):
        good = f'{RUNS}traces = "standard"\n'
        for text, line in (("passes = \n", 5), ("passes 9\n", 5), ("passes = 9 9\n", 5),
                           ("[runs.generate\n", 5), ("\n\npasses = 1\npasses = 2\n", 8),
                           ("measure = [\n'memory'\n'times']\n", 7), ('title = "x\n', 5),
                           ("x = \"\\z\"\n", 5), ("x = " + "'" * 500 + "\n", 5)):
            with self.subTest(text=text):
                self.refused(f"{good}{text}# so\n# on\n", line, "not TOML: ")
        for text, line in (("x = '''\na\nb\n\n\n", 7), ("measure = [1,\n2\n", 6)):
            with self.subTest(text=text):
                self.refused(good + text, line, "not TOML: ", "at end of document")

    def test_what_python_cannot_read(self):
        self.refused("# so\nx = 1\ny = " + "9" * 5000 + "\n", 3, "so large a number")
        self.refused("# so\nx = " + "[" * 5000 + "\n", 2, "too deep")
        self.refused("x = " + "[\n" * 5000 + "\n", toml_lines.DEEP + 1, "too deep")
        self.refused("x = " + "{a=" * 5000 + "\n", 1, "too deep")
        self.assertIn("did you mean", self.refusal("run = " + "[" * 60 + "]" * 60)[1])

    def test_garbage_is_one_line(self):
        rand = random.Random(1)
        good = (RUNS + RANDOM).encode()
        refused = 0
        for number in range(300):
            if number % 3 == 0:
                data = rand.randbytes(rand.randrange(300))
            else:
                data = bytearray(good)
                for _ in range(rand.randrange(1, 4)):
                    data[rand.randrange(len(data))] = rand.choice(b'\n[]{}="\'#,.09ab\0\xc3')
            path = self.write(bytes(data))
            try:
                sweep_plan.read(path, ALGORITHMS)
            except Refusal:
                self.refusal(bytes(data))
                refused += 1
        self.assertGreater(refused, 200)

    def test_a_long_plan_is_refused_soon(self):
        files = "".join(f'  "{number}.trace", # so\n' for number in range(40_000))
        self.refused(f"{RUNS}page_sizes = 1\ntraces = [\n{files}]\n", 4, "page_sizes: 1")
        self.refused(f'{RUNS}measure = [\n{"# so" * 10}\n{files}]\n', 6, "measure: '0.trace'")


class Lines(unittest.TestCase):
    def test_of_everything(self):
        found = toml_lines.lines("""a = 1
"b c".'d' = [ # so
  1, "]", [2,
    3],
  { e = 4 }, { f = 5,g.h = 6 },
]
[[t]]
[t.u]
v = 1979-05-27 07:32:00
[[t]]
[[t.w]]
[[t.w]]
x = '''
y''' # z = 0
""" + '''z = """
"""""
k = 1
l = ["""a"""", "b",
"c"]
''')
        for path, line in {
                ("a",): 1, ("b c",): 2, ("b c", "d"): 2, ("b c", "d", 0): 3, ("b c", "d", 1): 3,
                ("b c", "d", 2): 3, ("b c", "d", 2, 0): 3, ("b c", "d", 2, 1): 4,
                ("b c", "d", 3): 5, ("b c", "d", 3, "e"): 5, ("b c", "d", 4): 5,
                ("b c", "d", 4, "g", "h"): 5, ("t",): 7, ("t", 0): 7, ("t", 0, "u"): 8,
                ("t", 0, "u", "v"): 9, ("t", 1): 10, ("t", 1, "w"): 11, ("t", 1, "w", 0): 11,
                ("t", 1, "w", 1): 12, ("t", 1, "w", 1, "x"): 13, ("t", 1, "w", 1, "z"): 15,
                ("t", 1, "w", 1, "k"): 17,
                ("t", 1, "w", 1, "l", 1): 18, ("t", 1, "w", 1, "l", 2): 19}.items():
            self.assertEqual(found.get(path), line, path)
        self.assertEqual(toml_lines.line_of(found, ("t", 0, "nothing", 3)), 7)
        self.assertEqual(toml_lines.line_of(found, ("nothing",)), 1)


if __name__ == "__main__":
    unittest.main()
