"""What the tests of libkma_<algorithm>.so share: the programs in tests/host, and running
them under each of the libraries and with pages from each source."""

import collections
import concurrent.futures
import os
import re
import subprocess
import unittest

from driver_case import BUILD
from shared import ROOT

ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
SOURCES = ("mmap", "brk")
SETTINGS = ("KMA_PAGES", "KMA_STATS", "KMA_CHECK", "LD_PRELOAD", "FAULTS")
FOLDER = os.path.join(BUILD, "tests/host")
TIMEOUT = 60  # seconds, for what hangs

Setting = collections.namedtuple("Setting", "algorithm source")

needs_libraries = unittest.skipIf(
    re.search("sanitize|counted", os.path.basename(BUILD)),
    "a program with a sanitizer has its malloc, and what is counted is the driver's")


def compiled(name, *options, output=None):
    """The path of what tests/host/<name>.c becomes."""
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, output or name)
    compiler = os.environ.get("KMA_CC", "gcc").split()
    word = ["-m32"] if os.environ.get("KMA_M32") else []
    subprocess.run([*compiler, *word, "-std=c11", "-D_GNU_SOURCE", "-O2", "-g",
                    "-Wall", "-Wextra", "-fno-builtin", "-pthread",
                    os.path.join(ROOT, "tests/host", f"{name}.c"), *options, "-o", path],
                   check=True)
    return path


def library(algorithm):
    path = os.path.join(BUILD, f"libkma_{algorithm}.so")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: build it first, or set KMA_BUILD")
    return path


def run_with(setting, *command, before=(), **options):
    """Runs a program with a library as its malloc, behind the libraries `before`."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment.update(options.pop("settings", {}))
    environment["LD_PRELOAD"] = ":".join((*before, library(setting.algorithm)))
    environment["KMA_PAGES"] = setting.source
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, errors="replace", check=False,
                          timeout=TIMEOUT, **options)


class PreloadTest(unittest.TestCase):
    def passes(self, setting, *command, **options):
        """Standard output of a run that ends well and says nothing else."""
        result = self.ends_well(setting, *command, **options)
        self.assertEqual(result.stderr, "")
        return result.stdout

    def ends_well(self, setting, *command, **options):
        result = run_with(setting, *command, **options)
        self.assertEqual(result.returncode, 0,
                         f"last in {result.stdout[-60:]!r}: {result.stderr}")
        return result

    def everywhere(self, check, algorithms=None, sources=SOURCES):
        """check(setting) for each algorithm and source, as many at once as there are
        processors."""
        settings = [Setting(algorithm, source) for algorithm in algorithms or ALGORITHMS
                    for source in sources]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            running = [(setting, pool.submit(check, setting)) for setting in settings]
        for setting, done in running:
            with self.subTest(**setting._asdict()):
                problem = done.exception()
                if isinstance(problem, AssertionError):
                    self.fail(str(problem))
                done.result()
