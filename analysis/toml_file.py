"""A TOML file that a person wrote, looked at key by key. What is wrong with it is a Refusal that
begins with the file's name and the line."""

import contextlib
import dataclasses
import functools
import re
import tomllib

import toml_lines
from common import Refusal
from sweep_settings import nearest, shown

LONGEST_FILE = 1 << 20  # bytes


def _text_of(path):
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except OSError as problem:
        raise Refusal(f"{path}: {problem.strerror}") from None
    if len(data) > LONGEST_FILE:
        raise Refusal(f"{path}: larger than {LONGEST_FILE} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise Refusal(f"{path}:{line}: this is not UTF-8") from None


def _content_of(path, text):
    try:
        return tomllib.loads(text)
    except RecursionError:
        line, why = toml_lines.deep_line(text), "lists in lists, too deep"
    except tomllib.TOMLDecodeError as problem:
        why = " ".join(str(problem).split())
        at = re.search(r"at line ([0-9]+), column [0-9]+\)$", why)
        line = int(at[1]) if at else text.rstrip("\n").count("\n") + 1
        why = f"not TOML: {why if len(why) <= 200 else f'{why[:196]}...'}"
    except ValueError:  # Python's own limit
        digits = re.search(r"[0-9_]{4000}", text)
        line = text.count("\n", 0, digits.start() if digits else 0) + 1
        why = "so large a number"
    raise Refusal(f"{path}:{line}: {why}")


class TomlFile:
    """Where a value stands, and how it is refused."""

    def __init__(self, path):
        self.path = path
        self.text = _text_of(path)
        self.content = _content_of(path, self.text)

    @functools.cached_property
    def lines(self):
        return toml_lines.lines(self.text)

    def line(self, where):
        return toml_lines.line_of(self.lines, where)

    def refuse(self, where, reason):
        raise Refusal(f"{self.path}:{self.line(where)}: {reason}")

    @contextlib.contextmanager
    def standing(self, where):
        """What is refused in the block is refused there."""
        try:
            yield
        except Refusal as refusal:
            self.refuse(where, str(refusal))

    def require(self, where, why_not):
        """Of the value there, after the name of its key."""
        if why_not:
            key = next(part for part in reversed(where) if isinstance(part, str))
            self.refuse(where, f"{key}: {why_not}")


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the file."""
    file: TomlFile
    where: tuple  # its path, for toml_lines
    content: dict

    def check_keys(self, known, of):
        for key in self.content:
            if key not in known:
                self.file.refuse((*self.where, key),
                                 f"{shown(key)} is no key of {of}; {nearest(key, known)}")

    def require(self, key, why_not):
        self.file.require((*self.where, key), why_not)

    def refuse(self, reason):
        self.file.refuse(self.where, reason)

    def one(self, key, check, default):
        if key not in self.content:
            return default
        self.require(key, check(self.content[key]))
        return self.content[key]

    def place_of(self, key, value):
        """Where it stands: in a list, or as the key's only one."""
        values = self.content[key]
        place = (values.index(value),) if isinstance(values, list) else ()
        return (*self.where, key, *place)

    def many(self, key, check, default=None):
        """A list, or its one value."""
        if key not in self.content:
            return default
        values = self.content[key]
        if not isinstance(values, list):
            self.require(key, check(values))
            return (values,)
        self.require(key, None if values else "the list is empty")
        met = set()
        for place, value in enumerate(values):
            why_not = check(value) or (f"{shown(value)} is listed twice" if value in met else None)
            self.file.require((*self.where, key, place), why_not)
            met.add(value)
        return tuple(values)
