#!/usr/bin/python3
"""analysis/sweep on this machine with damaged files, changed traces and bad disks: what is half
done is not taken in, what is done is not lost, and what is wrong is one line."""

import json
import os
import shutil
import subprocess
import sys
import unittest

from shared import read
from sweep_case import SWEEP, SweepCase, group, random_group

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(SWEEP))
import sweep_db  # noqa: E402


class Outcomes(SweepCase):
    def test_what_is_no_outcome_is_not_taken_in(self):
        self.plan(group(traces="b.trace", algorithms="bud"))
        self.sweep()
        good, = self.rows()
        with self.database() as database, database:
            database.execute("UPDATE runs SET state = 'waiting', penalty = NULL")
        key = good["key"]
        where = {"host": "elsewhere", "engine": "local"}
        summary = {"penalty": -1.0, "events": 60}
        whole = json.dumps({"key": key, "outcome": {"summary": summary}, "where": where})
        for text in ("", "{", whole[:-5], "[]", "null", "5", "{}", "[" * 100_000,
                     json.dumps({"key": key}),
                     json.dumps({"key": key, "outcome": None, "where": where}),
                     json.dumps({"key": key, "outcome": {}, "where": where}),
                     json.dumps({"key": key, "outcome": 5, "where": where}),
                     json.dumps({"key": key, "outcome": "abc", "where": where}),
                     json.dumps({"key": key, "outcome": {"summary": []}, "where": where}),
                     json.dumps({"key": key, "outcome": {"failure": 5}, "where": where}),
                     json.dumps({"key": key, "outcome": {"summary": summary}}),
                     json.dumps({"key": key, "outcome": {"summary": summary}, "where": 5}),
                     whole.replace(key, "another-key")):
            self.write(os.path.join("out", "done", f"{key}.json"), text)
            with self.database() as database, database:
                database.execute("UPDATE runs SET state = 'waiting'")
            done = self.taken_in()
            self.assertEqual(done, ([], []), text[:200])
        for name in (key, "odd"):
            self.write(os.path.join("out", "done", f"{name}.json"), "{")
        self.write(os.path.join("out", "done", "foreign.json"),
                   whole.replace(key, "foreign"))
        self.write(os.path.join("out", "done", f"{key}.json.1234.part"), whole)
        self.write(os.path.join("out", "done", f"{key}.heapmap"), "")
        os.mkdir(self.path("out", "done", "folder.json"))
        before = len(self.log())
        self.sweep("--resume")
        self.assertEqual(len(self.log()) - before, 1)
        found, = self.rows("1")
        self.assertEqual((found["penalty"], found["host"]), (good["penalty"], good["host"]))
        self.assertEqual(os.listdir(self.path("out", "done")), ["folder.json"])
        with self.database() as database:
            self.assertEqual([row["key"] for row in database.execute("SELECT key FROM outcomes")],
                             [key])

    def taken_in(self):
        with sweep_db.Database(self.path("out", "sweep.db"), write=True) as database:
            return database.gather(self.path("out", "done"), False)

    def test_outcomes_of_a_killed_driver_are_kept_when_the_plan_changes(self):
        """They lie in the folder when it is killed before it took them in."""
        self.plan(random_group([1, 2], algorithms="bud"))
        self.sweep()
        first, second = self.rows()
        self.put_back(second)
        self.plan(random_group([1], algorithms="bud"))
        self.sweep("--resume")
        self.plan(random_group([1, 2], algorithms="bud"))
        self.sweep("--resume")
        self.assertEqual(len(self.log()), 2)
        self.assertEqual([row["penalty"] for row in self.rows()],
                         [first["penalty"], second["penalty"]])

    def put_back(self, row):
        """As if the run had ended, and the database had not taken it in yet."""
        with sweep_db.Database(self.path("out", "sweep.db")) as database:
            outcome, _ = database.outcome(row["key"])
        self.write(os.path.join("out", "done", f"{row['key']}.json"), json.dumps(
            {"key": row["key"], "outcome": outcome, "where": {"host": row["host"]}}))
        with self.database() as database, database:
            database.execute("UPDATE runs SET state = 'waiting', penalty = NULL WHERE key = ?",
                             (row["key"],))
            database.execute("DELETE FROM outcomes WHERE key = ?", (row["key"],))

    def test_a_trace_that_changes_or_vanishes(self):
        self.plan(group(algorithms="bud", traces=["a.trace", "b.trace"]))
        for change, while_replaying, said in (
                ("rm b.trace", "a", "no such trace"),
                ("cp a.trace b.trace", "a", "changed since the sweep was planned"),
                ("cp a.trace b.trace", "b", "changed while it was replayed")):
            with self.subTest(said):
                shutil.copy(self.path("b.trace"), self.path("aside"))
                self.wrap("bud", before=f'case "$*" in */{while_replaying}.trace) '
                          f'[ -e changed ] || {{ touch changed; {change}; }} ;; esac')
                done = self.sweep("--jobs", "1", status=1)
                self.assertRegex(done.stdout, f"memory kma_bud b.trace: .*b.trace: {said}")
                lost, = self.rows("state = 'lost'")
                self.assertEqual((lost["trace"], lost["penalty"]), ("b.trace", None))
                os.rename(self.path("aside"), self.path("b.trace"))
                before = len(self.log())
                self.sweep("--resume")
                self.assertEqual([run.trace for run in self.log()[before:]], ["b.trace"])
                self.assertEqual(self.states(), {"done": 2})
                shutil.rmtree(self.path("out"))
                os.unlink(self.path("changed"))


    def test_an_executable_that_is_built_anew_meanwhile(self):
        """What is run after that is not taken for what was planned."""
        other = self.path("bin", "kma_bud")
        self.wrap("dummy", before='case "$*" in */1.trace) ;; *) echo ": changed" >> '
                  f"{other} ;; esac")
        self.plan(group())
        done = self.sweep("--jobs", "1", status=1)
        self.assertRegex(done.stdout, "memory kma_bud b.trace: .*kma_bud: changed since the sweep")
        self.assertEqual([row["algorithm"] for row in self.rows("state = 'lost'")],
                         ["bud"] * self.states()["lost"])
        self.wrap("dummy", before=":")
        before = len(self.log())
        self.sweep("--resume")
        self.assertEqual([run.algorithm for run in self.log()[before:]].count("bud"), 2)


class Repeated(SweepCase):
    def test_a_repeat_that_comes_to_nothing_costs_no_figures(self):
        """Turns 1 and 2 are calm and disturbed; of the repeat of turn 2 the system is at fault."""
        self.wrap("bud", last=r'''case "$*" in *--latency*) ;; *) exec "$@" ;; esac
number=$(grep -c latency log)
[ $number -lt 3 ] || { echo "no room" >&2; exit 2; }
"$@" || exit
while [ "$1" != --json ]; do shift; done
sed -i "s/\"probe_ns\": [0-9.e+]*/\"probe_ns\": ${number}00000/" "$2"''')
        self.plan(group(algorithms="bud", traces="b.trace", measure="times"))
        self.sweep("--retries", "1")
        self.assertEqual(len(self.log()), 3)
        self.assertEqual([(row["state"], row["replay_probe_ns"], row["failure"],
                           row["attempts"]) for row in self.rows()],
                         [("done", 100000, None, 0), ("done", 200000, None, 0)])


class Databases(SweepCase):
    def refused_until_mended(self, spoil, mend, said):
        """One line and nothing lost, then all as if nothing had been."""
        self.plan(random_group([1, 2]))
        self.sweep()
        self.plan(random_group([1, 2, 3]))
        spoil()
        for arguments in (["--resume"], []):
            self.assertRegex(self.refusal(*arguments), said)
        mend()
        self.sweep("--resume")
        self.assertEqual(self.states(), {"done": 6})
        self.assertEqual(len(self.log()), 6)

    def spoilt(self, data):
        path, aside = self.path("out", "sweep.db"), self.path("aside.db")

        def spoil():
            shutil.copy(path, aside)
            with open(path, "r+b") as file:
                file.write(data)
        return spoil, lambda: shutil.copy(aside, path)

    def test_not_sqlite(self):
        self.refused_until_mended(*self.spoilt(b"these are no pages of a database"),
                                  "out/sweep.db: file is not a database")
        self.spoilt(b"x" * 16)[0]()
        for name in ("status", "cancel", "statistics"):
            self.assertEqual(self.ask(name, status=2), "")

    def test_damaged(self):
        self.refused_until_mended(*self.spoilt(b"SQLite format 3\0" + b"\x10\0\1\1\0\x40\x20\x20" +
                                               b"\xff" * 8000), "out/sweep.db: .*malformed")

    def test_of_another_version(self):
        def put(version):
            with self.database() as database, database:
                database.execute("UPDATE sweep SET value = ? WHERE name = 'format'", (version,))
        self.refused_until_mended(lambda: put("0"), lambda: put("1"),
                                  "out/sweep.db: written by another version")

    def test_another_programs(self):
        self.plan()
        os.mkdir(self.path("out"))
        with self.database() as database, database:
            database.execute("CREATE TABLE songs (name TEXT)")
        for arguments in (["--resume"], []):
            self.assertIn("this is no database of a sweep", self.refusal(*arguments))
        with self.database() as database:
            self.assertEqual(len(database.execute("SELECT * FROM sqlite_master").fetchall()), 1)

    def test_one_without_a_sweep(self):
        """As SQLite leaves it where the driver is killed before there is a plan in it."""
        self.plan()
        os.mkdir(self.path("out"))
        sweep_db.Database(self.path("out", "sweep.db"), write=True).close()
        self.assertTrue(os.path.exists(self.path("out", "sweep.db")))
        self.assertEqual(self.ask("status", status=2), "")
        self.sweep()
        self.assertEqual(self.states(), {"done": 4})

    def test_a_file_in_the_folders_place(self):
        self.plan()
        self.write("out", "mine")
        self.refusal()
        self.assertEqual(read(self.path("out")), "mine")


@unittest.skipUnless(os.geteuid() == 0, "only root mounts a disk")
class Disks(SweepCase):
    """A disk of its own under the sweep's folder."""

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("out"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs",
                               self.path("out")], capture_output=True, text=True)
        if done.returncode:
            self.skipTest(f"no disk can be mounted: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("out")])

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path("out")], check=True)

    def test_full(self):
        """It fills up when some runs are done."""
        fill = "dd if=/dev/zero of=out/filler bs=4k 2>/dev/null"
        self.wrap("bud", before='[ $(grep -c "^start" log) -lt 8 ] || [ -e filled ] || '
                  f'{{ touch filled; {fill}; }}')
        self.plan(random_group("1-10"))
        said = self.refusal("--jobs", "1")
        self.assertRegex(said, "out/.*: (No space left on device|database or disk is full)")
        self.refusal("--resume")
        os.unlink(self.path("out", "filler"))
        before, finished = len(self.log()), self.finished()
        self.assertGreaterEqual(len(finished), 4)
        self.sweep("--resume")
        self.assertEqual(len(self.log()) - before, 20 - len(finished))
        self.assertEqual(self.states(), {"done": 20})
        self.assertEqual(self.files(".part"), [])

    def test_read_only(self):
        self.plan(random_group([1]))
        self.remount("ro")
        self.assertIn("out/.lock: Read-only file system", self.refusal())
        self.remount("rw")
        self.sweep()
        self.plan(random_group([1, 2]))
        self.remount("ro")
        self.assertIn("out/.lock: Read-only file system", self.refusal("--resume"))
        self.assertIn("complete", self.ask("status"))
        self.assertEqual(len(self.ask("export", "--csv", "-").splitlines()), 3)
        self.remount("rw")
        self.sweep("--resume")
        self.assertEqual(len(self.log()), 4)


if __name__ == "__main__":
    unittest.main()
