#!/usr/bin/python3
"""What capture/convert makes of a recording without its beginning and its end, with calls
that failed, blocks that are too large, and several parts."""

import random
import unittest

from convert_case import LIMIT, ConvertTest, Ledger, alloc, canonical, free, ktr


class Missing(ConvertTest):
    """What a recording lacks, and what is made of it."""

    TABLE = [
        ("free of a block from before", free(96) + alloc(32, 8) + free(32),
         [(8, 0), (0, 0)],
         ["1 free of a block from before the recording: left out"]),
        ("free of NULL", alloc(96, 8) + free(0) + free(0) + free(96),
         [(8, 0), (0, 0)], ["2 frees of NULL: left out"]),
        ("what kmalloc(0) returned", free(16) + alloc(32, 8) + free(16) + free(32),
         [(8, 0), (0, 0)], ["2 frees of NULL: left out"]),
        ("failed", alloc(0, 8) + alloc(32, 9) + free(32),
         [(9, 0), (0, 0)], ["1 call that returned NULL: left out"]),
        ("of 0 bytes", alloc(32, 0) + free(32),
         [(1, 0), (0, 0)], ["1 request of 0 bytes: made 1 byte"]),
        ("handed out again", alloc(32, 8) + alloc(48, 9) + alloc(32, 10) + free(32) +
         free(48), [(8, 0), (9, 1), (0, 0), (10, 0), (0, 0), (0, 1)],
         ["1 pointer handed out again without a free: freed just before"]),
        ("never freed", alloc(32, 8) + alloc(48, 9) + alloc(64, 10) + free(48),
         [(8, 0), (9, 1), (10, 2), (0, 1), (0, 0), (0, 2)],
         ["2 blocks never freed: freed at the end"]),
        ("something else", alloc(32, 8) + "\n# a comment\n"
         "  sh 412 [000] 1.000000: sched:sched_switch: prev=kmalloc: ptr=\n" + free(32),
         [(8, 0), (0, 0)], ["2 lines of something else: passed over"]),
        ("lost", alloc(32, 8) + free(32) + "  sh 412 [000] 1.0: PERF_RECORD_LOST lost 12\n"
         "CPU:1 [LOST 3 EVENTS]\n  CPU:0 [EVENTS DROPPED]\n",
         [(8, 0), (0, 0)], ["16 events lost by the recording"]),
        ("late", alloc(32, 8, 2.0) + alloc(48, 9, 1.5) + free(32, 1.75) + free(48, 2.0),
         [(8, 0), (9, 1), (0, 0), (0, 1)],
         ["2 records earlier than the one before: given its time"]),
        ("realloc", "+ 0x10 0x8\n< 0x10\n> 0x20 0x9\n- 0x20\n",
         [(8, 0), (9, 1), (0, 0), (0, 1)],
         ["1 realloc: a request, then a free of the old block"]),
        ("realloc in place", "+ 0x10 0x8\n< 0x10\n> 0x10 0x9\n- 0x10\n",
         [(8, 0), (9, 1), (0, 0), (0, 1)],
         ["1 realloc: a request, then a free of the old block"]),
        ("realloc onto another block", "+ 0x10 0x8\n+ 0x20 0x7\n< 0x10\n> 0x20 0x9\n"
         "- 0x20\n", [(8, 0), (7, 1), (0, 1), (9, 1), (0, 0), (0, 1)],
         ["1 pointer handed out again without a free: freed just before",
          "1 realloc: a request, then a free of the old block"]),
        ("realloc of what came before", "< 0x10\n> 0x20 0x9\n- 0x20\n",
         [(9, 0), (0, 0)],
         ["1 free of a block from before the recording: left out",
          "1 realloc: a request, then a free of the old block"]),
        ("realloc that failed", "+ 0x10 0x8\n! 0x10 0x7fffffff\n- 0x10\n",
         [(8, 0), (0, 0)], ["1 call that returned NULL: left out"]),
        ("rep: r of an id that is not live", "0\n1\n3\n1\nr 0 8\nf 0\nf -1\n",
         [(8, 0), (0, 0)], ["1 free of NULL: left out"]),
        ("rep: r to 0 bytes frees", "0\n1\n2\n1\na 0 8\nr 0 0\n", [(8, 0), (0, 0)], []),
    ]

    def test_each(self):
        for what, recording, events, counts in self.TABLE:
            with self.subTest(what):
                if recording[0] in "+<":
                    recording = "= Start\n" + recording
                self.write("in", recording)
                self.assertEqual(self.text_of("in"), canonical(events))
                self.assertEqual(self.counts("in"), counts)

    def test_late_records_get_the_time_before(self):
        self.write("in", alloc(32, 8, 2.0) + alloc(48, 9, 1.5) + free(32, 1.75) +
                   free(48, 2.25))
        self.convert("in", "-o", "out.ktr")
        self.assertEqual([time for *_, time in self.events("out.ktr", "time")],
                         [0, 0, 0, 250000000])

    def test_kept_blocks_stay(self):
        self.write("in", alloc(32, 8) + alloc(48, 9) + free(32))
        text, notes = self.convert("in", "-o", "-", "--to", "text", "--keep")
        self.assertEqual(text, canonical([(8, 0), (9, 1), (0, 0)]))
        self.assertIn("1 block never freed: left so", notes)

    def test_quiet_says_nothing(self):
        self.write("in", free(32))
        self.assertEqual(self.convert("in", "-o", "out", "--quiet"), ("", ""))

    def test_many_pointers_against_a_model(self):
        """Pointers that crowd the table, with frees and reallocs of all kinds."""
        drawn = random.Random(11)
        ledger, lines, known = Ledger(), ["= Start"], [16]
        for _ in range(30000):
            pointer = drawn.choice((drawn.randrange(1, 1 << 14) * 16,
                                    drawn.choice(known), drawn.getrandbits(64) | 1))
            size = drawn.randrange(1, 5000)
            kind = drawn.random()
            if kind < 0.5:
                known.append(pointer)
                ledger.put_request(pointer, size)
                lines.append(f"@ p:[0x1] + {pointer:#x} {size:#x}")
            elif kind < 0.9:
                pointer = drawn.choice(known)
                ledger.put_free(pointer)
                lines.append(f"- {pointer:#x}")
            else:
                old = drawn.choice(known)
                ledger.put_request(pointer, size, old)
                lines += [f"< {old:#x}", f"> {pointer:#x} {size:#x}"]
        self.write("in", "".join(f"{line}\n" for line in lines))
        self.assertEqual(self.text_of("in"), canonical(ledger.end()))


class Large(ConvertTest):
    def setUp(self):
        super().setUp()
        self.write("in", alloc(96, LIMIT) + alloc(32, LIMIT + 1) + alloc(48, 2**40) +
                   alloc(64, 100) + free(32) + free(48) + free(96) + free(64))

    SMALL = canonical([(LIMIT, 0), (100, 1), (0, 0), (0, 1)])

    def test_left_out_with_their_frees(self):
        text, notes = self.convert("in", "-o", "-", "--to", "text")
        self.assertEqual(text, self.SMALL)
        self.assertIn("  2 requests over the limit: left out\n", notes)
        self.assertNotIn("before the recording", notes)

    def test_put_apart(self):
        text, notes = self.convert("in", "-o", "-", "--to", "text", "--over", "over.ktr")
        self.assertEqual(text, self.SMALL)
        self.assertIn("  2 requests over the limit: put apart\n", notes)
        # No trace can tell of the one of 2^40 bytes.
        self.assertEqual(self.text_of("over.ktr"), canonical([(LIMIT + 1, 0), (0, 0)]))

    def test_other_page_sizes(self):
        for size, kept in (("any", [LIMIT, LIMIT + 1, 100]), ("65536", [LIMIT, LIMIT + 1, 100]),
                           ("4096", [100])):
            self.convert("in", "-o", "out.trace", "--page-size", size)
            self.assertEqual([size for size, _ in self.events("out.trace") if size], kept)

    def test_realloc_over_the_limit_and_back(self):
        self.write("in", "= Start\n+ 0x10 0x8\n< 0x10\n> 0x20 0x9999\n< 0x20\n> 0x10 0x7\n"
                   "- 0x10\n")
        self.convert("in", "-o", "out.trace", "--over", "over.trace")
        self.assertEqual(self.events("out.trace"), [(8, 0), (0, 0), (7, 0), (0, 0)])
        self.assertEqual(self.events("over.trace"), [(0x9999, 0), (0, 0)])


class Parts(ConvertTest):
    def test_parts_are_as_good_as_the_whole(self):
        lines = [alloc(96, 8, 1.0), alloc(32, 9, 2.0), free(96, 3.0), free(32, 4.0)]
        self.write("whole", "".join(lines))
        self.convert("whole", "-o", "whole.ktr")
        for cut in range(1, 4):
            self.write("a", "".join(lines[:cut]))
            self.write("b", "".join(lines[cut:]))
            self.convert("a", "b", "-o", "parts.ktr")
            self.assertEqual(self.events("parts.ktr", *ktr.COLUMNS),
                             self.events("whole.ktr", *ktr.COLUMNS))

    def test_times_of_compact_parts_follow_each_other(self):
        self.write("a", alloc(96, 8, 1.0) + free(96, 3.0))
        self.convert("a", "-o", "a.ktr")
        self.convert("a.ktr", "a.ktr", "-o", "twice.ktr")
        self.assertEqual([time / 1e9 for *_, time in self.events("twice.ktr", "time")],
                         [0, 2, 2, 4])

    def test_of_several_kinds(self):
        self.write("a", alloc(0x10, 8))
        self.write("b", "= Start\n- 0x10\n")
        self.assertEqual(self.text_of("a", "b"), canonical([(8, 0), (0, 0)]))
        self.assertNotIn("earlier", self.convert("a", "b", "-o", "out")[1])


if __name__ == "__main__":
    unittest.main()
