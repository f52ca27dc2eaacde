"""The sentences of the report: who is ahead and how sure that is, and why a call was slow.

Nothing is said here that the figures do not show.
"""

import dataclasses
import typing

from common import counted

TIE = 1.10  # times of two within this factor say nothing about who is faster

# Of worst cases, which are one call each, only more than this is clear.
CLEAR_WORST = 1.5

# A call whose instructions are within this factor of the median did the usual work.
USUAL = 1.25


def many(number):
    return f"{number:,}"


def more(ratio):
    """'12 % more', '3.1 times as much'; the second over the first."""
    if ratio >= 2:
        return f"{ratio:.1f} times as much"
    percent = (ratio - 1) * 100
    return f"{percent:.0f} % more" if percent >= 1 else "less than 1 % more"


# ---- who is ahead

def worst_call(row):
    """ns of the slowest call; None for one without times."""
    latency = row.summary.get("latency")
    if not latency:
        return None
    known = [latency[call]["max"] for call in ("malloc", "free") if latency[call]["count"]]
    return max(known, default=None)


def ns_per_event(row):
    return (row.summary.get("replay") or {}).get("ns_per_event")


def score(row):
    return (row.summary.get("replay") or {}).get("score")


@dataclasses.dataclass(frozen=True)
class Question:
    name: str
    heading: str
    value: typing.Callable  # of a row that passed
    form: str
    exact: bool


MEMORY = Question("memory", "Least memory", lambda row: row.summary["penalty"],
                  "penalty {:.4f}", True)
MEAN = Question("mean", "Fastest on average", ns_per_event, "{:.1f} ns per event", False)
WORST = Question("worst", "Fastest worst case", worst_call, "{:,.0f} ns", False)
SCORE = Question("score", "Best of both, by score", score, "{:.6f} s", False)
QUESTIONS = (MEMORY, MEAN, WORST, SCORE)


@dataclasses.dataclass
class Verdict:
    """The rows that passed, the best first, with their values."""
    question: Question
    ranked: list

    @property
    def first(self):
        return self.ranked[0][1]

    @property
    def ratio(self):
        """The second over the first; None where there is no second."""
        if len(self.ranked) < 2:
            return None
        first, second = self.ranked[0][0], self.ranked[1][0]
        return second / first if first > 0 else 1.0 if second == first else None

    @property
    def level(self):
        """Names that are as good as the first, as far as one can tell."""
        limit = self.ranked[0][0] * (1 if self.question.exact else TIE)
        return [row.algorithm for value, row in self.ranked[1:] if value <= limit]

    def text(self, place=0):
        return self.question.form.format(self.ranked[place][0])

    def named(self, place):
        return f"{self.ranked[place][1].algorithm} ({self.text(place)})"

    @property
    def certainty(self):
        if len(self.ranked) < 2:
            return "nothing to compare it with"
        second = self.ranked[1][1].algorithm
        if self.level:
            kind = "the same" if self.question.exact else "a tie"
            return f"{kind} with {', '.join(self.level)}"
        narrow = self.question is WORST and self.ratio is not None and self.ratio < CLEAR_WORST
        kind = "exact" if self.question.exact else "ahead" if narrow else "clear"
        return f"{kind}; {second} {more(self.ratio)}" if self.ratio else kind


def verdict(question, rows):
    """None where nobody has a value."""
    ranked = sorted(((question.value(row), row) for row in rows
                     if question.value(row) is not None), key=lambda pair: pair[0])
    return Verdict(question, ranked) if ranked else None


def _elsewhere(found, others):
    """On how many other workloads the same one is first, or level with the first."""
    name, counts = found.first.algorithm, []
    for recorded, noun in ((False, "other workload"), (True, "recorded trace")):
        verdicts = [v for v in (verdict(found.question, run.contestants) for run in others
                                if run.recorded == recorded)
                    if v is not None and v.ratio is not None]
        if verdicts:
            same = sum(name == v.first.algorithm or name in v.level for v in verdicts)
            counts.append((same, len(verdicts), noun))
    if not counts:
        return ""
    if [number for _, number, _ in counts] == [1]:
        same, _, noun = counts[0]
        return f" On the {noun} it is {'first too' if same else 'not the first'}."
    told = [f"on {same or 'none'} of the {counted(number, noun)}" for same, number, noun in counts]
    return f" It is first {' and '.join(told)}."


def _how_sure(found):
    if found.question is MEMORY:
        return " Pages are counted, so this is exact and the same on every run."
    if found.question is WORST:
        return (" That is one call, the least of all passes: what is not half as much again can "
                "come out otherwise in another run.")
    turns = found.first.summary["replay"].get("turns_s") or [0]
    if found.question is SCORE or len(turns) < 2 or not min(turns):
        return ""
    apart = (max(turns) / min(turns) - 1) * 100
    doubt = ""
    if found.ratio and not found.level and apart / 100 >= found.ratio - 1:
        doubt = ", which is more than the margin"
    return (f" Its best replays in {counted(len(turns), 'process')} lie within {apart:.1f} %"
            f"{doubt}.")


CLAIMS = {MEMORY: "holds the least memory:", MEAN: "is the fastest on average:",
          WORST: "has the fastest worst case: no call above",
          SCORE: "is the best of both, by time x (1 + penalty):"}


def _claim(found):
    summary = found.first.summary
    said = f"{found.first.algorithm} {CLAIMS[found.question]} {found.text()}"
    if found.question is MEMORY:
        return f"{said}, at most {counted(summary['pages']['peak'], 'page')}"
    return f"{said}, at penalty {summary['penalty']:.4f}"


def sentences(found, others):
    """What is claimed, by how much, and how sure. Begins with the name of the first."""
    said = _claim(found)
    if len(found.ranked) < 2:
        return f"{said}; there is nothing to compare it with."
    close = [found.named(place) for place in range(1, 1 + len(found.level))]
    if close:
        within = "as much" if found.question.exact else "within 10 %"
        said += (f"; {' and '.join(close)} {'is' if len(close) == 1 else 'are'} {within}: "
                 "a tie")
    else:
        said += f"; next is {found.named(1)}" + (f", {more(found.ratio)}" if found.ratio else "")
    return f"{said}.{_how_sure(found)}{_elsewhere(found, others)}"


# ---- why a call was slow

def _call(event):
    return "malloc" if event["command"] == "REQUEST" else "free"


def _pages(event):
    got, freed = event.get("pages_got"), event.get("pages_freed")
    said = []
    if got == 1:
        said.append("got a page")
    elif got:
        said.append(f"got {got} pages: one at most for the block, the "
                    f"{'other' if got == 2 else 'others'} for control data")
    if freed:
        said.append("gave back a page" if freed == 1 else f"gave back {freed} pages")
    if got == 0 and freed == 0:
        said.append("got and gave back no page")
    return " and ".join(said)


def _work(event):
    done = [counted(event[name], name[:-1]) for name in ("splits", "joins", "steps")
            if event.get(name)]
    return ", ".join(done)


def _ratio(value, median):
    return value / median if value is not None and median else None


def _cause(event, row):
    """Whether the instructions of the call account for its time."""
    executed = event.get("instructions")
    if executed is None:
        return ""
    usual = ((row.instructions or {}).get(_call(event)) or {}).get("p50")
    work = _ratio(executed, usual)
    time = _ratio(event["ns"], row.summary["latency"][_call(event)]["p50"])
    if work is None or time is None:
        return f"{counted(executed, 'instruction')}"
    said = f"{many(executed)} instructions, the median is {many(round(usual))}"
    if work <= USUAL and time <= USUAL:
        return f"{said}: a usual call"
    if work <= USUAL:
        return (f"{said}: no more than usual, so the time is the machine's (such as a "
                "cache or TLB miss), not the algorithm's")
    if 2 * work >= time:
        return f"{said}: {work:.1f} times the work accounts for {time:.1f} times the time"
    return (f"{said}: {work:.1f} times the work, but {time:.1f} times the time: a part is the "
            "machine's (such as cache or TLB misses)")


def place(event):
    """Where in its trace: "line 2" of a text, "event 1" of a compact trace."""
    if event["line"] is None:
        return f"event {many(event['event'])}"
    return f"line {many(event['line'])}"


def explain(event, row):
    """A sentence on one of a row's worst events."""
    if row.kind != "algorithm":
        return "What happened inside is not known: it takes its memory from the system."
    did = [part for part in (_pages(event), _work(event)) if part]
    said = "; ".join(did)
    if event["event"] == 1:
        said = "the first event, nothing was held before; " + said
    said = said[:1].upper() + said[1:]
    cause = _cause(event, row)
    return ". ".join(part for part in (said, cause) if part) + "."


# ---- instructions against time

def correlation_text(entry):
    """What the rank correlations of one workload mean."""
    known = [entry[call] for call in ("malloc", "free") if entry[call] is not None]
    if not known or entry["rows"] < 3:
        return "too few rows to say"
    least = min(known)
    if least >= 0.9:
        return "who executes fewer instructions is faster, nearly without exception"
    if least >= 0.7:
        return "who executes fewer instructions is mostly faster"
    if least >= 0.4:
        return "instructions tell part of the order; the memory that is touched tells the rest"
    return "instructions do not tell who is faster here"
