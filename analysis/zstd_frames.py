"""The frames of a zstd file, one at a time, through libzstd by ctypes: Python's own library
has no zstd. A frame needs a checksum, and its content is no longer than LARGEST bytes.
"""

import contextlib
import ctypes
import functools

from common import Refusal

FRAME = b"\x28\xb5\x2f\xfd"  # how a frame begins
FRAME_HEAD, CHECKSUM = 5, 4  # bytes looked at, and the bit of the last one
LARGEST = 1 << 20            # bytes of a frame's content
PIECE = 1 << 17              # bytes read at once


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t)]


@functools.cache
def _zstd():
    """The library's functions, or None."""
    size, pointer, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
    buffer = ctypes.POINTER(_Buffer)
    try:
        library = ctypes.CDLL("libzstd.so.1")
        for name, result, arguments in (
                ("createDStream", pointer, ()), ("freeDStream", size, (pointer,)),
                ("decompressStream", size, (pointer, buffer, buffer)),
                ("DCtx_setParameter", size, (pointer, ctypes.c_int, ctypes.c_int)),
                ("isError", ctypes.c_uint, (size,)), ("getErrorName", text, (size,))):
            function = getattr(library, f"ZSTD_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


WINDOW_LOG_MAX = 100  # a parameter: the decoder takes no more memory than 2 ** its value


@contextlib.contextmanager
def _decoder(path):
    """decode(bytes) -> (bytes used, content of the frame; None while it goes on)."""
    zstd = _zstd()
    stream = zstd and zstd.ZSTD_createDStream()
    if not stream:
        raise Refusal(f"{path}: a compact trace needs libzstd.so.1 of zstd 1.4 or later "
                      "to be read")
    zstd.ZSTD_DCtx_setParameter(stream, WINDOW_LOG_MAX, LARGEST.bit_length() - 1)
    memory = ctypes.create_string_buffer(LARGEST)
    output = _Buffer(ctypes.addressof(memory), LARGEST, 0)

    def decode(data):
        source = _Buffer(ctypes.cast(data, ctypes.c_void_p), len(data), 0)
        left = zstd.ZSTD_decompressStream(stream, output, source)
        if zstd.ZSTD_isError(left):
            raise ValueError(f"damaged: {zstd.ZSTD_getErrorName(left).decode()}")
        if left and output.at == LARGEST:
            raise ValueError(f"a block is longer than {LARGEST} bytes")
        if left:
            return source.at, None
        content = ctypes.string_at(memory, output.at)
        output.at = 0
        return source.at, content

    try:
        yield decode
    finally:
        zstd.ZSTD_freeDStream(stream)


def refusal(path, offset, why):
    return Refusal(f"{path}: byte {offset}: {why}")


def frames(path):
    """(offset in the file, content) of each."""
    with open(path, "rb") as file, _decoder(path) as decode:
        data, offset = file.read(PIECE), 0
        while data:
            if len(data) < FRAME_HEAD:
                data += file.read(PIECE)
            if not data.startswith(FRAME[:len(data)]):
                raise refusal(path, offset, "no zstd frame begins here")
            if len(data) >= FRAME_HEAD and not data[FRAME_HEAD - 1] & CHECKSUM:
                raise refusal(path, offset, "this frame has no checksum")
            begin, content = offset, None
            while content is None:
                if not data:
                    raise refusal(path, begin, "the trace is cut short")
                try:
                    used, content = decode(data)
                except ValueError as problem:
                    raise refusal(path, begin, problem) from None
                offset += used
                data = data[used:] or file.read(PIECE)
            yield begin, content
