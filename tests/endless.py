"""Endless traces: a generator's output piped into a driver, and what memory that takes.

KMA_BUILD names the folder of the executables."""

import dataclasses
import os
import subprocess
import time

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", "."))


@dataclasses.dataclass(frozen=True)
class Outcome:
    status: int  # of the driver
    report: str
    resident: int  # bytes, of the driver at most
    seconds: float


def pipe(driver, options, events, live=10_000, seed=1):
    """generate | driver OPTION... -"""
    start = time.monotonic()
    generator = subprocess.Popen(
        [os.path.join(BUILD, "capture/generate"), "--events", str(events), "--live", str(live),
         "--seed", str(seed), "-o", "-"], stdout=subprocess.PIPE)
    replay = subprocess.Popen([os.path.join(BUILD, driver), *options, "-"],
                              stdin=generator.stdout, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    generator.stdout.close()
    report = replay.stdout.read().decode()
    replay.stdout.close()
    _, status, usage = os.wait4(replay.pid, 0)
    replay.returncode = os.waitstatus_to_exitcode(status)
    generator.wait()
    return Outcome(replay.returncode, report, usage.ru_maxrss * 1024,
                   time.monotonic() - start)
