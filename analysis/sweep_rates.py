"""How long runs of a sweep take: from short runs done here, corrected by finished ones of the
sweep where there are some.

A run takes some time to begin and end, some for each event of its trace (to read it, and to read
what the run left), and some for each event that it replays; and for each of both some more where
more blocks are live than in the usual short run. The first is of a kind of run, the others are of
an algorithm, too.
"""

import collections
import contextlib
import dataclasses
import json
import statistics

import sweep_traces
from common import Refusal
from jobs import KINDS
from schedule import Estimate
from sweep_live import at, live_of, magnitude
from sweep_trial import (EVENTS_OF_OTHERS, LIVE, LONGEST, NEXT_TO_NOTHING, events_of,
                         growing_trace, replays, run_of, short_run, usual_events)

TIMES_TO_BEGIN = 3      # that a run of next to nothing is done
NOTICED = 0.01          # so much can be told of a short run's time

# Timed runs are on a trace about as long as the plan's: processors learn to foretell the branches
# of a short one, and sorting the times of many calls takes longer for each. Those of `times` are
# read by Python.
MOST_EVENTS = {"times": 200_000}
MOST_OF_OTHERS = 1_000_000
PART = 50               # at most one of so many of the plan's events for an algorithm
REPLAYED = 600_000      # events, about, in the passes of that run of two which has several
LEAST_PASSES = 3        # of it

# Live blocks of further short runs, of kinds that are timed or not: those that are not take most
# of their time beside the calls.
MORE_LIVE = {True: (100_000, 1_000_000), False: (100_000,)}
A_FEW = 5               # times as many as before are many more
WORTH = {True: 12, False: 30}   # times as long as they take those of which they tell
MORE_PATIENCE = 75      # seconds after which no further one of these is begun

ENOUGH, LONG_ENOUGH = 5, 1  # finished runs, or seconds of fewer, tell how long others take


@dataclasses.dataclass
class Rates:
    """Seconds of runs; of() is what an Estimate of schedule.py has. `who` is (kind, algorithm);
    finished runs correct what is told of a place, (kind, algorithm, magnitude of live blocks)."""
    start: dict         # {kind: seconds}
    per_event: dict     # {who: seconds for each event of its trace}
    per_replayed: dict  # {who: seconds for each event replayed}
    more: dict = dataclasses.field(default_factory=dict)   # {who: points: more seconds of both}
    guessed: set = dataclasses.field(default_factory=set)  # who: no short run could be done
    measured: set = dataclasses.field(default_factory=set)    # (*who, live blocks) of points
    factor: dict = dataclasses.field(default_factory=dict)    # {place: times as long}
    finished: dict = dataclasses.field(default_factory=dict)  # {place: runs that told it}

    def seconds(self, kind, algorithm, runs, events, weight, live=None):
        """Of so many runs, with so many events in all their traces."""
        who = kind, algorithm
        more = at(self.more.get(who, ()), live or LIVE)
        return self.factor.get((*who, magnitude(live)), 1) * (
            runs * self.start[kind] + events * (self.per_event[who] + more) +
            weight * (self.per_replayed[who] + more))

    def of(self, run):
        return self.seconds(run.kind, run.algorithm, 1, events_of(run), run.weight,
                            live_of(run.source))

    def most_live(self, who):
        """Of the short runs."""
        return self.more[who][-1][0] if who in self.more else LIVE

    def correct(self, finished):
        """`finished`: see of_finished."""
        for place, some in finished.items():
            told = sum(self.seconds(*place[:2], its.runs, its.events, its.weight, its.live)
                       for its in some)
            self.factor[place] = sum(its.seconds for its in some) / told
            self.finished[place] = sum(its.runs for its in some)


# ---- finished runs

Finished = collections.namedtuple("Finished", "runs seconds events weight live")


def of_finished(database):
    """{place: [Finished of traces that differ only in their seeds]}"""
    found = collections.defaultdict(list)
    for row in database.spent():
        with contextlib.suppress(OSError, Refusal):  # a file that is gone
            live = live_of(sweep_traces.from_json(json.loads(row["source"])))
            found[row["kind"], row["algorithm"], magnitude(live)].append(Finished(
                row["runs"], row["seconds"], row["weight_of_a_pass"] / replays(row["kind"]),
                row["weight"], live))
    return {place: some for place, some in found.items() if
            sum(its.runs for its in some) >= ENOUGH or
            sum(its.seconds for its in some) >= LONG_ENOUGH}


# ---- short runs

def representatives(runs):
    """{(kind, algorithm): a run}"""
    found = {}
    for run in runs:
        found.setdefault((run.kind, run.algorithm), run)
    return found


def _begin(trial, each):
    """{kind: seconds to begin and end}"""
    firsts = {kind: run for (kind, _), run in reversed(each.items())}
    took = trial.do([short_run(run, NEXT_TO_NOTHING, number=number)
                     for run in firsts.values() for number in range(TIMES_TO_BEGIN)])
    found = collections.defaultdict(list)
    for run, seconds in took.items():
        found[run.key.partition("-")[0]].append(seconds)
    return {kind: statistics.median(found[kind]) if kind in found else Estimate.START
            for kind in firsts}


def _lengths(runs, each):
    """{kind: events of a trace} of those that are timed."""
    count, events = collections.Counter(), collections.Counter()
    for run in runs:
        count[run.kind] += 1
        events[run.kind] += events_of(run)
    algorithms = collections.Counter(kind for kind, _ in each)
    found = {}
    for kind in (kind for kind in algorithms if KINDS[kind].timed):
        usual = min(events[kind] / count[kind], events[kind] / algorithms[kind] / PART)
        most = MOST_EVENTS.get(kind, MOST_OF_OTHERS)
        found[kind] = 2 * round(min(most, max(EVENTS_OF_OTHERS, usual)) / 2)
    return found


def measure(runs, trial):
    """The Rates of what is among `runs`, as with LIVE blocks."""
    each = representatives(runs)
    lengths, rates = _lengths(runs, each), Rates(_begin(trial, each), {}, {})
    once = {who: short_run(run, lengths.get(who[0], usual_events(who[0])))
            for who, run in each.items()}
    often = {who: short_run(run, lengths[who[0]], max(LEAST_PASSES, REPLAYED // lengths[who[0]]))
             for who, run in each.items() if run.timed}
    took = trial.do([*once.values(), *often.values()])
    for who, run in once.items():
        if run in took:
            _learn(rates, who, run, often.get(who), took)
    _guess(rates, each)
    return rates


def _learn(rates, who, once, often, took):
    """From a run with one pass and a run with several. What is not timed replays a trace once:
    what each of its events takes is not told apart."""
    spent, last = took[once] - rates.start[who[0]], often if often in took else once
    least = NOTICED * took[last] / last.weight
    of_event = 0
    if last is often:
        replayed = max(least, (took[often] - took[once]) / (often.weight - once.weight))
        of_event = max(0, spent - replayed * once.weight) / events_of(once)
    rates.per_event[who] = of_event
    rates.per_replayed[who] = max(least, (spent - of_event * events_of(once)) / once.weight)


def _guess(rates, each):
    """What could not be measured is as the others of its kind are."""
    measured = set(rates.per_replayed)
    for who in each.keys() - measured:
        others = [other for other in measured if other[0] == who[0]]
        rates.per_event[who] = statistics.median(map(rates.per_event.get, others)) \
            if others else 0
        rates.per_replayed[who] = statistics.median(map(rates.per_replayed.get, others)) \
            if others else 1 / KINDS[who[0]].rate
        rates.guessed.add(who)


# ---- more live blocks

def _loads(runs):
    """{who: {live blocks: [runs, events of their traces, events replayed]}}"""
    found = collections.defaultdict(dict)
    for run in runs:
        live = live_of(run.source)
        if live is not None:
            sums = found[run.kind, run.algorithm].setdefault(live, [0, 0, 0])
            for number, one in enumerate((1, events_of(run), run.weight)):
                sums[number] += one
    return found


def _longer(rates, run, loads, most):
    """A short run with as many live blocks as some run of the plan has, or with `most`; None
    where that is no more than a few times as many as before."""
    live = min(most, max(loads, default=0))
    many = live >= A_FEW * rates.most_live((run.kind, run.algorithm))
    return run_of(run, growing_trace(live), 1, live) if many else None


def _worth(rates, wanted, loads):
    """Those of `wanted` that are not too long, of kinds where they are worth their time."""
    short, cost, told = set(), collections.Counter(), collections.Counter()
    for who, run in wanted.items():
        seconds = rates.seconds(*who, 1, events_of(run), run.weight, live_of(run.source))
        if seconds <= LONGEST / 2:
            short.add(who)
            cost[who[0]] += seconds
            told[who[0]] += sum(rates.seconds(*who, *sums, live)
                                for live, sums in loads[who].items() if live > rates.most_live(who))
    return {who: run for who, run in wanted.items() if who in short and
            told[who[0]] >= WORTH[KINDS[who[0]].timed] * cost[who[0]]}


def measure_more(rates, runs, trial):
    """The same where the plan has runs with many more live blocks."""
    loads = _loads(runs)
    left = {who: run for who, run in representatives(runs).items() if who not in rates.guessed}
    trial.patience = MORE_PATIENCE
    for number in range(max(map(len, MORE_LIVE.values()))):
        wanted = {who: longer for who, run in left.items() if number < len(MORE_LIVE[run.timed])
                  and (longer := _longer(rates, run, loads[who], MORE_LIVE[run.timed][number]))}
        wanted = _worth(rates, wanted, loads)
        _learn_more(rates, wanted, trial.do(list(wanted.values())))
        left = {who: left[who] for who in wanted}


def _learn_more(rates, wanted, took):
    """What could not be measured takes as much more as the others of its kind."""
    found = {}
    for who, run in wanted.items():
        if run in took:
            events = events_of(run)
            told = rates.seconds(*who, 1, events, run.weight, LIVE)
            found[who] = max(0, took[run] - told) / (events + run.weight)
            rates.measured.add((*who, live_of(run.source)))
    for who, run in wanted.items():
        others = [seconds for other, seconds in found.items() if other[0] == who[0]]
        if others:
            rates.more.setdefault(who, [(LIVE, 0)]).append(
                (live_of(run.source), found.get(who, statistics.median(others))))
