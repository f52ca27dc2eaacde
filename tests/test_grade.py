#!/usr/bin/python3
"""The hand-in and its grading: what `make handin` packs, and what testsuite/grade says
of it, with our reference files and with those of a course (tests/course)."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from shared import ROOT, without_make

GRADED = ["RM", "BUD", "P2FL", "LZBUD", "MCK2"]


def make(*arguments, folder=ROOT, **environment):
    return subprocess.run(["make", "-s", *arguments], cwd=folder, capture_output=True,
                          text=True, env=dict(without_make(), **environment))


def grade(tarball, **environment):
    return subprocess.run([os.path.join(ROOT, "testsuite/grade"), tarball], text=True,
                          capture_output=True, env=dict(without_make(), **environment))


class Grading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.tarball = os.path.join(cls.folder, "handin.tar.gz")
        done = make("handin", f"HANDIN={cls.tarball}")
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def changed_handin(self, name, change):
        """A copy of the hand-in in which the file `name` is what change makes of it."""
        folder = os.path.join(self.folder, "changed")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        with tarfile.open(self.tarball) as archive:
            archive.extractall(folder)
        with open(os.path.join(folder, name)) as file:
            text = file.read()
        with open(os.path.join(folder, name), "w") as file:
            file.write(change(text))
        tarball = os.path.join(self.folder, "changed.tar.gz")
        with tarfile.open(tarball, "w:gz") as archive:
            for entry in os.listdir(folder):
                archive.add(os.path.join(folder, entry), entry)
        return tarball

    def test_handin_holds_the_files_a_course_asks_for(self):
        with tarfile.open(self.tarball) as archive:
            names = set(archive.getnames())
        expected = {"Makefile", "DOC"} | {
            name for name in os.listdir(ROOT) if re.fullmatch(r".*\.[ch]", name)}
        self.assertEqual(names, expected)

    def test_handin_is_named_after_team_and_version(self):
        done = make("handin", "TEAM=blue", "VERSION=7", "-n")
        self.assertIn("blue-7-kma.tar.gz", done.stdout)

    def test_everything_passes_and_earns_every_point(self):
        done = grade(self.tarball)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name in GRADED:
            self.assertIn(f"Algorithm KMA_{name}: PASSED", done.stdout)
            self.assertIn(f"Compiling KMA_{name}: 0 warnings, 0 errors", done.stdout)
        for number in range(1, 6):
            lines = re.findall(rf"^Trace {number}\.trace: PASSED$", done.stdout, re.M)
            self.assertEqual(len(lines), len(GRADED))
        self.assertRegex(done.stdout, r"(?m)^Best time of five runs: \d+\.\d+ s$")
        self.assertRegex(done.stdout, r"(?m)^Competition score: \d+\.\d+$")
        self.assertRegex(done.stdout, r"(?m)^    none$")  # no malloc in algorithms
        self.assertIn("Points: 150 of 150", done.stdout)

    def test_the_handin_survives_a_course_s_own_files(self):
        done = grade(self.tarball, REFERENCE=os.path.join(ROOT, "tests/course"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Points: 150 of 150", done.stdout)

    def test_the_competition_follows_the_algorithm_named(self):
        folder = os.path.join(self.folder, "competition")
        os.mkdir(folder)
        with tarfile.open(self.tarball) as archive:
            archive.extractall(folder)
        for name in ("kma.h", "kma.c", "kma_page.h", "kma_page.c"):
            shutil.copy(os.path.join(ROOT, "tests/course", name), folder)
        pages = {}
        for name in ("KMA_DUMMY", "KMA_BUD", "KMA_DUMMY"):
            done = make("competition", f"COMPETITION={name}", folder=folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            played = subprocess.run(["./kma_competition", os.path.join(ROOT, "testsuite/1.trace")],
                                    cwd=folder, capture_output=True, text=True).stdout
            pages[name] = int(re.search(r"In Use: +(\d+)/", played).group(1))
        self.assertEqual(pages["KMA_DUMMY"], 100)  # one for each request of the trace
        self.assertLess(pages["KMA_BUD"], 100)

    def test_a_wrong_algorithm_fails_alone(self):
        tarball = self.changed_handin("kma_bud.c", lambda text: text.replace(
            "void kma_free(void *ptr, kma_size_t size)\n{",
            "void kma_free(void *ptr, kma_size_t size)\n{\n    if (size > 100)\n        return;"))
        done = grade(tarball)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Algorithm KMA_BUD: FAILED", done.stdout)
        self.assertIn("Algorithm KMA_RM: PASSED", done.stdout)
        self.assertRegex(done.stdout, r"Trace 1\.trace: failed\n +\S")
        self.assertIn("Points: 105 of 150", done.stdout)

    def test_warnings_cost_points_and_malloc_is_listed(self):
        tarball = self.changed_handin("kma_p2fl.c", lambda text: text.replace(
            "int kma_audit(void)\n{",
            "#include <stdlib.h>\nint kma_audit(void)\n{\n"
            "    int never_used;\n    free(malloc (3));", 1))
        done = grade(tarball)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Compiling KMA_P2FL: 1 warnings, 0 errors", done.stdout)
        self.assertRegex(done.stdout, r"kma_p2fl\.c:\d+: +free\(malloc \(3\)\);")
        self.assertIn("Points: 148 of 150", done.stdout)

    def test_a_file_that_is_no_tarball(self):
        with tempfile.NamedTemporaryFile() as file:
            done = grade(file.name)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be unpacked", done.stderr)


if __name__ == "__main__":
    unittest.main()
