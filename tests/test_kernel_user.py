#!/usr/bin/python3
"""The kernel as a process: its steps for every algorithm, under valgrind, and for allocators
that err; and that all of it is compiled without a warning for each machine."""

import concurrent.futures
import glob
import os
import re
import shlex
import shutil
import subprocess
import unittest

from kernel_case import ALGORITHMS, COMPILER, MACHINES, KernelTest, figures, image, run, why_not
from shared import ROOT, without_make

# What each fault of tests/broken.c looks like to the kernel.
FAULTS = {
    "overlap": "exercise: FAILED", "misaligned": "exercise: FAILED: sizes",
    "outside": "exercise: FAILED: sizes", "unheld": "exercise: FAILED: sizes",
    "straddle": "exercise: FAILED: sizes", "leak": "exercise: FAILED",
    "scribble": r"of 1000 bytes: 0 denied, 0 misplaced, [1-9]\d* changed",
    "scribble_free": r"of 1000 bytes: 0 denied, 0 misplaced, [1-9]\d* changed",
    "request_frees": r"of 1000 bytes: 0 denied, \d+ misplaced, [1-9]\d* changed",
    "double_free_page": r"panic: free_page\(.*\): that is no single page that is held",
    "garbage_page": r"panic: free_page\(.*\): that is no single page that is held",
    "free_used_page": r"panic: free_page\(0xdbdbdbdb.*\): that is no single page",
    "run_as_page": r"panic: free_page\(.*\): that is no single page that is held",
    "double_free_run": r"panic: free_pages\(.*\): that is no run that is held",
    "fresh_page": "exercise: FAILED", "lazy_null": r"exercise: FAILED: sizes from 1 to 4088: 1 denied",
    "eager": r"exercise: FAILED: 0, negative sizes and those over 4088: [1-9] served",
    "unsound": "exercise: FAILED",
    "segfault": "panic: bad address", "abort_call": "panic: abort", "divide": "panic: divide error",
    "endless": "panic: bad address", "complain": "panic: the allocator gave up",
}


class EveryAlgorithm(KernelTest):
    """A test for each algorithm is added below."""

    def passes(self, algorithm):
        console = self.passed(run(image("user", algorithm)))
        found = figures(console)
        self.assertEqual(len(found), 8)
        for trace in {trace for trace, _ in found}:
            self.assertEqual(found[trace, "here"], found[trace, "simulated"])


def _passes(algorithm):
    return lambda self: self.passes(algorithm)


for _algorithm in ALGORITHMS:
    setattr(EveryAlgorithm, f"test_{_algorithm}", _passes(_algorithm))


class AllocatorsThatErr(KernelTest):
    def build(self, fault):
        folder = os.path.dirname(image("user", "dummy"))
        made = self.path(fault)
        subprocess.run([COMPILER, "-std=c11", "-D_GNU_SOURCE", "-O1", "-w", "-DPAGESIZE=4096",
                        f"-DBROKEN={fault}", "-I", ROOT, os.path.join(ROOT, "tests/broken.c"),
                        *glob.glob(f"{folder}/kernel/**/*.o", recursive=True),
                        f"{folder}/embedded-dummy.o", "-lpthread", "-o", made], check=True)
        return made

    def test_each_fault_is_found(self):
        for fault, words in FAULTS.items():
            with self.subTest(fault=fault):
                done = run(self.build(fault), "step=exercise")
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(done.stdout, words)

    def test_sound_ones_pass(self):
        for name in ("nothing", "no_audit", "two_pages"):
            done = run(self.build(name), "step=exercise")
            self.assertEqual(done.returncode, 0, done.stdout)


class Tools(KernelTest):
    @unittest.skipIf(shutil.which("valgrind") is None, "valgrind is not installed")
    def test_valgrind_finds_nothing(self):
        done = run("valgrind", "-q", "--error-exitcode=9", image("user", "slab"), "processes=300")
        self.passed(done)

    @unittest.skipIf(shutil.which("valgrind") is None, "valgrind is not installed")
    def test_valgrind_sees_the_use_of_a_page_that_went_back(self):
        """Pages are marked as they come and go."""
        source, made = self.path("late.c"), self.path("late")
        with open(source, "w", encoding="ascii") as file:
            file.write("""
                #include "kma.h"
                #include "kma_page.h"
                void *kma_malloc(kma_size_t size) {
                    kma_page_t *page = size > 0 && size < PAGESIZE - 8 ? get_page() : 0;
                    if (page == 0) return 0;
                    char *bytes = page->ptr;
                    free_page(page);
                    bytes[100] = 1;
                    return 0;
                }
                void kma_free(void *ptr, kma_size_t size) { (void)ptr; (void)size; }""")
        folder = os.path.dirname(image("user", "dummy"))
        subprocess.run([COMPILER, "-O1", "-gdwarf-4", "-DPAGESIZE=4096", "-I", ROOT, source,
                        *glob.glob(f"{folder}/kernel/**/*.o", recursive=True),
                        f"{folder}/embedded-dummy.o", "-lpthread", "-o", made], check=True)
        done = run("valgrind", "-q", "--error-exitcode=9", made, "step=exercise")
        self.assertRegex(done.stderr, r"Invalid write of size 1\n.*kma_malloc \(late\.c:")

    def test_other_memory_and_steps(self):
        done = run(image("user", "tlsf"), "memory=8M", "step=files")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"memory: 20\d\d pages of 4096 bytes\nstep files\n")

    def test_a_disk_that_is_full(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([image("user", "bud"), "step=traces"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr),
                         (2, "kernel: standard output: No space left on device\n"))

    def test_a_command_line_that_is_too_long(self):
        done = run(image("user", "bud"), "x" * 600)
        self.assertEqual((done.returncode, done.stderr),
                         (2, "kernel: the command line is longer than 510 bytes\n"))

    def test_make_kernel_test_user(self):
        done = subprocess.run(["make", "kernel-test-user", "ALGORITHM=kma_p2fl", f"CC={COMPILER}",
                               "APPEND=step=traces"], cwd=ROOT, env=without_make(), text=True,
                              capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.endswith("kernel: 1 steps passed, 0 failed\n"))


class Compilation(KernelTest):
    def warnings(self, machine):
        command = shlex.split(run("make", "-s", "kernel-command", "PAGESIZE=4096", f"CC={COMPILER}",
                                  f"M32={1 if machine == 'x86' else ''}", f"MACHINE={machine}",
                                  env=without_make()).stdout)
        if machine != "user":
            self.assertIn("-nostdinc", command)
            self.assertIn("-ffreestanding", command)
        for option in ("-Wall", "-Wextra"):
            self.assertIn(option, command)
        files = glob.glob("kernel/*.c", root_dir=ROOT) + \
            glob.glob("kernel/steps/*.c", root_dir=ROOT) + \
            glob.glob(f"kernel/{machine}/*.c", root_dir=ROOT)
        if machine == "user":
            files.remove("kernel/string.c")
        tasks = [(file, []) for file in files]
        for name in ALGORITHMS:
            file = f"kma_{name}.c"
            if not os.path.exists(os.path.join(ROOT, file)):
                file = f"kma_{name.split('_')[0]}.c"
            tasks.append((file, [f"-DKMA_{name.upper()}"]))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            said = list(pool.map(lambda task: run(*command, *task[1], "-Werror", "-c", task[0], "-o",
                                                  os.devnull).stderr, tasks))
        self.assertEqual("".join(said), "")

    def test_without_a_warning(self):
        for machine in ("user", *(name for name in MACHINES if not why_not(name))):
            with self.subTest(machine=machine):
                self.warnings(machine)

    def test_nothing_of_a_c_library_is_needed(self):
        """What the linker was left to find is nothing: images are whole."""
        for machine in self.machines():
            done = run("nm", "-u", image(machine, "slab"))
            undefined = [line for line in done.stdout.splitlines()
                         if not re.search(r" [vw] ", line)]
            self.assertEqual((done.returncode, undefined), (0, []))


if __name__ == "__main__":
    unittest.main()
