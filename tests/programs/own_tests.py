"""Runs modules of Python's own tests and prints how each test ended, in order of the names.

Tests of time-outs are left out: they do nothing but wait, and a machine under load makes
them fail.
"""

import sys
import unittest

WAITS = ("timeout", "test_join_nondaemon_on_shutdown")


class Outcomes(unittest.TextTestResult):
    def __init__(self, *settings):
        super().__init__(*settings)
        self.lines = []

    def stopTest(self, test):
        super().stopTest(test)
        bad = [one for one, _ in (*self.failures, *self.errors) if one is test]
        self.lines.append(f"{test.id()} {'FAILED' if bad else 'ok'}")


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


tests = [test for test in flat(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:]))
         if not any(word in test.id() for word in WAITS)]
found = unittest.TextTestRunner(resultclass=Outcomes, buffer=True, verbosity=0,
                                stream=open("log", "w")).run(unittest.TestSuite(tests))
print("\n".join(sorted(found.lines)))
print(f"{found.testsRun} run, {len(found.failures) + len(found.errors)} failed, "
      f"{len(found.skipped)} skipped")
for _, why in (*found.failures, *found.errors):
    print(why, file=sys.stderr)
sys.exit(not found.wasSuccessful())
