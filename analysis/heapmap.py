"""Reading the driver's heap map: how full the pages are as the trace goes on.

The first line is `columns rows pages_per_row page_size`; each further line has the index of
an event and, of the state after it, a cell for each row of pages: `-` while none of them
is held, else how full those held are, per mille.
"""

import dataclasses

from series import BadData

MOST_COLUMNS, MOST_ROWS, FULL = 600, 400, 1000
MOST_BYTES = MOST_COLUMNS * (MOST_ROWS * 5 + 21) + 100
MOST_DIGITS = 18


@dataclasses.dataclass
class HeapMap:
    columns: int
    rows: int
    pages_per_row: int
    page_size: int
    events: list  # of each column, how many events are replayed
    cells: list   # [column][row]: per mille, or None while no page is held


def _number(word, least, most=10 ** MOST_DIGITS):
    if word.isdigit() and len(word) <= MOST_DIGITS and least <= int(word) <= most:
        return int(word)
    raise BadData(f"the heap map has {ascii(word[:20].decode('latin-1'))} for a number")


def _column(line, rows, before):
    index, *cells = line.split(b" ")
    if len(cells) != rows:
        raise BadData(f"a line of the heap map has {len(cells)} cells, not {rows}")
    return (_number(index, before + 1),
            [None if cell == b"-" else _number(cell, 0, FULL) for cell in cells])


def read(path):
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise BadData("the heap map is too large")
    if not content.endswith(b"\n"):
        raise BadData("the heap map does not end with a complete line")
    head, *lines = content[:-1].split(b"\n")
    numbers = head.split(b" ")
    if len(numbers) != 4:
        raise BadData("the heap map does not begin with four numbers")
    found = HeapMap(_number(numbers[0], 0, MOST_COLUMNS), _number(numbers[1], 1, MOST_ROWS),
                    _number(numbers[2], 1), _number(numbers[3], 1), [], [])
    if len(lines) != found.columns:
        raise BadData(f"the heap map has {len(lines)} columns, not {found.columns}")
    for line in lines:
        index, cells = _column(line, found.rows, found.events[-1] if found.events else 0)
        found.events.append(index)
        found.cells.append(cells)
    return found
