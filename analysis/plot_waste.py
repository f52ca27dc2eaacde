"""kma_waste.png: page bytes - requested bytes over a trace, all algorithms in one frame.

The axis is logarithmic, since waste differs by a factor of a hundred. What coincides
there is drawn once more below on a linear axis, so close that it comes apart.
"""

import math
import statistics

import style
from plotting import (data_block, draw, event_axis, event_unit, label, log_tics, margins,
                      quoted, side_label, unit_for)

WIDTH, FONT = 1600, 15
HEIGHT, HEIGHT_WITH_DETAIL = 760, 1300
LEFT, RIGHT = 0.062, 0.775  # of the picture; the names stand to the right
MEAN_AT, PEAK_AT = 0.935, 0.985  # the right ends of the numbers beside the names
ROW_PIXELS = 27  # between two names

# Curves whose mean waste is within this factor of the next one need the closer look.
CLOSE = 1.12

# The closer look leaves out the ends of the trace, where everything falls to nothing.
DETAIL_FROM, DETAIL_TO = 0.1, 0.9


def close_group(series):
    """The largest set of algorithms whose mean wastes lie close together, most first."""
    ranked = sorted(series, key=lambda name: -series[name].mean_waste)
    best, group = [], ranked[:1]
    for above, name in zip(ranked, ranked[1:]):
        if series[above].mean_waste > CLOSE * series[name].mean_waste:
            group = []
        group.append(name)
        if len(group) > max(1, len(best)):
            best = list(group)
    return best


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


def _blocks(series):
    text = ""
    for name, one in series.items():
        divisor, _ = event_unit(one.events)
        text += data_block(f"waste_{name}", [[x / divisor for x in one.index],
                                             one.waste.mean, one.waste.low, one.waste.high])
    return text


def _curves(names, divisor, floor, shape):
    """Bands of the extremes below, means above. A floor keeps zero on a log axis."""
    def scaled(column):
        return f"(${column} < {floor:.9g} ? {floor / divisor:.9g} : ${column} / {divisor})"

    bands = [f"$waste_{name} using 1:{scaled(3)}:{scaled(4)} with filledcurves "
             f"fillcolor rgb '{style.colour(name)}' fillstyle transparent solid 0.22 noborder"
             for name in names]
    lines = [f"$waste_{name} using 1:{scaled(2)} with {shape} linewidth 2.5 "
             f"linecolor rgb '{style.colour(name)}'" for name in names]
    return "plot " + ", \\\n".join(bands + lines) + "\n"


def _shape(series):
    return "steps" if next(iter(series.values())).exact else "lines"


def _short(value):
    return f"{value:.2f}" if value < 1000 else f"{value:,.0f}"


def _names(series, names, positions, unit):
    """A sample of each line, its name and its mean and largest waste."""
    text = ""
    x = RIGHT + 0.012
    for name, y in zip(names, positions):
        colour = style.colour(name)
        one = series[name]
        text += (f"set arrow from screen {x:.4f}, screen {y:.5f} to screen {x + 0.018:.4f}, "
                 f"screen {y:.5f} nohead linewidth 4 linecolor rgb '{colour}'\n")
        text += label(name, f"screen {x + 0.023:.4f}, screen {y:.5f}", 15, colour, bold=True)
        for value, end in ((one.mean_waste, MEAN_AT), (max(one.waste.high), PEAK_AT)):
            text += label(_short(value / unit[0]), f"screen {end}, screen {y:.5f}",
                          place="right")
    return text


def _names_head(y, unit):
    return (label(f"mean {unit[1]}", f"screen {MEAN_AT}, screen {y:.5f}",
                  colour=style.FAINT, place="right") +
            label("peak", f"screen {PEAK_AT}, screen {y:.5f}",
                  colour=style.FAINT, place="right"))


def _x_axis(events):
    _, unit = event_unit(events)
    return (event_axis(events, 8) +
            f"set xlabel {quoted(unit + ' replayed')} textcolor rgb '{style.INK}'\n")


def _log_floor(series):
    """Low enough for all but the first and last events of the thriftiest algorithm."""
    def low(one):
        return sorted(one.waste.mean)[len(one.waste.mean) // 20]
    return max(1, min(low(one) for one in series.values()) / 2)


def _overview(series, ranked, trace, height, group):
    floor = _log_floor(series)
    ceiling = 1.3 * max(2 * floor, max(max(one.waste.high) for one in series.values()))
    unit = unit_for(2 * statistics.median(one.mean_waste for one in series.values()))
    divisor = unit[0]
    # The plot is the upper part of a taller picture when there is a closer look.
    bottom, top = 1 - (HEIGHT - 86) / height, 1 - 108 / height
    wanted = [bottom + (top - bottom) * math.log(max(series[name].mean_waste, floor) / floor)
              / math.log(ceiling / floor) for name in ranked]
    text = label(f"Waste over {trace}", f"screen {LEFT}, screen {1 - 34 / height:.5f}", 22)
    text += label(f"Waste is page bytes - requested bytes. {_what_is_drawn(series)}",
                  f"screen {LEFT}, screen {1 - 68 / height:.5f}", colour=style.FAINT)
    text += _names_head(1 - 92 / height, unit)
    text += _names(series, ranked,
                   spread(wanted, ROW_PIXELS / height, bottom, top - 12 / height), unit)
    text += margins(LEFT, RIGHT, bottom, top) + _x_axis(series[ranked[0]].events)
    text += "set logscale y\n"
    text += f"set yrange [{floor / divisor:.7g}:{ceiling / divisor:.7g}]\n"
    text += f"set ytics ({log_tics(floor / divisor, ceiling / divisor)})\n"
    text += side_label(f"waste ({unit[1]}), logarithmic", 20)
    if group:
        low, high = (max(edge, floor) / divisor for edge in _detail_range(series, group))
        text += (f"set object 9 rectangle from graph 0, first {low:.7g} to graph 1, "
                 f"first {high:.7g} behind fillcolor rgb '{style.MARKED}' "
                 f"fillstyle solid noborder\n")
    return text + _curves(ranked[::-1], divisor, floor, _shape(series))


def _what_is_drawn(series):
    one = next(iter(series.values()))
    if one.exact:
        return "Shown after every event."
    return (f"Line: mean of {one.slice_length:,} events; "
            "band: from the least to the most of them.")


def _detail_range(series, group):
    last = len(series[group[0]].index) - 1
    middle = slice(int(last * DETAIL_FROM), int(last * DETAIL_TO) + 1)
    low = min(min(series[name].waste.low[middle]) for name in group)
    high = max(max(series[name].waste.high) for name in group)
    pad = max(1, 0.05 * (high - low))
    return low - pad, high + pad


def _detail(series, group, height):
    low, high = _detail_range(series, group)
    unit = unit_for(high)
    bottom, top = 86 / height, (height - HEIGHT - 62) / height
    text = "unset label\nunset arrow\nunset logscale y\nset ytics autofreq\n"
    text += label("A closer look at the curves that run together in the shaded part above",
                  f"screen {LEFT}, screen {top + 26 / height:.5f}", 17)
    text += _names_head(top - 8 / height, unit)
    text += _names(series, group, [top - (36 + n * ROW_PIXELS) / height
                                   for n in range(len(group))], unit)
    text += margins(LEFT, RIGHT, bottom, top) + _x_axis(series[group[0]].events)
    text += (f"set object 9 rectangle from graph 0, graph 0 to graph 1, graph 1 behind "
             f"fillcolor rgb '{style.MARKED}' fillstyle solid noborder\n")
    text += f"set yrange [{low / unit[0]:.7g}:{high / unit[0]:.7g}]\n"
    text += side_label(f"waste ({unit[1]})", 20)
    return text + _curves(group[::-1], unit[0], 0, _shape(series))


def waste_picture(trace, series):
    ranked = sorted(series, key=lambda name: -series[name].mean_waste)
    group = close_group(series)
    height = HEIGHT_WITH_DETAIL if group else HEIGHT
    script = _blocks(series) + "set multiplot\n" + _overview(series, ranked, trace, height,
                                                              group)
    if group:
        script += _detail(series, group, height)
    return draw(script, WIDTH, height, FONT)
