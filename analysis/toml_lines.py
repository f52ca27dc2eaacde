"""Where things stand in a TOML file: tomllib gives the values but not their lines.

Nothing is checked or converted here. The text is one that tomllib has read without complaint,
so it is enough to know its words: texts, brackets, commas, and where a statement ends. One walk
over them notes the line of each key and of each value in a list, under its path from the top,
such as ("runs", 1, "seeds", 2): the third seed of the second [[runs]].
"""

import re
import tomllib

WORDS = re.compile(r'''
      (?P<comment> \#[^\n]*)
    | (?P<text>    """(?:\\.|[^\\])*?"{3,5}(?!") | \'\'\'.*?'{3,5}(?!')
                 | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<mark>    [][{}=,\n])
    | (?P<plain>   [^][{}=,\n"'\#\s]+)
    ''', re.VERBOSE | re.DOTALL)

DEEP = 50  # lists in lists: more is no plan, and too much for tomllib


def _keys(text):
    """Of a header or of `key =`, without its dots: [(key, whether it is a list's)]."""
    found, keys = tomllib.loads(text), []
    while isinstance(found, dict) and found:
        (key, found), = found.items()
        keys.append((key, isinstance(found, list)))
        found = found[0] if isinstance(found, list) else found
    return keys


class _Walk:
    """Notes the lines. `open_lists` are the lists and inline tables around a word, the
    innermost last: its path, and the place in it, None in a table."""

    def __init__(self, text):
        self.lines = {}
        self.text = text
        self.tables = {}        # path of a list of tables: how many so far
        self.header = ()        # path of the table that statements belong to
        self.open_lists = []
        self.key = None         # path of the key whose value is read
        self.begins = None      # where the key begins that is read
        self.line = 1

    def note(self, path):
        self.lines.setdefault(path, self.line)

    def follow(self, start):
        """All words from there to the end."""
        at = start
        while (word := WORDS.search(self.text, at)) is not None:
            self.line += self.text.count("\n", at, word.start())
            at = word.end()
            statement_begins = not self.open_lists and self.key is None and self.begins is None
            if word["mark"] == "[" and statement_begins:
                at = self.take_header(word.start())
                continue
            if word["mark"]:
                self.take_mark(word["mark"], word.start())
            elif not word["comment"]:
                self.take_value(word.start())
            self.line += word[0].count("\n")

    def take_header(self, start):
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        self.header = ()
        keys = _keys(self.text[start:end])
        for number, (key, of_list) in enumerate(keys, 1):
            self.header += (key,)
            self.note(self.header)
            if of_list and number == len(keys):
                self.tables[self.header] = self.tables.get(self.header, 0) + 1
            if self.header in self.tables:
                self.header += (self.tables[self.header] - 1,)
        self.note(self.header)
        return end

    def around(self):
        return self.open_lists[-1] if self.open_lists else (self.header, None)

    def take_value(self, start):
        """A text or a plain word: of a key, or a value."""
        path, place = self.around()
        if place is not None:
            self.note((*path, place))
        elif self.key is None and self.begins is None:
            self.begins = start

    def take_mark(self, mark, start):
        path, place = self.around()
        if mark == "=":
            self.key = path
            for key, _ in _keys(self.text[self.begins:start] + "= 0"):
                self.key += (key,)
                self.note(self.key)
            self.begins = None
        elif mark in "[{":
            inner = self.key if place is None else (*path, place)
            self.note(inner)
            self.open_lists.append((inner, 0 if mark == "[" else None))
            self.key = None
        elif mark in "]}":
            self.open_lists.pop()
        elif mark == "," and place is not None:
            self.open_lists[-1] = (path, place + 1)
        if mark == "," and place is None or mark == "\n" and not self.open_lists:
            self.key = self.begins = None


def lines(text):
    """{path: line} of all keys, tables and values of lists, of what tomllib has read."""
    walk = _Walk(text.replace("\r\n", "\n"))
    walk.follow(0)
    return walk.lines


def line_of(found, path):
    """Of what stands there, or else of what it would belong to."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path, 1)


def deep_line(text):
    """The line where lists lie in more than DEEP others, or the first."""
    depth, at = 0, 0
    for word in WORDS.finditer(text):
        depth += (word["mark"] in ("[", "{")) - (word["mark"] in ("]", "}"))
        if depth > DEEP:
            at = word.start()
            break
    return text.count("\n", 0, at) + 1
