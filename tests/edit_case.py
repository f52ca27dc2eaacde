"""What the tests of the tools that show and change traces share: recordings made by hand,
and running the tools."""

import os
import random
import sys
import unittest

import ktr_files
from driver_case import DriverTest
from shared import ROOT

sys.path.insert(0, os.path.join(ROOT, "analysis"))

import ktr

COLUMNS = ktr.COLUMNS


def _names(column, texts):
    """A block of them, from number 1 on."""
    data = [text.encode() for text in texts]
    head = ktr_files.numbers([COLUMNS.index(column), 1, len(data)])
    return ktr_files.frame(ktr_files.block(b"N", head + b"".join(
        bytes([len(name)]) + name for name in data)))


def recording(path, rows, about="", lost=0, columns=COLUMNS):
    """Writes a compact trace. A row is (size, slot, time in ns, cpu, site, cache, spent), names
    being texts and None; what no column asks for may be missing."""
    names = {"site": [], "cache": []}
    stored = {column: [] for column in columns}
    before = 0
    for size, _, *values in rows:
        for column, value in zip(COLUMNS, values):
            if column not in stored or (column == "spent" and size == 0):
                continue
            if column == "time":
                value, before = value - before, value
            elif column == "spent":
                value = value - size + 1 if value else 0
            elif column in names:
                known = names[column]
                if value is not None and value not in known:
                    known.append(value)
                value = 0 if value is None else known.index(value) + 1
            stored[column].append(value)
    pairs = [row[:2] for row in rows]
    head = f"columns={','.join(columns)}\n" if columns else ""
    with open(path, "wb") as file:
        file.write(ktr_files.meta(head + about))
        for column, known in names.items():
            if column in columns and known:
                file.write(_names(column, known))
        if pairs:
            file.write(ktr_files.events(pairs, stored))
        file.write(ktr_files.end(len(pairs), ktr_files.slots_of(pairs), lost))


def random_rows(seed, count, most_live=20, pauses=False):
    """Rows of a recording in which sizes are different for each block, so that they tell which
    block it is; with pauses nothing is live at times. All is freed at the end."""
    dice = random.Random(seed)
    rows, live, free, slots, time, size = [], [], [], 0, 0, 0
    emptying = False

    def put(size, slot):
        rows.append((size, slot, time, dice.randrange(4), dice.choice([None, "f+0x1", "g"]),
                     dice.choice([None, "dentry", "kmalloc-64"]), size + dice.randrange(64)
                     if size else 0))

    while len(rows) < count or live:
        time += dice.randrange(1, 1000)
        if pauses and len(live) == most_live:
            emptying = True
        emptying = emptying and bool(live)
        if live and (emptying or len(rows) >= count or len(live) == most_live
                     or dice.random() < 0.45):
            slot = live.pop(dice.randrange(len(live)))
            free.append(slot)
            put(0, slot)
        else:
            slot = free.pop() if free else slots
            slots += slot == slots
            live.append(slot)
            size += 1
            put(size, slot)
    return rows


@unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
class EditTest(DriverTest):
    def tool(self, name, *arguments, **options):
        """What it says, on standard error, when it succeeds."""
        result = self.run_driver(f"capture/{name}", *arguments, **options)
        self.assertEqual(result.returncode, 0, (name, arguments, result.stderr))
        return result.stderr

    def recorded(self, name, rows, *arguments, **options):
        recording(self.path(name), rows, *arguments, **options)
        return name

    def text(self, name, *pairs):
        """A text of (size, slot)."""
        lines = [f"REQUEST {slot} {size}" if size else f"FREE {slot}" for size, slot in pairs]
        return self.write(name, "".join(f"{line}\n" for line in (len(lines), *lines)))

    def rows(self, name, columns=COLUMNS):
        return list(ktr.events(self.path(name), columns))

    def pairs(self, name):
        return self.rows(name, ())

    def about(self, name):
        return ktr.facts(self.path(name)).about
