"""Reading a sweep's plan: a TOML file, checked completely before anything runs.

What is wrong is a Refusal that begins with the plan's name and the line and tells what would be
right. plans/ has examples; analysis/sweep_settings.py has the keys and what is good for each.
"""

import dataclasses
import itertools
import math
import os
import re

import measure
import references
import sweep_traces
from common import Refusal
from jobs import KINDS
from sweep_jobs import OF_TRACES
from sweep_settings import (GENERATORS, GROUP_KEYS, LISTS, MOST_SEED, SIMPLE, TOP_KEYS,
                            disagreement, file_name, flag, line_of_text, shown, whole, word)
from toml_file import Table, TomlFile

MOST_RUNS = 10**7


@dataclasses.dataclass(frozen=True)
class Group:
    """One [[runs]]: every algorithm on every trace with every page size and page limit."""
    number: int         # from 1
    line: int
    algorithms: tuple   # names, in order
    references: bool
    sources: tuple      # of sweep_traces.Source, in order of the product; seeds run fastest
    page_sizes: tuple
    page_limits: tuple  # (): room for every block
    measure: tuple      # keys of jobs.KINDS
    passes: int
    turns: int | None   # None: by the trace's length
    time_limit: int     # seconds of one run


@dataclasses.dataclass(frozen=True)
class SweepPlan:
    path: str
    text: str
    title: str | None
    curves: bool
    groups: tuple


class _Plan(TomlFile):
    def __init__(self, path, algorithms):
        super().__init__(path)
        self.algorithms = tuple(algorithms)
        self.files = {}  # of all traces that are files: name, and path
        self.runs = 0    # so far, at least


# ---- what a group is about

def _algorithms(table):
    known = table.file.algorithms

    def check(name):
        if name in (*references.LIBRARIES, "glibc"):
            return f"{name} comes with references = true"
        return word("all", *known)(name)
    found = table.many("algorithms", check)
    if found is None:
        table.refuse('algorithms are missing: "all", or a list of names')
    if len(found) > 1 and "all" in found:
        table.file.require(table.place_of("algorithms", "all"), '"all" stands alone')
    return known if found == ("all",) else found


def _files(plan, written):
    """The sources that a word of `traces` stands for."""
    folder = os.path.dirname(os.path.abspath(plan.path))
    paths = (measure.trace_files([written]) if written in measure.SHIPPED else
             [os.path.normpath(os.path.join(folder, written))])
    return [sweep_traces.from_file(path) for path in paths]


def _traces(table):
    """How many sources, and a function that makes them."""
    plan, found = table.file, {}
    for place, written in enumerate(table.many("traces", file_name)):
        with plan.standing((*table.where, "traces", place)):
            for source in _files(plan, written):
                if source.path in found:
                    raise Refusal(f"{source.path}: listed twice")
                other = plan.files.setdefault(source.name, source.path)
                if other != source.path:
                    raise Refusal(f"{source.path}: its name is also that of {other}")
                found[source.path] = source
    return len(found), found.values


def _seeds(table):
    """A tuple or, as it may be long, a range."""
    seeds = table.content.get("seeds")
    if seeds is None:
        table.refuse('generate: seeds are missing: a list of numbers, or such as "1-100"')
    if not isinstance(seeds, str):
        return table.many("seeds", whole(0, MOST_SEED))
    ends = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", seeds)
    table.require("seeds", None if ends else f'{shown(seeds)} is no range such as "1-100"')
    first, last = map(int, ends.groups())
    table.require("seeds", whole(0, MOST_SEED)(max(first, last)))
    if first > last:
        table.require("seeds", f'"{first}-{last}" runs down: "{last}-{first}"?')
    return range(first, last + 1)


def _generated(group, page_sizes):
    """How many sources, and a function that makes them."""
    table = Table(group.file, (*group.where, "generate"), group.content["generate"])
    if not isinstance(table.content, dict):
        table.refuse(f"generate: {shown(table.content)} is not one table, [runs.generate]")
    generator = table.one("generator", word(*GENERATORS), None)
    if generator is None:
        table.refuse(f"generate: the generator is missing: {', '.join(GENERATORS)}")
    checks = GENERATORS[generator]
    table.check_keys(("generator", *checks, "seeds"), f"the generator {generator}")
    for name in checks:
        if name not in table.content:
            table.refuse(f"generate: {name} is missing: {generator} wants {', '.join(checks)} "
                         "and seeds")
    values = [table.many(name, check) for name, check in checks.items()]
    seeds = _seeds(table)

    def made():
        for chosen in itertools.product(*values):
            settings = dict(zip(checks, chosen))
            wrong = disagreement(generator, settings, page_sizes)
            if wrong:
                table.file.require(table.place_of(wrong[0], settings[wrong[0]]), wrong[1])
            with table.file.standing(table.where):
                for seed in seeds:
                    yield sweep_traces.generated(generator, settings, seed)
    return math.prod(map(len, values)) * len(seeds), made


# ---- groups

def _runs_of_a_trace(algorithms, lists, turns):
    """At least so many: references, and turns that depend on the trace, are not counted."""
    each = sum(1 if kind in OF_TRACES else
               len(algorithms) * (turns or 1 if KINDS[kind].timed else 1)
               for kind in lists["measure"])
    return each * len(lists["page_sizes"]) * (len(lists["page_limits"]) or 1)


def _group(plan, number, content):
    table = Table(plan, ("runs", number - 1), content)
    table.check_keys(GROUP_KEYS, "[[runs]]")
    algorithms = _algorithms(table)
    lists = {key: table.many(key, *more) for key, more in LISTS.items()}
    simple = {key: table.one(key, *more) for key, more in SIMPLE.items()}
    if "traces" not in content and "generate" not in content:
        table.refuse("traces are missing: a list, or [runs.generate]")
    if "traces" in content and "generate" in content:
        plan.refuse((*table.where, "generate"), "traces and generate exclude each other")
    count, sources = (_traces(table) if "traces" in content else
                      _generated(table, lists["page_sizes"]))
    # Before anything is expanded, which could take all memory.
    plan.runs += count * _runs_of_a_trace(algorithms, lists, simple["turns"])
    if plan.runs > MOST_RUNS:
        table.refuse(f"up to here there are {plan.runs:,} runs or more, and a plan has at most "
                     f"{MOST_RUNS:,}")
    return Group(number=number, line=plan.line(table.where), algorithms=algorithms,
                 sources=tuple(sources()), **lists, **simple)


def _check_names(plan, groups):
    """A file may be called like a generated trace."""
    for group in groups:
        for source in group.sources:
            if source.path is None and source.name in plan.files:
                plan.refuse(("runs", group.number - 1, "generate"), f"{source.name}: so is the "
                            f"name of {plan.files[source.name]}")


def _checked(plan):
    table = Table(plan, (), plan.content)
    table.check_keys(TOP_KEYS, "a plan")
    title = table.one("title", line_of_text, None)
    curves = table.one("curves", flag, False)
    groups = plan.content.get("runs", [])
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        plan.refuse(("runs",), "runs: write [[runs]] above each group of runs")
    if not groups:
        plan.refuse(("runs",), "there is no [[runs]], nothing to run")
    groups = tuple(_group(plan, *numbered) for numbered in enumerate(groups, 1))
    _check_names(plan, groups)
    return SweepPlan(plan.path, plan.text, title, curves, groups)


def read(path, algorithms):
    """The plan in that file, or a Refusal. `algorithms`: all that there are, by name."""
    return _checked(_Plan(path, algorithms))
