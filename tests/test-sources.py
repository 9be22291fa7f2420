#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""test-sources.py DIRECTORY: what the sources of the library must not call. Speaks TAP."""

import pathlib
import re
import sys

TEMPORARY = r"\w*mk[sd]temp\w*|\w*open_tmp|\w*make_tmp|\w*new_tmp\w*|tmpfile|tmpnam|tempnam|shm_open|g_get_tmp_dir|O_TMPFILE"

# Where an environment is handed on, and what a worker was told by its manager; lp_environment_get() is for all else.
READERS = {"lp-environment.c", "lp-worker.c"}

RULES = {
    "no-temporary-files-with-names": (TEMPORARY, set()),
    "no-shell": (r"system|popen|g_spawn_command_line_\w+", set()),
    "environment-is-read-in-one-place": (r"(?:g_)?getenv", READERS),
    "descriptors-close-on-exec": (r"pipe|dup|accept", set()),
}


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)


def find(sources, pattern, allowed):
    call = re.compile(rf"(?<![\w.>])(?:{pattern})(?= \(|\b(?=[^(]*O_TMPFILE))")
    for path in sources:
        if path.name not in allowed:
            for number, line in enumerate(strip_comments(path.read_text(encoding="utf-8")).splitlines(), 1):
                if call.search(line):
                    yield f"{path}:{number}: {line.strip()}"


def main():
    sources = sorted(pathlib.Path(sys.argv[1]).rglob("*.c"))
    failed = 0
    print(f"1..{len(RULES)}")
    for number, (name, (pattern, allowed)) in enumerate(RULES.items(), 1):
        found = list(find(sources, pattern, allowed))
        failed += bool(found) or not sources
        print(f"{'not ok' if found or not sources else 'ok'} {number} - /sources/{name}")
        for line in found:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
