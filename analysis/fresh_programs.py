"""The programs that analysis/fresh records: such as are there wherever kma is built, at other
work than those of testsuite/real. They work in a folder of its own, on a copy of kma's sources
and on words made from the seed.

A recording is of this machine's programs and C library: of the same seed another machine has
other events.
"""

import dataclasses
import glob
import os
import random
import shutil
import subprocess

import ktr
import machine
import programs_inputs
from fresh_plan import seed_of
from measure import children
from programs_list import PYTHON
from programs_run import environment

PAGE_SIZE = 8192  # that recordings are replayed with

TIMEOUT = 120  # seconds

VOCABULARY, LINES, MOST_WORDS = 2_000, 3_000, 12  # words, lines, and words in a line

# The lines that each word stands in, the rarest word first.
INDEX = """
import collections
lines = collections.defaultdict(set)
for number, line in enumerate(open("words")):
    for word in line.split():
        lines[word].add(number)
for word in sorted(lines, key=lambda word: (len(lines[word]), word)):
    print(word, *sorted(lines[word]))
"""

# The words that follow each word, and how often.
FOLLOWERS = """
my @words = split; $next{$words[$_]}{$words[$_ + 1]}++ for 0 .. $#words - 1;
END {
    for my $word (sort keys %next) {
        print "$word: ", join(" ", map { "$_ $next{$word}{$_}" } sort keys %{$next{$word}}), "\\n";
    }
}
"""


@dataclasses.dataclass(frozen=True)
class Program:
    name: str       # also of the process that it is about
    about: str
    command: tuple
    page_size: int = PAGE_SIZE


PROGRAMS = (
    Program("cc1", "gcc's compiler, -O2",
            ("gcc", "-O2", "-std=c11", "-D_GNU_SOURCE", "-I.", "-DKMA_TLSF", "-c", "kma_tlsf.c",
             "-o", "tlsf.o")),
    Program("make", "make -n of kma", ("make", "-n", "-B", "executables")),
    Program("nm", "nm with source lines", ("nm", "-l", "program")),
    Program("perl", "perl: followers of words", ("perl", "-ne", FOLLOWERS, "words")),
    Program("python3", "python3: an index of words",
            ("env", "PYTHONMALLOC=malloc", PYTHON, "-c", INDEX)),
)


def _words(seed, lines):
    """Lines of made-up words, some of which are much more frequent than others."""
    rand = random.Random(seed).random
    words = ["".join(chr(ord("a") + int(26 * rand())) for _ in range(2 + int(9 * rand())))
             for _ in range(VOCABULARY)]
    return "".join(" ".join(words[int(VOCABULARY * rand() ** 2)]
                            for _ in range(1 + int(MOST_WORDS * rand()))) + "\n"
                   for _ in range(lines))


def _prepare(folder, program, words):
    """Fills the folder that all of them work in."""
    for path in ("Makefile", *programs_inputs.sources()):
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(machine.HERE, path), target)
    shutil.copy(program, os.path.join(folder, "program"))
    with open(os.path.join(folder, "words"), "w", encoding="ascii") as file:
        file.write(words)


class Recorder:
    """`recorder` is capture/record; `program` an executable with debug information."""

    def __init__(self, recorder, program, scratch, seed, part=1):
        self.recorder = os.path.abspath(recorder)
        self.scratch = scratch
        self.work = os.path.join(scratch, "work")
        _prepare(self.work, program, _words(seed_of(seed, "words"), LINES // part))
        # Nothing that a make above tells a make below.
        self.settings = [f"{name}={value}" for name, value in environment(scratch).items()]
        os.makedirs(os.path.join(scratch, "home"), exist_ok=True)

    def _run(self, program, output):
        """Why it failed, or None."""
        if shutil.which(program.command[0]) is None:
            return f"{program.command[0]} is not installed"
        if not os.access(self.recorder, os.X_OK):
            return f"{os.path.basename(self.recorder)} is not built: make capture"
        try:
            done = children.run(["env", "-i", *self.settings, self.recorder, "program", "-o",
                                 output, "--", *program.command], TIMEOUT, cwd=self.work)
        except subprocess.TimeoutExpired:
            return f"no end after {TIMEOUT} s"
        if done.returncode == 0:
            return None
        # What the recorder has to tell of the events comes last.
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"exit status {done.returncode}{': ' + said[0] if said else ''}"

    def record(self, program, path):
        """Why there is no trace at `path`, or None."""
        folder = os.path.join(self.scratch, f"record-{program.name}")
        os.mkdir(folder)
        try:
            why = self._run(program, os.path.join(folder, "out.ktr"))
            if why is not None:
                return why
            # Each process has a trace; of those of this program the longest is the one.
            facts = {one: ktr.facts(one) for one in sorted(glob.glob(f"{folder}/*.ktr"))}
            events = {one: known.events for one, known in facts.items()
                      if known.about.get("program") == program.name}
            if not events:
                return f"no process {program.name} was recorded"
            os.replace(max(events, key=events.get), path)
            return None
        finally:
            shutil.rmtree(folder)
