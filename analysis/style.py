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
    "slab": "#7c6bf7",
    "bt": "#a54a2a",
    "tlsf": "#69d37e",
    "champion": "#5710a8",
    "libc": "#363447",
    "jemalloc": "#3b0061",
    "mimalloc": "#2e2500",
    "tcmalloc": "#4900f2",
    "ideal": "#b4b4b4",
}

# For an algorithm that has no colour above yet.
SPARE = ("#6699cc", "#aa4466", "#117733", "#aa4499", "#997700", "#225555")

# Lengths of dash and gap. Algorithms whose curves run close to another's are dashed, all
# references have short dashes: where two lines touch, colour alone would not do.
LONG_DASHES, SHORT_DASHES, DOTS = (12, 9), (6, 4), (3, 5)
DASHES = {
    "rm_best": LONG_DASHES,
    "lzbud": LONG_DASHES,
    "mck2": LONG_DASHES,
    "libc": SHORT_DASHES,
    "jemalloc": SHORT_DASHES,
    "mimalloc": SHORT_DASHES,
    "tcmalloc": SHORT_DASHES,
    "ideal": DOTS,
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
    """Lengths of dash and gap, or None for a line without gaps."""
    return DASHES.get(algorithm)
