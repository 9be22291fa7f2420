#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-tidy.py [--any-version] CLANG-TIDY BUILDDIR [FILE...]: clang-tidy finds nothing in the sources of the library
and the worker program, or in those that are named. What it looks for is in .clang-tidy at the top of the tree. Speaks TAP.

Another version has other checks and other false alarms: where it is not the one that the list was made for, nothing is
looked at, unless --any-version says so.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

VERSION = "14"

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

# An error is there as well when it is no check that speaks, but the compiler in it, that then has not analyzed.
FINDING = re.compile(r"^.*:\d+:\d+: (warning|error): ", re.M)


def commands_of(build):
    """How each file of the library and the worker program is compiled for them, without what is generated. The tests
    compile some of them once more, with a defect."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as handle:
        entries = json.load(handle)
    commands = {}
    for entry in entries:
        path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        if (entry["output"].startswith("leasepool/") and path.startswith(os.path.join(SOURCE, "leasepool", ""))
                and not path.startswith(os.path.join(os.path.realpath(build), ""))):
            commands.setdefault(path, entry)
    return commands


def look_at(tidy, directory, path):
    """What is wrong with PATH, or nothing. How it is compiled is in the DIRECTORY."""
    done = subprocess.run([tidy, "-p", directory, "--quiet", path], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stdout + done.stderr
    return done.stdout if FINDING.search(done.stdout) else ""


def main(arguments):
    any_version = arguments[:1] == ["--any-version"]
    tidy, build, *paths = arguments[any_version:]
    version = subprocess.run([tidy, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"version (\d+)", version)
    number = number[1] if number else "of no number"
    if number != VERSION and not any_version:
        print(f"1..0 # SKIP the checks are chosen for clang-tidy {VERSION}, this is {number}; "
              "tests/gates/check-tidy.py --any-version tries it")
        return 0

    commands = commands_of(build)
    paths = [os.path.realpath(path) for path in paths] or sorted(commands)
    failed = 0
    print(f"1..{len(paths)}", flush=True)
    with tempfile.TemporaryDirectory() as directory, \
            concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        with open(os.path.join(directory, "compile_commands.json"), "w", encoding="utf-8") as handle:
            json.dump(list(commands.values()), handle)
        found = pool.map(lambda path: look_at(tidy, directory, path), paths)
        for index, (path, text) in enumerate(zip(paths, found), 1):
            failed += bool(text)
            for line in text.splitlines():
                print(f"# {line}")
            print(f"{'not ok' if text else 'ok'} {index} - {os.path.relpath(path, SOURCE)}", flush=True)
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
