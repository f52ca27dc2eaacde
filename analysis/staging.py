"""Files that many processes want and one makes, and a folder for them on a machine's own disk.

A file is made aside, in a folder NAME.making, under a lock NAME.lock, and renamed: a maker
that is killed leaves no half of it, and the next one clears what there is and begins anew.

A stage is a folder that nobody else can write to, though it may lie in a /tmp that others
share. Each process that uses it holds the file `in-use`; the last one may remove it.
"""

import contextlib
import fcntl
import os
import shutil
import stat

from common import Refusal

LOCK, MAKING = ".lock", ".making"
IN_USE = "in-use"


def _locked(path, how):
    """The open file. One that was removed meanwhile, by who held it, is no lock any more."""
    while True:
        file = open(path, "ab")
        try:
            fcntl.flock(file, how)
        except OSError as problem:
            problem.filename = path  # there are file systems that know no locks
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()


def _make(path, make):
    folder = path + MAKING
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    try:
        aside = os.path.join(folder, os.path.basename(path))
        make(aside)
        os.replace(aside, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_once(path, good, make):
    """make(aside) writes what then appears at path, unless good() says that it is there: by
    one process, however many ask at once, while the others wait."""
    if good():
        return
    with _locked(path + LOCK, fcntl.LOCK_EX):
        try:
            if not good():
                _make(path, make)
        finally:
            os.unlink(path + LOCK)  # while it is held: see _locked


def _why_not_private(path):
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return "a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "not a folder"
    if found.st_uid != os.geteuid():
        return "another user's folder"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "a folder that other users may write to"
    return None


class Stage:
    """Made when it is first entered; the folder above it must be there."""

    def __init__(self, path):
        self.path = os.path.abspath(path)  # a slash at the end would follow a link
        self.use = None

    def enter(self):
        """Its path, from now on held by this process."""
        while self.use is None:
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                with contextlib.suppress(FileNotFoundError):
                    why = _why_not_private(self.path)
                    if why is not None:
                        raise Refusal(f"{self.path}: {why}, no traces are put there") from None
            with contextlib.suppress(FileNotFoundError):  # removed just now: once more
                self.use = _locked(os.path.join(self.path, IN_USE), fcntl.LOCK_SH)
        return self.path

    def remove(self, ours):
        """Every file of which ours(name) is true, and the folder when nothing else is in it.
        While other processes use it nothing happens: the last one removes it."""
        if not os.path.lexists(self.path):
            return
        self.enter()
        try:
            fcntl.flock(self.use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._clear(ours)
        except BlockingIOError:
            pass
        finally:
            self.leave()

    def leave(self):
        if self.use is not None:
            self.use.close()
            self.use = None

    def _clear(self, ours):
        for name in filter(ours, os.listdir(self.path)):
            path = os.path.join(self.path, name)
            if name.endswith(MAKING):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        os.unlink(os.path.join(self.path, IN_USE))
        with contextlib.suppress(OSError):  # what is left is the user's
            os.rmdir(self.path)
