"""kma_heapmap_NAME: how full each page is, over a trace. Light in the middle of dark pages,
dark in the middle of light ones: fragmentation is to be seen."""

import bisect

import style
from common import counted
from plotting import (HEAD, LEFT, WIDTH, Sheet, event_axis, event_unit, shortened, tic_step)

HEIGHT, FOOT = 800, 86  # pixels
PANEL_END, BAR, BAR_WIDTH = WIDTH - 190, WIDTH - 150, 30


def _even_columns(heapmap):
    """The cells at even distances over the trace: a picture has no other pixels."""
    count = max(heapmap.columns, 2)
    for number in range(count):
        event = (number + 1) * heapmap.events[-1] / count
        yield heapmap.cells[max(0, bisect.bisect_right(heapmap.events, event + 0.5) - 1)]


def _cells(heapmap):
    """A line for each row of pages; gnuplot wants two at least."""
    rows = [" ".join("NaN" if cell is None else f"{cell / 10:g}" for cell in row)
            for row in zip(*_even_columns(heapmap))]
    return "$cells << END\n" + "\n".join(rows if len(rows) > 1 else 2 * rows) + "\nEND\n"


def _subtitle(heapmap):
    return (f"How full the pages are: requested bytes / page bytes, "
            f"{counted(heapmap.pages_per_row, 'page')} a cell. Page 0 is the pool's first.")


def _colour_bar(sheet):
    stops = ", ".join(f"{n} '{colour}'" for n, colour in enumerate(style.FULLNESS))
    top, bottom = HEAD + 8, sheet.height - FOOT
    sheet.add(f"set palette defined ({stops})\nset cbrange [0:100]\n"
              f"set colorbox user origin {sheet.at(BAR, bottom)} size screen "
              f"{BAR_WIDTH / WIDTH:.5f}, screen {(bottom - top - 60) / sheet.height:.5f}\n"
              "set cbtics 20 format '%g %%'\n")
    sheet.label("full", BAR, top + 34)
    sheet.swatch(BAR, top, style.NOT_HELD)
    sheet.label("not held", BAR + 42, top)


def heapmap_picture(algorithm, trace_label, heapmap):
    """`heapmap`: a heapmap.HeapMap."""
    sheet = Sheet(HEIGHT, f"Heap map of {shortened(algorithm, 24)} over "
                  f"{shortened(trace_label, 44)}", _subtitle(heapmap))
    events = heapmap.events[-1] if heapmap.events else 0
    pages = heapmap.rows * heapmap.pages_per_row
    divisor, unit = event_unit(events)
    sheet.panel(LEFT, PANEL_END, HEAD + 8, HEIGHT - FOOT)
    sheet.background(style.NOT_HELD)
    sheet.add("unset grid\n" + event_axis(events, 8))
    sheet.add(f"set yrange [{pages}:0]\nset ytics {tic_step(pages, 8, 1):g}\n"
              "set format y '%.0f'\n")
    sheet.side_label("page")
    sheet.foot_label(f"{unit} replayed")
    _colour_bar(sheet)
    curves = []
    if heapmap.columns:
        sheet.add(_cells(heapmap))
        wide = events / divisor / max(heapmap.columns, 2)
        tall = pages / max(heapmap.rows, 2)
        curves.append(f"$cells matrix using (($1 + 0.5) * {wide:.9g}):(($2 + 0.5) * {tall:.9g}):3 "
                      "with image title 'pages'")
    sheet.plot(curves)
    return sheet.picture()
