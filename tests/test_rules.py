#!/usr/bin/python3
"""The rules of the game: every algorithm keeps them, and tests/check_rules notices each
way to break one. Also the memory figures, which must be the same on every machine."""

import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("KMA_BUILD", ROOT))
ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
CC = os.environ.get("KMA_CC", "gcc").split()
if os.environ.get("KMA_M32"):
    CC.append("-m32")
TRACES = [os.path.join(ROOT, f"testsuite/{number}.trace") for number in range(1, 6)]

SOUND = """
#include "kma.h"
#include "kma_page.h"
static kma_page_t *root;
void *kma_malloc(kma_size_t size) { root = get_page(); return size > 0 ? root : 0; }
void kma_free(void *ptr, kma_size_t size) { (void)ptr; (void)size; free_page(root); }
"""


def check_rules(*objects):
    return subprocess.run([os.path.join(ROOT, "tests/check_rules"), *objects], cwd=ROOT,
                          capture_output=True, text=True)


def check_source(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sample.c")
        with open(path, "w") as file:
            file.write(text)
        compiled = os.path.join(folder, "kma_sample_that_has_no_source.o")
        subprocess.run([*CC, "-O2", "-I", ROOT, "-c", path, "-o", compiled], check=True)
        return check_rules(compiled)


def summary(algorithm, trace, *options):
    """The JSON summary of a run; None when the run fails."""
    program = os.path.join(BUILD, f"kma_{algorithm}")
    done = subprocess.run([program, "--no-output", *options, "--passes", "1", "--json", "-",
                           trace], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return json.loads(done.stdout[done.stdout.index("{"):done.stdout.rindex("}") + 1])


class Rules(unittest.TestCase):
    @unittest.skipIf("sanitize" in BUILD, "the sanitizers add data of their own")
    def test_every_algorithm_keeps_them(self):
        done = check_rules(*(os.path.join(BUILD, f"kma_{name}.o") for name in ALGORITHMS))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count("keeps the rules"), len(ALGORITHMS))

    def test_a_sound_sample_passes(self):
        self.assertEqual(check_source(SOUND).returncode, 0)

    def test_more_static_data_than_one_pointer(self):
        for addition in ("static int calls; int count(void) { return ++calls; }",
                         "int table[100] = {1};", "int common_table[4];",
                         "_Thread_local int per_thread;",
                         "int f(void) { static int n = 3; return n++; }"):
            done = check_source(SOUND + addition)
            self.assertEqual(done.returncode, 1, addition)
            self.assertIn("keeps more than one pointer outside pages", done.stdout)

    def test_constants_are_no_state(self):
        done = check_source(SOUND + "const int sizes[] = {8, 16}; "
                            "int size(int i) { return sizes[i]; }")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_symbols_from_elsewhere(self):
        for name in ("malloc", "printf", "exit", "pool_open"):
            done = check_source(SOUND + f"void *{name}(); void *f(void) {{ return {name}(1); }}")
            self.assertEqual(done.returncode, 1, name)
            self.assertIn(f"needs {name}", done.stdout)

    def test_memory_functions_and_assert_are_allowed(self):
        done = check_source("#include <string.h>\n#include <assert.h>\n" + SOUND +
                            "void f(char *a, char *b, int n)"
                            "{ assert(n); memcpy(a, b, n); memmove(b, a, n); memset(a, n, n); }")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_missing_function(self):
        done = check_source(SOUND.replace("kma_free", "kma_release"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not define kma_free", done.stdout)

    def test_what_is_no_object_is_refused(self):
        self.assertEqual(check_rules(os.path.join(ROOT, "Makefile")).returncode, 2)
        self.assertEqual(check_rules("nowhere.o").returncode, 2)


# Those that do with less than they ask for when no page is left: slab borrows, rm_best
# parks a freed extent for which its trees have no room, bt has blocks in its root page, word
# gives back the blocks that it keeps.
THRIFTY = ("slab", "rm_best", "bt", "word")


class NothingPreallocated(unittest.TestCase):
    def test_the_own_span_is_enough_and_one_page_less_is_not(self):
        for algorithm in ALGORITHMS:
            for trace in TRACES:
                with self.subTest(algorithm=algorithm, trace=trace):
                    # dummy and worst fit need more than the pool's default
                    free = summary(algorithm, trace, "--max-pages", "65536")
                    self.assertEqual(free["pages"]["in_use_at_end"], 0)
                    span = free["pages"]["span"]  # of single pages, the peak
                    tight = summary(algorithm, trace, "--max-pages", str(span))
                    self.assertEqual(tight["pages"], free["pages"])
                    less = summary(algorithm, trace, "--max-pages", str(span - 1))
                    if less is not None:
                        self.assertIn(algorithm, THRIFTY)
                        self.assertLess(less["pages"]["peak"], free["pages"]["peak"])


if __name__ == "__main__":
    unittest.main()
