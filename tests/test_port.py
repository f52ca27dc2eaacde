#!/usr/bin/python3
"""The adapters in kernel/port with every algorithm: what they need of another kernel, and
that they work, over the stub kernels in tests/port. And that kernel/PORTING.md is true."""

import concurrent.futures
import functools
import glob
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

from shared import ROOT, read, without_make

ALGORITHMS = os.environ.get(
    "KMA_ALGORITHMS", "dummy rm rm_best rm_worst bud lzbud p2fl mck2 slab bt tlsf word").split()
CC = os.environ.get("KMA_CC", "gcc").split()
HOST = CC + (["-m32"] if os.environ.get("KMA_M32") else [])
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("port_tables",
                                               os.path.join(ROOT, "kernel/port/tables"))
tables = importlib.util.module_from_spec(importlib.util.spec_from_loader("port_tables", _loader))
_loader.exec_module(tables)

X86 = [CC[0], "-m32", "-march=i686", "-mno-sse", "-mno-mmx", "-mno-80387"]
RISCV = tables.MACHINES["riscv64"]

# What each kernel has, that its adapter calls; xv6's compiler does not inline memset.
KERNELS = {
    "xv6": {"kalloc", "kfree", "panic", "printf", "initlock", "acquire", "release"},
    "getpage": {"ram_take", "ram_give"},
}
OFFERED = {"kmalloc", "kmfree", "kma_malloc", "kma_free"}
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}
PORT = os.path.join(ROOT, "kernel/port")
STUBS = os.path.join(ROOT, "tests/port")

DOCUMENT = read(os.path.join(ROOT, "kernel/PORTING.md"))


def setUpModule():
    global FOLDER
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    FOLDER = folder.name


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, timeout=120, **options)


def build(*command):
    done = run(*command)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout}")


def in_parallel(function, items):
    """What the function makes of each, or the exception that it raises."""
    def guarded(item):
        try:
            return function(item)
        except Exception as failure:
            return failure
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(zip(items, pool.map(guarded, items)))


def path(name):
    return os.path.join(FOLDER, name)


def can_link(compiler, *options):
    """A reason against it, or None."""
    source = path("nothing.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("int main(void) { return 0; }\n")
    done = run(*compiler, *options, source, "-o", path("nothing"))
    return None if done.returncode == 0 else f"{compiler[0]} {' '.join(options)} links nothing"


def once(function):
    """Keeps what a function returned; of several threads one calls it, the others wait."""
    made, guard = {}, threading.Lock()

    @functools.wraps(function)
    def wrapper(*arguments):
        with guard:
            is_mine = arguments not in made
            future = made.setdefault(arguments, concurrent.futures.Future())
        if is_mine:
            try:
                future.set_result(function(*arguments))
            except Exception as failure:
                future.set_exception(failure)
        return future.result()
    return wrapper


# ---- object files, made when first asked for

@once
def algorithm_object(algorithm, compiler, options):
    target = path(f"{algorithm}-{abs(hash((compiler, options)))}.o")
    build(*tables.compile_command(compiler, *options, tables.define_of(algorithm), "-c",
                                  os.path.join(ROOT, tables.source_of(algorithm)), "-o", target))
    return target


@once
def adapter_object(kernel, compiler, options):
    target = path(f"adapter-{kernel}-{abs(hash((compiler, options)))}.o")
    build(*tables.compile_command(compiler, *options, "-I", os.path.join(STUBS, kernel), "-c",
                                  os.path.join(PORT, f"{kernel}.c"), "-o", target))
    return target


def both(algorithm, kernel, compiler, options):
    """An adapter sees -DKMA_<algorithm> only for kma_slab's sake."""
    adapter = options + (("-DKMA_SLAB",) if algorithm == "slab" else ())
    return [algorithm_object(algorithm, tuple(compiler), options),
            adapter_object(kernel, tuple(compiler), adapter)]


@once
def stub_object(name, options):
    """A file of tests/port, compiled as a program is."""
    target = path(f"stub-{name.replace('/', '-')}-{abs(hash(options))}.o")
    build(*HOST, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-fno-pie",
          "-DPAGESIZE=4096", "-I", FOLDER, "-I", PORT, "-I", ROOT,
          "-I", os.path.join(STUBS, "getpage"), *options, "-c",
          os.path.join(STUBS, f"{name}.c"), "-o", target)
    return target


def program(name, algorithm, kernel, options, *parts):
    """Links an algorithm, an adapter and parts of tests/port."""
    target = path(f"{name}-{algorithm}-{kernel}-{abs(hash(options))}")
    build(*HOST, *options, "-no-pie", *both(algorithm, kernel, HOST, options),
          *(stub_object(part, options) for part in ("ram", f"{kernel}/kernel", *parts)),
          "-o", target)
    return target


PAIRS = [(algorithm, kernel) for algorithm in ALGORITHMS for kernel in KERNELS]


class Symbols(unittest.TestCase):
    """After `ld -r` of an adapter and an algorithm, what is open is what the kernel has."""

    def open_symbols(self, pair, compiler, *libraries):
        algorithm, kernel = pair
        target = path(f"both-{algorithm}-{kernel}-{compiler[0]}.o")
        build(*compiler, "-r", "-nostdlib", *both(algorithm, kernel, compiler, ("-O1",)),
              *libraries, "-o", target)
        offered = {line.split()[0] for line in
                   tables.output_of("nm", "--defined-only", "-g", "-f", "posix",
                                    target).splitlines()}
        return tables.needs(target), offered

    def check(self, compiler, *libraries):
        found = in_parallel(lambda pair: self.open_symbols(pair, compiler, *libraries), PAIRS)
        self.assertEqual(len(found), 2 * len(ALGORITHMS))
        for (algorithm, kernel), result in found:
            with self.subTest(algorithm=algorithm, kernel=kernel):
                if isinstance(result, Exception):
                    raise result
                needed, offered = result
                self.assertEqual(needed - MEMORY, KERNELS[kernel])
                self.assertLessEqual(OFFERED, offered)

    def test_x86_32_bits(self):
        self.check(X86)

    @unittest.skipUnless(shutil.which(RISCV[0]), f"{RISCV[0]} is not installed")
    def test_riscv_with_libgcc(self):
        libgcc = tables.output_of(*RISCV, "-print-libgcc-file-name").strip()
        self.check(RISCV, libgcc)

    def test_names_can_be_changed(self):
        rename = ("-O1", "-Dfree_page=kma_free_page")
        self.assertIn("-Dfree_page=kma_free_page", DOCUMENT)
        for target in both("bud", "getpage", X86, rename):
            self.assertNotRegex(tables.output_of("nm", target), r"\bfree_page\b")

    @unittest.skipUnless(shutil.which(RISCV[0]), f"{RISCV[0]} is not installed")
    def test_riscv_with_bit_instructions_needs_no_libgcc(self):
        options = ("-O1", "-march=rv64gc_zbb")
        for algorithm in {"slab", "tlsf"} & set(ALGORITHMS):
            target = algorithm_object(algorithm, tuple(RISCV), options)
            self.assertNotRegex(tables.output_of("nm", target), "__c[lt]z")

    def test_without_asserts(self):
        for target in both("slab", "getpage", X86, ("-O1", "-DNDEBUG", "-Wno-unused-parameter")):
            self.assertNotIn("__assert_fail", tables.output_of("nm", target))

    def test_without_its_define_a_file_is_empty(self):
        target = path("empty.o")
        for source in {tables.source_of(algorithm) for algorithm in ALGORITHMS}:
            build(*tables.compile_command(X86, "-c", os.path.join(ROOT, source), "-o", target))
            self.assertEqual(tables.output_of("nm", "-g", target), "")

    def test_an_adapter_keeps_two_pointers_and_counts(self):
        for compiler, word in ((X86, 4), (HOST, 4 if "-m32" in HOST else 8)):
            target = adapter_object("getpage", tuple(compiler), ("-O1",))
            self.assertEqual(tables.ram_bytes(target), word + 16)


class Running(unittest.TestCase):
    def check(self, options):
        found = in_parallel(
            lambda pair: run(program("client", *pair, options, "client")), PAIRS)
        self.assertEqual(len(found), 2 * len(ALGORITHMS))
        for (algorithm, kernel), result in found:
            with self.subTest(algorithm=algorithm, kernel=kernel):
                if isinstance(result, Exception):
                    raise result
                self.assertEqual(result.returncode, 0, result.stdout)
                self.assertRegex(result.stdout, r"^passed: \d{5,} calls, at most 10\d\d pages")

    def test_blocks_of_all_sizes(self):
        self.check(("-O1",))

    def test_the_same_under_sanitizers(self):
        reason = can_link(HOST, *SANITIZE)
        if reason:
            self.skipTest(reason)
        self.check(("-O1", *SANITIZE))

    @unittest.skipUnless(shutil.which("gcc") and "-m32" not in HOST, "gcc with 64 bits counts")
    def test_the_stack_is_as_computed(self):
        """By the same means as for the table, on a machine where it can be measured."""
        compiler = ("gcc", "-O2")
        stubs = [stub_object("stack", ("-O1", "-DKMA_SLAB")),
                 *(stub_object(part, ("-O1",)) for part in ("ram", "getpage/kernel", "client"))]
        for algorithm in {"rm", "slab", "tlsf"} & set(ALGORITHMS):
            with self.subTest(algorithm=algorithm):
                target = path(f"stack-{algorithm}")
                tables.compile_algorithm(algorithm, compiler, f"{target}.o",
                                         "-fcallgraph-info=su")
                computed = tables.stack_bytes(read(f"{target}.ci"))
                build(*HOST, "-no-pie", "-Wl,-z,now", f"{target}.o", *stubs, "-o", target)
                done = run(target)
                self.assertEqual(done.returncode, 0, done.stdout)
                used = int(re.search(r"^(\d+) bytes of stack$", done.stdout, re.M)[1])
                # The source of pages and memset are on it, too, and who calls.
                self.assertLess(used, computed + 128)
                self.assertGreater(used, computed / 3)

    def test_counts_stay_at_the_end_of_int(self):
        target = path("counts")
        build(*HOST, "-no-pie", stub_object("counts", ("-O1",)), stub_object("ram", ("-O1",)),
              algorithm_object("bud", tuple(HOST), ("-O1",)), "-o", target)
        done = run(target)
        self.assertEqual((done.returncode, done.stdout), (0, "passed\n"))

    def test_errors_end_the_run(self):
        ends = {"xv6": (1, ["kma: what which", "kma: a > b file.c"]),
                "getpage": (None, ["", ""])}
        for kernel, (status, texts) in ends.items():
            stops = program("stops", "bud", kernel, ("-O1",), "stops")
            for arguments, text in zip(([], ["a > b", "file.c"]), texts):
                done = run(stops, *arguments)
                self.assertIn(text, done.stdout)
                if status is None:
                    self.assertLess(done.returncode, 0)  # a signal
                else:
                    self.assertEqual(done.returncode, status)


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def code_lines(file):
    """Without comments and blank lines."""
    text = re.sub(r"/\*.*?\*/", "", read(os.path.join(ROOT, file)), flags=re.S)
    return sum(1 for line in text.splitlines() if line.strip())


def blocks(language):
    """The fenced blocks of PORTING.md, also those that are indented."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", DOCUMENT, re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, text in found]


def rows(text):
    """The cells of a table, by the first one."""
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")]
             for line in text.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def write_snippet(text):
    with open(path("snippet.h"), "w", encoding="utf-8") as file:
        file.write(text)


class Document(unittest.TestCase):
    def says(self, pattern):
        """What a pattern finds in the text, without regard to line ends."""
        found = re.search(pattern, re.sub(r"\s+", " ", DOCUMENT))
        self.assertIsNotNone(found, pattern)
        return found

    def test_every_file_states_its_cost(self):
        for source in {tables.source_of(algorithm) for algorithm in SHIPPED}:
            head = read(os.path.join(ROOT, source)).split("*/")[0]
            self.assertRegex(head, r"\bCost:", source)

    def test_lines_of_code(self):
        claims = re.findall(r"^\| `(\S+)` \| .* \| (\d+) \|$", DOCUMENT, re.M)
        self.assertEqual({name for name, _ in claims},
                         {"kernel/port/xv6.c", "kernel/port/getpage.c",
                          "kernel/port/single_pages.h"})
        for name, lines in claims:
            self.assertEqual(code_lines(name), int(lines), name)

    def test_commands_to_try(self):
        commands = blocks("sh")[0]
        self.assertIn("build/port/try", commands)
        script = "set -e\n" + commands.replace("build/port", path("try"))
        done = run("sh", "-c", script, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"\npassed: .*\n$")
        open_symbols = set(re.findall(r"^ +U (\w+)$", done.stdout, re.M))
        self.assertEqual(open_symbols - MEMORY, KERNELS["xv6"])

    @unittest.skipUnless(shutil.which(RISCV[0]), f"{RISCV[0]} is not installed")
    def test_steps_for_xv6(self):
        """In a tree with the stubs' headers, and a Makefile with xv6's flags."""
        tree = path("xv6")
        os.makedirs(os.path.join(tree, "kernel"))
        for header in glob.glob(os.path.join(STUBS, "xv6/*.h")):
            shutil.copy(header, os.path.join(tree, "kernel"))
        done = run("sh", "-ec", blocks("sh")[1], cwd=tree, env=dict(os.environ, KMA=ROOT))
        self.assertEqual(done.returncode, 0, done.stdout)
        prototypes = re.findall(r"`(void [^`]*\);)`", DOCUMENT)
        self.assertEqual(len(prototypes), 3)
        with open(os.path.join(tree, "kernel/defs.h"), "a", encoding="utf-8") as file:
            file.write("\n".join(prototypes) + "\n")
        with open(os.path.join(tree, "Makefile"), "w", encoding="utf-8") as file:
            file.write(f"K=kernel\nCC={' '.join(RISCV)}\nCFLAGS = -Wall -Werror -O "
                       "-fno-omit-frame-pointer -ggdb -ffreestanding -fno-common -nostdlib "
                       "-mno-relax -I. -fno-stack-protector -fno-pie\n" + blocks("make")[0] +
                       "$K/kernel: $(OBJS)\n\t$(CC) -r -nostdlib -o $@ $(OBJS) $(LIBGCC)\n")
        done = run("make", "kernel/kernel", cwd=tree, env=without_make())
        self.assertEqual(done.returncode, 0, done.stdout)
        kernel = os.path.join(tree, "kernel/kernel")
        self.assertEqual(tables.needs(kernel) - MEMORY, KERNELS["xv6"])
        names = tables.output_of("nm", kernel)
        for name in ("kmalloc_init", "kmalloc", "kmfree"):
            self.assertRegex(names, rf" T {name}\n")

    def test_descriptors(self):
        found = self.says(r"(\d+) in a page with 64 bits, (\d+) with 32")
        for compiler, each in ((RISCV, found[1]), (X86, found[2])):
            if shutil.which(compiler[0]) is None:
                continue
            source = path("descriptor.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write('#include "kma_page.h"\n_Static_assert(PAGESIZE / '
                           f'sizeof(kma_page_t) == {each}, "");\n')
            build(*tables.compile_command(compiler, "-fsyntax-only", source))
        found = self.says(r"(\d+) bytes a page of RAM, would be (\d+) KB for xv6's (\d+) MB")
        size, kilobytes, megabytes = map(int, found.groups())
        self.assertEqual(size, 24)
        self.assertEqual(kilobytes << 10, size * (megabytes << 20) // 4096)

    def test_who_finds_out_sizes(self):
        found = self.says(r"((?:`kma_\w+`,? (?:and )?)+)find out the size")
        named = set(re.findall(r"kma_(\w+)", found[1]))
        objects = {name: algorithm_object(name, tuple(HOST), ("-O1",)) for name in ALGORITHMS}
        known = {name for name, target in objects.items()
                 if re.search(r" [TW] kma_usable_size$", tables.output_of("nm", target), re.M)}
        self.assertEqual(named & set(ALGORITHMS), known & SHIPPED)

    def test_a_free_without_a_size(self):
        snippet, = [text for text in blocks("c") if "sized_malloc" in text]
        write_snippet(snippet)
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm=algorithm):
                done = run(program("sized", algorithm, "getpage", ("-O1",), "sized"))
                self.assertEqual((done.returncode, done.stdout), (0, "passed\n"))

    @unittest.skipUnless("slab" in ALGORITHMS, "kma_slab is not built")
    def test_object_caches(self):
        snippet, = [text for text in blocks("c") if "kmem_cache_create" in text]
        write_snippet(snippet)
        files = program("files", "slab", "getpage", ("-O1",), "files")
        done = run(files)
        self.assertEqual((done.returncode, done.stdout), (0, "passed\n"))
        self.assertLess(run(files, "misuse").returncode, 0)

    @unittest.skipUnless("slab" in ALGORITHMS, "kma_slab is not built")
    def test_sizes_that_need_runs(self):
        done = run(program("slab_sizes", "slab", "getpage", ("-O1",), "slab_sizes"))
        self.assertEqual(done.returncode, 0, done.stdout)
        measured = {name: [tuple(numbers(one)) for one in text.split()] for name, text in
                    (line.split(":") for line in done.stdout.splitlines())}
        found = self.says(r"for (\d+) to (\d+) bytes \(of pages of 4096\)")
        self.assertEqual(measured["refused"], [(int(found[1]), int(found[2]))])
        found = self.says(r"objects of ((?:\d+-\d+,? (?:and )?)+)bytes")
        named = [tuple(numbers(one)) for one in re.findall(r"\d+-\d+", found[1])]
        self.assertEqual(measured["objects"], named)
        word = 4 if "-m32" in HOST else 8
        self.assertEqual(measured["constructed"],
                         [(max(first - word, 1), last - word) for first, last in named])

    def test_the_size_that_is_asked_for_instead(self):
        found = self.says(r"asks for (\d+) instead")
        self.assertEqual(int(found[1]), 4096 * 2 // 3 + 1)
        # Without -DKMA_SLAB for the adapter the client misses those sizes.
        target = path("client-without-define")
        options = ("-O1",)
        build(*HOST, *options, "-no-pie", algorithm_object("slab", tuple(HOST), options),
              adapter_object("xv6", tuple(HOST), options),
              *(stub_object(part, options) for part in ("ram", "xv6/kernel", "client")),
              "-o", target)
        done = run(target)
        self.assertEqual(done.returncode, 1)
        self.assertIn("2049 bytes\nFAILED: a size is not served", done.stdout)


SHIPPED = {"dummy", "rm", "rm_best", "rm_worst", "bud", "lzbud", "p2fl", "mck2", "slab", "bt",
           "tlsf"}


@unittest.skipUnless(all(shutil.which(compiler[0]) for compiler in tables.MACHINES.values()),
                     "gcc for x86 and for RISC-V are not both installed")
class Tables(unittest.TestCase):
    """As kernel/port/tables measures them. An algorithm of one's own may be missing."""

    @classmethod
    def setUpClass(cls):
        cls.written = {name: text for name, text in tables.TABLE.findall(DOCUMENT)}
        cls.algorithms = [name for name in ALGORITHMS if name in SHIPPED]
        cls.measured = tables.make_tables(cls.algorithms, FOLDER)

    def same_compilers(self):
        theirs, ours = (table["cost"].splitlines()[-1] for table in (self.written, self.measured))
        if theirs != ours:
            self.skipTest(f"the figures of PORTING.md are others: {theirs}")

    def test_every_algorithm_is_in_them(self):
        self.assertEqual(set(self.written), {"files", "cost"})
        for name in ("files", "cost"):
            self.assertLessEqual(SHIPPED, set(rows(self.written[name])))

    def test_files(self):
        written, measured = rows(self.written["files"]), rows(self.measured["files"])
        for algorithm in self.algorithms:
            self.assertEqual(written[algorithm][:3], measured[algorithm][:3])

    def test_calls(self):
        self.same_compilers()
        written, measured = rows(self.written["files"]), rows(self.measured["files"])
        for algorithm in self.algorithms:
            self.assertEqual(written[algorithm], measured[algorithm])

    def test_cost(self):
        """A small change of an algorithm does not make the document wrong."""
        self.same_compilers()
        written, measured = rows(self.written["cost"]), rows(self.measured["cost"])
        for algorithm in self.algorithms:
            for said, is_now in zip(written[algorithm], measured[algorithm], strict=True):
                self.assertLessEqual(abs(int(said) - int(is_now)), max(64, int(is_now) * 0.05),
                                     f"{algorithm}: kernel/port/tables --write")

    def test_other_headers(self):
        """The standard ones that the document names, and no others."""
        found = re.search(r"Its other headers are (.*?):", re.sub(r"\s+", " ", DOCUMENT))
        named = set(re.findall(r"<(\w+\.h)>", found[1]))
        for algorithm in self.algorithms:
            text = read(os.path.join(ROOT, tables.source_of(algorithm)))
            headers = shared_and_contracts(algorithm)
            text += "".join(read(os.path.join(ROOT, header)) for header in headers)
            self.assertLessEqual(set(re.findall(r"#include <(.*?)>", text)), named)


def shared_and_contracts(algorithm):
    return [*tables.CONTRACTS, *tables.shared_headers(algorithm, tables.MACHINES["x86"])]


if __name__ == "__main__":
    unittest.main()
