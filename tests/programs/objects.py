"""Many Python objects of all sizes, made, changed and dropped; prints what they add up to."""

import collections
import gc
import json
import re
import sys
import zlib


class Node:
    def __init__(self, key, parent):
        self.key = key
        self.parent = parent
        self.children = []


def numbers(seed):
    while True:
        seed = (seed * 1103515245 + 12345) % 2**31
        yield seed >> 8


def word(number):
    return "".join(chr(97 + (number >> shift) % 26) for shift in range(0, 3 + number % 20, 2))


def checked(name, text):
    print(name, len(text), f"{zlib.crc32(text.encode()):08x}")


count = int(sys.argv[1])
random = numbers(1)

words = [word(next(random)) for _ in range(count)]
counts = collections.Counter(words)
checked("words", " ".join(f"{w}:{n}" for w, n in sorted(counts.items())))

records = [{"id": n, "name": words[n % len(words)], "tags": words[n:n + n % 7],
            "value": next(random) / 1000, "inner": {"left": None, "right": [n] * (n % 5)}}
           for n in range(count // 8)]
text = json.dumps(records)
checked("json", text)
records = sorted(json.loads(text), key=lambda one: (one["name"], one["id"]))
checked("sorted", json.dumps(records[::3], indent=1))

text = " ".join(words)
checked("found", "".join(re.findall(r"\b[a-m]+\b", text)))
checked("changed", re.sub(r"([aeiou])(\w)", r"\2\1", text))

# Strings that grow, and a window of what lives: old ones go while new ones come.
window = collections.deque(maxlen=count // 20 + 1)
total = 0
for number in range(count):
    window.append(bytes([number % 256]) * (next(random) % 900))
    total += len(window[0])
print("window", total, len(window))

# A tree with links both ways is freed by the collector of cycles alone.
gc.disable()
nodes = [Node(0, None)]
for key in range(1, count // 4):
    parent = nodes[next(random) % len(nodes)]
    nodes.append(Node(key, parent))
    parent.children.append(nodes[-1])
print("tree", sum(len(node.children) * node.key for node in nodes))
del nodes, parent
print("collected", gc.collect() > count // 4)
