#!/usr/bin/python3
"""analysis/report in a real browser: figures, sorting, curves, zoom, themes, small screens.

Screenshots stay in $KMA_BUILD/report-screenshots for a look."""

import json
import os
import re
import unittest

import ktr_files
from report_case import COLUMNS, ReportCase, Tables, figure, write_report
from report_fixture import ALGORITHMS, PAGE_SIZE, PROGRAMS, make_programs, make_results
from shared import ROOT, read, write_script

BUILD = os.path.abspath(os.environ.get("KMA_BUILD", "."))
SCREENSHOTS = os.path.join(os.path.abspath(os.environ.get("KMA_BUILD", os.path.join(ROOT, "build"))),
                           "report-screenshots")

NOT_DRIVEN = ktr_files.not_driven(os.path.join(BUILD, "kma_bud"))

EVIL_TRACE = "<script>alert(1)</script>.trace"
EVIL_FAILURE = "</script><img src=x onerror=alert(2)> & \"quotes\""


class Whole(ReportCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        results, programs = cls.path("results"), cls.path("bin")
        os.mkdir(results)
        os.mkdir(programs)
        for name in ALGORITHMS:
            os.symlink(os.path.join(BUILD, f"kma_{name}"), os.path.join(programs, f"kma_{name}"))
        write_script(os.path.join(programs, "kma_broken"),
                     f"#!/bin/sh\necho '{EVIL_FAILURE}' >&2\nexit 1\n")
        make_results(results, programs, [os.path.join(ROOT, f"testsuite/{n}.trace") for n in (1, 2, 3)],
                     [*ALGORITHMS, "broken"], ("libc", "jemalloc", "mimalloc", "tcmalloc"))
        for name in ("results.json", "curves.json"):  # no file could have such a name
            text = read(os.path.join(results, name)).replace("1.trace", EVIL_TRACE)
            write_script(os.path.join(results, name), text)
        cls.results = json.loads(read(os.path.join(results, "results.json")))
        cls.programs = make_programs(results, references=("libc", "jemalloc"), failure=EVIL_FAILURE)
        cls.page = write_report(results, cls.path("report"))
        cls.text = read(cls.page)
        cls.curves = json.loads(read(os.path.join(results, "curves.json")))["runs"]

    def setUp(self):
        super().setUp()
        self.browser.open(self.page)

    def rows_of(self, trace):
        return {row["algorithm"]: row for row in self.results["rows"] if row["trace"] == trace}

    # ---- what is in the file

    def test_every_figure_of_the_tables_is_that_of_the_results(self):
        tables = Tables(self.text).tables
        traces = list(dict.fromkeys(row["trace"] for row in self.results["rows"]))
        self.assertEqual(len(tables), len(traces))
        for trace, table in zip(traces, tables):
            rows = self.rows_of(trace)
            self.assertEqual({row["data-algorithm"] for row in table}, set(rows))
            for shown in table:
                row = rows[shown["data-algorithm"]]
                if row["failure"] is not None:
                    self.assertEqual(shown["cells"][0][1], f"failed: {row['failure']}")
                    continue
                self.assertEqual(len(shown["cells"]), len(COLUMNS))
                for path, (value, text) in zip(COLUMNS, shown["cells"]):
                    self.check_figure(figure(row, path), value, text)

    def check_figure(self, expected, value, text):
        if expected is None:
            self.assertEqual((value, text), ("", "–"))
            return
        self.assertEqual(json.loads(value), expected)
        number, scale = text.replace(",", ""), 1
        if number.endswith("%"):
            number, scale = number[:-1], 100
        decimals = len(number.partition(".")[2])
        self.assertAlmostEqual(float(number), expected * scale, delta=0.50001 * 10 ** -decimals)

    def test_every_embedded_figure_is_that_of_the_results(self):
        data = self.run_js("return JSON.parse(document.getElementById('data').textContent)")
        self.assertEqual(data["growth"], self.results["growth"])
        self.assertEqual(len(data["runs"]), 3)
        for run in data["runs"]:
            rows = self.rows_of(run["trace"])
            self.assertEqual([row["algorithm"] for row in run["rows"]],
                             [name for name, row in rows.items() if row["failure"] is None])
            for embedded in run["rows"]:
                row = rows[embedded["algorithm"]]
                self.assertEqual(embedded["penalty"], row["summary"]["penalty"])
                self.assertEqual(embedded["ns_per_event"],
                                 figure(row, ["summary", "replay", "ns_per_event"]))
                self.check_curves(embedded, run)

    def check_curves(self, embedded, run):
        whole = self.curves.get(f"{embedded['algorithm']}/{run['trace']}/{PAGE_SIZE}")
        if whole is None:
            self.assertNotIn("curve", embedded)
            return
        for name in ("paged", "waste"):
            self.assertEqual(max(embedded["curve"][name]["high"]), max(whole["series"][name]["high"]))
        for call, (ns, shares) in embedded["latency"].items():
            self.assertEqual([ns[-1], shares[-1]], [float(f"{v:.6g}") for v in whole["latency"][call][-1]])

    def test_nothing_comes_from_elsewhere(self):
        outside = set(re.findall(r"(?:https?:)?//[\w.]+[^\s\"'<>)]*\.[a-z]{2,}[^\s\"'<>)]*", self.text))
        self.assertEqual(outside, {"http://www.w3.org/2000/svg"})
        self.assertEqual(self.run_js("return performance.getEntriesByType('resource').length"), 0)
        self.assertLess(len(self.text), 5e6)

    def test_names_and_failures_are_text(self):
        self.assertEqual(self.text.count("<script"), 2)
        self.assertNotIn("<img", self.text)
        self.click("#workloads button")
        self.assertIn(EVIL_TRACE.removesuffix(".trace"),
                      self.run_js("return document.querySelector('#workloads button').textContent"))
        self.assertEqual(self.run_js("return document.querySelectorAll('img').length"), 0)
        shown = self.run_js("return document.querySelector('.run:not([hidden])').innerText")
        self.assertIn(EVIL_TRACE, shown)
        self.assertIn(EVIL_FAILURE, shown)

    # ---- the table

    def order(self):
        return self.run_js("""
            const table = document.querySelector(".run:not([hidden]) table.figures");
            return [...table.tBodies[0].rows].map((row) => row.dataset.algorithm)""")

    def test_sorting_by_each_column(self):
        rows = self.rows_of("3.trace")
        for number, path in enumerate(COLUMNS):
            for direction in ("ascending", "descending"):
                self.run_js("""document.querySelectorAll(".run:not([hidden]) thead tr:nth-child(2) button")
                               [arguments[0]].click()""", number + 1)
                marked = self.run_js("""
                    const heads = document.querySelectorAll(".run:not([hidden]) thead tr:nth-child(2) th");
                    return [...heads].map((head) => head.getAttribute("aria-sort"))""")
                if marked[number + 1] != direction:  # the column it was sorted by at first
                    continue
                self.assertEqual(marked.count("none"), len(COLUMNS))
                order = self.order()
                self.assertEqual(order[-1], "broken")
                values = [figure(rows[name], path) for name in order[:-1]]
                known = [value for value in values if value is not None]
                self.assertEqual(values[:len(known)], known, "what is not known comes last")
                self.assertEqual(known, sorted(known, reverse=direction == "descending"))

    def test_sorting_by_name_and_from_the_keyboard(self):
        head = ".run:not([hidden]) thead tr:nth-child(2) button"
        self.run_js("document.querySelector(arguments[0]).focus()", head)
        self.browser.keys("\ue007")
        order = self.order()
        self.assertEqual(order[:-1], sorted(order[:-1]))
        self.assertEqual(order[-1], "broken")
        self.browser.keys(" ")
        order = self.order()
        self.assertEqual(order[:-1], sorted(order[:-1], reverse=True))
        self.click("#workloads button")
        self.assertEqual(self.order(), order)

    # ---- plots

    def drawn(self, name):
        return self.run_js("""
            return [...document.querySelectorAll("section:not([hidden]) .plot")].filter((plot) =>
              plot.querySelector(`.curve[data-algorithm="${arguments[0]}"], .mark[data-algorithm="${arguments[0]}"]`)
            ).map((plot) => plot.dataset.plot)""", name)

    def test_the_legend_switches_a_curve_in_all_plots(self):
        everywhere = ["pareto", "bytes", "waste", "utilization", "malloc", "free", "programs-mean",
                      "programs-worst", "growth-ns", "growth-instructions"]
        self.assertEqual(self.drawn("bud"), everywhere)
        self.click("#legend [data-algorithm=bud]")
        self.assertEqual(self.drawn("bud"), [])
        self.assertEqual(self.drawn("rm"), everywhere)
        self.click("#workloads button:nth-of-type(2)")
        self.assertEqual(self.drawn("bud"), [])
        self.click("#legend [data-algorithm=bud]")
        self.assertEqual(self.drawn("bud"), everywhere)
        self.click("#legend .both button:last-child")
        self.assertEqual(self.drawn("rm"), [])

    def view(self, name):
        return self.run_js("""
            const plot = document.querySelector(`.run:not([hidden]) [data-plot=${arguments[0]}]`);
            return {x: plot.dataset.x.split(" ").map(Number), y: plot.dataset.y.split(" ").map(Number),
                    ticks: [...plot.querySelectorAll(".tick")].map((tick) => tick.textContent),
                    reset: !plot.querySelector(".reset").hidden}""", name)

    def drag(self, name, start, end):
        """From one part of a plot to another, in shares of its size."""
        left, top, width, height = self.middle(f".run:not([hidden]) [data-plot={name}] svg")
        places = [(left + x * width, top + y * height) for x, y in (start, end)]
        self.browser.point(("move", *places[0]), ("down",), ("move", *places[1]), ("up",))
        return places[0]

    def test_zoom_by_rectangle_and_back(self):
        for name in ("bytes", "malloc", "pareto"):
            with self.subTest(plot=name):
                before = self.view(name)
                self.drag(name, (0.4, 0.3), (0.7, 0.7))
                zoomed = self.view(name)
                for axis in "xy":
                    self.assertGreater(zoomed[axis][0], before[axis][0])
                    self.assertLess(zoomed[axis][1], before[axis][1])
                self.assertNotEqual(zoomed["ticks"], before["ticks"])
                self.assertGreaterEqual(len(zoomed["ticks"]), 4)
                self.click(f".run:not([hidden]) [data-plot={name}] .reset")
                self.assertEqual(self.view(name), before)

    def test_plots_over_the_trace_zoom_together(self):
        before = self.view("waste")
        self.drag("bytes", (0.4, 0.3), (0.7, 0.7))
        self.assertEqual(self.view("waste")["x"], self.view("bytes")["x"])
        self.run_js("document.querySelector('.run:not([hidden]) [data-plot=waste] svg')"
                    ".dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))")
        self.assertEqual(self.view("waste"), before)
        self.assertFalse(self.view("bytes")["reset"])

    def test_wheel_and_keys(self):
        before = self.view("utilization")
        left, top, width, height = self.middle(".run:not([hidden]) [data-plot=utilization] svg")
        x, y = left + width / 2, top + height / 2
        self.browser.wheel(x, y, -10)
        self.assertEqual(self.view("utilization"), before, "the wheel scrolls the page at first")
        left, top, width, height = self.middle(".run:not([hidden]) [data-plot=utilization] svg")
        x, y = left + width / 2, top + height / 2
        self.browser.point(("move", x, y), ("down",), ("up",))
        self.browser.wheel(x, y, -100)
        near = self.view("utilization")
        self.assertLess(near["x"][1] - near["x"][0], before["x"][1] - before["x"][0])
        self.browser.keys("+")
        nearer = self.view("utilization")
        self.assertLess(nearer["x"][1] - nearer["x"][0], near["x"][1] - near["x"][0])
        self.browser.keys("\ue014")
        self.assertGreater(self.view("utilization")["x"][0], nearer["x"][0])
        self.browser.keys("0")
        self.assertEqual(self.view("utilization"), before)

    def test_hovering_tells_values_with_units(self):
        left, top, width, height = self.middle(".run:not([hidden]) [data-plot=bytes] svg")
        self.browser.point(("move", left + width / 2, top + height / 2))
        told = self.run_js("return document.querySelector('.run:not([hidden]) [data-plot=bytes] .tip').innerText")
        self.assertRegex(told, r"event \d+,?\d*")
        self.assertRegex(told, r"bud\s+[\d.]+ MiB")
        self.assertRegex(told, r"requested\s+[\d.]+ MiB")

    def test_heap_maps(self):
        left, top, width, height = self.middle(".run:not([hidden]) canvas")
        self.browser.point(("move", left + width / 2, top + 12))
        told = self.run_js("return document.querySelector('.run:not([hidden]) .heapmap .tip').innerText")
        self.assertRegex(told, r"event [\d,]+\s+pages? \d+.*\s+(\d+ % full|not held)")
        painted = """const c = document.querySelector('.run:not([hidden]) canvas');
            return c.toDataURL()"""
        before = self.run_js(painted)
        self.run_js("""const s = document.querySelector('.run:not([hidden]) .heapmap select');
            s.value = 'dummy'; s.dispatchEvent(new Event('change'))""")
        self.assertNotEqual(self.run_js(painted), before)

    # ---- real programs

    def test_every_figure_of_the_programs(self):
        """A table for each of time, processor time and memory."""
        shown = self.run_js("""
            return [...document.querySelectorAll("table.programs")].map((table) => [
              table.dataset.figure, [...table.tHead.querySelectorAll("th")].map((th) => th.textContent),
              [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent))])""")
        self.assertEqual([figure for figure, _, _ in shown], ["wall", "cpu", "peak"])
        for figure, heads, lines in shown:
            self.assertEqual(heads[2:], [*ALGORITHMS, "jemalloc"])
            self.assertEqual([line[0] for line in lines], list(PROGRAMS))
            for line in lines:
                rows = {row.algorithm: row for row in self.programs["rows"] if row.program == line[0]}
                for name, text in zip(heads[2:], line[2:]):
                    expected = ("failed" if rows[name].failure else
                                f"{rows[name].ratio(figure):.2f}")
                    self.assertEqual(text.rstrip("!"), expected, (figure, line[0], name))
        self.assertEqual([line[1] for line in shown[2][2]], ["8.1"] * 3)

    def test_targets_of_the_programs(self):
        marked = self.run_js("""
            return [...document.querySelectorAll("table.programs td.missed")].map((cell) => [
              cell.closest("table").dataset.figure, cell.closest("tr").dataset.program,
              cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent])""")
        rows = {(row.program, row.algorithm): row for row in self.programs["rows"]}
        expected = [["wall", program, name] for program in PROGRAMS for name in ("mck2", "slab", "tlsf")
                    if (rows[program, name].wall_ratio or 0) > 1.5]
        self.assertTrue(0 < len(expected) < 8, "the figures are to have some of both")
        for program in PROGRAMS:
            least = min((rows[program, name] for name in ALGORITHMS if rows[program, name].peak_ratio),
                        key=lambda row: row.peak_ratio)
            if least.peak_ratio > 1.1:
                expected.append(["peak", program, least.algorithm])
        self.assertEqual(marked, expected)
        said = self.run_js("return document.querySelector('#programs .targets').innerText")
        self.assertIn("What failed, which is told below, is left out", said)
        for figure, program, name in expected:
            self.assertRegex(said, rf"{program} (with {name}|\(the least is {name}'s)")

    def test_what_is_said_of_programs(self):
        said = self.run_js("return document.querySelector('#programs').innerText")
        self.assertIn(f"ls with {ALGORITHMS[-1]} failed: {EVIL_FAILURE}.", said)
        self.assertIn("git was not run: git is not installed.", said)
        self.assertIn("redis is linked with libjemalloc.so.2", said)
        self.assertIn("what python-malloc does", said)

    def test_who_failed_with_a_program_is_no_point(self):
        shown = self.run_js("""
            return [...document.querySelectorAll("[data-plot=programs-mean] .mark")].map(
              (mark) => mark.dataset.algorithm)""")
        self.assertEqual(sorted(set(shown)), sorted(["libc", *ALGORITHMS[:-1], "jemalloc"]))

    # ---- screens and themes

    def paint(self):
        return self.run_js("""
            const curve = document.querySelector(".run:not([hidden]) [data-plot=bytes] [data-algorithm=rm_worst]");
            return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
                    getComputedStyle(curve).stroke]""")

    def test_themes(self):
        light = self.paint()
        self.assertEqual(light, ["rgb(255, 255, 255)", "rgb(31, 35, 40)", "rgb(0, 0, 0)"])
        self.browser.theme("dark")
        dark = self.paint()
        self.assertEqual((dark[0], dark[2]), ("rgb(24, 28, 33)", "rgb(255, 255, 255)"))
        self.click("#theme")
        self.assertEqual(self.paint(), light)
        self.click("#theme")
        self.assertEqual(self.paint(), dark)
        self.run_js("localStorage.clear()")

    def test_phone(self):
        self.browser.screen(390, 844, 2, mobile=True)
        self.browser.open(self.page)
        self.assertEqual(self.run_js("""
            document.querySelectorAll("details").forEach((part) => { part.open = true; });
            return document.documentElement.scrollWidth"""), 390)
        inside, stays = self.run_js("""
            const box = document.querySelector(".run:not([hidden]) .scroll");
            const name = box.querySelector("tbody th"), before = name.getBoundingClientRect().left;
            box.scrollLeft = 300;
            return [box.scrollWidth > box.clientWidth && box.scrollLeft === 300,
                    name.getBoundingClientRect().left === before]""")
        self.assertTrue(inside, "the table scrolls within itself")
        self.assertTrue(stays, "the first column stays")

    def test_pinching(self):
        self.browser.screen(390, 844, 2, mobile=True)
        self.browser.open(self.page)
        before = self.view("bytes")
        left, top, width, height = self.middle(".run:not([hidden]) [data-plot=bytes] svg")
        x, y = left + width / 2, top + height / 2
        for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", None)):
            points = [] if apart is None else [{"x": x - apart, "y": y, "id": 0},
                                               {"x": x + apart, "y": y, "id": 1}]
            self.browser.devtools("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        after = self.view("bytes")
        self.assertAlmostEqual((after["x"][1] - after["x"][0]) / (before["x"][1] - before["x"][0]),
                               1 / 3, delta=0.05)
        self.assertEqual(self.run_js("return visualViewport.scale"), 1)

    def test_screenshots(self):
        os.makedirs(SCREENSHOTS, exist_ok=True)
        parts = {"top": "body", "table": "#bar", "plots": ".run:not([hidden]) .plots",
                 "heat": ".run:not([hidden]) .heat", "worst": ".run:not([hidden]) > h3",
                 "growth": "#growth", "programs": "#programs", "method": "#instructions"}
        for device, screen in (("laptop", (1366, 768)), ("phone", (390, 844, 2, True))):
            for theme in ("light", "dark"):
                self.browser.screen(*screen)
                self.browser.theme(theme)
                self.browser.open(self.page)
                self.run_js("document.querySelectorAll('.run details').forEach((d, n) => { d.open = n % 9 < 1; })")
                for name, selector in parts.items():
                    self.run_js("window.scrollTo(0, document.querySelector(arguments[0])"
                                ".getBoundingClientRect().top + scrollY - 105)", selector)
                    self.browser.screenshot(os.path.join(SCREENSHOTS, f"{device}-{theme}-{name}.png"))


@unittest.skipIf(NOT_DRIVEN, NOT_DRIVEN)
class Recorded(ReportCase):
    """Recorded traces beside one that was made."""
    NAMES = ("boot", "git", "python")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        pairs = [(100, 0), (3000, 1), (0, 0), (40, 0), (0, 1), (0, 0)]
        for name in cls.NAMES:
            ktr_files.kernel(cls.path(f"{name}.ktr"), pairs, lambda size: size + 28,
                             f"command=make {EVIL_TRACE}\nsystem=Linux 6.1\nmachine=x86_64\n"
                             "recorded=2026-01-02T03:04:05Z\n")
        os.mkdir(cls.path("results"))
        cls.results = make_results(
            cls.path("results"), BUILD,
            [os.path.join(ROOT, "testsuite/1.trace"), *(cls.path(f"{n}.ktr") for n in cls.NAMES)],
            ["bud", "rm"], references=())
        cls.page = write_report(cls.path("results"), cls.path("report"))

    def setUp(self):
        super().setUp()
        self.browser.open(self.page)

    def shown(self):
        return self.run_js("return document.querySelector('.run:not([hidden]) h2').textContent")

    def test_the_main_trace_is_one_that_was_not_recorded(self):
        self.assertIn("1.trace", self.shown())
        self.assertIn("recorded traces.", self.run_js(
            "return document.querySelector('.answer').textContent"))

    def test_the_menu_shows_a_trace(self):
        self.assertEqual(self.run_js("""return [...document.querySelectorAll(
            "#workloads select option:not([disabled])")].map((one) => one.value)"""),
                         list(self.NAMES))
        self.assertEqual(self.run_js("""return [...document.querySelectorAll(
            "#workloads button")].map((one) => one.textContent)"""), ["1"])
        self.run_js("""const menu = document.querySelector("#workloads select");
            menu.value = "git"; menu.dispatchEvent(new Event("change"))""")
        self.assertIn("git, 8,192-byte pages", self.shown())
        self.assertEqual(self.run_js("""return document.querySelector(
            "#workloads button[aria-pressed=true]")"""), None)
        self.click("#workloads button")
        self.assertIn("1.trace", self.shown())
        self.assertEqual(self.run_js(
            "return document.querySelector('#workloads select').value"), "")

    def test_the_names_of_the_head_lead_to_the_sections(self):
        links = self.run_js("""return [...document.querySelectorAll("a[data-run]")].map((a) =>
            [a.textContent, a.getAttribute("href")])""")
        self.assertEqual(links, [[f"{name}, 8,192-byte pages", f"#run-{number}"]
                                 for number, name in enumerate(("1.trace", *self.NAMES))])
        self.click("a[data-run='3']")
        self.assertIn("python", self.shown())
        top = self.run_js("""return document.querySelector(".run:not([hidden]) h2")
            .getBoundingClientRect().top""")
        self.assertTrue(0 < top < 300, top)

    def test_what_the_recording_says(self):
        self.click("a[data-run='1']")
        self.assertEqual(self.run_js(
            "return document.querySelector('.run:not([hidden]) .recording').textContent"),
                         f"Recorded in the kernel: make {EVIL_TRACE}; Linux 6.1 x86_64; "
                         "2026-01-02 03:04:05Z.")
        self.assertEqual(self.run_js("return document.querySelectorAll('.recording').length"), 3)

    def test_linux_is_a_row_without_times(self):
        self.click("a[data-run='1']")
        row = next(row for row in Tables(read(self.page)).tables[1]
                   if row["data-algorithm"] == "linux")
        self.assertEqual(row["data-kind"], "recorded")
        expected = next(row for row in self.results["rows"]
                        if (row["algorithm"], row["trace"]) == ("linux", "boot"))
        for path, (value, text) in zip(COLUMNS, row["cells"]):
            known = figure(expected, path)
            self.assertEqual(value, "" if known is None else json.dumps(known))
        self.assertEqual(self.run_js("""
            return [...document.querySelectorAll(".run:not([hidden]) .plot")].filter((plot) =>
              plot.querySelector('.curve[data-algorithm="linux"]')).map((p) => p.dataset.plot)"""),
                         ["bytes", "waste", "utilization"])
        self.assertIn("pages and free objects of its slabs not counted", self.run_js(
            "return document.querySelector('.run:not([hidden])').innerText"))

    def test_events_are_told_by_their_numbers(self):
        self.click("a[data-run='1']")
        self.run_js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        said = self.run_js("return document.querySelector('.run:not([hidden]) summary').innerText")
        self.assertRegex(said, r"(REQUEST|FREE) of [\d,]+ bytes in event \d")
        self.assertEqual(self.run_js("""return document.querySelector(
            ".run:not([hidden]) .events th").textContent"""), "event")


class Small(ReportCase):
    """The least that a comparison can be."""

    def make(self, name, events, algorithms, change=None):
        results = self.path(name)
        os.mkdir(results)
        trace = self.path(f"{name}.trace")
        with open(trace, "w", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in [len(events), *events]))
        make_results(results, BUILD, [trace], algorithms, references=(), growth=False)
        if change:
            change(results)
        self.browser.open(write_report(results, self.path(name + "-page")))

    def answer(self):
        return self.run_js("return document.querySelector('.answer').textContent")

    def test_one_event_and_one_failure(self):
        self.make("one", ["REQUEST 0 100"], ["bud", "absent"])
        self.assertIn("bud holds the least memory", self.answer())
        self.assertIn("nothing to compare it with", self.answer())
        self.assertTrue(self.run_js("return document.getElementById('growth').hidden"))
        self.assertIn("kma_absent is not built", self.run_js("return document.body.innerText"))
        self.assertEqual(self.run_js("""return document.querySelectorAll(
            ".run [data-plot=bytes] .curve[data-algorithm=bud]").length"""), 1)
        self.assertIn("there are no figures", self.run_js(
            "return document.querySelector('.run [data-plot=free]').textContent"))

    def test_no_programs_were_run(self):
        self.make("alone", ["REQUEST 0 100"], ["bud", "rm"])
        self.assertIsNone(self.run_js("return document.getElementById('programs')"))

    def test_programs_with_allocators_that_have_no_traces(self):
        self.make("others", ["REQUEST 0 100"], ["bud"],
                  lambda folder: make_programs(folder, ("tlsf", "mine")))
        self.assertEqual(self.run_js("""return [...document.querySelectorAll(
            "#legend [data-algorithm]")].map((chip) => chip.dataset.algorithm).slice(-3)"""),
                         ["libc", "tlsf", "mine"])
        self.assertEqual(self.run_js("""return document.querySelectorAll(
            "[data-plot=programs-mean] .mark[data-algorithm=mine]").length"""), 1)

    def test_everything_failed(self):
        self.make("none", ["REQUEST 0 100"], ["absent"])
        self.assertIn("No algorithm passed", self.answer())

    def test_no_event_at_all(self):
        self.make("empty", [], ["bud", "rm"])
        self.assertIn("0 events", self.answer())

    def test_page_sizes(self):
        def another_size(folder):
            for name in ("results", "curves"):
                path = os.path.join(folder, f"{name}.json")
                content = json.loads(read(path))
                if name == "results":
                    content["rows"] += [dict(row, page_size=4096) for row in content["rows"]]
                else:
                    content["runs"].update({key.replace("/8192", "/4096"): run for key, run
                                            in content["runs"].items()})
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(content, file)
        self.make("sizes", ["REQUEST 0 100", "FREE 0"], ["bud", "rm"], another_size)
        self.assertIn("8,192-byte pages", self.answer())
        heading = "return document.querySelector('.run:not([hidden]) h2').textContent"
        self.assertIn("8,192-byte pages", self.run_js(heading))
        self.click("#workloads [data-size='4096']")
        self.assertIn("4,096-byte pages", self.run_js(heading))


if __name__ == "__main__":
    unittest.main()
