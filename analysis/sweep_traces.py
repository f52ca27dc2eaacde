"""The traces of a sweep: files, and traces that are made when they are first wanted.

A Source says what a trace is: the path of a file, or a generator, its settings and a seed.
Traces gives the path of what is to be replayed, made or copied where there is a need to.
"""

import dataclasses
import json
import os
import re
import shutil

import ktr
import measure
import staging
import sweep_generators
import sweep_settings
from common import Refusal, written_aside
from sweep_generators import GENERATORS


# ---- sources

@dataclasses.dataclass(frozen=True)
class Source:
    name: str               # of the trace, in results
    path: str = None        # of a file, absolute
    generator: str = None
    settings: tuple = ()    # pairs, in the order of sweep_settings.GENERATORS
    seed: int = None

    @property
    def family(self):
        """What traces that differ only in their seed have in common."""
        return self.name if self.path else self.name.rpartition("-")[0]

    def to_json(self):
        if self.path:
            return {"path": self.path}
        return {"generator": self.generator, "settings": dict(self.settings), "seed": self.seed}


def from_file(path):
    measure.check_traces([path])
    return Source(measure.trace_name(path), os.path.abspath(path))


def generated(generator, settings, seed):
    """A trace to be made, or a Refusal that says why there can be none."""
    why = sweep_generators.fault(generator, settings, seed)
    if why is not None:
        raise Refusal(why)
    pairs = tuple((name, settings[name]) for name in sweep_settings.GENERATORS[generator])
    words = [value for _, value in pairs if isinstance(value, str)]
    numbers = [str(value) for _, value in pairs if isinstance(value, int)]
    return Source("-".join([generator, *words, *numbers, f"s{seed}"]), None, generator, pairs,
                  seed)


def from_json(found):
    """What to_json gave; anything else is refused."""
    try:
        path = found.get("path")
        source = (Source(measure.trace_name(path), path) if path is not None else
                  generated(found["generator"], found["settings"], found["seed"]))
        sound = source.to_json() == found and (path is None or os.path.isabs(path))
    except (AttributeError, KeyError, TypeError):
        sound = False
    if not sound:
        raise Refusal("what is said of a trace is damaged")
    return source


def facts(source):
    """ktr.Facts; nothing is made for it. Of what is made, slots are those at most."""
    if source.path:
        return ktr.facts(source.path)
    its, settings = GENERATORS[source.generator], dict(source.settings)
    about = {"origin": "generated"} if its.compact else {}
    return ktr.Facts(its.compact, about, its.events(settings), its.live(settings))


def identity(source, hashes):
    """A text that differs when the trace's bytes do."""
    if source.path:
        measure.check_traces([source.path])
        return hashes.of(source.path)
    return json.dumps([source.generator, GENERATORS[source.generator].version,
                       source.settings, source.seed])


# ---- files

_MADE = r"(random|steady|growth|stream)-[a-z0-9-]+-s\d+-v\d+\.(trace|ktr)"
_COPY = r"[0-9a-f]{64}\.(trace|ktr)"
_BESIDE = ".sha256"
_OURS = re.compile(rf"({_MADE}|{_COPY})({_BESIDE}|{staging.LOCK}|{staging.MAKING})?")
_DIGEST = re.compile("[0-9a-f]{64}")


def _tell(path, aside):
    """Beside the trace that will be at path: its sha256 and its length."""
    with written_aside(aside + _BESIDE) as out:
        out.write(f"{measure.sha256_of(aside)} {os.path.getsize(aside)}\n".encode())
    os.replace(aside + _BESIDE, path + _BESIDE)


def _told(path):
    """The sha256 of a trace that was made; None when it is not there, or not whole after the
    machine has failed."""
    try:
        with open(path + _BESIDE, encoding="ascii") as file:
            digest, size = file.read().split()
        return digest if os.path.getsize(path) == int(size) else None
    except (FileNotFoundError, ValueError):
        return None


class Traces:
    """`folder`: for what is made, when there is no `stage`. `stage`: a folder on the disk of
    this machine, for what is made and for copies of files. `generate`: capture/generate."""

    def __init__(self, folder, stage=None, generate=None):
        self.folder = folder
        self.stage = staging.Stage(stage) if stage is not None else None
        self.generate = generate
        self.hashes = {}  # by path and by what changes when a file does

    def path_of(self, source, expected=None):
        """Of what is to be replayed. `expected`: sha256 of its bytes when all was planned."""
        if expected is not None and not _DIGEST.fullmatch(expected):
            raise Refusal(f"{source.name}: {expected!r} is no sha256")
        if source.path is None:
            path = self._made(source)
            if expected not in (None, _told(path)):
                raise Refusal(f"{path}: other bytes than when the sweep was planned")
            return path
        if self.stage is not None:
            return self._copied(source.path, expected)
        measure.check_traces([source.path])
        if expected is not None:
            self._check(source.path, source.path, expected)
        return source.path

    def sha256_of(self, source):
        """Of the bytes that are replayed."""
        path = self.path_of(source)
        return self._sha256(path) if source.path else _told(path)

    def remove(self):
        """The stage and what was put there, once no other process uses it."""
        if self.stage is not None:
            self.stage.remove(_OURS.fullmatch)

    def close(self):
        """This process needs them no more; all stays where it is."""
        if self.stage is not None:
            self.stage.leave()

    def _sha256(self, path):
        found = os.stat(path)
        key = path, found.st_ino, found.st_size, found.st_mtime_ns
        if key not in self.hashes:
            self.hashes[key] = measure.sha256_of(path)
        return self.hashes[key]

    def _check(self, path, source, digest):
        if self._sha256(path) != digest:
            raise Refusal(f"{source}: changed since the sweep was planned")

    def _home(self):
        if self.stage is not None:
            return self.stage.enter()
        os.makedirs(self.folder, exist_ok=True)
        return self.folder

    def _made(self, source):
        its = GENERATORS[source.generator]
        ending = "ktr" if its.compact else "trace"
        path = os.path.join(self._home(), f"{source.name}-v{its.version}.{ending}")

        def make(aside):
            its.write(aside, source.seed, self.generate, **dict(source.settings))
            _tell(path, aside)

        staging.make_once(path, lambda: _told(path) is not None, make)
        return path

    def _copied(self, source, digest):
        """Named by its sha256, which each process looks at once."""
        if digest is None:
            measure.check_traces([source])
            digest = self._sha256(source)
        ending = "ktr" if source.endswith(".ktr") else "trace"
        path = os.path.join(self._home(), f"{digest}.{ending}")

        def copy(aside):
            measure.check_traces([source])
            with open(source, "rb") as file, written_aside(aside) as out:
                shutil.copyfileobj(file, out, 1 << 20)
            self._check(aside, source, digest)

        staging.make_once(path, lambda: (os.path.exists(path) and
                                         self._sha256(path) == digest), copy)
        return path
