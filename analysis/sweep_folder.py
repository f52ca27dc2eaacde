"""The folder of a sweep: where it is, who is at work in it, and what is known of it."""

import contextlib
import fcntl
import json
import os
import socket
import struct
import time

import sweep_db
from common import Refusal

SWEEPS = "sweeps"
LOCK = ".lock"
FLOCK = "hhqqi"  # struct flock: type, whence, start, length, pid
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


def _lock(file, command):
    """The kernel's answer: who asks with F_OFD_GETLK holds nothing, so who looks is in nobody's
    way; the lock is gone with its holder, however that ends."""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    return struct.unpack(FLOCK, fcntl.fcntl(file, command, asked))[0]


@contextlib.contextmanager
def driving(folder):
    """One process drives a sweep. Who that is stands in the lock's file."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, LOCK), "a+", encoding="ascii") as lock:
        try:
            _lock(lock, fcntl.F_OFD_SETLK)
        except BlockingIOError:
            raise Refusal(f"{folder}: this sweep is being done already; `sweep status` shows "
                          "how far it is") from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        lock.flush()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, CANCEL))
        yield
        lock.truncate(0)


def driver(folder):
    """{"pid", "host"} of the process that drives the sweep, None when there is none."""
    with contextlib.suppress(FileNotFoundError), \
            open(os.path.join(folder, LOCK), encoding="ascii") as lock:
        while _lock(lock, fcntl.F_OFD_GETLK) != fcntl.F_UNLCK:
            lock.seek(0)
            with contextlib.suppress(ValueError):  # it has only just begun
                return json.load(lock)
            time.sleep(0.01)
    return None


def cancelled(folder):
    return os.path.exists(os.path.join(folder, CANCEL))
