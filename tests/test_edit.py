#!/usr/bin/python3
"""capture/cut, merge and sample: parts of traces, several as one, and some of the blocks."""

import os
import subprocess
import time
import unittest

import ktr_files
from driver_case import program
from edit_case import COLUMNS, EditTest, ktr, random_rows, recording

FORMATS = ("text", "compact", "perf", "ftrace", "rep", "mtrace")
SECOND = 10**9

# Two blocks, a free, a block in its place, and the frees of both.
SIX = [(100, 0), (200, 1), (0, 0), (300, 0), (0, 1), (0, 0)]


def timed(pairs, step=SECOND):
    return [(*pair, number * step) for number, pair in enumerate(pairs)]


def with_all(pairs, step=SECOND):
    """Rows with all columns, each row's values its own."""
    return [(size, slot, number * step, number, f"site{number}", f"cache{number}",
             size + number if size else 0)
            for number, (size, slot) in enumerate(pairs)]


def blocks_of(rows):
    """The size of the block that each event is about, and whether it is a request."""
    size_of, found = {}, []
    for size, slot, *_ in rows:
        if size:
            size_of[slot] = size
        found.append((size_of[slot], size > 0))
    return found


class CutTest(EditTest):
    def cut(self, *arguments):
        self.said = self.tool("cut", *arguments, "-o", "out.ktr")
        return self.pairs("out.ktr")

    def six(self):
        return self.text("six.trace", *SIX)


class Cut(CutTest):
    def test_without_bounds_it_is_the_whole(self):
        self.assertEqual(self.cut(self.six()), SIX)

    def test_numbers_name_the_first_and_the_last_event(self):
        self.assertEqual(self.cut(self.six(), "--from", "1", "--to", "2"),
                         [(100, 0), (200, 1)])
        self.assertEqual(self.cut("six.trace", "--from", "4", "--to", "4"), [(300, 0)])

    def test_frees_of_what_was_live_before_are_left_out(self):
        self.assertEqual(self.cut(self.six(), "--from", "3", "--to", "5"), [(300, 0)])
        self.assertIn("2 frees of blocks from before the part", self.said)
        self.assertIn("1 block live at the end: left so", self.said)

    def test_with_live_the_heap_starts_as_it_was(self):
        self.assertEqual(self.cut(self.six(), "--from", "3", "--to", "5", "--with-live"),
                         [(100, 0), (200, 1), (0, 0), (300, 0), (0, 1)])

    def test_what_was_freed_before_is_not_live(self):
        self.assertEqual(self.cut(self.six(), "--from", "5", "--with-live"),
                         [(300, 0), (200, 1), (0, 1), (0, 0)])

    def test_the_rest_is_freed_on_demand(self):
        self.assertEqual(self.cut(self.six(), "--from", "3", "--to", "5", "--free"),
                         [(300, 0), (0, 0)])
        self.assertIn("1 block live at the end: freed there", self.said)

    def test_behind_the_end_there_is_nothing(self):
        self.assertEqual(self.cut(self.six(), "--from", "7"), [])
        self.assertEqual(self.cut("six.trace", "--from", "5", "--to", "5"), [])

    def test_what_is_live_at_the_end_of_the_trace(self):
        self.text("open.trace", (100, 0), (200, 1), (0, 0))
        self.assertEqual(self.cut("open.trace", "--from", "4", "--with-live"), [(200, 0)])

    def test_an_empty_trace(self):
        self.write("empty.trace", "0\n")
        self.assertEqual(self.cut("empty.trace", "--from", "2s", "--with-live"), [])

    def test_standard_input_and_output(self):
        text = b"2\nREQUEST 0 5\nFREE 0\n"
        done = subprocess.run([program("capture/cut"), "-", "--to", "1", "--format", "text",
                               "-o", "-"], input=text, capture_output=True, check=True)
        self.assertEqual(done.stdout, b"1\nREQUEST 0 5\n")

    def test_many_live_blocks(self):
        """More than the first table of them is for."""
        pairs = [(1 + number, number) for number in range(5000)]
        self.text("many.trace", *pairs)
        self.assertEqual(self.cut("many.trace", "--from", "4001", "--with-live"), pairs)


class CutTimes(CutTest):
    def test_from_a_moment_to_before_another(self):
        self.recorded("six.ktr", timed(SIX), columns=("time",))
        for start, end in (("2s", "4s"), ("2000ms", "4000ms"), ("1.5s", "3.5s"),
                           ("1000001us", "3000000001ns")):
            with self.subTest(start):
                self.assertEqual(self.cut("six.ktr", "--from", start, "--to", end), [(300, 0)])

    def test_the_part_begins_at_0(self):
        self.recorded("six.ktr", timed(SIX), columns=("time",))
        self.cut("six.ktr", "--from", "1.5s", "--with-live")
        self.assertEqual(self.rows("out.ktr", ("time",)),
                         [(100, 0, 0), (200, 1, 0), (0, 0, SECOND // 2),
                          (300, 0, SECOND * 3 // 2), (0, 1, SECOND * 5 // 2),
                          (0, 0, SECOND * 7 // 2)])
        self.cut("six.ktr", "--from", "4")
        self.assertEqual(self.rows("out.ktr", ("time",)), [(300, 0, 0), (0, 0, 2 * SECOND)])

    def test_a_number_and_a_moment(self):
        self.recorded("six.ktr", timed(SIX), columns=("time",))
        self.assertEqual(self.cut("six.ktr", "--from", "2", "--to", "3.5s"),
                         [(200, 0), (300, 1)])

    def test_moments_next_to_each_other_share_no_event(self):
        self.recorded("six.ktr", timed(SIX), columns=("time",))
        first = self.cut("six.ktr", "--to", "3s")
        second = self.cut("six.ktr", "--from", "3s", "--with-live")
        self.assertEqual((len(first), len(second)), (3, 1 + 3))

    def test_a_trace_without_times_has_no_moments(self):
        self.text("six.trace", *SIX)
        why = self.refused("capture/cut", "six.trace", "--to", "2s", "-o", "out.ktr")
        self.assertEqual(why, "six.trace: has no times, so 2s is no place in it")


class CutColumns(CutTest):
    def test_they_are_kept(self):
        rows = with_all(SIX)
        self.recorded("six.ktr", rows)
        self.cut("six.ktr", "--from", "4")
        kept = self.rows("out.ktr")
        self.assertEqual(kept, [(300, 0, 0, *rows[3][3:]), (0, 0, 2 * SECOND, *rows[5][3:])])

    def test_what_is_live_keeps_its_own(self):
        rows = with_all(SIX)
        self.recorded("six.ktr", rows)
        self.cut("six.ktr", "--from", "6", "--with-live")
        self.assertEqual(self.rows("out.ktr")[0], (300, 0, 0, *rows[3][3:]))

    def test_what_is_told_is_kept_and_the_cut_added(self):
        self.recorded("six.ktr", with_all(SIX), "origin=kernel\ncommand=make = all\n", lost=7)
        self.cut("six.ktr", "--from", "1s", "--with-live")
        self.tool("cut", "out.ktr", "--to", "4", "--free", "-o", "again.ktr")
        facts = ktr.facts(self.path("again.ktr"))
        self.assertEqual(facts.lost, 7)
        del facts.about["columns"]
        self.assertEqual(facts.about, {
            "origin": "kernel", "command": "make = all",
            "edited": "cut --from 1s --with-live; cut --to 4 --free"})


class Refusals(EditTest):
    """Nonsense is refused in one line, and nothing is written."""

    def check(self, tool, *arguments):
        self.text("t.trace", *SIX)
        why = self.refused(f"capture/{tool}", *arguments)
        self.assertEqual(self.files(), ["t.trace"])
        return why

    def test_cut(self):
        for arguments, why in (
                ((), "no trace given"),
                (("t.trace",), "no output given: -o"),
                (("t.trace", "t.trace", "-o", "o"), "more than one trace given: 't.trace'"),
                (("t.trace", "-o", "o", "--from", "5", "--to", "4"),
                 "--from 5 is behind --to 4"),
                (("t.trace", "-o", "o", "--from", "1s", "--to", "999ms"),
                 "--from 1s is behind --to 999ms"),
                (("t.trace", "-o", "./t.trace"), "./t.trace is the input"),
                (("t.trace", "-o", "o", "--format", "zip"), "not 'zip'"),
                (("t.trace", "-o", "o", "--no"), "--no is no option"),
                (("t.trace", "-o"), "-o wants a value"),
                (("none.trace", "-o", "o"), "none.trace")):
            with self.subTest(arguments):
                self.assertIn(why, self.check("cut", *arguments))

    def test_places_that_are_none(self):
        for place in ("0", "-1", "", "1.5", "s", "1m", "1e3s", "1.s", ".5s", "1..5s", "0x1",
                      "99999999999999999999", "99999999999s", "1" * 40 + "s", "1 s"):
            with self.subTest(place):
                self.assertIn("--from wants the number of an event",
                              self.check("cut", "t.trace", "-o", "o", "--from", place))

    def test_merge(self):
        for arguments, why in (
                ((), "no trace given"),
                (("t.trace",), "no output given: -o"),
                (("t.trace", "t.trace", "-o", "t.trace"), "t.trace is the input"),
                (("-", "t.trace", "-", "-o", "o"), "standard input is given twice"),
                (("t.trace", "none.trace", "-o", "o"), "none.trace")):
            with self.subTest(arguments):
                self.assertIn(why, self.check("merge", *arguments))

    def test_sample(self):
        for share in ("0", "1.01", "-0.5", "nan", "1e-3", "", "half", "2"):
            with self.subTest(share):
                self.assertIn(f"--share wants a number over 0 and at most 1, not '{share}'",
                              self.check("sample", "t.trace", "-o", "o", "--share", share))
        self.assertIn("no share given",
                      self.check("sample", "t.trace", "-o", "o"))
        self.assertIn("--seed wants", self.check("sample", "t.trace", "-o", "o", "--share",
                                                 "0.5", "--seed", "-1"))

    def test_a_damaged_trace_leaves_nothing(self):
        recording(self.path("whole"), with_all(SIX))
        with open(self.path("whole"), "rb") as file:
            data = file.read()
        os.remove(self.path("whole"))
        self.write("short.ktr", data[:-10])
        for tool, *options in (("cut", "--to", "2"), ("merge",), ("sample", "--share", "1")):
            with self.subTest(tool):
                why = self.refused(f"capture/{tool}", "short.ktr", *options, "-o", "o")
                self.assertIn("cut short after event 6", why)
                self.assertEqual(self.files(), ["short.ktr"])

    def test_help_and_version(self):
        for tool in ("cut", "merge", "sample", "info"):
            for option, found in (("--help", "Usage: "), ("--version", "(kma)")):
                with self.subTest((tool, option)):
                    done = self.run_driver(f"capture/{tool}", option)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(found, done.stdout)
                    self.assertLessEqual(max(map(len, done.stdout.splitlines()[1:]), default=0),
                                         80)


class Merge(EditTest):
    def merge(self, *arguments):
        self.said = self.tool("merge", *arguments, "-o", "out.ktr")
        return self.pairs("out.ktr")

    def two(self):
        self.text("a", (10, 0), (0, 0))
        self.text("b", (1, 0), (2, 1), (0, 0), (0, 1))

    def test_evenly_by_share(self):
        """a's events stand at 1/2 and 1, b's at 1/4, 1/2, 3/4 and 1; a is named first."""
        self.two()
        self.assertEqual(self.merge("a", "b"),
                         [(1, 0), (10, 1), (2, 2), (0, 0), (0, 1), (0, 2)])
        self.assertIn("6 events of 2 traces", self.said)

    def test_of_two_at_one_place_the_first_named_is_first(self):
        self.two()
        self.assertEqual(self.merge("b", "a"),
                         [(1, 0), (2, 1), (10, 2), (0, 0), (0, 1), (0, 2)])

    def test_one_after_the_other(self):
        self.two()
        self.assertEqual(self.merge("b", "a", "--sequential"),
                         [(1, 0), (2, 1), (0, 0), (0, 1), (10, 1), (0, 1)])

    def test_what_is_not_freed_stays_live(self):
        self.text("a", (10, 0))
        self.text("b", (20, 0), (0, 0))
        self.assertEqual(self.merge("a", "b", "--sequential"), [(10, 0), (20, 1), (0, 1)])

    def test_by_time_each_since_its_own_beginning(self):
        self.recorded("a", [(1, 0, 0), (2, 1, 50), (0, 0, 100)], columns=("time",))
        self.recorded("b", [(10, 0, 20), (0, 0, 50), (30, 0, 400)], columns=("time",))
        self.merge("a", "b")
        self.assertEqual(self.rows("out.ktr", ("time",)),
                         [(1, 0, 0), (10, 1, 20), (2, 2, 50), (0, 1, 50), (0, 0, 100),
                          (30, 0, 400)])

    def test_one_after_the_other_with_times(self):
        self.recorded("a", [(1, 0, 0), (0, 0, 100)], columns=("time",))
        self.recorded("b", [(2, 0, 20), (0, 0, 50)], columns=("time",))
        self.merge("a", "b", "--sequential")
        self.assertEqual([row[2] for row in self.rows("out.ktr", ("time",))],
                         [0, 100, 120, 150])

    def test_columns_that_all_have_are_kept(self):
        self.recorded("a", [(1, 0, 0, 3, "f", "c", 8), (0, 0, 5, 2, "g", None, 0)])
        self.recorded("b", [(2, 0, 1, 0, "g"), (0, 0, 9, 1, "h")],
                      columns=("time", "cpu", "site"))
        self.merge("a", "b")
        self.assertEqual(self.rows("out.ktr"),
                         [(1, 0, 0, 3, "f", None, None), (2, 1, 1, 0, "g", None, None),
                          (0, 0, 5, 2, "g", None, None), (0, 1, 9, 1, "h", None, None)])
        self.assertEqual(self.about("out.ktr")["columns"], "time,cpu,site")

    def test_an_empty_trace_takes_no_column_away(self):
        self.recorded("a", with_all(SIX))
        self.write("empty.trace", "0\n")
        self.merge("empty.trace", "a")
        self.assertEqual(self.rows("out.ktr"), with_all(SIX))
        self.assertEqual(self.merge("empty.trace", "empty.trace"), [])

    def test_what_is_told_is_joined_and_what_is_lost_added(self):
        rows = with_all(SIX)
        self.recorded("a", rows, "origin=kernel\ncommand=make\nedited=cut --to 6\n", lost=3)
        self.recorded("b", rows, "origin=kernel\ncommand=find\nmachine=m\n", lost=4)
        self.merge("a", "b")
        facts = ktr.facts(self.path("out.ktr"))
        self.assertEqual(facts.lost, 7)
        del facts.about["columns"]
        self.assertEqual(facts.about, {
            "origin": "kernel", "command": "make + find", "machine": "m",
            "edited": "cut --to 6; merge of 2 by time"})

    def test_a_pipe_is_read_once(self):
        self.two()
        self.recorded("timed", timed(SIX), columns=("time",))
        text = b"2\nREQUEST 0 5\nFREE 0\n"
        with open(self.path("timed"), "rb") as file:
            data = file.read()

        def merge(data, *arguments):
            return subprocess.run([program("capture/merge"), *arguments, "-o", "o.ktr"],
                                  input=data, cwd=self.folder, capture_output=True, check=False)

        self.assertEqual(merge(data, "-", "timed").returncode, 0)
        self.assertEqual(len(self.pairs("o.ktr")), 12)
        self.assertEqual(merge(text, "-", "a", "--sequential").returncode, 0)
        done = merge(text, "-", "a")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.one_line(done.stderr.decode()),
                         "standard input: can be read only once, but without times in all "
                         "traces each is read twice: give a file, or --sequential")

    def test_each_keeps_its_order(self):
        traces = []
        for seed in range(4):
            rows = [(size * 10 + seed if size else 0, *rest)
                    for size, *rest in random_rows(seed, 200 + 100 * seed)]
            traces.append((self.recorded(f"{seed}.ktr", rows, columns=COLUMNS[:4]), blocks_of(rows)))
        names = [name for name, _ in traces]
        for name in names[1:3]:
            self.tool("cut", name, "-o", f"{name}.trace")
        for inputs in (names, [names[0], "1.ktr.trace", "2.ktr.trace", names[3]],
                       [*names, "--sequential"]):
            with self.subTest(inputs):
                self.merge(*inputs)
                merged = blocks_of(self.pairs("out.ktr"))
                for seed, (_, blocks) in enumerate(traces):
                    self.assertEqual([block for block in merged if block[0] % 10 == seed],
                                     blocks)

    def test_advancing_evenly_they_end_together(self):
        """Of 10 and of 1000 events: with each hundred of the one goes one of the other."""
        self.text("short", *[(7, 0), (0, 0)] * 5)
        self.text("long", *[(9, 0), (0, 0)] * 500)
        merged = blocks_of(self.merge("short", "long"))
        places = [place for place, (size, _) in enumerate(merged, 1) if size == 7]
        self.assertEqual(places, [number * 101 - 1 for number in range(1, 11)])


class PartsMakeTheWhole(EditTest):
    def test_cut_where_nothing_is_live_and_put_together(self):
        for seed in range(5):
            with self.subTest(seed):
                rows = random_rows(seed, 400, pauses=True)
                live, ends = 0, []
                for number, (size, *_) in enumerate(rows, 1):
                    live += 1 if size else -1
                    if live == 0:
                        ends.append(number)
                self.assertGreater(len(ends), 2)
                self.recorded("all.ktr", rows)
                parts = []
                for first, last in zip([0, *ends], ends):
                    parts.append(f"{len(parts)}.ktr")
                    self.tool("cut", "all.ktr", "--from", str(first + 1), "--to", str(last),
                              "-o", parts[-1])
                self.tool("merge", *parts, "--sequential", "-o", "out.ktr")
                # The time between two parts is in neither of them.
                untimed = ("cpu", "site", "cache", "spent")
                self.assertEqual(blocks_of(self.pairs("out.ktr")), blocks_of(rows))
                self.assertEqual([row[2:] for row in self.rows("out.ktr", untimed)],
                                 [row[3:] for row in rows])
                starts = {0, *ends}
                gaps = [after[0] - before[0] for before, after
                        in zip(self.times("all.ktr"), self.times("all.ktr")[1:])]
                kept = [after[0] - before[0] for before, after
                        in zip(self.times("out.ktr"), self.times("out.ktr")[1:])]
                self.assertEqual(kept, [0 if number in starts else gap
                                        for number, gap in enumerate(gaps, 1)])

    def times(self, name):
        return [row[2:] for row in self.rows(name, ("time",))]


class Sample(EditTest):
    def sample(self, name, *arguments):
        self.said = self.tool("sample", name, *arguments, "-o", "out.ktr")
        return self.rows("out.ktr")

    def test_all_of_it_is_the_same(self):
        rows = random_rows(1, 500)
        self.recorded("t.ktr", rows)
        self.assertEqual(self.sample("t.ktr", "--share", "1"), rows)
        self.assertEqual(self.sample("t.ktr", "--share", "1.0", "--seed", "99"), rows)

    def test_a_block_stays_with_its_free(self):
        """What is left is what the blocks that were drawn did, in that order."""
        rows = random_rows(2, 2000)
        self.recorded("t.ktr", rows)
        found = self.sample("t.ktr", "--share", "0.3")
        drawn = {size for size, *_ in found if size}
        blocks = list(zip(blocks_of(rows), (row[2:] for row in rows)))
        self.assertEqual(list(zip(blocks_of(found), (row[2:] for row in found))),
                         [(block, rest) for block, rest in blocks if block[0] in drawn])

    def test_the_share_of_the_blocks(self):
        """Five standard deviations of 2000 draws, about 22 blocks each."""
        self.text("t", *[(8, 0), (0, 0)] * 2000)
        for seed in range(5):
            found = self.sample("t", "--share", "0.5", "--seed", str(seed))
            self.assertLess(abs(len(found) // 2 - 1000), 112)
        self.assertIn(f"{len(found) // 2} blocks of 2000", self.said)

    def test_the_seed_decides(self):
        self.recorded("t.ktr", random_rows(3, 1000))
        samples = [self.sample("t.ktr", "--share", "0.5", "--seed", seed)
                   for seed in ("1", "1", "2", "18446744073709551615")]
        self.assertEqual(samples[0], samples[1])
        self.assertEqual(samples[0], self.sample("t.ktr", "--share", "0.5"))
        self.assertNotEqual(samples[0], samples[2])
        self.assertNotEqual(samples[2], samples[3])

    def test_a_smaller_share_is_part_of_a_larger_one(self):
        self.recorded("t.ktr", random_rows(4, 1000))
        small, large = ({size for size, *_ in self.sample("t.ktr", "--share", share)}
                        for share in ("0.2", "0.6"))
        self.assertLess(small, large)

    def test_hardly_anything_left(self):
        self.text("t", *SIX)
        self.assertEqual(self.sample("t", "--share", "0.000000001"), [])

    def test_what_is_told(self):
        self.recorded("t.ktr", with_all(SIX), "origin=program\n", lost=2)
        self.sample("t.ktr", "--share", "0.25", "--seed", "3")
        facts = ktr.facts(self.path("out.ktr"))
        self.assertEqual((facts.lost, facts.about["origin"], facts.about["edited"]),
                         (2, "program", "sample --share 0.25 --seed 3"))

    def test_done_twice_is_told_twice(self):
        self.recorded("t.ktr", with_all(SIX))
        self.sample("t.ktr", "--share", "1")
        self.tool("sample", "out.ktr", "--share", "1", "-o", "again.ktr")
        self.assertEqual(self.about("again.ktr")["edited"],
                         "sample --share 1 --seed 1; sample --share 1 --seed 1")


class Outputs(EditTest):
    def test_every_format(self):
        """What is written is read again as the same events; times and names are a format's own
        affair."""
        self.recorded("t.ktr", random_rows(5, 200))
        for tool, option, arguments in (("cut", "--format", ()), ("merge", "--to", ()),
                                        ("sample", "--to", ("--share", "1"))):
            for kind in FORMATS:
                for output, chosen in ((f"by-ending.{kind}", ()), ("any", (option, kind))):
                    if kind in ("text", "compact") and not chosen:
                        continue
                    with self.subTest((tool, kind, output)):
                        self.tool(tool, "t.ktr", *arguments, *chosen, "-o", output)
                        self.tool("convert", output, "--page-size", "any", "-o", "back.trace")
                        self.assertEqual(self.pairs("back.trace"), self.pairs("t.ktr"))

    def test_a_recording_is_read_as_one(self):
        self.write("r.perf", "".join(
            f"  sh 4 [000] {number}.000000: kmem:{rest}\n" for number, rest in enumerate((
                "kfree: call_site=f+0x1 ptr=0x77",
                "kmalloc: call_site=f+0x1 ptr=0x1000 bytes_req=60 bytes_alloc=64 gfp_flags=0",
                "kfree: call_site=f+0x1 ptr=0x1000"), 1)))
        self.tool("cut", "r.perf", "-o", "out.ktr")
        self.assertEqual(self.rows("out.ktr", ("site", "spent")),
                         [(60, 0, "f+0x1", 64), (0, 0, "f+0x1", 0)])

    def test_ended_by_a_signal_it_leaves_nothing(self):
        recording(self.path("t.ktr"), with_all(SIX))
        with open(self.path("t.ktr"), "rb") as file:
            data = file.read()
        os.remove(self.path("t.ktr"))
        # More than is read at once, without the end that it waits for.
        filler = ktr_files.frame(ktr_files.block(
            b"N", ktr_files.numbers([2, 7, 0])))
        for arguments in (["cut", "-", "-o", "out.ktr"], ["info", "-", "--json", "out.json"]):
            with self.subTest(arguments[0]):
                process = subprocess.Popen(
                    [program(f"capture/{arguments[0]}"), *arguments[1:]], cwd=self.folder,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                rest = len(ktr_files.end(6, 2))
                process.stdin.write(data[:-rest] + filler * ((1 << 20) // len(filler)))
                process.stdin.flush()
                while not self.files():
                    time.sleep(0.01)
                process.terminate()
                _, said = process.communicate()
                self.assertEqual(process.returncode, -15)
                self.assertIn(b"ended by SIGTERM", said)
                self.assertEqual(self.files(), [])


if __name__ == "__main__":
    unittest.main()
