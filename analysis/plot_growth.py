"""kma_growth: time and instructions an event, against the number of live blocks."""

import style
from plotting import (HEAD, LEFT, ROW, Legend, Sheet, data_block, line_style, log_axis,
                      overlaid)

HEIGHT, FOOT, GAP = 720, 86, 150  # pixels
PANELS = (("ns_per_event", "Time", "ns per event"),
          ("instructions_per_event", "Instructions", "instructions per event"))
TIME = PANELS[:1]


def _by_algorithm(growth):
    """Rows of each algorithm, by live blocks."""
    found = {}
    for row in sorted(growth, key=lambda row: row["live"]):
        found.setdefault(row["algorithm"], []).append(row)
    return found


def _values(rows, field):
    return [row[field] for row in rows if row[field] is not None and row[field] > 0]


def _order(rows):
    """The slowest first, by the largest number of blocks that has a time."""
    times = _values(rows, "ns_per_event") or _values(rows, "instructions_per_event") or [0]
    return -times[-1]


def _curves(sheet, found, field):
    curves = []
    for name in overlaid(found):
        rows = found[name]
        block = f"${field}_{name}"
        # A line breaks where a row is missing its number, hence no row is left out.
        sheet.add(data_block(block[1:], [[row["live"] for row in rows],
                                         [row[field] or None for row in rows]]))
        curves.append(f"{block} using 1:2 with linespoints pointtype 7 pointsize 1.2 * MARK "
                      f"{line_style(name)} title '{name}'")
    return curves


def growth_picture(growth):
    """`growth`: of each algorithm and number of live blocks, the figures or None."""
    found = _by_algorithm(growth)
    found = {name: found[name] for name in sorted(found, key=lambda name: _order(found[name]))}
    legend = Legend(found)
    height = max(HEIGHT, HEAD + FOOT + 60 + ROW * len(found))
    panels = PANELS if _values(growth, "instructions_per_event") else TIME
    what = " and ".join(title for _, title, _ in panels).capitalize()
    sheet = Sheet(height, f"{what} per event against the number of live blocks",
                  "Blocks of 8 to 511 bytes; a constant number of them is live while random ones "
                  "are replaced.")
    for number, name in enumerate(found):
        legend.entry(sheet, name, HEAD + 60 + ROW * number)
    live = [row["live"] for row in growth] or [1]
    width = (legend.panels_end - LEFT - GAP * (len(panels) - 1)) / len(panels)
    for number, (field, title, unit) in enumerate(panels):
        values = [value for rows in found.values() for value in _values(rows, field)]
        left = LEFT + number * (width + GAP)
        sheet.label(title, left, HEAD + 14, 18)
        sheet.panel(left, left + width, HEAD + 40, height - FOOT)
        sheet.add(log_axis("x", min(live) / 1.3, max(live) * 1.3, 5, "{:,.10g}".format))
        sheet.add(log_axis("y", min(values, default=1) / 1.3, max(values, default=1) * 1.3, 12))
        sheet.foot_label("live blocks, logarithmic")
        sheet.side_label(f"{unit}, logarithmic", left)
        if not values:
            sheet.place_label("not counted", "graph 0.5, graph 0.5", place="center",
                              colour=style.FAINT)
        sheet.plot(_curves(sheet, found, field) if values else [])
    return sheet.picture()
