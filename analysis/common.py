"""What every script here needs: options, files written aside, a progress line, an end."""

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import sys

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP  # that interrupt a script


class Refusal(Exception):
    """The user or the system is at fault: one line, exit status 2."""


class Parser(argparse.ArgumentParser):
    def __init__(self, **settings):
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message):
        self.exit(EXIT_REFUSED, f"{self.prog}: {' '.join(message.split())} (try --help)\n")


def whole_number(text):
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 2**31 - 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def names(text):
    """A list of names between spaces or commas, each kept once."""
    found = list(dict.fromkeys(text.replace(",", " ").split()))
    if not found:
        raise argparse.ArgumentTypeError("the list is empty")
    return found


def algorithm_names(text):
    found = names(text)
    for name in found:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise argparse.ArgumentTypeError(f"{name!r} is no name of an algorithm")
    return found


def counted(number, noun):
    """1 page, 2 pages, 1 pass, 2 passes"""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def results_file(path, script, number):
    """The content of the JSON file that a script left, in format `number`. What a block looks
    for in it in vain means that the file is not that script's."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if found["format"] != number:
            raise Refusal(f"{path}: written by another version, run {script} again")
        yield found
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Refusal(f"{path}: these are no results of {script}") from None


@contextlib.contextmanager
def written_aside(path):
    """Open a file that appears at path when it is complete, or not at all."""
    path = os.path.realpath(path)
    aside = f"{path}.{os.getpid()}.part"
    try:
        with open(aside, "wb") as out:
            yield out
        os.replace(aside, path)
    except BaseException as problem:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        if isinstance(problem, OSError) and problem.filename is None:
            problem.filename = path  # a full disk does not say where it is
        raise


class Progress:
    """One line on a terminal that says what is going on; nothing anywhere else."""

    WIDTH = 20  # of the bar

    def __init__(self, total, stream=None):
        self.total = total
        self.done = 0
        self.stream = stream or sys.stderr
        self.shown = self.stream.isatty()

    def step(self, text):
        self.done += 1
        if self.shown:
            full = self.WIDTH * self.done // max(1, self.total)
            line = f"[{'#' * full:.<{self.WIDTH}}] {self.done}/{self.total} {text}"
            # What is longer than the line would not be cleared with it.
            columns = shutil.get_terminal_size().columns
            self.stream.write(f"\r\033[K{line[:columns - 1]}")
            self.stream.flush()

    def clear(self):
        if self.shown:
            self.stream.write("\r\033[K")
            self.stream.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clear()


def colours_wanted(stream):
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def line_of(problem):
    """What an OSError says, in one line."""
    where = f"{problem.filename}: " if problem.filename else ""
    return where + (problem.strerror or str(problem))


def take_signals(handler):
    """But for those that were ignored from the start, as nohup has it."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def ignored(number, frame):
    """For a signal after the first: it must not disturb the end. SIG_IGN in its place would be
    complained of by Python where both came at once."""


def interrupted(number, frame):
    take_signals(ignored)
    raise KeyboardInterrupt


def run_main(name, main):
    """Run main(arguments) and end the process with what it returns."""
    take_signals(interrupted)
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
        sys.exit(status)
    except Refusal as refusal:
        message, status = str(refusal), EXIT_REFUSED
    except OSError as problem:
        message, status = line_of(problem), EXIT_REFUSED
    except KeyboardInterrupt as interruption:
        message, status = str(interruption) or "interrupted", EXIT_INTERRUPTED
        take_signals(signal.SIG_IGN)  # Python gives signals back before it has ended
    print(f"{name}: {message}", file=sys.stderr)
    # Output that could not be written must not be tried again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
