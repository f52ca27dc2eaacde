"""What the tests of the driver share: running an executable in a folder of its own.

KMA_BUILD names the folder of the executables."""

import os
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", "."))
TEMPORARY = ".kma-"
FAULT_SIZE = 1000  # tests/broken.c strikes at requests of this size


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path}: build it first, or set KMA_BUILD")
    return path


def word_bytes():
    """Bytes in a pointer of the executables: their ELF class says."""
    with open(program("kma_dummy"), "rb") as file:
        return 8 if file.read(5)[4] == 2 else 4


def trace_text(*events):
    return "".join(f"{line}\n" for line in (len(events), *events))


def simple_events(count):
    """Requests and frees of rising sizes with a few blocks live, none of them left."""
    events = []
    for i in range(count // 2):
        events.append(f"REQUEST {i} {16 + i * 37 % 1500}")
        if i >= 5:
            events.append(f"FREE {i - 5}")
    events += [f"FREE {i}" for i in range(max(count // 2 - 5, 0), count // 2)]
    return events


class DriverTest(unittest.TestCase):
    """Runs in a folder of its own, which is looked at afterwards."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma_test_driver_")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        data = content if isinstance(content, bytes) else content.encode()
        with open(self.path(name), "wb") as file:
            file.write(data)
        return name

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def files(self):
        return sorted(os.listdir(self.folder))

    def run_driver(self, name, *arguments, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("timeout", 120)
        return subprocess.run([program(name), *arguments], cwd=self.folder, text=True,
                              errors="replace", check=False, **options)

    def passes(self, name, *arguments, **options):
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 0, (result.stdout, result.stderr))
        self.assertEqual(result.stderr, "")
        return result.stdout

    def run_as_nobody(self, trace):
        """A copy, since the executables may lie where only root may look."""
        shutil.copy(program("kma_dummy"), self.path("copy"))
        os.chmod(self.path("copy"), 0o755)
        return subprocess.run(["./copy", trace], cwd=self.folder, text=True,
                              check=False, capture_output=True,
                              preexec_fn=lambda: os.setuid(65534))

    def preloaded(self, source):
        """The environment in which a library made from C is loaded before others."""
        self.write("library.c", source)
        compiler = os.environ.get("KMA_CC", "gcc").split()
        word = ["-m32"] if word_bytes() == 4 else []
        subprocess.run([*compiler, *word, "-D_GNU_SOURCE", "-shared", "-fPIC",
                        "library.c", "-o", "library.so", "-ldl"],
                       cwd=self.folder, check=True)
        return {**os.environ, "LD_PRELOAD": self.path("library.so")}

    def one_line(self, text):
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.endswith("\n"), text)
        return text[:-1]

    def refused(self, name, *arguments, **options):
        """The one line on standard error of a run that ends with status 2."""
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 2, (result.stdout, result.stderr))
        self.assertNotIn("PASS", result.stdout or "")
        return self.one_line(result.stderr)

    def fails(self, name, *arguments, **options):
        """The last line on standard error of a run in which the allocator fails."""
        result = self.run_driver(name, *arguments, **options)
        self.assertEqual(result.returncode, 1, (result.stdout, result.stderr))
        self.assertEqual(result.stdout.splitlines()[-1], "Test: FAILED")
        self.assertNotIn("PASS", result.stdout)
        return result.stderr.splitlines()[-1]
