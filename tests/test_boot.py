#!/usr/bin/python3
"""Boots the kernel with every algorithm on both machines."""

import json
import os
import re
import subprocess
import tempfile
import unittest

from kernel_case import (ALGORITHMS, BITS, MACHINES, SMALLEST, KernelTest, boot, figures,
                         settings, why_not)
from shared import ROOT, read, without_make

LINES = (
    r"exercise: \d+ requests and as many frees: 0 denied, 0 misplaced, 0 changed",
    r"exercise: sizes from 1 to 40(88|92): 0 denied, 0 wrong",
    r"exercise: 0, negative sizes and those over 40(88|92): 0 served, for 0 pages",
    r"exercise: of 100 pages: NULL after \d+ blocks in (100|9\d) pages",
    r"exercise: every second one freed: \d+ of \d+ had again, 0 changed",
    r"exercise: all RAM: NULL after \d+ blocks of 500 bytes in (\d+) of \1 pages; 0 in use",
    r"traces: 3\.trace: 20000 events, 0 wrong",
    r"traces: kernel-processes: page figures are as simulated",
    r"processes: 10000 created, 10000 ended, 10000 waited for, 10000 found their blocks",
    r"processes: [12]\d\d at once at most, pre-empted ([2-9]\d\d|\d{4,}) times",
    r"processes: two that allocate without end: 2 found all blocks as they left them, 0 pages",
    r"processes: 10 of 10 woke from a sleep",
    r"files: 4500 files open in 150 processes",
    r"files: each opened 30 files: 0 errors, 0 open when all have ended",
)
CALL = re.compile(r"traces: (\S+): instructions of kma_(malloc|free): (\d+) calls, "
                  r"mean (\d+\.\d\d), worst (\d+) in event (\d+)")


def simulated(machine, algorithm, trace):
    """(requested, freed, in use, peak) as the driver's own --json has them."""
    driver = os.path.join(settings(BITS[machine]), f"kma_{algorithm}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "json")
        subprocess.run([driver, "--no-output", "--passes", "1", "--max-pages", "65536", "--json",
                        path, trace], check=True, capture_output=True, cwd=ROOT)
        pages = json.loads(read(path))["pages"]
    return [str(pages[name]) for name in ("requested", "freed", "in_use_at_end", "peak")]


class EveryAlgorithm(KernelTest):
    """A test for each algorithm and machine is added below."""

    def boots(self, machine, algorithm):
        self.needs(machine)
        console = self.passed(boot(machine, algorithm))
        for line in LINES:
            self.assertRegex(console, rf"(?m)^{line}")
        self.assertEqual(console.splitlines()[0].split(" on ")[0].split(": ")[1],
                         f"kma_{algorithm}")
        self.figures_are_the_drivers(machine, algorithm, console)
        self.instructions_are_counted(console)
        if algorithm == "slab":
            self.has_caches(console)

    def figures_are_the_drivers(self, machine, algorithm, console):
        found = figures(console)
        self.assertEqual(len(found), 8)
        for trace in {trace for trace, _ in found}:
            self.assertEqual(found[trace, "here"], found[trace, "simulated"])
        self.assertEqual(found["3.trace", "here"][:4],
                         simulated(machine, algorithm, "testsuite/3.trace"))
        self.assertEqual(found["kernel-processes", "here"][:4],
                         simulated(machine, algorithm, "build/kernel/kernel-processes.trace"))

    def instructions_are_counted(self, console):
        calls = CALL.findall(console)
        self.assertEqual(len(calls), 8)
        for _, _, count, mean, worst, event in calls:
            self.assertLessEqual(float(mean), int(worst))
            self.assertGreater(float(mean), 1)
            self.assertGreaterEqual(int(event), 1)
            self.assertGreater(int(count), 0)

    def has_caches(self, console):
        self.assertIn("files: open files are objects of a kmem_cache\n", console)
        self.assertEqual(re.findall(r"files: they took (\d+) page", console), ["1", "1"])
        self.assertEqual(re.findall(r"files: (-?\d+) pages more in use", console), ["0", "0"])
        cache = re.search(r"^files: file +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) : slabdata +(\d+) "
                          r"+(\d+)$", console, re.M)
        active, objects, size, a_slab, pages, _, slabs = map(int, cache.groups())
        self.assertEqual((active, objects), (4500, slabs * a_slab))
        self.assertLessEqual(a_slab * size, pages * 4096)


def _boots(machine, algorithm):
    return lambda self: self.boots(machine, algorithm)


for _machine in MACHINES:
    for _algorithm in ALGORITHMS:
        setattr(EveryAlgorithm, f"test_{_algorithm}_on_{_machine}", _boots(_machine, _algorithm))


class Readme(KernelTest):
    def test_its_session_is_what_is_printed(self):
        """But for what depends on the compiler: how large the kernel is, and instructions."""
        self.needs("riscv")
        session = re.search(r"^\$ make boot ALGORITHM=kma_slab MACHINE=riscv\n(.*?)^```",
                            read(os.path.join(ROOT, "README.md")), re.M | re.S)[1].splitlines()
        console = iter(boot("riscv", "slab").stdout.splitlines())
        lines = [line for line in session if not re.search("^memory|instructions", line)]
        self.assertGreater(len(lines), 15)
        for line in lines:
            self.assertIn(line, console)  # in that order


class Machines(KernelTest):
    def test_two_runs_are_the_same_to_the_byte(self):
        for machine in self.machines():
            first, second = (boot(machine, "slab").stdout for _ in range(2))
            self.assertEqual(first, second)

    def test_little_and_much_memory(self):
        for machine in self.machines():
            for memory in (SMALLEST[machine], "1G"):
                console = self.passed(boot(machine, "bud", "--memory", memory))
                total = int(re.search(r"^memory: (\d+) pages of 4096 bytes$", console, re.M)[1])
                size = int(memory[:-1]) << (20 if memory.endswith("M") else 30)
                # The rest is the kernel, with its traces, and what describes the pages.
                self.assertLess(total * 4096, size)
                self.assertGreater(total * 4096, size * 0.98 - (1 << 20))

    def test_at_full_speed(self):
        for machine in self.machines():
            self.passed(boot(machine, "tlsf", "--no-icount"))

    def test_the_steps_that_are_asked_for(self):
        for machine in self.machines():
            done = boot(machine, "mck2", "--append", "step=processes processes=300")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(re.findall(r"^step (\w+)$", done.stdout, re.M), ["processes"])
            self.assertIn("processes: 300 created, 300 ended", done.stdout)

    def test_make_boot(self):
        why = why_not("riscv")
        if why:
            self.skipTest(why)
        environment = without_make()
        done = subprocess.run(["make", "boot", "ALGORITHM=kma_bud", "MACHINE=riscv",
                               f"CC={os.environ.get('KMA_CC', 'gcc')}", "APPEND=step=traces"],
                              cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith("kernel: 1 steps passed, 0 failed\n"), done.stdout)
        for wrong in ("ALGORITHM=none", "MACHINE=vax"):
            done = subprocess.run(["make", "boot", wrong], cwd=ROOT, env=environment,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=300)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"\Amake: {wrong}: it is (one of )?\w+")


if __name__ == "__main__":
    unittest.main()
