"""What the real programs work on: files made from fixed seeds and from kma's own sources.

They are the same for all runs of one measurement. Not too many blocks are live at one time
in any program: kma_dummy takes a page for each.
"""

import dataclasses
import glob
import os
import random
import re
import shutil
import subprocess

import machine
from common import Refusal

TIME = 1_600_000_000  # of every file and commit


@dataclasses.dataclass(frozen=True)
class Sizes:
    folders: int    # of 5 files and of 100 in turn, for ls
    files: int      # in one folder more
    copies: int     # of kma's sources, for grep and tar
    lines: int      # for sort
    commits: int
    rows: int       # of the table of items; three times as many of sales
    objects: int    # about, in Python
    sources: int    # to compile, 0: all of the driver
    level: int      # of optimization
    times: int      # that a text is counted
    keys: int       # set in redis before the benchmark and read back after it
    requests: int   # of each kind in redis-benchmark


QUICK = Sizes(12, 300, 1, 4_000, 10, 300, 3_000, 2, 0, 1, 300, 1_000)
FULL = Sizes(160, 10_000, 5, 150_000, 60, 12_000, 50_000, 0, 1, 40, 8_000, 12_000)


def _write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _dated(folder):
    """Folders too, the innermost first: their times change with what is in them."""
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            os.utime(os.path.join(place, name), (TIME, TIME))
        os.utime(place, (TIME, TIME))


def sources():
    """kma's own C files, as paths below its folder."""
    found = []
    for pattern in ("*.[ch]", "driver/*.[ch]", "capture/*.[ch]", "tests/*.[ch]"):
        found += sorted(glob.glob(os.path.join(machine.HERE, pattern)))
    return [os.path.relpath(path, machine.HERE) for path in found]


def _text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _files(folder, count, factor):
    os.makedirs(folder)
    for number in range(count):
        name = f"file-{number * 7919 % 10007:05d}.{'x' * (number % 40)}"
        with open(os.path.join(folder, name), "wb") as file:
            file.truncate(number * factor % 5000)


def _many_files(folder, sizes):
    _files(os.path.join(folder, "large folder"), sizes.files, 7)
    for number in range(sizes.folders):
        _files(os.path.join(folder, f"{number % 7}", f"folder {number}"),
               5 if number % 2 else 100, number)
    _dated(folder)


def _lines(words, sizes, rand):
    return "".join(f"{rand.choice(words)}-{rand.randrange(10**6):06d} {rand.randrange(1000)} "
                   f"{' '.join(rand.choices(words, k=rand.randrange(8)))}\n"
                   for _ in range(sizes.lines))


def _commits(texts, sizes, rand):
    """For git fast-import: files grow, shrink and change line by line."""
    names = sorted(texts)
    lines = {name: texts[name].splitlines() for name in names}
    for number in range(sizes.commits):
        yield (f"commit refs/heads/main\ncommitter A Writer <writer@example.org> "
               f"{TIME + 3600 * number} +0000\n")
        message = f"Change number {number}\n\n{rand.choice(lines[names[0]])}\n"
        yield f"data {len(message.encode())}\n{message}\n"
        for name in names if number == 0 else rand.sample(names, min(6, len(names))):
            text = lines[name]
            for _ in range(10 if number else 0):
                at = rand.randrange(len(text) + 1)
                text[at:at + rand.randrange(3)] = rand.choices(text or [""], k=rand.randrange(4))
            content = ("\n".join(text) + "\n").encode()
            yield f"M 100644 inline {name}\ndata {len(content)}\n{content.decode()}\n"


def _repository(folder, texts, sizes, rand, environment):
    stream = "".join(_commits(texts, sizes, rand)).encode()
    for command, given in ((["git", "init", "-q", "--bare", "-b", "main", folder], b""),
                           (["git", "-C", folder, "fast-import", "--quiet"], stream)):
        done = subprocess.run(command, input=given, capture_output=True, env=environment)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it failed"]
            raise Refusal(f"{' '.join(command[:2])}: {said[-1]}")


def _redis(words, sizes, rand):
    """(commands that set, commands that read back); the order of a set or a hash is Redis'
    own, so single members are asked for."""
    sets, gets = [], []
    for number in range(sizes.keys):
        value = " ".join(rand.choices(words, k=1 + rand.randrange(12)))
        group = number // 50
        sets += [f"set text:{number} '{value}'", f"append text:{number} ' {number}'",
                 f"hset hash:{group} {rand.choice(words)}{number} {number}",
                 f"rpush list:{group} '{value}'", f"zadd order:{group} {number % 97} {value[:9]!r}",
                 f"sadd set:{group} {rand.choice(words)}{number}"]
        if number % 5 == 0:
            sets.append(f"del text:{number // 2}")
        gets += [f"get text:{number}", f"strlen text:{number // 3}"]
    for group in range(-(-sizes.keys // 50)):
        gets += [f"hlen hash:{group}", f"lrange list:{group} 0 -1", f"scard set:{group}",
                 f"zrange order:{group} 0 -1 withscores"]
    return "\n".join(sets) + "\n", "\n".join(gets) + "\n"


def _source_tree(folder, sizes):
    """What gcc compiles, and the list of it."""
    copied = [path for path in sources() if not path.startswith(("tests/", "capture/"))]
    for path in copied:
        target = os.path.join(folder, "source", path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(machine.HERE, path), target)
    shutil.copy(os.path.join(machine.HERE, "testsuite", "1.trace"), os.path.join(folder, "source"))
    driver = [path for path in copied if re.fullmatch(r"driver/(?!kma_)\w+\.c", path)]
    chosen = driver[:sizes.sources] or [*driver, "kma.c", "kma_page.c", "kma_bud.c"]
    _write(os.path.join(folder, "sources"), "\n".join(chosen) + "\n")


def prepare(folder, sizes, names, environment):
    """Fills `folder` with what the programs of these names need."""
    texts = {path: _text(os.path.join(machine.HERE, path)) for path in sources()}
    whole = "".join(texts.values())
    words = sorted(set(re.findall(r"[a-z]{3,}", whole)))

    def path(*parts):
        return os.path.join(folder, *parts)

    for name in ("rows", "objects", "level", "times", "requests"):
        _write(path(name), f"{getattr(sizes, name)}\n")
    for copy in range(sizes.copies):
        for name, text in texts.items():
            _write(path("tree", f"{copy}", name), text)
    _dated(path("tree"))
    rand = random.Random(6)
    _write(path("text"), whole)
    _write(path("words"), "\n".join(rand.sample(words, min(200, len(words)))) + "\n")
    if "ls" in names:
        _many_files(path("many"), sizes)
    if "sort" in names:
        _write(path("lines"), _lines(words, sizes, rand))
    if "git" in names:
        _repository(path("repository"), texts, sizes, random.Random(7), environment)
    if "redis" in names:
        for name, text in zip(("redis-set", "redis-get"), _redis(words, sizes, random.Random(8))):
            _write(path(name), text)
    _source_tree(folder, sizes)
