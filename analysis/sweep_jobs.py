"""The runs that a plan of a sweep is made of.

A Run is a Job of analysis/jobs.py with its place in the plan. Its key is the job's name in a
store: made from everything that can change the outcome, so the same run of two plans, or of two
parts of one plan, is one run."""

import dataclasses
import functools
import json
import os

import growth
import machine
import measure
import plan
import references
import sweep_traces
from common import Refusal
from jobs import KINDS, Hashes, Job
from sweep_traces import Source

OF_TRACES = {"ideal": (measure.IDEAL, measure.BOUND),
             "recorded": (measure.LINUX, measure.RECORDED)}  # not of each algorithm

# Times of one cluster's nodes are told apart by their rows, not by their keys: where a run will
# be is not known before.
ON_A_CLUSTER = "cluster"


@dataclasses.dataclass(frozen=True)
class Run(Job):
    key: str = ""
    number: int = 0         # from 1
    part: int = 0
    contestant: str = measure.ALGORITHM
    source: Source = None   # of the trace, whose name `trace` is
    limited: bool = False   # max_pages is said by the plan
    trace_sha256: str = None  # of a file, as it was when the sweep was planned

    def row(self, hashes):
        """The columns that go in."""
        return {"key": self.key, "number": self.number, "part": self.part, "kind": self.kind,
                "algorithm": self.algorithm, "contestant": self.contestant,
                "trace": self.trace, "family": self.source.family, "seed": self.source.seed,
                "source": json.dumps(self.source.to_json()), "page_size": self.page_size,
                "page_limit": self.max_pages, "limited": int(self.limited),
                "passes": self.passes, "turn": self.turn, "time_limit": self.limit,
                "word": self.word, "program_sha256": hashes.of(self.program),
                "preload": self.preload and os.path.basename(self.preload),
                "weight": self.weight}

    def to_json(self):
        return dict(dataclasses.asdict(self), source=self.source.to_json())

    @staticmethod
    def from_json(found):
        return Run(**dict(found, source=sweep_traces.from_json(found["source"])))


def builds_for(sweep_plan, folder=None):
    """{page size: plan.Build}, built where they are not; or those of a folder as they are."""
    sizes = sorted({size for group in sweep_plan.groups for size in group.page_sizes})
    counted = any("operations" in group.measure for group in sweep_plan.groups)
    if folder is not None:
        if not os.path.isdir(folder):
            raise Refusal(f"{folder}: no such folder")
        built = plan.page_size_of(folder, [name for group in sweep_plan.groups
                                           for name in group.algorithms])
        for size in sizes:
            if size != built:
                raise Refusal(f"{folder}: built with pages of {built} bytes, not of {size}")
        return {size: plan.Build(size, os.path.abspath(folder)) for size in sizes}
    return {size: plan.build_of(size, counted) for size in sizes}


def need_generate(plan):
    """The path of the program that makes streams, built where a plan has one."""
    if not any(source.generator == "stream" for group in plan.groups for source in group.sources):
        return None
    path = os.path.join(machine.HERE, machine.make_settings()["build"], "capture", "generate")
    machine.make(os.path.relpath(path, machine.HERE))
    return path


class Expansion:
    """Makes the runs of a plan. `about`: what times depend on, part of their keys."""

    def __init__(self, builds, about):
        self.builds, self.about = builds, about
        self.hashes = Hashes()
        self.word_bytes = functools.cache(references.word_bytes)
        self.facts = {}
        self.runs = {}

    def of(self, sweep_plan):
        for group in sweep_plan.groups:
            for size in group.page_sizes:
                build = self.builds[size]
                who = self._contestants(build, group)
                for source in group.sources:
                    for limit in group.page_limits or (None,):
                        self._of_workload(group, build, who, source, limit)
        return list(self.runs.values())

    def _contestants(self, build, group):
        found = plan.contestants(build.folder, group.algorithms, group.references)
        for name, _, program, _ in found:
            if not os.path.exists(program):
                raise Refusal(f"{program}: {os.path.basename(program)} of kma_{name} is not built")
        return found

    def _facts(self, source):
        if source not in self.facts:
            self.facts[source] = sweep_traces.facts(source)
            # By its name, that is a run's trace: the bytes of a trace that is not made yet
            # follow from its settings.
            self.hashes.known[source.name] = sweep_traces.identity(source, self.hashes)
        return self.facts[source]

    def _of_workload(self, group, build, who, source, limit):
        facts = self._facts(source)
        for kind in group.measure:
            if kind in OF_TRACES:
                if kind != "recorded" or facts.of_kernel:
                    name, contestant = OF_TRACES[kind]
                    self._add(group, build, (name, contestant, who[0][2], None), source, limit,
                              kind)
                continue
            for one in who:
                if kind == "operations" and one[1] != measure.ALGORITHM:
                    continue
                turns = (group.turns or plan.turns_for(facts)) if KINDS[kind].timed else 1
                for turn in range(turns):
                    self._add(group, build, one, source, limit, kind, turn)

    def _room(self, source, facts, algorithm):
        if source.generator == "growth":
            return growth.pages_for(algorithm, dict(source.settings)["live"])
        return plan.pages_for(facts)

    def _passes(self, group, facts, kind):
        if kind == "times":
            return plan.passes_for(facts, group.passes)
        return group.passes if KINDS[kind].timed else 1

    def _add(self, group, build, who, source, limit, kind, turn=0):
        name, contestant, program, preload = who
        facts = self.facts[source]
        passes = self._passes(group, facts, kind)
        if kind == "operations" and build.counted:
            program = measure.executable(build.counted, name)
        # The time of each call is taken in a second replay.
        weight = max(1, facts.events) * passes * (2 if kind == "times" else 1)
        job = Run(kind, name, source.name, build.page_size, program, weight, preload,
                  passes, limit or (measure.MAX_PAGES if kind in OF_TRACES else
                                    self._room(source, facts, name)), turn,
                  self.about, self.word_bytes(program), group.time_limit,
                  number=len(self.runs) + 1, part=group.number, contestant=contestant,
                  source=source, limited=limit is not None,
                  trace_sha256=self.hashes.known[source.name] if source.path else None)
        key = job.name(self.hashes)
        if key not in self.runs:
            object.__setattr__(job, "key", key)  # nobody has it yet, and a copy takes longer
            self.runs[key] = job


def expand(sweep_plan, builds, about):
    """(runs, hashes of files)"""
    expansion = Expansion(builds, about)
    return expansion.of(sweep_plan), expansion.hashes
