"""One run of a real program with an allocator preloaded: what it took and what it wrote.

Everything is started through tests/programs/usage.c, which measures it and leaves none of
its processes behind, whatever happens.
"""

import contextlib
import dataclasses
import filecmp
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess

import programs_list
from common import Refusal
from measure import children

TIMEOUT = 4  # usage's exit status

# What the environment of a run has of the environment of this script.
KEPT = ("PATH", "LD_LIBRARY_PATH", "KMA_PAGES", "KMA_CHECK")

GIT_SETTINGS = {"gc.auto": "0", "maintenance.auto": "false", "core.fsync": "none",
                "pack.threads": "1", "protocol.file.allow": "always", "safe.directory": "*"}

TOOLS = {"usage": (), "threads": ("-pthread",)}


def environment(scratch):
    """The same wherever and by whomever the programs are run."""
    home = os.path.join(scratch, "home")
    found = {name: os.environ[name] for name in KEPT if name in os.environ}
    found.update(LC_ALL="C", TZ="UTC", HOME=home, TMPDIR=scratch, PYTHONHASHSEED="0",
                 INPUT=os.path.join(scratch, "input"), TOOLS=os.path.join(scratch, "tools"),
                 GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0",
                 GIT_CONFIG_COUNT=str(len(GIT_SETTINGS)))
    for number, (key, value) in enumerate(GIT_SETTINGS.items()):
        found.update({f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value})
    return found


def copy_scripts(scratch):
    """All runs are of the same script, whatever happens to kma's files meanwhile."""
    shutil.copytree(programs_list.FOLDER, os.path.join(scratch, "scripts"))


def compile_tools(folder, cc):
    os.makedirs(folder)
    for name, options in TOOLS.items():
        command = [*shlex.split(cc), "-std=c11", "-D_GNU_SOURCE", "-O2", *options,
                   os.path.join(programs_list.FOLDER, f"{name}.c"),
                   "-o", os.path.join(folder, name)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        except OSError as problem:
            raise Refusal(f"{command[0]}: {problem.strerror}") from None
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if "rror" in line] or ["it failed"]
            raise Refusal(f"{name}.c cannot be compiled: {said[0]}")


# ---- whose malloc a program calls

@dataclasses.dataclass(frozen=True)
class Binding:
    malloc: str  # path of the library, None where nothing is known
    libc: str


def binding(executable, preload, settings, scratch):
    """As the dynamic linker tells it. A library that it does not accept is not preloaded,
    and nothing would be said about it."""
    path = os.path.join(scratch, "bindings")
    settings = dict(settings, LD_DEBUG="bindings", LD_BIND_NOW="1", LD_DEBUG_OUTPUT=path)
    if preload:
        settings["LD_PRELOAD"] = preload
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([executable, "--version"], env=settings, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=scratch,
                       timeout=60)
    found = {}
    for name in os.listdir(scratch):
        if name.startswith("bindings."):
            with open(os.path.join(scratch, name), encoding="utf-8", errors="replace") as file:
                for target, symbol in re.findall(
                        rf"binding file {re.escape(executable)} \[\d+\] to (.*) \[\d+\]: "
                        r"normal symbol [`'](\w+)'", file.read()):
                    # A program that takes malloc's address has a way station of its own.
                    if target != executable:
                        found[symbol] = target
            os.unlink(os.path.join(scratch, name))
    return Binding(found.get("malloc"), found.get("__libc_start_main"))


# ---- running

@dataclasses.dataclass
class Run:
    wall: float = None    # seconds
    cpu: float = None     # of the processor, in user code and in the system
    peak: int = None      # bytes resident
    failure: str = None


def _last_line(path):
    with open(path, "rb") as file:
        text = file.read()[-2000:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines()]
    return next((line[:200] for line in reversed(lines) if line), "")


def _how_it_ended(status, stderr):
    """A sentence on a wait status other than 0. The shell passes a signal on as 128 + n."""
    number = status & 127 or ((status >> 8) - 128 if status >> 8 > 128 else 0)
    how = f"exit status {status >> 8}"
    if number:
        with contextlib.suppress(ValueError):
            how = f"ended by {signal.Signals(number).name}"
    said = _last_line(stderr)
    return f"{how}: {said}" if said else how


def difference(expected, found):
    """Where two files differ, in words; None where they do not."""
    if filecmp.cmp(expected, found, shallow=False):
        return None
    with open(expected, "rb") as one, open(found, "rb") as other:
        for number, (a, b) in enumerate(itertools.zip_longest(one, other), 1):
            if a != b:
                return f"from line {number} on"
    return "somewhere"


def free_port():
    """(address, port) on loopback, of this process alone while others do the same."""
    number = os.getpid()
    host = f"127.{1 + (number >> 16) % 254}.{(number >> 8) % 256}.{1 + number % 254}"
    with socket.socket() as one:
        one.bind((host, 0))
        return host, one.getsockname()[1]


def _without_refusals(path):
    """The shell may be a 64-bit program where the program and the library are not. Whether the
    program has accepted the library is known from its binding."""
    with open(path, "rb") as file:
        lines = file.readlines()
    kept = [line for line in lines if not re.match(rb"ERROR: ld\.so: object .* from LD_PRELOAD "
                                                   rb"cannot be preloaded .*: ignored", line)]
    if kept != lines:
        with open(path, "wb") as file:
            file.writelines(kept)


class Runner:
    def __init__(self, scratch, settings, timeout):
        self.scratch = scratch
        self.settings = settings
        self.timeout = timeout
        self.numbers = itertools.count(1)

    def _wait(self, command, folder, settings, output):
        with open(f"{output}.out", "wb") as out, open(f"{output}.err", "wb") as err, children.lock:
            if children.stopped:
                raise KeyboardInterrupt
            child = subprocess.Popen(command, cwd=folder, env=settings, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=err)
            children.running.add(child)
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()  # not killed: it has others to end
                child.wait()
            with children.lock:
                children.running.discard(child)
            if children.stopped:
                raise KeyboardInterrupt

    def run(self, program, preload):
        """Returns (Run, path): what was written is in path.out and path.err."""
        output = os.path.join(self.scratch, f"run-{next(self.numbers)}")
        report, settings = f"{output}.usage", self.settings
        if program.name == "redis":
            host, port = free_port()
            settings = dict(settings, HOST=host, PORT=str(port))
        os.mkdir(output)
        try:
            status = self._wait([os.path.join(settings["TOOLS"], "usage"), report,
                                 str(self.timeout), preload or "", "/bin/sh",
                                 os.path.join(self.scratch, "scripts", f"{program.name}.sh")],
                                output, settings, output)
            _without_refusals(f"{output}.err")
            return self._outcome(status, report, output), output
        finally:
            shutil.rmtree(output, ignore_errors=True)

    def _outcome(self, status, report, output):
        if status == TIMEOUT:
            return Run(failure=f"no end after {self.timeout} s")
        if status != 0:
            return Run(failure=f"it could not be run: {_last_line(output + '.err')}")
        with open(report, encoding="ascii") as file:
            wall, user, system, kib, how = file.read().split()
        if int(how) != 0:
            return Run(failure=_how_it_ended(int(how), f"{output}.err"))
        with contextlib.suppress(FileNotFoundError), \
                open(os.path.join(output, "peak"), encoding="ascii") as file:
            kib = re.search(r"\d+", file.read())[0]
        return Run(float(wall), float(user) + float(system), 1024 * int(kib))


def forget(output):
    for ending in ("out", "err", "usage"):
        with contextlib.suppress(OSError):
            os.unlink(f"{output}.{ending}")


def keep(output, expected, folder):
    """Moves what a failed run wrote to `folder`, beside what had been expected of it."""
    os.makedirs(folder, exist_ok=True)
    shutil.move(f"{output}.out", os.path.join(folder, "output"))
    shutil.move(f"{output}.err", os.path.join(folder, "errors"))
    if expected:
        shutil.copy(f"{expected}.out", os.path.join(folder, "expected"))
    forget(output)
