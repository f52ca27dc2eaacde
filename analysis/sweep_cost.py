"""What a sweep would take: `analysis/sweep PLAN --dry-run`. Nothing of it is done, but for short
runs in a folder that is removed: they tell how fast this machine is (sweep_rates.py) and how many
bytes there will be (sweep_sizes.py)."""

import collections
import dataclasses
import os
import tempfile
import textwrap

import sweep_cost_text
import sweep_db
import sweep_folder
import sweep_jobs
import sweep_rates
import sweep_sizes
import sweep_traces
from common import counted
from sweep_live import live_of, magnitude
from sweep_trial import Trial, events_of

WIDTH = 100  # of the text, in columns


def finished_of(folder):
    """(keys of runs that are finished, what they tell of rates) of a sweep in that folder."""
    path = sweep_folder.database_of(folder)
    if not sweep_db.begun(path):
        return set(), {}
    with sweep_db.Database(path) as database:
        return database.ever_finished(), sweep_rates.of_finished(database)


# ---- sums

Alike = collections.namedtuple("Alike", "part kind algorithm events replayed live")


def alike(runs):
    """{Alike: runs}: there may be a million runs, but few lengths of them."""
    return collections.Counter(Alike(run.part, run.kind, run.algorithm, events_of(run),
                                     run.weight, live_of(run.source)) for run in runs)


def by_part(groups, rates):
    """{(part, kind): Cells}, in the order of the plan."""
    found = collections.defaultdict(sweep_cost_text.Cells)
    for its, runs in groups.items():
        found[its.part, its.kind].add(runs, runs * its.replayed, rates.seconds(
            its.kind, its.algorithm, runs, runs * its.events, runs * its.replayed, its.live))
    return dict(sorted(found.items(), key=lambda pair: pair[0][0]))


def database_bytes(groups, of_kinds):
    return sum(runs * of_kinds[its.kind](its.events) for its, runs in groups.items())


@dataclasses.dataclass(frozen=True)
class Traces:
    """Bytes of what is made and of files; `read` is by all runs together."""
    made: float
    files: float
    read: float
    seconds: float  # to make them
    alone: float    # of these: for timed runs, which are not done side by side


def traces_of(runs, makers):
    times = collections.Counter(run.source for run in runs)
    sizes = {source: os.path.getsize(source.path) if source.path else
             makers[source.generator].size(source) for source in times}
    made = {source: makers[source.generator].seconds * sweep_traces.facts(source).events
            for source in times if source.path is None}
    untimed = {run.source for run in runs if not run.timed}
    return Traces(sum(sizes[source] for source in made),
                  sum(size for source, size in sizes.items() if source.path),
                  sum(sizes[source] * count for source, count in times.items()),
                  sum(made.values()),
                  sum(seconds for source, seconds in made.items() if source not in untimed))


def largest(runs, memory):
    """(bytes, run) of the untimed run that takes most memory, and of the timed one."""
    found, facts, met = {}, {}, set()
    for run in runs:
        like = run.kind, run.algorithm, run.source.family, run.page_size
        if like in met:  # seeds change little
            continue
        met.add(like)
        if run.source not in facts:
            facts[run.source] = sweep_traces.facts(run.source)
        takes = memory.of(run, facts[run.source])
        if takes > found.get(run.timed, (0,))[0]:
            found[run.timed] = takes, run
    return found


# ---- all of it

def _scratch(groups, per_event):
    return max((its.events * per_event[its.kind] for its in groups), default=0)


def examples(runs, rates):
    """{kind: a run}, one that can be done here where there is one."""
    found = {}
    for who, run in sweep_rates.representatives(runs).items():
        before = found.get(run.kind)
        if before is None or ((before.kind, before.algorithm) in rates.guessed and
                              who not in rates.guessed):
            found[run.kind] = run
    return found


def estimate(plan, runs, known, folder, options):
    """The lines about these runs."""
    with tempfile.TemporaryDirectory(prefix="kma-sweep-") as scratch:
        with Trial(scratch, sweep_jobs.need_generate(plan), options.jobs) as trial:
            rates = sweep_rates.measure(runs, trial)
            some = examples(runs, rates)
            of_kinds, empty = sweep_sizes.database(trial, some)
            per_event, python = sweep_sizes.of_runs(trial, some)
            memory = sweep_sizes.memory(trial, sweep_sizes.usual(runs), python)
            makers = sweep_sizes.makers(trial, dict.fromkeys(run.source for run in runs))
            sweep_rates.measure_more(rates, runs, trial)
    groups = alike(runs)
    places = {(its.kind, its.algorithm, magnitude(its.live)) for its in groups}
    rates.correct({place: some for place, some in known.items() if place in places})
    parts, traces = by_part(groups, rates), traces_of(runs, makers)
    stored = {curves: empty + database_bytes(groups, of_kinds[curves]) for curves in of_kinds}
    return [*sweep_cost_text.table(parts), "", *sweep_cost_text.about_rates(rates, folder),
            *sweep_cost_text.about_time(parts, traces, options.jobs),
            sweep_cost_text.about_cluster(runs, rates, options),
            *sweep_cost_text.about_bytes(traces, stored, plan.curves,
                                         _scratch(groups, per_event), options.stage),
            *sweep_cost_text.about_memory(largest(runs, memory), options.jobs),
            sweep_cost_text.about_unknown(groups, rates)]


def dry_run(plan, runs, options, folder):
    finished, known = finished_of(folder)
    left = [run for run in runs if run.key not in finished]
    print(f"{plan.path}: {counted(len(runs), 'run')}" + (
        f", of which {len(runs) - len(left):,} are finished in {folder}; what is left:"
        if len(left) < len(runs) else ""))
    if left:
        for line in estimate(plan, left, known, folder, options):
            print("\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="  ",
                                          break_long_words=False)) if len(line) > WIDTH else line)
    return 0
