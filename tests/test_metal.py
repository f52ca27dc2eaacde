#!/usr/bin/python3
"""analysis/metal: kernels booted and their instructions beside callgrind's.

Images, drivers, QEMU and valgrind are scripts here that say and count what a test wants;
kernel/boot is the real one. At the end real images of one algorithm, where they are."""

import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import kernel_case
from shared import ROOT, read, write_script
from test_compare import complaints

ANALYSIS = os.path.join(ROOT, "analysis")
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import metal_results  # noqa: E402
from common import Refusal  # noqa: E402
from metal_results import CountRow  # noqa: E402
from programs_results import plain  # noqa: E402

# The image is a script, in place of a machine.
QEMU = 'while [ "$1" != -kernel ]; do shift; done\nexec sh "$2"'

# A driver is a script too; it names what its calls take.
DRIVER = """while [ "$1" != --operations ]; do shift; done
awk 'NR > 1 {print NR - 1, $1, 1, 0, 0, 0}' "$5" >"$2" """
# Every call takes that, the first free ten times as much.
VALGRIND = """for word; do
    case $word in
    --callgrind-out-file=*) out=${word#*=} ;;
    */kma_*) driver=$word ;;
    *.trace) trace=$word ;;
    esac
done
awk -v malloc=$(sed -n 's/^# malloc //p' $driver) -v free=$(sed -n 's/^# free //p' $driver) '
    NR > 1 {
        call = $1 == "FREE" ? "free" : "malloc"
        cost = call == "malloc" ? malloc : seen++ ? free : 10 * free
        printf "desc: Trigger: --dump-after=kma_%s\\n\\nevents: Ir\\nsummary: %d\\n\\n", call, cost
    }' $trace >"$out" """

PASSED = {"x86": 33, "riscv": 0}


def kernel_says(trace, mallocs, frees, calls=100):
    return [f"traces: {trace}: {calls * 2} events, 0 wrong",
            f"traces: {trace}: instructions of kma_malloc: {calls} calls, mean {mallocs:.2f}, "
            f"worst {int(mallocs * 20)} in event 1",
            f"traces: {trace}: instructions of kma_free: {calls} calls, mean {frees:.2f}, "
            f"worst {int(frees * 5)} in event 200"]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("bin", "tmp", "x86", "riscv", "32", "64"):
            os.mkdir(self.path(name))
        for name in kernel_case.EMULATORS.values():
            self.tool(name, QEMU)
        self.tool("valgrind", VALGRIND)
        self.search = f"{self.path('bin')}:{os.environ['PATH']}"

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def tool(self, name, text):
        write_script(self.path("bin", name), f"#!/bin/sh\n{text}\n")

    def image(self, machine, name, *lines, status=None, last="kernel: 1 steps passed, 0 failed"):
        lines = ["step traces", *lines, *(["passed traces", last] if status is None else [])]
        status = PASSED[machine] if status is None else status
        with open(self.path(machine, f"kma_{name}"), "w", encoding="ascii") as file:
            file.write("cat <<END\n" + "\n".join(lines) + f"\nEND\nexit {status}\n")

    def driver(self, bits, name, malloc, free):
        write_script(self.path(bits, f"kma_{name}"),
                     f"#!/bin/sh\n# malloc {malloc}\n# free {free}\n{DRIVER}\n")

    def algorithm(self, name, cost):
        """Images and drivers of an algorithm whose calls take about so much."""
        for machine, factor in (("x86", 1), ("riscv", 2)):
            self.image(machine, name, *kernel_says("1.trace", cost * factor, cost * factor + 0.25))
        self.driver("32", name, cost - 1, cost - 2)
        self.driver("64", name, cost // 2, cost // 2 + 1)

    def command(self, algorithms, *more):
        return [PYTHON, "-B", os.path.join(ANALYSIS, "metal"), "--algorithms", algorithms,
                "--images-x86", "x86", "--images-riscv", "riscv", "--bin-32", "32", "--bin-64",
                "64", "--out", "out", *more]

    def environment(self):
        return dict(os.environ, PATH=self.search, TMPDIR=self.path("tmp"))

    def metal(self, algorithms, *more, status=0, traces="1.trace"):
        """Returns (stdout, lines of stderr)."""
        done = subprocess.run(self.command(algorithms, "--traces", traces, *more),
                              cwd=self.folder, env=self.environment(), capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, status, (done.stdout, done.stderr))
        self.assertEqual(os.listdir(self.path("tmp")), [], "something is left")
        return done.stdout, done.stderr.splitlines()

    def found(self):
        self.assertEqual(os.listdir(self.path("out")), [metal_results.NAME])
        found = json.loads(read(self.path("out", metal_results.NAME)))
        schema = json.loads(read(os.path.join(ANALYSIS, "metal.schema.json")))
        self.assertEqual(complaints(found, schema), [])
        self.assertEqual(plain(metal_results.load(self.path("out", metal_results.NAME))), found)
        return found

    def failures(self):
        return {(row["algorithm"], row["place"]): row["failure"] for row in self.found()["rows"]
                if row["failure"]}


def table(stdout, title):
    """The rows of the table with that title, as words."""
    text = stdout[stdout.index(title):].split("---\n", 1)[1]
    return [line.split() for line in text.split("\n\n")[0].splitlines()]


MEAN, WORST, BOOTS = "1.trace: instructions of each call, the mean", \
    "1.trace: instructions of each call, the worst call", "Boots"


class Tables(Case):
    def test_means_and_worst_calls_the_least_first(self):
        self.algorithm("slow", 300)
        self.algorithm("quick", 40)
        stdout, stderr = self.metal("slow quick")
        self.assertEqual(stderr, [])
        free = (100 * 38 + 9 * 38) / 100
        self.assertEqual(table(stdout, MEAN), [
            ["quick", "40.0", "39.0", "80.0", "20.0", "40.2", f"{free:.1f}", "80.2", "22.9"],
            ["slow", "300.0", "299.0", "600.0", "150.0", "300.2", "324.8", "600.2", "164.6"]])
        self.assertEqual(table(stdout, WORST), [
            ["quick", "800", "39", "1,600", "20", "201", "380", "401", "210"],
            ["slow", "6,000", "299", "12,000", "150", "1,501", "2,980", "3,001", "1,510"]])
        self.assertRegex(" ".join(map(" ".join, table(stdout, BOOTS))),
                         r"^slow \d+\.\d s \d+\.\d s quick \d+\.\d s \d+\.\d s$")
        rows = self.found()["rows"]
        self.assertEqual([(row["algorithm"], row["place"]) for row in rows],
                         [(name, place) for name in ("slow", "quick") for place in ("x86", "riscv")]
                         + [(name, place) for place in ("callgrind-32", "callgrind-64")
                            for name in ("slow", "quick")])
        self.assertEqual(rows[3], {
            "algorithm": "quick", "trace": "1.trace", "place": "riscv", "failure": None,
            "malloc": {"calls": 100, "mean": 80.0, "worst": 1600, "worst_event": 1},
            "free": {"calls": 100, "mean": 80.25, "worst": 401, "worst_event": 200}})

    def test_two_runs_are_alike(self):
        self.algorithm("a", 60)
        self.algorithm("b", 50)
        self.metal("a b")
        first = read(self.path("out", metal_results.NAME))
        self.metal("a b", "--jobs", "1")
        self.assertEqual(read(self.path("out", metal_results.NAME)), first)

    def test_a_table_for_each_trace(self):
        self.algorithm("a", 60)
        for machine in PASSED:
            self.image(machine, "a", *kernel_says("1.trace", 60, 70),
                       *kernel_says("2.trace", 80, 90, 1000))
        stdout, _ = self.metal("a", traces="2.trace 1.trace")
        self.assertLess(stdout.index("2.trace: instr"), stdout.index("1.trace: instr"))
        self.assertEqual(table(stdout, "2.trace: instructions of each call, the mean")[0][:4],
                         ["a", "80.0", "59.0", "80.0"])

    def test_quick_is_without_callgrind(self):
        self.algorithm("a", 60)
        shutil.rmtree(self.path("64"))
        stdout, _ = self.metal("a", "--quick")
        self.assertEqual(table(stdout, MEAN), [["a", "60.0", "120.0", "60.2", "120.2"]])
        self.assertEqual({row["place"] for row in self.found()["rows"]}, {"x86", "riscv"})

    def test_no_call_no_mean(self):
        self.image("x86", "a", *kernel_says("1.trace", 0, 0, calls=0))
        self.image("riscv", "a", *kernel_says("1.trace", 9, 9))
        stdout, _ = self.metal("a", "--quick")
        self.assertEqual(table(stdout, MEAN), [["a", "-", "9.0", "-", "9.0"]])
        self.assertIsNone(self.found()["rows"][0]["free"]["worst_event"])


class Failures(Case):
    def test_a_failing_boot_is_a_row_that_says_why(self):
        for name in ("good", "bad", "worse"):
            self.algorithm(name, 50)
        self.image("riscv", "bad", *kernel_says("1.trace", 10, 10), status=1)
        os.unlink(self.path("x86", "kma_worse"))
        self.image("riscv", "worse", last="kernel: 1 steps passed, 1 failed")
        stdout, stderr = self.metal("worse bad good", status=1)
        self.assertEqual(stderr, [])
        bad = "the kernel failed in step traces, after the line: traces: 1.trace: instructions " \
            "of kma_free: 100 calls, mean 10.00, worst 50 in event 200"
        worse = {"x86": "x86/kma_worse: cannot be read", "riscv": "the machine was switched off "
                 "outside of the steps, after the line: kernel: 1 steps passed, 1 failed"}
        rows = [" ".join(row) for row in table(stdout, BOOTS)]
        self.assertEqual(rows[:2], [f"worse FAILED: x86: {worse['x86']}; riscv: {worse['riscv']}",
                                    f"bad FAILED: riscv: {bad}"])
        self.assertTrue(rows[2].startswith("good "))
        # What could be counted of them is shown; the order is x86's.
        self.assertEqual(table(stdout, MEAN), [
            ["bad", "50.0", "49.0", "failed", "25.0", "50.2", "52.3", "failed", "28.3"],
            ["good", "50.0", "49.0", "100.0", "25.0", "50.2", "52.3", "100.2", "28.3"],
            ["worse", "failed", "49.0", "failed", "25.0", "failed", "52.3", "failed", "28.3"]])
        self.assertNotIn("\nfailed: ", stdout)
        self.assertEqual(self.failures(), {("bad", "riscv"): bad, **{
            ("worse", machine): why for machine, why in worse.items()}})

    def test_a_console_that_lacks_lines(self):
        for name in ("none", "half", "small", "good"):
            self.algorithm(name, 50)
        self.image("x86", "none")
        self.image("x86", "half", *kernel_says("1.trace", 10, 10)[:-1])
        why = "left out: it takes 9000 pages and a table, there are 500 pages"
        self.image("x86", "small", f"traces: 1.trace: {why}")
        stdout, _ = self.metal("none half small good", status=1)
        nothing = "its console says nothing of instructions"
        self.assertEqual(self.failures(), {("none", "x86"): nothing, ("half", "x86"): nothing,
                                           ("small", "x86"): why})
        self.assertEqual([line for line in stdout.splitlines() if line.startswith("failed: ")],
                         [f"failed: none, x86, 1.trace: {nothing}",
                          f"failed: half, x86, 1.trace: {nothing}",
                          f"failed: small, x86, 1.trace: {why}"])
        self.assertEqual(table(stdout, MEAN)[0][0], "good")
        self.assertEqual(len(table(stdout, BOOTS)), 4)
        self.assertNotIn("FAILED", stdout)

    def test_callgrind_that_fails_or_counts_other_calls(self):
        for name in ("gone", "other", "broken"):
            self.algorithm(name, 50)
        os.unlink(self.path("32", "kma_gone"))
        self.image("riscv", "other", *kernel_says("1.trace", 10, 10, calls=99))
        write_script(self.path("64", "kma_broken"), "#!/bin/sh\necho 'it broke' >&2\nexit 1\n")
        stdout, _ = self.metal("gone other broken", status=1)
        self.assertEqual(self.failures(), {
            ("gone", "callgrind-32"): "kma_gone is not built",
            ("other", "callgrind-64"): "100 mallocs and 100 frees, the kernel made 99 and 99",
            ("broken", "callgrind-64"): "it broke"})
        self.assertIn("failed: broken, callgrind-64, 1.trace: it broke\n", stdout)

    def test_a_signal_ends_everything(self):
        with open(self.path("x86", "kma_hang"), "w", encoding="ascii") as file:
            # By then kernel/boot waits for the console.
            file.write(f"echo step x\nsleep 0.5\necho $$ >{self.path('number')}\n"
                       "exec sleep 987\n")
        self.algorithm("a", 50)
        with subprocess.Popen(self.command("hang a", "--traces", "1.trace"), cwd=self.folder,
                              env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as child:
            deadline = time.monotonic() + 60
            while not self.started() and time.monotonic() < deadline:
                time.sleep(0.02)
            child.send_signal(signal.SIGTERM)
            _, stderr = child.communicate(timeout=60)
        self.assertEqual((child.returncode, stderr), (130, "metal: interrupted\n"))
        self.assertEqual((os.listdir(self.path("tmp")), os.listdir(self.path("out"))), ([], []))
        with self.assertRaises(ProcessLookupError):
            os.kill(int(self.started()), 0)

    def started(self):
        """The number of the process in place of QEMU, once it runs."""
        path = self.path("number")
        return read(path) if os.path.exists(path) else ""

    def test_nothing_half_written(self):
        self.algorithm("a", 50)
        os.makedirs(self.path("out", metal_results.NAME))
        stdout, stderr = self.metal("a", status=2)
        self.assertEqual((stdout, len(stderr)), ("", 1))
        self.assertEqual(os.listdir(self.path("out")), [metal_results.NAME])


class Missing(Case):
    def setUp(self):
        super().setUp()
        self.search = self.path("bin")
        for name in ("sh", "cat", "awk", "sed", "make", "printf"):
            os.symlink(shutil.which(name), self.path("bin", name))
        self.algorithm("a", 50)

    def test_one_qemu(self):
        os.unlink(self.path("bin", "qemu-system-i386"))
        stdout, stderr = self.metal("a")
        self.assertEqual(stderr, ["metal: x86 is left out: qemu-system-i386 is not installed "
                                  "(analysis/need qemu-system-i386)"])
        self.assertEqual(table(stdout, MEAN),
                         [["a", "49.0", "100.0", "25.0", "52.3", "100.2", "28.3"]])
        self.assertEqual({row["place"] for row in self.found()["rows"]},
                         {"callgrind-32", "riscv", "callgrind-64"})

    def test_valgrind(self):
        os.unlink(self.path("bin", "valgrind"))
        stdout, stderr = self.metal("a")
        self.assertEqual(stderr, ["metal: callgrind's counts are left out: valgrind is not "
                                  "installed (analysis/need valgrind)"])
        self.assertEqual(table(stdout, MEAN), [["a", "50.0", "100.0", "50.2", "100.2"]])

    def refused(self, expected, *arguments, **settings):
        stdout, stderr = self.metal(*arguments, status=2, **settings)
        self.assertEqual((stdout, len(stderr)), ("", 1), stderr)
        self.assertIn(expected, stderr[0])
        self.assertFalse(os.path.exists(self.path("out", metal_results.NAME)))

    def test_both(self):
        for name in kernel_case.EMULATORS.values():
            os.unlink(self.path("bin", name))
        self.refused("neither qemu-system-i386 nor qemu-system-riscv64 is installed", "a")

    def test_wrong_words(self):
        self.refused("build/kernel/nowhere.trace: no such trace", "a", traces="nowhere")
        self.refused("nowhere: it is not built into the images, these are: 1.trace", "a",
                     "--quick", traces="nowhere")
        self.refused("2.trace: it is not built into the images, these are: 1.trace", "a",
                     traces="1.trace 2.trace")
        self.refused("is not a whole number", "a", "--jobs", "0")
        self.refused("no name of an algorithm", "../a")
        self.refused("unrecognized", "a", "--frob")


class Doc(unittest.TestCase):
    """DOC's tables are those of the trace kernel-processes."""

    def setUp(self):
        loader = importlib.machinery.SourceFileLoader("doc_tables",
                                                      os.path.join(ANALYSIS, "doc_tables"))
        self.doc_tables = importlib.util.module_from_spec(
            importlib.util.spec_from_loader("doc_tables", loader))
        loader.exec_module(self.doc_tables)
        folder = tempfile.TemporaryDirectory(prefix="kma-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, **changes):
        def row(algorithm, trace, place, mean, worst):
            calls = {"calls": 9, "mean": mean, "worst": worst, "worst_event": 3}
            return CountRow(algorithm, trace, place, None, calls, calls)
        rows = [row("bud", "kernel-processes", "x86", 99.5, 2000),
                row("bud", "3.trace", "x86", 1.5, 2), row("rm", "3.trace", "x86", 1.5, 2),
                row("rm", "kernel-processes", "x86", 81, 77),
                row("bud", "kernel-processes", "callgrind-32", 98, 1900),
                CountRow("rm", "kernel-processes", "callgrind-32", "it broke")]
        with open(os.path.join(self.folder, metal_results.NAME), "w", encoding="utf-8") as file:
            json.dump(dict(plain({"format": metal_results.FORMAT, "rows": rows}), **changes), file)

    def rewritten(self, name):
        pieces = self.doc_tables.parse("DOC", f"<!-- table:{name} -->\nold\n<!-- /table -->\n")
        return self.doc_tables.rewritten(
            pieces, self.doc_tables.load_metal(self.folder)).splitlines()[1:-1]

    def test_means_and_worst(self):
        for name in ("metal", "metal-worst"):
            self.assertEqual(self.rewritten(name), ["old"], "nothing was measured")
        self.write()
        self.assertEqual(self.rewritten("metal"), [
            "| algorithm | malloc x86 | malloc callgrind 32 | free x86 | free callgrind 32 |",
            "|-----------|-----------:|--------------------:|---------:|------------------:|",
            "| rm        |       81.0 |              failed |     81.0 |            failed |",
            "| bud       |       99.5 |                98.0 |     99.5 |              98.0 |"])
        self.assertEqual(self.rewritten("metal-worst")[3], "| bud       |      2,000 |"
                         "               1,900 |    2,000 |             1,900 |")

    def test_another_trace_leaves_them(self):
        self.write(rows=[dict(algorithm="bud", trace="3.trace", place="x86", failure="no")])
        self.assertEqual(self.rewritten("metal"), ["old"])

    def test_files_that_are_none(self):
        for changes, expected in (({"format": 9}, "written by another version"),
                                  ({"rows": 3}, "these are no results of analysis/metal"),
                                  ({"rows": [{"algorithm": "bud"}]}, "these are no results"),
                                  ({"rows": [dict(algorithm="bud", trace="t", place="x86")]},
                                   "these are no results"),
                                  ({"rows": [dict(algorithm="bud", trace="t", place="x86",
                                                  malloc={"calls": 1}, free=3)]},
                                   "these are no results"),
                                  ({"rows": [dict(algorithm="bud", trace="t", place="moon",
                                                  failure="no")]}, "these are no results")):
            self.write(**changes)
            with self.assertRaisesRegex(Refusal, expected):
                self.doc_tables.load_metal(self.folder)


class Real(unittest.TestCase):
    def test_one_algorithm_on_both_machines(self):
        for machine in kernel_case.MACHINES:
            why = kernel_case.why_not(machine)
            if why:
                self.skipTest(why)
        with tempfile.TemporaryDirectory(prefix="kma-test-") as folder:
            done = subprocess.run(
                [PYTHON, "-B", os.path.join(ANALYSIS, "metal"), "--quick", "--algorithms", "bud",
                 *(word for machine in kernel_case.MACHINES for word in (
                     f"--images-{machine}", os.path.dirname(kernel_case.image(machine, "bud")))),
                 "--out", folder], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                timeout=300)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            rows = metal_results.load(os.path.join(folder, metal_results.NAME))["rows"]
        self.assertEqual([(row.place, row.trace) for row in rows],
                         [(machine, trace) for machine in kernel_case.MACHINES
                          for trace in ("3.trace", "kernel-processes")])
        for row in rows:
            self.assertGreater(row.malloc["worst"], row.malloc["mean"])
            self.assertEqual(row.malloc["calls"], 10000 if row.trace == "3.trace" else 24248)


if __name__ == "__main__":
    unittest.main()
