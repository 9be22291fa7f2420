#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""summary.py TESTLOG...: sums up the testlog.json files of Meson.

A program that speaks TAP counts with each of its cases, any other test as one; a program that dies, hangs or otherwise
fails without a failed case counts as one failure more. Skipped tests are neither passed nor failed: they are listed with
their reasons, so that none goes unnoticed. What a program that failed said last is shown before the list of failures,
for those who have only the end of a long log. The last line is "N passed, N failed".
"""

import json
import os
import re
import sys

CASE = re.compile(r"^(not )?ok\b[ \t]*\d*[ \t]*-?[ \t]*([^#\n]*)(?:#[ \t]*(SKIP|TODO)\b[ \t]*(.*))?$", re.I | re.M)
PLAN_SKIP = re.compile(r"^1\.\.0\b.*?#[ \t]*SKIP\S*[ \t]*(.*)$", re.I | re.M)
PYTEST_SKIP = re.compile(r"^SKIPPED \[\d+\] (.*)$", re.M)
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
PYTEST_END = re.compile(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s.*$", re.M)
TAP_BEGIN = re.compile(r"^(?:TAP version|# random seed|1\.\.\d)", re.M)

# Under valgrind, for each child: there are no pidfds.
NOISE = re.compile(r"--\d+-- |# GLib-DEBUG: pidfd_open\b")
TAIL_LINES = 15
TAIL_WIDTH = 200


class Sum:
    def __init__(self):
        self.tails = []
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_tap(self, name, out):
        """Whether the output has TAP cases; they are counted."""
        cases = CASE.findall(out)
        for bad, case, directive, reason in cases:
            label = f"{name} {case.strip()}".strip()
            if directive.upper() == "SKIP":
                self.skipped.append((label, reason.strip()))
            elif directive.upper() == "TODO":
                self.skipped.append((label, f"known to fail: {reason.strip()}"))
            elif bad:
                self.failed.append((label, "not ok"))
            else:
                self.passed += 1
        return bool(cases)

    def add_pytest(self, name, out):
        """Whether the output ends as one of pytest; its tests are counted."""
        ends = PYTEST_END.findall(out)
        if not ends:
            return False
        counts = {word.rstrip("s"): int(number) for number, word in PYTEST_COUNT.findall(ends[-1])}
        self.passed += counts.get("passed", 0)
        bad = counts.get("failed", 0) + counts.get("error", 0) + counts.get("xpassed", 0)
        self.failed += [(name, "a failed test")] * bad
        reasons = PYTEST_SKIP.findall(out)
        skipped = counts.get("skipped", 0) + counts.get("xfailed", 0)
        self.skipped += [(name, reason) for reason in reasons[:skipped]]
        self.skipped += [(name, "no reason given; run pytest with -rs")] * (skipped - len(reasons))
        return bool(counts)

    def add_tails(self, name, entry):
        for stream in "stdout", "stderr":
            lines = [line[:TAIL_WIDTH] for line in (entry.get(stream) or "").splitlines() if not NOISE.match(line)]
            if lines:
                self.tails.append((f"{name} ({entry['result']}), the end of its {stream}", lines[-TAIL_LINES:]))

    def why(self, result, out):
        """Why a program has failed that has no failed case. A case is named when it ends."""
        cases = [case.strip() for _, case, _, _ in CASE.findall(out)]
        if cases:
            return f"{result} after {cases[-1]}"
        return f"{result} in the first case" if TAP_BEGIN.search(out) else result

    def add(self, build, entry):
        name, result, out = f"{build}: {entry['name']}", entry["result"], entry.get("stdout") or ""
        if result == "SKIP":
            found = PLAN_SKIP.search(out) or re.search(r"# SKIP\S*[ \t]*(.+)", out)
            text = (out.strip() or (entry.get("stderr") or "").strip()).splitlines()
            reason = found.group(1) if found else text[-1] if text else "no reason given"
            self.skipped.append((name, reason))
            return
        before = len(self.failed)
        counted = self.add_tap(name, out) or self.add_pytest(name, out)
        if result in ("OK", "EXPECTEDFAIL"):
            if not counted:
                self.passed += 1
            return
        self.add_tails(name, entry)
        if len(self.failed) == before:
            self.failed.append((name, self.why(result, out)))


def main(logs):
    total = Sum()
    for log in logs:
        try:
            with open(log, encoding="utf-8", errors="replace") as handle:
                entries = [json.loads(line) for line in handle if line.strip()]
        except (OSError, ValueError) as error:
            total.failed.append((log, f"no readable test log: {error}"))
            continue
        if not entries:
            total.failed.append((log, "no test ran"))
        build = os.path.basename(os.path.dirname(os.path.dirname(os.path.abspath(log))))
        for entry in entries:
            total.add(build, entry)

    print()
    for title, lines in total.tails:
        print(f"--- {title}:", *lines, "", sep="\n")
    for name, why in total.failed:
        print(f"FAILED: {name} ({why})")
    for name, reason in total.skipped:
        print(f"!!! SKIPPED: {name}: {reason or 'no reason given'}")
    if total.skipped:
        print(f"!!! {len(total.skipped)} SKIPPED TEST(S), see above: what they test is NOT tested here")
    print(f"{total.passed} passed, {len(total.failed)} failed", flush=True)
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
