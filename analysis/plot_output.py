"""kma_output: requested bytes and page bytes over a trace, a panel an algorithm.

Most algorithms hold similar amounts, so their curves would hide each other in one
frame, and the few that hold many times as much would flatten all others. Hence small
panels on one common scale; a panel that does not fit it gets its own and says so.
"""

import statistics

import results
import style
from plotting import (GUIDE, LEFT, RIGHT, WIDTH, Sheet, data_block, event_axis, event_unit,
                      note_on, over_events, shortened, size_text, tic_step, unit_for)

# In pixels; PANEL_HEIGHT includes what stands above a panel and its numbers below.
PANEL_HEIGHT, PANEL_HEAD, PANEL_FOOT = 400, 102, 46
HEAD, FOOT, GAP = 124, 40, 84

# A panel whose peak is beyond this many times the median gets a scale of its own.
SAME_SCALE = 1.5


def _columns(count):
    return min(count, 2 if count <= 4 else 3 if count <= 6 else 4)


def _ceiling(peak):
    return 1.06 * max(peak, 1)


def _common_ceiling(ceilings):
    limit = SAME_SCALE * statistics.median_low(ceilings)
    return max(ceiling for ceiling in ceilings if ceiling <= limit)


def _place(number, columns):
    """Left, right, top and bottom edge of a panel."""
    row, column = divmod(number, columns)
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * GAP) / columns
    left, top = LEFT + column * (width + GAP), HEAD + row * PANEL_HEIGHT
    return left, left + width, top + PANEL_HEAD, top + PANEL_HEIGHT - PANEL_FOOT


def _sheet(row, series, height, marked, note):
    label = shortened(results.label(row.trace, row.summary["page_size"]), 44)
    sheet = Sheet(height, f"Requested bytes and page bytes over {label}",
                  f"{series.events:,} events, at most "
                  f"{size_text(row.summary['peak_requested_bytes'])} requested", note)
    x, y = LEFT, 103
    sheet.swatch(x, y, style.REQUESTED)
    sheet.label("requested bytes", x + 42, y)
    x += 246
    sheet.line((x, y), (x + 32, y), f"linewidth 3 linecolor rgb '{style.INK}'")
    sheet.label("page bytes, in the algorithm's colour", x + 42, y)
    if marked:
        x += 470
        sheet.swatch(x, y, style.MARKED)
        sheet.label("panel with a larger scale; dashed: the common one's end", x + 42, y)
    sheet.label(f"{event_unit(series.events)[1]} replayed", WIDTH / 2, height - 20,
                place="center")
    return sheet


def _mark(sheet, ceiling, common, place):
    """Tells a panel that has a scale of its own from all others."""
    _, right, top, _ = place
    end = common / ceiling
    sheet.background(style.MARKED)
    sheet.add(f"set arrow from graph 0, graph {end:.5f} to graph 1, graph {end:.5f} nohead "
              f"{GUIDE}\n")
    sheet.label(f"scale x {1 / end:,.{1 if end > 0.1 else 0}f}", right, top - 44, place="right")


def _penalty_text(value):
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 0
    return f"penalty {value:,.{digits}f}"


def _head(sheet, row, place):
    left, _, top, _ = place
    sheet.label(shortened(row.algorithm, 22), left, top - 74, 18 if len(row.algorithm) < 17 else 15,
                style.colour(row.algorithm), bold=True)
    sheet.label(_penalty_text(row.summary["penalty"]), left, top - 44)
    pages = row.summary["pages"]["peak"]
    sheet.label(f"peak {pages:,} pages" if pages is not None else
                f"peak {size_text(row.summary['peak_page_bytes'])} spent", left, top - 18)


def _curves(sheet, number, row, one, divisor):
    colour, block = style.colour(row.algorithm), f"$panel{number}"
    curves = (one.requested.mean, one.paged.mean, one.paged.low, one.paged.high)
    sheet.add(data_block(block[1:], over_events(
        one, *([value / divisor for value in curve] for curve in curves))))
    return [f"{block} using 1:2 with filledcurves y1=0 fillcolor rgb '{style.REQUESTED}' "
            "fillstyle solid title 'requested bytes'",
            f"{block} using 1:4:5 with filledcurves fillcolor rgb '{colour}' "
            f"fillstyle transparent solid 0.35 noborder title '{row.algorithm}, extremes'",
            f"{block} using 1:3 with lines linewidth 2.5 linecolor rgb '{colour}' "
            f"title '{row.algorithm}'"]


def output_picture(rows, series):
    """`series` by algorithm; `rows` passed, in the order of the panels."""
    columns = _columns(len(rows))
    height = HEAD + FOOT + -(-len(rows) // columns) * PANEL_HEIGHT
    ceilings = [_ceiling(max(series[row.algorithm].paged.high)) for row in rows]
    common = _common_ceiling(ceilings)
    divisor, unit = unit_for(common)
    sheet = _sheet(rows[0], series[rows[0].algorithm], height, max(ceilings) > common,
                   note_on([row.algorithm for row in rows]))
    for number, (row, ceiling) in enumerate(zip(rows, ceilings)):
        place, one = _place(number, columns), series[row.algorithm]
        scale = max(ceiling, common) / divisor
        sheet.panel(*place)
        if number % columns == 0:
            sheet.side_label(f"memory ({unit})")
        if ceiling > common:
            _mark(sheet, ceiling, common, place)
        _head(sheet, row, place)
        sheet.add(event_axis(one.events, 4))
        sheet.add(f"set yrange [0:{scale:.7g}]\nset ytics {tic_step(scale, 5):g}\n")
        sheet.plot(_curves(sheet, number, row, one, divisor))
    return sheet.picture()
