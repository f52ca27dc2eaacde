"""kma_waste: page bytes - requested bytes over a trace, all algorithms in one frame.

The axis is logarithmic, since waste differs by a factor of a hundred. What coincides
there is drawn once more below on a linear axis, so close that it comes apart.
"""

import math
import statistics

import style
from plotting import (HEAD, LEFT, ROW, Legend, Sheet, data_block, event_axis, event_unit,
                      line_style, log_axis, note_on, over_events, overlaid, shortened, tic_text,
                      unit_for)

HEIGHT, DETAIL_HEIGHT = 760, 540  # pixels
FOOT = 86  # pixels below a panel

# Curves are close whose difference is, on average, at most this part of their height.
CLOSE = 0.08

# The closer look leaves out the ends of the trace, where everything falls to nothing.
DETAIL_FROM, DETAIL_TO = 0.1, 0.9

# Wastes less than a page: its curve would take most of the axis for itself.
BOUND = "ideal"


def _middle(values):
    last = len(values) - 1
    return values[int(last * DETAIL_FROM):int(last * DETAIL_TO) + 1]


def _samples(one):
    """As many of each curve, whatever it has been sampled at."""
    values = _middle(one.waste.mean)
    return [values[n * len(values) // 100] for n in range(100)]


def _close(one, other):
    apart = sum(abs(a - b) for a, b in zip(one, other))
    return apart <= CLOSE * max(1, sum(map(abs, one)), sum(map(abs, other)))


def close_group(series):
    """The largest set of algorithms whose curves run together, most waste first."""
    samples = {name: _samples(one) for name, one in series.items()}
    groups = []
    for name in sorted(series, key=lambda name: -series[name].mean_waste):
        near = [group for group in groups
                if any(_close(samples[name], samples[other]) for other in group)]
        groups = [group for group in groups if group not in near] + [sum(near, []) + [name]]
    largest = max(groups, key=len)
    return sorted(largest, key=lambda name: -series[name].mean_waste) if len(largest) > 1 else []


def spread(wanted, distance, low, high):
    """Places as near as can be to those wanted (falling), `distance` apart."""
    places = []
    for place in wanted:
        places.append(min(place, places[-1] - distance if places else high))
    floor = low
    for number in range(len(places) - 1, -1, -1):
        places[number] = max(places[number], floor)
        floor = places[number] + distance
    return places


def _block(name):
    return f"$waste_{name}"


def _data(series):
    text = ""
    for name, one in series.items():
        text += data_block(_block(name)[1:], over_events(one, one.waste.mean, one.waste.low,
                                                         one.waste.high))
    return text


def _curves(names, divisor, floor):
    """Bands of the extremes below, means above. A floor keeps zero on a log axis."""
    def scaled(column):
        return (f"(${column} / {divisor})" if floor is None else
                f"(${column} < {floor:.9g} ? {floor / divisor:.9g} : ${column} / {divisor})")

    bands = [f"{_block(name)} using 1:{scaled(3)}:{scaled(4)} with filledcurves "
             f"fillcolor rgb '{style.colour(name)}' fillstyle transparent solid 0.22 noborder "
             f"title '{name}, extremes'" for name in names]
    lines = [f"{_block(name)} using 1:{scaled(2)} with lines {line_style(name)} "
             f"title '{name}'" for name in overlaid(names)]
    return bands + lines


def _short(value):
    return f"{value:.2f}" if abs(value) < 1000 else tic_text(round(value))


def _entry(sheet, legend, series, name, y, unit):
    numbers = (series[name].mean_waste, max(series[name].waste.high))
    legend.entry(sheet, name, y, [_short(value / unit[0]) for value in numbers])


def _x_axis(sheet, events):
    sheet.add(event_axis(events, 8))
    sheet.foot_label(f"{event_unit(events)[1]} replayed")


def _log_floor(series):
    """Low enough for all but the first and last events of the thriftiest algorithm, unless it
    wastes next to nothing for long."""
    def low(one):
        return max(sorted(one.waste.mean)[len(one.waste.mean) // 20] / 2, one.mean_waste / 40)
    return max(1, min(low(one) for one in series.values()))


def _overview(sheet, legend, series, ranked, group, bottom):
    top = HEAD + 24
    floor = _log_floor(series)
    ceiling = 1.3 * max(2 * floor, max(max(one.waste.high) for one in series.values()))
    unit = unit_for(2 * statistics.median(one.mean_waste for one in series.values()))
    wanted = [-bottom + (bottom - top) * math.log(max(series[name].mean_waste, floor) / floor)
              / math.log(ceiling / floor) for name in ranked]
    legend.head(sheet, HEAD, (f"mean {unit[1]}", "peak"))
    for name, place in zip(ranked, spread(wanted, ROW, -bottom, -top - 12)):
        _entry(sheet, legend, series, name, -place, unit)
    sheet.panel(LEFT, legend.panels_end, top, bottom)
    _x_axis(sheet, series[ranked[0]].events)
    sheet.add(log_axis("y", floor / unit[0], ceiling / unit[0], 16))
    sheet.side_label(f"waste ({unit[1]}), logarithmic")
    if group:
        low, high = (max(edge, floor) / unit[0] for edge in _detail_range(series, group))
        sheet.add(f"set object rectangle from graph 0, first {low:.7g} to graph 1, "
                  f"first {high:.7g} behind fillcolor rgb '{style.MARKED}' "
                  f"fillstyle solid noborder\n")
    sheet.plot(_curves(ranked[::-1], unit[0], floor))


def _what_is_drawn(series, without):
    longest = max(one.slice_length for one in series.values())
    text = ("shown after every event." if longest == 1 else
            f"line: mean of {longest:,} events, band: least to most.")
    return text + (" Left out: ideal, always below one page." if without else "")


def _detail_range(series, group):
    low = min(min(_middle(series[name].waste.low)) for name in group)
    high = max(max(series[name].waste.high) for name in group)
    pad = max(1, 0.05 * (high - low))
    return low - pad, high + pad


def _detail(sheet, legend, series, group, above):
    low, high = _detail_range(series, group)
    unit = unit_for(high)
    top, bottom = above + 62, sheet.bottom - FOOT
    sheet.add("set ytics autofreq\n")
    sheet.label("A closer look at the curves that run together in the shaded part above",
                LEFT, top - 26, 17)
    legend.head(sheet, top + 8, (f"mean {unit[1]}", "peak"))
    for number, name in enumerate(group):
        _entry(sheet, legend, series, name, top + 36 + number * ROW, unit)
    sheet.panel(LEFT, legend.panels_end, top, bottom)
    _x_axis(sheet, series[group[0]].events)
    sheet.background(style.MARKED)
    sheet.add(f"set yrange [{low / unit[0]:.7g}:{high / unit[0]:.7g}]\n")
    sheet.side_label(f"waste ({unit[1]})")
    sheet.plot(_curves(group[::-1], unit[0], None))


def waste_picture(trace, series):
    without = BOUND in series and len(series) > 1
    series = {name: one for name, one in series.items() if not (without and name == BOUND)}
    ranked = sorted(series, key=lambda name: -series[name].mean_waste)
    group = close_group(series)
    above = max(HEIGHT, HEAD + FOOT + 60 + len(ranked) * ROW)
    below = max(DETAIL_HEIGHT, 120 + FOOT + len(group) * ROW) if group else 0
    legend = Legend(ranked, columns=2)
    sheet = Sheet(above + below, f"Waste over {shortened(trace, 44)}",
                  f"Page bytes - requested bytes; {_what_is_drawn(series, without)}",
                  note_on(series))
    sheet.add(_data(series))
    _overview(sheet, legend, series, ranked, group, above - FOOT)
    if group:
        _detail(sheet, legend, series, group, above)
    return sheet.picture()
