#!/usr/bin/python3
"""What becomes of kernels that err, of machines that do not start, and of debuggers."""

import glob
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from kernel_case import BITS, COMPILER, KernelTest, boot, image, run, settings
from shared import ROOT, write_script

REGISTERS = {"x86": ("eax", "ebx", "esp", "ebp", "eflags"),
             "riscv": ("ra", "sp", "a0", "t6", "mstatus", "mepc", "mtval")}

# Algorithms that err where the kernel's steps look; each is kma_dummy with one fault.
DUMMY = """
    #include <stddef.h>
    #include "kma.h"
    #include "kma_page.h"
    #define PAGE_OF(block) (((kma_page_t **)BASEADDR(block))[PAGESIZE / sizeof(void *) - 1])
    void *kma_malloc(kma_size_t size) {
        if (size <= 0 || size > MOST) return NULL;
        kma_page_t *page = get_page();
        %s
        PAGE_OF(page->ptr) = page;
        return page->ptr;
    }
    void kma_free(void *ptr, kma_size_t size) {
        (void)size;
        %s
        free_page(PAGE_OF(ptr));
    }
"""
MOST = "(kma_size_t)(PAGESIZE - sizeof(void *))"
SOUND = "if (page == NULL) return NULL;"


class Faults(KernelTest):
    def test_a_trap_shows_the_registers(self):
        for machine in self.machines():
            done = boot(machine, "bud", "--append", "fault")
            self.failed(done, r"(?m)^panic: .* at 0x[0-9a-f]+", r"the kernel failed in step err, "
                        r"after the line: panic: in process 0, in step err")
            for name in REGISTERS[machine]:
                self.assertRegex(done.stdout, rf"(?m)\b{name} +[0-9a-f]{{8}}")

    def test_a_panic(self):
        for machine in self.machines():
            self.failed(boot(machine, "bud", "--append", "panic"),
                        r"(?m)^panic: asked for\npanic: in process 0, in step err$",
                        r"the kernel failed in step err, after the line: .*")

    def test_a_hang_is_named_by_its_step(self):
        for machine in self.machines():
            self.failed(boot(machine, "bud", "--append", "hang", "--step-seconds", "2"),
                        r"hung in step err, after the line: step err: no end after 2 s")

    def test_without_the_lock_pre_emption_breaks_the_allocator(self):
        """So the step that says it is safe can fail."""
        for machine in self.machines():
            for algorithm in ("bud", "slab", "rm"):
                done = boot(machine, algorithm, "--append", "step=processes unlocked",
                            "--step-seconds", "20")
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(done.stdout + done.stderr, "FAILED|panic|hung")

    def build(self, machine, get, free, most=MOST):
        """The image of an algorithm with a fault."""
        source, made = self.path("kma_faulty.c"), self.path("image")
        with open(source, "w", encoding="ascii") as file:
            file.write(DUMMY.replace("MOST", most) % (get, free))
        folder = os.path.join(settings(BITS[machine]), "kernel")
        parts = glob.glob(f"{folder}/{machine}/kernel/**/*.o", recursive=True)
        compiler = {"x86": [COMPILER, "-m32"], "riscv": ["riscv64-unknown-elf-gcc"]}[machine]
        if machine == "riscv":
            names = ("riscv64-linux-gnu-gcc", "riscv64-unknown-elf-gcc")
            compiler = [next(name for name in names if shutil.which(name)),
                        "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"]
        subprocess.run([*compiler, "-std=c11", "-ffreestanding", "-O1", "-fno-pic", "-static",
                        "-fno-stack-protector", "-nostdlib", "-DPAGESIZE=4096", "-I", ROOT,
                        "-isystem", os.path.join(ROOT, "kernel/include"),
                        "-Wl,--build-id=none", "-no-pie" if machine == "x86" else "-static",
                        "-T", os.path.join(ROOT, f"kernel/{machine}/kernel.ld"), source, *parts,
                        os.path.join(folder, machine, "embedded-dummy.o"), "-lgcc",
                        "-o", made], check=True, cwd=self.folder)
        return made

    def faulty(self, get, free, *patterns, most=MOST):
        for machine in self.machines():
            made = self.build(machine, get, free, most)
            done = boot(machine, made, "--append", "processes=200")
            self.failed(done, *patterns, r"the kernel failed .*")

    def test_the_sound_one_passes(self):
        for machine in self.machines():
            self.passed(boot(machine, self.build(machine, SOUND, "")))

    def test_a_leak(self):
        self.faulty(SOUND, "if (size == 1000) return;",
                    r"(?m)^exercise: FAILED: pages in use at the end: \d+$",
                    r"(?m)^FAILED exercise$")

    def test_no_look_at_null(self):
        """At address 0 there is nothing to write to."""
        self.faulty("", "", r"(?m)^panic: .* at 0x[0-9a-f]+", r"panic: in process 0, in step exercise")

    def test_what_is_too_large_is_served(self):
        self.faulty(SOUND, "", r"exercise: FAILED: 0, negative sizes and those over \d+: [1-9] served",
                    most="PAGESIZE")

    def test_a_page_given_back_twice(self):
        self.faulty(SOUND, "if (size == 1000) free_page(PAGE_OF(ptr));",
                    r"(?m)^panic: free_page\(0x[0-9a-f]+\): that is no single page that is held$")

    def test_other_pages_than_simulated(self):
        self.faulty(SOUND + "if (size == 41) free_page(get_page());", "",
                    r"traces: FAILED: 3\.trace: page figures are not as simulated")

    def test_a_stack_that_is_overrun(self):
        """A process's has 3072 bytes, the boot thread's more."""
        self.faulty(SOUND, """
            volatile char large[3000];
            for (int i = 0; size < 500 && i < 3000; i++) large[i] = 1;""",
                    r"(?m)^panic: process [1-9]\d* has overrun its stack$")


class Runner(KernelTest):
    def test_what_cannot_be_started(self):
        self.needs("x86")
        self.needs("riscv")
        for options, line in ((["--memory", "lots"], r".* has ended with status 1"),
                              (["--memory", "64K"], r".*"),):
            done = boot("x86", "bud", *options)
            self.assertIn(done.returncode, (1, 2))
            self.assertRegex(done.stderr.splitlines()[-1], rf"^boot: {line}$")
        done = boot("x86", self.path("none"))
        self.assertEqual((done.returncode, done.stderr),
                         (2, f"boot: {self.path('none')}: cannot be read\n"))
        done = boot("x86", image("riscv", "bud"))
        self.assertEqual(done.returncode, 2, done.stderr)

    def test_without_qemu(self):
        done = boot("x86", sys.executable, env={"PATH": self.folder})
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "boot: qemu-system-i386 is not installed (analysis/need "
                         "qemu-system-i386)\n")

    def fake(self, text):
        write_script(self.path("qemu-system-i386"), f"#!/bin/sh\n{text}\n")
        environment = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}")
        return boot("x86", sys.executable, "--step-seconds", "2", env=environment)

    def test_a_reset_is_no_pass(self):
        self.failed(self.fake("echo 'step files'; exit 0"),
                    "the machine was reset in step files, after the line: step files")

    def test_the_status_alone_is_no_pass(self):
        self.failed(self.fake("echo 'step files'; exit 33"), "the machine was switched off .*")

    def test_the_line_alone_is_no_pass(self):
        self.failed(self.fake("echo 'kernel: 4 steps passed, 0 failed'; exit 35"),
                    "the kernel failed outside of the steps, after the line: .*")
        self.failed(self.fake("echo 'kernel: 4 steps passed, 0 failed'; echo more; exit 33"),
                    "the machine was switched off outside of the steps, after the line: more")

    def test_silence(self):
        self.failed(self.fake("exec sleep 60"), "hung outside of the steps, before any line: .*")

    def test_an_interrupt_ends_qemu_too(self):
        self.needs("x86")
        name = f"step=processes processes=1000000000 {os.getpid()}"
        child = subprocess.Popen([sys.executable, "kernel/boot", "--append", name,
                                  image("x86", "bud")], cwd=ROOT, stdout=subprocess.PIPE)
        for line in child.stdout:
            if line == b"step processes\n":
                break
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(timeout=20), 130)
        child.stdout.close()
        self.assertEqual(run("pgrep", "-f", f"qemu.*{name}").stdout, "")


    def test_a_signal_at_any_time_leaves_no_qemu(self):
        """Also one that comes while QEMU is started."""
        mark = f"61.{os.getpid()}"
        write_script(self.path("qemu-system-i386"), f"#!/bin/sh\nexec sleep {mark}\n")
        environment = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}")
        for turn in range(30):
            child = subprocess.Popen([sys.executable, "kernel/boot", sys.executable], cwd=ROOT,
                                     env=environment, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(turn * 0.007)
            child.terminate()
            self.assertIn(child.wait(timeout=20), (130, -signal.SIGTERM, -signal.SIGINT))
        self.assertEqual(run("pgrep", "-f", f"sleep {mark}").stdout, "")


class Debugger(KernelTest):
    def test_make_gdb_stops_in_the_algorithm(self):
        if shutil.which("gdb-multiarch") is None:
            self.skipTest("gdb-multiarch is not installed")
        for machine in self.machines():
            done = boot(machine, "bud", "--gdb", "gdb-multiarch -batch -nx -ex 'break "
                        "kma_malloc' -ex continue -ex backtrace -ex 'print size'")
            self.assertRegex(done.stdout, r"Breakpoint 1, .*kma_malloc \(size=.*\d+\)")
            self.assertRegex(done.stdout, r"#\d+ .* kernel_main \(\)")
            self.assertRegex(done.stdout, r"\$1 = \d+")
        time.sleep(0.1)
        self.assertNotRegex(run("pgrep", "-fa", "qemu").stdout, "kma-gdb-")


if __name__ == "__main__":
    unittest.main()
