"""Where each allocator stands on a trace, or over several: time as a part of glibc's, and
penalty; who is on the frontier, and how far the packers of packing.py are."""

import dataclasses
import math

from measure import ALGORITHM
from packing import Packing
from plot_pareto import unbeaten


@dataclasses.dataclass(frozen=True)
class Standing:
    name: str
    kind: str      # of measure.py
    time: float    # as a part of glibc's
    penalty: float

    @property
    def room(self):
        """Page bytes for each byte requested."""
        return 1 + self.penalty

    @property
    def score(self):
        return self.time * self.room


@dataclasses.dataclass
class Field:
    """All that stand on one trace, or over several."""
    label: str
    standings: list
    packing: Packing
    left_out: dict = dataclasses.field(default_factory=dict)  # {name: why}

    @property
    def algorithms(self):
        return [one for one in self.standings if one.kind == ALGORITHM]


def frontier(standings):
    """Those than which no other is both as fast and as tight, the tightest first."""
    return unbeaten(standings, lambda one: (one.penalty, one.time))


def best(standings):
    """The one of the least score; None of none."""
    return min(standings, key=lambda one: one.score, default=None)


def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def _mean_penalty(penalties):
    return geometric_mean(1 + penalty for penalty in penalties) - 1


def over_all(label, fields):
    """The geometric means of those that stand on all fields: of the times and of 1 + penalty."""
    found = {}
    for field in fields:
        for one in field.standings:
            found.setdefault((one.name, one.kind), []).append(one)
    standings = [Standing(name, kind, geometric_mean(one.time for one in each),
                          _mean_penalty(one.penalty for one in each))
                 for (name, kind), each in found.items() if len(each) == len(fields)]
    left_out = {name: f"has no figures on {field.label}" for field in reversed(fields)
                for name in field.left_out}
    packing = Packing(_mean_penalty(field.packing.lower_bound for field in fields),
                      _mean_penalty(field.packing.best_fit for field in fields))
    return Field(label, standings, packing, left_out)
