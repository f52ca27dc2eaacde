"""kma_output.png: requested bytes and page bytes over a trace, a panel an algorithm.

Most algorithms hold similar amounts, so their curves would hide each other in one
frame, and the few that hold many times as much would flatten all others. Hence small
panels on one common scale; a panel that does not fit it gets its own and says so.
"""

import statistics

import style
from plotting import (data_block, draw, event_axis, event_unit, label, margins, side_label,
                      size_text, tic_step, unit_for)

# In pixels; PANEL_HEIGHT includes what stands above a panel and its numbers below.
WIDTH, PANEL_HEIGHT, FONT = 1600, 370, 15
HEAD, FOOT = 124, 40
LEFT, RIGHT, GAP = 84, 34, 60
PANEL_HEAD, PANEL_GAP = 72, 46

# A panel whose peak is beyond this many times the median gets a scale of its own.
SAME_SCALE = 1.5


def _layout(count):
    columns = min(count, 2 if count <= 4 else 3 if count <= 6 else 4)
    return columns, -(-count // columns)


def _ceiling(peak):
    return 1.06 * max(peak, 1)


def _common_ceiling(ceilings):
    limit = SAME_SCALE * statistics.median_low(ceilings)
    return max(ceiling for ceiling in ceilings if ceiling <= limit)


def _panel_place(number, columns, rows, height):
    row, column = divmod(number, columns)
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * GAP) / columns
    left = LEFT + column * (width + GAP)
    tall = (height - HEAD - FOOT) / rows
    top = height - HEAD - row * tall - PANEL_HEAD
    bottom = height - HEAD - (row + 1) * tall + PANEL_GAP
    return left / WIDTH, (left + width) / WIDTH, bottom / height, top / height


def _head(row, series, height, marked):
    left = LEFT / WIDTH

    def at(x, pixels):
        return f"screen {x:.4f}, screen {1 - pixels / height:.4f}"

    text = label(f"Requested bytes and page bytes over {row.trace}", at(left, 32), 22)
    text += label(f"{series.events:,} events, pages of {row.summary['page_size']:,} bytes, "
                  f"at most {size_text(row.summary['peak_requested_bytes'])} requested",
                  at(left, 66), colour=style.FAINT)
    text += _swatch(at(left, 109), at(left + 0.02, 93), style.REQUESTED)
    text += label("requested bytes", at(left + 0.026, 101))
    line = left + 0.145
    text += (f"set arrow from {at(line, 101)} to {at(line + 0.02, 101)} nohead linewidth 3 "
             f"linecolor rgb '{style.INK}'\n")
    text += label("page bytes, in the algorithm's colour", at(line + 0.026, 101))
    if marked:
        swatch = line + 0.285
        text += _swatch(at(swatch, 109), at(swatch + 0.02, 93), style.MARKED)
        text += label("panel with a larger scale; dashed: where the common scale ends",
                      at(swatch + 0.026, 101))
    _, unit = event_unit(series.events)
    return text + label(f"{unit} replayed", at(0.5, height - 20), place="center")


def _swatch(corner, opposite, colour):
    return (f"set object rectangle from {corner} to {opposite} front "
            f"fillcolor rgb '{colour}' fillstyle solid border linecolor rgb '{style.GRID}'\n")


def _marks(ceiling, common):
    """Tells a panel that has a scale of its own from all others."""
    end = common / ceiling
    return (f"set object 9 rectangle from graph 0, graph 0 to graph 1, graph 1 behind "
            f"fillcolor rgb '{style.MARKED}' fillstyle solid noborder\n"
            f"set arrow from graph 0, graph {end:.5f} to graph 1, graph {end:.5f} nohead "
            f"dashtype 2 linecolor rgb '{style.FAINT}'\n" +
            label(f"scale x {1 / end:.1f}", "graph 1, graph 1 offset 0, 2.1",
                  place="right"))


def _panel(number, row, series, ceiling, divisor):
    event_divisor, _ = event_unit(series.events)
    colour = style.colour(row.algorithm)
    curves = (series.requested.mean, series.paged.mean, series.paged.low, series.paged.high)
    block = f"$panel{number}"
    text = data_block(block[1:], [[x / event_divisor for x in series.index]] +
                      [[value / divisor for value in curve] for curve in curves])
    text += label(row.algorithm, "graph 0, graph 1 offset 0, 2.1", 18, colour, bold=True)
    text += label(f"penalty {row.summary['penalty']:.3f}, "
                  f"peak {row.summary['pages']['peak']:,} pages",
                  "graph 0, graph 1 offset 0, 0.8")
    text += event_axis(series.events, 4)
    text += f"set yrange [0:{ceiling / divisor:.7g}]\n"
    text += f"set ytics {tic_step(ceiling / divisor, 5):g}\n"
    area, line = ("fillsteps", "steps") if series.exact else ("filledcurves y1=0", "lines")
    text += (f"plot {block} using 1:2 with {area} fillcolor rgb "
             f"'{style.REQUESTED}' fillstyle solid, "
             f"{block} using 1:4:5 with filledcurves fillcolor rgb '{colour}' "
             f"fillstyle transparent solid 0.35 noborder, "
             f"{block} using 1:3 with {line} linewidth 2.5 linecolor rgb '{colour}'\n")
    # What a panel has written must not be written again in the next one.
    return text + "unset object 9\nunset label\nunset arrow\n"


def output_picture(rows, series):
    """`series` by algorithm; `rows` passed, in the order of the panels."""
    columns, lines = _layout(len(rows))
    height = HEAD + FOOT + lines * PANEL_HEIGHT
    ceilings = [_ceiling(max(series[row.algorithm].paged.high)) for row in rows]
    common = _common_ceiling(ceilings)
    divisor, unit = unit_for(common)
    script = "set multiplot\n" + _head(rows[0], series[rows[0].algorithm], height,
                                       max(ceilings) > common)
    for number, (row, ceiling) in enumerate(zip(rows, ceilings)):
        script += margins(*_panel_place(number, columns, lines, height))
        if number % columns == 0:
            script += side_label(unit, 18)
        if ceiling > common:
            script += _marks(ceiling, common)
        script += _panel(number, row, series[row.algorithm], max(ceiling, common), divisor)
    return draw(script, WIDTH, height, FONT)
