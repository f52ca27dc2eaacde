"""The results of analysis/metal: metal.json, and the tables of instructions for each call."""

import dataclasses

import tables
from common import results_file
from measure import Row
from tables import Column

FORMAT = 1
NAME = "metal.json"

# Where calls are counted: on the machines, and beside each the driver of its word size under
# callgrind. In the order of the tables, with their headings there.
PLACES = {"x86": "x86", "callgrind-32": "callgrind\n32", "riscv": "riscv64",
          "callgrind-64": "callgrind\n64"}
CALLS = ("malloc", "free")
FORMS = {"mean": "{:.1f}", "worst": "{:,d}"}

DOC_TRACE = "kernel-processes"  # the one that DOC's tables are about


@dataclasses.dataclass
class CountRow:
    """The calls of one trace with one algorithm in one place. Of each call {"calls", "mean",
    "worst", "worst_event"}; the mean has two digits behind the point, as the kernel prints it."""
    algorithm: str
    trace: str
    place: str
    failure: str = None
    malloc: dict = None
    free: dict = None

    def calls(self):
        return [getattr(self, call)["calls"] for call in CALLS]

    def fail(self, why):
        self.failure, self.malloc, self.free = why, None, None


# ---- the file

def load(path):
    """The content of metal.json with its rows as CountRow."""
    with results_file(path, "analysis/metal", FORMAT) as found:
        found["rows"] = [CountRow(**row) for row in found["rows"]]
        for row in found["rows"]:
            if row.place not in PLACES:
                raise ValueError
            if row.failure is None:
                (row.calls(), [getattr(row, call)[name] for call in CALLS for name in FORMS])
        return found


# ---- tables: a line an algorithm, a column a place

def _cell(place, call, figure):
    """A function that takes {place: row} to '93.1', 'failed', or '-' where nothing was counted."""
    def text(rows):
        row = rows.get(place)
        if row is None:
            return "-"
        if row.failure is not None:
            return "failed"
        value = getattr(row, call)[figure]
        return "-" if value is None else FORMS[figure].format(value)
    return text


def columns(rows, figure):
    """Of all places where something was counted."""
    known = {row.place for row in rows}
    return [Column(f"{call}\n{heading}", _cell(place, call, figure), "{}", tables.MEMORY)
            for call in CALLS for place, heading in PLACES.items() if place in known]


def _sum_of_means(row):
    return sum(getattr(row, call)["mean"] or 0 for call in CALLS)


def by_mean(rows):
    """[Row with {place: row}] of one trace: the least instructions first for malloc and free
    together, in the first place of PLACES where something was counted; then what failed there."""
    found = {}
    for row in rows:
        found.setdefault(row.algorithm, {})[row.place] = row
    first = next(place for place in PLACES if any(row.place == place for row in rows))

    def key(one):
        row = one.summary.get(first)
        failed = row is None or row.failure is not None
        return failed, 0 if failed else _sum_of_means(row)
    return sorted((Row(name, rows[0].trace, places) for name, places in found.items()), key=key)


def text_table(rows, figure):
    return tables.text_table(columns(rows, figure), by_mean(rows))


def markdown(rows, figure):
    return tables.markdown_table(columns(rows, figure), by_mean(rows))


def doc_tables(found):
    """{figure: lines}; nothing where DOC's trace was not counted."""
    rows = [row for row in found["rows"] if row.trace == DOC_TRACE]
    return {figure: markdown(rows, figure) for figure in FORMS} if rows else {}
