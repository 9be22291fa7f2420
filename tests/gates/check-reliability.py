#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-reliability.py PROGRAM...: each test that docs/reliability.md names is one that the test programs have.

The page writes `test-stop /*/stop/drain/`: a program, and a case on both backends or all cases below a path; or
`python/test-exit.py`: a file. Speaks TAP.
"""

import os
import re
import subprocess
import sys
import unittest

SOURCE = os.environ["LP_PROJECT_SRCDIR"]

sys.path.insert(0, os.path.join(SOURCE, "tests/python"))
import tap  # noqa: E402

PROGRAMS = {os.path.basename(path): path for path in sys.argv[1:]}
del sys.argv[1:]


def page():
    with open(os.path.join(SOURCE, "docs/reliability.md"), encoding="utf-8") as handle:
        return handle.read()


def cases_of(program):
    output = subprocess.run([PROGRAMS[program], "-l"], capture_output=True, text=True, check=True).stdout
    # Newer GLib lists them as comments.
    return {line.lstrip("# ") for line in output.splitlines() if line.lstrip("# ").startswith("/")}


class Page(unittest.TestCase):
    def test_each_case_exists(self):
        named = re.findall(r"`(test-[\w-]+) (/[^` ]+)`", page())
        self.assertGreater(len(named), 50)
        listed = {program: cases_of(program) for program in {program for program, _path in named} & set(PROGRAMS)}
        missing = []
        for program, path in named:
            for one in [path.replace("/*/", f"/{backend}/") for backend in ("thread", "process")]:
                found = [case for case in listed.get(program, ())
                         if case == one or (one.endswith("/") and case.startswith(one))]
                if not found:
                    missing.append(f"{program} {one}")
        self.assertEqual(missing, [])

    def test_each_file_exists(self):
        names = re.findall(r"`(python/[\w-]+\.py|gjs/[\w-]+\.js)`", page())
        self.assertGreater(len(names), 0)
        self.assertEqual([name for name in names if not os.path.exists(os.path.join(SOURCE, "tests", name))], [])

    def test_all_twenty_have_a_row(self):
        rows = re.findall(r"^\| (\d+) \|.*`test-", page(), re.M)
        self.assertEqual(rows, [str(number) for number in range(1, 21)])

    def test_nothing_else_looks_like_a_test(self):
        """A name that is written in another way would be checked by nobody."""
        spans = re.findall(r"`((?:test-|/thread/|/process/|/\*/)[^`]*)`", page().split("## Twenty failures")[1])
        odd = [span for span in spans if not re.fullmatch(r"test-[\w-]+ /[^ ]+", span)]
        self.assertEqual(odd, [])


if __name__ == "__main__":
    tap.main(200)
