# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""One of the worker programs of docs/examples/workers, whose command is given: each does the same in its language."""

import os
import sys
import unittest

import gi  # noqa: F401
from gi.repository import GLib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../python"))
import lpframes  # noqa: E402
import tap  # noqa: E402

# What the program is started with, after "--"; before it may be the names of cases.
COMMAND = sys.argv[sys.argv.index("--") + 1:]
del sys.argv[sys.argv.index("--"):]


class Worker(unittest.TestCase):
    def setUp(self):
        self.manager = lpframes.Manager(COMMAND)
        self.addCleanup(self.manager.kill)
        self.hello = self.manager.expect(lpframes.HELLO).unpack()

    def test_tells_its_functions(self):
        self.assertEqual(self.hello["functions"],
                         [("count_primes", "(u)", "(u)"), ("double", "(i)", "(i)"), ("greet", "(s)", "(s)")])
        self.assertEqual(self.manager.end(), "")

    def test_returns_values(self):
        self.assertEqual(self.manager.run("double", GLib.Variant("(i)", (21,))), (42,))
        self.assertEqual(self.manager.run("greet", GLib.Variant("(s)", ("Ångström",))), ("Hello Ångström",))
        self.manager.end()

    def test_logs(self):
        self.manager.run("greet", GLib.Variant("(s)", ("you",)))
        ((level, _domain, message, _fields),) = self.manager.logs
        # Python has no MESSAGE.
        self.assertIn(level, (GLib.LogLevelFlags.LEVEL_MESSAGE, GLib.LogLevelFlags.LEVEL_INFO))
        # Vala puts file and line before it.
        self.assertTrue(message.endswith("Greeting you"), message)
        self.manager.end()

    def test_fails(self):
        self.assertEqual(self.manager.fail("greet", GLib.Variant("(s)", ("",))),
                         ("g-io-error-quark", 13, "Nobody has an empty name"))
        self.assertEqual(self.manager.fail("double", GLib.Variant("(s)", ("x",)))[:2], ("lp-error-quark", 5))
        self.manager.end()

    def test_tells_its_progress(self):
        number = self.manager.call("count_primes", GLib.Variant("(u)", (1000,)))
        self.manager.expect(lpframes.STARTED, number)
        kinds = []
        while not kinds or kinds[-1] == lpframes.PROGRESS:
            kind, _number, body = self.manager.read()
            kinds.append(kind)
        self.assertEqual((kinds[0], kinds[-1], body.unpack()), (lpframes.PROGRESS, lpframes.RESULT, (168,)))
        self.manager.end()

    def test_sees_that_it_is_cancelled(self):
        number = self.manager.call("count_primes", GLib.Variant("(u)", (2**32 - 2,)))
        self.manager.expect(lpframes.STARTED, number)
        self.manager.expect(lpframes.PROGRESS, number)
        self.manager.send(lpframes.CANCEL, number)
        kind = lpframes.PROGRESS
        while kind == lpframes.PROGRESS:
            kind, _number, body = self.manager.read()
        self.assertEqual((kind, body.unpack()[:2]), (lpframes.ERROR, ("g-io-error-quark", 19)))
        self.manager.end()

    def test_ends_with_its_manager_whatever_it_does(self):
        number = self.manager.call("count_primes", GLib.Variant("(u)", (2**32 - 2,)))
        self.manager.expect(lpframes.STARTED, number)
        self.manager.stream.close()
        # A worker that stays is the failure: the test is killed.
        self.assertEqual(self.manager.process.wait(timeout=lpframes.PATIENCE), -9)


if __name__ == "__main__":
    tap.main(100)
