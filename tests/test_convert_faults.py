#!/usr/bin/python3
"""capture/convert: files that are cut, damaged or none at all, outputs that cannot be
written, signals, and what the command line may not say."""

import os
import shutil
import signal
import subprocess
import time
import unittest

from convert_case import CONVERT, FORMATS, SAMPLES, ConvertTest
from driver_case import program, simple_events, trace_text

GOOD = os.path.join(SAMPLES, "good")
BAD = os.path.join(SAMPLES, "bad")
NEITHER = (":1: ", "neither a trace")


class BadSamples(ConvertTest):
    """The place and the reason for each."""

    EXPECTED = {
        "compact-cut": (": byte 54: ", "cut short after event 2"),
        "compact-flipped": (": byte 30: ", "damaged"),
        "compact-goes-on": (": byte 96: ", "something follows"),
        "compact-kind-0": (": byte 30: ", "unknown kind"),
        "compact-later": (": byte 30: ", "unknown kind"),
        "compact-long-section": (": byte 30: ", "events of this block are damaged"),
        "compact-name-0": (": byte 43: ", "names of this block are damaged"),
        "compact-no-checksum": (": byte 0: ", "no checksum"),
        "compact-no-such-name": (": byte 43: ", "column 'site'"),
        "compact-other-totals": (": byte 54: ", "3 events and 1 slots"),
        "compact-second-description": (": byte 30: ", "second description"),
        "compact-time-falls": (": byte 70: ", "column 'time'"),
        "compact-two-frees": (": byte 30: ", "not sound, after event 2"),
        "compact-unknown-column": (": byte 0: ", "column of this trace is unknown"),
        "ftrace-hidden-pointer": (":3: ", "is no number: '(____ptrval____)'"),
        "ftrace-long-pointer": (":2: ", "ptr of this kfree is no number"),
        "mtrace-cut": (":3: ", "cut short"),
        "mtrace-half": (":5: ", "'>' expected"),
        "mtrace-number": (":3: ", "no line of mtrace(): '- 0x1g'"),
        "mtrace-other-half": (":4: ", "'>' expected"),
        "mtrace-place": (":3: ", "no line of mtrace()"),
        "mtrace-second-half": (":3: ", "'>' without the '<'"),
        "mtrace-word": (":3: ", "no line of mtrace(): 'Killed'"),
        "mtrace-zero": (":3: ", "no line of mtrace(): '\\x00 0x10 0x20'"),
        "perf-bad-spent": (":2: ", "bytes_alloc of this kmalloc is no number: '6x4'"),
        "perf-cut": (":2: ", "cut short"),
        "perf-cut-in-size": (":2: ", "cut short"),
        "perf-large-size": (":2: ", "bytes_req of this kmalloc is no number"),
        "perf-negative-size": (":2: ", "is no number: '-1'"),
        "perf-no-pointer": (":2: ", "this kmalloc has no ptr"),
        "perf-no-size": (":2: ", "this kmalloc has no bytes_req"),
        "rep-bad-header": (":3: ", "number of operations expected, not 'many'"),
        "rep-bad-id": (":5: ", "the id is no number"),
        "rep-command": (":5: ", "'a', 'r' or 'f' expected"),
        "rep-cut": (":5: ", "cut short"),
        "rep-few": (":6: ", "ends before the 2 operations"),
        "rep-follows": (":5: ", "something follows"),
        "rep-huge-ids": (":2: ", "number of ids expected"),
        "rep-id": (":5: ", "id 1 is not below 1"),
        "rep-more": (":6: ", "something follows the 1 operations"),
        "rep-no-size": (":5: ", "the size is no number"),
        "rep-no-weight": (":4: ", "the weight expected"),
        "text-announces": (":1: ", "'4000000000' events announced"),
        "text-double-free": (":4: ", "free since line 3"),
        "text-short": (":4: ", "ends after 2 of the 3 events"),
        "unknown-binary": NEITHER,
        "unknown-empty": NEITHER,
        "unknown-json": NEITHER,
        "unknown-prose": NEITHER,
        "zstd-of-something": (": byte 0: ", "compressed, but no trace"),
    }

    def check(self, name, shown, *arguments, **options):
        self.write("out", "older")
        place, reason = self.EXPECTED[name]
        error = self.refused(CONVERT, *arguments, "-o", "out", **options)
        self.assertTrue(error.startswith(shown + place), error)
        self.assertIn(reason, error)
        self.assertTrue(error.isprintable() and error.isascii(), error)
        self.assertEqual(self.read("out"), "older")

    def test_each(self):
        for name in sorted(os.listdir(BAD)):
            with self.subTest(sample=name):
                shutil.copy(os.path.join(BAD, name), self.path(name))
                before = sorted({*self.files(), "out"})
                self.check(name, name, name)
                self.assertEqual(self.files(), before)

    def test_the_same_through_a_pipe(self):
        for name in self.EXPECTED:
            with self.subTest(sample=name), open(os.path.join(BAD, name), "rb") as file, \
                    subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat:
                self.check(name, "-", "-", stdin=cat.stdout)

    def test_in_a_later_part(self):
        shutil.copy(os.path.join(BAD, "perf-cut"), self.path("b"))
        error = self.refused(CONVERT, os.path.join(GOOD, "perf"), "b", "-o", "out")
        self.assertTrue(error.startswith("b:2: cut short"), error)
        self.assertEqual(self.files(), ["b"])

    def test_lines_without_an_end(self):
        for head in ("# tracer: nop\n", "= Start\n"):
            self.write("in", head + "x" * 70000 + "\n")
            self.assertEqual(self.refused(CONVERT, "in", "-o", "out"),
                             "in:2: a line of more than 65536 bytes")
        self.write("in", "\0" * 300000)
        self.assertIn("in:1: neither", self.refused(CONVERT, "in", "-o", "out"))

    def test_no_file_and_a_folder(self):
        self.assertEqual(self.refused(CONVERT, "nothing", "-o", "out"),
                         "nothing:1: cannot be opened: No such file or directory")
        os.mkdir(self.path("folder"))
        self.assertEqual(self.refused(CONVERT, "folder", "-o", "out"),
                         "folder:1: cannot be read: Is a directory")


class Damage(ConvertTest):
    def judge(self, data, must_refuse):
        """What is made of it is whole, or one line says what is wrong."""
        self.write("in", data)
        result = self.run_driver(CONVERT, "in", "-o", "out", "--to", "text",
                                 "--page-size", "any", "--quiet")
        if result.returncode == 0:
            os.unlink(self.path("out"))
            self.assertFalse(must_refuse, data)
            return
        self.assertEqual(result.returncode, 2, data)
        self.assertTrue(self.one_line(result.stderr).startswith("in:"), result.stderr)
        self.assertEqual(self.files(), ["in"])

    def test_cut_anywhere(self):
        """A recording may end behind any of its lines; what counts its events, or has an
        end of its own, may end nowhere else. A text needs no last line end."""
        for name in sorted(os.listdir(GOOD)):
            with open(os.path.join(GOOD, name), "rb") as file:
                data = file.read()
            counted = name.startswith(("rep", "compact", "text"))
            step = max(1, len(data) // 60)
            for length in range(0, len(data), step):
                at_line_end = data[:length].endswith(b"\n") and not counted
                complete = name.startswith("text") and data[length:].strip() == b""
                with self.subTest(sample=name, length=length):
                    self.judge(data[:length], not at_line_end and not complete)

    def test_every_bit_of_a_compact_trace(self):
        with open(os.path.join(GOOD, "compact"), "rb") as file:
            data = file.read()
        good = self.text_of(os.path.join(GOOD, "compact"))
        for at in range(0, len(data)):
            flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
            self.write("in", flipped)
            result = self.run_driver(CONVERT, "in", "-o", "-", "--to", "text",
                                     "--page-size", "any", "--quiet")
            with self.subTest(byte=at):
                # zstd has a bit in each frame that means nothing.
                if result.returncode == 0:
                    self.assertEqual(result.stdout, good)
                else:
                    self.assertEqual((result.returncode, result.stdout), (2, ""))
                    self.one_line(result.stderr)

    def test_memory_does_not_go_with_length(self):
        if "sanitize" in os.environ.get("KMA_BUILD", ""):
            self.skipTest("a sanitizer has its own ideas of memory")
        line = ("sh 1 [000] {0}.000000: kmem:kmalloc: call_site=f ptr=0x{1:x} bytes_req=8\n"
                "sh 1 [000] {0}.000000: kmem:kfree: call_site=f ptr=0x{1:x}\n")
        part = "".join(line.format(1, 4096 + 16 * k) for k in range(5000)).encode()
        for form in FORMATS:
            with self.subTest(format=form):
                process = subprocess.Popen(
                    [program(CONVERT), "-", "-o", "out", "--to", form, "--quiet"],
                    cwd=self.folder, stdin=subprocess.PIPE)
                for _ in range(60):  # 45 MB
                    process.stdin.write(part)
                process.stdin.close()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                self.assertEqual(process.returncode, 0)
                # KiB; the memory of this process before it became convert counts, too.
                self.assertLess(usage.ru_maxrss, 40000)


class Outputs(ConvertTest):
    def setUp(self):
        super().setUp()
        self.write("in.trace", trace_text(*simple_events(20000)))

    def test_a_full_device(self):
        for form in FORMATS:
            with self.subTest(format=form):
                error = self.refused(CONVERT, "in.trace", "-o", "/dev/full", "--to", form)
                self.assertEqual(error,
                                 "/dev/full: cannot be written: No space left on device")

    def test_no_such_folder(self):
        self.assertEqual(self.refused(CONVERT, "in.trace", "-o", "no/out"),
                         "no/out: cannot be written: No such file or directory")

    def test_no_room_for_a_temporary_file(self):
        error = self.refused(CONVERT, "in.trace", "-o", "out.trace",
                             env={**os.environ, "TMPDIR": self.path("nowhere")})
        self.assertEqual(error, f"{self.path('nowhere')}: a temporary file cannot be made: "
                                "No such file or directory")
        self.assertEqual(self.files(), ["in.trace"])

    def test_ended_by_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([program(CONVERT), "-", "-o", "out.ktr"],
                                  cwd=self.folder, stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as process:
                process.stdin.write(b"sh 1 [000] 1.0: kmem:kfree: ptr=1\n" * 20000)
                process.stdin.flush()
                while len(self.files()) == 1:  # until it writes
                    time.sleep(0.01)
                process.send_signal(number)
                process.wait()
                self.assertEqual(process.returncode, -number)
            self.assertEqual(self.files(), ["in.trace"])


class CommandLine(ConvertTest):
    REFUSED = [
        ([], "no input given"),
        (["in"], "no output given"),
        (["-o", "out"], "no input given"),
        (["in", "-o"], "wants a value"),
        (["in", "-o", "out", "--nonsense"], "--nonsense is no option"),
        (["in", "-o", "out", "--to", "gzip"], "--to wants text, compact"),
        (["in", "-o", "out", "--to", "unknown"], "--to wants text, compact"),
        (["in", "-o", "out", "--level", "20"], "--level wants a number from 1 to 19"),
        (["in", "-o", "out", "--level", "0"], "--level wants a number from 1 to 19"),
        (["in", "-o", "out", "--level", "3x"], "--level wants a number from 1 to 19"),
        (["in", "-o", "out", "--page-size", "10"], "--page-size wants a number"),
        (["in", "-o", "out", "--columns", "time,colour"], "no column is called 'colour'"),
        (["in", "-o", "out", "--columns", ""], "no column is called ''"),
        (["in", "-o", "out", "--columns", "time,"], "no column is called ''"),
        (["in", "-o", "out.trace", "--columns", "time"], "no meaning for the format text"),
        (["in", "-o", "out.rep", "--level", "3"], "no meaning for the format rep"),
        (["in", "-o", "in"], "in is the input"),
        (["in", "-o", "out", "--over", "in"], "in is the input"),
        (["in", "-o", "out", "--over", "out"], "two outputs go to out"),
        (["in", "-o", "out", "--over", "o", "--page-size", "any"], "--over has no meaning"),
    ]

    def test_what_makes_no_sense(self):
        self.write("in", "0\n")
        for arguments, reason in self.REFUSED:
            with self.subTest(arguments=arguments):
                error = self.refused(CONVERT, *arguments)
                self.assertIn(reason, error)
                self.assertTrue(error.endswith("(try --help)"), error)
                self.assertEqual(self.files(), ["in"])

    def test_help_and_version(self):
        out, notes = self.convert("--help")
        self.assertEqual(notes, "")
        for word in (*FORMATS, "--to", "--columns", "--level", "--page-size", "--over",
                     "--keep", "--quiet"):
            self.assertIn(word, out)
        self.assertLessEqual(max(map(len, out.splitlines()[1:])), 80)
        self.assertIn("(kma)", self.convert("--version")[0])


if __name__ == "__main__":
    unittest.main()
