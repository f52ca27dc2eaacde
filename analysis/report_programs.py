"""The part of the page on real programs, from programs.json of analysis/programs."""

import json
import math

import programs_results
from common import counted
from programs_results import FAST, LIBC, MOST_PEAK, MOST_TIME
from report_html import element, scrolling, swatch, text

TITLES = {
    "wall": "Time by the clock, as a part of glibc's",
    "cpu": "Time of the processors, as a part of glibc's",
    "peak": "Largest resident set, as a part of glibc's",
}

# From this factor on a cell's colour is at its strongest.
STRONGEST = 2

ABOUT = """Each program works on the same input once as it is, with glibc's malloc, and once with
each allocator in the place of malloc: <code>LD_PRELOAD=libkma_NAME.so</code>. What it writes has to
be the same, byte for byte. The allocators take turns, another one first in each round; a figure is the median over the
rounds of the ratio to glibc in the same round. Below 1 is better than glibc."""


def _heat(ratio):
    """Class and strength of a cell's colour."""
    strength = max(-1, min(1, math.log(ratio) / math.log(STRONGEST)))
    if abs(strength) < 0.03:
        return None, None
    return ("over" if strength > 0 else "under"), f"--heat: {abs(strength) * 42:.0f}%"


def _cell(row, figure, marked, least):
    if row is None or (row.failure is None and row.ratio(figure) is None):
        return element("td", "–")
    if row.failure is not None:
        return element("td", "failed", class_="failure", title=row.failure)
    ratio = row.ratio(figure)
    kind, style = _heat(ratio)
    is_missed = (row.program, row.algorithm) in marked
    kinds = [word for word, holds in ((kind, kind), ("missed", is_missed),
                                      ("least", row is least)) if holds]
    return element("td", f"{ratio:.2f}{'!' if is_missed else ''}", class_=" ".join(kinds) or None,
                   style=style, data_value=json.dumps(ratio))


def _line(about, members, others, figure, marked):
    libc = members.get(LIBC)
    divisor, _, form = programs_results.UNITS[figure]
    known = libc is not None and libc.failure is None
    # Who is the fastest by a hair in one program says nothing; who needs least, something.
    least = programs_results.least_peak(members.values()) if figure == "peak" else None
    cells = element("th", text(about["program"]), scope="row", title=about["about"])
    cells += element("td", form.format(libc.median(figure) / divisor) if known else "–")
    cells += "".join(_cell(members.get(name), figure, marked, least) for name in others)
    return element("tr", cells, data_program=about["program"])


def _table(found, figure, names):
    rows = found["rows"]
    members = programs_results.by_program(rows)
    others = [name for name in programs_results.algorithms(rows) if name != LIBC]
    marked = {(one.program, one.algorithm) for one in programs_results.missed(rows)
              if one.figure == figure}
    _, unit, _ = programs_results.UNITS[figure]
    head = element("th", "program", scope="col") + element("th", f"glibc, {unit}", scope="col")
    head += "".join(element("th", swatch(name, names) + text(name), scope="col") for name in others)
    body = "".join(_line(about, members[about["program"]], others, figure, marked)
                   for about in found["programs"] if about["program"] in members)
    table = element("table", element("caption", text(TITLES[figure])) +
                    element("thead", element("tr", head)) + element("tbody", body),
                    class_="programs", data_figure=figure)
    return scrolling(table, TITLES[figure])


def targets(rows):
    """Sentences on what is aimed at."""
    found = programs_results.missed(rows)
    slow = [one for one in found if one.figure == "wall"]
    large = [one for one in found if one.figure == "peak"]
    programs = len({row.program for row in rows})
    ran = [name for name in FAST if name in programs_results.algorithms(rows)]
    said = []
    if ran:
        known = " and ".join(filter(None, (", ".join(ran[:-1]), ran[-1])))
        aim = (f"With {known} no program should take more than {MOST_TIME:g} times "
               "glibc's time: ")
        said.append(aim + ("that holds." if not slow else "it does not hold for " + ", ".join(
            f"{one.program} with {one.algorithm} ({one.ratio:.2f})" for one in slow) + "."))
    aim = (f"For each program one algorithm at least should hold no more than {MOST_PEAK:g} times "
           "what glibc does: ")
    said.append(aim + ("that holds." if not large else
                       f"it holds for {programs - len(large)} of {programs}, not for " + ", ".join(
                           f"{one.program} (the least is {one.algorithm}'s {one.ratio:.2f})"
                           for one in large) + "."))
    if any(row.failure for row in rows):
        said.append("What failed, which is told below, is left out of this.")
    return " ".join(said)


def _notes(found):
    notes = [f"{one['program']} is linked with {one['instead_of']}; the libraries come before it, "
             "glibc's malloc too." for one in found["programs"] if one["instead_of"]]
    notes += [f"{one['program']} was not run: {one['skipped']}." for one in found["programs"]
              if one["skipped"]]
    notes += [f"{row.program} with {row.algorithm} failed: {row.failure}." for row in found["rows"]
              if row.failure is not None]
    notes.append("! a target is missed, in time by the least of the rounds too. Bold: the least "
                 "memory of the algorithms. The largest resident set is that of the largest "
                 "process of a program; of redis it is the server's. Time of the processors is "
                 "that of all processes together.")
    build, settings = found["build"], found["settings"]
    commit = f", commit {build['commit']}" if build["commit"] else ""
    changes = " with changes" if build["modified"] else ""
    notes.append(f"{counted(settings['rounds'], 'round')}; KMA_PAGES={settings['pages']}; "
                 f"{found['machine']['cpu']}; kma {build['version']}{commit}{changes}; "
                 f"{found['date'].replace('T', ' ').replace('Z', ' UTC')}")
    return "".join(element("p", text(note), class_="note") for note in notes)


def _about_programs(found):
    return element("dl", "".join(element("div", element("dt", text(one["program"])) +
                                         element("dd", text(one["about"])))
                                 for one in found["programs"]), class_="facts")


def section(found, names):
    """Markup; nothing where no programs were run."""
    if found is None or not found["rows"]:
        return ""
    tables = "".join(element("div", _table(found, figure, names), class_="wide")
                     for figure in TITLES)
    return element(
        "section", element("h2", "Real programs") + element("p", ABOUT) +
        element("p", text(targets(found["rows"])), class_="targets") + tables + _notes(found) +
        '<div class="plots"><div class="plot" data-plot="programs-mean"></div>'
        '<div class="plot" data-plot="programs-worst"></div></div>' + _about_programs(found),
        id="programs")
