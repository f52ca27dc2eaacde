"""What may stand in a sweep's plan: the keys, what is good for each, and what each of the
generators of traces can be asked for. analysis/sweep_plan.py reads plans by it.

A check is a function that returns why a value is wrong, or None.
"""

import difflib

import jobs
import measure
from plan import DEFAULT_PAGE_SIZE

MOST_SEED = 2**31 - 1
MOST_PAGES = 1 << 28  # POOL_MAX_PAGES of driver/pool.h
LEAST_PAGE, LARGEST_PAGE = 2048, 1 << 20
POINTER = 8           # bytes of a page that no request can have

DEFAULT_PASSES = 9


def shown(value):
    """In a message of one line, whatever it is."""
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 128:
        return "so large a number"  # Python refuses to print some
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:56]}..."


def nearest(word, known):
    near = difflib.get_close_matches(word[:60], known, 1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


# ---- checks

def whole(low, high, even=False):
    def why_not(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"{shown(value)} is not a whole number from {low} to {high}"
        return f"{value} is not even: each block is freed" if even and value % 2 else None
    return why_not


def word(*known):
    def why_not(value):
        if not isinstance(value, str):
            return f"{shown(value)} is no text; known: {', '.join(known)}"
        return None if value in known else f"{shown(value)} is unknown; {nearest(value, known)}"
    return why_not


def page_size(value):
    if whole(LEAST_PAGE, LARGEST_PAGE)(value) or value & (value - 1):
        return f"{shown(value)} is not a power of two from {LEAST_PAGE} to {LARGEST_PAGE}"
    return None


def flag(value):
    return None if isinstance(value, bool) else f"{shown(value)} is not true or false"


def line_of_text(value):
    good = isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200
    return None if good else f"{shown(value)} is not a line of text of at most 200 characters"


def file_name(value):
    good = isinstance(value, str) and value.isprintable() and value
    return None if good else f"{shown(value)} is no file's name"


# ---- keys

TOP_KEYS = ("title", "curves", "runs")

SIMPLE = {  # one value each: its check and its default
    "references": (flag, False),
    "passes": (whole(1, 10_000), DEFAULT_PASSES),
    "turns": (whole(1, 1_000), None),
    "time_limit": (whole(1, 10**6), measure.LONGEST_RUN),
}

LISTS = {  # or one value instead
    "page_sizes": (page_size, (DEFAULT_PAGE_SIZE,)),
    "page_limits": (whole(1, MOST_PAGES), ()),
    "measure": (word(*jobs.KINDS), ("memory",)),
}

GROUP_KEYS = ("algorithms", "traces", "generate", *LISTS, *SIMPLE)

# ---- generators: each setting is one value or a list of values

_LIVE = whole(1, 10**8)
_SIZE = whole(1, LARGEST_PAGE - POINTER)

GENERATORS = {
    "random": {"requests": whole(1, (2**31 - 1) // 2),  # as of testsuite/generate_trace
               "sizes": word("log", "linear"), "smallest": _SIZE, "largest": _SIZE,
               "frees": word("uniform", "early")},
    "steady": {"live": _LIVE, "exchanges": whole(0, 10**9),
               "sizes": word("log", "powers", "linear"), "smallest": _SIZE, "largest": _SIZE},
    "growth": {"live": _LIVE},
    "stream": {"events": whole(2, 10**12, even=True), "live": _LIVE},
}


def disagreement(generator, settings, page_sizes):
    """(setting, why it does not go with the others), or None."""
    if "smallest" not in GENERATORS[generator]:
        return None
    smallest, largest = settings["smallest"], settings["largest"]
    served = min(page_sizes) - POINTER
    if smallest > largest:
        return "largest", f"{largest} is less than the smallest, {smallest}"
    if largest > served:
        return "largest", f"{largest} is more than pages of {min(page_sizes)} serve, {served}"
    if settings["sizes"] == "powers":
        for name in ("smallest", "largest"):
            if settings[name] & (settings[name] - 1):
                return name, f"{settings[name]} is no power of two, and the sizes are powers"
    return None
