"""What the tests of analysis/sweep share: a folder with executables that write down each run, a
plan, the command, and what the database says afterwards."""

import collections
import contextlib
import functools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

from driver_case import program, simple_events, trace_text
from shared import ROOT, read, write_script

SWEEP = os.path.join(ROOT, "analysis", "sweep")
PYTHON = "/usr/bin/python3"
PATIENCE = 300  # seconds, on a busy machine

Logged = collections.namedtuple("Logged", "algorithm kind trace start end cpus pid")


@functools.cache
def page_size():
    """Of the executables that are tested."""
    done = subprocess.run([program("kma_dummy"), "--competition", "--passes", "1", "--json", "-",
                           os.path.join(ROOT, "testsuite", "1.trace")], capture_output=True,
                          check=True)
    return json.loads(done.stdout)["page_size"]


def group(**keys):
    """A [[runs]] of a plan: dummy and bud on a.trace and b.trace, unless `keys` say otherwise.
    A key that is None is left out."""
    keys = {"algorithms": ["dummy", "bud"], "traces": ["a.trace", "b.trace"],
            "page_sizes": page_size(), "passes": 2, "turns": 2, **keys}
    return "[[runs]]\n" + "".join(f"{key} = {json.dumps(value)}\n"
                                  for key, value in keys.items() if value is not None)


def random_group(seeds, **keys):
    """A [[runs]] over seeds of a trace that is made."""
    return group(traces=None, **keys) + (
        '[runs.generate]\ngenerator = "random"\nrequests = 50\nsizes = "log"\nsmallest = 8\n'
        f'largest = 1000\nfrees = "uniform"\nseeds = {json.dumps(seeds)}\n')


class SweepCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.end_all)
        os.mkdir(self.path("bin"))
        os.mkdir(self.path("tmp"))
        for name in ("dummy", "bud"):
            self.wrap(name)
        self.write_trace("a.trace", simple_events(400))
        self.write_trace("b.trace", simple_events(60))

    # ---- what goes in

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_trace(self, name, events):
        self.write(name, trace_text(*events))

    def plan(self, *groups, top=""):
        self.write("p.toml", top + "\n" + "\n".join(groups or [group()]))

    def wrap(self, name, target=None, before=":", last='exec "$@"'):
        """kma_NAME, which writes a line into the log when a run begins. `before` is done in the
        shell, then it, as `last` says."""
        write_script(self.path("bin", f"kma_{name}"), f"""#!/bin/sh
cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
echo "start $$ $(date +%s.%N) {name} $cpus $*" >> {self.path("log")}
{before}
set -- {target or program(f"kma_{name}")} "$@"
{last}
""")

    def hold(self, seconds=0.15):
        """Each run takes at least so long, and its end is written down too."""
        for name in ("dummy", "bud"):
            self.wrap(name, before=f"sleep {seconds}", last=(
                f'"$@"; status=$?\necho "end $$ $(date +%s.%N)" >> {self.path("log")}\n'
                "exit $status"))

    def gate(self):
        """Runs of bud wait until let_go()."""
        self.wrap("bud", before=f'while [ ! -e {self.path("go")} ]; do sleep 0.05; done')

    def let_go(self):
        self.write("go", "")

    # ---- running

    def command(self, *arguments):
        return [PYTHON, "-B", SWEEP, *arguments]

    def doing(self, *arguments):
        """The command that does the plan."""
        return self.command("p.toml", "--bin", "bin", "--out", "out", "--retries", "0",
                            "--jobs", "2", *arguments)

    def environment(self):
        return dict(os.environ, TMPDIR=self.path("tmp"))

    def run_command(self, command, status=0):
        done = subprocess.run(command, cwd=self.folder, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE,
                              env=self.environment())
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        if status in (0, 1):
            self.assertEqual(done.stderr, "")
        else:
            self.one_line(done.stderr)
            self.assertEqual(done.stdout, "")
        return done

    def sweep(self, *arguments, status=0):
        """Does the plan."""
        return self.run_command(self.doing(*arguments), status)

    def refusal(self, *arguments):
        return self.sweep(*arguments, status=2).stderr

    def ask(self, name, *arguments, status=0):
        """What another command of the sweep says."""
        return self.run_command(self.command(name, "out", *arguments), status).stdout

    def begin(self, *arguments, **settings):
        """The same, under way."""
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                    **settings}
        return subprocess.Popen(self.doing(*arguments), cwd=self.folder, env=self.environment(),
                                stdin=subprocess.DEVNULL, **settings)

    def one_line(self, text):
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertRegex(text, r"^sweep( \w+)?: ")

    def await_that(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"in vain: {what}")
            time.sleep(0.01)

    def await_runs(self, count):
        """So many are begun."""
        self.await_that(lambda: len(self.log()) >= count, f"{count} runs")

    def await_finished(self, count):
        """So many are in the database."""
        def there():
            with contextlib.suppress(sqlite3.OperationalError):
                return self.states()["done"] >= count
            return False  # the database is not there yet
        self.await_that(there, f"{count} finished runs")

    # ---- what is left

    def processes(self):
        """Those at work in the folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(self.folder):
                    found.append(int(pid))
        return found

    def end_all(self):
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def files(self, ending=""):
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.folder)
                for name in names if name.endswith(ending)]

    def log(self):
        """Of each run that was begun, in order; questions for the page size aside."""
        with contextlib.suppress(FileNotFoundError):
            lines = [line.split() for line in read(self.path("log")).splitlines()]
            ends = {line[1]: float(line[2]) for line in lines if line[0] == "end"}
            return [Logged(words[3], self.kind_of(words), os.path.basename(words[-1]),
                           float(words[2]), ends.get(words[1]), words[4], int(words[1]))
                    for words in lines
                    if words[0] == "start" and not words[-1].endswith("testsuite/1.trace")]
        return []

    @staticmethod
    def kind_of(words):
        return ("times" if "--latency" in words else
                "replay" if "--competition" in words else "memory")

    def runs(self):
        return [(run.algorithm, run.kind, run.trace) for run in self.log()]

    def database(self, folder="out"):
        connection = sqlite3.connect(self.path(folder, "sweep.db"), timeout=PATIENCE)
        connection.row_factory = sqlite3.Row
        return contextlib.closing(connection)

    def rows(self, where="in_plan = 1", folder="out"):
        with self.database(folder) as database:
            return [dict(row) for row in database.execute(
                f"SELECT * FROM runs WHERE {where} ORDER BY number, key")]

    def states(self):
        return collections.Counter(row["state"] for row in self.rows())

    def finished(self):
        """Keys of runs that are in the database, or whose files wait for it."""
        waiting = [os.path.basename(path).removesuffix(".json") for path in self.files(".json")
                   if os.path.basename(os.path.dirname(path)) == "done"]
        return {row["key"] for row in self.rows("state IN ('done', 'failed')")} | set(waiting)
