"""The allocators that people use, as rows beside the algorithms of this suite.

Each is kma_libc, the driver over malloc and free, in a process of its own: as it is, or
with another allocator's library loaded before the C library.
"""

import glob
import os

LIBRARIES = {
    "libc": None,
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2.*",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}

FOLDERS = ("/usr/lib/*-linux-gnu*", "/lib/*-linux-gnu*", "/usr/lib64", "/usr/lib",
           "/usr/local/lib")


def elf_kind(path):
    """Word size and machine of an ELF file: a library has to be of the program's."""
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return (head[4], head[18:20]) if head[:4] == b"\x7fELF" and len(head) == 20 else None


def word_bytes(program):
    kind = elf_kind(program)
    return 4 if kind is not None and kind[0] == 1 else 8


def library(name, program, folders=FOLDERS):
    """The path of the library that makes kma_libc this allocator, or None."""
    wanted = elf_kind(program)
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, LIBRARIES[name]))):
            if wanted is not None and elf_kind(path) == wanted:
                return os.path.realpath(path)
    return None


def installed(program):
    """{name: library to preload, None for the C library itself}."""
    found = {"libc": None}
    for name in LIBRARIES:
        path = library(name, program) if LIBRARIES[name] else None
        if path is not None:
            found[name] = path
    return found
