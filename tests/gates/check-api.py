#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-api.py [CASE...]: what the library offers is documented, and it is what Lp-1.api and libleasepool-1.abi record.

check-api.py --refresh: writes both records anew from the build, for a change that was meant. Speaks TAP.

LP_PROJECT_SRCDIR and LP_PROJECT_BUILDDIR say where the project and its build are.
"""

import difflib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("LP_PROJECT_SRCDIR") or os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("LP_PROJECT_BUILDDIR") or os.path.join(SOURCE, "build")
LIBRARY = os.path.join(BUILD, "leasepool/libleasepool-1.so")
GIR = os.path.join(BUILD, "leasepool/Lp-1.gir")
API_RECORD = os.path.join(HERE, "Lp-1.api")
ABI_RECORD = os.path.join(HERE, "libleasepool-1.abi")
REFRESH = f"Review it, and if it was meant: {os.path.relpath(__file__, SOURCE)} --refresh, in the commit of the change"

sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(SOURCE, "tests/python")]
import gir  # noqa: E402
import tap  # noqa: E402

HEAD = """SPDX-License-Identifier: LGPL-2.1-or-later
Copyright 2026 The leasepool authors
"""


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def need(condition, reason):
    if not condition:
        raise unittest.SkipTest(reason)


def public_headers():
    paths = glob.glob(os.path.join(SOURCE, "leasepool/**/*.h"), recursive=True)
    paths += glob.glob(os.path.join(BUILD, "leasepool/base/*.h"))
    return {os.path.basename(path): path for path in paths if not path.endswith("-private.h")}


def api():
    need(os.path.exists(GIR), "the build has no introspection data")
    return [f"# {line}" for line in HEAD.splitlines()] + gir.lines(GIR)


def abi():
    """What abidw tells of the public types and functions, without what depends on where and with what it was built."""
    need(shutil.which("abidw") and shutil.which("abidiff"), "there are no abidw and abidiff, of abigail-tools")
    need(".debug_info" in run("readelf", "-S", "-W", LIBRARY), "the library is built without debugging information")
    need("__asan_" not in run("nm", "-D", LIBRARY), "the library is built with sanitizers")
    with tempfile.TemporaryDirectory() as headers:
        for path in public_headers().values():
            shutil.copy(path, headers)
        text = run("abidw", "--headers-dir", headers, "--drop-private-types", "--exported-interfaces-only",
                   "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed",
                   "--no-parameter-names", "--type-id-style", "hash", os.path.realpath(LIBRARY))
    # Not before the first element: abidiff looks there for what kind of file it is.
    element, rest = text.split("\n", 1)
    return element + "\n  <!-- " + HEAD.rstrip().replace("\n", "\n       ") + " -->\n" + rest


def refresh():
    for path, text in ((API_RECORD, "\n".join(api()) + "\n"), (ABI_RECORD, abi())):
        with open(path, "w", encoding="utf-8") as record:
            record.write(text)


class Api(unittest.TestCase):
    def test_exported_symbols_are_described_with_since(self):
        need(shutil.which("nm"), "there is no nm")
        need(os.path.exists(GIR), "the build has no introspection data")
        described = set()
        for _path, element in gir.read(GIR):
            if element.get("version") and element.find(f"{gir.CORE}doc") is not None:
                described |= {gir.symbol(element), element.get(f"{gir.GLIB}get-type")}
        exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIBRARY).splitlines()}
        self.assertEqual({name for name in exported if not re.fullmatch(r"lp_[a-z0-9_]+", name)}, set())
        self.assertGreater(len(exported), 100)
        self.assertEqual(exported - described, set())

    def test_everything_introspected_tells_since(self):
        need(os.path.exists(GIR), "the build has no introspection data")
        # Virtual functions, fields and members are as old as their type; the structs of final classes are nobody's.
        without = {path for path, element in gir.read(GIR)
                   if not element.get("version") and gir.tag(element) not in ("virtual-method", "field", "member")
                   and element.get(f"{gir.GLIB}is-gtype-struct-for") is None}
        self.assertEqual(without, set())

    def test_umbrella_has_each_public_header_and_no_private_one(self):
        headers = public_headers()
        included = set()
        with open(headers["leasepool.h"], encoding="utf-8") as umbrella:
            included |= set(re.findall(r'#include "([^"]+)"', umbrella.read()))
        self.assertGreater(len(included), 10)
        self.assertEqual(included, set(headers) - {"leasepool.h"})

    def test_introspected_api_is_as_recorded(self):
        new = api()
        with open(API_RECORD, encoding="utf-8") as record:
            old = record.read().splitlines()
        changes = list(difflib.unified_diff(old, new, "recorded", "built", lineterm="", n=0))
        self.assertEqual(changes, [], "\n".join([*changes, REFRESH]))

    def test_abi_is_as_recorded(self):
        new = abi()
        # abidiff finds nothing to complain of in a broken file.
        architecture = xml.etree.ElementTree.parse(ABI_RECORD).getroot().get("architecture")
        need(f"architecture='{architecture}'" in new, f"the ABI is recorded for {architecture} only")
        with tempfile.NamedTemporaryFile("w", suffix=".abi") as built:
            built.write(new)
            built.flush()
            difference = subprocess.run(["abidiff", "--no-show-locs", ABI_RECORD, built.name], capture_output=True,
                                        text=True, check=False)
        self.assertEqual(difference.returncode, 0, f"{difference.stdout}{difference.stderr}{REFRESH}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--refresh"]:
        refresh()
    else:
        tap.main(100)
