"""Traces as testsuite/generate_trace makes them, with sizes by whatever law: a function that
draws one with random(), such as those of steady.py."""

import functools
import importlib.machinery
import importlib.util
import os
import random
import sys

import machine
from common import written_aside


@functools.cache
def _generator():
    """testsuite/generate_trace, which has no ending, as a module."""
    path = os.path.join(machine.HERE, "testsuite", "generate_trace")
    loader = importlib.machinery.SourceFileLoader("generate_trace", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing beside the traces
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def write_trace(path, requests, size, frees, seed):
    """`frees`: early or uniform."""
    generator, rand = _generator(), random.Random(seed).random
    sizes = [size(rand) for _ in range(requests)]
    events = generator.insert_frees(requests, frees, rand)
    with written_aside(path) as out:
        out.writelines(generator.trace_lines(events, sizes))
