#!/usr/bin/python3
"""analysis/scoreboard: the rank by score, the best of the runs, failures as rows."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Prints the replay times given, one a run; $0.runs counts the runs.
STUB = """#!/bin/sh
echo run >> "$0.runs"
set -- {times}
shift $(($(wc -l < "{path}.runs") - 1))
echo "Running in competition mode"
echo "Competition average ratio: {penalty}"
echo "Replay time: $1 s"
echo "Test: PASS"
"""


class Scoreboard(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(self.folder, "t.trace"), "w") as file:
            file.write("0\n")

    def script(self, name, text):
        path = os.path.join(self.folder, f"kma_{name}")
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def stub(self, name, penalty, *times):
        path = os.path.join(self.folder, f"kma_{name}")
        self.script(name, STUB.format(times=" ".join(times), penalty=penalty, path=path))

    def board(self, names, *options):
        return subprocess.run(
            ["/usr/bin/python3", "-B", os.path.join(ROOT, "analysis/scoreboard"),
             "--algorithms", names, "--bin", self.folder, "--traces", "t.trace", *options],
            cwd=self.folder, capture_output=True, text=True)

    def rows(self, output):
        body = output.split("-----\n", 1)[1]
        return [line.split() for line in body.splitlines() if line]

    def test_ranked_by_the_best_replay_times_one_plus_penalty(self):
        self.stub("slow", "0.5", "0.004", "0.003", "0.005")      # 3 ms x 1.5 = 4.5
        self.stub("wasteful", "3.0", "0.001", "0.002", "0.002")  # 1 ms x 4.0 = 4.0
        self.stub("tight", "0.25", "0.009", "0.008", "0.002")    # 2 ms x 1.25 = 2.5
        done = self.board("slow wasteful tight", "--runs", "3")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [(row[0], row[1], row[2], row[4]) for row in self.rows(done.stdout)]
        self.assertEqual(found, [("tight", "0.2500", "2.000", "2.500"),
                                 ("wasteful", "3.0000", "1.000", "4.000"),
                                 ("slow", "0.5000", "3.000", "4.500")])

    def test_the_executables_take_turns_and_each_runs_as_often_as_asked(self):
        self.stub("a", "0", "0.001", "0.001")
        self.stub("b", "0", "0.002", "0.002")
        self.board("a b", "--runs", "2")
        for name in "ab":
            with open(os.path.join(self.folder, f"kma_{name}.runs")) as file:
                self.assertEqual(file.read(), "run\n" * 2)

    def test_a_failure_is_a_row_that_says_why(self):
        self.stub("good", "0", "0.001")
        self.script("bad", "#!/bin/sh\necho 't.trace:7: it broke' >&2\nexit 1\n")
        self.script("silent", "#!/bin/sh\necho 'Test: PASS'\n")
        done = self.board("missing bad silent good", "--runs", "1")
        self.assertEqual(done.returncode, 1)
        rows = self.rows(done.stdout)
        self.assertEqual(rows[0][0], "good")
        said = {row[0]: " ".join(row[1:]) for row in rows[1:]}
        self.assertIn("t.trace:7: it broke", said["bad"])
        self.assertIn("it prints no line 'Replay time'", said["silent"])
        self.assertIn("No such file", said["missing"])

    def test_wrong_words_are_refused(self):
        for options in (["--runs", "0"], ["--traces", "nowhere.trace"], ["--frob"]):
            with self.subTest(options=options):
                done = self.board("a", *options)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))


if __name__ == "__main__":
    unittest.main()
