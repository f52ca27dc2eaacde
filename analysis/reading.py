"""How fast the driver reads traces, compact and text, beside a replay with an allocator that
does nothing: whether reading holds up what is measured.

The traces are made by capture/generate; kma_nothing, which has no other use, reads them.
"""

import dataclasses
import os

import measure

EVENTS, QUICK_EVENTS = 10_000_000, 500_000
VERSION = 1  # of what capture/generate makes: a trace kept from an older one is not used

PROGRAM = "nothing"

# What the reading of each kind is meant to reach, on one core.
COMPACT_EVENTS_PER_SECOND = 50e6
TEXT_BYTES_PER_SECOND = 400e6


@dataclasses.dataclass
class Speed:
    name: str
    events: int
    bytes: int  # of the file
    seconds: float

    @property
    def ns_per_event(self):
        return self.seconds * 1e9 / self.events

    @property
    def events_per_second(self):
        return self.events / self.seconds

    @property
    def bytes_per_second(self):
        return self.bytes / self.seconds

    @property
    def target_text(self):
        if self.name == "compact":
            return f"{COMPACT_EVENTS_PER_SECOND / 1e6:.0f} million events/s"
        return f"{TEXT_BYTES_PER_SECOND / 1e6:.0f} MB/s"

    @property
    def is_met(self):
        if self.name == "compact":
            return self.events_per_second >= COMPACT_EVENTS_PER_SECOND
        return self.bytes_per_second >= TEXT_BYTES_PER_SECOND


@dataclasses.dataclass
class Reading:
    speeds: list = dataclasses.field(default_factory=list)
    replay_ns_per_event: float = None
    failure: str = None

    def as_json(self):
        return {"failure": self.failure, "replay_ns_per_event": self.replay_ns_per_event,
                "traces": {speed.name: {"events": speed.events, "bytes": speed.bytes,
                                        "seconds": speed.seconds} for speed in self.speeds}}


KINDS = (("compact", "ktr"), ("text", "trace"))


class NotTimed(Exception):
    """Why."""


def steps(rounds):
    return len(KINDS) * (1 + rounds) + rounds


def _kept_trace(generate, folder, events, ending):
    path = os.path.join(folder, f"read-{VERSION}-{events}.{ending}")
    if not os.path.exists(path):
        failure = measure.launch(generate, ["--events", str(events), "-o", path])
        if failure is not None:
            raise NotTimed(failure)
    return path


class _Timing:
    def __init__(self, programs, folder, events, rounds, scratch, progress):
        self.generate = os.path.join(programs, "capture", "generate")
        self.program = measure.executable(programs, PROGRAM)
        self.folder, self.events, self.rounds = folder, events, rounds
        self.json = os.path.join(scratch, "json")
        self.progress = progress
        missing = [os.path.basename(path) for path in (self.generate, self.program)
                   if not os.path.exists(path)]
        if missing:
            raise NotTimed(f"not built: {', '.join(missing)}")

    def trace(self, name, ending):
        self.progress.step(f"{name} trace of {self.events:,} events")
        return _kept_trace(self.generate, self.folder, self.events, ending)

    def runs(self, label, trace, options):
        """What each round has left."""
        for number in range(self.rounds):
            self.progress.step(f"{label}, round {number + 1}")
            found, failure = measure.run(self.program, trace, options, self.json)
            if failure is not None:
                raise NotTimed(failure)
            yield found

    def all(self):
        traces = {name: self.trace(name, ending) for name, ending in KINDS}
        speeds = []
        for name, trace in traces.items():
            best = min(self.runs(f"reading {name}", trace, ["--read"]),
                       key=lambda found: found["seconds"])
            speeds.append(Speed(name, best["events"], best["bytes"], best["seconds"]))
        replays = self.runs(f"kma_{PROGRAM}", traces["compact"],
                            ["--competition", "--passes", "1"])
        return Reading(speeds, min(found["replay"]["ns_per_event"] for found in replays))


def take_rounds(programs, folder, events, rounds, scratch, progress):
    """A Reading. `programs`, `folder`: where executables are and where traces are kept."""
    try:
        return _Timing(programs, folder, events, rounds, scratch, progress).all()
    except NotTimed as why:
        return Reading(failure=str(why))
