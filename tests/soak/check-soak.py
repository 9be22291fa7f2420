#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-soak.py SOAK: the soak notices what is lost on purpose. Speaks TAP.

Each thing is lost a few times in thousands of jobs, the memory 100 bytes at a time.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../python"))
import tap  # noqa: E402

SOAK = sys.argv.pop(1)


def soak(plant, jobs):
    return subprocess.run([SOAK, "--backend=thread", f"--plant={plant}", f"--min-jobs={jobs}", "--patience=5", "0.5"],
                          capture_output=True, text=True, check=False)


class Lost(unittest.TestCase):
    def assert_noticed(self, plant, text, jobs=1500):
        done = soak(plant, jobs)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stderr, text)

    def test_a_descriptor(self):
        self.assert_noticed("descriptor", r"descriptors: \d+ more are left")

    def test_a_child(self):
        self.assert_noticed("child", r"children: \d+ more are left")

    def test_a_thread(self):
        self.assert_noticed("thread", r"threads: \d+ more are left")

    def test_a_hundred_bytes_a_job(self):
        if os.environ.get("LP_SOAK_NO_MEMORY"):
            raise unittest.SkipTest("the C library or a sanitizer does not tell how many bytes are in use")
        self.assert_noticed("memory", r"memory: \d+ bytes a job are kept", 20000)

    def test_a_job(self):
        self.assert_noticed("job", r"something has not ended:\n.*jobs accepted (\d+), ended (?!\1;)")

    def test_a_lease(self):
        self.assert_noticed("lease", r"something has not ended:\n.*leases acquired (\d+), ended (?!\1;)")


if __name__ == "__main__":
    tap.main(550)
