"""What the tests of the kernel share: where its images are, and running them."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from shared import ROOT

ALGORITHMS = os.environ.get("KMA_ALGORITHMS", "dummy bud slab").split()
COMPILER = os.path.basename(os.environ.get("KMA_CC", "gcc"))
MACHINES = ("x86", "riscv")
EMULATORS = {"x86": "qemu-system-i386", "riscv": "qemu-system-riscv64"}
BITS = {"x86": 32, "riscv": 64, "user": 64}
SMALLEST = {"x86": "2M", "riscv": "3M"}


def settings(bits):
    """The folder of what was built with the kernel's page size."""
    return os.path.join(ROOT, f"build/{COMPILER}-4096" + ("-m32" if bits == 32 else ""))


def image(machine, algorithm):
    return os.path.join(settings(BITS[machine]), "kernel", machine, f"kma_{algorithm}")


def why_not(machine):
    """Why nothing boots on this machine here, or None."""
    if shutil.which(EMULATORS[machine]) is None:
        return f"{EMULATORS[machine]} is not installed"
    if not os.path.exists(image(machine, "bud")):
        return f"no kernel was built for {machine}"
    return None


def run(*command, timeout=300, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          cwd=ROOT, timeout=timeout, **options)


def boot(machine, name, *options, **run_options):
    """Of an algorithm, or of the image at a path."""
    path = name if os.path.isabs(name) else image(machine, name)
    return run(sys.executable, "kernel/boot", "--machine", machine, *options, path,
               **run_options)


FIGURES = re.compile(r"traces: (\S+): (here|simulated): (\d+) pages requested, (\d+) freed, "
                     r"(\d+) in use, (\d+) at most, checksum ([0-9a-f]{16})")


def figures(console):
    """{(trace, "here" or "simulated"): numbers}."""
    return {(trace, whose): numbers for trace, whose, *numbers in FIGURES.findall(console)}


class KernelTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-kernel-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def needs(self, machine):
        why = why_not(machine)
        if why:
            self.skipTest(why)

    def machines(self):
        """Those on which something boots here."""
        found = [machine for machine in MACHINES if not why_not(machine)]
        if not found:
            self.skipTest(why_not(MACHINES[0]))
        return found

    def passed(self, done):
        """All four steps, by their lines as well as by the exit status."""
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout[-2000:])
        self.assertNotIn("FAILED", done.stdout)
        self.assertEqual(re.findall(r"^(step|passed) (\w+)$", done.stdout, re.M),
                         [(word, step) for step in ("exercise", "traces", "processes", "files")
                          for word in ("step", "passed")])
        self.assertTrue(done.stdout.endswith("kernel: 4 steps passed, 0 failed\n"))
        return done.stdout

    def failed(self, done, *patterns):
        """Its words are as said: those on the console, and last the one line about it."""
        self.assertEqual(done.returncode, 1, done.stdout[-2000:] + done.stderr)
        for pattern in patterns[:-1]:
            self.assertRegex(done.stdout, pattern)
        self.assertRegex(done.stderr, rf"\Aboot: {patterns[-1]}\n\Z")
