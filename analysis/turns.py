"""Executables that take turns on a trace, A B C A B C ..., so that whatever else the machine
does falls on all of them; and ratios of their times, each within a round."""

import collections
import os

import measure

REFERENCE = "libc"  # whose times the others' are told as a part of

Contestant = collections.namedtuple("Contestant", "program preload")
Timing = collections.namedtuple("Timing", "rounds summary failure")


def take_turns(contestants, trace, rounds, passes, max_pages, scratch, progress):
    """{name: Timing}, with ns per event of each round; who fails once is out.
    `contestants`: {name: Contestant}; `max_pages`: a function of the name."""
    nanoseconds = {name: [] for name in contestants}
    last, failures = {}, {}
    for number in range(rounds):
        for name, (program, preload) in contestants.items():
            progress.step(f"kma_{name} {measure.trace_name(trace)}, round {number + 1}")
            if name in failures:
                continue
            summary, failure = measure.run(
                program, trace,
                ["--competition", "--passes", str(passes), "--max-pages", str(max_pages(name))],
                os.path.join(scratch, "json"), preload=preload)
            if failure is not None:
                failures[name] = failure
                continue
            nanoseconds[name].append(summary["replay"]["ns_per_event"])
            last[name] = summary
    return {name: Timing(nanoseconds[name], last.get(name), failures.get(name))
            for name in contestants}


def ratios(timing, reference):
    if timing.failure is not None or reference.failure is not None:
        return []
    return [mine / theirs for mine, theirs in zip(timing.rounds, reference.rounds) if theirs > 0]
