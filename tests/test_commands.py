#!/usr/bin/python3
"""The commands a person types besides the executables: what make offers, the manual
pages, installing, the runner of one test case, valgrind over the short traces."""

import os
import re
import subprocess
import tempfile
import unittest

from shared import ROOT, without_make

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", ROOT))
ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()


TOOLS = ["record", "convert", "info", "cut", "merge", "sample", "generate"]


def run(*command, folder=ROOT):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True,
                          env=without_make())


def sanitized():
    return "sanitize" in os.path.basename(BUILD)


class Make(unittest.TestCase):
    def test_help_lists_every_command_of_the_readme(self):
        listed = run("make", "-s", "help").stdout
        with open(os.path.join(ROOT, "README.md")) as file:
            commands = re.findall(r"`make ([a-z][a-zA-Z-]*)[ `]", file.read())
        self.assertIn("test", commands)
        for command in commands:
            with self.subTest(command=command):
                self.assertRegex(listed, rf"(?m)^  make {command} ")

    def test_the_algorithm_in_the_competition_is_one_of_ours(self):
        name = run("make", "-s", "competitionAlgorithm").stdout
        self.assertRegex(name, r"^KMA_[A-Z0-9_]+\n$")
        self.assertIn(name[4:-1].lower(), ALGORITHMS)

    def test_install_and_uninstall(self):
        libraries = [] if sanitized() else \
            ["libkma.a", *(f"libkma_{name}.so" for name in ALGORITHMS)]
        with tempfile.TemporaryDirectory() as folder:
            # The executables are there already: only the copying is tested.
            done = run("make", "-s", "-o", "all", "-o", "capture", "install",
                       f"PREFIX={folder}/usr", f"LIBRARIES={' '.join(libraries)}",
                       f"PROGRAMS={' '.join('kma_' + name for name in ALGORITHMS)}")
            self.assertEqual(done.returncode, 0, done.stderr)
            for name in ALGORITHMS:
                self.assertTrue(os.access(f"{folder}/usr/bin/kma_{name}", os.X_OK))
                self.assertTrue(os.path.exists(f"{folder}/usr/share/man/man1/kma_{name}.1"))
            self.assertTrue(os.path.exists(f"{folder}/usr/share/man/man5/kma-trace.5"))
            for name in TOOLS:
                self.assertTrue(os.access(f"{folder}/usr/bin/kma-{name}", os.X_OK))
                self.assertTrue(os.path.exists(f"{folder}/usr/share/man/man1/kma-{name}.1"))
            for name in libraries:
                self.assertTrue(os.path.exists(f"{folder}/usr/lib/kma/{name}"))
            self.record_with(f"{folder}/usr/bin/kma-record", folder)
            run("make", "-s", "uninstall", f"PREFIX={folder}/usr")
            left = [name for _, _, names in os.walk(f"{folder}/usr") for name in names]
            self.assertEqual(left, [])

    def record_with(self, tool, folder):
        """It finds its library where that was installed."""
        if sanitized() or os.environ.get("KMA_M32"):
            return
        done = run(tool, "program", "-o", f"{folder}/t.ktr", "--", "sh", "-c", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.exists(f"{folder}/t.ktr"))


class Manual(unittest.TestCase):
    def test_the_pages_are_clean(self):
        done = run("mandoc", "-Tlint", "-Wwarning", "man/kma.1", "man/kma-trace.5",
                   "man/kma-capture.1", "man/libkma.3")
        self.assertEqual((done.stdout, done.returncode), ("", 0))

    def described(self, page, *command):
        text = re.sub(r".\x08", "", run("mandoc", "-Tascii", page).stdout)
        for option in set(re.findall(r"--[a-z-]+", run(*command, "--help").stdout)):
            with self.subTest(command=command, option=option):
                self.assertIn(option, text)

    def test_every_option_of_the_driver_is_described(self):
        self.described("man/kma.1", os.path.join(BUILD, "kma_bud"))

    def test_every_option_of_the_tools_is_described(self):
        for tool in (*TOOLS, "record kernel", "record program"):
            self.described("man/kma-capture.1", *os.path.join(BUILD, "capture", tool).split())


class OneTestCase(unittest.TestCase):
    def run_testcase(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            done = run(os.path.join(ROOT, "testsuite/run_testcase.sh"), *arguments,
                       folder=folder)
            self.assertEqual(os.listdir(folder), [], "a file is left behind")
        return done

    def test_passed(self):
        done = self.run_testcase(os.path.join(BUILD, "kma_bud"),
                                 os.path.join(ROOT, "testsuite/1.trace"))
        self.assertEqual((done.stdout, done.returncode), ("Trace 1.trace: PASSED\n", 0))

    def test_failed_shows_the_tail(self):
        done = self.run_testcase(os.path.join(BUILD, "kma_bud"),
                                 os.path.join(ROOT, "README.md"))  # which is no trace
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"^Trace README\.md: failed\n +\S")

    def test_wrong_usage(self):
        self.assertEqual(self.run_testcase("only-one").returncode, 2)


class Leak(unittest.TestCase):
    @unittest.skipIf(sanitized(), "valgrind cannot run programs built with sanitizers")
    def test_nothing_is_found_in_the_algorithms(self):
        programs = [os.path.join(BUILD, f"kma_{name}") for name in ALGORITHMS]
        done = run("tests/leak", *programs, "--", "testsuite/1.trace", "testsuite/2.trace")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count("no error, nothing lost"), len(ALGORITHMS))

    @unittest.skipIf(sanitized(), "valgrind cannot run programs built with sanitizers")
    def test_use_of_a_freed_page_is_found(self):
        # A sample that writes into a page after giving it back.
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "late.c")
            with open(source, "w") as file:
                file.write("""
                    #include <stdlib.h>
                    #include "kma.h"
                    #include "kma_page.h"
                    void error(char *message, char *arg) { (void)message; (void)arg; exit(1); }
                    int main(void) {
                        kma_page_t *page = get_page();
                        char *bytes = page->ptr;
                        free_page(page);
                        bytes[100] = 1;
                        return 0;
                    }""")
            program = os.path.join(folder, "late")
            subprocess.run(["gcc", "-g", "-I", ROOT, "-D_GNU_SOURCE", source,
                            os.path.join(ROOT, "kma_page.c"), "-o", program], check=True)
            done = run("tests/leak", program, "--", "/dev/null")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Invalid write", done.stdout)


if __name__ == "__main__":
    unittest.main()
