"""The statistics of a sweep as text for a terminal, and as JSON."""

import textwrap

from common import counted
from measure import Row
from sweep_statistics import TEST
from tables import MEMORY, TIME, Column, text_table

ABOUT_LETTERS = ("Two that share a letter are not told apart, two that share none differ. "
                 "Bounds are not compared.")
WIDTH = 100


def _columns(table):
    """The least median is marked only where it is really below all others."""
    compared = [line for line in table.lines if line.compared]
    alone = len(compared) > 1 and not any(
        set(compared[0].letters) & set(line.letters) for line in compared[1:])

    def spread(heading, name, best=None):
        def value(summary):
            found = getattr(summary, name)
            return None if found is None else found / table.figure.unit
        return Column(heading, value, table.figure.form, TIME if table.figure.timed else MEMORY,
                      best)

    return [Column("passed", lambda line: line.passed, "{:d}", MEMORY),
            Column("failed", lambda line: line.failed, "{:d}", MEMORY),
            spread("median", "median", min if alone else None),
            spread("lower\nquartile", "lower"), spread("upper\nquartile", "upper"),
            spread("least", "least"), spread("most", "most")]


def _row(table, line):
    failure = None
    if line.failures and not line.values:
        failure = f"on {line.failed} of {counted(table.seeds, 'seed')}"
    return Row(line.algorithm, table.family, line, failure, line.contestant)


def _letters_column(table):
    """Each letter below itself."""
    every = sorted({letter for line in table.lines for letter in line.letters},
                   key=lambda letter: (len(letter), letter.swapcase()))
    heading = "letters"

    def cell(line):
        return "".join(letter if letter in line.letters else " " * len(letter)
                       for letter in every).ljust(len(heading))
    return Column(heading.ljust(sum(map(len, every))), cell, "{}", MEMORY)


def _wrapped(lines):
    return [part for line in lines for part in textwrap.wrap(
        line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)]


def _heading(table):
    room = ("room for every block" if table.page_limit is None
            else f"page limit {table.page_limit:,}")
    return (f"{table.family}, pages of {table.page_size:,} bytes, {room}: "
            f"{table.figure.title}, {counted(table.seeds, 'seed')}")


def _verdict(table):
    if not table.pairs:
        return "There are no two to compare."
    if table.seeds_shared < table.seeds_needed:
        return (f"{counted(table.seeds_shared, 'seed')} cannot tell "
                f"{counted(len(table.pairs), 'pair')} apart at {table.level:g}; "
                f"{table.seeds_needed} can.")
    real = sum(pair.real for pair in table.pairs)
    if len(table.pairs) == 1:
        return "The two differ." if real else "The two are not told apart."
    return f"{real} of {len(table.pairs)} pairs differ."


def _notes(table):
    yield _verdict(table)
    if len(table.hosts) > 1:
        yield (f"The times are of {len(table.hosts)} hosts, and so are medians and quartiles; "
               "differences are within one host.")
    for line in table.lines:
        if line.failures:
            first = min(line.failures)
            yield (f"{line.algorithm} failed on {line.failed} of {counted(table.seeds, 'seed')}, "
                   f"the first is {first}: {line.failures[first]}")
        if line.missing:
            yield (f"{line.algorithm} has no figure of {line.missing} of "
                   f"{counted(table.seeds, 'seed')}: not run, lost or not known.")


def _body(table, colours):
    rows, columns = [_row(table, line) for line in table.lines], _columns(table)
    lettered = [*columns, _letters_column(table)]
    if max(map(len, text_table(lettered, rows))) <= WIDTH:
        return [line.rstrip() for line in text_table(lettered, rows, colours)]
    below = [f"{line.algorithm}: {' '.join(line.letters)}" for line in table.lines if line.letters]
    return text_table(columns, rows, colours) + _wrapped(below)


def text(found, colours=False):
    """For a terminal, without a line's end at the end."""
    if not found:
        return "No family of traces has figures of two seeds or more."
    lines = [f"{TEST}, level {found[0].level:g}.", ABOUT_LETTERS]
    for table in found:
        lines += ["", *_wrapped([_heading(table)]), *_body(table, colours),
                  *_wrapped(_notes(table))]
    return "\n".join(lines)


# ---- as JSON

def _plain_line(line):
    plain = {name: getattr(line, name) for name in (
        "algorithm", "contestant", "passed", "failed", "missing", "median", "lower", "upper",
        "least", "most", "letters")}
    return dict(plain, failures=[{"seed": seed, "failure": line.failures[seed]}
                                 for seed in sorted(line.failures)])


def _plain_pair(pair):
    plain = {name: getattr(pair, name) for name in (
        "first", "second", "seeds", "median_difference", "adjusted", "real", "less")}
    return dict(plain, zeros=pair.test.zeros, statistic=pair.test.statistic, p=pair.test.p)


def as_json(found):
    """Plain lists and dicts, with every comparison."""
    return {"test": TEST,
            "tables": [{"family": table.family, "page_size": table.page_size,
                        "page_limit": table.page_limit, "figure": table.figure.key,
                        "level": table.level, "seeds": table.seeds, "hosts": list(table.hosts),
                        "seeds_shared": table.seeds_shared, "seeds_needed": table.seeds_needed,
                        "algorithms": list(map(_plain_line, table.lines)),
                        "pairs": list(map(_plain_pair, table.pairs))} for table in found]}
