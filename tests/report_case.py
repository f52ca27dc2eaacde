"""What the tests of the report share: a results folder's figures, the page, the browser."""

import html.parser
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import browser
from shared import ROOT

# The columns of the table of figures, as paths in a row of results.json.
LATENCIES = ["mean", "p50", "p99", "p99_9", "max"]
COLUMNS = ([["summary", "pages", "peak"], ["summary", "peak_page_bytes"],
            ["summary", "utilization_mean"], ["summary", "utilization_at_peak"],
            ("mean", "internal"), ("mean", "external"), ("at_peak", "internal"),
            ("at_peak", "external"), ["summary", "penalty"],
            ["summary", "replay", "ns_per_event"], ["summary", "replay", "score"]] +
           [["summary", "latency", call, key] for call in ("malloc", "free") for key in LATENCIES] +
           [["instructions", call, key] for call in ("malloc", "free") for key in ("mean", "worst")])


def figure(row, path):
    if isinstance(path, tuple):
        moment, part = path
        split = row["summary"].get("memory")
        return split and split[moment][part] / split[moment]["page_bytes"]
    value = row
    for step in path:
        if value is None or value.get("count") == 0:
            return None
        value = value[step]
    return value


def write_report(results, out):
    done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "analysis/report"), "--results",
                           results, "--out", out], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return os.path.join(out, "index.html")


class Tables(html.parser.HTMLParser):
    """The rows of the tables of figures as they are in the file, before any script runs."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.row, self.cell = [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        if tag == "table":
            self.inside = known.get("class") == "figures"
            self.tables += [[]] if self.inside else []
        elif tag == "tr" and self.tables and self.inside and "data-algorithm" in known:
            self.row = {"cells": [], **known}
            self.tables[-1].append(self.row)
        elif tag == "td" and self.row is not None:
            self.cell = [known.get("data-value"), ""]
            self.row["cells"].append(self.cell)

    def handle_endtag(self, tag):
        self.cell = None if tag == "td" else self.cell
        self.row = None if tag == "tr" else self.row

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[1] += data


@unittest.skipIf(browser.MISSING, browser.MISSING)
class ReportCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kma-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.browser = browser.Browser()
        cls.browser.__enter__()
        cls.addClassCleanup(cls.browser.stop)

    def setUp(self):
        self.laptop()

    def tearDown(self):
        self.assertEqual(self.browser.errors(), [])

    def laptop(self):
        self.browser.screen(1366, 768)
        self.browser.theme("light")

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    def run_js(self, script, *arguments):
        return self.browser.run(script, *arguments)

    def click(self, selector):
        self.run_js("document.querySelector(arguments[0]).click()", selector)

    def middle(self, selector):
        """Where the plot `selector` is on the screen: x, y, width, height."""
        self.run_js("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        return self.run_js("const b = document.querySelector(arguments[0]).getBoundingClientRect();"
                           "return [b.left, b.top, b.width, b.height]", selector)
