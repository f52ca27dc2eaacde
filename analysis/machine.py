"""What the figures were taken on and with: machine, compiler, flags, commit."""

import os
import platform
import re
import subprocess

from common import Refusal

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _first_match(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.M)
    except OSError:
        return None
    return found[1].strip() if found else None


def describe_machine():
    memory = _first_match("/proc/meminfo", r"^MemTotal:\s*(\d+) kB")
    return {"cpu": (_first_match("/proc/cpuinfo", r"^(?:model name|Model|uarch)\s*:\s*(.*)$")
                    or platform.machine()),
            "cores": os.cpu_count() or 1,
            "memory_bytes": int(memory) * 1024 if memory else None,
            "kernel": f"{platform.system()} {platform.release()} {platform.machine()}"}


def _said(*command):
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def describe_build(settings):
    """`settings` as make prints them."""
    said = _said(settings["cc"], "--version")
    changed = _said("git", "status", "--porcelain", "--untracked-files=no")
    return {"compiler": said.splitlines()[0] if said else settings["cc"],
            "flags": settings["flags"], "version": settings["version"],
            "commit": _said("git", "rev-parse", "--short=12", "HEAD"),
            "modified": bool(changed)}


def make(*words):
    """Runs make in the project's folder and returns what it printed."""
    done = subprocess.run(["make", "-s", "--no-print-directory", "-C", HERE, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "rror" in line] or [""]
        raise Refusal(f"make {' '.join(words)} failed: {said[0]}")
    return done.stdout


def make_settings(*words):
    """The Makefile's settings: algorithms, build, cc, flags, version."""
    lines = make(*words, "settings").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
