"""What claims are judged by: for an algorithm on a workload, operations counted by the
algorithm itself, instructions, memory. Times are taken as well, but decide nothing."""

import collections
import dataclasses
import os
import statistics
import tempfile

import instructions
import measure
import steady

SEED = 1989

ABOUT_STEADY = """Beside the traces there are steady states: so many blocks are live; {exchanges:,} times a
random one of them is freed and another is requested. Their sizes are 8 to 511 bytes,
every ratio of sizes equally likely; in "one size" all are of 64 bytes; in "powers of two"
16 to 4,096 bytes, each power equally likely."""


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    path: str
    live: int = 0  # of a steady state


@dataclasses.dataclass
class Facts:
    """Of all calls together; the frees of what a trace leaves are not among operations."""
    calls: int
    splits: int
    joins: int
    steps: int
    most_joins: int  # in one free
    most_steps: int  # in one free
    instructions: float  # per call
    summary: dict        # of the driver

    @property
    def per_call(self):
        """Splits and joins."""
        return (self.splits + self.joins) / self.calls

    @property
    def steps_per_call(self):
        return self.steps / self.calls

    def waste(self, part):
        """internal or external, of the page bytes over the trace."""
        memory = self.summary["memory"]["mean"]
        return memory[part] / memory["page_bytes"]

    @property
    def block_bytes(self):
        """Bytes of the blocks for each byte requested."""
        memory = self.summary["memory"]["mean"]
        return 1 + memory["internal"] / memory["requested"]

    @property
    def utilization(self):
        return self.summary["utilization_mean"]


Race = collections.namedtuple("Race", "ours theirs workload")

LIVE = (4, 16, 64, 1024)


def steady_states(folder, exchanges):
    """{name: Workload}. Few live blocks change often, and coalescing is frequent."""
    kinds = [(f"steady, {live:,} live", live, steady.even_ratios(8, 512)) for live in LIVE]
    kinds += [("one size, 64 live", 64, lambda rand: 64),
              ("powers of two, 1,000 live", 1000, steady.powers(4, 12))]
    for number, (name, live, size) in enumerate(kinds):
        path = os.path.join(folder, f"steady-{number}.trace")
        steady.write_trace(path, live, exchanges, size, SEED + number)
        yield Workload(name, path, live)


class Laboratory:
    def __init__(self, folder, counted, scratch):
        self.folder = folder
        self.counted = counted
        self.scratch = scratch

    def _operations(self, algorithm, workload, folder):
        """Sums over the calls, and the most of one free; or why there are none."""
        path = os.path.join(folder, "operations")
        failure = measure.launch(measure.executable(self.counted, algorithm), [
            "--competition", "--operations", path, "--max-pages", str(measure.MAX_PAGES),
            workload.path])
        if failure is not None:
            return None, failure
        sums, most, calls = [0, 0, 0], [0, 0, 0], 0
        with open(path, encoding="ascii") as file:
            for line in file:
                _, command, _, _, _, *counts = line.split()
                if "-" in counts:
                    return None, f"kma_{algorithm} in {self.counted} is built without COUNTED=1"
                counts = [int(count) for count in counts]
                sums = list(map(sum, zip(sums, counts)))
                calls += 1
                if command == "FREE":
                    most = list(map(max, zip(most, counts)))
        return (calls, *sums, *most[1:]), None

    def examine(self, algorithm, workload):
        """(Facts, None) or (None, why)."""
        program = measure.executable(self.folder, algorithm)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            operations, failure = self._operations(algorithm, workload, folder)
            if failure is None:
                total, failure = instructions.total(program, workload.path, folder)
            if failure is None:
                summary, failure = measure.run(
                    program, workload.path, ["--competition", "--passes", "1", "--max-pages",
                                             str(measure.MAX_PAGES)],
                    os.path.join(folder, "json"))
        if failure is not None:
            return None, failure
        return Facts(*operations, total[0] / total[1], summary), None

    def _seconds(self, algorithm, workload, passes):
        summary, failure = measure.run(
            measure.executable(self.folder, algorithm), workload.path,
            ["--competition", "--passes", str(passes), "--max-pages", str(measure.MAX_PAGES)],
            os.path.join(self.scratch, "json"))
        return None if failure else summary["replay"]["min_s"]

    def race(self, race, rounds, passes=5):
        """Our time over theirs, round by round: (median, least, most), or None."""
        ratios = []
        for _ in range(rounds):
            ours, theirs = (self._seconds(algorithm, race.workload, passes)
                            for algorithm in (race.ours, race.theirs))
            if not ours or not theirs:
                return None
            ratios.append(ours / theirs)
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None
