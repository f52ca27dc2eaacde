#!/usr/bin/python3
"""analysis/need: it installs what is missing where it may, else names the command."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from shared import ROOT, read, write_script

ANALYSIS = os.path.join(ROOT, "analysis")


class Need(unittest.TestCase):
    """A PATH with nothing but stubs and the few real tools that the script uses."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.scratch = os.path.join(self.folder, "tmp")
        os.mkdir(self.scratch)
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        for name in ("cat", "env", "mktemp", "rm", "flock"):
            found = shutil.which(name)
            if found:
                os.symlink(found, os.path.join(self.bin, name))

    def tool(self, name, text):
        write_script(os.path.join(self.bin, name), f"#!/bin/sh\n{text}\n")

    def apt(self, installs):
        """An apt-get that writes down its calls; `installs` is what install does."""
        calls = os.path.join(self.folder, "calls")
        self.tool("apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {calls}\n'
                             f'case "$*" in *install*) {installs} ;; esac')

    def calls(self):
        found = read(os.path.join(self.folder, "calls")).splitlines()
        return [re.sub(r" (-\S+|DPkg\S+)(?= )", "", call) for call in found]

    def gains(self, name):
        path = os.path.join(self.bin, name)
        return f"echo > {path}; {shutil.which('chmod')} +x {path}"

    def need(self, *tools, status=0, **environment):
        done = subprocess.run([os.path.join(ANALYSIS, "need"), *tools], encoding="utf-8",
                              env={"PATH": self.bin, "TMPDIR": self.scratch, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, status, done.stdout)
        self.assertEqual(os.listdir(self.scratch), [], "a log is left")
        return done.stdout

    def test_all_there(self):
        self.tool("gnuplot", "")
        self.tool("make", "")
        self.assertEqual(self.need("gnuplot", "make"), "")

    def test_prints_the_one_command(self):
        self.apt("")
        self.tool("id", "echo 1000")
        self.tool("sudo", "exit 1")
        self.assertEqual(self.need("gnuplot", "mandoc", "cmocka.h", status=1).splitlines()[1:],
                         ["sudo sh -c 'apt-get update && apt-get install -y gnuplot-nox mandoc "
                          "libcmocka-dev'"])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "calls")))

    def test_prints_it_for_a_machine_without_sudo(self):
        self.apt("")
        self.tool("id", "echo 1000")
        self.assertIn("\nsu -c 'apt-get update", self.need("gnuplot", status=1))

    def test_installs_as_root(self):
        self.apt(self.gains("gnuplot"))
        self.tool("id", "echo 0")
        self.assertEqual(self.need("gnuplot"), "need: installing gnuplot-nox\n")
        self.assertEqual(self.calls(), ["noninteractive install gnuplot-nox"])

    def test_installs_with_sudo(self):
        self.apt(self.gains("gnuplot"))
        self.tool("id", "echo 1000")
        self.tool("sudo", 'shift; "$@"')
        self.tool("true", "")
        self.need("gnuplot")
        self.assertEqual(self.calls(), ["noninteractive install gnuplot-nox"])

    def test_nothing_that_is_there_is_removed(self):
        """Packages that exclude each other: what the user has stays."""
        self.apt(self.gains("gnuplot"))
        self.tool("id", "echo 0")
        self.need("gnuplot")
        self.assertIn(" --no-remove ", read(os.path.join(self.folder, "calls")))

    def test_compilers_for_the_kernel(self):
        self.apt("")
        self.tool("id", "echo 1000")
        self.assertIn("apt-get install -y gcc-multilib gcc-riscv64-unknown-elf qemu-system-x86 "
                      "qemu-system-misc'",
                      self.need("gcc32", "riscv64-gcc", "qemu-system-i386", "qemu-system-riscv64",
                                status=1))
        self.tool("gcc", "case $1 in -dumpversion) echo 12 ;; *) exit 1 ;; esac")
        self.assertIn("apt-get install -y gcc-12-multilib'", self.need("gcc32", status=1))
        self.tool("riscv64-linux-gnu-gcc", "")
        self.assertEqual(self.need("riscv64-gcc"), "")

    def test_updates_lists_when_the_first_try_fails(self):
        flag = os.path.join(self.folder, "updated")
        self.apt(f"[ -e {flag} ] || exit 100; {self.gains('gnuplot')}")
        with open(os.path.join(self.bin, "apt-get"), "a", encoding="utf-8") as file:
            file.write(f'case "$*" in *update*) echo > {flag} ;; esac\n')
        self.tool("id", "echo 0")
        self.need("gnuplot")
        self.assertEqual(self.calls(), ["noninteractive install gnuplot-nox",
                                        "noninteractive update",
                                        "noninteractive install gnuplot-nox"])

    def test_failure_shows_the_log_and_the_command(self):
        self.apt('echo "E: no such package"; exit 100')
        self.tool("id", "echo 0")
        out = self.need("gnuplot", status=1)
        self.assertIn("E: no such package", out)
        self.assertIn("apt-get install -y gnuplot-nox'", out)

    def test_32_bit_adds_the_architecture(self):
        self.apt(self.gains("gcc"))
        self.tool("id", "echo 0")
        self.tool("dpkg", f'case $1 in --print-architecture) echo amd64 ;; '
                          f'--add-architecture) echo "dpkg $*" >> {os.path.join(self.folder, "calls")} ;; esac')
        self.need("cmocka32")
        self.assertEqual([call.split()[0] for call in self.calls()],
                         ["dpkg", "noninteractive", "noninteractive"])
        self.assertIn("libcmocka-dev:i386", self.calls()[2])

    def test_redis_comes_without_a_service(self):
        self.apt("")
        self.tool("id", "echo 1000")
        self.tool("redis-cli", "")
        self.assertIn("apt-get install -y redis-tools'", self.need("redis", status=1))
        for name in ("redis-check-rdb", "redis-benchmark"):
            self.tool(name, "")
        self.assertEqual(self.need("redis"), "")

    def test_slurm_takes_daemons_and_commands(self):
        self.apt("")
        self.tool("id", "echo 1000")
        for name in ("munged", "slurmctld", "slurmd", "sbatch"):
            self.tool(name, "")
        self.assertIn("apt-get install -y slurmctld slurmd slurm-client munge'",
                      self.need("slurm", status=1))
        self.tool("squeue", "")
        self.assertEqual(self.need("slurm"), "")

    @unittest.skipUnless(all(os.path.exists(f"/usr/sbin/{name}")
                             for name in ("munged", "slurmctld", "slurmd")), "Slurm is missing")
    def test_slurm_has_daemons_outside_of_a_user_s_path(self):
        self.tool("sbatch", "")
        self.tool("squeue", "")
        self.assertEqual(self.need("slurm"), "")

    def test_the_tests_of_this_python(self):
        """A module named test that has none of them hides those that may be installed."""
        self.apt("")
        self.tool("id", "echo 1000")
        os.mkdir(os.path.join(self.folder, "test"))
        write_script(os.path.join(self.folder, "test", "__init__.py"), "")
        self.assertRegex(self.need("python-tests", status=1, PYTHONPATH=self.folder),
                         r"apt-get install -y libpython3\.\d+-testsuite'")
        for name in ("dict", "json", "threading"):
            write_script(os.path.join(self.folder, "test", f"test_{name}.py"), "")
        self.assertEqual(self.need("python-tests", PYTHONPATH=self.folder), "")

    def test_no_apt(self):
        self.assertEqual(self.need("gnuplot", status=1),
                         "need: missing: gnuplot; Debian has it in: gnuplot-nox\n")

    def test_wrong_usage(self):
        self.need(status=2)
        self.assertIn("no package is known for foo", self.need("foo", status=2))


if __name__ == "__main__":
    unittest.main()
