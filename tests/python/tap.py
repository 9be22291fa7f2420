# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Runs the unittest cases of a program, one line of TAP a case."""

import faulthandler
import sys
import unittest


class TapResult(unittest.TestResult):
    """What went wrong in a case is a comment before its line."""

    def stopTest(self, test):
        bad = [text for failed, text in self.failures + self.errors if getattr(failed, "test_case", failed) is test]
        skipped = [reason for skipped, reason in self.skipped if skipped is test]
        for line in "".join(bad).splitlines():
            print(f"# {line}")
        directive = f" # SKIP {skipped[0]}" if skipped and not bad else ""
        name = test.id().removeprefix("__main__.")
        print(f"{'not ok' if bad else 'ok'} {self.testsRun} - {name}{directive}", flush=True)
        super().stopTest(test)


def main(seconds):
    """Runs the cases that the arguments name, or all, and ends the program; says where it hangs after so many seconds."""
    program = sys.modules["__main__"]
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds, exit=True)
    if len(sys.argv) > 1:
        suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:], program)
    else:
        suite = unittest.defaultTestLoader.loadTestsFromModule(program)
    print(f"1..{suite.countTestCases()}", flush=True)
    result = suite.run(TapResult())
    # What a class could not set up fails no case of its own.
    for error in result.errors:
        if not isinstance(error[0], unittest.TestCase) and not hasattr(error[0], "test_case"):
            print("".join(f"# {line}\n" for line in error[1].splitlines()) + f"Bail out! {error[0]}", flush=True)
    sys.exit(0 if result.testsRun and result.wasSuccessful() else 1)
