"""The real programs that are run on every allocator: tests/programs/NAME.sh for each.

A program that needs what is not installed is left out, and it is said which.
"""

import dataclasses
import functools
import os
import shutil
import subprocess

import machine

FOLDER = os.path.join(machine.HERE, "tests", "programs")
PYTHON = "/usr/bin/python3"
PYTHON_TESTS = ("test_dict", "test_json", "test_threading")


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    about: str            # for the report
    needs: tuple          # commands
    main: str = None      # of these the one whose malloc counts; None: the first
    tool: str = ""        # what analysis/need calls what is missing, where it has a name


PROGRAMS = [
    Program("ls", "ls -lR of thousands of files", ("ls",)),
    Program("grep", "grep -r with regular expressions, words and a list of words", ("grep",)),
    Program("sort", "sort as text, by number, and unique in pieces", ("sort",)),
    Program("tar", "tar | gzip and back again", ("tar", "gzip")),
    Program("python", "Python's own tests of json, dict and threading", (PYTHON,),
            tool="python-tests"),
    Program("python-malloc", "Python with malloc for every object: words, JSON, trees", (PYTHON,)),
    Program("git", "git: clone, log, gc, fsck of a repository", ("git",)),
    Program("sqlite", "SQLite builds and queries a database", ("sqlite3",)),
    Program("gcc", "gcc compiles and links the driver of kma", ("gcc",), main="cc1"),
    Program("threads", "words counted and sorted by 4 threads with queues", (), main="threads"),
    Program("redis", "redis-server under redis-benchmark on loopback",
            ("redis-check-rdb", "redis-cli", "redis-benchmark"), tool="redis"),
]
NAMES = [program.name for program in PROGRAMS]


@functools.cache
def _has_python_tests():
    code = "; ".join(f"import test.{name}" for name in PYTHON_TESTS)
    return subprocess.run([PYTHON, "-B", "-c", code], stdin=subprocess.DEVNULL,
                          capture_output=True).returncode == 0


def missing(program):
    """Why the program cannot be run, or None."""
    for command in program.needs:
        if shutil.which(command) is None:
            return f"{command} is not installed: analysis/need {program.tool or command}"
    if program.name == "python" and not _has_python_tests():
        return "Python's own tests are not installed: analysis/need python-tests"
    return None


def executable(program, tools):
    """The file whose malloc it is about; `tools`: where the C programs have been compiled."""
    if program.main == "cc1":
        said = subprocess.run(["gcc", "-print-prog-name=cc1"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True).stdout.strip()
        return os.path.realpath(shutil.which(said) or said)
    if program.main:
        return os.path.join(tools, program.main)
    return os.path.realpath(shutil.which(program.needs[0]))
