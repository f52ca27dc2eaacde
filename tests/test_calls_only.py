#!/usr/bin/python3
"""A run that makes the calls of the trace and nothing else."""

import unittest

from driver_case import BUILD, FAULT_SIZE, trace_text, simple_events, DriverTest


class CallsOnly(DriverTest):
    """What a profiler looks at."""

    COUNTER = """
        #include <dlfcn.h>
        #include <stddef.h>
        #include <stdio.h>
        static void *mine[100];
        static int mallocs, frees;
        void *malloc(size_t size)
        {
            static void *(*next)(size_t);
            if (next == NULL)
                next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
            void *block = next(size);
            if (size == 1237)
                mine[mallocs++] = block;
            return block;
        }
        void free(void *block)
        {
            static void (*next)(void *);
            if (next == NULL)
                next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
            for (int i = 0; i < mallocs; i++) {
                if (block != NULL && mine[i] == block) {
                    mine[i] = NULL;
                    frees++;
                }
            }
            next(block);
        }
        __attribute__((destructor)) static void report(void)
        {
            fprintf(stderr, "%d %d\\n", mallocs, frees);
        }
        """

    def test_nothing_is_reported_or_written(self):
        self.write("t", trace_text(*simple_events(2000)))
        for mode in ("--correctness", "--competition"):
            for name in ("kma_bud", "kma_libc"):
                self.assertEqual(self.passes(name, mode, "--calls-only", "t"),
                                 "Test: PASS\n")
        self.assertEqual(self.files(), ["t"])

    @unittest.skipIf("sanitize" in BUILD, "the sanitizers have a malloc of their own")
    def test_each_call_is_made_once(self):
        environment = self.preloaded(self.COUNTER)
        events = [f"REQUEST {i} 1237" for i in range(60)]
        events += [f"FREE {i}" for i in range(45)]
        self.write("t", trace_text(*events))
        for mode in ("--correctness", "--competition"):
            result = self.run_driver("kma_libc", mode, "--calls-only", "t",
                                     env=environment)
            self.assertEqual((result.stdout, result.stderr), ("Test: PASS\n", "60 60\n"))

    def test_empty_and_oversize(self):
        self.write("t", "0\n")
        self.assertEqual(self.passes("kma_bud", "--calls-only", "t"), "Test: PASS\n")
        self.write("t", trace_text("REQUEST 0 100000", "FREE 0", "REQUEST 0 8"))
        self.assertEqual(self.passes("kma_bud", "--calls-only", "t"), "Test: PASS\n")

    def test_what_fails(self):
        self.write("t", trace_text("REQUEST 0 64", f"REQUEST 1 {FAULT_SIZE}"))
        for name, message in (("broken_lazy_null", "t:3: NULL for id 1"),
                              ("broken_leak", "t:4: 1 page is still held"),
                              ("broken_segfault", "line 3: crashed: SIGSEGV")):
            self.assertIn(message, self.fails(name, "--calls-only", "t"))
        self.assertIn("t:3: out of pages at this event: 1 of 1 pages in use",
                      self.fails("kma_dummy", "--calls-only", "--max-pages", "1", "t"))


if __name__ == "__main__":
    unittest.main()
