#!/usr/bin/python3
"""libkma_<algorithm>.so as the malloc of programs: what malloc and its family promise, at
every stage of a process's life, in threads, with little memory, and what KMA_PAGES, KMA_STATS
and KMA_CHECK say."""

import ctypes
import os
import re
import resource
import shutil
import subprocess
import tempfile
import unittest

from preload_case import (ALGORITHMS, FOLDER, SOURCES, Setting, PreloadTest, compiled,
                          library, run_with, needs_libraries)

FAMILY = ["aligned_alloc", "calloc", "free", "malloc", "malloc_usable_size", "memalign",
          "posix_memalign", "pvalloc", "realloc", "reallocarray", "valloc"]
STAGES = ["before all constructors", "library's constructor", "constructor", "main",
          "blocks of a library", "data of threads", "libraries that come and go",
          "data of the main thread", "last thread", "exit handlers", "destructor",
          "library's destructor"]
LITTLE = 96 << 20  # bytes of addresses: the C library's own few MiB, and some
ADDR_NO_RANDOMIZE = 0x0040000  # of personality(2)
TELLS_ALL = "bt"  # knows of every address what it is


def limit(what):
    resource.setrlimit(what, (LITTLE, resource.RLIM_INFINITY))


def at_the_same_addresses():
    """In each run: how many tables of pages an algorithm needs hangs on where they lie."""
    if ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE) < 0:
        raise OSError("personality")


@needs_libraries
class ProgramsTest(PreloadTest):
    """Each a program of named cases; the last line is the case that failed, or `passed`."""

    def cases_pass(self, name, *cases, **options):
        program = compiled(name, *options.pop("options", ()))

        def check(setting):
            said = self.passes(setting, program, *cases, **options)
            self.assertEqual(said.splitlines()[-1], "passed")
        self.everywhere(check)

    def test_conformance(self):
        self.cases_pass("conformance")

    def test_every_stage_of_a_process(self):
        linked = compiled("life_library", "-shared", "-fPIC", output="liblife.so")
        plugin = compiled("plugin", "-shared", "-fPIC", output="plugin.so")
        life = compiled("life", linked, f"-Wl,-rpath,{FOLDER}")
        self.everywhere(lambda setting: self.assertEqual(
            self.passes(setting, life, plugin).splitlines(), STAGES))

    def test_forks(self):
        self.cases_pass("forks")

    def test_signals(self):
        self.cases_pass("signals")

    def test_threads(self):
        self.cases_pass("threads")

    def test_the_break_and_limits(self):
        self.cases_pass("limits")

    def test_names_of_the_program(self):
        self.cases_pass("own_names", options=("-rdynamic",))

    def test_started_with_little_address_space(self):
        self.cases_pass("limits", "resized_at_the_limit", preexec_fn=lambda:
                        limit(resource.RLIMIT_AS))

    def test_started_with_little_data(self):
        self.cases_pass("limits", "break_that_rises", preexec_fn=lambda:
                        limit(resource.RLIMIT_DATA))


@needs_libraries
class SettingsTest(PreloadTest):
    def test_exports(self):
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm=algorithm):
                told = subprocess.run(["nm", "-D", "--defined-only", library(algorithm)],
                                      check=True, capture_output=True, text=True).stdout
                names = sorted(line.split()[-1] for line in told.splitlines())
                self.assertEqual(names, FAMILY)

    def test_a_value_that_a_setting_does_not_have(self):
        program = compiled("counted", output="refused")
        for name, value in (("KMA_PAGES", "nonsense"), ("KMA_STATS", "2"),
                            ("KMA_CHECK", "yes")):
            for algorithm in ALGORITHMS:
                with self.subTest(setting=name, algorithm=algorithm):
                    source = value if name == "KMA_PAGES" else "mmap"
                    result = run_with(Setting(algorithm, source), program, "0", "0", "nothing",
                                      settings={name: value})
                    self.assertEqual((result.returncode, result.stdout), (2, ""))
                    self.assertRegex(result.stderr, rf"\A.*libkma_{algorithm}.*{value}.*\n\Z")

    def test_a_source_that_is_not_named(self):
        program = compiled("counted", output="default")
        result = run_with(Setting("bud", ""), program, "100", "1000", "nothing",
                          settings={"KMA_STATS": "1"})
        self.assertRegex(result.stderr, r" 0 brk, [1-9]\d* mmap")

    def test_nothing_is_said_unasked(self):
        program = compiled("counted", output="silent")
        for name in ("KMA_STATS", "KMA_CHECK"):
            self.everywhere(lambda setting, name=name: self.assertEqual(
                self.passes(setting, program, "100", "1000", "nothing",
                            settings={name: ""}), ""))


@needs_libraries
class StatsTest(PreloadTest):
    @classmethod
    def setUpClass(cls):
        cls.program = compiled("counted")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma_test_preload_")
        self.addCleanup(shutil.rmtree, self.folder)

    def needs_same_addresses(self):
        try:
            subprocess.run(["true"], check=True, preexec_fn=at_the_same_addresses)
        except subprocess.SubprocessError:
            self.skipTest("programs cannot be given the same addresses here")

    def lines(self, setting, blocks, size, what="nothing", **options):
        """Of each process that ended, what was said of it, less its number."""
        result = self.ends_well(setting, self.program, str(blocks), str(size), what,
                                settings={"KMA_STATS": "1"}, **options)
        return re.sub(r"\[\d+\]", "", result.stderr or "").splitlines()

    def figures(self, line):
        found = {}
        for name, pattern in (("calls", r"(\d+) calls\b"),
                              ("requested", r"(\d+) bytes requested"),
                              ("pages", r"(\d+) page bytes"),
                              ("utilization", r"utilization (\d\.\d+)"),
                              ("brk", r"(\d+) brk\b"), ("mmap", r"(\d+) mmap\b"),
                              ("back", r"(\d+) bytes given back")):
            match = re.search(pattern, line)
            self.assertIsNotNone(match, f"{pattern} in {line}")
            found[name] = float(match[1]) if name == "utilization" else int(match[1])
        return found

    def test_figures(self):
        self.needs_same_addresses()

        def check(setting):
            few, = self.lines(setting, 100, 1000, preexec_fn=at_the_same_addresses)
            self.assertEqual(self.lines(setting, 100, 1000, preexec_fn=at_the_same_addresses),
                             [few])
            self.assertTrue(few.startswith(f"libkma_{setting.algorithm}"), few)
            self.assertIn("counted", few)
            many, = self.lines(setting, 250, 1000, preexec_fn=at_the_same_addresses)
            few, many = self.figures(few), self.figures(many)
            self.assertEqual(many["calls"] - few["calls"], 2 * (150 + 15))
            self.assertEqual(many["requested"] - few["requested"], 150 * 1000)
            for figures in (few, many):
                self.assertGreaterEqual(figures["pages"], figures["requested"])
                self.assertEqual(figures["pages"] % 4096, 0)
                self.assertAlmostEqual(figures["utilization"],
                                       figures["requested"] / figures["pages"], delta=0.001)
            self.assertGreater(many["pages"], few["pages"])
            self.assertEqual(few["brk"] > 0, setting.source == "brk")
            self.assertGreater(few["mmap"], 0)
        self.everywhere(check)

    def test_bytes_given_back(self):
        size = 40 << 20
        self.everywhere(lambda setting: self.assertGreaterEqual(
            self.figures(self.lines(setting, 3, size)[0])["back"], 3 * size), ["bud", "bt"])

    def test_a_program_that_closes_its_standard_error(self):
        self.needs_same_addresses()
        self.everywhere(lambda setting: self.assertEqual(
            self.lines(setting, 100, 1000, "close_stderr_at_exit",
                       preexec_fn=at_the_same_addresses),
            self.lines(setting, 100, 1000, preexec_fn=at_the_same_addresses)), ["bud"])

    def test_files_of_the_program_stay_its_own(self):
        path = os.path.join(self.folder, "own-file")
        self.lines(Setting("bud", "mmap"), 1, 10, "take_all_descriptors", cwd=self.folder)
        self.assertEqual(os.path.getsize(path), 0)
        os.unlink(path)
        self.lines(Setting("bud", "mmap"), 1, 10, "open_a_file", cwd=self.folder,
                   stderr=None, preexec_fn=lambda: os.close(2))
        self.assertEqual(os.path.getsize(path), 0)

    def test_descriptors_are_not_handed_on(self):
        lines = self.lines(Setting("bud", "mmap"), 1, 10, "look_at_descriptors")
        self.assertEqual(len(lines), 1)

    def test_a_child_has_figures_of_its_own(self):
        self.needs_same_addresses()
        child, parent = self.lines(Setting("bud", "mmap"), 100, 1000, "fork_a_child",
                                   preexec_fn=at_the_same_addresses)
        alone, = self.lines(Setting("bud", "mmap"), 100, 1000,
                            preexec_fn=at_the_same_addresses)
        self.assertEqual(parent, alone)
        self.assertEqual(self.figures(child)["calls"], 6)
        self.assertEqual(self.figures(child)["requested"], 30)


@needs_libraries
class CheckTest(PreloadTest):
    def refuses(self, setting, *cases):
        """A line for each address that the program frees and should not, and no other."""
        result = self.ends_well(setting, self.program, *cases, settings={"KMA_CHECK": "1"})
        announced = re.findall(r"^0x[0-9a-f]+$", result.stdout, re.M)
        lines = [line for line in result.stderr.splitlines() if "cannot tell" not in line]
        self.assertEqual([re.findall(r"\b0x[0-9a-f]+\b", line) for line in lines],
                         [[address] for address in announced])
        self.assertGreater(len(announced), 0)
        return lines

    @classmethod
    def setUpClass(cls):
        cls.program = compiled("checked")

    def test_frees_of_what_is_no_block(self):
        self.everywhere(lambda setting: self.refuses(setting), [TELLS_ALL])

    def test_why(self):
        for source in SOURCES:
            setting = Setting(TELLS_ALL, source)
            for line in self.refuses(setting, "inside_of_blocks"):
                self.assertRegex(line, "inside|never returned")
            for line in self.refuses(setting, "freed_twice"):
                self.assertRegex(line, "freed already|no longer in use")

    def test_what_every_algorithm_can_tell(self):
        self.everywhere(lambda setting: self.refuses(setting, "no_blocks_at_all",
                                                     "large_blocks_twice"))

    def test_an_algorithm_that_cannot_tell_says_so(self):
        program = compiled("own_names", output="cannot_tell")

        def check(setting):
            said = self.ends_well(setting, program, settings={"KMA_CHECK": "1"}).stderr
            self.assertRegex(said, rf"\Alibkma_{setting.algorithm}.*KMA_CHECK.* cannot tell"
                                   r".*\n\Z")
        self.everywhere(check, [name for name in ALGORITHMS if name != TELLS_ALL])
        self.assertEqual(self.passes(Setting(TELLS_ALL, "mmap"), program,
                                     settings={"KMA_CHECK": "1"}), "workload\npassed\n")

    def test_programs_that_are_watched_work_as_others_do(self):
        watched = {"KMA_CHECK": "1", "KMA_STATS": "1"}
        for name, cases in (("conformance", ()), ("threads", ("stress",))):
            program = compiled(name, output=f"watched_{name}")
            self.everywhere(lambda setting, program=program, cases=cases: self.assertEqual(
                self.ends_well(setting, program, *cases,
                               settings=watched).stdout.splitlines()[-1], "passed"),
                            sources=("mmap",))


if __name__ == "__main__":
    unittest.main()
