"""Reading traces, whichever kind they are: text (kma-trace(5)) or compact
(capture/FORMAT.md). Which of the two is seen from the first bytes.

A compact trace is a row of zstd frames with a block in each. They are decoded one at a
time, so memory depends on the blocks live at once and not on the trace's length. Nothing
in a file is taken on trust: counts are compared with the bytes that follow, slots with
what is live, and the totals at the end with what was read. What is wrong is a Refusal
that names the file and the line, or the byte where the block begins.
"""

import contextlib
import dataclasses
import itertools

import zstd_frames
from common import Refusal
from zstd_frames import refusal

COLUMNS = ("time", "cpu", "site", "cache", "spent")
NAMED = ("site", "cache")  # columns of names: a block holds their numbers, from 1 on

MAGIC = b"KMA trace 1\n"
BLOCK_HEAD = 5  # a letter and four bytes of length

MOST_SIZE, MOST_VALUE, MOST_TIME = 2**31 - 1, 2**32 - 1, 2**64 - 1


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a trace without a look at each event."""
    compact: bool
    about: dict        # what a compact trace says of itself
    events: int
    slots: int = None  # blocks live at once at most; of text not known
    lost: int = 0      # events that the recording has lost

    @property
    def recorded(self):
        """Not made up by a program that makes traces."""
        return self.compact and self.about.get("origin") != "generated"

    @property
    def of_kernel(self):
        """A kernel's, which tells what its own allocator spent."""
        return (self.about.get("origin") == "kernel" and
                "spent" in self.about.get("columns", "").split(","))


def is_compact(path):
    with open(path, "rb") as file:
        return file.read(len(zstd_frames.FRAME)) == zstd_frames.FRAME


# ---- blocks

def _blocks(path):
    """(offset of its frame, letter, bytes) of each block: M, then N and E, then Z."""
    last, end = None, 0
    for offset, content in zstd_frames.frames(path):
        if last is None:
            if not content.startswith(MAGIC):
                raise refusal(path, offset, "compressed, but no trace: it does not begin "
                               f"with '{MAGIC.decode().strip()}'")
            content = content[len(MAGIC):]
        kind, length = content[:1], int.from_bytes(content[1:BLOCK_HEAD], "little")
        why = None
        if len(content) < BLOCK_HEAD or length != len(content) - BLOCK_HEAD:
            why = "this block is not as long as it says"
        elif last == b"Z":
            why = "something follows the last block"
        elif kind not in (b"M", b"N", b"E", b"Z"):
            why = "a block of an unknown kind: a later version's?"
        elif (kind == b"M") != (last is None):
            why = ("the first block must describe the trace" if last is None
                   else "a second description of the trace")
        if why is not None:
            raise refusal(path, offset, why)
        yield offset, kind, content[BLOCK_HEAD:]
        last, end = kind, offset
    if last != b"Z":
        raise refusal(path, end, "the trace is cut short behind this block")


def _pairs(text):
    """Of lines key=value; the first of a key counts."""
    found = {}
    for line in text.decode("utf-8", "replace").split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            found.setdefault(key, value)
    return found


def _whole(text):
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _check_end(path, offset, text, events, slots=None):
    """Returns (slots, lost events). `slots`: as many as there were; None: not counted."""
    said = {key: _whole(value) for key, value in _pairs(text).items()}
    told = said.get("events", 0), said.get("slots", 0)
    if told != (events, told[1] if slots is None else slots):
        counted = "" if slots is None else f" and {slots} slots"
        raise refusal(path, offset, f"the last block speaks of {told[0]} events"
                       f"{counted and f' and {told[1]} slots'}, but there are {events}{counted}")
    return told[1], said.get("lost", 0)


class _Damaged(Exception):
    """A block is not what it has to be."""


def _number(data, at):
    """A number, seven bits a byte with the lowest first, and the place behind it."""
    value = shift = 0
    for place in range(at, min(len(data), at + 10)):
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
    raise _Damaged


def _numbers(data):
    """All of them, to the end."""
    if data.isascii():
        return list(data)  # each is a byte long
    found, value, shift = [], 0, 0
    keep = found.append
    for byte in data:
        if byte >= 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise _Damaged
        elif shift:
            keep(value | byte << shift)
            value = shift = 0
        else:
            keep(byte)
    if shift:
        raise _Damaged
    return found


def _sections(data, at):
    """The parts of a block from there on: each a byte count and the bytes."""
    while at < len(data):
        length, at = _number(data, at)
        if length > len(data) - at:
            raise _Damaged
        yield data[at:at + length]
        at += length


# ---- events

class _Events:
    """What has been read of a compact trace so far."""

    def __init__(self, columns):
        self.columns = columns  # that the trace has, in order
        self.count = 0
        self.live = []          # by slot
        self.free = []          # slots, the last given up at the end
        self.time = 0
        self.names = {name: [None] for name in NAMED}

    def take_names(self, data):
        column, at = _number(data, 0)
        first, at = _number(data, at)
        count, at = _number(data, at)
        known = self.names.get(COLUMNS[column]) if column < len(COLUMNS) else None
        if known is None or first != len(known):
            raise _Damaged
        for _ in range(count):
            end = at + 1 + (data[at] if at < len(data) else 0)
            if end == at + 1 or end > len(data):
                raise _Damaged
            known.append(data[at + 1:end].decode("utf-8", "replace"))
            at = end
        if at != len(data):
            raise _Damaged

    def take(self, data, wanted):
        """Lists: the sizes, the slots, and each column wanted (None where it has none)."""
        count, at = _number(data, 0)
        sizes, steps, *columns = _sections(data, at)
        sizes, steps = _numbers(sizes), _numbers(steps)
        if (count != len(sizes) or count == 0 or max(sizes) > MOST_SIZE or
                len(columns) != len(self.columns) or len(steps) != sizes.count(0)):
            raise _Damaged
        slots = self._slots(sizes, steps)
        found = dict.fromkeys(wanted)
        for name, section in zip(self.columns, columns):
            if name in found:
                found[name] = self._column(name, _numbers(section), sizes)
        self.count += count
        return [sizes, slots, *found.values()]

    def _slots(self, sizes, steps):
        live, free, slots = self.live, self.free, []
        freed = itertools.accumulate([step >> 1 ^ -(step & 1) for step in steps])
        for size in sizes:
            if size == 0:
                slot = next(freed)
                if not 0 <= slot < len(live) or not live[slot]:
                    raise _Damaged
                live[slot] = False
                free.append(slot)
            elif free:
                slot = free.pop()
                live[slot] = True
            else:
                slot = len(live)
                live.append(True)
            slots.append(slot)
        return slots

    def _column(self, name, values, sizes):
        most = len(self.names[name]) - 1 if name in NAMED else MOST_VALUE
        if name == "time":
            most, values = MOST_TIME, list(itertools.accumulate(values))
        elif name == "spent":
            if len(values) != len(sizes) - sizes.count(0):
                raise _Damaged
            least = iter(values)
            values = [next(least) if size else 0 for size in sizes]
        if len(values) != len(sizes) or max(values) > most:
            raise _Damaged
        if name == "time":
            if values[0] < self.time:
                raise _Damaged
            self.time = values[-1]
        elif name == "spent":
            return [value and value + size - 1 for value, size in zip(values, sizes)]
        elif name in NAMED:
            return list(map(self.names[name].__getitem__, values))
        return values


def _columns_of(path, offset, about):
    named = [name for name in about.get("columns", "").split(",") if name]
    if named != [name for name in COLUMNS if name in named]:
        raise refusal(path, offset, "a column of this trace is unknown or out of order")
    return named


def _compact_events(path, wanted):
    events = None
    for offset, kind, data in _blocks(path):
        try:
            if kind == b"M":
                events = _Events(_columns_of(path, offset, _pairs(data)))
            elif kind == b"N":
                events.take_names(data)
            elif kind == b"E":
                lists = events.take(data, wanted)
                yield from zip(*(itertools.repeat(None) if values is None else values
                                 for values in lists))
            else:
                _check_end(path, offset, data, events.count, len(events.live))
        except (_Damaged, ValueError):
            what = "names" if kind == b"N" else "events"
            raise refusal(path, offset, f"the {what} of this block are damaged") from None


def _text_count(path, file):
    """What the first line announces."""
    words = file.readline(64).split()
    if len(words) != 1 or not words[0].isdigit() or len(words[0]) > 10:
        raise Refusal(f"{path}:1: the first line must be the number of events")
    return int(words[0])


def _text_size(words):
    """Of a REQUEST; 0: there is no sound one."""
    size = int(words[2]) if words[2].isdigit() and len(words[2]) <= 10 else 0
    return size if size <= MOST_SIZE else 0


def _text_events(path, wanted):
    slot_of, free, slots, count = {}, [], 0, 0
    nothing = (None,) * len(wanted)
    with open(path, "rb") as file:
        announced = _text_count(path, file)
        for line in itertools.islice(file, announced):
            words = line.split()
            if len(words) < 2 or not words[1].isdigit():
                break
            live = words[1] in slot_of
            if len(words) == 3 and words[0] == b"REQUEST" and not live:
                size = _text_size(words)
                if size == 0:
                    break
                slot = free.pop() if free else slots
                slots += slot == slots
                slot_of[words[1]] = slot
            elif len(words) == 2 and words[0] == b"FREE" and live:
                size, slot = 0, slot_of.pop(words[1])
                free.append(slot)
            else:
                break
            yield (size, slot, *nothing)
            count += 1
        why = None
        if count < announced:
            why = f"event {count + 1} of the {announced} that line 1 announces is not sound"
        elif any(line.strip() for line in file):
            why = f"something follows the {announced} events that line 1 announces"
        if why is not None:
            raise Refusal(f"{path}:{count + 2}: {why}")


def events(path, columns=()):
    """(size, slot) of each event; the size of a FREE is 0. A slot that a FREE gives up is
    the next one taken. `columns`: names out of COLUMNS, whose values come behind: None
    where the trace has no such column, and for a site or a cache that is not known."""
    reader = _compact_events if is_compact(path) else _text_events
    yield from reader(path, tuple(columns))


def facts(path):
    """Looks at the first line of a text, and at every block of a compact trace."""
    if not is_compact(path):
        with open(path, "rb") as file:
            return Facts(False, {}, _text_count(path, file))
    about, count = {}, 0
    for offset, kind, data in _blocks(path):
        if kind == b"M":
            about = _pairs(data)
        elif kind == b"E":
            with contextlib.suppress(_Damaged):  # then the totals do not agree
                count += _number(data, 0)[0]
        elif kind == b"Z":
            slots, lost = _check_end(path, offset, data, count)
    return Facts(True, about, count, slots, lost)


def about(path):
    """What a compact trace says of its recording; of text nothing is known."""
    return facts(path).about


def count_of_events(path):
    return facts(path).events


def live_totals(path, largest=None):
    """(requested, spent) after each event, sums over the blocks that are live: of the bytes
    requested, and of those that the recorded allocator spent on them; where that is not
    known, of those requested. A block over the largest size is not served and counts for
    nothing."""
    live, requested, spent = {}, 0, 0
    for size, slot, cost in events(path, ("spent",)):
        if size == 0:
            size, cost = live.pop(slot)
            requested -= size
            spent -= cost
        else:
            block = (size, cost or size) if largest is None or size <= largest else (0, 0)
            live[slot] = block
            requested += block[0]
            spent += block[1]
        yield requested, spent
