#!/usr/bin/python3
"""capture/convert: what it reads and writes."""

import os
import random
import re
import subprocess
import unittest

import ktr_files
from convert_case import (CONVERT, FORMATS, SAMPLES, ConvertTest, Ledger, alloc, canonical,
                          free, ktr)
from driver_case import program, simple_events, trace_text
from shared import ROOT

GOOD = os.path.join(SAMPLES, "good")


class GoodSamples(ConvertTest):
    """The events of each, as (size, slot); derived by hand."""

    EVENTS = {
        "text": [(100, 0), (3000, 1), (0, 0), (24, 0), (0, 1), (0, 0)],
        "text-crlf": [(2147483647, 0), (0, 0)],
        "text-empty": [],
        "compact-empty": [],
        # The block of 60 is handed out again; the one of 0 bytes is never freed.
        "perf": [(60, 0), (4096, 1), (0, 1), (0, 0), (1, 0), (9000, 1), (0, 1), (0, 0)],
        "perf-old": [(512, 0), (192, 1), (0, 1), (0, 0)],
        "ftrace": [(64, 0), (184, 1), (0, 0), (0, 1)],
        "ftrace-trace-cmd": [(232, 0), (0, 0)],
        "rep": [(512, 0), (100, 1), (1000, 2), (0, 0), (0, 1), (1, 1), (0, 2), (4072, 2),
                (0, 1), (0, 2)],
        "rep-huge": [],
        "mtrace": [(100, 0), (5000, 1), (0, 0), (0, 1), (1, 1), (30, 0), (0, 0), (0, 1)],
    }
    # Made from the samples of these names.
    EVENTS["compact"] = EVENTS["perf"]
    EVENTS["compact-plain"] = EVENTS["text"]

    def test_each(self):
        for name in sorted(os.listdir(GOOD)):
            with self.subTest(sample=name):
                self.assertEqual(self.text_of(os.path.join(GOOD, name)),
                                 canonical(self.EVENTS[name]))

    def test_the_same_from_standard_input(self):
        for name in self.EVENTS:
            with self.subTest(sample=name), open(os.path.join(GOOD, name), "rb") as file:
                self.assertEqual(self.text_of("-", stdin=file),
                                 canonical(self.EVENTS[name]))

    def test_kinds_are_told_by_content_alone(self):
        with open(os.path.join(GOOD, "perf"), encoding="utf-8") as file:
            self.write("recording.rep", file.read())
        self.assertEqual(self.text_of("recording.rep"), canonical(self.EVENTS["perf"]))

    def test_columns_of_a_recording(self):
        self.convert(os.path.join(GOOD, "ftrace"), "-o", "out.ktr")
        self.assertEqual(self.events("out.ktr", *ktr.COLUMNS), [
            (64, 0, 0, 1, "tracepoint_add_func+0x10d", None, 64),
            (184, 1, 2000, 0, "nf_ct+0x24 [nf_conntrack]", "filp", 192),
            (0, 0, 3000, 1, "tracepoint_add_func+0x18d", None, 0),
            (0, 1, 5000, 1, "nf_ct+0x99 [nf_conntrack]", "filp", 0)])
        facts = ktr.facts(self.path("out.ktr"))
        self.assertEqual((facts.about["origin"], facts.lost), ("kernel", 124))

    def test_sites_of_old_kernels_and_of_trace_cmd(self):
        for name, sites in (
                ("perf-old", ["alloc_it+0x10", "ffffffff81157b30", "ffffffff81157b2f",
                              None]),
                ("ftrace-trace-cmd", ["seq_open+0x2f", "seq_release+0x1d"])):
            self.convert(os.path.join(GOOD, name), "-o", "out.ktr")
            self.assertEqual([site for *_, site in self.events("out.ktr", "site")], sites)

    def test_sites_of_mtrace(self):
        self.convert(os.path.join(GOOD, "mtrace"), "-o", "out.ktr")
        sites = [site for *_, site in self.events("out.ktr", "site")]
        self.assertEqual(sites, [
            "./my prog:[0x11bb]", "./my prog:[0x11d0]", "./my prog:[0x11d0]",
            "./my prog:[0x11e0]", "./my prog:[0x11ea]", None, "./my prog:(main+0x1e)",
            None])


class RoundTrips(ConvertTest):
    def setUp(self):
        super().setUp()
        drawn = random.Random(3)
        ledger, live = Ledger(), []
        for k in range(3000):
            if live and drawn.random() < 0.48:
                ledger.put_free(live.pop(drawn.randrange(len(live))))
            else:
                live.append(k + 1)
                ledger.put_request(k + 1, drawn.choice((1, 24, 4096, 8184, 2**31 - 1)))
        self.text = canonical(ledger.end())
        self.write("in.trace", self.text)

    def test_text_through_each_format(self):
        for form in FORMATS:
            with self.subTest(format=form):
                self.convert("in.trace", "-o", "out", "--to", form, "--page-size", "any")
                self.assertEqual(self.text_of("out"), self.text)

    def test_an_empty_trace_through_each_format(self):
        self.write("empty", "0\n")
        for form in FORMATS:
            with self.subTest(format=form):
                self.convert("empty", "-o", "out", "--to", form)
                self.assertEqual(self.text_of("out"), "0\n")

    def test_through_a_chain_of_pipes(self):
        data = self.text.encode()
        for form in (*FORMATS, "text"):
            data = subprocess.run([program(CONVERT), "-", "-o", "-", "--to", form,
                                   "--quiet", "--page-size", "any"], input=data,
                                  stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(data.decode(), self.text)

    def test_the_ending_decides(self):
        for ending, form in ((".trace", "text"), (".txt", "text"), (".ktr", "compact"),
                             (".perf", "perf"), (".ftrace", "ftrace"), (".rep", "rep"),
                             (".mtrace", "mtrace"), ("", "compact"), (".gz", "compact")):
            self.convert("in.trace", "-o", f"a{ending}")
            self.convert("in.trace", "-o", "b", "--to", form)
            with open(self.path(f"a{ending}"), "rb") as a, open(self.path("b"), "rb") as b:
                self.assertEqual(a.read(), b.read(), ending)

    def test_ids_become_slots(self):
        self.write("other", trace_text("REQUEST 3 8", "REQUEST 0 9", "FREE 3",
                                       "REQUEST 2 10", "FREE 2", "FREE 0"))
        self.assertEqual(self.text_of("other"),
                         canonical([(8, 0), (9, 1), (0, 0), (10, 0), (0, 0), (0, 1)]))

    def test_traces_of_the_test_suite(self):
        for name in ("3.trace", "4.trace"):
            path = os.path.join(ROOT, "testsuite", name)
            self.convert(path, "-o", "out.ktr", "--page-size", "any")
            self.assertEqual(list(ktr.events(self.path("out.ktr"))),
                             list(ktr.events(path)))

    def with_columns(self):
        """A compact trace with all columns, and what is known of its recording."""
        columns = ktr_files.section
        events = (ktr_files.number(4) + columns(ktr_files.numbers([100, 0, 8, 0])) +
                  columns(ktr_files.numbers([0, 0])) +            # slot 0, and again
                  columns(ktr_files.numbers([7, 0, 2000, 1])) +   # times, as steps
                  columns(ktr_files.numbers([3, 0, 1, 70000])) +  # cpus
                  columns(ktr_files.numbers([1, 2, 0, 1])) +      # sites
                  columns(ktr_files.numbers([0, 1, 1, 0])) +      # caches
                  columns(ktr_files.numbers([29, 0])))            # 128 spent; unknown
        names = [b"do it+0x1 [mod]", b"a=b"]
        told = b"".join(bytes([len(name)]) + name for name in names)
        return (ktr_files.meta("columns=time,cpu,site,cache,spent\norigin=kernel\n"
                               "command=make -j\n") +
                ktr_files.frame(ktr_files.block(b"N", b"\2\1\2" + told)) +
                ktr_files.frame(ktr_files.block(b"N", b"\3\1\1\4inod")) +
                ktr_files.frame(ktr_files.block(b"E", events)) + ktr_files.end(4, 1, 9))

    EVENTS = [(100, 0, 7, 3, "do it+0x1 [mod]", None, 128),
              (0, 0, 7, 0, "a=b", "inod", 0),
              (8, 0, 2007, 1, None, "inod", 0),
              (0, 0, 2008, 70000, "do it+0x1 [mod]", None, 0)]

    @unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
    def test_compact_to_compact_keeps_columns_names_and_what_is_told(self):
        self.write("in.ktr", self.with_columns())
        self.assertEqual(self.events("in.ktr", *ktr.COLUMNS), self.EVENTS)
        self.convert("in.ktr", "-o", "out.ktr")
        self.assertEqual(self.events("out.ktr", *ktr.COLUMNS), self.EVENTS)
        before, after = (ktr.facts(self.path(name)) for name in ("in.ktr", "out.ktr"))
        self.assertEqual(after, before)

    @unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
    def test_perf_and_ftrace_keep_what_their_lines_can_say(self):
        self.write("in.ktr", self.with_columns())
        for form in ("perf", "ftrace"):
            with self.subTest(format=form):
                self.convert("in.ktr", "-o", "out", "--to", form)
                self.convert("out", "-o", "out.ktr")
                # Times count from the first event; '=' stands for fields alone.
                self.assertEqual(self.events("out.ktr", *ktr.COLUMNS), [
                    (size, slot, time - 7, cpu, "a_b" if site == "a=b" else site, *rest)
                    for size, slot, time, cpu, site, *rest in self.EVENTS])
                self.assertEqual(ktr.facts(self.path("out.ktr")).lost, 9)

    @unittest.skipIf(ktr_files.MISSING, ktr_files.MISSING)
    def test_mtrace_keeps_sites(self):
        self.write("in.ktr", self.with_columns())
        self.convert("in.ktr", "-o", "out.mtrace")
        self.convert("out.mtrace", "-o", "out.ktr")
        self.assertEqual([site for *_, site in self.events("out.ktr", "site")],
                         ["do_it+0x1_[mod]", "a=b", None, "do_it+0x1_[mod]"])


class Columns(ConvertTest):
    def test_those_that_are_asked_for(self):
        self.write("in", alloc(96, 8, 1.0, 2) + free(96, 1.5, 3))
        for asked, known in (("none", ""), ("time", "time"), ("cpu,spent", "cpu,spent"),
                             ("spent,time", "time,spent"),
                             ("all", "time,cpu,site,cache,spent")):
            self.convert("in", "-o", "out.ktr", "--columns", asked)
            self.assertEqual(ktr.about(self.path("out.ktr")).get("columns", ""), known)
        self.convert("in", "-o", "out.ktr", "--columns", "cpu")
        self.assertEqual(self.events("out.ktr", "time", "cpu"),
                         [(8, 0, None, 2), (0, 0, None, 3)])

    def test_by_default_those_of_the_source(self):
        self.write("in", "= Start\n+ 0x10 0x20\n")
        self.write("in.trace", "0\n")
        for name, known in (("in", "site"), ("in.trace", "")):
            self.convert(name, "-o", "out.ktr")
            self.assertEqual(ktr.about(self.path("out.ktr")).get("columns", ""), known)

    def test_levels(self):
        self.write("in.trace", trace_text(*simple_events(5000)))
        sizes = []
        for level in ("1", "19"):
            self.convert("in.trace", "-o", "out.ktr", "--level", level)
            sizes.append(os.path.getsize(self.path("out.ktr")))
            self.assertEqual(list(ktr.events(self.path("out.ktr"))),
                             list(ktr.events(self.path("in.trace"))))
        self.assertLess(sizes[1], sizes[0])


class Told(ConvertTest):
    def about(self, *settings):
        self.write("in", alloc(96, 8))
        options = [word for setting in settings for word in ("--set", setting)]
        self.convert("in", "-o", "out.ktr", "--columns", "none", *options)
        return ktr.about(self.path("out.ktr"))

    def test_what_a_trace_tells_of_itself_can_be_set(self):
        self.assertEqual(self.about(), {"origin": "kernel"})
        self.assertEqual(self.about("load=mail", "origin=", "rate=a=b"),
                         {"origin": "", "load": "mail", "rate": "a=b"})
        self.assertEqual(self.about("load=one", "load=two")["load"], "two")

    def test_but_neither_columns_nor_what_is_no_line(self):
        self.write("in", alloc(96, 8))
        for bad in ("columns=time", "nothing", "=x", "a=b\nc=d"):
            self.assertIn("--set wants KEY=VALUE",
                          self.refused(CONVERT, "in", "-o", "out.ktr", "--set", bad))
        self.assertIn("--set has no meaning for the format text",
                      self.refused(CONVERT, "in", "-o", "out.trace", "--set", "a=b"))


class Real(ConvertTest):
    """Recordings made here and now."""

    PROGRAM = """
        #include <mcheck.h>
        #include <stdint.h>
        #include <stdlib.h>
        void *volatile kept;
        int main(void)
        {
            mtrace();
            void *volatile block = malloc(100);
            block = realloc(block, 5000);
            free(block);
            kept = malloc(0);
            block = calloc(3, 7);
            void *volatile size = (void *)PTRDIFF_MAX;
            kept = realloc(block, (size_t)size - 100);
            kept = malloc((size_t)size - 100);
            free(block);
            muntrace();
        }
        """

    def test_mtrace_of_glibc(self):
        self.write("program.c", self.PROGRAM)
        compiler = os.environ.get("KMA_CC", "gcc").split()
        subprocess.run([*compiler, "-w", "program.c", "-o", "program"], cwd=self.folder,
                       check=True)
        subprocess.run(["./program"], cwd=self.folder, check=True, capture_output=True,
                       env={**os.environ, "LD_PRELOAD": "libc_malloc_debug.so.0",
                            "MALLOC_TRACE": "log"})
        if not os.path.exists(self.path("log")):
            self.skipTest("no libc_malloc_debug.so.0 of glibc is installed")
        self.assertEqual(self.text_of("log"), canonical(
            [(100, 0), (5000, 1), (0, 0), (0, 1), (1, 1), (21, 0), (0, 0), (0, 1)]))
        self.assertEqual(self.counts("log")[0], "2 calls that returned NULL: left out")

    def test_ftrace_of_the_kernel(self):
        """Every request in the trace file is one of ours."""
        folder = "/sys/kernel/tracing/instances/kma_test_convert"
        try:
            os.mkdir(folder)
        except OSError as error:
            self.skipTest(f"no instance of the kernel's tracing: {error.strerror}")
        self.addCleanup(os.rmdir, folder)

        def put(name, value):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(value)
        put("buffer_size_kb", "2000")
        put("events/kmem/enable", "1")
        subprocess.run(["ls", "-l", "/etc"], stdout=subprocess.DEVNULL, check=True)
        put("events/kmem/enable", "0")
        with open(os.path.join(folder, "trace"), "rb") as file:
            data = file.read()
        self.write("trace", data)
        made = len(re.findall(rb": (?:kmalloc|kmem_cache_alloc)(?:_node)?: ", data))
        self.assertGreater(made, 0)
        self.convert("trace", "-o", "out.ktr", "--page-size", "any")
        events = self.events("out.ktr", "site", "spent")
        self.assertEqual(sum(1 for size, *_ in events if size), made)
        self.assertTrue(all(site and spent >= size
                            for size, _, site, spent in events if size))


if __name__ == "__main__":
    unittest.main()
