#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""test-hardening.py LIBRARY PROGRAM WHAT...: the built files are hardened as the build wanted. Speaks TAP."""

import re
import shutil
import subprocess
import sys


def read(tool, path, *arguments):
    return subprocess.run([tool, *arguments, path], check=True, capture_output=True, text=True).stdout


def has_segment(path, name, flags=""):
    lines = re.findall(rf"^\s*{name}\s.*$", read("readelf", path, "--program-headers", "--wide"), re.M)
    return any(flags in line for line in lines)


def is_relro(path):
    return has_segment(path, "GNU_RELRO")


def is_bound_at_once(path):
    dynamic = read("readelf", path, "--dynamic", "--wide")
    return "BIND_NOW" in dynamic or re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic) is not None


def has_no_executable_stack(path):
    return has_segment(path, "GNU_STACK") and not has_segment(path, "GNU_STACK", "RWE")


def is_pie(path):
    kind = re.search(r"^\s*Type:\s+(\w+)", read("readelf", path, "--file-header"), re.M)[1]
    return kind == "DYN" and re.search(r"\(FLAGS_1\).*\bPIE\b", read("readelf", path, "--dynamic", "--wide")) is not None


def imports(path, pattern):
    return re.search(rf"\bUND\s+{pattern}", read("readelf", path, "--dyn-syms", "--wide")) is not None


def has_landing_pads(path):
    """Each function that others may call has one: those of the start files of the C library are a handful."""
    n_exported = len(re.findall(r"\bFUNC\s+GLOBAL\s+DEFAULT\s+\d+\s+lp_", read("readelf", path, "--dyn-syms", "--wide")))
    return read("objdump", path, "--disassemble", "--no-show-raw-insn").count("endbr") >= n_exported > 0


# What, for which of the two files, and how it is seen. Whether -fstack-clash-protection had something to do depends on
# the sizes of frames: there is nothing sure to look for.
CHECKS = {
    "relro": ("library program", is_relro),
    "now": ("library program", is_bound_at_once),
    "noexecstack": ("library program", has_no_executable_stack),
    "pie": ("program", is_pie),
    "stack-protector-strong": ("library program", lambda path: imports(path, r"__stack_chk_fail\b")),
    "fortify": ("library program", lambda path: imports(path, r"__\w+_chk\b(?<!__stack_chk)")),
    "cf-protection": ("library", has_landing_pads),
}


def main():
    files = {"library": sys.argv[1], "program": sys.argv[2]}
    for tool in ("readelf", "objdump"):
        if shutil.which(tool) is None:
            print(f"1..0 # SKIP there is no {tool}: install binutils")
            return 0

    cases = [(f"{name}/{what}", check, files[name])
             for what, (names, check) in CHECKS.items() if what in sys.argv[3:] for name in names.split()]
    print(f"1..{len(cases)}")
    failed = 0
    for n, (name, check, path) in enumerate(cases, 1):
        good = check(path)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {n} - /hardening/{name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
