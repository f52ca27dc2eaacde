"""Where everybody stands on a trace: algorithms and references take turns on it, then each
reference's penalty is told from its resident set, in a run of its own."""

import os
import statistics

import measure
import references
from common import Refusal
from plan import contestants, pages_for, passes_for
from standings import Standing
from turns import REFERENCE, Contestant, ratios, take_turns


def need_reference(folder):
    """The path of kma_libc there."""
    libc = measure.executable(folder, REFERENCE)
    if not os.path.exists(libc):
        raise Refusal(f"{libc}: not built, and times are told as a part of its")
    return libc


class Laboratory:
    def __init__(self, folder, algorithms, scratch, progress):
        """The executables are in `folder`."""
        self.scratch, self.progress = scratch, progress
        found = contestants(folder, algorithms)
        self.kinds = {name: kind for name, kind, _, _ in found}
        self.who = {name: Contestant(program, library) for name, _, program, library in found}
        self.word = references.word_bytes(self.who[REFERENCE].program)

    @property
    def references(self):
        return [name for name, kind in self.kinds.items() if kind == measure.REFERENCE]

    def steps(self, rounds):
        """Of progress, on each trace."""
        return rounds * len(self.who) + len(self.references)

    def _resident_penalty(self, name, trace, room):
        """(penalty, None) or (None, why not). The data file is not looked at, but what is
        resident depends on it a little: so the figure is that of a comparison."""
        self.progress.step(f"kma_{name} {measure.trace_name(trace)}, its resident set")
        program, library = self.who[name]
        summary, failure = measure.run(
            program, trace, ["--output", os.path.join(self.scratch, "data"), "--resident",
                             "--passes", "1", "--max-pages", str(room)],
            os.path.join(self.scratch, "json"), preload=library)
        return (None, failure) if failure else (summary["penalty"], None)

    def _standing(self, name, trace, room, timings):
        """(Standing, None) or (None, why there is none)."""
        timing, kind = timings[name], self.kinds[name]
        if timing.failure is not None:
            return None, timing.failure
        penalty, failure = (self._resident_penalty(name, trace, room) if name in self.references
                            else (timing.summary["penalty"], None))
        if failure is not None:
            return None, failure
        times = ratios(timing, timings[REFERENCE])
        if not times or min(times) <= 0 or penalty <= -1:
            return None, "no time or no memory that could be told"
        return Standing(name, kind, statistics.median(times), penalty), None

    def examine(self, trace, facts, rounds, passes):
        """({name: turns.Timing}, [Standing], {name: why it has none})."""
        room = pages_for(facts)
        timings = take_turns(self.who, trace, rounds, passes_for(facts, passes),
                             lambda name: room, self.scratch, self.progress)
        if timings[REFERENCE].failure is not None:
            raise Refusal(f"kma_{REFERENCE} on {trace}: {timings[REFERENCE].failure}")
        found = {one: self._standing(one, trace, room, timings) for one in self.who}
        return (timings, [standing for standing, _ in found.values() if standing],
                {one: why for one, (_, why) in found.items() if why is not None})
