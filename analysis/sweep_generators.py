"""The generators of a sweep's traces: what is known before a trace is made, and how it is
written. What they can be asked for is in sweep_settings.py.

The same settings and seed give the same events everywhere, and the same bytes but for `stream`,
whose compressed bytes are up to the version of libzstd.
"""

import dataclasses
import os
import shutil
import subprocess

import growth
import random_traces
import steady
import sweep_settings
from common import Refusal, written_aside
from sweep_settings import shown

MOST_EVENTS = 2**31 - 1  # of a trace as text
SEED = sweep_settings.whole(0, sweep_settings.MOST_SEED)

# Raised when a generator's bytes change: what was kept of older ones is then not used.
RANDOM_VERSION = STEADY_VERSION = STREAM_VERSION = 1


def _write_random(path, seed, generate, *, requests, sizes, smallest, largest, frees):
    size = steady.LAWS[sizes](smallest, largest)
    random_traces.write_trace(path, requests, size, frees, seed)


def _write_steady(path, seed, generate, *, live, exchanges, sizes, smallest, largest):
    steady.write_trace(path, live, exchanges, steady.LAWS[sizes](smallest, largest), seed)


def _write_growth(path, seed, generate, *, live):
    growth.write_trace(path, live, seed)


def _write_stream(path, seed, generate, *, events, live):
    if generate is None or not os.access(generate, os.X_OK):
        raise Refusal(f"{generate or 'capture/generate'} is not built: make capture")
    command = [os.path.abspath(generate), "--events", str(events), "--live", str(live), "--seed",
               str(seed), "--to", "compact", "--level", "1", "--output", "-"]
    # Through a pipe: it ends when this process is killed, and leaves nothing behind.
    with written_aside(path) as out, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as child:
        shutil.copyfileobj(child.stdout, out, 1 << 20)
        said = child.stderr.read().decode("utf-8", "replace").split()
        if child.wait() != 0:
            raise Refusal(" ".join(said) or f"{generate}: exit status {child.returncode}")


@dataclasses.dataclass(frozen=True)
class Generator:
    version: int
    events: object      # of the settings, exactly
    live: object        # of the settings: blocks live at once at most
    write: object
    compact: bool = False


GENERATORS = {
    "random": Generator(RANDOM_VERSION, lambda its: 2 * its["requests"],
                        lambda its: its["requests"], _write_random),
    "steady": Generator(STEADY_VERSION, lambda its: 2 * (its["live"] + its["exchanges"]),
                        lambda its: its["live"], _write_steady),
    "growth": Generator(growth.VERSION, lambda its: growth.event_count(its["live"]),
                        lambda its: its["live"], _write_growth),
    "stream": Generator(STREAM_VERSION, lambda its: its["events"],
                        lambda its: min(its["live"], its["events"] // 2), _write_stream,
                        compact=True),
}


def fault(generator, settings, seed):
    """Why there is no such trace, or None: what is not from a plan may be anything."""
    if not isinstance(generator, str) or generator not in GENERATORS:
        return f"{shown(generator)} is no generator"
    checks, its = sweep_settings.GENERATORS[generator], GENERATORS[generator]
    if not isinstance(settings, dict) or set(settings) != set(checks):
        return f"the settings of {generator} are {', '.join(checks)}"
    for name, why_not in {**checks, "seed": SEED}.items():
        why = why_not(seed if name == "seed" else settings[name])
        if why is not None:
            return f"{name}: {why}"
    wrong = sweep_settings.disagreement(generator, settings, [sweep_settings.LARGEST_PAGE])
    if wrong is not None:
        return f"{wrong[0]}: {wrong[1]}"
    if not its.compact and its.events(settings) > MOST_EVENTS:
        return f"{its.events(settings)} events are more than {MOST_EVENTS}, of which a text tells"
    return None
