"""kma_pareto: time against memory, a panel a trace. Down and to the left is better."""

import math

import results
import style
from measure import ALGORITHM, REFERENCE
from plotting import (HEAD, LEFT, RIGHT, WIDTH, Sheet, data_block, log_axis, quoted,
                      shortened, text_width, tic_step)

PANEL_HEIGHT, PANEL_HEAD, PANEL_FOOT, GAP, TOP = 520, 44, 84, 150, 40  # pixels
LOG_SPAN = 10  # from here on an axis is logarithmic
MARKERS = {ALGORITHM: 7, REFERENCE: 9}
LABEL_HEIGHT = 22  # pixels
FRONT_LINE = f"linewidth 1.5 linecolor rgb '{style.FAINT}'"
BOUND_LINE = f"dashtype (10, 6) linewidth 2 linecolor rgb '{style.FAINT}'"

# The bound stretches the axis by at most this factor; beyond it, it is told in words.
BOUND_REACH = 30


class Axis:
    """A scale for some values: where in its panel each lies, from 0 to 1."""

    def __init__(self, values, log):
        self.log = log
        if log:
            low, high = min(values), max(values)
            pad = max(1.15, (high / low) ** 0.09)
            self.low, self.high = low / pad, high * pad
        else:
            self.low, self.high = min(0, 1.1 * min(values)), max(1e-6, 1.12 * max(values))

    def place(self, value):
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return math.log(value / self.low) / math.log(self.high / self.low)

    def script(self, name, most):
        if self.log:
            return log_axis(name, self.low, self.high, most)
        return (f"set {name}range [{self.low:.9g}:{self.high:.9g}]\n"
                f"set {name}tics {tic_step(self.high - self.low, most):g}\n")


def wants_log(panels):
    """One kind of axis in all panels, as soon as the values of one demand it."""
    for values in panels:
        positive = [value for value in values if value > 0]
        if positive and max(positive) > LOG_SPAN * min(positive):
            return True
    return False


def unbeaten(items, figures):
    """Those that no other is at least as good as in both of figures(item), by the first."""
    front = []
    for item in sorted(items, key=figures):
        if not front or figures(item)[1] < figures(front[-1])[1]:
            front.append(item)
    return front


def pareto_front(points):
    """The algorithms that no other beats in time and in penalty, the fastest first."""
    return unbeaten([p for p in points if p["kind"] == ALGORITHM],
                    lambda p: (p["ns_per_event"], p["penalty"]))


def stairs(spots, right, top):
    """Corners from a panel's upper to its right edge: `spots`, from the left to the right, and
    the ends."""
    return [(spots[0][0], top), *spots, (right, spots[-1][1])] if spots else []


def stair_boxes(corners, half=1):
    """Where the steps run, `half` to each side. Places are pixels."""
    boxes = []
    for (left, upper), (right, lower) in zip(corners, corners[1:]):
        boxes += [(left, upper - half, right, upper + half),
                  (right - half, upper, right + half, lower)]
    return boxes


def _overlap(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return wide * tall if wide > 0 and tall > 0 else 0


def _candidates(x, y, width):
    """Boxes of a label around a point, each with how far away it is."""
    half = LABEL_HEIGHT / 2
    for far in (12, 20, 30, 42, 56, 72, 90, 110, 132):
        for left, middle in ((x + far, y), (x - far - width, y),
                             (x - width / 2, y - far - 8), (x - width / 2, y + far + 8),
                             (x + far * 0.7, y - far), (x + far * 0.7, y + far),
                             (x - far * 0.7 - width, y - far), (x - far * 0.7 - width, y + far)):
            yield far - 12, (left, middle - half, left + width, middle + half)


def placed_labels(points, frame, taken=(), lines=()):
    """A box (left, top, right, bottom) for each point (x, y, width of its label).

    None overlaps a point, what is taken, another box or the frame, where that can be. To cross
    a line is better than to be far away."""
    dots = [(x - 9, y - 9, x + 9, y + 9) for x, y, _ in points]
    boxes = {}
    for number in sorted(range(len(points)), key=lambda n: (points[n][1], points[n][0])):
        x, y, width = points[number]
        others = [*dots[:number], *dots[number + 1:], *boxes.values(), *taken]

        def cost(candidate):
            far, box = candidate
            outside = width * LABEL_HEIGHT - _overlap(box, frame)
            return (9 * (outside + sum(_overlap(box, other) for other in others)) + 2 * far +
                    0.5 * sum(_overlap(box, line) for line in lines))

        boxes[number] = min(_candidates(x, y, width), key=cost)[1]
    return [boxes[number] for number in range(len(points))]


def draw_names(sheet, marks, frame, taken=(), lines=()):
    """Beside each point its name: (text, place of the point, colour)."""
    boxes = placed_labels([(x, y, text_width(text, bold=True)) for text, (x, y), _ in marks],
                          frame, taken, lines)
    for (text, (x, y), colour), box in zip(marks, boxes):
        near = min(max(x, box[0]), box[2]), min(max(y, box[1] + 4), box[3] - 4)
        if math.dist(near, (x, y)) > 18:
            sheet.line((x, y), near, f"linewidth 1 linecolor rgb '{colour}'")
        # Fonts narrower than reckoned leave the text at its point.
        place = "right" if box[2] <= x else "left" if box[0] >= x else "center"
        at = {"right": box[2], "left": box[0], "center": (box[0] + box[2]) / 2}[place]
        sheet.label(text, at, (box[1] + box[3]) / 2, None, colour, place, bold=True, layer="front")


def point_curve(sheet, block, x, y, algorithm, kind):
    sheet.add(data_block(block, [[x], [y]]))
    return (f"${block} using 1:2 with points pointtype {MARKERS.get(kind, 7)} pointsize 2 * MARK "
            f"linecolor rgb '{style.colour(algorithm)}' title {quoted(algorithm)}")


class Panel:
    """One trace's points, and where they lie in the picture."""

    def __init__(self, number, points, place, axes):
        self.number, self.points, self.place, (self.x, self.y) = number, points, place, axes
        bounds = [p["ideal_penalty"] for p in points if p["ideal_penalty"] is not None]
        self.bound = bounds[0] if bounds else None

    def spot(self, time, penalty):
        left, right, top, bottom = self.place
        return (left + self.x.place(time) * (right - left),
                bottom - self.y.place(penalty) * (bottom - top))

    def draw_bound(self, sheet):
        """Returns the box that its words take."""
        left, right, _, bottom = self.place
        if self.bound is None:
            return []
        shown = self.y.low < self.bound <= self.y.high
        text = f"ideal {self.bound:.4f}" + ("" if shown else " (below this axis)")
        y = self.spot(self.x.low, self.bound)[1] if shown else bottom
        if shown:
            sheet.line((left, y), (right, y), BOUND_LINE)
        sheet.label(text, right - 4, y - 14, colour=style.FAINT, place="right")
        return [(right - 4 - text_width(text), y - 25, right, y + 3)]

    def front(self):
        return stairs([(p["ns_per_event"], p["penalty"]) for p in pareto_front(self.points)],
                      self.x.high, self.y.high)

    def labels(self, sheet, taken):
        left, right, top, bottom = self.place
        marks = [(shortened(p["algorithm"], 24) + ("" if not self.y.log or p["penalty"] > 0 else
                                                   f" ({p['penalty']:.3g})"),
                  self.spot(p["ns_per_event"], p["penalty"]), style.colour(p["algorithm"]))
                 for p in self.points]
        draw_names(sheet, marks, (left + 4, top, right, bottom - 3), taken,
                   stair_boxes([self.spot(*corner) for corner in self.front()]))

    def curves(self, sheet):
        curves = []
        front = self.front()
        if front:
            sheet.add(data_block(f"front{self.number}", zip(*(
                (x, max(y, self.y.low)) for x, y in front))))
            curves.append(f"$front{self.number} using 1:2 with steps {FRONT_LINE} "
                          "title 'Pareto front'")
        for number, point in enumerate(self.points):
            curves.append(point_curve(sheet, f"point{self.number}_{number}",
                                      point["ns_per_event"], max(point["penalty"], self.y.low),
                                      point["algorithm"], point["kind"]))
        return curves


def _grouped(points):
    groups = {}
    for point in points:
        if point["ns_per_event"] is not None and point["penalty"] is not None:
            groups.setdefault((point["trace"], point["page_size"]), []).append(point)
    return groups


def _penalties(points):
    """With the bound where it does not lie too far away."""
    found = [p["penalty"] for p in points]
    least = min((value for value in found if value > 0), default=1)
    return found + [p["ideal_penalty"] for p in points
                    if p["ideal_penalty"] is not None and p["ideal_penalty"] * BOUND_REACH > least]


def _axis(values, log):
    positive = [value for value in values if value > 0]
    return Axis(positive or [1], True) if log else Axis(values, False)


def _place(number, columns):
    row, column = divmod(number, columns)
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * GAP) / columns
    left, top = LEFT + column * (width + GAP), HEAD + TOP + row * PANEL_HEIGHT
    return left, left + width, top + PANEL_HEAD, top + PANEL_HEIGHT - PANEL_FOOT


def _key(sheet):
    """What the marks mean."""
    y = HEAD + 12
    sheet.mark(LEFT + 8, y, MARKERS[ALGORITHM])
    sheet.label("algorithm", LEFT + 24, y)
    sheet.mark(LEFT + 172, y, MARKERS[REFERENCE])
    sheet.label("reference (resident memory)", LEFT + 188, y)
    sheet.line((LEFT + 520, y), (LEFT + 570, y), FRONT_LINE)
    sheet.label("Pareto front of the algorithms", LEFT + 580, y)
    sheet.line((LEFT + 940, y), (LEFT + 990, y), BOUND_LINE)
    sheet.label("ideal: no packer can be below", LEFT + 1000, y)


def pareto_picture(points):
    groups = _grouped(points)
    columns = min(2, max(1, len(groups)))
    rows = max(1, -(-len(groups) // columns))
    logs = (wants_log([p["ns_per_event"] for p in g] for g in groups.values()),
            wants_log([p["penalty"] for p in g] for g in groups.values()))
    sheet = Sheet(HEAD + TOP + rows * PANEL_HEIGHT, "Time against memory: ns per event and penalty",
                  "Penalty: mean of (page bytes - requested) / requested. Down and to the left "
                  "is better.")
    _key(sheet)
    words = [", logarithmic" if log else "" for log in logs]
    for number, (workload, group) in enumerate(groups.items()):
        place = _place(number, columns)
        axes = (_axis([p["ns_per_event"] for p in group], logs[0]),
                _axis(_penalties(group), logs[1]))
        panel = Panel(number, group, place, axes)
        sheet.panel(*place)
        sheet.label(shortened(results.label(*workload), 50), place[0], place[2] - 24, 18)
        sheet.add(axes[0].script("x", 8) + axes[1].script("y", 8))
        sheet.foot_label("ns per event" + words[0])
        sheet.side_label("penalty" + words[1], place[0])
        panel.labels(sheet, panel.draw_bound(sheet))
        sheet.plot(panel.curves(sheet))
    return sheet.picture()
