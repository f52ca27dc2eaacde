#!/usr/bin/python3
"""Traces as long as one likes, in the memory of their live blocks."""

import unittest

import endless

MEGABYTE = 1 << 20
SANITIZED = "sanitize" in endless.BUILD
LONG = 2_000_000 if SANITIZED else 50_000_000


class Endless(unittest.TestCase):
    def replay(self, *options, events, live=10_000):
        outcome = endless.pipe("kma_bud", [*options, "--max-pages", "100000"], events, live)
        self.assertEqual(outcome.status, 0, outcome.report)
        return outcome

    def test_fifty_million_events_take_the_memory_of_one_million(self):
        short = self.replay("--calls-only", events=1_000_000)
        long = self.replay("--calls-only", events=LONG)
        self.assertLess(long.resident, short.resident + 2 * MEGABYTE)

    def test_so_do_the_checks(self):
        short = self.replay("--no-output", events=500_000, live=1_000)
        long = self.replay("--no-output", events=3_000_000, live=1_000)
        self.assertLess(long.resident, short.resident + 2 * MEGABYTE)

    def test_memory_goes_by_the_live_blocks(self):
        few = self.replay("--calls-only", events=1_000_000, live=1_000)
        many = self.replay("--calls-only", events=1_000_000, live=100_000)
        self.assertGreater(many.resident, few.resident + 10 * MEGABYTE)

    def test_a_pipe_can_be_timed_though_that_takes_two_readings(self):
        self.assertIn("Score:", self.replay("--competition", events=200_000).report)

    def test_the_generator_keeps_its_promise(self):
        outcome = self.replay("--read", events=123_456)
        self.assertTrue(outcome.report.startswith("123456 events, "), outcome.report)


if __name__ == "__main__":
    unittest.main()
