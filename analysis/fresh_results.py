"""The results of analysis/fresh: how the entrant of the competition stands, and fresh.json."""

import dataclasses
import statistics

import tables
from common import results_file
from fresh_plan import PLAN
from measure import ALGORITHM, REFERENCE
from standings import best, geometric_mean
from turns import ratios

FORMAT = 1
NAME = "fresh.json"
ALL = "all"  # of the means

PLANNED = {made.name for made in PLAN}


@dataclasses.dataclass(frozen=True)
class Entry:
    """The entrant on a trace, or over several."""
    penalty: float
    time: float             # as a part of glibc's
    score: float
    fastest: str            # reference; None over several traces: on each it may be another
    time_to_fastest: float
    next: str = None        # best algorithm but for the entrant, if there is another
    next_score: float = None

    @property
    def to_next(self):
        """Below 1 the entrant is ahead."""
        return self.score / self.next_score if self.next_score else None


def entry_of(entrant, standings, fastest, time_to_fastest):
    mine = next(one for one in standings if one.name == entrant)
    other = best([one for one in standings if one.kind == ALGORITHM and one != mine])
    return Entry(mine.penalty, mine.time, mine.score, fastest, time_to_fastest,
                 other and other.name, other and other.score)


def _stands(entrant, standings):
    return any(one.name == entrant for one in standings)


def fastest_reference(standings):
    """None where there is none."""
    return min((one for one in standings if one.kind == REFERENCE), key=lambda one: one.time,
               default=None)


def entry_on(entrant, standings, timings):
    """On a trace; None where the entrant has no standing. Times are told within each round."""
    if not _stands(entrant, standings):
        return None
    fastest = fastest_reference(standings)
    if fastest is None:
        return entry_of(entrant, standings, None, None)
    return entry_of(entrant, standings, fastest.name,
                    statistics.median(ratios(timings[entrant], timings[fastest.name])))


def entry_over(entrant, standings, entries):
    """Over the traces of `entries`."""
    if not _stands(entrant, standings):
        return None
    times = [one.time_to_fastest for one in entries]
    return entry_of(entrant, standings, None, None if None in times else geometric_mean(times))


# ---- the file

def load(path):
    """The content of fresh.json with its entries as such."""
    with results_file(path, "analysis/fresh", FORMAT) as found:
        (found["quick"], found["means"][ALL]["entry"])
        for one in (*found["traces"], *found["means"].values()):
            one["entry"] = one["entry"] and Entry(**one["entry"])
        _table(found)
        return found


def plain(standings, entry):
    return {"standings": [dict(dataclasses.asdict(one), score=one.score) for one in standings],
            "entry": entry and dataclasses.asdict(entry)}


# ---- the table of DOC

def _time(entry):
    if entry.time_to_fastest is None:
        return "-"
    return f"{entry.time_to_fastest:.2f}" + (f" of {entry.fastest}'s" if entry.fastest else "")


def heading(entrant):
    return [f"penalty of {entrant}", "its score", "next best", "its score",
            "time to the fastest reference"]


def cells(entry):
    if entry is None:
        return ["failed", "-", "-", "-", "-"]
    other = (entry.next, f"{entry.next_score:.3f}") if entry.next else ("-", "-")
    return [f"{entry.penalty:.4f}", f"{entry.score:.3f}", *other, _time(entry)]


def doc_table(found):
    """A line a trace and one for all, the entrant beside the next best. None of a quick run, or
    of one that was not asked for the whole plan."""
    if found["quick"] or not PLANNED <= {one["trace"] for one in found["traces"]}:
        return None
    return _table(found)


def _table(found):
    body = [[f"{one['about']} ({one['page_size']:,}; {one['events']:,})", *cells(one["entry"])]
            for one in found["traces"]]
    body.append(["geometric mean", *cells(found["means"][ALL]["entry"])])
    return tables.markdown(["trace (page size; events)", *heading(found["entrant"])], body)
