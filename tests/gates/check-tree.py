#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""check-tree.py: each file begins with the licence and the copyright; neither the library nor the tests use a network.

LP_PROJECT_SRCDIR and LP_PROJECT_BUILDDIR say where the project and its build are, LP_OFFLINE_TESTS which test programs
are run where there is no network. Speaks TAP.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = os.environ["LP_PROJECT_SRCDIR"]
BUILD = os.environ["LP_PROJECT_BUILDDIR"]

sys.path.insert(0, os.path.join(SOURCE, "tests/python"))
import tap  # noqa: E402

# The licence itself, a file that says by being there what it says, and what is compared byte by byte. What is not text
# cannot have it, either.
WITHOUT_LICENCE = {"COPYING", "bindings/python/gi-stubs/py.typed", "docs/examples/tour/expected.txt"}

# What the fuzzers begin with, byte by byte.
INPUTS = "tests/fuzz/corpus/"

# These fetch packages, before anything is tested.
FETCHERS = {"tests/install-packages", "tests/run-on-debian", "tests/tsan-glib"}
FETCHING = re.compile(r"\b(curl|wget|apt-get|debootstrap|git (clone|fetch|pull)|pip3? install|npm|urlopen|http\.client"
                      r"|AF_INET6?|getaddrinfo|g_socket_(client|connection)\w*|g_resolver_lookup\w*|libsoup|Soup)\b")

# What a program calls to reach another machine. The quark of an error domain is nothing of the kind.
NETWORK_SYMBOLS = re.compile(r"(socket|connect|bind|listen|accept4?|getaddrinfo|gethostbyname\w*|res_\w+"
                             r"|g_(socket|inet|network|tcp|tls|resolver|proxy)_\w+)(@.*)?")
NO_NETWORK_SYMBOLS = {"g_resolver_error_quark", "g_tls_error_quark"}


# Of directories.
NO_SOURCES = {".git", ".pytest_cache", "__pycache__"}
MADE_BY_MESON = ("meson-private", "meson-logs")


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def files():
    """What belongs to the project: what git knows, or all that an archive of it has."""
    if os.path.exists(os.path.join(SOURCE, ".git")) and shutil.which("git"):
        # The directory may be that of somebody else.
        names = run("git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, "ls-files", "-z").split("\0")
        return [name for name in names if name and os.path.isfile(os.path.join(SOURCE, name))]
    names = []
    for folder, folders, own in os.walk(SOURCE):
        # Not what was built, by whoever and in which of its directories.
        folders[:] = [name for name in folders if name not in NO_SOURCES
                      and not any(os.path.exists(os.path.join(folder, name, sign)) for sign in MADE_BY_MESON)]
        names += [os.path.relpath(os.path.join(folder, name), SOURCE) for name in own]
    return names


def text_of(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8", errors="replace") as handle:
        return handle.read()


class Licence(unittest.TestCase):
    def test_each_file_begins_with_licence_and_copyright(self):
        names = [name for name in files() if name not in WITHOUT_LICENCE and not name.startswith(INPUTS)
                 and "\0" not in text_of(name)]
        self.assertGreater(len(names), 300)
        bad = []
        for name in names:
            head = "\n".join(text_of(name).splitlines()[:6])
            if "SPDX-License-Identifier: LGPL-2.1-or-later" not in head or not re.search(
                    r"Copyright \d{4}(-\d{4})? The leasepool authors", head):
                bad.append(name)
        self.assertEqual(bad, [])

    def test_the_licence_is_there(self):
        self.assertIn("GNU LESSER GENERAL PUBLIC LICENSE", text_of("COPYING"))


class Network(unittest.TestCase):
    def test_library_and_worker_call_nothing_of_it(self):
        if not shutil.which("nm"):
            raise unittest.SkipTest("there is no nm")
        for program in ("libleasepool-1.so", "leasepool-worker"):
            wanted = {line.split()[-1] for line in
                      run("nm", "-D", "--undefined-only", os.path.join(BUILD, "leasepool", program)).splitlines()}
            self.assertIn("g_free" if program.startswith("lib") else "lp_worker_run", wanted)
            self.assertEqual({name for name in wanted if NETWORK_SYMBOLS.fullmatch(name)} - NO_NETWORK_SYMBOLS, set())

    def test_nothing_but_the_installers_of_packages_fetches(self):
        own = os.path.relpath(os.path.abspath(__file__), SOURCE)
        found = {f"{name}: {match[0]}" for name in files()
                 if name.startswith(("tests/", "leasepool/", "bindings/", "docs/examples/", "docs/demo"))
                 and name not in FETCHERS and name != own and not name.endswith((".md", "packages"))
                 for match in FETCHING.finditer(text_of(name))}
        self.assertEqual(found, set())

    def test_programs_pass_where_there_is_none(self):
        programs = os.environ.get("LP_OFFLINE_TESTS", "").split()
        self.assertTrue(programs)
        offline = ["unshare", "--map-root-user", "--net"]
        if not shutil.which("unshare") or subprocess.run([*offline, "true"], capture_output=True,
                                                         check=False).returncode:
            raise unittest.SkipTest("this system lets nobody have a network namespace")
        interfaces = run(*offline, "cat", "/proc/net/dev").splitlines()[2:]
        self.assertEqual([line.split(":")[0].strip() for line in interfaces], ["lo"])
        for program in programs:
            done = subprocess.run([*offline, program], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{program}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    tap.main(300)
