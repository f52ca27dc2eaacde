#!/usr/bin/python3
"""A Slurm cluster of one node on the loopback address, for tests of what runs on Slurm.

    tests/slurm_cluster.py [--cpus N] COMMAND...

runs a command within a cluster of its own, takes the cluster down and ends with the command's
exit status. Tests use the class Cluster. What it takes is installed by: analysis/need slurm

A cluster has everything in one folder and ports of its own, as root or as an ordinary user, and
knows nothing of a cluster that the machine belongs to, nor of another one of these. Each of its
daemons (munged, slurmctld, slurmd) runs below a keeper, a small process that ends when whoever
started the cluster ends, in whatever way, and before it does kills all that is below it. What a
daemon starts stays below its keeper, so nothing outlives the cluster. The node with its jobs is
what is below slurmd's keeper: killed, it is gone without a word, as a machine without power.

How long things take: to start 0.3 s, to start a job up to 1 s, to stop 0.1 s; the controller
notices after 11 s that a node is dead, a node that starts is in service after 0.1 s, and a job
that lost its node starts anew 6 s later at the earliest (Slurm takes no cred_expire below 5)."""

import argparse
import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from shared import ROOT, read

sys.path.insert(0, os.path.join(ROOT, "analysis"))
from common import Parser, Refusal, run_main, whole_number  # noqa: E402

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue")
NODE = "node"
STATE_FOLDERS = ("state", "spool")
STATE_FILES = ("munge.key", "munge.pid", "munge.seed", "munge.socket", "munge.socket.lock",
               "slurmctld.pid", "slurmd.pid")
PATIENCE = 60  # seconds until a daemon must be up, on a busy machine
LOOK_AGAIN = 0.05  # seconds
LONGEST_FOLDER = 107 - len(f"/spool/{NODE}_4294967295.4294967295")  # of a Unix socket's path
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of <linux/prctl.h>

# More processors than the machine has are only counted: config_overrides. A shorter
# MessageTimeout or SlurmdTimeout would take a busy machine for a dead one.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
SlurmdTimeout=5
MessageTimeout=3
TCPTimeout=1
KillWait=1
MinJobAge=3600
MaxArraySize=1001
JobRequeue=1
ReturnToService=2
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={megabytes}
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def _search_path():
    """With the folders of daemons, which an ordinary user's PATH need not have."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def missing():
    """The programs that a cluster takes and that are not there."""
    return [name for name in PROGRAMS if not shutil.which(name, path=_search_path())]


def _free_ports(number):
    """None of those that the kernel gives to whoever asks for any."""
    found = []
    with contextlib.ExitStack() as held:
        while len(found) < number:
            port = random.randrange(10_000, 32_000)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    return found


class Cluster:
    """A cluster with all its files in `folder`, which is made where it is not there."""

    def __init__(self, folder, cpus=None):
        self.folder = os.path.realpath(folder)
        self.cpus = cpus or os.cpu_count()
        self._keepers = {}
        self._killed = False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def environment(self):
        """What a process needs in its environment to speak with this cluster."""
        return {"SLURM_CONF": self._path("slurm.conf"), "PATH": _search_path()}

    def whole_environment(self):
        """This process's with that, and without what a job of another cluster finds there."""
        others = ("SLURM", "SBATCH", "SQUEUE", "SINFO", "SCANCEL")
        mine = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        return {**mine, **self.environment()}

    def start(self):
        if missing():
            raise Refusal(f"{missing()[0]} is not installed, try: analysis/need slurm")
        if len(self.folder) > LONGEST_FOLDER or not re.fullmatch(r"[A-Za-z0-9_/.+-]+", self.folder):
            raise Refusal(f"{self.folder}: the path is not one that Slurm takes: "
                          f"{LONGEST_FOLDER} plain letters and digits at most")
        self.stop()  # what a killed one left
        try:
            self._write_files()
            self._run("munged", "--foreground", "--force",
                      *(f"--{name}-file={self._path(f'munge.{name}')}"
                        for name in ("key", "log", "pid", "seed")),
                      f"--socket={self._path('munge.socket')}")
            self._wait_for("munged", lambda: os.path.exists(self._path("munge.socket")))
            self._run("slurmctld", "-D", "-c")
            self._wait_for("slurmctld", lambda: "is UP" in self.ask("scontrol", "ping"))
            self.start_node()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """All of it, however far it is; what it said stays in the folder."""
        for name in list(self._keepers):
            self._end(name)
        for name in STATE_FOLDERS:
            shutil.rmtree(self._path(name), ignore_errors=True)
        for name in STATE_FILES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(name))
        self._killed = False

    def kill_node(self):
        """The node dies, with its jobs. The controller finds out by itself, or is told by
        start_node."""
        self._end("slurmd")
        self._killed = True

    def start_node(self):
        """Anew if it runs. A machine that went down shows when it was booted; of this one the
        controller has to be told that it was gone, or would miss its jobs 20 s later only."""
        if "slurmd" in self._keepers:
            self.kill_node()
        if self._killed:
            self.ask("scontrol", "update", f"NodeName={NODE}", "State=DOWN", "Reason=killed")
        self._killed = False
        self._run("slurmd", "-D")
        self._wait_for("slurmd", lambda: self.node_state() in ("idle", "mixed", "allocated"))

    def node_state(self):
        """As sinfo says it, such as idle, allocated, down*; the star: it does not answer."""
        return self.ask("sinfo", "--noheader", "--format=%T")

    def wait_idle(self, timeout):
        """Until every job has ended, or a TimeoutError."""
        end = time.monotonic() + timeout
        while (jobs := self.ask("squeue", "--noheader")) or self.node_state() != "idle":
            if time.monotonic() > end:
                raise TimeoutError(f"not idle: node {self.node_state()}, jobs {jobs!r}")
            time.sleep(LOOK_AGAIN)

    def ask(self, *command):
        """What a command of Slurm says, or what it complains of."""
        done = subprocess.run(command, env=self.whole_environment(), encoding="utf-8",
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return (done.stdout if done.returncode == 0 else done.stderr).strip()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write_files(self):
        for name in STATE_FOLDERS:
            os.makedirs(self._path(name))
        key = os.open(self._path("munge.key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(key, "wb") as file:
            file.write(os.urandom(128))
        controller_port, node_port = _free_ports(2)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        with open(self._path("slurm.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(
                folder=self.folder, user=os.getuid(), host=socket.gethostname().split(".")[0],
                controller_port=controller_port, node_port=node_port, node=NODE, cpus=self.cpus,
                megabytes=memory >> 20))

    def _run(self, name, *options):
        """A daemon below a keeper, out of reach of the signals that a terminal sends."""
        program = shutil.which(name, path=_search_path())
        with open(self._path(f"{name}.log"), "ab") as log:
            self._keepers[name] = subprocess.Popen(
                [sys.executable, "-B", os.path.abspath(__file__), "--keep", f"{os.getpid()}",
                 program, *options],
                env=self.whole_environment(), cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _wait_for(self, name, is_up):
        end = time.monotonic() + PATIENCE
        while not is_up():
            if self._keepers[name].poll() is not None or time.monotonic() > end:
                said = read(self._path(f"{name}.log")).splitlines() or ["it says nothing"]
                raise Refusal(f"{name} does not start: {said[-1]}")
            time.sleep(LOOK_AGAIN)

    def _end(self, name):
        keeper = self._keepers.get(name)
        if keeper:
            keeper.terminate()
            keeper.wait()
            del self._keepers[name]


def keep(parent, command):
    """Run a command until it or the parent ends, or SIGTERM comes; kill all that is below."""
    watched = (signal.SIGCHLD, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # who loses its parent is below this process
    daemon = os.fork()
    if not daemon:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        os.execv(command[0], command)
    while os.getppid() == parent and daemon not in _collect_ended():
        caught = signal.sigtimedwait(watched, 0.25)
        if caught and caught.si_signo == signal.SIGTERM:
            break
    while below := _processes_below(os.getpid()):
        # Stopped first, lest slurmd or a job's step report that others were killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in below:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
        time.sleep(0.01)
        _collect_ended()


def _collect_ended():
    ended = set()
    with contextlib.suppress(ChildProcessError):
        while process := os.waitpid(-1, os.WNOHANG)[0]:
            ended.add(process)
    return ended


def _processes_below(top):
    """Parents before their children."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found = [top]
    for process in found:
        found += children.get(process, [])
    return found[1:]


def main(arguments):
    if arguments[:1] == ["--keep"]:
        keep(int(arguments[1]), arguments[2:])
        return 0
    parser = Parser(prog="slurm_cluster.py", description="Run a command in a cluster of its own.")
    parser.add_argument("--cpus", type=whole_number, metavar="N", help="processors of its node")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command?")
    with tempfile.TemporaryDirectory(prefix="kma-slurm-") as folder:
        with Cluster(folder, options.cpus) as cluster:
            status = subprocess.run(options.command, env=cluster.whole_environment(),
                                    check=False).returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    run_main("slurm_cluster.py", main)
