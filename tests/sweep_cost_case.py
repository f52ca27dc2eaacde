"""What the tests of analysis/sweep --dry-run share: a plan, its runs, and rates that are known. Who
imports it can import the modules of analysis/, too."""

import os
import sys
import tempfile

from driver_case import BUILD
from shared import ROOT

ANALYSIS = os.path.join(ROOT, "analysis")
PYTHON = "/usr/bin/python3"

sys.dont_write_bytecode = True
sys.path.insert(0, ANALYSIS)
import sweep_jobs  # noqa: E402
import sweep_plan  # noqa: E402
from plan import Build  # noqa: E402
from sweep_rates import Rates  # noqa: E402

# 2 algorithms x 3 seeds x (memory + 2 turns of times), and memory on one file.
PLAN = """\
[[runs]]
algorithms = ["bud", "slab"]
measure = ["memory", "times"]
passes = 400
turns = 2
[runs.generate]
generator = "random"
requests = 1000
sizes = "log"
smallest = 8
largest = 4000
frees = "early"
seeds = "1-3"

[[runs]]
algorithms = ["word"]
measure = "memory"
traces = "standard"
"""
MEMORY, TIMES = 6, 12
EVENTS = 2_000  # of a generated trace


def expanded(text, algorithms=("bud", "slab", "word")):
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        plan = sweep_plan.read(file.name, algorithms)
    return sweep_jobs.expand(plan, {8192: Build(8192, BUILD)}, "here")[0]


def planted(**more):
    """A second to begin; memory replays 1000 events a second with bud and 500 with slab."""
    each = {("memory", "bud"): 1e-3, ("memory", "slab"): 2e-3, ("memory", "word"): 1e-3,
            ("times", "bud"): 1e-6, ("times", "slab"): 1e-6}
    return Rates(start={"memory": 1, "times": 2, "ideal": 0},
                 per_event={who: 0.001 if who[0] == "times" else 0 for who in each},
                 per_replayed=each, **more)


class PlantedTrial:
    """Runs take what some rates say; those of `failing` algorithms, and those that have as many
    live blocks as `most` or more, do not end well."""

    def __init__(self, rates, failing=(), most=10**9):
        self.rates, self.failing, self.most, self.done = rates, failing, most, []

    def do(self, runs):
        self.done += runs
        return {run: self.rates.of(run) for run in runs if run.algorithm not in self.failing and
                dict(run.source.settings)["live"] < self.most}
