"""Small things that the tests of scripts and of make share."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_script(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_make():
    """The environment less what a make above would tell a make below."""
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
