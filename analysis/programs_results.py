"""The results of analysis/programs: programs.json, ratios, targets and tables."""

import dataclasses
import math
import statistics

import tables
from common import Refusal, results_file
from measure import ALGORITHM, Row
from tables import Column

FORMAT = 1
NAME = "programs.json"

LIBC = "libc"  # whose runs the others are divided by

# What is aimed at: no program takes longer than this with these algorithms; no program
# holds more than this with the best of all algorithms.
FAST, MOST_TIME, MOST_PEAK = ("slab", "tlsf", "mck2"), 1.5, 1.1

FIGURES = {"wall": "wall_s", "cpu": "cpu_s", "peak": "peak_bytes"}


@dataclasses.dataclass
class ProgramRow:
    """One program with one allocator. The lists have a value for each round, the first ones
    where what takes long was run in fewer."""
    program: str
    algorithm: str
    kind: str
    failure: str = None
    wall_s: list = dataclasses.field(default_factory=list)
    cpu_s: list = dataclasses.field(default_factory=list)
    peak_bytes: list = dataclasses.field(default_factory=list)
    wall_ratio: float = None
    cpu_ratio: float = None
    peak_ratio: float = None
    wall_least_ratio: float = None

    def add(self, run):
        self.wall_s.append(run.wall)
        self.cpu_s.append(run.cpu)
        self.peak_bytes.append(run.peak)

    def fail(self, why):
        self.failure = why
        self.wall_s, self.cpu_s, self.peak_bytes = [], [], []

    def median(self, figure):
        return statistics.median(getattr(self, FIGURES[figure]))

    def ratio(self, figure):
        return getattr(self, f"{figure}_ratio")

    def compare(self, libc):
        """Round by round: what disturbs one round disturbs both."""
        for figure, name in FIGURES.items():
            pairs = list(zip(getattr(self, name), getattr(libc, name)))
            good = pairs and all(other > 0 for _, other in pairs)
            setattr(self, f"{figure}_ratio",
                    round(statistics.median(one / other for one, other in pairs), 4)
                    if good else None)
        self.wall_least_ratio = None
        if self.wall_ratio is not None:
            self.wall_least_ratio = round(min(self.wall_s) / min(libc.wall_s), 4)


def by_program(rows):
    """{program: {algorithm: its row}}, in the order of the rows."""
    found = {}
    for row in rows:
        found.setdefault(row.program, {})[row.algorithm] = row
    return found


def algorithms(rows):
    return list(dict.fromkeys(row.algorithm for row in rows))


# ---- the file

def plain(found):
    return dict(found, rows=[dataclasses.asdict(row) for row in found["rows"]])


def load(path):
    """The content of programs.json with its rows as ProgramRow."""
    with results_file(path, "analysis/programs", FORMAT) as found:
        found["rows"] = [ProgramRow(**row) for row in found["rows"]]
        (found["machine"]["cpu"], found["build"]["flags"], found["date"])
        (found["settings"]["rounds"], found["settings"]["quick"], found["settings"]["pages"])
        for one in found["programs"]:
            (one["program"], one["about"], one["skipped"], one["instead_of"])
        known = {one["program"] for one in found["programs"]}
        for row in found["rows"]:
            if row.failure is None and not (row.wall_s and row.cpu_s and row.peak_bytes):
                raise Refusal(f"{path}: {row.program} with {row.algorithm} has neither figures "
                              "nor a failure")
            if row.program not in known:
                raise Refusal(f"{path}: {row.program} is not in its list of programs")
        return found


# ---- targets

@dataclasses.dataclass(frozen=True)
class Missed:
    program: str
    algorithm: str
    figure: str
    ratio: float

    def __str__(self):
        if self.figure == "peak":
            return (f"{self.program}: the least peak is {self.algorithm}'s, {self.ratio:.2f} of "
                    f"glibc's; aimed at: {MOST_PEAK:.2f} with one algorithm at least")
        return (f"{self.program}: {self.algorithm} takes {self.ratio:.2f} of glibc's time; aimed "
                f"at: {MOST_TIME:.2f}")


def least_peak(rows):
    """The row of the algorithm that holds least of those of one program, or None."""
    known = [row for row in rows if row.kind == ALGORITHM and row.peak_ratio is not None]
    return min(known, key=lambda row: row.peak_ratio, default=None)


def missed(rows):
    """Of times, only what is missed by the least one too: not even once was it reached."""
    found = [Missed(row.program, row.algorithm, "wall", row.wall_ratio) for row in rows
             if row.algorithm in FAST and row.wall_ratio is not None and
             min(row.wall_ratio, row.wall_least_ratio) > MOST_TIME]
    for program, members in by_program(rows).items():
        best = least_peak(members.values())
        if best is not None and best.peak_ratio > MOST_PEAK:
            found.append(Missed(program, best.algorithm, "peak", best.peak_ratio))
    return found


# ---- over all programs

def mean(ratios):
    """Of ratios: half the time in one and twice the time in another is 1."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def kinds(found):
    """{allocator: kind}; `found` may be None."""
    return {row.algorithm: row.kind for row in found["rows"]} if found else {}


def points(found):
    """One for each allocator that has passed with every program; `found` may be None."""
    known = []
    for name in kinds(found):
        rows = [row for row in found["rows"] if row.algorithm == name]
        if all(row.wall_ratio and row.peak_ratio for row in rows):
            times, peaks = [row.wall_ratio for row in rows], [row.peak_ratio for row in rows]
            known.append({"algorithm": name, "time": round(mean(times), 4),
                          "peak": round(mean(peaks), 4), "worst_time": max(times),
                          "worst_peak": max(peaks)})
    return known


# ---- tables: a line a program, a column an allocator

UNITS = {"wall": (1, "s", "{:.2f}"), "cpu": (1, "s", "{:.2f}"), "peak": (2**20, "MiB", "{:.1f}")}


def cell(row, figure, marked=()):
    """'1.07', '1.62!' where a target is missed, 'failed', or '-'."""
    if row is None or (row.failure is None and row.ratio(figure) is None):
        return "-"
    if row.failure is not None:
        return "failed"
    return f"{row.ratio(figure):.2f}" + ("!" if (row.program, row.algorithm) in marked else "")


def cells(rows, figure):
    """(headings, lines): the program, what glibc takes, the others' part of that."""
    divisor, unit, form = UNITS[figure]
    others = [name for name in algorithms(rows) if name != LIBC]
    marked = {(one.program, one.algorithm) for one in missed(rows) if one.figure == figure}
    lines = []
    for program, members in by_program(rows).items():
        libc = members.get(LIBC)
        known = libc is not None and libc.failure is None
        lines.append([program, form.format(libc.median(figure) / divisor) if known else "-",
                      *(cell(members.get(name), figure, marked) for name in others)])
    return ["program", f"{LIBC} {unit}", *others], lines


def markdown(rows, figure):
    return tables.markdown(*cells(rows, figure))


def text_table(rows, figure):
    headings, lines = cells(rows, figure)
    columns = [Column(heading.replace(" ", "\n").replace("_", "_\n"),
                      lambda line, n=number: line[n], "{}", tables.TIME)
               for number, heading in enumerate(headings) if number]
    return tables.text_table(columns, [Row(line[0], None, line) for line in lines],
                             first=headings[0])
