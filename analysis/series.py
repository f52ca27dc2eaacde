"""Reading a data file of the driver: figures over all events, and a curve to draw.

The file's first line is `0 0 0`; each further line holds an event's index, the bytes
requested and the bytes in pages after it. A trace can have millions of events and a
picture has some thousand columns, so events are taken together in slices. Of each
slice the mean and both extremes are kept: no peak is lost.
"""

import dataclasses
import itertools
import operator

SLICES = 1000


@dataclasses.dataclass
class Curve:
    """A quantity over the trace, in bytes; one value a slice."""
    low: list = dataclasses.field(default_factory=list)
    mean: list = dataclasses.field(default_factory=list)
    high: list = dataclasses.field(default_factory=list)

    def add(self, values):
        self.low.append(min(values))
        self.mean.append(sum(values) / len(values))
        self.high.append(max(values))


@dataclasses.dataclass
class Series:
    events: int
    slice_length: int
    index: list = dataclasses.field(default_factory=list)  # the slices' middles
    requested: Curve = dataclasses.field(default_factory=Curve)
    paged: Curve = dataclasses.field(default_factory=Curve)
    waste: Curve = dataclasses.field(default_factory=Curve)
    penalty: float = 0.0
    utilization_mean: float = 0.0
    mean_waste: float = 0.0

    @property
    def exact(self):
        """Every event has a point of its own."""
        return self.slice_length == 1


class BadData(Exception):
    """The data file is not what the driver writes."""


def _numbers(lines):
    try:
        index, requested, paged = zip(*(map(int, line.split()) for line in lines))
    except ValueError:
        raise BadData("a line of the data file does not hold three numbers") from None
    return index, requested, paged


def read_series(path, slices=SLICES):
    with open(path, "rb") as file:
        lines = sum(1 for _ in file)
        file.seek(0)
        if file.readline().split() != [b"0", b"0", b"0"]:
            raise BadData("the data file does not begin with 0 0 0")
        series = Series(events=lines - 1, slice_length=max(1, -(-(lines - 1) // slices)))
        series.index.append(0)
        for curve in (series.requested, series.paged, series.waste):
            curve.add([0])
        _read_events(file, series)
    return series


def _read_events(file, series):
    moments = 0
    penalty = utilization = waste_sum = 0.0
    while lines := list(itertools.islice(file, series.slice_length)):
        index, requested, paged = _numbers(lines)
        waste = list(map(operator.sub, paged, requested))
        series.index.append((index[0] + index[-1]) / 2)
        series.requested.add(requested)
        series.paged.add(paged)
        series.waste.add(waste)
        waste_sum += sum(waste)
        for live, pages, lost in zip(requested, paged, waste):
            if live > 0:
                moments += 1
                penalty += lost / live
                utilization += live / pages if pages > 0 else 0
    series.mean_waste = waste_sum / max(1, series.events)
    if moments:
        series.penalty = penalty / moments
        series.utilization_mean = utilization / moments


def disagreement(series, summary):
    """Both sides count on their own; a difference means that one of them is wrong."""
    if series.events != summary["events"]:
        return f"{series.events} events in the data file, {summary['events']} in the summary"
    for name in ("penalty", "utilization_mean"):
        mine, theirs = getattr(series, name), summary[name]
        if abs(mine - theirs) > 1e-6 * max(1, abs(mine)):
            return f"{name} is {mine:.6f} by the data file, {theirs:.6f} by the summary"
    return None
