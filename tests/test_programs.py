#!/usr/bin/python3
"""analysis/programs: real programs on every libkma_<algorithm>.so, with the output of a plain
run; and the script itself, with libraries that are wrong on purpose.

The libraries are those under KMA_BUILD."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from shared import ROOT, read, write_script
from test_compare import complaints

ANALYSIS = os.path.join(ROOT, "analysis")
BUILD = os.path.abspath(os.environ.get("KMA_BUILD", ROOT))
ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
CC = os.environ.get("KMA_CC", "gcc")
M32 = bool(os.environ.get("KMA_M32"))
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import programs_list  # noqa: E402
import programs_results  # noqa: E402
import references  # noqa: E402
from programs_results import ProgramRow  # noqa: E402

NO_LIBRARIES = ("sanitize" in os.path.basename(BUILD) and
                "the sanitizers want to be preloaded first")

COMPILER = f"{CC} -m32" if M32 else CC

# A malloc that is glibc's, with something wrong.
BEGIN = """
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
void *__libc_malloc(size_t), *__libc_realloc(void *, size_t);
static _Atomic int calls; /* threads make them */
"""
GOOD = BEGIN + "void *malloc(size_t n) { calls++; return __libc_malloc(n); }\n"
FAULTS = {
    # What grows loses a bit on its way.
    "corrupt": GOOD + """void *realloc(void *p, size_t n) {
        char *block = __libc_realloc(p, n);
        if (block && n >= 16384) block[n / 4] ^= 1;
        return block;
    }""",
    "crash": BEGIN + "void *malloc(size_t n) { if (calls++ == 500) abort(); return __libc_malloc(n); }",
    "refuse": BEGIN + "void *malloc(size_t n) { return calls++ < 500 ? __libc_malloc(n) : NULL; }",
    "hang": BEGIN + "void *malloc(size_t n) { if (calls++ == 500) for (;;) pause(); return __libc_malloc(n); }",
    "chat": BEGIN + """void *malloc(size_t n) {
        if (calls++ == 500 && write(2, "here I am\\n", 10)) return __libc_malloc(n);
        return __libc_malloc(n);
    }""",
    "none": "int kma_nothing;",
    "good": GOOD,
}


def processes_of(folder):
    """Of whose command line the folder is a part."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if folder.encode() in file.read():
                found.append(int(name))
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.scratch = self.path("tmp")
        os.mkdir(self.scratch)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def library(self, *faults):
        for name in faults:
            with open(self.path(f"{name}.c"), "w", encoding="ascii") as file:
                file.write(FAULTS[name])
            subprocess.run([*COMPILER.split(), "-shared", "-fPIC", "-O1", "-w", self.path(f"{name}.c"),
                            "-o", self.path(f"libkma_{name}.so")], check=True)

    def command(self, *arguments):
        return [PYTHON, "-B", os.path.join(ANALYSIS, "programs"), "--cc", COMPILER, *arguments]

    def programs(self, *arguments, status=0, programs="threads", **environment):
        """Runs the script on the libraries of the test and returns (stdout, lines of stderr)."""
        done = subprocess.run(
            self.command("--bin", self.folder, "--out", self.path("out"), "--quick",
                         "--programs", programs, *arguments),
            cwd=self.folder, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=300,
            env=dict(os.environ, TMPDIR=self.scratch, **environment))
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        self.assertEqual(os.listdir(self.scratch), [], "something is left")
        return done.stdout, done.stderr.splitlines()

    def found(self):
        with open(self.path("out", "programs.json"), encoding="utf-8") as file:
            return json.load(file)

    def failure(self, name, *arguments, programs="threads"):
        """The one line on a library that has to fail, and why the results say so."""
        self.library(name)
        _, lines = self.programs("--algorithms", name, *arguments, status=1, programs=programs)
        self.assertEqual(len(lines), 1, lines)
        rows = {row["algorithm"]: row for row in self.found()["rows"]}
        self.assertIsNone(rows["libc"]["failure"])
        self.assertEqual(rows[name]["wall_s"], [])
        self.assertTrue(lines[0].startswith(
            f"programs: {programs} with libkma_{name}.so: {rows[name]['failure']}"), lines)
        return lines[0], rows[name]["failure"]

    def kept(self, name, file):
        return read(self.path("out", "failed", f"threads-{name}", file))


@unittest.skipIf(NO_LIBRARIES, NO_LIBRARIES)
class OnEveryAlgorithm(unittest.TestCase):
    """A test for each program is added below."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kma-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.done = subprocess.run(
            [PYTHON, "-B", os.path.join(ANALYSIS, "programs"), "--bin", BUILD, "--quick", "--cc",
             COMPILER, "--algorithms", " ".join(ALGORITHMS), "--out", cls.folder],
            text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=1000,
            env={**os.environ, "TMPDIR": cls.folder})
        cls.programs, cls.rows, cls.results = {}, [], None
        with contextlib.suppress(FileNotFoundError), \
                open(os.path.join(cls.folder, "programs.json"), encoding="utf-8") as file:
            cls.results = json.load(file)
            cls.programs = {one["program"]: one for one in cls.results["programs"]}
            cls.rows = cls.results["rows"]

    def same_output(self, name):
        self.assertIn(name, self.programs, self.done.stderr)
        rows = {row["algorithm"]: row["failure"] for row in self.rows if row["program"] == name}
        if self.programs[name]["skipped"]:
            self.assertEqual(rows, {})
            self.skipTest(f"{name}: {self.programs[name]['skipped']}")
        self.assertEqual(rows, dict.fromkeys(["libc", *ALGORITHMS]), self.done.stderr)

    def test_the_results_are_as_the_schema_says(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        schema = json.loads(read(os.path.join(ANALYSIS, "programs.schema.json")))
        self.assertEqual(complaints(self.results, schema), [])
        self.assertEqual(os.listdir(self.folder), ["programs.json"])
        for row in self.rows:
            self.assertEqual((len(row["wall_s"]), len(row["cpu_s"]), len(row["peak_bytes"])),
                             (1, 1, 1), row)
            self.assertGreater(row["peak_bytes"][0], 500_000, row)


def _of_program(name):
    return lambda self: self.same_output(name)


for _name in programs_list.NAMES:
    setattr(OnEveryAlgorithm, f"test_{_name.replace('-', '_')}", _of_program(_name))


@unittest.skipIf(NO_LIBRARIES, NO_LIBRARIES)
class WrongLibraries(Case):
    def test_output_that_differs(self):
        line, why = self.failure("corrupt")
        self.assertRegex(why, r"^its output is not the plain run's, from line \d+ on$")
        self.assertTrue(line.endswith(f"what it wrote is in {self.path('out', 'failed', 'threads-corrupt')}"))
        self.assertNotEqual(self.kept("corrupt", "output"), self.kept("corrupt", "expected"))
        self.assertRegex(self.kept("corrupt", "expected"), r"^\d+ words\n")

    def test_a_crash(self):
        _, why = self.failure("crash")
        self.assertTrue(why.startswith("ended by SIGABRT"), why)

    def test_no_memory(self):
        _, why = self.failure("refuse")
        self.assertEqual(why, "exit status 1: threads: out of memory")
        self.assertIn("out of memory", self.kept("refuse", "errors"))

    def test_no_end(self):
        _, why = self.failure("hang", "--timeout", "2")
        self.assertEqual(why, "no end after 2 s")
        self.assertEqual(processes_of(self.scratch), [])

    def test_words_on_standard_error(self):
        _, why = self.failure("chat")
        self.assertEqual(why, "its standard error is not the plain run's, from line 1 on")
        self.assertEqual(self.kept("chat", "errors"), "here I am\n")

    def test_a_library_that_does_not_take_over(self):
        line, why = self.failure("none")
        self.assertRegex(why, r"^its malloc is that of .*libc\.so\.6$")
        self.assertNotIn("what it wrote", line)

    @unittest.skipIf(M32, "Python is a 64-bit program")
    def test_a_test_of_pythons_that_fails(self):
        """A library may only be seen by what the program says of itself."""
        FAULTS["few"] = BEGIN + """void *malloc(size_t n) {
            return n > 250000 ? NULL : __libc_malloc(n);
        }"""
        self.library("few")
        _, lines = self.programs("--algorithms", "few", status=1, programs="python")
        self.assertIn("python with libkma_few.so: exit status 1", lines[0])

    def test_the_others_go_on(self):
        self.library("crash", "good")
        stdout, lines = self.programs("--algorithms", "crash good", status=1)
        rows = {row["algorithm"]: row for row in self.found()["rows"]}
        self.assertEqual([name for name in rows if rows[name]["failure"]], ["crash"])
        self.assertGreater(rows["good"]["wall_ratio"], 0)
        self.assertIn("2 of 3 runs as the plain one, of 1 program with 3 allocators", stdout)

    def test_what_a_run_before_kept_is_gone(self):
        self.failure("crash")
        self.library("good")
        self.programs("--algorithms", "good")
        self.assertFalse(os.path.exists(self.path("out", "failed")))


@unittest.skipIf(NO_LIBRARIES, NO_LIBRARIES)
class Runs(Case):
    def test_a_table_with_rounds(self):
        self.library("good")
        done = subprocess.run(
            self.command("--bin", self.folder, "--out", self.path("out"), "--programs", "threads",
                         "--algorithms", "good", "--repeat", "2", "--references"),
            text=True, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        for title in ("Time by the clock", "Time of the processors", "Largest resident set"):
            self.assertIn(title, done.stdout)
        found = self.found()
        self.assertEqual(found["settings"], {"rounds": 2, "quick": False, "pages": "mmap"})
        names = [row["algorithm"] for row in found["rows"]]
        self.assertEqual(names[:2], ["libc", "good"])
        kinds = {row["algorithm"]: row["kind"] for row in found["rows"]}
        self.assertEqual([kinds.pop("good"), *set(kinds.values())], ["algorithm", "reference"])
        installed = references.installed(self.path("libkma_good.so"))
        self.assertEqual(list(kinds), list(installed), "every reference that there is")
        for row in found["rows"]:
            self.assertEqual(len(row["wall_s"]), 2)
            self.assertEqual(row["algorithm"] == "libc", row["wall_ratio"] == 1 == row["peak_ratio"]
                             and row["cpu_ratio"] == 1)

    def test_what_is_missing_is_skipped_with_a_line(self):
        self.library("good")
        os.mkdir(self.path("bin"))
        for name in os.listdir("/usr/bin"):
            if not name.startswith(("redis", "sqlite")):
                os.symlink(os.path.join("/usr/bin", name), self.path("bin", name))
        _, lines = self.programs("--algorithms", "good", programs="threads redis sqlite",
                                 PATH=self.path("bin"))
        self.assertEqual(lines, [
            "programs: sqlite is skipped: sqlite3 is not installed: analysis/need sqlite3",
            "programs: redis is skipped: redis-check-rdb is not installed: analysis/need redis"])
        found = self.found()
        self.assertEqual({row["program"] for row in found["rows"]}, {"threads"})
        self.assertEqual([one["program"] for one in found["programs"] if one["skipped"]],
                         ["sqlite", "redis"])

    def another_ls(self, action):
        """The PATH with an ls of our own."""
        self.library("good")
        os.mkdir(self.path("bin"))
        with open(self.path("ls.c"), "w", encoding="ascii") as file:
            file.write("#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                       f"int main(void) {{ free(malloc(1)); {action}; }}\n")
        subprocess.run([*COMPILER.split(), "-O0", self.path("ls.c"), "-o", self.path("bin", "ls")],
                       check=True)
        return f"{self.path('bin')}:{os.environ['PATH']}"

    def test_a_program_that_changes_by_itself(self):
        """It is not the library's fault, and that is said."""
        path = self.another_ls('printf("%d\\n", getpid())')
        _, lines = self.programs("--algorithms", "good", programs="ls", status=1, PATH=path)
        self.assertIn("ls with libkma_good.so: its output is not the plain run's, from line 1 on, "
                      "nor is a second plain run's; ", lines[0])

    def test_a_plain_run_that_fails(self):
        path = self.another_ls('fputs("no\\n", stderr); return 7')
        _, lines = self.programs("--algorithms", "good", programs="ls", status=1, PATH=path)
        self.assertEqual(lines, ["programs: ls with libc: exit status 7: no; what it wrote is in "
                                 f"{self.path('out', 'failed', 'ls-libc')}"])
        failures = {row["algorithm"]: row["failure"] for row in self.found()["rows"]}
        self.assertEqual(failures["good"], "the plain run failed: exit status 7: no")

    def test_a_program_that_preloading_cannot_reach(self):
        self.library("good")
        os.mkdir(self.path("bin"))
        write_script(self.path("bin", "ls"), "#!/bin/sh\n")
        _, lines = self.programs("--algorithms", "good", programs="ls",
                                 PATH=f"{self.path('bin')}:{os.environ['PATH']}")
        self.assertEqual(lines, ["programs: ls is skipped: no library has the malloc of "
                                 f"{self.path('bin', 'ls')}"])

    def test_a_signal_ends_everything(self):
        self.library("hang")
        for number, mode in ((signal.SIGTERM, ["--quick"]), (signal.SIGINT, [])):
            with self.subTest(signal=number):
                self.stop_with(number, mode)

    def stop_with(self, number, mode):
        with subprocess.Popen(
                self.command("--bin", self.folder, "--out", self.path("out"), "--programs",
                             "threads", "--algorithms", "hang", *mode), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, TMPDIR=self.scratch)) as child:
            deadline = time.monotonic() + 60
            while not self.hangs() and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertTrue(self.hangs(), "it never came so far")
            child.send_signal(number)
            _, stderr = child.communicate(timeout=60)
        self.assertEqual((child.returncode, stderr), (130, "programs: interrupted\n"))
        self.assertEqual(processes_of(self.scratch), [])
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertFalse(os.path.exists(self.path("out", "programs.json")))

    def hangs(self):
        """Whether a program is under way with the library, which stops it for good."""
        for number in processes_of(self.scratch):
            with contextlib.suppress(OSError), open(f"/proc/{number}/maps", encoding="utf-8") as file:
                if "libkma_hang.so" in file.read() and self.waits(number):
                    return True
        return False

    def waits(self, number):
        with open(f"/proc/{number}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"

    def test_no_matter_what_the_environment_says(self):
        """Not even that the libraries are to report."""
        self.programs("--bin", BUILD, "--algorithms", ALGORITHMS[-1], programs="threads git",
                      KMA_STATS="1", LC_ALL="nowhere", HOME="/nonexistent", GIT_DIR="/nonexistent",
                      GIT_CONFIG_COUNT="x", LD_PRELOAD="", TZ="Asia/Kathmandu")


class Refusals(Case):
    def refused(self, expected, *arguments):
        done = subprocess.run(self.command(*arguments), cwd=self.folder, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(expected, done.stderr)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_wrong_words(self):
        good = ("--bin", ".", "--algorithms", "bud", "--out", "out")
        self.refused("--out", "--bin", ".", "--algorithms", "bud")
        self.refused("no program is called 'emacs'", *good, "--programs", "ls emacs")
        self.refused("is not a whole number", *good, "--repeat", "0")
        self.refused("is not a whole number", *good, "--timeout", "-1")
        self.refused("no name of an algorithm", *good, "--algorithms", "../bud")
        self.refused("comes by itself", *good, "--algorithms", "bud,jemalloc")
        self.refused("unrecognized", *good, "--frob")

    def test_a_library_that_is_not_there(self):
        self.refused("libkma_bud.so: it is not there", "--bin", ".", "--algorithms", "bud",
                     "--out", "out")

    def test_a_compiler_that_fails(self):
        self.library("good")
        done = subprocess.run(self.command("--bin", ".", "--algorithms", "good", "--out", "out",
                                           "--cc", "false"), cwd=self.folder, text=True,
                              capture_output=True, env=dict(os.environ, TMPDIR=self.scratch))
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("usage.c cannot be compiled", done.stderr)
        self.assertEqual(os.listdir(self.scratch), [])


class Usage(Case):
    """tests/programs/usage.c, which starts everything."""

    def setUp(self):
        super().setUp()
        subprocess.run([*CC.split(), "-D_GNU_SOURCE", "-O1", os.path.join(programs_list.FOLDER, "usage.c"),
                        "-o", self.path("usage")], check=True)

    def usage(self, *command, seconds="20", preload=""):
        done = subprocess.run([self.path("usage"), self.path("report"), seconds, preload, *command],
                              capture_output=True, text=True, timeout=60)
        with contextlib.suppress(FileNotFoundError):
            wall, user, system, kib, status = read(self.path("report")).split()
            return done, float(wall), float(user) + float(system), int(kib), int(status)
        return done, None, None, None, None

    def test_the_largest_process_counts_and_not_who_started_it(self):
        """This process is larger than what it starts."""
        ballast = bytearray(os.urandom(1 << 20)) * 80
        *_, small, status = self.usage("/bin/sh", "-c", "true; true")
        self.assertEqual(status, 0)
        self.assertLess(small, 20_000)
        code = "block = bytearray(b'x' * (100 << 20))"
        *_, large, _ = self.usage("/bin/sh", "-c", f'{PYTHON} -S -c "{code}"; true')
        self.assertGreater(large, 100 << 10)
        self.assertLess(large, 250 << 10)
        del ballast

    def test_times_are_those_of_all_processes(self):
        work = f"{PYTHON} -S -c 'while __import__(\"time\").process_time() < 0.3: pass'"
        _, wall, cpu, _, _ = self.usage("/bin/sh", "-c", f"{work} & {work}; wait")
        self.assertGreater(cpu, 0.55)
        self.assertGreater(wall, 0.25)

    def test_nothing_lives_on(self):
        done, *_, status = self.usage("/bin/sh", "-c",
                                      f"sleep 987 & setsid sleep 987 {self.folder} & exit 3")
        self.assertEqual((done.returncode, status >> 8), (0, 3))
        self.assertEqual(processes_of(self.folder), [])
        begin = time.monotonic()
        done, wall, *_ = self.usage("/bin/sh", "-c", f"setsid sh -c 'sleep 987; : {self.folder}'",
                                    seconds="1")
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(done.returncode, 4)
        self.assertEqual(processes_of(self.folder), [])

    def test_only_the_command_gets_the_library(self):
        done, *_ = self.usage("/bin/sh", "-c", 'echo "$LD_PRELOAD"', preload="/nonexistent.so")
        self.assertEqual(done.stdout, "/nonexistent.so\n")
        self.assertNotIn("usage", done.stderr)


class Results(unittest.TestCase):
    """Ratios, targets and tables, of made-up figures."""

    def row(self, program, algorithm, wall, peak, kind="algorithm"):
        return ProgramRow(program, algorithm, kind, None, list(wall), list(wall), list(peak))

    def rows(self):
        rows = [self.row("a", "libc", (1, 2, 4), (100, 100, 100), "reference"),
                self.row("a", "slab", (2, 2, 6), (105, 100, 300)),
                self.row("a", "rm", (9, 18, 36), (120, 120, 120)),
                self.row("b", "libc", (1, 1, 1), (1000,) * 3, "reference"),
                self.row("b", "slab", (1.6, 1.6, 1.7), (1200,) * 3),
                self.row("b", "rm", (1, 1, 1), (1300,) * 3)]
        for row in rows:
            row.compare(rows[0 if row.program == "a" else 3])
        return rows

    def test_ratios_are_medians_of_those_of_each_round(self):
        rows = self.rows()
        self.assertEqual([row.wall_ratio for row in rows], [1, 1.5, 9, 1, 1.6, 1])
        self.assertEqual([row.peak_ratio for row in rows], [1, 1.05, 1.2, 1, 1.2, 1.3])

    def test_targets(self):
        rows = self.rows()
        said = [str(one) for one in programs_results.missed(rows)]
        self.assertEqual(said, [
            "b: slab takes 1.60 of glibc's time; aimed at: 1.50",
            "b: the least peak is slab's, 1.20 of glibc's; aimed at: 1.10 with one algorithm at least"])
        rows[4].wall_s[0] = 1
        rows[4].compare(rows[3])
        self.assertEqual([one.figure for one in programs_results.missed(rows)], ["peak"],
                         "once it was fast enough")

    def test_tables(self):
        rows = self.rows()
        rows[2].fail("it broke")
        rows[2].compare(rows[0])
        self.assertEqual(programs_results.cells(rows, "wall"), (
            ["program", "libc s", "slab", "rm"],
            [["a", "2.00", "1.50", "failed"], ["b", "1.00", "1.60!", "1.00"]]))
        self.assertEqual(programs_results.cells(rows, "peak")[1][1], ["b", "0.0", "1.20!", "1.30"])
        lines = programs_results.text_table(rows, "cpu")
        self.assertEqual(lines[-2].split(), ["a", "2.00", "1.50", "failed"])

    def test_mean_of_ratios(self):
        self.assertAlmostEqual(programs_results.mean([0.5, 2]), 1)
        found = {"rows": self.rows()}
        self.assertEqual([one["algorithm"] for one in programs_results.points(found)],
                         ["libc", "slab", "rm"])
        found["rows"][1].fail("it broke")
        found["rows"][1].compare(found["rows"][0])
        self.assertEqual([one["algorithm"] for one in programs_results.points(found)], ["libc", "rm"])


if __name__ == "__main__":
    unittest.main()
