#!/usr/bin/python3
"""analysis/ktr.py: traces are read the same from both formats, and refused when unsound."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import ktr_files
from driver_case import BUILD, simple_events, trace_text
from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import ktr  # noqa: E402
import zstd_frames  # noqa: E402
from common import Refusal  # noqa: E402

CONVERT = os.path.join(BUILD, "capture", "convert")

# Slots are taken up again, the last given up first.
PAIRS = [(100, 0), (200, 1), (50000, 2), (0, 1), (0, 0), (30, 0), (40, 1), (60, 3), (0, 2), (0, 3)]
TEXT = ["REQUEST 7 100", "REQUEST 3 200", "REQUEST 1 50000", "FREE 3", "FREE 7", "REQUEST 9 30",
        "REQUEST 7 40", "REQUEST 2 60", "FREE 1", "FREE 2"]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name="t.ktr"):
        return os.path.join(self.folder, name)

    def write(self, *parts, name="t.ktr"):
        with open(self.path(name), "wb") as file:
            file.write(b"".join(parts))
        return self.path(name)

    def text(self, *lines):
        return self.write("".join(f"{line}\n" for line in lines).encode(), name="t.trace")

    def refused(self, expected, path):
        """Whichever way it is read, where the way sees it."""
        with self.assertRaises(Refusal) as caught:
            list(ktr.events(path, ktr.COLUMNS))
        self.assertEqual(str(caught.exception), f"{path}:{expected}")


class Text(Case):
    def test_ids_become_slots(self):
        path = self.write(trace_text(*TEXT).encode(), name="t.trace")
        self.assertEqual(list(ktr.events(path)), PAIRS)
        self.assertEqual(ktr.count_of_events(path), len(PAIRS))
        self.assertEqual(ktr.about(path), {})
        self.assertFalse(ktr.facts(path).recorded)

    def test_there_are_no_columns(self):
        path = self.text(1, "REQUEST 0 5")
        self.assertEqual(list(ktr.events(path, ("time", "site"))), [(5, 0, None, None)])

    def test_no_event_and_blank_lines_at_the_end(self):
        self.assertEqual(list(ktr.events(self.text("0"))), [])
        self.assertEqual(list(ktr.events(self.text("1", "REQUEST 0 5", "", " "))), [(5, 0)])
        self.assertEqual(list(ktr.events(self.write(b"1\r\nREQUEST 0 5", name="t.trace"))), [(5, 0)])

    def test_what_is_no_trace(self):
        header = "1: the first line must be the number of events"
        for lines, expected in (
                ([], header), (["x"], header), (["-1"], header), (["9" * 40], header),
                ([2, "REQUEST 0 5"], "3: event 2 of the 2 that line 1 announces is not sound"),
                ([1, "REQUEST 0 5", "FREE 0"],
                 "3: something follows the 1 events that line 1 announces")):
            with self.subTest(lines=lines):
                self.refused(expected, self.text(*lines))
        for line in ("FREE 3", "REQUEST 0 0", "REQUEST 0 -5", "REQUEST 0", "REQUEST 0 9999999999",
                     "REQUEST 0 5 6", "frob 0", "", "REQUEST a 5", "FREE 0 1", "REQUEST 0 5\nFREE 0"
                     "\nFREE 0", "\xff\xfe"):
            with self.subTest(line=line):
                number = 1 + line.count("\n")
                self.refused(f"{number + 1}: event {number} of the 9 that line 1 announces is not "
                             "sound", self.text(9, line, "REQUEST 5 5"))


@unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
class Compact(Case):
    def test_events_and_what_the_trace_says(self):
        for blocks in (1, 3, len(PAIRS)):
            ktr_files.write(self.path(), PAIRS, "origin=program\ncommand=a=b c\n", blocks=blocks)
            self.assertEqual(list(ktr.events(self.path())), PAIRS)
            found = ktr.facts(self.path())
            self.assertEqual((found.events, found.slots, found.lost), (len(PAIRS), 4, 0))
            self.assertEqual(found.about, {"origin": "program", "command": "a=b c"})
            self.assertTrue(found.recorded)
            self.assertFalse(found.of_kernel)

    def test_the_ending_says_nothing(self):
        ktr_files.write(self.path("t.trace"), PAIRS)
        self.write(trace_text(*TEXT).encode(), name="t.ktr")
        self.assertEqual(list(ktr.events(self.path("t.trace"))), list(ktr.events(self.path("t.ktr"))))

    def test_generated_ones_are_not_recorded(self):
        ktr_files.write(self.path(), PAIRS, "origin=generated\n")
        self.assertFalse(ktr.facts(self.path()).recorded)

    def test_no_event(self):
        ktr_files.write(self.path(), [])
        self.assertEqual(list(ktr.events(self.path())), [])
        self.assertEqual(ktr.count_of_events(self.path()), 0)

    def test_columns(self):
        """Names by their numbers; times are steps; spent is the excess over the size, plus 1."""
        path = self.write(
            ktr_files.meta("columns=time,cpu,site,cache,spent\norigin=kernel\n"),
            ktr_files.names("site", 1, "open", "fork"),
            ktr_files.events([(100, 0), (0, 0)], {"time": [5, 1000], "cpu": [1, 0], "site": [2, 0],
                                                  "cache": [0, 0], "spent": [29]}),
            ktr_files.names("site", 3, "read"), ktr_files.names("cache", 1, "inode"),
            ktr_files.events([(64, 0), (7, 1)], {"time": [2000, 0], "cpu": [3, 3], "site": [3, 1],
                                                 "cache": [1, 1], "spent": [1, 0]}),
            ktr_files.end(4, 2, lost=9))
        self.assertEqual(list(ktr.events(path, ktr.COLUMNS)), [
            (100, 0, 5, 1, "fork", None, 128), (0, 0, 1005, 0, None, None, 0),
            (64, 0, 2000, 3, "read", "inode", 64), (7, 1, 2000, 3, "open", "inode", 0)])
        self.assertEqual(list(ktr.events(path, ("spent", "cpu")))[0], (100, 0, 128, 1))
        self.assertEqual(ktr.facts(path).lost, 9)
        self.assertTrue(ktr.facts(path).of_kernel)

    def test_more_frames_than_are_read_at_once(self):
        """Frames of all lengths lie across the pieces in which the file is read."""
        pairs = []
        for number in range(3000):
            pairs += [(1 + number * 7919 % 2**31, 0), (0, 0)]
        ktr_files.write(self.path(), pairs, blocks=200)
        with mock.patch.object(zstd_frames, "PIECE", 7):
            self.assertEqual(list(ktr.events(self.path())), pairs)

    def test_sums_of_what_is_live(self):
        """What is not known to have been spent counts as requested; what is too large, not."""
        path = self.write(
            ktr_files.meta("columns=spent\n"),
            ktr_files.events([(100, 0), (9000, 1), (20, 2), (0, 1), (0, 0), (0, 2)],
                             {"spent": [29, 1000, 0]}), ktr_files.end(6, 3))
        self.assertEqual(list(ktr.live_totals(path, 8184)),
                         [(100, 128), (100, 128), (120, 148), (120, 148), (20, 20), (0, 0)])
        self.assertEqual(list(ktr.live_totals(path))[1], (9100, 128 + 9999))

    @unittest.skipUnless(os.access(CONVERT, os.X_OK), "capture/convert is not built")
    def test_convert_and_this_agree(self):
        self.write(trace_text(*simple_events(3000)).encode(), name="t.trace")
        subprocess.run([CONVERT, self.path("t.trace"), "-o", self.path()], check=True,
                       capture_output=True)
        self.assertTrue(ktr.is_compact(self.path()))
        self.assertEqual(list(ktr.events(self.path())), list(ktr.events(self.path("t.trace"))))


@unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
class Unsound(Case):
    META = ktr_files.meta("origin=program\n") if not ktr_files.MISSING else b""

    def behind_meta(self, expected, *parts):
        self.refused(f" byte {len(self.META)}: {expected}", self.write(self.META, *parts))

    def test_cut_short_anywhere(self):
        ktr_files.write(self.path(), PAIRS, blocks=2)
        with open(self.path(), "rb") as file:
            whole = file.read()
        for length in range(len(zstd_frames.FRAME), len(whole)):
            with self.subTest(length=length):
                for reader in (ktr.facts, lambda path: list(ktr.events(path))):
                    with self.assertRaisesRegex(Refusal, r"cut\.ktr: byte \d+: .*cut short"):
                        reader(self.write(whole[:length], name="cut.ktr"))

    def test_a_byte_changed_anywhere(self):
        """Every frame has a checksum, so nothing else than a refusal can come of it."""
        ktr_files.write(self.path(), PAIRS * 1, "origin=kernel\n", blocks=2)
        with open(self.path(), "rb") as file:
            whole = file.read()
        for place in range(len(zstd_frames.FRAME), len(whole)):
            for change in (1, 0x80):
                changed = bytearray(whole)
                changed[place] ^= change
                with self.subTest(place=place, change=change):
                    with self.assertRaises(Refusal):
                        list(ktr.events(self.write(bytes(changed), name="changed.ktr")))

    def test_frames(self):
        content = ktr_files.MAGIC + ktr_files.block(b"M", b"")
        self.refused(" byte 0: this frame has no checksum",
                     self.write(ktr_files.frame(content, checksum=False)))
        self.refused(" byte 0: compressed, but no trace: it does not begin with 'KMA trace 1'",
                     self.write(ktr_files.frame(b"something else")))
        self.behind_meta("no zstd frame begins here", b"plain")
        self.behind_meta("a block is longer than 1048576 bytes",
                         ktr_files.frame(bytes(2_000_000), window_log=16))
        with self.assertRaisesRegex(Refusal, "too much memory"):
            list(ktr.events(self.write(self.META, ktr_files.frame(os.urandom(2_000_000)))))
        self.behind_meta("this block is not as long as it says", ktr_files.frame(b""))

    def test_blocks(self):
        sound = ktr_files.events([(5, 0)])
        self.behind_meta("this block is not as long as it says", ktr_files.frame(b"Exxxx"))
        self.behind_meta("a block of an unknown kind: a later version's?",
                         ktr_files.frame(ktr_files.block(b"Q", b"")))
        self.behind_meta("a second description of the trace",
                         ktr_files.frame(ktr_files.block(b"M", b"")))
        self.refused(" byte 0: the first block must describe the trace",
                     self.write(ktr_files.frame(ktr_files.MAGIC + ktr_files.block(b"Z", b""))))
        end = ktr_files.end(1, 1)
        path = self.write(self.META, sound, end, sound)
        self.refused(f" byte {len(self.META + sound + end)}: something follows the last block", path)

    def test_totals(self):
        sound = ktr_files.events([(5, 0)])
        for events, slots in ((2, 1), (1, 2), (0, 0), (10**18, 1)):
            path = self.write(self.META, sound, ktr_files.end(events, slots))
            self.refused(f" byte {len(self.META + sound)}: the last block speaks of {events} events "
                         f"and {slots} slots, but there are 1 and 1 slots", path)
        with self.assertRaisesRegex(Refusal, "speaks of 7 events, but there are 1"):
            ktr.facts(self.write(self.META, sound, ktr_files.end(7, 1)))

    def test_events(self):
        def damaged(data):
            self.behind_meta("the events of this block are damaged",
                             ktr_files.frame(ktr_files.block(b"E", data)))
        part, sizes = ktr_files.section, ktr_files.numbers
        for name, data in {
                "nothing": b"",
                "no event": b"\0" + part(b"") + part(b""),
                "fewer sizes than events": b"\2" + part(b"\5") + part(b""),
                "more sizes than events": b"\1" + part(b"\5\5") + part(b""),
                "a section past the end": b"\1\5\5",
                "a number without an end": b"\1" + part(b"\x85") + part(b""),
                "a number over 64 bits": b"\1" + part(b"\xff" * 10 + b"\1") + part(b""),
                "a size over 2^31 - 1": b"\1" + part(sizes([2**31])) + part(b""),
                "the free of a slot that never was": b"\1" + part(b"\0") + part(b"\0"),
                "the free of a slot below 0": b"\2" + part(b"\5\0") + part(b"\1"),
                "a second free": b"\3" + part(b"\5\0\0") + part(b"\0\0"),
                "fewer frees than sizes of 0": b"\2" + part(b"\5\0") + part(b""),
                "more frees than sizes of 0": b"\1" + part(b"\5") + part(b"\0"),
                "a column that is not in the list": b"\1" + part(b"\5") + part(b"") + part(b"\0"),
        }.items():
            with self.subTest(name):
                damaged(data)

    def test_columns(self):
        self.refused(" byte 0: a column of this trace is unknown or out of order",
                     self.write(ktr_files.meta("columns=cpu,time\n")))
        self.refused(" byte 0: a column of this trace is unknown or out of order",
                     self.write(ktr_files.meta("columns=colour\n")))
        for column, values in (("time", [1]), ("time", [2**63, 2**63]), ("cpu", [1, 2**32]),
                               ("cpu", [1, 2, 3]), ("site", [1, 0]), ("spent", [1, 1])):
            with self.subTest(column=column, values=values):
                head = ktr_files.meta(f"columns={column}\n")
                self.refused(f" byte {len(head)}: the events of this block are damaged", self.write(
                    head, ktr_files.events([(5, 0), (0, 0)], {column: values})))

    def test_time_that_falls_between_blocks(self):
        head = ktr_files.meta("columns=time\n")
        first = ktr_files.events([(5, 0)], {"time": [100]})
        self.refused(f" byte {len(head + first)}: the events of this block are damaged", self.write(
            head, first, ktr_files.events([(5, 1)], {"time": [99]})))

    def test_names(self):
        for data in (b"", b"\0\1\0", b"\x09\1\0", b"\2\2\0", b"\2\1\1", b"\2\1\1\0", b"\2\1\1\5abc",
                     b"\2\1\0x", b"\2\1\2\1a"):
            with self.subTest(data=data):
                self.behind_meta("the names of this block are damaged",
                                 ktr_files.frame(ktr_files.block(b"N", data)))

    def test_no_libzstd(self):
        ktr_files.write(self.path(), PAIRS)
        done = subprocess.run(
            [sys.executable, "-B", "-c", f"""
import ctypes, sys
sys.path.insert(0, {os.path.join(ROOT, "analysis")!r})
def none(name): raise OSError(name)
ctypes.CDLL = none
import ktr
try: list(ktr.events({self.path()!r}))
except ktr.Refusal as refusal: print(refusal)
"""], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, f"{self.path()}: a compact trace needs libzstd.so.1 of zstd "
                         "1.4 or later to be read\n")

    def test_no_file(self):
        with self.assertRaises(FileNotFoundError):
            ktr.facts(self.path("nowhere"))


if __name__ == "__main__":
    unittest.main()
