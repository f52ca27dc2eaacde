"""How an algorithm looks, in every picture and page: one colour and one kind of line each.

The first algorithms have colours of the palette of Okabe and Ito, made to be told apart by
colour-blind readers. The others were searched for so that any two stay apart for readers
who lack the cones for red or for green: the least distance, in CIELAB, is 12.
"""

import zlib

COLOURS = {
    "dummy": "#6c6c6c",
    "rm": "#0072b2",
    "rm_best": "#56b4e9",
    "rm_worst": "#000000",
    "bud": "#d55e00",
    "lzbud": "#e69f00",
    "p2fl": "#009e73",
    "mck2": "#cc79a7",
    "slab": "#bd64ff",
    "bt": "#2a06ea",
    "tlsf": "#9ec771",
    "word": "#5829bc",
    "libc": "#54466d",
    "jemalloc": "#524a00",
    "mimalloc": "#124228",
    "tcmalloc": "#083482",
    "linux": "#fc003c",
    "ideal": "#b4b4b4",
}

# For an algorithm that has no colour above yet.
SPARE = ("#6699cc", "#aa4466", "#117733", "#aa4499", "#997700", "#225555")

# Lengths of dashes and gaps, for where colour alone would not do: algorithms whose curves run
# close to another's have long dashes, references short ones with dots or without.
DASHED = (12, 9)
DASHES = {
    "rm_best": DASHED,
    "lzbud": DASHED,
    "mck2": DASHED,
    "libc": (7, 4),
    "jemalloc": (9, 4, 2, 4),
    "mimalloc": (3, 3),
    "tcmalloc": (9, 4, 2, 4, 2, 4),
    "linux": (14, 4),
    "ideal": (3, 6),
}

REQUESTED = "#c9d3da"  # requested bytes, the same for all algorithms
INK = "#303030"
FAINT = "#707070"
GRID = "#e2e2e2"
MARKED = "#fbf3e4"  # behind a panel with a scale of its own
NOT_HELD = "#dadada"  # where a heap map has no page

# Matplotlib's viridis: evenly lighter from empty to full, also without red or green.
FULLNESS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962",
            "#addc30", "#fde725")


def colour(algorithm):
    """The same for one name everywhere, whatever other algorithms there are."""
    if algorithm in COLOURS:
        return COLOURS[algorithm]
    return SPARE[zlib.crc32(algorithm.encode()) % len(SPARE)]


def dash(algorithm):
    """Lengths of dashes and gaps, or None for a line without gaps."""
    return DASHES.get(algorithm)
