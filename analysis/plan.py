"""What a comparison runs, and how its outcomes become rows."""

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess

import growth
import instructions
import ktr
import machine
import measure
import references
import results
from jobs import Job

# Every timed run is repeated in processes of its own, in turn with those of the others:
# where a process lies in memory must not decide who is fast, nor a slow second of the
# machine.
TURNS = 5
GROWTH_TURNS = 3

# Where a replay takes a microsecond, the place of a few cache lines is a third of it.
SHORT_TRACE, TURNS_OF_A_SHORT_TRACE = 1_000, 11  # events

DEFAULT_PAGE_SIZE = 8192
LONGEST_ANSWER = 20  # seconds until an executable has said its page size

# There are many recorded traces, and they are long. Their times come from fewer processes
# with as many passes in each, and their instructions from a sum for each function instead of
# a count for each call: the means are the same, the medians and the worst are not known.
TURNS_OF_A_RECORDED_TRACE = 3

# A short trace is replayed more often, until a run has timed so many events: a moment that
# some interruption fills tells nothing.
LEAST_TIMED = 500_000
MOST_PASSES = 10_000

LIVE = (1_000, 10_000, 100_000, 1_000_000)
GROWTH_PASSES = 2
LONG_REPLAY = 1_000_000  # events: its own length evens out what happens meanwhile


@dataclasses.dataclass(frozen=True)
class Build:
    """Executables of one page size."""
    page_size: int
    folder: str
    counted: str = None  # the same, counting splits, joins and steps


def build_of(page_size, counted=True):
    """Executables with pages of this size, None for the Makefile's; made where they are not."""
    words = ([] if page_size is None else
             [f"PAGESIZE={'' if page_size == DEFAULT_PAGE_SIZE else page_size}"])
    folders = []
    for more in ([], ["COUNTED=1"]) if counted else ([],):
        machine.make(*words, *more, "executables")
        folders.append(os.path.join(machine.HERE, machine.make_settings(*words, *more)["build"]))
    return Build(page_size, *folders)


def page_size_of(folder, algorithms):
    """What the executables say; an algorithm may be broken, so several are asked."""
    for name in ["libc", *algorithms]:
        with contextlib.suppress(OSError, ValueError, KeyError, subprocess.TimeoutExpired):
            done = measure.children.run([os.path.abspath(measure.executable(folder, name)),
                                         "--competition", "--json", "-", "--passes", "1",
                                         os.path.join(machine.HERE, "testsuite/1.trace")],
                                        LONGEST_ANSWER)
            return json.loads(done.stdout)["page_size"]
    return DEFAULT_PAGE_SIZE


def turns_for(facts):
    if facts.events < SHORT_TRACE:
        return TURNS_OF_A_SHORT_TRACE
    return TURNS_OF_A_RECORDED_TRACE if facts.recorded else TURNS


def pages_for(facts):
    """Room for a page for each block that is live at once."""
    return max(measure.MAX_PAGES, min(facts.slots or 0, facts.events))


def passes_for(facts, passes):
    """So many, or more of a short trace."""
    return max(passes, min(MOST_PASSES, -(-LEAST_TIMED // max(1, facts.events))))


def contestants(folder, algorithms, with_references=True):
    """(name, kind, executable, library to preload) of each, in order."""
    found = [(name, measure.ALGORITHM, measure.executable(folder, name), None)
             for name in algorithms]
    libc = measure.executable(folder, "libc")
    if with_references and os.path.exists(libc):
        found += [(name, measure.REFERENCE, libc, library)
                  for name, library in references.installed(libc).items()]
    return found


class Plan:
    def __init__(self, options, builds, machine):
        self.options = options
        self.builds = builds
        self.machine = machine
        self.jobs = []
        self.facts = {trace: ktr.facts(trace) for trace in options.traces}
        self.contestants = {build: contestants(build.folder, options.algorithms,
                                               options.references) for build in builds}

    def _job(self, kind, build, who, trace, weight, **more):
        name, _, program, library = who
        job = Job(kind, name, trace, build.page_size, program, weight, preload=library,
                  machine=self.machine, word=references.word_bytes(program), **more)
        self.jobs.append(job)
        return job

    def of_workloads(self):
        """Yields (build, trace, contestant, {kind: job or [jobs]}); what needs no run comes
        last."""
        for build in self.builds:
            for trace in self.options.traces:
                for who in self.contestants[build]:
                    yield build, trace, who, self._of_row(build, trace, who)
                for kind, name, row_kind in self._known(trace):
                    anyone = self.contestants[build][0]
                    who = (name, row_kind, anyone[2], None)
                    yield build, trace, who, {
                        "memory": self._job(kind, build, who, trace, self.facts[trace].events)}

    def _known(self, trace):
        """(kind of job, name, kind of row)"""
        yield "ideal", measure.IDEAL, measure.BOUND
        if self.facts[trace].of_kernel:
            yield "recorded", measure.LINUX, measure.RECORDED

    def _of_row(self, build, trace, who):
        facts = self.facts[trace]
        events, room = max(1, facts.events), {"max_pages": pages_for(facts)}
        passes = passes_for(facts, self.options.passes)
        jobs = {"memory": self._job("memory", build, who, trace, events, **room),
                "times": [self._job("times", build, who, trace, events * passes * 2,
                                    passes=passes, turn=turn, **room)
                          for turn in range(turns_for(facts))]}
        if self.options.instructions:
            kind = "total" if facts.recorded else "instructions"
            jobs["instructions"] = self._job(kind, build, who, trace, events, **room)
        if build.counted and who[1] == measure.ALGORITHM:
            counting = (*who[:2], measure.executable(build.counted, who[0]), None)
            jobs["operations"] = self._job("operations", build, counting, trace, events, **room)
        return jobs

    def of_growth(self, folder):
        """Yields (live blocks, contestant, {kind: job or [jobs]}), of the first build."""
        os.makedirs(folder, exist_ok=True)
        build = self.builds[0]
        for live in self.options.live:
            trace = growth.kept_trace(folder, live)
            events = growth.event_count(live)
            for who in self.contestants[build]:
                if growth.left_out(who[0], live):
                    continue
                room = growth.pages_for(who[0], live)
                turns = 1 if events > LONG_REPLAY else GROWTH_TURNS
                jobs = {"replay": [self._job("replay", build, who, trace,
                                             events * GROWTH_PASSES, max_pages=room,
                                             passes=GROWTH_PASSES, turn=turn)
                                   for turn in range(turns)]}
                if self.options.instructions:
                    jobs["total"] = self._job("total", build, who, trace, events,
                                              max_pages=room)
                yield live, who, jobs


def _worst(summary, counts, operations):
    """The worst events with what else is known of them."""
    found = []
    for event in summary["worst"]:
        number = event["event"]
        done = operations.get(str(number), [0] * 5) if operations is not None else [None] * 5
        found.append(dict(event, instructions=counts[number - 1] if counts else None,
                          splits=done[2], joins=done[3], steps=done[4]))
    return found


def _best_turn(outcomes):
    """The outcome whose calls took the least time in all."""
    def spent(outcome):
        return sum(figures["count"] * figures["mean"]
                   for figures in outcome["summary"]["latency"].values()
                   if isinstance(figures, dict))
    return min(outcomes, key=spent)


def _replay(summary, outcomes, disturbed):
    """Over all turns: the least of all, each turn's least, and the median of these."""
    turns = [outcome["summary"]["replay"] for outcome in outcomes]
    each = [turn["min_s"] for turn in turns]
    least = min(each)
    events = summary["events"]
    return dict(turns[0], min_s=least,
                median_s=statistics.median(each), turns_s=each,
                disturbed_turns=disturbed,
                ns_per_event=least * 1e9 / events if events else 0,
                score=least * (1 + summary["penalty"]))


EXACT = ("pages", "peak_requested_bytes", "penalty", "memory")


def _add_counts(row, counts):
    row.instructions = counts.get("figures")
    row.instructions_failure = counts.get("failure")


def row_of(build, trace, who, jobs, outcomes, calm):
    """A measure.Row and what curves.json keeps of it."""
    name, kind, _, _ = who
    row = measure.Row(name, measure.trace_name(trace), kind=kind, page_size=build.page_size)
    memory = outcomes[jobs["memory"]]
    turns = [outcomes[job] for job in jobs.get("times", [])]
    row.failure = next((found["failure"] for found in (memory, *turns) if "failure" in found),
                       None)
    if row.failure is not None:
        return row, None
    row.summary = dict(memory["summary"])
    curves = {"series": memory["series"], "latency": None,
              "heapmap": memory.get("heapmap") and f"runs/{memory['heapmap']}"}
    counts = outcomes.get(jobs.get("instructions"), {})
    if not turns:
        _add_counts(row, counts)
        return row, curves
    # Turns during which the core was shared count only where there are no others.
    undisturbed = [turn for turn in turns if calm.holds(turn)]
    disturbed = len(turns) - len(undisturbed)
    turns = undisturbed or turns
    timed = _best_turn(turns)
    if kind == measure.ALGORITHM:
        for figure in EXACT:
            if timed["summary"][figure] != row.summary[figure]:
                row.summary = None
                row.failure = f"{figure} differs between two runs: it is not deterministic"
                return row, None
    row.summary.update({part: timed["summary"][part]
                        for part in ("timer", "latency", "worst")})
    row.summary["mode"] = "both"
    row.summary["replay"] = _replay(row.summary, turns, disturbed)
    _add_counts(row, counts)
    operations = outcomes.get(jobs.get("operations"), {}).get("operations")
    row.worst = _worst(row.summary, counts.get("per_event"), operations)
    curves["latency"] = timed["latency"]
    return row, curves


def growth_entry(live, who, jobs, outcomes):
    turns = [outcomes[job] for job in jobs["replay"]]
    entry = {"algorithm": who[0], "kind": who[1], "live": live, "events": None,
             "ns_per_event": None, "instructions_per_event": None, "peak_page_bytes": None,
             "peak_requested_bytes": None,
             "failure": next((turn["failure"] for turn in turns if "failure" in turn), None)}
    if entry["failure"] is None:
        summary = turns[0]["summary"]
        entry["events"] = summary["events"]
        entry["ns_per_event"] = min(turn["summary"]["replay"]["ns_per_event"] for turn in turns)
        if who[1] == measure.ALGORITHM:
            entry["peak_page_bytes"] = summary["peak_page_bytes"]
        entry["peak_requested_bytes"] = summary["peak_requested_bytes"]
        total = outcomes.get(jobs.get("total"), {})
        if total.get("calls"):
            entry["instructions_per_event"] = total["instructions"] / total["calls"]
    return entry


def traces_of(plan):
    """What is known of each trace, for the results."""
    return [{"trace": measure.trace_name(path), "recorded": facts.recorded,
             "events": facts.events, "lost": facts.lost, "about": facts.about}
            for path, facts in plan.facts.items()]


def correlations(rows):
    """Instructions against ns, over the rows of each workload and over all."""
    known = [row for row in rows if row.summary and row.instructions]
    groups = {**results.by_workload(known), (None, None): known}
    found = []
    for (trace, page_size), members in groups.items():
        entry = {"trace": trace, "page_size": page_size, "rows": len(members)}
        for call in ("malloc", "free"):
            entry[call] = instructions.rank_correlation(
                [row.instructions[call]["mean"] for row in members],
                [row.summary["latency"][call]["mean"] for row in members])
        found.append(entry)
    return found
