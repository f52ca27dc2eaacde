"""What a run of a sweep leaves: a file KEY.json with its outcome and where it ran, and maybe a
picture of its pages beside it; and what of an outcome becomes columns of the database."""

import contextlib
import json
import os

# Long lists in an outcome: what plots and the report are drawn from.
CURVES = ("series", "latency", "per_event", "operations")


# ---- what an outcome tells

def _scalars(prefix, value):
    """(name, value) of everything in nested objects that is one value, _ between the names."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _scalars(f"{prefix}{name}_", inner)
        elif not isinstance(inner, list):
            yield prefix + name, inner


def _sums_of_operations(operations):
    names = ("pages_got", "pages_freed", "splits", "joins", "steps")
    columns = zip(*operations.values()) if operations else ([0] for _ in names)
    return {name: None if None in counts else sum(counts)
            for name, counts in zip(names, columns)}


def without_curves(outcome):
    """As much of an outcome as a database keeps that is for no plots."""
    kept = {name: value for name, value in outcome.items() if name not in CURVES}
    if "operations" in outcome:
        kept["operations"] = {"all": list(_sums_of_operations(outcome["operations"]).values())}
    return kept


def figures(outcome):
    """Everything in an outcome that may be a column."""
    found = dict(_scalars("", outcome.get("summary") or {}))
    if "figures" in outcome:
        found.update(_scalars("instructions_", outcome["figures"]))
    if "operations" in outcome:
        found.update(_scalars("operations_", _sums_of_operations(outcome["operations"])))
    return found


# ---- files

def records(folder):
    """Paths of what runs have left there."""
    with contextlib.suppress(FileNotFoundError):
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries
                          if entry.name.endswith(".json") and entry.is_file())
    return []


def _heapmap(path):
    return path.removesuffix(".json") + ".heapmap"


def picture_beside(path):
    """The picture of pages that a run left beside its record, or None."""
    try:
        with open(_heapmap(path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def read_record(path, key):
    """What a run left, None where there is nothing or nothing whole."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        outcome = record["outcome"]
        found = isinstance(outcome.get("failure"), str) or any(
            isinstance(outcome.get(name), dict) for name in ("summary", "figures", "operations"))
        return record if found and record["key"] == key and dict(record["where"]) else None
    except (FileNotFoundError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None


def remove_parts(folder):
    """What killed processes left half written; nobody may be at work there."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.endswith((".part", ".heapmap")):
                os.unlink(os.path.join(folder, name))


def remove_record(folder, key):
    """And the picture beside it."""
    path = os.path.join(folder, f"{key}.json")
    for name in (_heapmap(path), path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
