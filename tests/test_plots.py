#!/usr/bin/python3
"""analysis/plot_*.py: pictures that can be read, whatever they are of. No allocator is
needed. What can be read is found in the SVG, where each text has a place and a size."""

import itertools
import math
import os
import re
import shutil
import struct
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from shared import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "analysis"))
import common  # noqa: E402
import heapmap  # noqa: E402
import measure  # noqa: E402
import plot_pareto  # noqa: E402
import plot_waste  # noqa: E402
import plotting  # noqa: E402
import series  # noqa: E402
import style  # noqa: E402
from plot_growth import growth_picture  # noqa: E402
from plot_heapmap import heapmap_picture  # noqa: E402
from plot_latency import latency_picture  # noqa: E402
from plot_output import output_picture  # noqa: E402
from plot_pareto import pareto_picture  # noqa: E402
from plot_utilization import utilization_picture  # noqa: E402
from plot_waste import waste_picture  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
LABEL = "5.trace, 8,192-byte pages"
LONGEST = "a_name_of_20_letters"
ODD = ["it's <a> & \"b\".trace", "line\nbreak\x07.trace", "ünï日本.trace", "{/Bold _^@x}\\n.trace",
       "\udcff.trace", "$x `date` %d.trace", "long" * 60 + ".trace"]


def made_series(scale, events=2000, slices=1000, sampled=False):
    """Something that rises and falls, `scale` times as many page bytes as requested."""
    length = max(1, -(-events // slices))
    one = series.Series(events=events, slice_length=length)
    step = 7 if sampled else length
    for index in range(0, events + 1, step):
        requested = int(1e6 * math.sin(math.pi * index / max(events, 1)) ** 2)
        paged = int(requested * scale)
        one.index.append(index)
        for curve, value in ((one.requested, requested), (one.paged, paged),
                             (one.waste, paged - requested)):
            curve.add([value, value + length // 2])
    one.penalty, one.utilization_mean = scale - 1, 1 / scale if scale else 0
    one.mean_waste = sum(one.waste.mean) / len(one.index)
    return one


def row(name, penalty=0.5, trace="5.trace", peak=1234):
    return measure.Row(name, trace, summary={
        "page_size": 8192, "peak_requested_bytes": 10 ** 6, "penalty": penalty,
        "pages": {"peak": peak}})


def point(name, ns, penalty, kind="algorithm", trace="5.trace", ideal=0.01):
    return {"algorithm": name, "kind": kind, "trace": trace, "page_size": 8192,
            "ns_per_event": ns, "penalty": penalty, "ideal_penalty": ideal}


def grown(name, live, ns, instructions):
    return {"algorithm": name, "live": live, "ns_per_event": ns,
            "instructions_per_event": instructions, "failure": None}


def made_map(columns, rows, pages_per_row=1):
    cells = [[None if (c + r) % 7 == 0 else (c * r * 13) % 1001 for r in range(rows)]
             for c in range(columns)]
    return heapmap.HeapMap(columns, rows, pages_per_row, 8192,
                           [3 * (c + 1) for c in range(columns)], cells)


class Text:
    """A text of an SVG and the box that it takes, by a cautious width of its letters."""

    def __init__(self, group):
        self.words = "".join("".join(group.itertext()).split("\n")).strip()
        x, y = map(float, re.match(r"translate\(([-\d.]+),([-\d.]+)\)",
                                   group.get("transform")).groups())
        size = float(group.get("font-size"))
        width = len(self.words) * size * (0.66 if group.get("font-weight") == "bold" else 0.58)
        start = {"start": 0, "middle": -width / 2, "end": -width}[group.get("text-anchor")]
        tall = 0.7 * size
        self.box = (x + start, y - tall, x + start + width, y)
        if "rotate(" in group.get("transform"):
            self.box = (x - tall, y - start - width, x, y - start)

    def meets(self, other):
        return all(min(self.box[n + 2], other.box[n + 2]) - max(self.box[n], other.box[n]) > 1
                   for n in (0, 1))


def texts(svg):
    root = xml.etree.ElementTree.fromstring(svg)
    return [Text(group) for group in root.iter(f"{SVG}g")
            if group.get("font-size") and group.find(f"{SVG}text") is not None]


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Case(unittest.TestCase):
    def assert_readable(self, picture, *words):
        """No text on another or beyond the edge, and all words there."""
        svg = picture.svg
        self.assertTrue(svg.startswith(b"<?xml"))
        root = xml.etree.ElementTree.fromstring(svg)
        _, _, width, height = map(float, root.get("viewBox").split())
        self.assertEqual((width, height), (picture.sizes["width"], picture.sizes["height"]))
        for link in re.findall(rb"href=['\"]([^'\"]{0,20})", svg):
            self.assertTrue(link.startswith((b"#", b"data:image/png")), link)
        found = [text for text in texts(svg) if text.words]
        for text in found:
            self.assertTrue(text.box[0] >= 0 and text.box[1] >= 0 and text.box[2] <= width and
                            text.box[3] <= height, (text.words, text.box))
        for one, other in itertools.combinations(found, 2):
            self.assertFalse(one.meets(other), (one.words, other.words, one.box, other.box))
        everything = "\n".join(text.words for text in found)
        self.assertEqual(root.find(f"{SVG}title").text, plotting.printable(picture.title))
        for word in words:
            self.assertIn(word, everything)
        return everything

    def assert_png(self, picture):
        png = picture.png
        self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", png[16:24]),
                         (picture.sizes["width"], picture.sizes["height"]))


class Usual(Case):
    NAMES = ["dummy", "rm", "rm_best", "rm_worst", "bud", "lzbud", "p2fl", "mck2", "slab", "bt",
             "tlsf"]
    REFERENCES = ["libc", "jemalloc", "mimalloc", "tcmalloc"]

    def series(self):
        found = {name: made_series(1.1 + 0.05 * n) for n, name in enumerate(self.NAMES)}
        found.update((name, made_series(1.3 + n, sampled=True))
                     for n, name in enumerate(self.REFERENCES))
        return {**found, "ideal": made_series(1.00001)}

    def test_output(self):
        picture = output_picture([row(name) for name in self.NAMES], self.series())
        self.assert_png(picture)
        self.assert_readable(picture, "Requested bytes and page bytes over 5.trace, 8,192-byte "
                             "pages", "memory (KiB)", "events replayed", *self.NAMES)

    def test_waste(self):
        picture = waste_picture(LABEL, self.series())
        self.assert_png(picture)
        words = self.assert_readable(picture, f"Waste over {LABEL}", "waste (KiB), logarithmic",
                                     "events replayed", *self.NAMES, *self.REFERENCES)
        self.assertIn("Left out: ideal", words)

    def test_utilization(self):
        picture = utilization_picture(LABEL, self.series())
        self.assert_png(picture)
        words = self.assert_readable(picture, LABEL, "utilization (%)", *self.NAMES)
        self.assertLess(words.index("ideal\n100.0"), words.index("dummy\n90.9"))

    def test_latency(self):
        curve = [[10.0 * 1.3 ** n, 2.0 ** -n] for n in range(16)]
        picture = latency_picture(LABEL, {
            name: {"malloc": [[ns * (n + 1), share] for ns, share in curve], "free": curve}
            for n, name in enumerate(self.NAMES)})
        self.assert_png(picture)
        self.assert_readable(picture, LABEL, "kma_malloc", "kma_free", "p50", "p99", "p99.9",
                             "0.01 %", "time of a call (ns), logarithmic", *self.NAMES)

    def test_pareto(self):
        points = [point(name, 10 + 3 * n, 6 / (n + 1) ** 2, trace=trace)
                  for trace in ("1.trace", "2.trace", "5.trace")
                  for n, name in enumerate(self.NAMES)]
        points += [point(name, 12 + n, 2, "reference") for n, name in enumerate(self.REFERENCES)]
        picture = pareto_picture(points)
        self.assert_png(picture)
        self.assert_readable(picture, "1.trace, 8,192-byte pages", LABEL, "ns per event",
                             "penalty, logarithmic", "ideal 0.0100", "reference",
                             *self.NAMES, *self.REFERENCES)

    def test_growth(self):
        growth = [grown(name, live, None if (n, live) == (2, 10 ** 5) else 5 + n, 50 * (n + 1))
                  for n, name in enumerate(self.NAMES)
                  for live in (1000, 10 ** 4, 10 ** 5, 10 ** 6)]
        picture = growth_picture(growth)
        self.assert_png(picture)
        self.assert_readable(picture, "ns per event", "instructions per event", "live blocks",
                             "1,000,000", *self.NAMES)
        self.assertIn("100000 NaN", picture.script)

    def test_heapmap(self):
        picture = heapmap_picture("bud", LABEL, made_map(600, 400, 9))
        self.assert_png(picture)
        self.assert_readable(picture, f"Heap map of bud over {LABEL}", "9 pages a cell", "100 %",
                             "not held", "page", "events replayed")
        self.assertIn(b"image-rendering", picture.svg)


class Edges(Case):
    def every_curve(self, found, **changes):
        """The three pictures of series."""
        rows = [row(name, **changes) for name in found]
        for picture in (output_picture(rows, found), waste_picture(LABEL, found),
                        utilization_picture(LABEL, found)):
            self.assert_readable(picture, *found)

    def test_one_algorithm(self):
        self.every_curve({"bud": made_series(1.5)})
        self.assert_readable(pareto_picture([point("bud", 20, 0.5)]), "bud")
        self.assert_readable(growth_picture([grown("bud", 1000, None, 5)]), "not counted")

    def test_growth_without_instructions_is_about_time_alone(self):
        picture = growth_picture([grown("bud", 1000, 5, None), grown("bud", 10_000, 6, None)])
        self.assert_readable(picture, "Time per event", "bud")
        self.assertNotIn(b"nstructions", picture.svg)

    def test_nothing_at_all(self):
        self.assert_readable(pareto_picture([]))
        self.assert_readable(growth_picture([]))
        self.assert_readable(growth_picture([grown("bud", 1000, None, None)]), "bud")

    def test_no_event_and_one(self):
        for events in (0, 1, 2):
            self.every_curve({name: made_series(2, events) for name in ("bud", "rm")})

    def test_all_equal(self):
        self.every_curve({name: made_series(1.0) for name in Usual.NAMES}, penalty=0)
        same = [[20.0, 1.0]]
        self.assert_readable(latency_picture(LABEL, {
            name: {"malloc": same, "free": same} for name in Usual.NAMES}), *Usual.NAMES)
        self.assert_readable(pareto_picture([point(name, 20, 0.5) for name in Usual.NAMES]),
                             *Usual.NAMES)
        self.assert_readable(growth_picture([grown(name, 1000, 5, 5) for name in Usual.NAMES]))

    def test_long_names_and_many(self):
        names = [*Usual.NAMES, *Usual.REFERENCES, LONGEST, "slab", "bt", "tlsf", "word", "q"]
        self.every_curve({name: made_series(1.2 + 0.01 * n) for n, name in enumerate(names)},
                         penalty=123456.789, peak=65536)
        self.assert_readable(pareto_picture(
            [point(name, 20 + 2 * n, 1 + 0.1 * (n * 7 % 17)) for n, name in enumerate(names)]),
            *names)

    def test_penalties(self):
        for penalties in ((0, 0.5), (-1, 0.5), (-1, 0, 4e9), (0, 0), (-0.5, -0.25), (5e-7, 1e12)):
            found = {f"a{n}": made_series(1 + max(-1, min(value, 4e6)), 50)
                     for n, value in enumerate(penalties)}
            rows = [row(f"a{n}", value) for n, value in enumerate(penalties)]
            self.assert_readable(output_picture(rows, found), *found)
            self.assert_readable(waste_picture(LABEL, found), *found)
            for ideal in (None, 0, 0.3):
                self.assert_readable(pareto_picture(
                    [point(f"a{n}", 10.0 ** n, value, ideal=ideal)
                     for n, value in enumerate(penalties)]), *found)

    def test_times_of_zero(self):
        for malloc, free in (([[0, 1], [0.5, 0.5], [40, 0.001]], []), ([[0, 1]], [[0, 1]]),
                             ([[-3, 1], [1e9, 1e-6]], [[2, 1]]), ([], [])):
            self.assert_readable(latency_picture(LABEL, {
                "bud": {"malloc": malloc, "free": free}}), "bud")

    def test_odd_names_of_traces(self):
        found = {"bud": made_series(1.5, 20)}
        curve = {"bud": {"malloc": [[5, 1], [9, 0.5]], "free": [[5, 1]]}}
        for trace in ODD:
            for picture in (output_picture([row("bud", trace=trace)], found),
                            waste_picture(trace, found), utilization_picture(trace, found),
                            latency_picture(trace, curve),
                            pareto_picture([point("bud", 5, 5, trace=trace)]),
                            heapmap_picture("bud", trace, made_map(3, 2))):
                words = self.assert_readable(picture)
                if len(trace) < 40:
                    self.assertIn("".join(c if c.isprintable() else "?" for c in trace), words)

    def test_small_heapmaps(self):
        for columns, rows in ((0, 1), (1, 1), (1, 5), (5, 1), (2, 2)):
            self.assert_readable(heapmap_picture("bud", LABEL, made_map(columns, rows)))
        empty = heapmap.HeapMap(2, 1, 1, 8192, [1, 2], [[None], [None]])
        self.assert_readable(heapmap_picture("bud", LABEL, empty), "not held")


class Labels(unittest.TestCase):
    def test_labels_keep_apart(self):
        points = [(300 + 9 * (n % 5), 200 + 7 * (n // 5), 80) for n in range(20)]
        boxes = plot_pareto.placed_labels(points, (0, 0, 700, 400))
        for one, other in itertools.combinations(boxes, 2):
            self.assertFalse(min(one[2], other[2]) > max(one[0], other[0]) and
                             min(one[3], other[3]) > max(one[1], other[1]), (one, other))

    def test_front(self):
        points = [point("a", 1, 5), point("b", 2, 6), point("c", 3, 1), point("d", 3, 2),
                  point("libc", 0.5, 0.5, "reference"), point("e", 9, 0.5)]
        self.assertEqual([p["algorithm"] for p in plot_pareto.pareto_front(points)],
                         ["a", "c", "e"])

    def test_curves_that_run_together(self):
        found = {"high": made_series(2), "low": made_series(1.95), "half": made_series(1.5),
                 "sampled": made_series(1.94, sampled=True), "other": made_series(2)}
        other = found["other"].waste.mean
        other.sort()
        self.assertEqual(plot_waste.close_group(found), ["high", "low", "sampled"])
        self.assertEqual(plot_waste.close_group({"high": found["high"]}), [])

    def test_tics_are_as_many_as_may_be(self):
        self.assertEqual(plotting.log_places(1, 10, 8), [1, 2, 5, 10])
        self.assertEqual(plotting.log_places(1, 1000, 4), [1, 10, 100, 1000])
        self.assertEqual(plotting.log_places(1e-9, 1e9, 7)[-1], 1e9)
        self.assertLessEqual(len(plotting.log_places(1e-9, 1e9, 7)), 7)

    def test_steps(self):
        self.assertEqual(plotting.stepped([0, 1, 2], [5, 6, 7]), [[0, 1, 1, 2, 2], [5, 5, 6, 6, 7]])


@unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
class Save(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kma-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_both_formats_or_one(self):
        picture = pareto_picture([point("bud", 5, 5)])
        plotting.save(self.folder, {"a": picture, "b": picture})
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.png", "a.svg", "b.png", "b.svg"])
        plotting.save(self.folder, {"c": picture}, formats=["png"])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "c.svg")))

    def test_all_or_none(self):
        good = pareto_picture([point("bud", 5, 5)])
        with self.assertRaisesRegex(common.Refusal, "gnuplot failed: .*nosuch"):
            plotting.save(self.folder, {"a": good, "b": plotting.draw("nosuch\n", 99, 99, 9)})
        with self.assertRaises(OSError):
            plotting.save(self.folder, {"a": good, "nosuch/b": good})
        self.assertEqual(os.listdir(self.folder), [])


class HeapMapFile(unittest.TestCase):
    def read(self, content):
        with tempfile.NamedTemporaryFile(prefix="kma-test-") as file:
            file.write(content)
            file.flush()
            return heapmap.read(file.name)

    def test_good(self):
        self.assertEqual(self.read(b"2 3 4 8192\n5 - 0 1000\n9 7 - -\n"), heapmap.HeapMap(
            2, 3, 4, 8192, [5, 9], [[None, 0, 1000], [7, None, None]]))
        self.assertEqual(self.read(b"0 1 1 4096\n").events, [])

    def test_largest(self):
        line = b" 1000" * 400 + b"\n"
        content = b"600 400 1 8192\n" + b"".join(b"%d" % (10 ** 17 + n) + line for n in range(600))
        self.assertEqual(len(self.read(content).cells), 600)
        with self.assertRaisesRegex(series.BadData, "too large"):
            self.read(content + content)

    def test_malformed(self):
        for content in (b"", b"\n", b"1 1 1\n", b"1 1 1 8192", b"1 1 1 8192\n",
                        b"1 1 1 8192 1\n1 -\n", b"x 1 1 8192\n1 -\n", b"1 0 1 8192\n1\n",
                        b"1 1 0 8192\n1 -\n",
                        b"1 1 1 0\n1 -\n", b"1 1 1 8192\n1 - -\n", b"1 2 1 8192\n1 -\n",
                        b"1 1 1 8192\n1 1001\n", b"1 1 1 8192\n1 -1\n", b"1 1 1 8192\n0 -\n",
                        b"1 1 1 8192\n1 x\n", b"1 1 1 8192\n1 -\n2 -\n", b"1 1 1 8192\n1 -\n\n",
                        b"2 1 1 8192\n2 -\n2 -\n", b"2 1 1 8192\n2 -\n1 -\n", b"1 1 1 8192\n1 -",
                        b"601 1 1 8192\n", b"1 401 1 8192\n", b"1 1 1 8192\n1  -\n",
                        b"1 1 1 8192\n1 \xb2\n", b"1 1 1 8192\r\n1 -\r\n",
                        b"9" * 5000 + b" 1 1 8192\n", b"1 1 1 8192\n" + b"9" * 5000 + b" -\n"):
            with self.subTest(content=content[:40]), self.assertRaises(series.BadData):
                self.read(content)

    def test_no_file(self):
        with self.assertRaises(OSError):
            heapmap.read("nosuch/file")


class Colours(unittest.TestCase):
    LEAST = 12  # between two colours in CIELAB, where 2 is just to be seen

    # What readers without the cones for red or for green see, by Machado et al. (2009).
    EYES = {
        "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                       (-0.003882, -0.048116, 1.051998)),
        "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                         (-0.011820, 0.042940, 0.968881)),
    }
    XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    WHITE = (0.95047, 1, 1.08883)

    @staticmethod
    def times(matrix, vector):
        return [sum(a * b for a, b in zip(line, vector)) for line in matrix]

    def lab(self, colour, eyes):
        parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        seen = [min(1, max(0, c)) for c in self.times(self.EYES[eyes], linear)]
        x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in
                   (c / white for c, white in zip(self.times(self.XYZ, seen), self.WHITE)))
        return 116 * y - 16, 500 * (x - y), 200 * (y - z)

    def test_all_can_be_told_apart(self):
        for eyes in self.EYES:
            for one, other in itertools.combinations(style.COLOURS, 2):
                distance = math.dist(self.lab(style.COLOURS[one], eyes),
                                     self.lab(style.COLOURS[other], eyes))
                self.assertGreaterEqual(distance, self.LEAST, (eyes, one, other))

    def test_all_can_be_seen_on_paper(self):
        for name, colour in style.COLOURS.items():
            self.assertLess(self.lab(colour, "all cones")[0], 80, name)

    def test_fullness_rises_for_everybody(self):
        for eyes in self.EYES:
            lightness = [self.lab(colour, eyes)[0] for colour in style.FULLNESS]
            self.assertEqual(lightness, sorted(lightness))

    def test_a_new_algorithm_looks_like_no_other(self):
        self.assertEqual(set(style.SPARE) & set(style.COLOURS.values()), set())
        self.assertIsNone(style.dash("mine"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
