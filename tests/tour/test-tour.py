#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""test-tour.py EXPECTED -- TOUR...: the tour in one language prints what all others do; at once, and step by step."""

import re
import subprocess
import sys

TIMEOUT = 300


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False)
    if done.returncode != 0:
        raise AssertionError(f"it ended with {done.returncode} after\n{done.stdout}")
    return done.stdout


def check(command, expected):
    output = run(command)
    assert output == expected, f"it printed\n{output}instead of\n{expected}"


def main():
    with open(sys.argv[1], encoding="utf-8") as handle:
        expected = handle.read()
    command = sys.argv[sys.argv.index("--") + 1:]
    steps = re.split(r"^(?=\d+\. )", expected, flags=re.M)[1:]
    cases = [("all steps", command, expected)]
    cases += [(step.split("\n")[0].replace(". ", " "), [*command, str(number)], step)
              for number, step in enumerate(steps, 1)]

    failed = False
    print(f"1..{len(cases)}")
    for number, (name, words, output) in enumerate(cases, 1):
        try:
            check(words, output)
            print(f"ok {number} - {name}", flush=True)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            failed = True
            print(f"not ok {number} - {name}", flush=True)
            for line in str(error).rstrip("\n").split("\n"):
                print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
