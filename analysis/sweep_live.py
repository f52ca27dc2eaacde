"""How many blocks a trace has live at once, and what is measured at a few such numbers: caches
hold few blocks, so the more are live, the longer most calls take.

Such measurements are points, (live blocks, value) in rising order. Between two of them a value
lies on a line over the logarithm of the live blocks."""

import functools
import itertools
import math

import sweep_traces

# Of the generator `random`: the most blocks live at once, for each request of the trace.
OF_REQUESTS = {"uniform": 0.37, "early": 0.05}


@functools.cache
def live_of(source):
    """At once at most; None where that is not known: a text does not say it."""
    if source.generator == "random":
        its = dict(source.settings)
        return max(1, round(OF_REQUESTS[its["frees"]] * its["requests"]))
    return sweep_traces.facts(source).slots


def magnitude(live):
    """What is told of one number of live blocks holds for those with as many digits."""
    return None if live is None else len(str(live))


def at(points, live):
    """Beyond the last point the last line goes on, but not below the highest of them. Before
    the first one there is no line, and of no points all is 0."""
    if not points:
        return 0
    if live <= points[0][0] or len(points) == 1:
        return points[0][1]
    (low, less), (high, more) = next(
        (pair for pair in itertools.pairwise(points) if live <= pair[1][0]), points[-2:])
    value = less + (more - less) * math.log(live / low) / math.log(high / low)
    return value if live <= high else max(value, *(known for _, known in points))
