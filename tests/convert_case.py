"""What the tests of capture/convert share: running it, and a model of what it does."""

import os
import sys

from driver_case import DriverTest, word_bytes
from shared import ROOT

sys.path.insert(0, os.path.join(ROOT, "analysis"))

import ktr

CONVERT = "capture/convert"
SAMPLES = os.path.join(ROOT, "tests/samples")
FORMATS = ("text", "compact", "perf", "ftrace", "rep", "mtrace")
LIMIT = 8192 - word_bytes()  # of a request, on pages of the default size

PERF = ("  sh 412 [{cpu:03}] {time:.6f}: kmem:kmalloc: call_site=f+0x1 ptr=0x{ptr:x} "
        "bytes_req={size} bytes_alloc=64 gfp_flags=GFP_KERNEL\n")
PERF_FREE = "  sh 412 [{cpu:03}] {time:.6f}: kmem:kfree: call_site=g+0x2 ptr=0x{ptr:x}\n"


def alloc(ptr, size, time=1.0, cpu=0):
    return PERF.format(ptr=ptr, size=size, time=time, cpu=cpu)


def free(ptr, time=1.0, cpu=0):
    return PERF_FREE.format(ptr=ptr, time=time, cpu=cpu)


def canonical(events):
    """The text of events (size, slot), a size of 0 being a FREE."""
    lines = [f"REQUEST {slot} {size}" if size else f"FREE {slot}" for size, slot in events]
    return "".join(f"{line}\n" for line in (len(lines), *lines))


class Ledger:
    """Pairs records as convert has to, with a dictionary."""

    def __init__(self):
        self.slot_of, self.free, self.slots, self.events = {}, [], 0, []

    def put_free(self, pointer):
        if pointer in self.slot_of:
            slot = self.slot_of.pop(pointer)
            self.free.append(slot)
            self.events.append((0, slot))

    def put_request(self, pointer, size, old=0):
        given_up = self.slot_of.pop(old, None)
        self.put_free(pointer)
        if self.free:
            slot = self.free.pop()
        else:
            slot = self.slots
            self.slots += 1
        self.slot_of[pointer] = slot
        self.events.append((size, slot))
        if given_up is not None:
            self.free.append(given_up)
            self.events.append((0, given_up))

    def end(self):
        self.events += [(0, slot) for slot in sorted(self.slot_of.values())]
        return self.events


class ConvertTest(DriverTest):
    def convert(self, *arguments, **options):
        """Standard output and standard error of a run that succeeds."""
        result = self.run_driver(CONVERT, *arguments, **options)
        self.assertEqual(result.returncode, 0, (arguments, result.stderr))
        return result.stdout, result.stderr

    def text_of(self, *arguments, **options):
        """The text that an input becomes, with requests of any size."""
        return self.convert(*arguments, "-o", "-", "--to", "text", "--page-size", "any",
                            "--quiet", **options)[0]

    def counts(self, name, *arguments):
        """What is printed besides the first line, without indents."""
        _, notes = self.convert(name, "-o", "counted.trace", *arguments)
        return [line.strip() for line in notes.splitlines()[1:]]

    def events(self, name, *columns):
        return list(ktr.events(self.path(name), columns))
