"""The database of a sweep: what is to be run, what has been, and what was found.

Its tables are described in sweep_schema.sql. Outcomes come as files in a folder, each written
whole; gather() takes them in and removes them only when the database has them for good, so a
sweep that is killed anywhere finds every finished run again, in one place or the other."""

import contextlib
import json
import os
import sqlite3
import zlib

from common import Refusal
from sweep_records import (figures, picture_beside, read_record, records, remove_record,
                           without_curves)

NAME = "sweep.db"
FORMAT = "1"
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sweep_schema.sql")

WAITING, DONE, FAILED, LOST = "waiting", "done", "failed", "lost"
STATES = (DONE, FAILED, LOST, WAITING)

BUSY_SECONDS = 60  # that a reader waits for a writer to be done

@contextlib.contextmanager
def told(path):
    """What SQLite complains about is one line for the user."""
    try:
        yield
    except sqlite3.Error as problem:
        raise Refusal(f"{path}: {problem}") from None


def begun(path):
    """Whether there is a sweep. One that was killed before it had a plan is none."""
    if not os.path.isfile(path):
        return False
    with told(path), contextlib.closing(sqlite3.connect(path, BUSY_SECONDS)) as connection:
        return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0


class Database:
    """Open for reading, or for writing as the one who drives the sweep."""

    def __init__(self, path, write=False):
        self.path = path
        if not write and not os.path.isfile(path):
            raise Refusal(f"{path}: there is no such sweep")
        with told(path):
            # Workers' threads come in turn, by the lock of who owns this.
            self.connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, check_same_thread=False)
            self.connection.row_factory = sqlite3.Row
            if write and not self._tables():
                # With the first plan() it is there for good: no sweep is without a plan.
                with open(SCHEMA, encoding="utf-8") as file:
                    self.connection.executescript(
                        f"BEGIN;\n{file.read()}\n"
                        f"INSERT INTO sweep VALUES ('format', '{FORMAT}');")
            if "sweep" not in self._tables():
                raise Refusal(f"{path}: this is no database of a sweep")
        if self.get("format") != FORMAT:
            raise Refusal(f"{path}: written by another version")
        self.columns = [row["name"] for row in self._all("PRAGMA table_info(runs)")]

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _all(self, statement, *values):
        with told(self.path):
            return self.connection.execute(statement, values).fetchall()

    def _tables(self):
        return {row["name"] for row in self._all("SELECT name FROM sqlite_master")}

    @contextlib.contextmanager
    def writing(self):
        """All of it or nothing."""
        with told(self.path), self.connection:
            yield self.connection

    # ---- what the sweep is

    def get(self, name):
        found = self._all("SELECT value FROM sweep WHERE name = ?", name)
        return found[0]["value"] if found else None

    # ---- runs

    def plan(self, rows, about):
        """Makes `rows` the plan: dicts of the columns that go in. What is known of a run by
        its key stays; what the plan has no longer is kept where it was finished. `about`:
        what is said of the sweep."""
        names = list(rows[0]) if rows else []
        marks = ", ".join("?" for _ in names)
        updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != "key")
        with self.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO sweep VALUES (?, ?)", about.items())
            connection.execute("UPDATE runs SET in_plan = 0")
            connection.executemany(
                f"INSERT INTO runs ({', '.join(names)}, in_plan, state, attempts) "
                f"VALUES ({marks}, 1, '{WAITING}', 0) "
                f"ON CONFLICT (key) DO UPDATE SET in_plan = 1, {updates}",
                ([row[name] for name in names] for row in rows))
            connection.execute(f"DELETE FROM runs WHERE in_plan = 0 AND "
                               f"state IN ('{WAITING}', '{LOST}')")

    def try_again(self):
        """What was lost has all of its attempts again."""
        with self.writing() as connection:
            connection.execute(f"UPDATE runs SET state = '{WAITING}', attempts = 0, "
                               f"failure = NULL WHERE state = '{LOST}'")

    def rows(self, where="in_plan = 1", *values):
        """Rows of runs as dicts, in the order of the plan."""
        found = self._all(f"SELECT * FROM runs WHERE {where} ORDER BY number, key", *values)
        return [dict(row) for row in found]

    def keys(self, *states):
        marks = ", ".join("?" for _ in states)
        return {row["key"] for row in self._all(
            f"SELECT key FROM runs WHERE in_plan = 1 AND state IN ({marks})", *states)}

    def counts(self):
        """{state: runs in the plan}"""
        found = dict.fromkeys(STATES, 0)
        for row in self._all("SELECT state, count(*) AS runs FROM runs WHERE in_plan = 1 "
                             "GROUP BY state"):
            found[row["state"]] = row["runs"]
        return found

    def totals(self):
        """Of each kind in each state: runs, weight, seconds."""
        return [dict(row) for row in self._all(
            "SELECT kind, state, count(*) AS runs, sum(weight) AS weight, "
            "sum(seconds) AS seconds FROM runs WHERE in_plan = 1 GROUP BY kind, state "
            "ORDER BY min(number)")]

    def spent(self):
        """Of the finished runs of each kind and algorithm on traces that differ only in their
        seeds: runs, seconds, weight, the weight of a pass, and what one of the traces is."""
        return [dict(row) for row in self._all(
            "SELECT kind, algorithm, min(source) AS source, count(*) AS runs, "
            "sum(seconds) AS seconds, sum(weight) AS weight, "
            "sum(weight / passes) AS weight_of_a_pass FROM runs "
            f"WHERE state = '{DONE}' AND seconds > 0 GROUP BY kind, algorithm, family")]

    def bytes_of_outcomes(self):
        """{key: bytes}"""
        return {row["key"]: row["bytes"] for row in self._all(
            "SELECT key, length(json) + ifnull(length(heapmap), 0) AS bytes FROM outcomes")}

    def outcome(self, key):
        """(outcome, picture of its pages or None), None where there is none."""
        found = self._all("SELECT json, heapmap FROM outcomes WHERE key = ?", key)
        return (json.loads(zlib.decompress(found[0]["json"])), found[0]["heapmap"]) if found \
            else None

    def _record(self, connection, record, heapmap, curves):
        outcome = record["outcome"]
        values = {name: value for name, value in figures(outcome).items()
                  if name in self.columns}
        values.update({name: value for name, value in record["where"].items()
                       if name in self.columns})
        values["failure"] = outcome.get("failure")
        values["state"] = FAILED if "failure" in outcome else DONE
        for name in ("trace", "algorithm", "page_size"):  # of the plan, not of the summary
            values.pop(name, None)
        assignments = ", ".join(f"{name} = ?" for name in values)
        known = connection.execute(f"UPDATE runs SET {assignments} WHERE key = ?",
                                   (*values.values(), record["key"])).rowcount
        if not known:
            return  # of a plan that was changed before it was done
        kept = outcome if curves else without_curves(outcome)
        connection.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)",
                           (record["key"], zlib.compress(json.dumps(kept).encode()),
                            heapmap if curves else None))

    def note_problem(self, key, why):
        """A run ended without an outcome."""
        with self.writing() as connection:
            connection.execute("UPDATE runs SET attempts = attempts + 1, failure = ? "
                               "WHERE key = ?", (why, key))

    def note_task(self, keys, why, log, unexplained):
        """A task ended without outcomes of these runs, some of which did not say why."""
        for key in unexplained:
            self.note_problem(key, why)
        with self.writing() as connection:
            connection.executemany("UPDATE runs SET log = ? WHERE key = ?",
                                   ((log, key) for key in keys))

    def give_up(self, keys):
        with self.writing() as connection:
            connection.executemany(f"UPDATE runs SET state = '{LOST}' WHERE key = ?",
                                   ((key,) for key in keys))

    def finished(self):
        return self.keys(DONE, FAILED)

    def ever_finished(self):
        """Also of an earlier plan: it need not be done again should this one have it, too."""
        return {row["key"] for row in self._all(
            "SELECT key FROM runs WHERE state IN (?, ?)", DONE, FAILED)}

    # ---- tasks of a cluster

    def tasks(self, state=None):
        return [dict(row) for row in self._all(
            "SELECT * FROM tasks WHERE state = ?1 OR ?1 IS NULL ORDER BY submission, task",
            state)]

    def last_submission(self):
        """Its number, from 1; 0: there was none."""
        return self._all("SELECT ifnull(max(submission), 0) AS last FROM tasks")[0]["last"]

    def add_tasks(self, submission, tasks):
        """`tasks`: (timed, runs, attempt) of each."""
        with self.writing() as connection:
            connection.executemany(
                "INSERT INTO tasks (submission, task, timed, runs, attempt, state) "
                "VALUES (?, ?, ?, ?, ?, 'submitted')",
                ((submission, number, int(timed), runs, attempt)
                 for number, (timed, runs, attempt) in enumerate(tasks)))

    def drop_tasks(self, submission):
        with self.writing() as connection:
            connection.execute("DELETE FROM tasks WHERE submission = ?", (submission,))

    def name_array(self, submission, array):
        with self.writing() as connection:
            connection.execute("UPDATE tasks SET slurm_job = ? WHERE submission = ? "
                               "AND slurm_job IS NULL", (array, submission))

    def leave_queue(self, places):
        """`places`: (submission, task) of each. Returns {place: number of its array}."""
        with self.writing() as connection:
            connection.executemany("UPDATE tasks SET state = 'left' WHERE submission = ? AND "
                                   "task = ?", places)
        return {place: self._all("SELECT slurm_job FROM tasks WHERE submission = ? AND task = ?",
                                 *place)[0]["slurm_job"] for place in places}

    # ---- files with outcomes

    def gather(self, folder, curves, marks=None):
        """Takes in what lies in `folder`. Returns the keys, those first that have an outcome
        now, then those that ended without one. With `marks`, a set of keys that have an outcome
        already, these are passed over, and what is taken in stays in the folder: a mark for
        whoever starts the same task again."""
        taken, problems = [], []
        with self.writing() as connection:
            for path in records(folder):
                key = os.path.basename(path).removesuffix(".json")
                if marks is not None and key in marks:
                    continue
                record = read_record(path, key)
                if record is None:
                    remove_record(folder, key)  # cut short, by a power cut: as if it never ended
                elif record["outcome"].get("passing"):
                    problems.append((key, record["outcome"]["failure"]))
                else:
                    self._record(connection, record, picture_beside(path), curves)
                    taken.append(key)
        for key, why in problems:
            self.note_problem(key, why)
            remove_record(folder, key)
        if marks is None:
            for key in taken:
                remove_record(folder, key)
        return taken, [key for key, _ in problems]
