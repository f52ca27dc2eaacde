#!/usr/bin/python3
"""A Slurm cluster on the loopback address, for tests of what runs on Slurm.

    tests/slurm_cluster.py [--nodes N] [--cpus N] COMMAND...

runs a command within a cluster of its own, takes the cluster down and ends with the command's
exit status. Tests use the class Cluster. What it takes is installed by: analysis/need slurm

A cluster has everything in one folder and ports of its own, as root or as an ordinary user, and
knows nothing of a cluster that the machine belongs to, nor of another one of these. Each of its
daemons (munged, slurmctld, a slurmd for each node) runs below a keeper, a small process that ends
when whoever started the cluster ends, in whatever way, and before it does kills all that is below
it. What a daemon starts stays below its keeper, so nothing outlives the cluster. A node with its
jobs is what is below its slurmd's keeper: killed, it is gone without a word, as a machine without
power.

Of several nodes each is apart where the kernel lets it be (namespaces, also for ordinary users):
it has its name as a host and, at the path Cluster.disk, a disk of its own. All else, processors
and memory too, is the machine's.

How long things take: to start 0.3 s, to start a job up to 1 s, to stop 0.1 s; the controller
notices after 11 s that a node is dead, a node that starts is in service after 0.1 s, and a job
that lost its node starts anew 6 s later at the earliest (Slurm takes no cred_expire below 5)."""

import argparse
import contextlib
import ctypes
import functools
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
STATE_FOLDERS = ("state", "spool", "disk", "disks")
STATE_FILES = ("munge.key", "munge.pid", "munge.seed", "munge.socket", "munge.socket.lock",
               "slurmctld.pid", "hosts")
PATIENCE = 60  # seconds until a daemon must be up, on a busy machine
LOOK_AGAIN = 0.05  # seconds
LONGEST_SOCKET = 107
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of <linux/prctl.h>

# More processors than the machine has are only counted: config_overrides. A shorter
# MessageTimeout or SlurmdTimeout would take a busy machine for a dead one.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/spool/%n.pid
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
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CONFIGURATION_OF_NODE = """\
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} \
RealMemory={megabytes}
"""

# A node that is apart: Slurm has to find its name among the hosts. An ordinary user is given what
# only root may do within the node, and gives it up again; with that goes the signal from keep().
UNSHARE = ("unshare", "--uts", "--mount")
UNSHARE_OF_A_USER = (*UNSHARE, "--user", "--map-current-user", "--keep-caps")
APART = """\
mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/disks/$2" "$1/disk" && hostname "$2" &&
    shift 2 && exec setpriv --ambient-caps=-all --pdeathsig KILL "$@"
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


def alive(process):
    """A zombie is not."""
    with contextlib.suppress(OSError):
        return read(f"/proc/{process}/stat").rpartition(")")[2].split()[0] != "Z"
    return False


@functools.cache
def _apart():
    """What a command begins with to get a name and disks of its own; () where it may not."""
    words = UNSHARE if os.getuid() == 0 else UNSHARE_OF_A_USER
    try:
        done = subprocess.run(
            [*words, "sh", "-c", "mount --bind /etc/hosts /etc/hosts && hostname apart && "
             "setpriv --ambient-caps=-all true"], env={**os.environ, "PATH": _search_path()},
            stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return ()
    return words if done.returncode == 0 else ()


class Cluster:
    """A cluster with all its files in `folder`, which is made where it is not there."""

    def __init__(self, folder, cpus=None, nodes=1):
        """`cpus`: of each node."""
        self.folder = os.path.realpath(folder)
        self.cpus = cpus or os.cpu_count()
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self.disk = self._path("disk")  # the same path on each node
        self._keepers = {}
        self._killed = set()

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

    def apart(self):
        """Whether each node has a host's name and a disk of its own."""
        return len(self.nodes) > 1 and bool(_apart())

    def disk_of(self, node):
        """Where the node's disk is seen from outside."""
        return self._path("disks", node) if self.apart() else self.disk

    def on(self, node, *command):
        """The command as one that is given on the node; here, where nodes are not apart."""
        if not self.apart():
            return list(command)
        return [*_apart(), "sh", "-c", APART, "sh", self.folder, node, *command]

    def start(self):
        if missing():
            raise Refusal(f"{missing()[0]} is not installed, try: analysis/need slurm")
        longest = LONGEST_SOCKET - len(f"/spool/{self.nodes[-1]}/"
                                       f"{self.nodes[-1]}_4294967295.4294967295")
        if len(self.folder) > longest or not re.fullmatch(r"[A-Za-z0-9_/.+-]+", self.folder):
            raise Refusal(f"{self.folder}: the path is not one that Slurm takes: "
                          f"{longest} plain letters and digits at most")
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
            for node in self.nodes:
                self._run_node(node)
            for node in self.nodes:
                self._wait_for_node(node)
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
        self._killed = set()

    def kill_node(self, node=None, told=False):
        """The node (the first) dies, with its jobs. The controller finds out by itself, or is
        told: now, as an administrator does, or by start_node."""
        node = node or self.nodes[0]
        self._end(f"slurmd-{node}")
        self._killed.add(node)
        if told:
            self._tell_dead(node)

    def start_node(self, node=None):
        """Anew if it runs. A machine that went down shows when it was booted; of this one the
        controller has to be told that it was gone, or would miss its jobs 20 s later only."""
        node = node or self.nodes[0]
        if f"slurmd-{node}" in self._keepers:
            self.kill_node(node)
        if node in self._killed:
            self._tell_dead(node)
        self._run_node(node)
        self._wait_for_node(node)

    def start_killed(self):
        for node in sorted(self._killed):
            self.start_node(node)

    def node_state(self, node=None):
        """As sinfo says it, such as idle, allocated, down*; the star: it does not answer."""
        return self.ask("sinfo", "--noheader", "--format=%T",
                        f"--nodes={node or self.nodes[0]}")

    def wait_idle(self, timeout):
        """Until every job has ended, or a TimeoutError. Nodes that were killed need not be."""
        end = time.monotonic() + timeout
        while True:
            jobs = self.ask("squeue", "--noheader")
            states = [self.node_state(node) for node in self.nodes if node not in self._killed]
            if not jobs and set(states) <= {"idle"}:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"not idle: node {', '.join(states)}, jobs {jobs!r}")
            time.sleep(LOOK_AGAIN)

    def ask(self, *command):
        """What a command of Slurm says, or what it complains of."""
        done = subprocess.run(command, env=self.whole_environment(), encoding="utf-8",
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return (done.stdout if done.returncode == 0 else done.stderr).strip()

    def _path(self, *names):
        return os.path.join(self.folder, *names)

    def _write_files(self):
        for name in STATE_FOLDERS:
            os.makedirs(self._path(name))
        for node in self.nodes:
            os.mkdir(self._path("spool", node))
            os.mkdir(self._path("disks", node))
        key = os.open(self._path("munge.key"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(key, "wb") as file:
            file.write(os.urandom(128))
        host = socket.gethostname().split(".")[0]
        with open(self._path("hosts"), "w", encoding="ascii") as file:
            file.write(f"127.0.0.1 localhost {host} {' '.join(self.nodes)}\n")
        self._write_configuration(host)

    def _write_configuration(self, host):
        controller_port, *ports = _free_ports(1 + len(self.nodes))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        with open(self._path("slurm.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder, user=os.getuid(), host=host,
                                            controller_port=controller_port))
            for node, port in zip(self.nodes, ports):
                file.write(CONFIGURATION_OF_NODE.format(
                    node=node, host=node if self.apart() else host, port=port, cpus=self.cpus,
                    megabytes=memory >> 20))

    def _run(self, program, *options, node=None):
        """A daemon below a keeper, out of reach of the signals that a terminal sends."""
        path = _search_path()
        words = [shutil.which(program, path=path), *options]
        if node is not None:
            words = self.on(node, *words)
        name = f"{program}-{node}" if node else program
        with open(self._path(f"{name}.log"), "ab") as log:
            self._keepers[name] = subprocess.Popen(
                [sys.executable, "-B", os.path.abspath(__file__), "--keep", f"{os.getpid()}",
                 shutil.which(words[0], path=path), *words[1:]],
                env=self.whole_environment(), cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _run_node(self, node):
        self._killed.discard(node)
        self._run("slurmd", "-D", "-N", node, node=node)

    def _wait_for_node(self, node):
        self._wait_for(f"slurmd-{node}",
                       lambda: self.node_state(node) in ("idle", "mixed", "allocated"))

    def _tell_dead(self, node):
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed")

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
    parser.add_argument("--nodes", type=whole_number, default=1, metavar="N", help="(1)")
    parser.add_argument("--cpus", type=whole_number, metavar="N", help="processors of each node")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND...")
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("which command?")
    with tempfile.TemporaryDirectory(prefix="kma-slurm-") as folder:
        with Cluster(folder, options.cpus, options.nodes) as cluster:
            status = subprocess.run(options.command, env=cluster.whole_environment(),
                                    check=False).returncode
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    run_main("slurm_cluster.py", main)
