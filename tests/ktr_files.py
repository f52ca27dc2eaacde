"""Compact traces for tests, made without the tools under test: blocks as capture/FORMAT.md
has them, each compressed by libzstd."""

import ctypes
import os
import struct
import subprocess
import tempfile

MAGIC = b"KMA trace 1\n"
COLUMNS = ("time", "cpu", "site", "cache", "spent")
WINDOW_LOG, CHECKSUM_FLAG = 101, 201  # the numbers of zstd's parameters

try:
    ZSTD = ctypes.CDLL("libzstd.so.1")
    MISSING = None
except OSError:
    ZSTD, MISSING = None, "libzstd.so.1 is not installed"


def frame(content, checksum=True, window_log=0):
    """`content` as a frame of zstd; 0: the window that zstd chooses."""
    ZSTD.ZSTD_createCCtx.restype = ctypes.c_void_p
    ZSTD.ZSTD_compressBound.restype = ZSTD.ZSTD_compress2.restype = ctypes.c_size_t
    context = ctypes.c_void_p(ZSTD.ZSTD_createCCtx())
    ZSTD.ZSTD_CCtx_setParameter(context, CHECKSUM_FLAG, int(checksum))
    ZSTD.ZSTD_CCtx_setParameter(context, WINDOW_LOG, window_log)
    room = ZSTD.ZSTD_compressBound(ctypes.c_size_t(len(content)))
    memory = ctypes.create_string_buffer(room)
    size = ZSTD.ZSTD_compress2(context, memory, ctypes.c_size_t(room), content,
                               ctypes.c_size_t(len(content)))
    ZSTD.ZSTD_freeCCtx(context)
    return memory.raw[:size]


def number(value):
    found = b""
    while value >= 0x80:
        found += bytes([value & 0x7f | 0x80])
        value >>= 7
    return found + bytes([value])


def numbers(values):
    return b"".join(map(number, values))


def section(data):
    return number(len(data)) + data


def block(kind, data):
    return kind + struct.pack("<I", len(data)) + data


def meta(text):
    return frame(MAGIC + block(b"M", text.encode()))


def end(events, slots, lost=0):
    return frame(block(b"Z", f"events={events}\nslots={slots}\nlost={lost}\n".encode()))


def names(column, first, *texts):
    data = numbers([COLUMNS.index(column), first, len(texts)])
    return frame(block(b"N", data + b"".join(bytes([len(text)]) + text.encode()
                                             for text in texts)))


def events_data(events, columns=None):
    """The payload of a block of (size, slot); `columns`: {name: numbers as they are stored}."""
    steps, before = [], 0
    for size, slot in events:
        if size == 0:
            step = slot - before
            steps.append(step << 1 if step >= 0 else -step * 2 - 1)
            before = slot
    parts = [numbers(size for size, _ in events), numbers(steps)]
    parts += [numbers(values) for values in (columns or {}).values()]
    return number(len(events)) + b"".join(map(section, parts))


def events(pairs, columns=None):
    return frame(block(b"E", events_data(pairs, columns)))


def slots_of(pairs):
    return 1 + max((slot for _, slot in pairs), default=-1)


def write(path, pairs, about="", columns=None, blocks=1):
    """A sound trace of (size, slot), in so many blocks; `columns` are of one block."""
    head = f"columns={','.join(columns)}\n" if columns else ""
    each = -(-len(pairs) // blocks) or 1
    with open(path, "wb") as file:
        file.write(meta(head + about))
        for first in range(0, len(pairs), each):
            file.write(events(pairs[first:first + each], columns))
        file.write(end(len(pairs), slots_of(pairs)))


def kernel(path, pairs, spent, about=""):
    """A recording of a kernel that spent `spent(size)` bytes on a request."""
    write(path, pairs, "origin=kernel\n" + about,
          {"spent": [spent(size) - size + 1 for size, _ in pairs if size > 0]})


def not_driven(program):
    """None, or why the executable cannot read compact traces here: a 32-bit one needs a
    library of its own."""
    if MISSING:
        return MISSING
    with tempfile.TemporaryDirectory(prefix="kma-test-") as folder:
        write(os.path.join(folder, "t.ktr"), [(5, 0), (0, 0)])
        done = subprocess.run([program, "--no-output", "t.ktr"], cwd=folder, text=True,
                              capture_output=True)
    return "no libzstd for these executables" if "libzstd" in done.stderr else None
