"""frontier: time against memory of every allocator, on one trace or over all, with the
frontier, lines of equal score, and what packers reach. Down and to the left is better.

Both axes are logarithmic, so all that have one score lie on a straight line. There is also the
frontier of the algorithms alone: references are not held to whole pages, and what is resident
of them is another measure."""

import math

import style
from measure import ALGORITHM, REFERENCE
from plot_pareto import (BOUND_LINE, FRONT_LINE, MARKERS, Axis, draw_names, point_curve,
                         stair_boxes, stairs)
from plotting import (HEAD, LEFT, ROW, WIDTH, Sheet, data_block, log_places, quoted, shortened,
                      text_width, tic_text)
from standings import best, frontier

PANEL_HEIGHT, FOOT, RIGHT = 700, 84, 110  # pixels
KEY, PACKER_ROW = 2 * ROW + 16, 28
TOP = HEAD + KEY + 2 * PACKER_ROW

# Who takes more than so many times the room of the tightest is drawn at the panel's edge.
REACH = 4

FIT_LINE = f"dashtype (2, 7) linewidth 2.5 linecolor rgb '{style.FAINT}'"
BAND = 4  # pixels, half the width of the frontier of the algorithms alone
SCORE_LINE = "linewidth 1 linecolor rgb '#dcd3bd'"
BEST_SCORE_LINE = "linewidth 2 linecolor rgb '#c9ac5f'"
MOST_SCORES = 12
PIECES = 60  # that a slanting line is taken to pieces in, for names to keep off

TIC_FACTORS = (1, 2, 5, 3, 1.5, 7, 4, 1.2, 2.5, 6, 8, 1.1, 1.3)  # the best first
TIC_ROOM = 60  # pixels


def _tics(axis, pixels):
    """As many round numbers as there is room for."""
    kept = []
    powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
    for factor in TIC_FACTORS:
        for value in (factor * 10.0 ** power for power in powers):
            if axis.low <= value <= axis.high and all(
                    abs(axis.place(value) - axis.place(other)) * pixels >= TIC_ROOM
                    for other in kept):
                kept.append(value)
    return ", ".join(f"{quoted(tic_text(value))} {value:.9g}" for value in sorted(kept))


class Panel:
    def __init__(self, field):
        self.field = field
        self.best = best(field.standings)
        self.place = LEFT, WIDTH - RIGHT, TOP, TOP + PANEL_HEIGHT
        most = REACH * min((one.room for one in field.standings), default=1)
        packers = [1 + field.packing.lower_bound, 1 + field.packing.best_fit]
        self.x = Axis(packers + [min(one.room, most) for one in field.standings], True)
        self.y = Axis([one.time for one in field.standings] or [1], True)

    def spot(self, room, time):
        left, right, top, bottom = self.place
        return (left + self.x.place(room) * (right - left),
                bottom - self.y.place(time) * (bottom - top))

    def axes(self, sheet):
        left, right, top, bottom = self.place
        for name, axis, pixels in (("x", self.x, right - left), ("y", self.y, bottom - top)):
            sheet.add(axis.script(name, 8) + f"set {name}tics ({_tics(axis, pixels)})\n")
        sheet.foot_label("page bytes for each byte requested: 1 + penalty, logarithmic")
        sheet.side_label("time as part of glibc's, logarithmic")

    def _score_ends(self, score):
        """Where the line of a score meets the panel's edges."""
        return [self.spot(room, score / room) for room in (
            max(self.x.low, score / self.y.high), min(self.x.high, score / self.y.low))]

    def scores(self, sheet):
        right = self.place[1]
        for score in log_places(self.x.low * self.y.low, self.x.high * self.y.high, MOST_SCORES):
            start, end = self._score_ends(score)
            sheet.line(start, end, SCORE_LINE)
            if end[0] > right - 1:
                sheet.label(tic_text(score), right + 12, end[1], 12, style.FAINT)
        sheet.label("score", right + 12, self.place[2] - 14, 12, style.FAINT)
        if self.best is not None:
            sheet.line(*self._score_ends(self.best.score), BEST_SCORE_LINE)

    def packers(self, sheet):
        """A line for each, and its words above the panel: those of the left one further up."""
        _, right, top, bottom = self.place
        packing = self.field.packing
        for number, (text, penalty, look) in enumerate((
                ("no packer into single pages is left of this", packing.lower_bound, BOUND_LINE),
                ("best fit without metadata", packing.best_fit, FIT_LINE))):
            text = f"{text}: {1 + penalty:.4f}"
            x, _ = self.spot(1 + penalty, self.y.low)
            y = top - (1.5 - number) * PACKER_ROW
            sheet.line((x, bottom), (x, y - 12), look)
            if x + 8 + text_width(text) < right:
                sheet.label(text, x + 8, y, colour=style.FAINT)
            else:
                sheet.label(text, x - 8, y, colour=style.FAINT, place="right")

    def _stairs(self, standings):
        return stairs([(self._inside(one.room), one.time) for one in frontier(standings)],
                      self.x.high, self.y.high)

    def _inside(self, room):
        """Gnuplot draws nothing that lies, if only by rounding, beyond an axis."""
        return min(room, self.x.high * (1 - 1e-6))

    def _boxes(self, standings, half):
        return stair_boxes([self.spot(*corner) for corner in self._stairs(standings)], half)

    def _lines(self):
        """Where lines run, for names to keep off."""
        _, _, top, bottom = self.place
        boxes = self._boxes(self.field.standings, 1) + self._boxes(self.field.algorithms, 1)
        for penalty in (self.field.packing.lower_bound, self.field.packing.best_fit):
            x, _ = self.spot(1 + penalty, self.y.low)
            boxes.append((x - 1, top, x + 1, bottom))
        if self.best is not None:
            (left, upper), (right, lower) = self._score_ends(self.best.score)
            across, down = (right - left) / PIECES, (lower - upper) / PIECES
            boxes += [(left + n * across, upper + n * down,
                       left + (n + 1) * across, upper + (n + 1) * down) for n in range(PIECES)]
        return boxes

    def names(self, sheet):
        left, right, top, bottom = self.place
        marks = []
        for one in self.field.standings:
            text = shortened(one.name, 24)
            if one.room > self.x.high:
                text += f" → {one.room:.3g}"
            marks.append((text, self.spot(one.room, one.time), style.colour(one.name)))
        draw_names(sheet, marks, (left + 4, top, right, bottom - 3), lines=self._lines())

    def band(self, sheet):
        for box in self._boxes(self.field.algorithms, BAND):
            _band(sheet, *box)

    def curves(self, sheet):
        curves, corners = [], self._stairs(self.field.standings)
        if corners:
            sheet.add(data_block("front", zip(*corners)))
            curves.append(f"$front using 1:2 with steps {FRONT_LINE} title 'frontier'")
        for number, one in enumerate(self.field.standings):
            curves.append(point_curve(sheet, f"point{number}", self._inside(one.room), one.time,
                                      one.name, one.kind))
        return curves


def _band(sheet, left, top, right, bottom):
    """Behind everything, so that it hides nothing."""
    sheet.add(f"set object rectangle from {sheet.at(left, bottom)} to {sheet.at(right, top)} "
              f"behind fillcolor rgb '{style.REQUESTED}' fillstyle solid noborder\n")


def _key(sheet):
    y = HEAD + 12
    sheet.mark(LEFT + 8, y, MARKERS[ALGORITHM])
    sheet.label("algorithm", LEFT + 60, y)
    sheet.mark(LEFT + 588, y, MARKERS[REFERENCE])
    sheet.label("reference (resident memory)", LEFT + 640, y)
    sheet.line((LEFT + 1060, y), (LEFT + 1110, y), BEST_SCORE_LINE)
    sheet.label("best score, other scores", LEFT + 1120, y)
    y += ROW
    sheet.line((LEFT, y), (LEFT + 50, y), FRONT_LINE)
    sheet.label("frontier: no other is both faster and tighter", LEFT + 60, y)
    _band(sheet, LEFT + 580, y - BAND, LEFT + 630, y + BAND)
    sheet.label("frontier of the algorithms alone", LEFT + 640, y)


def _told(field):
    """Who has the best score."""
    found = [(what, best(members)) for what, members in
             (("", field.standings), ("of the algorithms ", field.algorithms))]
    said = [f"{what}{shortened(one.name, 24)} {one.score:.3f}" for what, one in found if one]
    if len(said) == 2 and found[0][1] == found[1][1]:
        del said[1]
    return f" Best: {', '.join(said)}." if said else ""


def _note(field):
    if not field.left_out:
        return None
    return shortened(f"Left out, for want of figures: {', '.join(field.left_out)}", 118)


def frontier_picture(field):
    """Of a standings.Field."""
    sheet = Sheet(TOP + PANEL_HEIGHT + FOOT, f"Time against memory: {shortened(field.label, 60)}",
                  "Down and to the left is better. Score: time x (1 + penalty)." + _told(field),
                  _note(field))
    _key(sheet)
    panel = Panel(field)
    sheet.panel(*panel.place)
    panel.axes(sheet)
    panel.band(sheet)
    panel.scores(sheet)
    panel.packers(sheet)
    panel.names(sheet)
    sheet.plot(panel.curves(sheet))
    return sheet.picture()
