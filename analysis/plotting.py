"""Handing scripts to gnuplot, and what all pictures have in common."""

import concurrent.futures
import contextlib
import math
import os
import shutil
import subprocess
import xml.sax.saxutils

import measure
import style
from common import Refusal, written_aside

WIDTH, FONT = 1600, 15  # pixels, points; text stays readable at half that width
LEFT, RIGHT = 120, 40  # pixels beside the panels
HEAD = 92  # pixels that title and subtitle take
ROW = 27  # pixels from one line of a legend to the next

# Both terminals then agree on the size of text (a point is 4/3 pixel), of dashes and of marks
# (a mark's size is given as a multiple of MARK).
TERMINALS = {
    "png": "set terminal pngcairo size {width},{height} font 'sans-serif,{font}' noenhanced\n"
           "MARK = 1.0\n",
    "svg": "set terminal svg size {width},{height} dynamic font 'sans-serif,{font}' "
           "fontscale 1.3333 dashlength 0.5 background 'white' noenhanced\nMARK = 0.55\n",
}
GUIDE = f"dashtype (8, 10) linewidth 1 linecolor rgb '{style.FAINT}'"

PRELUDE = f"""
set encoding utf8
set border 3 linecolor rgb '{style.INK}'
set tics nomirror out textcolor rgb '{style.INK}'
set format '%g'
set grid linetype 1 linecolor rgb '{style.GRID}'
unset key
"""

UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"]


def need_gnuplot():
    if shutil.which("gnuplot") is None:
        raise Refusal("gnuplot is not installed: analysis/need gnuplot")


# ---- text and numbers

def printable(text):
    return "".join(c if c.isprintable() else "?" for c in text)


def quoted(text):
    """Gnuplot ends a text at a lone quote and a line at a line break."""
    return "'" + printable(text).replace("'", "''") + "'"


def shortened(text, most):
    """What is longer loses its middle."""
    return text if len(text) <= most else f"{text[:most // 2]}…{text[len(text) - (most - 1) // 2:]}"


def text_width(text, points=FONT, bold=False):
    """In pixels, rather too many: fonts differ."""
    return len(text) * points * (0.98 if bold else 0.86)


def unit_for(value):
    """The divisor and the name of the unit in which value reads well."""
    power = 0
    while power + 1 < len(UNITS) and value >= 2 * 1024 ** (power + 1):
        power += 1
    return 1024 ** power, UNITS[power]


def size_text(value):
    divisor, name = unit_for(value)
    return f"{value:.0f} {name}" if divisor == 1 else f"{value / divisor:.2f} {name}"


def event_unit(events):
    """Tick labels such as 150 instead of 150000."""
    if events >= 2_000_000:
        return 1_000_000, "million events"
    if events >= 10_000:
        return 1_000, "thousand events"
    return 1, "events"


def note_on(names):
    """What has to be said below a picture of these."""
    return measure.RECORDED_NOTE if measure.LINUX in names else None


# ---- pieces of scripts

def data_block(name, columns):
    """None becomes a gap."""
    lines = [" ".join("NaN" if value is None else f"{value:.7g}" for value in values)
             for values in zip(*columns)]
    return f"${name} << END\n" + "\n".join(lines) + "\nEND\n"


def tic_step(span, most, least=0):
    """The smallest of 1, 2, 5, 10, ... that gives at most `most` tics."""
    power = 10 ** math.floor(math.log10(span / most))
    return max(least, next(f * power for f in (1, 2, 5, 10) if span / (f * power) <= most))


def event_axis(events, most_tics):
    divisor, _ = event_unit(events)
    least = 1 if divisor == 1 else 0
    end = max(events, 1) / divisor
    return f"set xrange [0:{end:.7g}]\nset xtics {tic_step(end, most_tics, least):g}\n"


def log_places(low, high, most):
    """As many of 1, 2, 5, 10, 20, ... as may be, at least the powers of ten or some of them."""
    powers = range(math.floor(math.log10(low) - 1e-9), math.ceil(math.log10(high) + 1e-9) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        places = [factor * 10.0 ** power for power in powers for factor in factors]
        places = [place for place in places if low * 0.999 <= place <= high * 1.001]
        if len(places) <= most:
            return places
    return places[::-(-len(places) // most)]


def tic_text(value):
    """Not longer than there is room for beside an axis."""
    text = f"{value:,.10g}"
    return text if len(text) <= 6 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def log_tics(low, high, most, text):
    """Gnuplot takes the texts for formats."""
    return ", ".join(f"{quoted(text(place).replace('%', '%%'))} {place:.9g}"
                     for place in log_places(low, high, most))


def log_axis(axis, low, high, most, text=tic_text):
    return (f"set logscale {axis}\nset {axis}range [{low:.9g}:{high:.9g}]\n"
            f"set {axis}tics ({log_tics(low, high, most, text)})\n")


def line_style(algorithm, width=2.5):
    dash = style.dash(algorithm)
    dashes = "" if dash is None else f" dashtype ({', '.join(map(str, dash))})"
    return f"linewidth {width} linecolor rgb '{style.colour(algorithm)}'{dashes}"


def overlaid(names):
    """The order to draw in: what is below a dashed line shows in its gaps."""
    return sorted(names, key=lambda name: style.dash(name) is not None)


def stepped(xs, *columns):
    """Values that hold up to the next x. Gnuplot's own steps begin each dash anew."""
    at = [0] + [n for number in range(1, len(xs)) for n in (number - 1, number)]
    return [[x for x in xs for _ in (0, 1)][1:], *([column[n] for n in at] for column in columns)]


def over_events(one, *columns):
    """Columns to draw with lines, for values of a series.Series: as steps where every event
    has a point of its own."""
    divisor, _ = event_unit(one.events)
    xs = [x / divisor for x in one.index]
    complete = one.exact and len(xs) == one.events + 1
    return stepped(xs, *columns) if complete else [xs, *columns]


# ---- the picture

class Sheet:
    """The script of a picture in the making. Places are pixels from its upper left corner."""

    def __init__(self, height, title, subtitle, note=None):
        """`note`: a line below the others, for which the sheet is made higher."""
        self.bottom = height
        self.height = height + (ROW + 8 if note else 0)
        self.title = title
        self.script = "set multiplot\n"
        self.label(shortened(title, 84), LEFT, 34, size=22)
        self.label(shortened(subtitle, 118), LEFT, 68, colour=style.FAINT)
        if note:
            self.label(note, LEFT, self.bottom + 14, colour=style.FAINT)

    def add(self, text):
        self.script += text

    def at(self, x, y):
        return f"screen {x / WIDTH:.5f}, screen {1 - y / self.height:.5f}"

    def label(self, text, x, y, size=None, colour=style.INK, place="left", bold=False, layer=""):
        """`layer`: `front` for above all that is drawn."""
        self.place_label(text, self.at(x, y), size, colour, place, bold, layer)

    def place_label(self, text, at, size=None, colour=style.INK, place="left", bold=False,
                    layer=""):
        font = f" font 'sans-serif{':Bold' if bold else ''},{size or FONT}'"
        self.add(f"set label {quoted(text)} at {at} {place}{font} textcolor rgb '{colour}' "
                 f"{layer}\n")

    def line(self, start, end, look):
        self.add(f"set arrow from {self.at(*start)} to {self.at(*end)} nohead {look}\n")

    def mark(self, x, y, point_type, colour=style.INK):
        self.add(f"set label '' at {self.at(x, y)} point pointtype {point_type} pointsize 2 * MARK "
                 f"linecolor rgb '{colour}'\n")

    def swatch(self, x, y, colour):
        self.add(f"set object rectangle from {self.at(x, y + 8)} to {self.at(x + 32, y - 8)} front "
                 f"fillcolor rgb '{colour}' fillstyle solid border linecolor rgb '{style.GRID}'\n")

    def background(self, colour):
        """Of the next panel."""
        self.add("set object rectangle from graph 0, graph 0 to graph 1, graph 1 behind "
                 f"fillcolor rgb '{colour}' fillstyle solid noborder\n")

    def side_label(self, text, left=LEFT):
        """Beside the next panel, at the same place whatever its numbers look like."""
        self.add(f"set label {quoted(text)} at screen {(left - 104) / WIDTH:.5f}, graph 0.5 center "
                 f"rotate textcolor rgb '{style.INK}'\n")

    def foot_label(self, text):
        """Below the next panel."""
        self.add(f"set xlabel {quoted(text)} textcolor rgb '{style.INK}'\n")

    def panel(self, left, right, top, bottom):
        self.add(f"set margins screen {left / WIDTH:.5f}, screen {right / WIDTH:.5f}, screen "
                 f"{1 - bottom / self.height:.5f}, screen {1 - top / self.height:.5f}\n")

    def plot(self, curves):
        """Draws the panel; what it has written must not be written again in the next one."""
        self.add("plot " + ", \\\n".join(curves or ["NaN notitle"]) + "\n"
                 "unset label\nunset arrow\nunset object\nunset xlabel\nunset logscale\n")

    def picture(self):
        return draw(self.script, WIDTH, self.height, FONT, self.title)


class Legend:
    """Right of the panels: a piece of each line, its name, and a column for each number."""
    GAP, SAMPLE, COLUMN = 24, 46, 100

    def __init__(self, names, columns=0):
        self.shown = {name: shortened(name, 24) for name in names}
        widest = max((text_width(name, bold=True) for name in self.shown.values()), default=0)
        self.left = int(WIDTH - 24 - columns * self.COLUMN - widest - 8 - self.SAMPLE)
        self.panels_end = self.left - self.GAP
        self.ends = [WIDTH - 24 - n * self.COLUMN for n in reversed(range(columns))]

    def head(self, sheet, y, texts):
        for text, end in zip(texts, self.ends):
            sheet.label(text, end, y, colour=style.FAINT, place="right")

    def entry(self, sheet, name, y, texts=()):
        sheet.line((self.left, y), (self.left + self.SAMPLE, y), line_style(name, 3))
        sheet.label(self.shown[name], self.left + self.SAMPLE + 8, y, colour=style.colour(name),
                    bold=True)
        for text, end in zip(texts, self.ends):
            sheet.label(text, end, y, place="right")


class Picture:
    """Drawn when it is asked for, each time, in the format it is asked for."""

    def __init__(self, script, width, height, font, title):
        self.script = script
        self.sizes = {"width": width, "height": height, "font": font}
        self.title = title

    @property
    def png(self):
        return self._drawn("png", b"\x89PNG", b"IEND\xaeB`\x82")

    @property
    def svg(self):
        text = self._drawn("svg", b"<?xml", b"</svg>").decode()
        # What gnuplot does not say: the picture's name, bold text, that cells have edges, and
        # a font as wide as the PNG's where there is one.
        for found, meant in (
                ("<title>Gnuplot</title>",
                 f"<title>{xml.sax.saxutils.escape(printable(self.title))}</title>"),
                ('font-family="sans-serif:Bold"', 'font-family="sans-serif" font-weight="bold"'),
                ('font-family="sans-serif"',
                 'font-family="DejaVu Sans, Verdana, sans-serif"'),
                ("<image ", "<image style='image-rendering:pixelated' ")):
            text = text.replace(found, meant)
        return text.encode()

    def _drawn(self, kind, start, end):
        """The picture comes through a pipe: no file name has to survive gnuplot's quoting."""
        text = TERMINALS[kind].format(**self.sizes) + PRELUDE + self.script
        done = subprocess.run(["gnuplot", "--default-settings", "-"], input=text.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        complete = done.stdout.startswith(start) and done.stdout.rstrip().endswith(end)
        if done.returncode != 0 or not complete:
            complaint = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise Refusal(f"gnuplot failed: {complaint[-300:]}")
        return done.stdout


def draw(script, width, height, font, title=""):
    return Picture(script, width, height, font, title)


def save(folder, pictures, formats=("png", "svg")):
    """NAME.png, NAME.svg of each: all or, where one cannot be drawn or written, none."""
    wanted = [(name, kind) for name in pictures for kind in formats]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as drawers:
        drawn = list(drawers.map(lambda one: getattr(pictures[one[0]], one[1]), wanted))
    with contextlib.ExitStack() as files:
        for (name, kind), content in zip(wanted, drawn):
            path = os.path.join(folder, f"{name}.{kind}")
            files.enter_context(written_aside(path)).write(content)
