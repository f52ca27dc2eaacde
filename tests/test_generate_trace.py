#!/usr/bin/python3
"""testsuite/generate_trace: the traces it makes, what it refuses, and the five traces
that come with kma, whose settings are read from testsuite/README.traces."""

import importlib.machinery
import importlib.util
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESTSUITE = os.path.join(ROOT, "testsuite")
GENERATOR = os.path.join(TESTSUITE, "generate_trace")


def load_generator():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("generate_trace", GENERATOR)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("generate_trace", loader))
    loader.exec_module(module)
    return module


generator = load_generator()


def naive_insert_frees(count, placement, rand):
    """What insert_frees has to give, by plain inserts into one list."""
    events = list(range(count))
    for identifier in range(count):
        behind = events.index(identifier) + 1
        places = len(events) - behind + 1
        if placement == "early" and rand() < 0.9:
            places = math.ceil(places / 10)
        events.insert(behind + int(rand() * places), ~identifier)
    return events


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def read_trace(path):
    """The number in the first line, and the events as (id, size), size None for FREE."""
    with open(path, encoding="ascii") as file:
        announced = int(file.readline())
        events = []
        for line in file:
            match = re.fullmatch(r"REQUEST (\d+) (\d+)\n|FREE (\d+)\n", line)
            assert match, line
            identifier, size, freed = match.groups()
            events.append((int(freed), None) if size is None
                          else (int(identifier), int(size)))
    return announced, events


def max_live_bytes(events):
    sizes, live, most = {}, 0, 0
    for identifier, size in events:
        if size is None:
            live -= sizes[identifier]
        else:
            sizes[identifier] = size
            live += size
            most = max(most, live)
    return most


def statistics(output):
    """The `name: number` lines that the generator prints."""
    return {name: int(number)
            for name, number in re.findall(r"^(.+): (\d+)$", output, re.M)}


class InScratchFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_generator(self, *arguments, **options):
        return subprocess.run([GENERATOR, *arguments], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def generate(self, settings, name="out.trace", seed=1):
        done = self.run_generator(*settings.split(), name, "--no-plot",
                                  "--seed", str(seed))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.path(name), statistics(done.stdout)

    def assert_refused(self, done, statuses=(2,)):
        """One line that names the program, and nothing left behind."""
        self.assertIn(done.returncode, statuses)
        self.assertRegex(done.stderr, r"\Agenerate_trace: [^\n]+\n\Z")
        self.assertEqual(done.stdout, "")
        self.assertEqual(os.listdir(self.folder), [])


class Placement(unittest.TestCase):
    def assert_like_naive(self, count, placement, seed):
        fast, naive = random.Random(seed), random.Random(seed)
        self.assertEqual(generator.insert_frees(count, placement, fast.random),
                         naive_insert_frees(count, placement, naive.random),
                         f"{count} {placement}, seed {seed}")
        self.assertEqual(fast.random(), naive.random(), "used as many random numbers")

    def test_like_the_naive_list(self):
        for placement in ("uniform", "early"):
            for count in range(1, 60):
                for seed in range(3):
                    self.assert_like_naive(count, placement, seed)

    def test_like_the_naive_list_over_several_blocks(self):
        for placement in ("uniform", "early"):
            for count in (1023, 1024, 1025, 2048, 2049, 3500):
                self.assert_like_naive(count, placement, count)

    def test_like_the_naive_list_over_many_blocks(self):
        self.addCleanup(setattr, generator, "BLOCK_LENGTH", generator.BLOCK_LENGTH)
        for generator.BLOCK_LENGTH in (1, 2, 3, 7):
            for placement in ("uniform", "early"):
                for count in (*range(1, 35), 257):
                    self.assert_like_naive(count, placement, count)

    def test_the_ends_can_be_drawn(self):
        # The smallest and the largest number that random() can return.
        first, last = 0.0, 1 - 2**-53
        self.assertEqual(generator.insert_frees(3, "uniform", lambda: first),
                         [0, ~0, 1, ~1, 2, ~2])
        self.assertEqual(generator.insert_frees(3, "uniform", lambda: last),
                         [0, 1, 2, ~0, ~1, ~2])
        self.assertEqual(generator.insert_frees(3, "early", lambda: last),
                         [0, 1, 2, ~0, ~1, ~2])

    def share_in_first_tenth(self, placement):
        """Of the frees, judged by the finished list alone, where places are many."""
        count = 2000
        events = generator.insert_frees(count, placement, random.Random(11).random)
        position = {event: index for index, event in enumerate(events)}
        hits = judged = 0
        for identifier in range(count):
            # When this free was placed, the frees of later requests were not there.
            there = [index for index in range(position[identifier] + 1, len(events))
                     if events[index] >= ~identifier and events[index] != ~identifier]
            if len(there) < 200:
                continue
            before = sum(index < position[~identifier] for index in there)
            judged += 1
            hits += before < math.ceil((len(there) + 1) / 10)
        self.assertGreater(judged, 1500)
        return hits / judged

    def test_early_frees_are_early(self):
        self.assertAlmostEqual(self.share_in_first_tenth("early"),
                               0.9 + 0.1 * 0.1, delta=0.02)

    def test_uniform_frees_are_uniform(self):
        self.assertAlmostEqual(self.share_in_first_tenth("uniform"), 0.1, delta=0.02)


class Sizes(unittest.TestCase):
    def draw(self, distribution, low, high, count=20000):
        rand = random.Random(5).random
        return generator.draw_sizes(count, distribution, low, high, rand)

    def share_below(self, sizes, limit):
        return sum(size < limit for size in sizes) / len(sizes)

    def test_log_sizes(self):
        sizes = self.draw("log", 8, 8192)
        # Ten doublings, each as likely as the next; the geometric mean is in the middle.
        for doubling in range(1, 10):
            self.assertAlmostEqual(self.share_below(sizes, 8 * 2**doubling),
                                   doubling / 10, delta=0.015)

    def test_linear_sizes(self):
        sizes = self.draw("linear", 1000, 5000)
        for quarter in (1, 2, 3):
            self.assertAlmostEqual(self.share_below(sizes, 1000 + 1000 * quarter),
                                   quarter / 4, delta=0.015)

    def test_every_size_but_the_maximum(self):
        for distribution in ("log", "linear"):
            self.assertEqual(set(self.draw(distribution, 3, 7)), {3, 4, 5, 6})
            self.assertEqual(set(self.draw(distribution, 7, 8, 50)), {7})

    def test_extreme_random_numbers_stay_in_range(self):
        for distribution in ("log", "linear"):
            for low, high in ((1, 2), (8, 8000), (3, 2**31 - 1), (2**31 - 2, 2**31 - 1)):
                for number, expected in ((0.0, low), (1 - 2**-53, high - 1)):
                    sizes = generator.draw_sizes(1, distribution, low, high,
                                                 lambda: number)
                    self.assertEqual(sizes, [expected], f"{distribution} {low} {high}")


class Traces(InScratchFolder):
    def test_structure(self):
        for settings in ("1 linear 1 2 uniform", "1 log 5 9 early",
                         "700 log 8 1000 uniform", "3000 linear 100 2000 early"):
            with self.subTest(settings):
                count, _, low, high, _ = settings.split()
                path, said = self.generate(settings, seed=9)
                announced, events = read_trace(path)
                self.assertEqual(announced, 2 * int(count))
                self.assertEqual(len(events), announced)
                requested = [event for event in events if event[1] is not None]
                self.assertEqual([identifier for identifier, _ in requested],
                                 list(range(int(count))))
                for _, size in requested:
                    self.assertTrue(int(low) <= size < int(high), size)
                live = set()
                for identifier, size in events:
                    if size is None:
                        live.remove(identifier)
                    else:
                        live.add(identifier)
                self.assertEqual(live, set())
                self.assertEqual(said, {"allocations": int(count), "frees": int(count),
                                        "maximum bytes allocated": max_live_bytes(events),
                                        "seed": 9})

    def test_the_trace_is_what_the_seed_says(self):
        path, _ = self.generate("50 linear 8 108 early", seed=123)
        rand = random.Random(123).random
        sizes = [8 + int(rand() * 100) for _ in range(50)]
        expected = [(event, sizes[event]) if event >= 0 else (~event, None)
                    for event in naive_insert_frees(50, "early", rand)]
        self.assertEqual(read_trace(path)[1], expected)

    def test_same_seed_same_bytes(self):
        settings = "500 log 8 4000 early"
        first = read_bytes(self.generate(settings, "first", seed=4)[0])
        self.assertEqual(read_bytes(self.generate(settings, "second", seed=4)[0]), first)
        other = read_bytes(self.generate(settings, "third", seed=5)[0])
        self.assertNotEqual(other, first)

    def test_a_chosen_seed_is_printed_and_makes_the_trace_again(self):
        settings = "200 log 8 4000 uniform"
        seeds = set()
        for name in ("one", "two"):
            done = self.run_generator(*settings.split(), name, "--no-plot")
            self.assertEqual(done.returncode, 0, done.stderr)
            seed = statistics(done.stdout)["seed"]
            again, _ = self.generate(settings, "again", seed)
            self.assertEqual(read_bytes(again), read_bytes(self.path(name)))
            seeds.add(seed)
        self.assertEqual(len(seeds), 2)

    def test_options_anywhere(self):
        expected = read_bytes(self.generate("40 log 8 90 early", "expected", seed=6)[0])
        for index, line in enumerate((
                "--seed 6 --no-plot 40 log 8 90 early OUT",
                "40 --no-plot log 8 --seed 6 90 early OUT",
                "40 log 8 90 early --seed=6 OUT --no-plot")):
            name = f"out{index}"
            done = self.run_generator(*line.replace("OUT", name).split())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(read_bytes(self.path(name)), expected, line)
        self.assertEqual(len(os.listdir(self.folder)), 4, "no plots")

    def test_an_older_trace_is_replaced(self):
        with open(self.path("out.trace"), "w", encoding="ascii") as file:
            file.write("old\n" * 1000)
        path, _ = self.generate("3 log 8 90 early")
        self.assertEqual(read_trace(path)[0], 6)
        self.assertEqual(os.listdir(self.folder), ["out.trace"])


class Usage(InScratchFolder):
    def test_no_arguments_and_help(self):
        for arguments in ((), ("-h",), ("--help",), ("5", "--help")):
            done = self.run_generator(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for word in ("usage", "allocation_count", "{log|linear}", "min_request_size",
                         "max_request_size", "{uniform|early}", "out_file", "--seed",
                         "--no-plot"):
                self.assertIn(word, done.stdout)
            self.assertEqual(os.listdir(self.folder), [])

    def test_wrong_arguments(self):
        for line, told in (
                ("100", "required"),
                ("100 log 8 1000 uniform", "out_file"),
                ("100 log 8 1000 uniform out extra", "extra"),
                ("0 log 8 1000 uniform out", "allocation_count"),
                ("-5 log 8 1000 uniform out", "allocation_count"),
                ("1.5 log 8 1000 uniform out", "allocation_count"),
                ("1_0 log 8 1000 uniform out", "allocation_count"),
                ("many log 8 1000 uniform out", "allocation_count"),
                ("1073741824 log 8 1000 uniform out", "allocation_count"),
                ("9" * 5000 + " log 8 1000 uniform out", "allocation_count"),
                ("100 square 8 1000 uniform out", "square"),
                ("100 lo 8 1000 uniform out", "'lo'"),
                ("100 log 0 1000 uniform out", "min_request_size"),
                ("100 log -8 1000 uniform out", "min_request_size"),
                ("100 log 8 x uniform out", "max_request_size"),
                ("100 log 8 2147483648 uniform out", "max_request_size"),
                ("100 log 8 8 uniform out", "smaller"),
                ("100 linear 9 8 uniform out", "smaller"),
                ("100 log 8 1000 late out", "late"),
                ("100 log 8 1000 uniform out --seed", "--seed"),
                ("100 log 8 1000 uniform out --seed x", "--seed"),
                ("100 log 8 1000 uniform out --seed -1", "--seed"),
                ("100 log 8 1000 uniform out --seed 18446744073709551616", "--seed"),
                ("100 log 8 1000 uniform out --see 1", "--see"),
                ("100 log 8 1000 uniform out --plot", "--plot"),
                ("100 log 8 1000 uniform out/", "out/")):
            with self.subTest(line[:60]):
                done = self.run_generator(*line.split(" "))
                self.assert_refused(done)
                self.assertIn(told, done.stderr)

    def test_an_empty_file_name(self):
        self.assert_refused(self.run_generator(*"5 log 8 90 early".split(), ""))


class Failures(InScratchFolder):
    SETTINGS = "5000 log 8 4000 uniform".split()

    def test_a_folder_that_is_not_there(self):
        done = self.run_generator(*self.SETTINGS, self.path("nowhere/out"))
        self.assert_refused(done, (1, 2))
        self.assertIn(self.path("nowhere/out") + ":", done.stderr)

    def test_no_regular_file(self):
        for path in (self.folder, "/dev/null"):
            before = os.stat(path).st_mode
            self.assert_refused(self.run_generator(*self.SETTINGS, path), (1, 2))
            self.assertEqual(os.stat(path).st_mode, before)

    @unittest.skipIf(os.geteuid() == 0, "the superuser may write everywhere")
    def test_an_unwritable_folder(self):
        os.chmod(self.folder, 0o500)
        self.assert_refused(self.run_generator(*self.SETTINGS, "out"), (1, 2))

    def limit_file_size(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    def test_no_room_for_the_file(self):
        self.assert_refused(self.run_generator(*self.SETTINGS, "out", "--no-plot",
                                               preexec_fn=self.limit_file_size), (1, 2))

    def test_no_room_leaves_the_older_trace(self):
        path, _ = self.generate("3 log 8 90 early", "out")
        before = read_bytes(path)
        done = self.run_generator(*self.SETTINGS, "out", "--no-plot",
                                  preexec_fn=self.limit_file_size)
        self.assertIn(done.returncode, (1, 2))
        self.assertEqual(os.listdir(self.folder), ["out"])
        self.assertEqual(read_bytes(path), before)

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            running = subprocess.Popen(
                [GENERATOR, *"2000000 log 8 4000 uniform out --no-plot".split()],
                cwd=self.folder, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            deadline = time.monotonic() + 30
            while not os.listdir(self.folder) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(len(os.listdir(self.folder)), 1, "it is at work")
            running.send_signal(number)
            stdout, stderr = running.communicate()
            self.assert_refused(subprocess.CompletedProcess(
                running.args, running.returncode, stdout, stderr), (1, 2))


class Plot(InScratchFolder):
    def test_without_gnuplot(self):
        # The script names its interpreter in full, so an empty PATH hides only gnuplot.
        done = self.run_generator(*"20 log 8 90 early out".split(),
                                  env=dict(os.environ, PATH=self.path("empty")))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("gnuplot not found"), 1)
        self.assertEqual(os.listdir(self.folder), ["out"])

    def test_gnuplot_that_fails(self):
        fake = self.path("gnuplot")
        with open(fake, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho 'no such\nterminal' >&2\nexit 1\n")
        os.chmod(fake, 0o755)
        done = self.run_generator(*"20 log 8 90 early out".split(),
                                  env=dict(os.environ, PATH=self.folder))
        self.assertIn(done.returncode, (1, 2))
        self.assertEqual(done.stderr,
                         "generate_trace: gnuplot failed: no such terminal\n")
        self.assertEqual(sorted(os.listdir(self.folder)), ["gnuplot", "out"])

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_plot(self):
        for settings in ("1 linear 1 2 early", "3000 log 8 4000 uniform"):
            name = "it's {a} \\n_%d.trace"
            done = self.run_generator(*settings.split(), name)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(sorted(os.listdir(self.folder)), [name, name + ".png"])
            picture = read_bytes(self.path(name + ".png"))
            self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
            self.assertEqual(picture[-8:-4], b"IEND")

    def test_downsampling_keeps_the_peak_and_the_end(self):
        live = [abs(5000 - index) % 37 for index in range(50000)]
        live[31234] = 900
        live[-1] = 0
        points = list(generator.plot_points(live))
        self.assertLess(len(points), 5000)
        self.assertIn((31235, 900), points)
        self.assertEqual((points[0], points[-1]), ((0, 0), (50000, 0)))
        self.assertEqual(points, sorted(points))

    def test_short_traces_are_plotted_whole(self):
        live = [5, 9, 4, 9, 0]
        self.assertEqual(list(generator.plot_points(live)), [(0, 0), *enumerate(live, 1)])


class ShippedTraces(InScratchFolder):
    def rows(self):
        with open(os.path.join(TESTSUITE, "README.traces"), encoding="ascii") as file:
            return re.findall(r"^ +(\d\.trace) +(\d+) +(\w+) +(\d+) +(\d+) +(\w+)"
                              r" +(\d+) +(\d+) +(\d+)$", file.read(), re.M)

    def test_as_the_readme_says(self):
        rows = self.rows()
        self.assertEqual([row[0] for row in rows], [f"{n}.trace" for n in range(1, 6)])
        for name, count, sizes, low, high, frees, seed, events, most in rows:
            with self.subTest(name):
                settings = f"{count} {sizes} {low} {high} {frees}"
                path, said = self.generate(settings, name, seed)
                shipped = os.path.join(TESTSUITE, name)
                self.assertTrue(read_bytes(path) == read_bytes(shipped), "other bytes")
                announced, lines = read_trace(shipped)
                self.assertEqual((announced, len(lines)), (int(events), int(events)))
                self.assertEqual(max_live_bytes(lines), int(most))
                self.assertEqual(said["maximum bytes allocated"], int(most))

    def make(self, *goals):
        # The settings of a make that runs this test are not meant for this one.
        clean = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
        return subprocess.run(["make", *goals], cwd=self.folder, text=True, env=clean,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_makefile(self):
        sources = {"Makefile", "generate_trace"}
        traces = {row[0] for row in self.rows()}
        for name in sources:
            shutil.copy(os.path.join(TESTSUITE, name), self.folder)
        done = self.make()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(os.listdir(self.folder)), sources | traces)
        for name in traces:
            self.assertTrue(read_bytes(self.path(name)) ==
                            read_bytes(os.path.join(TESTSUITE, name)), name)

        done = self.make("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("2.trace"), "a", encoding="ascii") as file:
            file.write("FREE 1\n")
        self.assertNotEqual(self.make("check").returncode, 0)
        self.assertEqual(set(os.listdir(self.folder)), sources | traces)

        kept = {"mine.trace", "6.trace", "notes"}
        for name in kept | {"3.trace.png"}:
            open(self.path(name), "w", encoding="ascii").close()
        self.assertEqual(self.make("clean").returncode, 0)
        self.assertEqual(set(os.listdir(self.folder)), sources | kept)


if __name__ == "__main__":
    unittest.main()
