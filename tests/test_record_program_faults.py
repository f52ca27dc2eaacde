#!/usr/bin/python3
"""record program: whatever becomes of the program, the recorder or the disk, what was recorded
is written and nothing else is left behind; what cannot be recorded is refused."""

import os
import pty
import shutil
import signal
import subprocess
import time
import unittest

from driver_case import program
from record_program_case import RECORD, CHUNK_RECORDS, LINE, Line, CALLS, ALONE, RecordTest, ktr


class HinderedTest(RecordTest):
    def alone(self, before="", after="", rounds=3 * CHUNK_RECORDS, status=0, **options):
        """The sizes that are recorded of a program that requests 24 bytes each time."""
        alone = self.compile("alone", ALONE % (before, after, rounds))
        self.record(alone, status=status, **options)
        return self.sizes("out.ktr", "alone")

    def test_killed(self):
        self.assertEqual(self.alone(after="raise(SIGKILL);", status=128 + 9),
                         [24] * 3 * CHUNK_RECORDS)

    def test_ended_at_once(self):
        self.assertEqual(self.alone(after="_exit(7);", status=7, rounds=10), [24] * 10)

    def test_closes_all_descriptors(self):
        self.assertEqual(self.alone("for (int i = 0; i < 1000; i++) close(i);"),
                         [24] * 3 * CHUNK_RECORDS)

    def test_moves_and_masks(self):
        self.assertEqual(self.alone("umask(0777); if (chdir(\"/\") != 0) _exit(8);"),
                         [24] * 3 * CHUNK_RECORDS)

    def test_mask_of_the_caller(self):
        self.needs_shell()
        old = os.umask(0o777)
        self.addCleanup(os.umask, old)
        result = self.run_record("-o", "out.ktr", "--", "sh", "-c", "exit 5")
        self.assertEqual(result.returncode, 5, result.stderr)

    def stopped(self, lines, stderr, rounds, reason):
        """What is in the trace and what is said to be lost are all there was."""
        lost = ktr.facts(self.path(lines[-1].path)).lost
        self.assertIn(f"{lost} events were lost: the recording stopped: {reason}\n", stderr)
        sizes = self.sizes(lines[-1].path, "alone")
        self.assertEqual(sizes, [24] * len(sizes))
        self.assertGreaterEqual(len(sizes) + lost, rounds)
        self.assertLess(len(sizes), rounds)
        self.assertGreater(len(sizes), 0)

    def test_file_size_limit(self):
        rounds = 20 * CHUNK_RECORDS
        alone = self.compile("alone", ALONE % (
            "struct rlimit few = {1 << 20, 1 << 20}; setrlimit(RLIMIT_FSIZE, &few);", "",
            rounds))
        self.stopped(*self.record(alone), rounds, "File too large")

    def test_full_disk(self):
        os.mkdir(self.path("small"))
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs",
                                self.path("small")], check=False, capture_output=True)
        if mount.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.path("small")], check=True)
        rounds = 20 * CHUNK_RECORDS
        alone = self.compile("alone", ALONE % ("", "", rounds))
        result = self.run_record("-o", "small/out.ktr", "--", alone)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [Line(*line) for line in LINE.findall(result.stderr)]
        self.stopped(lines, result.stderr, rounds, "No space left on device")
        self.assertEqual(os.listdir(self.path("small")), ["out.ktr"])

    def test_a_folder_that_vanishes(self):
        # As if the program had changed its root or given up its rights.
        alone = self.compile("alone", ALONE % (
            'if (system("mv .kma-record-* gone") != 0) _exit(8);',
            'if (system("mv gone .kma-record-abcdef") != 0) _exit(8);',
            3 * CHUNK_RECORDS))
        result = self.run_record("-o", "out.ktr", "--", alone)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("cannot be read: No such file or directory\n", result.stderr)


class SignalTest(RecordTest):
    def started(self, *command, **options):
        process = subprocess.Popen(
            [program(RECORD), "program", "-o", "out.ktr", "--", *command],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, **options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def ended(self, process, status):
        _, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, stderr)
        self.no_scratch()
        return stderr

    READY = 'if (write(1, "ready\\n", 6) != 6) _exit(8); '

    def test_a_signal_is_passed_on_and_the_trace_written(self):
        alone = self.compile("alone", ALONE % ("", self.READY + "sleep(60);", 100))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.started(alone)
            process.send_signal(number)
            self.ended(process, 128 + number)
            self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)

    def test_a_second_signal_ends_the_recording(self):
        alone = self.compile("alone", ALONE % (
            "", "signal(SIGTERM, SIG_IGN); " + self.READY + "sleep(3);", 100))
        process = self.started(alone)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # two at once would count as one
        process.send_signal(signal.SIGTERM)
        self.assertIn("goes on without being recorded", self.ended(process, 0))
        self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)

    def test_a_signal_ends_the_waiting(self):
        alone = self.compile("alone", ALONE % ("", "sleep(4);", 100))
        process = self.started("sh", "-c", f"{alone} & sleep 1; echo ready; exit 3")
        time.sleep(0.5)  # for the shell to end
        process.send_signal(signal.SIGTERM)
        self.assertIn("goes on without being recorded", self.ended(process, 3))

    def test_interrupt_from_the_terminal(self):
        alone = self.compile("alone", ALONE % ("", self.READY + "sleep(60);", 100))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execv(program(RECORD), ["record", "program", "-o", "out.ktr", "--", alone])
        said = b""
        try:
            while b"ready" not in said:
                said += os.read(terminal, 1000)
            os.write(terminal, b"\x03")
            while True:
                said += os.read(terminal, 1000)
        except OSError:
            pass  # the other end is closed
        finally:
            os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]),
                         128 + signal.SIGINT, said)
        self.assertEqual(self.sizes("out.ktr", "alone"), [24] * 100)
        self.no_scratch()


class RefusalTest(RecordTest):
    def refuses(self, *arguments, status=2):
        before = self.files()
        result = self.run_record(*arguments)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(self.files(), before)
        return self.one_line(result.stderr)

    def test_command_line(self):
        for arguments, message in (
                ((), "no output given: -o"),
                (("-o", "x.ktr"), "no command given"),
                (("-o", "x.ktr", "--"), "no command given"),
                (("-o",), "-o wants a value"),
                (("-o", "-", "--", "true"), "standard output is the command's"),
                (("--frob", "--", "true"), "--frob is no option")):
            self.assertIn(f"record program: {message}", self.refuses(*arguments))

    def test_help_and_version(self):
        for option in ("--help", "--version"):
            result = self.run_record(option)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("record", result.stdout)

    def test_command_that_cannot_be_started(self):
        self.assertIn("nothing-like-it: command not found",
                      self.refuses("-o", "x.ktr", "--", "nothing-like-it", status=127))
        self.write("text", "no program\n")
        self.assertIn("./text: Permission denied",
                      self.refuses("-o", "x.ktr", "--", "./text", status=126))

    def test_output_that_cannot_be_written(self):
        mark = ("--", "sh", "-c", "touch started")
        self.assertEqual(self.refuses("-o", "none/x.ktr", *mark),
                         "none/x.ktr: cannot be written: No such file or directory")
        os.mkdir(self.path("folder"))
        self.assertIn("folder: is no regular file", self.refuses("-o", "folder", *mark))
        self.assertIn("/dev/full: is no regular file",
                      self.refuses("-o", "/dev/full", *mark))

    def test_folder_that_may_not_be_written_to(self):
        if os.getuid() != 0:
            self.skipTest("only root can become somebody else")
        os.chmod(self.folder, 0o755)
        shutil.copy(program(RECORD), self.path("record"))
        shutil.copy(program("capture/librecorder.so"), self.path("librecorder.so"))
        result = subprocess.run(
            ["./record", "program", "-o", "x.ktr", "--", "sh", "-c", "echo started"],
            cwd=self.folder, text=True, check=False, capture_output=True,
            preexec_fn=lambda: os.setuid(65534))
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertEqual(result.stderr, "x.ktr: cannot be written: Permission denied\n")

    def test_recorder_that_is_not_there(self):
        shutil.copy(program(RECORD), self.path("record"))
        result = subprocess.run(["./record", "program", "-o", "x.ktr", "--", "true"],
                                cwd=self.folder, text=True, check=False,
                                capture_output=True)
        self.assertEqual(result.returncode, 2)
        self.assertRegex(self.one_line(result.stderr),
                         r"/librecorder\.so: cannot be read: No such file or directory$")
        self.no_scratch()

    def test_recorder_in_a_folder_that_nothing_is_preloaded_from(self):
        os.mkdir(self.path("a b"))
        for name in ("record", "librecorder.so"):
            shutil.copy(program(f"capture/{name}"), self.path(f"a b/{name}"))
        result = subprocess.run(["a b/record", "program", "-o", "x.ktr", "--", "true"],
                                cwd=self.folder, text=True, check=False,
                                capture_output=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("a space or a colon", self.one_line(result.stderr))

    def test_static_program(self):
        static = self.compile("static", CALLS, "-static")
        self.assertRegex(self.refuses("-o", "x.ktr", "--", static),
                         r"^\./static: no allocation was recorded: is it a static, ")

    def test_file_that_was_there_stays_when_nothing_is_recorded(self):
        self.write("x.ktr", "old\n")
        static = self.compile("static", CALLS, "-static")
        self.refuses("-o", "x.ktr", "--", static)
        self.assertEqual(self.read("x.ktr"), "old\n")


if __name__ == "__main__":
    unittest.main()
