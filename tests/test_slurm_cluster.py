#!/usr/bin/python3
"""tests/slurm_cluster.py: jobs outlive their node, clusters stay apart, and nothing is left."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.dont_write_bytecode = True
import slurm_cluster  # noqa: E402
from shared import ROOT, read, write_script  # noqa: E402
from slurm_cluster import Cluster, Refusal, alive  # noqa: E402

PYTHON = "/usr/bin/python3"
COMMAND = os.path.join(ROOT, "tests", "slurm_cluster.py")
NOBODY = 65534
MISSING = slurm_cluster.missing()


def processes_of(folder):
    """Those that a cluster in the folder started: it stands in what they were started with."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        for about in ("cmdline", "environ"):
            with contextlib.suppress(OSError), open(f"/proc/{name}/{about}", "rb") as file:
                if os.fsencode(folder) in file.read() and alive(name):
                    found.append(name)
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="kma-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def until(self, holds, what, seconds=30):
        end = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), end, f"waited in vain: {what}")
            time.sleep(0.05)

    def submit(self, cluster, script, *options):
        """The job's number; the script finds itself in the test's folder."""
        write_script(self.path("job"), f"#!/bin/sh\ncd {self.folder}\n{script}\n")
        number = cluster.ask("sbatch", "--parsable", "--output=/dev/null", *options,
                             self.path("job"))
        self.assertRegex(number, r"^\d+$")
        return number

    def numbers(self, beginning):
        """What stands in files, by what follows the beginning in their names."""
        return {name[len(beginning):]: int(read(self.path(name)) or 0)
                for name in os.listdir(self.folder) if name.startswith(beginning)}

    def nothing_runs(self, folder, seconds=5):
        self.until(lambda: not processes_of(folder), f"processes of {folder} to end", seconds)


@unittest.skipIf(MISSING, f"not installed: {' '.join(MISSING)}")
class Jobs(Case):
    def test_jobs_outlive_their_node(self):
        with Cluster(self.path("cluster"), cpus=4) as cluster:
            self.submit(cluster, "task=$SLURM_ARRAY_TASK_ID\necho $$ > began-$task\nsleep 0.6\n"
                                 "echo ${SLURM_RESTART_COUNT:-0} > ended-$task",
                        "--array=1-20", "--requeue")
            self.until(lambda: len(self.numbers("began-")) - 4 == len(self.numbers("ended-")) > 0,
                       "all processors to be busy again after the first tasks")
            cluster.kill_node()
            ended = self.numbers("ended-")
            lost = {task: process for task, process in self.numbers("began-").items()
                    if task not in ended}
            self.assertTrue(lost)
            self.assertEqual([one for one in lost.values() if alive(one)], [])
            cluster.start_node()
            jobs = cluster.ask("scontrol", "show", "job")
            self.assertEqual(jobs.count("Restarts=1"), len(lost), "put back into the queue")
            cluster.wait_idle(30)
            counts = self.numbers("ended-")
            self.assertEqual(len(counts), 20)
            self.assertEqual({counts[task] for task in lost}, {1})
            self.assertEqual({counts[task] for task in ended}, {0})

    def test_the_controller_notices_a_dead_node_and_that_it_is_back(self):
        with Cluster(self.path("cluster"), cpus=1) as cluster:
            job = self.submit(cluster, "echo $$ > began-1\nsleep 60")
            self.until(lambda: self.numbers("began-"), "the job to start")
            cluster.kill_node()
            self.until(lambda: cluster.node_state() == "down*", "the node to be down")
            self.assertIn("JobState=PENDING", cluster.ask("scontrol", "show", "job", job))
            cluster.start_node()
            self.assertEqual(cluster.node_state(), "idle")
            with self.assertRaisesRegex(TimeoutError, "not idle: node idle, jobs '.*job"):
                cluster.wait_idle(0)

    def test_as_many_at_once_as_the_node_was_given_processors(self):
        with Cluster(self.path("cluster"), cpus=os.cpu_count() + 2) as cluster:
            self.submit(cluster, "echo $$ > began-$SLURM_ARRAY_TASK_ID\nsleep 60",
                        f"--array=1-{os.cpu_count() + 3}")
            self.until(lambda: len(self.numbers("began-")) == os.cpu_count() + 2, "the tasks")
            self.assertEqual(cluster.node_state(), "allocated")
            self.assertEqual(len(cluster.ask("squeue", "-hr", "-tPENDING").splitlines()), 1)

    def test_several_nodes_each_with_its_name_its_disk_and_its_death(self):
        with Cluster(self.path("cluster"), cpus=1, nodes=3) as cluster:
            self.submit(cluster, f"uname -n > {cluster.disk}/name\necho $$ > began-$SLURMD_NODENAME"
                                 "\nsleep 60", "--array=1-3")
            self.until(lambda: len(self.numbers("began-")) == 3 and
                       all(self.numbers("began-").values()), "a job on each node")
            processes = self.numbers("began-")
            self.assertEqual(sorted(processes), cluster.nodes)
            if cluster.apart():
                names = [read(os.path.join(cluster.disk_of(node), "name")).split()
                         for node in cluster.nodes]
                self.assertEqual(names, [[node] for node in cluster.nodes])
            cluster.kill_node("node2", told=True)
            self.assertEqual([node for node in cluster.nodes if alive(processes[node])],
                             ["node1", "node3"])
            self.assertEqual([cluster.node_state(node).rstrip("*") for node in cluster.nodes],
                             ["allocated", "down", "allocated"])
            cluster.start_killed()
            self.assertEqual(cluster.node_state("node2"), "idle")

    def test_scancel(self):
        with Cluster(self.path("cluster")) as cluster:
            job = self.submit(cluster, "echo $$ > began-1\nsleep 60")
            self.until(lambda: self.numbers("began-").get("1"), "the job to start")
            cluster.ask("scancel", job)
            cluster.wait_idle(20)
            self.assertFalse(alive(self.numbers("began-")["1"]))
            self.assertIn("JobState=CANCELLED", cluster.ask("scontrol", "show", "job", job))

    def test_two_at_once_know_nothing_of_each_other(self):
        with Cluster(self.path("first")) as first, Cluster(self.path("second")) as second:
            self.submit(first, "sleep 60")
            self.assertIn("job", first.ask("squeue"))
            self.assertNotIn("job", second.ask("squeue", "-h"))
            first.stop()
            self.nothing_runs(first.folder, 0)
            self.submit(second, "touch done-2")
            second.wait_idle(20)
            self.assertEqual(list(self.numbers("done-")), ["2"])


@unittest.skipIf(MISSING, f"not installed: {' '.join(MISSING)}")
class Ends(Case):
    def test_stopped_it_leaves_words_and_can_start_again(self):
        cluster = Cluster(self.path("cluster"))
        cluster.stop()
        for _ in range(2):
            with cluster:
                self.submit(cluster, "echo $$ > began-1\nsleep 60")
                self.until(lambda: self.numbers("began-"), "the job to start")
            self.nothing_runs(cluster.folder, 0)
            os.unlink(self.path("began-1"))
            self.assertEqual([name for name in os.listdir(cluster.folder)
                              if not name.endswith((".log", ".conf"))], [])
        cluster.stop()

    def test_half_a_start(self):
        cluster = Cluster(self.path("cluster"))
        with mock.patch.object(slurm_cluster, "CONFIGURATION", "Nonsense=1\n"):
            with self.assertRaisesRegex(Refusal, r"^slurmctld does not start: .*\S$"):
                cluster.start()
        self.nothing_runs(cluster.folder, 0)

    def test_it_ends_with_a_starter_that_is_killed(self):
        """Also the job does, though it left its session and its parent."""
        job = "setsid sh -c 'echo $$ > began-1; exec sleep 60' & sleep 60"
        write_script(self.path("job"), f"#!/bin/sh\ncd {self.folder}\n{job}\n")
        starter = subprocess.Popen(
            [PYTHON, "-B", COMMAND, "--nodes", "2", "sh", "-c",
             f"sbatch --output=/dev/null {self.path('job')}; sleep 60"],
            env={**os.environ, "TMPDIR": self.folder}, stdout=subprocess.DEVNULL,
            start_new_session=True)
        self.addCleanup(starter.wait)
        self.addCleanup(starter.kill)
        self.until(lambda: self.numbers("began-").get("1"), "the job to start")
        cluster, = (name for name in os.listdir(self.folder) if name.startswith("kma-slurm-"))
        self.assertGreater(len(processes_of(self.path(cluster))), 6)
        os.killpg(starter.pid, signal.SIGKILL)
        self.nothing_runs(self.path(cluster))
        self.assertFalse(alive(self.numbers("began-")["1"]))
        with Cluster(self.path(cluster)) as again:
            self.assertEqual(again.ask("squeue", "-h"), "")


@unittest.skipIf(MISSING, f"not installed: {' '.join(MISSING)}")
class Command(Case):
    def run_command(self, *words, command=COMMAND, **options):
        done = subprocess.run([PYTHON, "-B", command, *words], capture_output=True,
                              encoding="utf-8", timeout=60, cwd=self.folder, check=False,
                              env={**os.environ, "TMPDIR": self.folder}, **options)
        self.assertEqual([name for name in os.listdir(self.folder) if "slurm" in name], [])
        return done.returncode, done.stdout, done.stderr

    def test_an_ordinary_user_and_the_exit_status(self):
        """Of copies, since nobody may not look everywhere."""
        for source in (COMMAND, "tests/shared.py", "analysis/common.py"):
            copy = self.path(os.path.relpath(os.path.join(ROOT, source), ROOT))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(os.path.join(ROOT, source), copy)
        os.chmod(self.folder, 0o777)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        job = ("for node in node1 node2; do sbatch --wait --output=out-%N --nodelist=$node --wrap "
               "'id -u; sed -n s/CapEff://p /proc/self/status' > /dev/null; cat out-$node; done; "
               "exit 7")
        copied = self.path("tests/slurm_cluster.py")
        done = self.run_command("--nodes", "2", "sh", "-c", job, command=copied, **user)
        told = f"{NOBODY if user else os.getuid()}\n\t{0:016x}\n"
        self.assertEqual(done, (7, told * 2, ""))

    def test_a_command_that_a_signal_ended(self):
        self.assertEqual(self.run_command("sh", "-c", "kill -9 $$"), (137, "", ""))

    def test_refusals(self):
        for words, expected in (([], "which command? (try --help)"),
                                (["--cpus", "0", "true"], "argument --cpus: '0' is not a whole "
                                                          "number above 0 (try --help)"),
                                (["--nodes", "0", "true"], "argument --nodes: '0' is not a whole "
                                                           "number above 0 (try --help)"),
                                (["no-such-file"], "no-such-file: No such file or directory")):
            self.assertEqual(self.run_command(*words), (2, "", f"slurm_cluster.py: {expected}\n"))


class Refusals(Case):
    def test_what_is_missing_is_named(self):
        with mock.patch.object(slurm_cluster, "PROGRAMS", ("sh", "no-such-daemon")):
            with self.assertRaisesRegex(Refusal, "^no-such-daemon is not installed, try: analysis"):
                Cluster(self.folder).start()

    def test_paths_that_slurm_does_not_take(self):
        with mock.patch.object(slurm_cluster, "PROGRAMS", ()):
            for name in ("long" * 30, "a space", "a,comma", "50%"):
                with self.assertRaisesRegex(Refusal, "the path is not one that Slurm takes"):
                    Cluster(self.path(name)).start()
                self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()
