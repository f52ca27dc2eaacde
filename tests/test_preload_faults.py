#!/usr/bin/python3
"""libkma_<algorithm>.so when the kernel has no memory, or takes none back: a mixed workload in
which the n-th call of the kernel fails, or all from there on, for every n up to 300. The
program sees NULL and ENOMEM, its blocks stay as they were, and it goes on."""

import unittest

from preload_case import PreloadTest, compiled, needs_libraries

AT_START = 12  # calls after which a process has all that it begins with
ONE, ALL, BACK = "1", "2", "3"  # the kinds of tests/host/faults.h


@needs_libraries
class FaultsTest(PreloadTest):
    @classmethod
    def setUpClass(cls):
        cls.faults = compiled("faults", "-shared", "-fPIC", output="faults.so")
        cls.program = compiled("faulted")

    def case_passes(self, setting, case, **settings):
        said = self.passes(setting, self.program, case, before=[self.faults], settings=settings)
        self.assertEqual(said, f"{case}\npassed\n")

    def test_one_call_fails(self):
        self.everywhere(lambda setting: self.case_passes(setting, "one_call_fails"))

    def test_all_calls_fail_from_then_on(self):
        self.everywhere(lambda setting: self.case_passes(setting,
                                                         "all_calls_fail_from_then_on"))

    def test_nothing_is_taken_back(self):
        self.everywhere(lambda setting: self.case_passes(setting, "nothing_is_taken_back"))

    def test_taken_back_later(self):
        self.everywhere(lambda setting: self.case_passes(setting, "taken_back_later"))

    def test_from_the_start(self):
        def check(setting):
            for nth in range(1, AT_START + 1):
                for kind in (ONE, ALL, BACK):
                    self.case_passes(setting, "from_the_start", FAULTS=f"{kind} {nth}")
        self.everywhere(check)


if __name__ == "__main__":
    unittest.main()
