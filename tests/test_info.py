#!/usr/bin/python3
"""capture/info: what it finds in a trace, and how it shows that."""

import fcntl
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import termios
import unicodedata
import unittest

from driver_case import program, word_bytes
from edit_case import EditTest, random_rows
from shared import write_script

INFO = "capture/info"
US = 1000
DECIMAL_ERROR = 0.05  # of a percentile

# size, slot, time, cpu, site, cache, spent. Live bytes after each: 100, 130, 5130, 5100,
# 5120, 120, 9120, 9020; nothing is known of what the block of 9000 took.
EIGHT = [
    (100, 0, 0, 0, "a", "k128", 128),
    (30, 1, 1 * US, 0, "b", "k32", 32),
    (5000, 2, 2 * US, 1, "a", "k8k", 8192),
    (0, 1, 3 * US, 1, "b", None, 0),
    (20, 1, 4 * US, 1, "b", "k32", 32),
    (0, 2, 10 * US, 1, "a", None, 0),
    (9000, 2, 20 * US, 0, "a", None, 0),
    (0, 0, 1000 * US, 1, "a", None, 0),
]


def in_utf8(**more):
    return {**os.environ, "LC_ALL": "C.UTF-8", **more}


def in_c(**more):
    return {**os.environ, "LC_ALL": "C", **more}


def columns_of(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


class InfoTest(EditTest):
    def figures(self, name, *arguments, **options):
        result = self.run_driver(INFO, name, "--json", "f.json", *arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.report = result.stdout
        return json.loads(self.read("f.json"))

    def shown(self, name, *arguments, environment=None):
        result = self.run_driver(INFO, name, *arguments, env=environment or in_utf8())
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def eight(self, **options):
        return self.recorded("eight.ktr", EIGHT, **options)


class Totals(InfoTest):
    def setUp(self):
        super().setUp()
        self.found = self.figures(self.eight(
            about="origin=kernel\ncommand=make -j4\nsystem=Linux 6.1\nrecorded=2026-01-02\n",
            lost=123))

    def test_where_it_comes_from(self):
        self.assertEqual(self.found["kind"], "compact")
        self.assertEqual(self.found["about"], {
            "origin": "kernel", "command": "make -j4", "system": "Linux 6.1",
            "recorded": "2026-01-02"})
        self.assertEqual(self.found["columns"], ["time", "cpu", "site", "cache", "spent"])
        for words in ("kind +compact, with time, cpu, site, cache, spent", "origin +kernel",
                      "command +make -j4", "system +Linux 6.1", "recorded +2026-01-02"):
            self.assertRegex(self.report, rf"\n  {words}\n")

    def test_events(self):
        self.assertEqual([self.found[name] for name in ("events", "requests", "frees")],
                         [8, 5, 3])
        self.assertIn("8: 5 requests, 3 frees\n", self.report)

    def test_what_was_lost_is_marked(self):
        self.assertEqual(self.found["lost"], 123)
        self.assertIn("\n  INCOMPLETE: 123 events were lost\n", self.report)

    def test_duration(self):
        """8 events in a millisecond."""
        self.assertEqual(self.found["duration_ns"], 1000 * US)
        self.assertRegex(self.report, r"duration +1.00 ms, 8,000 events/s\n")

    def test_peaks_and_what_is_live_at_the_end(self):
        self.assertEqual(self.found["peak"], {"bytes": 9120, "bytes_event": 7,
                                              "blocks": 3, "blocks_event": 3})
        self.assertEqual(self.found["at_end"], {"bytes": 9020, "blocks": 2})
        self.assertRegex(self.report, r"peak +8.91 KiB at event 7, 3 blocks at event 3\n")
        self.assertRegex(self.report, r"at the end +8.81 KiB in 2 blocks\n")

    def test_mean_request(self):
        """(100 + 30 + 5000 + 20 + 9000) / 5"""
        self.assertEqual(self.found["requested_bytes"], 14150)
        self.assertRegex(self.report, r"mean request +2830.0 bytes\n")

    def test_over_the_limit_of_a_page(self):
        word = word_bytes()
        self.assertEqual(self.found["over_limit"], [
            {"page_size": 4096, "limit": 4096 - word, "requests": 2},
            {"page_size": 8192, "limit": 8192 - word, "requests": 1}])
        self.assertIn(f"2 requests (40.0%) over {4096 - word:,} bytes "
                      "(4,096-byte pages)\n", self.report)

    def test_the_limit_itself_is_not_over_it(self):
        word = word_bytes()
        self.text("t", (4096 - word, 0), (4097 - word, 1))
        self.assertEqual([page["requests"] for page in self.figures("t")["over_limit"]], [1, 0])

    def test_lifetimes(self):
        """Of the blocks of 30, 5000 and 100 bytes: from event 2 to 4, 3 to 6 and 1 to 8."""
        lifetimes = self.found["lifetimes"]
        self.assertEqual(lifetimes["never_freed"], 2)
        self.assertEqual([bucket["from"] for bucket in lifetimes["events"]["histogram"]],
                         [2, 3, 7])
        self.assertEqual([lifetimes["events"][name] for name in ("p50", "p90", "p99")],
                         [3, 7, 7])
        for name, exact in (("p50", 8 * US), ("p90", 1000 * US), ("p99", 1000 * US)):
            self.assertAlmostEqual(lifetimes["ns"][name], exact, delta=exact * DECIMAL_ERROR)
        self.assertIn("Lifetimes of 3 blocks freed; 2 (40.0%) never were\n", self.report)

    def test_call_sites_and_caches(self):
        rows = [(site["name"], site["requests"], site["requested_bytes"], site["bytes_at_end"])
                for site in self.found["sites"]]
        self.assertEqual(rows, [("a", 3, 14100, 9000), ("b", 2, 50, 20)])
        rows = [(cache["name"], cache["requests"], cache["blocks_at_end"])
                for cache in self.found["caches"]]
        # Of those with as many requests the unnamed one is first, then as they came.
        self.assertEqual(rows, [("k32", 2, 1), ("?", 1, 1), ("k128", 1, 0), ("k8k", 1, 0)])
        self.assertRegex(self.report, r"\n  a +3 +60.0% +13.8 KiB +8.79 KiB\n")

    def test_cpus(self):
        """Events 4 and 8 free on CPU 1 what was requested on CPU 0."""
        self.assertEqual(self.found["cpus"], {"0": 3, "1": 5})
        self.assertEqual(self.found["freed_on_another_cpu"], 2)
        self.assertRegex(self.report, r"\n +1 +62.5% +0 +37.5%\n")
        self.assertIn("freed on another CPU than requested on: 66.7% of the frees\n",
                      self.report)

    def test_rounding(self):
        """After each event these bytes are live of which the size is known, and were spent."""
        rounding = self.found["rounding"]
        live = [(100, 128), (130, 160), (5130, 8352), (5100, 8320), (5120, 8352), (120, 160),
                (120, 160), (20, 32)]
        penalty = sum((spent - requested) / requested for requested, spent in live) / len(live)
        self.assertEqual(rounding["known_requests"], 4)
        self.assertAlmostEqual(rounding["penalty"], penalty)
        self.assertEqual((rounding["all"]["requested"], rounding["all"]["spent"]), (5150, 8384))
        self.assertAlmostEqual(rounding["all"]["waste"], 3234 / 5150)
        self.assertEqual((rounding["at_peak"]["requested"], rounding["at_peak"]["spent"]),
                         (120, 160))
        self.assertRegex(self.report, r"known for +80.0% of the requests\n")
        self.assertRegex(self.report,
                         r"at the peak +120 B requested, 160 B spent: 33.3% wasted\n")
        self.assertRegex(self.report, rf"mean +{100 * penalty:.1f}% wasted after each event: "
                                      rf"a penalty of {penalty:.3f}\n")

    def test_caches_that_waste_most(self):
        """k8k 8192 - 5000, k128 128 - 100, k32 64 - 50."""
        _, wasteful = self.report.split("Caches by waste")
        self.assertEqual([line.split()[0] for line in wasteful.splitlines()[1:]],
                         ["k8k", "k128", "k32"])
        self.assertRegex(wasteful, r"k32 +50 B +64 B +14 B +28.0%")


class Kinds(InfoTest):
    def test_text_has_no_columns(self):
        self.text("t", (8, 0), (0, 0))
        found = self.figures("t")
        self.assertEqual((found["kind"], found["columns"], found["duration_ns"]),
                         ("text", [], None))
        for name in ("sites", "caches", "cpus", "rounding"):
            self.assertNotIn(name, found)
        for words in ("duration", "Call sites", "Caches", "CPUs", "Rounding", "in time"):
            self.assertNotIn(words, self.report)

    def test_a_trace_without_events(self):
        self.write("t", "0\n")
        found = self.figures("t", "--png", "t.png") if shutil.which("gnuplot") else \
            self.figures("t")
        self.assertEqual((found["events"], found["sizes"], found["peak"]["bytes"]), (0, [], 0))
        self.assertIn("nothing was requested", self.report)

    def test_a_trace_without_frees(self):
        self.text("t", (8, 0), (9, 1))
        self.assertIn("Lifetimes of 0 blocks freed; 2 (100.0%) never were\n", self.shown("t"))

    def test_standard_input(self):
        done = subprocess.run([program(INFO), "-"], input=b"1\nREQUEST 0 5\n",
                              capture_output=True, check=True)
        self.assertTrue(done.stdout.startswith(b"standard input\n"))

    def test_what_a_recording_lacks_is_told(self):
        line = "  sh 4 [000] 1.000000: kmem:"
        self.write("r.perf", f"{line}kfree: call_site=f+0x1 ptr=0x7700\n"
                             f"{line}kmalloc: call_site=f+0x1 ptr=0x8800 bytes_req=60 "
                             "bytes_alloc=64 gfp_flags=0\n")
        found = self.figures("r.perf")
        self.assertEqual(found["kind"], "perf")
        self.assertEqual(found["mended"]["unknown_frees"], 1)
        self.assertIn("1 free of a block from before the recording: left out\n", self.report)

    def test_waste_by_site_where_there_are_no_caches(self):
        rows = [(*row[:5], row[6]) for row in EIGHT]
        columns = ("time", "cpu", "site", "spent")
        rows = [(size, slot, when, cpu, site, None, spent)
                for size, slot, when, cpu, site, spent in rows]
        self.recorded("t.ktr", rows, columns=columns)
        self.assertIn("Call sites by waste", self.shown("t.ktr"))


class Histograms(InfoTest):
    def test_a_class_ends_with_a_power_of_two(self):
        self.text("t", *[(size, slot) for slot, size in enumerate(
            (1, 8, 9, 16, 16, 17, 64, 65, 8192, 8193, 2**31 - 1))])
        found = self.figures("t")
        for border in (8, 16, 64, 8192):
            self.assertTrue(any(bucket["to"] == border for bucket in found["sizes"]), border)
        self.assertEqual(sum(bucket["count"] for bucket in found["sizes"]), 11)
        self.assertEqual(sum(bucket["sum"] for bucket in found["sizes"]),
                         found["requested_bytes"])

    def test_every_number_is_in_its_bucket(self):
        dice = random.Random(1)
        sizes = sorted({int(2**dice.uniform(0, 30.99)) for _ in range(2000)})
        self.text("t", *[(size, slot) for slot, size in enumerate(sizes)])
        for bucket in self.figures("t")["sizes"]:
            inside = [size for size in sizes if bucket["from"] <= size <= bucket["to"]]
            self.assertEqual((len(inside), sum(inside)), (bucket["count"], bucket["sum"]))
            self.assertLessEqual(bucket["to"] - bucket["from"], bucket["from"] / 16)

    def test_percentiles_are_right_to_5_percent(self):
        dice = random.Random(2)
        times, when, rows = [], 0, []
        for _ in range(2000):
            life = int(10**dice.uniform(0, 12))
            times.append(life)
            rows += [(8, 0, when), (0, 0, when + life)]
            when += life
        self.recorded("t.ktr", rows, columns=("time",))
        found = self.figures("t.ktr")["lifetimes"]["ns"]
        times.sort()
        for name, rank in (("p50", 1000), ("p90", 1800), ("p99", 1980)):
            exact = times[rank - 1]
            self.assertAlmostEqual(found[name], exact, delta=exact * DECIMAL_ERROR)
        for bucket in found["histogram"]:
            inside = [life for life in times if bucket["from"] <= life <= bucket["to"]]
            self.assertEqual((len(inside), sum(inside)), (bucket["count"], bucket["sum"]))

    def size_rows(self, report):
        """(label, requests) of each line of the size histogram."""
        lines = report.split("Sizes in bytes")[1].split("\n\n")[0].splitlines()[1:]
        return [(line[:15].strip(), int(line[15:28].replace(",", ""))) for line in lines]

    def test_finer_where_there_is_much(self):
        """99 of 100 requests are of 161 to 192 bytes, a quarter of an octave."""
        self.text("t", *[(161 + number % 32, number) for number in range(990)],
                  *[(1000, 990 + number) for number in range(10)])
        self.assertEqual(self.size_rows(self.shown("t")),
                         [("161-192", 990), ("193-256", 0), ("257-512", 0), ("513-1024", 10)])

    def test_rows_hold_all_requests(self):
        rows = random_rows(3, 3000, most_live=200)
        self.recorded("t.ktr", [(size and size * size, *rest) for size, *rest in rows],
                      columns=("time",))
        requests = sum(1 for size, *_ in rows if size)
        self.assertEqual(sum(count for _, count in self.size_rows(self.shown("t.ktr"))),
                         requests)

    def test_huge_sizes_have_short_names(self):
        self.text("t", (65537, 0), (131072, 1), (2**31 - 1, 2))
        self.assertEqual([row for row in self.size_rows(self.shown("t")) if row[1]],
                         [("64-80 KiB", 1), ("112-128 KiB", 1), ("1792-2048 MiB", 1)])


class Model(InfoTest):
    def test_against_a_simple_model(self):
        for seed in range(3):
            rows = random_rows(seed, 1000, most_live=50)
            self.recorded("t.ktr", rows)
            found = self.figures("t.ktr")
            live, peak, blocks, waste, lives = {}, (0, 0), (0, 0), [], []
            for number, (size, slot, when, _, _, _, spent) in enumerate(rows, 1):
                if size:
                    live[slot] = (size, spent, number)
                else:
                    lives.append(number - live.pop(slot)[2])
                held = sum(block[0] for block in live.values())
                if held > peak[0]:
                    peak = (held, number)
                if len(live) > blocks[0]:
                    blocks = (len(live), number)
                if live:
                    waste.append(sum(block[1] for block in live.values()) / held - 1)
            self.assertEqual(found["peak"], {"bytes": peak[0], "bytes_event": peak[1],
                                             "blocks": blocks[0], "blocks_event": blocks[1]})
            self.assertAlmostEqual(found["rounding"]["penalty"], sum(waste) / len(waste), 6)
            self.assertEqual(sum(bucket["sum"] for bucket in
                                 found["lifetimes"]["events"]["histogram"]), sum(lives))
            for kind, place in (("sites", 4), ("caches", 5)):
                counts = {}
                for row in rows:
                    if row[0]:
                        counts[row[place] or "?"] = counts.get(row[place] or "?", 0) + 1
                self.assertEqual({group["name"]: group["requests"] for group in found[kind]},
                                 counts)


class Terminal(InfoTest):
    def long_names(self):
        rows = [(size, slot, when, cpu, "site_" + "x" * 200 + str(size), "cache" * 40, spent)
                for size, slot, when, cpu, _, _, spent in EIGHT]
        return self.recorded("long.ktr", rows, "command=" + "word " * 300 + "\n")

    def on_terminal(self, name, columns, **environment):
        """What comes out of a terminal that is so wide."""
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        settings = in_utf8(**environment)
        if "NO_COLOR" not in environment:
            settings.pop("NO_COLOR", None)
        process = subprocess.Popen([program(INFO), name], cwd=self.folder, stdout=side,
                                   env=settings)
        os.close(side)
        found = b""
        while True:
            try:
                piece = os.read(main, 1 << 16)
            except OSError:  # how a terminal ends on Linux
                break
            if not piece:
                break
            found += piece
        os.close(main)
        self.assertEqual(process.wait(), 0)
        return found.decode().replace("\r\n", "\n")

    def width(self, text):
        return max(columns_of(re.sub(r"\033\[[0-9;]*m", "", line))
                   for line in text.splitlines())

    def test_80_columns_without_a_terminal(self):
        for environment in (in_c(), in_utf8(), in_utf8(COLUMNS="200")):
            for name in (self.eight(lost=5), self.long_names()):
                text = self.shown(name, environment=environment)
                self.assertLessEqual(self.width(text), 80)
                self.assertNotIn("\033", text)
                self.assertNotRegex(text, r" \n")

    def test_bars_are_blocks_in_utf8_and_plain_without(self):
        self.assertIn("█", self.shown(self.eight(), environment=in_utf8()))
        plain = self.shown("eight.ktr", environment=in_c())
        self.assertTrue(plain.isascii())
        self.assertIn("####", plain)

    def test_the_longest_bar_is_of_what_there_is_most(self):
        self.text("t", *[(16, slot) for slot in range(60)], *[(64, slot + 60)
                                                              for slot in range(30)])
        text = self.shown("t", environment=in_c())
        rows = [line for line in text.splitlines() if re.match(r" +\d+-\d+ ", line)]
        bars = {row.split()[0]: len(row.split()[3]) for row in rows if row.split()[1] != "0"}
        self.assertEqual(bars["15-16"], 2 * bars["57-64"])

    def test_what_is_wider_is_used(self):
        for columns in (80, 100, 132, 160):
            text = self.on_terminal(self.eight(), columns)
            self.assertLessEqual(self.width(text), columns)
            self.assertGreater(self.width(text), columns - 5)

    def test_narrow_and_huge_terminals(self):
        self.assertLessEqual(self.width(self.on_terminal(self.long_names(), 10)), 80)
        self.assertLessEqual(self.width(self.on_terminal("long.ktr", 5000)), 160)
        self.on_terminal("long.ktr", 0)

    def test_colours_are_for_terminals(self):
        self.assertIn("\033[", self.on_terminal(self.eight(lost=1), 80))
        self.assertNotIn("\033", self.on_terminal("eight.ktr", 80, NO_COLOR="1"))

    def test_control_characters_are_escaped(self):
        evil = "a\033[31mb\nc\x7f\x9b\u202ed"
        rows = [(8, 0, 0, 0, evil, evil, 8), (0, 0, 1, 0, evil, None, 0)]
        self.recorded("t.ktr", rows, "command=x\033]0;title\007\n")
        for environment in (in_utf8(), in_c()):
            text = self.shown("t.ktr", environment=environment)
            self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
            self.assertIn(r"a\x1b[31mb\x0ac", text)
            self.assertIn(r"x\x1b]0;title\x07", text)
        self.assertEqual(self.figures("t.ktr")["sites"][0]["name"], evil)

    def test_a_file_name_is_escaped_too(self):
        self.text("new\nline\033", (8, 0))
        self.assertTrue(self.shown("new\nline\033").startswith("new\\x0aline\\x1b\n"))

    def test_ten_names_of_many(self):
        rows = [(8, number, number, 0, f"site{number}", None, 8) for number in range(25)]
        self.recorded("t.ktr", rows)
        text = self.shown("t.ktr")
        self.assertIn("Call sites: 10 of 25", text)
        self.assertEqual(len(re.findall(r"^  site\d+ ", text, re.M)), 10)


class Outputs(InfoTest):
    def test_json_on_standard_output_moves_the_report(self):
        result = self.run_driver(INFO, self.eight(), "--json", "-")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(json.loads(result.stdout)["events"], 8)
        self.assertIn("8: 5 requests, 3 frees", result.stderr)

    def test_nonsense_is_refused(self):
        self.eight()
        for arguments, why in (
                ((), "no trace given"),
                (("eight.ktr", "eight.ktr"), "more than one trace given"),
                (("none",), "none"),
                (("eight.ktr", "--json", "eight.ktr"), "eight.ktr is the input"),
                (("eight.ktr", "--json", "o", "--png", "o"), "two outputs go to o"),
                (("eight.ktr", "--json", "no/where"), "no/where: cannot be written"),
                (("eight.ktr", "--wide"), "--wide is no option")):
            with self.subTest(arguments):
                self.assertIn(why, self.refused(INFO, *arguments))
                self.assertEqual(self.files(), ["eight.ktr"])

    def test_a_damaged_trace(self):
        with open(self.path(self.eight()), "rb") as file:
            data = file.read()
        self.write("eight.ktr", data[:-10])
        why = self.refused(INFO, "eight.ktr", "--json", "j")
        self.assertIn("cut short after event 8", why)
        self.assertEqual(self.files(), ["eight.ktr"])

    def test_a_full_disk(self):
        result = self.run_driver(INFO, self.eight(), "--json", "/dev/full")
        self.assertEqual(result.returncode, 2)
        self.assertIn("/dev/full: cannot be written", result.stderr)


class Picture(InfoTest):
    def fake_gnuplot(self, text):
        os.mkdir(self.path("bin"))
        write_script(self.path("bin/gnuplot"), "#!/bin/sh\n" + text)
        return {**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"]}

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_a_png(self):
        recordings = {
            "eight.ktr": EIGHT,
            "one.ktr": [(1, 0, 0, 0, None, None, 0)],
            "brief.ktr": [(1, 0, 0, 0, None, None, 0), (0, 0, 0, 0, None, None, 0)],
            "huge.ktr": [(2**31 - 1, 0, 0, 0, None, None, 0), (1, 1, 0, 0, None, None, 0),
                         (0, 0, 2**63, 0, None, None, 0), (0, 1, 2**63 + 1, 0, None, None, 0)],
            "it's\n%d.ktr": EIGHT,
        }
        for name, rows in recordings.items():
            for columns in (("time", "cpu", "site", "cache", "spent"), ()):
                with self.subTest((name, columns)):
                    self.recorded(name, rows, lost=9, columns=columns)
                    self.shown(name, "--png", "p.png")
                    with open(self.path("p.png"), "rb") as file:
                        data = file.read()
                    self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
                    self.assertEqual(struct.unpack(">II", data[16:24]), (1600, 760))
                    self.assertEqual(data[-8:-4], b"IEND")

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_it_is_told_nothing_that_it_complains_of(self):
        real = shutil.which("gnuplot")
        environment = self.fake_gnuplot(f"exec '{real}' \"$@\" 2>complaints\n")
        self.shown(self.eight(), "--png", "p.png", environment=environment)
        self.assertEqual(self.read("complaints"), "")

    def test_without_gnuplot(self):
        why = self.refused(INFO, self.eight(), "--png", "p.png", "--json", "j",
                           env={**os.environ, "PATH": self.folder})
        self.assertEqual(why, "gnuplot is not installed: analysis/need gnuplot")
        self.assertEqual(self.files(), ["eight.ktr"])

    def test_when_gnuplot_fails(self):
        environment = self.fake_gnuplot("cat >/dev/null\necho 'no such\nterminal' >&2\nexit 3\n")
        why = self.refused(INFO, self.eight(), "--png", "p.png", env=environment)
        self.assertIn("gnuplot failed: no such", why)
        self.assertEqual(self.files(), ["bin", "eight.ktr"])

    def test_when_gnuplot_does_not_listen(self):
        environment = self.fake_gnuplot("exec <&-\nexit 1\n")
        self.assertIn("gnuplot failed", self.refused(INFO, self.eight(), "--png", "p.png",
                                                     env=environment))


if __name__ == "__main__":
    unittest.main()
