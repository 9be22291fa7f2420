#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The count at the end of a test run is right, whatever the tests did."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

SUMMARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "summary.py")


def summarize(*entries, log_exists=True):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "build", "meson-logs", "testlog.json")
        os.makedirs(os.path.dirname(path))
        if log_exists:
            with open(path, "w", encoding="utf-8") as handle:
                for name, result, out, *err in entries:
                    entry = {"name": name, "result": result, "stdout": out}
                    handle.write(json.dumps(entry | dict(zip(["stderr"], err))) + "\n")
        done = subprocess.run([sys.executable, SUMMARY, path], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.rstrip("\n").split("\n")


class SummaryTest(unittest.TestCase):
    def test_plain_test_counts_once(self):
        self.assertEqual(summarize(("a", "OK", "")), (0, ["", "1 passed, 0 failed"]))

    def test_tap_cases_count_each(self):
        out = "TAP version 13\n# random seed: R02\n1..2\nok 1 /a/b\nok 2 /a/c\n"
        self.assertEqual(summarize(("a", "OK", out))[1][-1], "2 passed, 0 failed")

    def test_failed_case_fails(self):
        status, lines = summarize(("a", "FAIL", "1..2\nok 1 /a/b\nnot ok 2 /a/c\n"))
        self.assertEqual(lines[-1], "1 passed, 1 failed")
        self.assertEqual(status, 1)

    def test_death_in_the_middle_fails(self):
        status, lines = summarize(("a", "ERROR", "1..3\nok 1 /a/b\n"))
        self.assertEqual(lines[-1], "1 passed, 1 failed")
        self.assertEqual(status, 1)

    def test_timeout_fails(self):
        status, lines = summarize(("a", "TIMEOUT", ""), ("b", "OK", ""))
        self.assertEqual(lines[-1], "1 passed, 1 failed")
        self.assertEqual(status, 1)

    def test_hang_is_named_by_the_case_before_it(self):
        head = "# random seed: R02\n1..3\n# Start of a tests\n"
        cases = "ok 1 /a/b\nok 2 /a/c # SKIP no bwrap here\n# a message\n"
        self.assertIn("FAILED: build: a (TIMEOUT after /a/c)", summarize(("a", "TIMEOUT", head + cases))[1])
        self.assertIn("FAILED: build: a (TIMEOUT in the first case)", summarize(("a", "TIMEOUT", head))[1])
        self.assertIn("FAILED: build: a (TIMEOUT)", summarize(("a", "TIMEOUT", "no TAP\n"))[1])

    def test_end_of_what_a_failed_one_said_is_shown_before_the_failures(self):
        out = "".join(f"line {i}\n# GLib-DEBUG: pidfd_open({i}) failed\n" for i in range(100))
        lines = summarize(("a", "ERROR", out, "x" * 300 + "\n--7-- WARNING: unhandled\n"), ("b", "OK", "fine\n", "fine\n"), ("c", "FAIL", "", ""))[1]
        shown = ["", "--- build: a (ERROR), the end of its stdout:"] + [f"line {i}" for i in range(85, 100)]
        shown += ["", "--- build: a (ERROR), the end of its stderr:", "x" * 200, ""]
        shown += ["FAILED: build: a (ERROR)", "FAILED: build: c (FAIL)", "1 passed, 2 failed"]
        self.assertEqual(lines, shown)

    def test_skipped_case_is_shown_with_its_reason(self):
        status, lines = summarize(("a", "OK", "1..2\nok 1 /a/b\nok 2 /a/c # SKIP no bwrap here\n"))
        self.assertEqual(lines[-1], "1 passed, 0 failed")
        self.assertIn("!!! SKIPPED: build: a /a/c: no bwrap here", lines)
        self.assertEqual(status, 0)

    def test_skipped_program_is_shown_with_its_reason(self):
        lines = summarize(("a", "SKIP", "1..0 # SKIP no python3 with gi\n"), ("b", "OK", ""))[1]
        self.assertEqual(lines[-1], "1 passed, 0 failed")
        self.assertIn("!!! SKIPPED: build: a: no python3 with gi", lines)

    def test_pytest_tests_count_each(self):
        out = "..s\nSKIPPED [1] test_a.py:3: too old\n=== 2 passed, 1 skipped in 0.12s ===\n"
        lines = summarize(("a", "OK", out))[1]
        self.assertEqual(lines[-1], "2 passed, 0 failed")
        self.assertIn("!!! SKIPPED: build: a: test_a.py:3: too old", lines)

    def test_pytest_failures_fail(self):
        self.assertEqual(summarize(("a", "FAIL", "2 failed, 3 passed in 1.00s\n"))[1][-1], "3 passed, 2 failed")

    def test_no_log_fails(self):
        status, lines = summarize(log_exists=False)
        self.assertEqual(lines[-1], "0 passed, 1 failed")
        self.assertEqual(status, 1)

    def test_no_test_fails(self):
        self.assertEqual(summarize()[1][-1], "0 passed, 1 failed")


if __name__ == "__main__":
    unittest.main()
