#!/usr/bin/python3
"""The readers of traces and recordings, given what libFuzzer makes up (tests/fuzz*).

As a test, the same few thousand inputs each time. `tests/test_fuzz.py --seconds N`, which
`make fuzz` runs, gives each target N seconds and keeps what it learned in
$KMA_BUILD/fuzz/corpus. An input that makes a reader fail stays in $KMA_BUILD/fuzz."""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from shared import ROOT

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", os.path.join(ROOT, "build/gcc")))
FOLDER = os.path.join(BUILD, "fuzz")
SAMPLES = os.path.join(ROOT, "tests/samples")
TARGETS = sorted(os.path.basename(path)[len("fuzz_"):-len(".c")]
                 for path in glob.glob(os.path.join(ROOT, "tests/fuzz_*.c")))

PARTS = [*(f"capture/{name}.c" for name in ("format", "ledger", "lines", "names", "source",
                                            "writer")),
         *sorted(glob.glob("capture/read_*.c", root_dir=ROOT)),
         *(f"driver/{name}.c" for name in ("compact", "input", "output", "progress", "run",
                                           "text", "trace", "zstd"))]
COMPILE = ["clang", "-std=c11", "-D_GNU_SOURCE", "-I.", "-g", "-O1",
           "-fno-sanitize-recover=undefined"]
SANITIZERS = ",address,undefined"

RUNS = {"ledger": 2000}  # each of them writes a trace; for the others:
MOST_RUNS = 10000
LIMITS = ["-rss_limit_mb=512", "-timeout=10", "-max_len=16384"]


def why_not():
    """Why no target can be built or run here, or None."""
    if os.environ.get("KMA_M32"):
        return "fuzz targets are built for 64 bits alone"
    if shutil.which("clang") is None:
        return "no clang"
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "empty.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write("int LLVMFuzzerTestOneInput(const unsigned char *d, long n)"
                       "{ (void)d; (void)n; return 0; }\n")
        result = subprocess.run([*COMPILE, "-fsanitize=fuzzer" + SANITIZERS, source, "-o",
                                 os.path.join(folder, "empty")], capture_output=True,
                                check=False)
    return None if result.returncode == 0 else "clang has no libFuzzer here"


def compile_parts():
    """The objects that all targets are linked with; what is newer than its source and
    every header stays."""
    os.makedirs(FOLDER, exist_ok=True)
    headers = glob.glob(os.path.join(ROOT, "[cdt]*/*.h"))
    newest = max(map(os.path.getmtime, [*headers, __file__]))
    jobs = []
    objects = []
    for part in PARTS:
        made = os.path.join(FOLDER, part.replace("/", "_")[:-2] + ".o")
        objects.append(made)
        needed = max(newest, os.path.getmtime(os.path.join(ROOT, part)))
        if not os.path.exists(made) or os.path.getmtime(made) <= needed:
            jobs.append([*COMPILE, "-fsanitize=fuzzer-no-link" + SANITIZERS, "-c", part,
                         "-o", made])
    running = [subprocess.Popen(job, cwd=ROOT) for job in jobs]
    if any([process.wait() != 0 for process in running]):
        raise RuntimeError("a part of the fuzz targets cannot be compiled")
    return objects


def build(target, objects):
    path = os.path.join(FOLDER, f"fuzz_{target}")
    subprocess.run([*COMPILE, "-fsanitize=fuzzer" + SANITIZERS, f"tests/fuzz_{target}.c",
                    *objects, "-lzstd", "-o", path], cwd=ROOT, check=True)
    return path


def seeds(target, folder):
    """The samples of the target's kind, in a folder of their own."""
    os.makedirs(folder)
    for path in glob.glob(os.path.join(SAMPLES, "*", f"{target}*")):
        name = "-".join(path.split("/")[-2:])
        shutil.copy(path, os.path.join(folder, name))
    return folder


def run(path, target, corpus, *options, **more):
    with tempfile.TemporaryDirectory(prefix="kma_fuzz_") as folder:
        os.mkdir(os.path.join(folder, "corpus"))
        return subprocess.run(
            [path, corpus or os.path.join(folder, "corpus"),
             seeds(target, os.path.join(folder, "seeds")), *LIMITS,
             f"-artifact_prefix={FOLDER}/{target}-", *options], check=False, **more)


class Fuzz(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason is not None:
            raise unittest.SkipTest(reason)
        cls.objects = compile_parts()

    def check(self, target):
        path = build(target, self.objects)
        runs = RUNS.get(target, MOST_RUNS)
        result = run(path, target, None, f"-runs={runs}", "-seed=1", capture_output=True,
                     text=True, errors="replace")
        self.assertEqual(result.returncode, 0, result.stderr[-4000:])


def add_test(target):
    setattr(Fuzz, f"test_{target}", lambda self: self.check(target))


for each in TARGETS:
    add_test(each)


def fuzz_for(seconds):
    reason = why_not()
    if reason is not None:
        sys.exit(f"make fuzz: {reason}")
    objects = compile_parts()
    failed = []
    for target in TARGETS:
        corpus = os.path.join(FOLDER, "corpus", target)
        os.makedirs(corpus, exist_ok=True)
        print(f"fuzz_{target}: {seconds} s", flush=True)
        result = run(build(target, objects), target, corpus, f"-max_total_time={seconds}",
                     "-print_final_stats=1", "-verbosity=0")
        if result.returncode != 0:
            failed.append(target)
    sys.exit(f"failed: {', '.join(failed)}; see {FOLDER}" if failed else 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--seconds", type=int)
    known, rest = parser.parse_known_args()
    if known.seconds is not None:
        fuzz_for(known.seconds)
    unittest.main(argv=[sys.argv[0], *rest])
