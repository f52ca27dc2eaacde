"""How an algorithm looks, in every picture and page: one colour each.

The first eight are the palette of Okabe and Ito, the others come from Paul Tol's
"muted" and "light" schemes; both were made to be told apart by colour-blind readers.
Okabe and Ito's yellow is darkened, since lines lie on white paper.
"""

import zlib

COLOURS = {
    "dummy": "#7f7f7f",
    "rm": "#0072b2",
    "rm_best": "#56b4e9",
    "rm_worst": "#000000",
    "bud": "#d55e00",
    "lzbud": "#e69f00",
    "p2fl": "#009e73",
    "mck2": "#cc79a7",
    "slab": "#332288",
    "bt": "#882255",
    "tlsf": "#b0a000",
    "champion": "#cc3311",
    "libc": "#555555",
    "jemalloc": "#661100",
    "mimalloc": "#44aa99",
    "tcmalloc": "#999933",
    "ideal": "#aaaaaa",
}

# For an algorithm that has no colour above yet.
SPARE = ("#6699cc", "#aa4466", "#117733", "#aa4499", "#997700", "#225555")

REQUESTED = "#c9d3da"  # requested bytes, the same for all algorithms
INK = "#303030"
FAINT = "#707070"
GRID = "#e2e2e2"
MARKED = "#fbf3e4"  # behind a panel with a scale of its own


def colour(algorithm):
    """The same for one name everywhere, whatever other algorithms there are."""
    if algorithm in COLOURS:
        return COLOURS[algorithm]
    return SPARE[zlib.crc32(algorithm.encode()) % len(SPARE)]
