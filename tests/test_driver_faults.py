#!/usr/bin/python3
"""What can go wrong around the driver: bad traces, outputs that cannot be written,
signals, no terminal."""

import os
import pty
import resource
import select
import signal
import subprocess
import time
import unittest

from driver_case import TEMPORARY, FAULT_SIZE, program, trace_text, simple_events, DriverTest


class BadTraces(DriverTest):
    TABLE = [
        ("", 1, "empty"),
        ("REQUEST 0 8\n", 1, "the first line must be the number of events"),
        ("-3\n", 1, "the first line must be the number of events"),
        ("3.5\n", 1, "the first line must be the number of events"),
        ("1000000000000\nREQUEST 0 8\n", 1, "events announced"),
        ("9" * 400 + "\nREQUEST 0 8\n", 1, "events announced"),
        ("1\nRESIZE 0 8\n", 2, "unknown command 'RESIZE'"),
        ("1\nREQUEST 0\n", 2, "the size is missing"),
        ("1\nREQUEST\n", 2, "the id is missing"),
        ("1\nFREE \n", 2, "the id is missing"),
        ("1\nREQUEST x 8\n", 2, "the id is not a number: 'x'"),
        ("1\nREQUEST 0 8k\n", 2, "the size is not a number: '8k'"),
        ("1\nREQUEST 0 99999999999999999999\n", 2, "is over 2147483647"),
        ("1\nREQUEST 0 4294967304\n", 2, "is over 2147483647"),
        ("1\nREQUEST 18446744073709551616 8\n", 2, "is out of range: 0 to 0"),
        ("1\nREQUEST 1 8\n", 2, "id '1' is out of range: 0 to 0"),
        ("1\nREQUEST -1 8\n", 2, "id '-1' is out of range: 0 to 0"),
        ("2\nREQUEST 0 8\nFREE 1\n", 3, "FREE of id 1, which was never requested"),
        ("3\nREQUEST 0 8\nFREE 0\nFREE 0\n", 4, "which is free since line 3"),
        ("2\nREQUEST 0 8\nREQUEST 0 8\n", 3, "id 0, which is live since line 2"),
        ("1\nREQUEST 0 0\n", 2, "size '0' is not positive"),
        ("1\nREQUEST 0 -5\n", 2, "size '-5' is not positive"),
        ("1\nREQUEST 0 8 8\n", 2, "'8' after the end"),
        ("3\nREQUEST 0 8\nFREE 0\n", 4, "ends after 2 of the 3 events"),
        ("1\nREQUEST 0 8\nFREE 0\n", 3, "'FREE' after the last of the 1 events"),
        ("2\nREQUEST 0 8\n\nFREE 0\n", 3, "blank line"),
        (b"\x7fELF\x02\x01\x01" + bytes(300), 1, r"\x7fELF\x02"),
        (b"1\n" + bytes(range(128, 256)) * 50, 2, r"unknown command '\x80\x81"),
    ]

    def test_each(self):
        for content, line, message in self.TABLE:
            with self.subTest(content=content[:60]):
                self.write("bad", content)
                self.write("kma_output.dat", "older")
                error = self.refused("kma_dummy", "bad")
                self.assertTrue(error.startswith(f"bad:{line}: "), error)
                self.assertIn(message, error)
                self.assertLess(len(error), 200)
                self.assertTrue(error.isprintable() and error.isascii(), error)
                self.assertEqual(self.files(), ["bad", "kma_output.dat"])
                self.assertEqual(self.read("kma_output.dat"), "older")

    def test_the_same_through_a_pipe(self):
        for content, line, message in self.TABLE:
            with self.subTest(content=content[:60]):
                self.write("bad", content)
                with open(self.path("bad"), "rb") as file:
                    cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
                with cat:
                    error = self.refused("kma_dummy", "-", stdin=cat.stdout)
                self.assertTrue(error.startswith(f"-:{line}: "), error)
                self.assertIn(message, error)

    def test_no_file_and_a_folder(self):
        self.assertEqual(self.refused("kma_dummy", "nothing"),
                         "nothing:1: cannot be opened: No such file or directory")
        os.mkdir(self.path("folder"))
        self.assertEqual(self.refused("kma_dummy", "folder"),
                         "folder:1: cannot be read: Is a directory")
        self.assertEqual(self.files(), ["folder"])

    @unittest.skipUnless(os.geteuid() == 0, "takes root to become somebody else")
    def test_an_unreadable_file(self):
        self.write("t", trace_text("REQUEST 0 8"))
        os.chmod(self.path("t"), 0)
        os.chmod(self.folder, 0o777)
        result = self.run_as_nobody("t")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "t:1: cannot be opened: Permission denied\n")

    def limited(self):
        """Little memory, unless the executables need the whole address space."""
        with open(program("kma_dummy"), "rb") as file:
            if b"__asan_" in file.read():
                return {"timeout": 60}
        size = 1 << 29
        return {"timeout": 60, "preexec_fn":
                lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))}

    def test_no_memory_for_what_a_header_says(self):
        self.write("t", "4000000000\nREQUEST 0 8\n")
        self.assertIn("t:1: '4000000000' events announced",
                      self.refused("kma_dummy", "t", **self.limited()))

    def test_endless_input(self):
        for source in ("/dev/zero", "/dev/urandom"):
            # Now and then random bytes begin with a number on a line of its own.
            self.assertRegex(self.refused("kma_dummy", source, **self.limited()),
                             rf"^{source}:\d+: ")
        yes = subprocess.Popen(["sh", "-c", "echo 2; yes FREE 0"],
                               stdout=subprocess.PIPE)
        with yes:
            error = self.refused("kma_dummy", "-", stdin=yes.stdout, **self.limited())
            yes.kill()
        self.assertIn("-:2: FREE of id 0, which was never requested", error)

    def test_a_name_with_a_line_end_stays_one_line(self):
        self.refused("kma_dummy", "no\nsuch\nfile")


class Outputs(DriverTest):
    """Whatever stands in the way of writing costs one line and leaves nothing."""

    def setUp(self):
        super().setUp()
        self.write("t", trace_text(*simple_events(2000)))

    def test_full_disk(self):
        for option in ("--output", "--json", "--latency", "--operations", "--heapmap"):
            arguments = [] if option == "--output" else ["--no-output"]
            self.assertEqual(
                self.refused("kma_dummy", option, "/dev/full", *arguments, "t"),
                "/dev/full: cannot be written: No space left on device")
        self.assertEqual(self.files(), ["t"])

    def test_file_size_limit(self):
        self.write("kma_output.dat", "older")
        error = self.refused(
            "kma_dummy", "t",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        self.assertEqual(error, "kma_output.dat: cannot be written: File too large")
        self.assertEqual(self.files(), ["kma_output.dat", "t"])
        self.assertEqual(self.read("kma_output.dat"), "older")

    def test_no_such_folder(self):
        self.assertEqual(self.refused("kma_dummy", "t", "--output", "no/such"),
                         "no/such: cannot be written: No such file or directory")

    def test_a_folder_as_target(self):
        os.mkdir(self.path("folder"))
        self.assertEqual(self.refused("kma_dummy", "t", "--output", "folder"),
                         "folder: cannot be written: Is a directory")
        self.assertEqual(os.listdir(self.path("folder")), [])

    @unittest.skipUnless(os.geteuid() == 0, "takes root to become somebody else")
    def test_a_folder_that_cannot_be_written(self):
        os.chmod(self.folder, 0o755)
        result = self.run_as_nobody("t")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr,
                         "kma_output.dat: cannot be written: Permission denied\n")

    def test_all_or_none(self):
        """A second output that cannot be written takes the first one along."""
        self.refused("kma_dummy", "t", "--json", "no/such")
        self.refused("kma_dummy", "t", "--json", "/dev/full")
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            error = self.refused("kma_dummy", "t", stdout=full)
        self.assertIn("the report cannot be written: No space left on device", error)
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_closed(self):
        error = self.refused("kma_dummy", "t", preexec_fn=lambda: os.close(1))
        self.assertIn("the report cannot be written: Bad file descriptor", error)
        self.assertEqual(self.files(), ["t"])

    def test_standard_output_is_a_broken_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        error = self.refused("kma_dummy", "t", stdout=writer)
        os.close(writer)
        self.assertIn("the report cannot be written: Broken pipe", error)
        self.assertEqual(self.files(), ["t"])

    def test_a_report_on_closed_standard_error_gets_into_no_file(self):
        result = self.run_driver("kma_dummy", "t", "--json", "-",
                                 preexec_fn=lambda: os.close(2))
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(self.files(), ["t"])

    def test_standard_input_and_error_are_closed(self):
        def close_both():
            os.close(0)
            os.close(2)
        result = self.run_driver("kma_dummy", "t", preexec_fn=close_both)
        self.assertEqual(result.returncode, 0)
        self.assertTrue(self.read("kma_output.dat").startswith("0 0 0\n1 16 "))


class Signals(DriverTest):
    SENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def start(self, ignored=()):
        """An allocator that hangs in line 3, once it is there."""
        def dispositions():
            for number in self.SENT:
                signal.signal(number, signal.SIG_IGN if number in ignored
                              else signal.SIG_DFL)
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        self.write("kma_output.dat", "older")
        process = subprocess.Popen([program("broken_hang"), "t"], cwd=self.folder,
                                   text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, preexec_fn=dispositions)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.assertIn("correctness mode", process.stdout.readline())
        self.assertTrue(any(name.startswith(TEMPORARY) for name in self.files()))
        time.sleep(0.2)
        return process

    def test_interrupted(self):
        for number in self.SENT:
            with self.subTest(signal=number.name):
                process = self.start()
                process.send_signal(number)
                output, error = process.communicate(timeout=30)
                self.assertEqual(process.returncode, -number)
                self.assertEqual(error, f"t:3: ended by {number.name}\n")
                self.assertEqual(output, "")
                self.assertEqual(self.files(), ["kma_output.dat", "t"])
                self.assertEqual(self.read("kma_output.dat"), "older")

    def test_an_ignored_signal_stays_ignored(self):
        for number in self.SENT:
            with self.subTest(signal=number.name):
                process = self.start(ignored=[number])
                process.send_signal(number)
                time.sleep(0.2)
                self.assertIsNone(process.poll())


class Progress(DriverTest):
    """A run that lasts, with standard error a terminal or not."""

    ARGUMENTS = ["--competition", "--passes", "100000", "t"]

    def setUp(self):
        super().setUp()
        self.write("t", trace_text(*simple_events(20000)))

    def on_terminal(self, arguments, enough):
        """What appears on the terminal until enough(text), then SIGTERM."""
        master, slave = pty.openpty()
        process = subprocess.Popen([program("kma_bud"), *arguments], cwd=self.folder,
                                   stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen = b""
        deadline = time.monotonic() + 30
        stopped = False
        while time.monotonic() < deadline:
            if not stopped and enough(seen):
                process.terminate()
                stopped = True
            if select.select([master], [], [], 0.05)[0]:
                try:
                    chunk = os.read(master, 4096)
                except OSError:
                    break
                if not chunk:
                    break
                seen += chunk
        process.kill()
        process.wait()
        os.close(master)
        return seen.decode()

    def test_on_a_terminal(self):
        seen = self.on_terminal(self.ARGUMENTS, lambda text: text.count(b"%") >= 3)
        self.assertRegex(seen, r"\rtiming: \d+ of 2000000000 events, \d+%\x1b\[K")
        updates, end = seen.rsplit("\r\x1b[K", 1)
        self.assertIn("%", updates)
        self.assertRegex(end, r"^t:\d+: .*ended by SIGTERM\r\n$")

    def test_cleared_at_the_end(self):
        started = time.monotonic()
        self.passes("kma_bud", "--competition", "--passes", "200", "t")
        passes = int(200 * 5 / (time.monotonic() - started))
        seen = self.on_terminal(["--competition", "--passes", str(passes), "t"],
                                lambda text: False)
        self.assertIn("%", seen)
        self.assertTrue(seen.endswith("\x1b[K\r\x1b[K"), seen[-80:])

    def test_not_too_often(self):
        started = time.monotonic()
        seen = self.on_terminal(self.ARGUMENTS,
                                lambda text: time.monotonic() - started > 2.5)
        self.assertLessEqual(seen.count("%"), 10 * (time.monotonic() - started - 1) + 1)
        self.assertGreater(seen.count("%"), 2)

    def test_a_short_run_is_silent(self):
        self.assertEqual(self.on_terminal(["t"], lambda text: False), "")

    def test_without_a_terminal(self):
        process = subprocess.Popen([program("kma_bud"), *self.ARGUMENTS],
                                   cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        time.sleep(1.8)
        process.terminate()
        self.assertRegex(process.communicate(timeout=30)[1],
                         r"^t:\d+: .*ended by SIGTERM\n$")


if __name__ == "__main__":
    unittest.main()
