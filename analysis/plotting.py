"""Handing scripts to gnuplot, and what all pictures have in common."""

import math
import os
import shutil
import subprocess

import style
from common import Refusal, written_aside

# Fonts come in pixels of a 1600 wide picture and stay readable at half that size.
TERMINAL = "set terminal pngcairo size {width},{height} font 'Sans,{font}' noenhanced"

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


def quoted(text):
    """Gnuplot ends a text at a lone quote and a line at a line break."""
    return "'" + "".join(c if c.isprintable() else "?" for c in text).replace("'", "''") + "'"


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


def data_block(name, columns):
    lines = [" ".join(f"{value:.7g}" for value in values) for values in zip(*columns)]
    return f"${name} << END\n" + "\n".join(lines) + "\nEND\n"


def tic_step(span, most, least=0):
    """The smallest of 1, 2, 5, 10, ... that gives at most `most` tics."""
    power = 10 ** math.floor(math.log10(span / most))
    return max(least, next(f * power for f in (1, 2, 5, 10) if span / (f * power) <= most))


def event_axis(events, most_tics):
    divisor, _ = event_unit(events)
    least = 1 if divisor == 1 else 0
    return (f"set xrange [0:{events / divisor:.7g}]\n"
            f"set xtics {tic_step(events / divisor, most_tics, least):g}\n")


def side_label(text, pixels):
    """Beside the plot's left edge, at the same place whatever its numbers look like."""
    return (f"set label {quoted(text)} at screen {pixels / 1600:.5f}, graph 0.5 center "
            f"rotate textcolor rgb '{style.INK}'\n")


def log_tics(low, high):
    """1, 2 and 5 of each power of ten: also a narrow range gets more than one number."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [factor * 10.0 ** power for power in powers for factor in (1, 2, 5)]
    return ", ".join(f"{place:g}" for place in places if low <= place <= high)


def label(text, at, size=None, colour=style.INK, place="left", bold=False):
    font = "" if size is None else f" font 'Sans{':Bold' if bold else ''},{size}'"
    return f"set label {quoted(text)} at {at} {place}{font} textcolor rgb '{colour}'\n"


def margins(left, right, bottom, top):
    return (f"set margins screen {left:.5f}, screen {right:.5f}, "
            f"screen {bottom:.5f}, screen {top:.5f}\n")


def draw(script, width, height, font):
    """The picture comes through a pipe: no file name has to survive gnuplot's quoting."""
    text = TERMINAL.format(width=width, height=height, font=font) + PRELUDE + script
    done = subprocess.run(["gnuplot", "--default-settings", "-"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    complaint = " ".join(done.stderr.decode("utf-8", "replace").split())
    if done.returncode != 0 or not done.stdout.startswith(b"\x89PNG"):
        raise Refusal(f"gnuplot failed: {complaint[-300:]}")
    return done.stdout


def save(folder, pictures):
    """All or, where drawing failed before, none."""
    for name, picture in pictures.items():
        with written_aside(os.path.join(folder, name)) as out:
            out.write(picture)
