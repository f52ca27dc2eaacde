"""kma_latency: what share of the calls takes at least how long.

Both axes are logarithmic: the rare slow call, which a mean hides, has most of the height.
"""

import style
from plotting import (GUIDE, HEAD, LEFT, ROW, Legend, Sheet, data_block, line_style, log_axis,
                      overlaid, shortened, stepped)

HEIGHT, FOOT, GAP = 780, 86, 92  # pixels
PANELS = (("malloc", "kma_malloc"), ("free", "kma_free"))
LEAST_NS = 1  # shorter times are drawn here: zero has no place on the axis
GUIDES = (("p50", 0.5), ("p99", 0.01), ("p99.9", 0.001))


def _drawable(curve):
    return [(max(ns, LEAST_NS), share) for ns, share in curve if share > 0]


def _time_of_slowest(curve, share):
    """What that share of the calls takes at least."""
    return max((ns for ns, above in curve if above >= share), default=0)


def _order(name, latency):
    """Slowest first, as the curves lie from the right to the left."""
    times = [_time_of_slowest(curve, 0.01) for curve in latency[name].values()]
    return -sum(times), name


def _axes(curves):
    """The common ends of both axes."""
    times = [ns for curve in curves for ns, _ in curve] or [LEAST_NS]
    shares = [share for curve in curves for _, share in curve] or [1]
    low, high = min(times) / 1.15, max(times) * 1.25
    return low, max(high, 4 * low), 0.7 * min(0.1, min(shares))


def _percent(share):
    return f"{100 * share:.10g} %"


def _nothing(_):
    """The tics of the second panel have their numbers at the first."""
    return ""


def _guides(sheet, lowest):
    for name, share in GUIDES:
        if share >= lowest:
            sheet.add(f"set arrow from graph 0, first {share} to graph 1, first {share} nohead "
                      f"back {GUIDE}\n")
            sheet.place_label(name, f"graph 1, first {share} offset 0.7, 0", colour=style.FAINT)


def _curves(sheet, call, drawn):
    """Steps, since between two times measured nothing was; a dot at the slowest call."""
    curves = []
    for name in overlaid(drawn):
        block, curve = f"${call}_{name}", drawn[name]
        # A share goes with the time at its right end: steps, but seen from there.
        xs, ys = stepped(*zip(*curve[::-1]))
        sheet.add(data_block(block[1:], [xs, ys]))
        curves += [f"{block} using 1:2 with lines {line_style(name)} title '{name}'",
                   f"{block} using 1:2 every ::0::0 with points pointtype 7 "
                   f"pointsize 1.1 * MARK linecolor rgb '{style.colour(name)}' "
                   f"title '{name}, slowest'"]
    return curves


def latency_picture(trace_label, latency):
    """`latency`: by algorithm and call, points [ns, share of calls that take at least ns]."""
    ranked = sorted(latency, key=lambda name: _order(name, latency))
    panels = [(call, title, {name: curve for name in ranked
                             if (curve := _drawable(latency[name].get(call, [])))})
              for call, title in PANELS]
    low, high, lowest = _axes([c for _, _, drawn in panels for c in drawn.values()])
    legend = Legend(ranked)
    height = max(HEIGHT, HEAD + FOOT + 60 + ROW * len(ranked))
    sheet = Sheet(height, f"Time of the calls over {shortened(trace_label, 60)}",
                  "Share of the calls that take at least so long; of each call the fastest pass. "
                  "Dot: the slowest call.")
    for number, name in enumerate(ranked):
        legend.entry(sheet, name, HEAD + 60 + ROW * number)
    left = LEFT + 28
    width = (legend.panels_end - 66 - left - GAP) / 2
    for number, (call, title, drawn) in enumerate(panels):
        start = left + number * (width + GAP)
        sheet.label(title, start, HEAD + 14, 18)
        sheet.panel(start, start + width, HEAD + 40, height - FOOT)
        sheet.add(log_axis("x", low, high, 6) +
                  log_axis("y", lowest, 1, 8, _percent if number == 0 else _nothing))
        _guides(sheet, lowest)
        sheet.foot_label("time of a call (ns), logarithmic")
        if number == 0:
            sheet.side_label("share of the calls, logarithmic")
        if not drawn:
            sheet.place_label("no call", "graph 0.5, graph 0.5", place="center")
        sheet.plot(_curves(sheet, call, drawn))
    return sheet.picture()
