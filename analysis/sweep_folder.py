"""The folder of a sweep: where it is, who is at work in it, and what is known of it."""

import contextlib
import fcntl
import json
import os
import socket
import time

import sweep_db
from common import Refusal

SWEEPS = "sweeps"
LOCK = ".lock"
TRIES = 10  # to have it
CANCEL = "cancel"  # a file that tells who drives the sweep to end


def of_plan(path):
    """The folder for a plan's sweep."""
    return os.path.join(SWEEPS, os.path.basename(path).removesuffix(".toml"))


def named(word):
    """The folder that a user means: it itself, or a plan."""
    folder = of_plan(word) if word.endswith(".toml") and not os.path.isdir(word) else word
    if not sweep_db.begun(database_of(folder)):
        raise Refusal(f"{folder}: there is no sweep here")
    return folder


def database_of(folder):
    return os.path.join(folder, sweep_db.NAME)


def _mine(lock):
    """Whoever only looks has it for a moment."""
    for _ in range(TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def driving(folder):
    """One process drives a sweep. Who that is stands in the lock's file."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, LOCK), "a+", encoding="ascii") as lock:
        if not _mine(lock):
            raise Refusal(f"{folder}: this sweep is being done already; `sweep status` shows "
                          "how far it is")
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        lock.flush()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, CANCEL))
        yield


def driver(folder):
    """{"pid", "host"} of the process that drives the sweep, None when there is none."""
    with contextlib.suppress(OSError, ValueError), \
            open(os.path.join(folder, LOCK), "r+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return json.load(lock)
    return None


def cancelled(folder):
    return os.path.exists(os.path.join(folder, CANCEL))
