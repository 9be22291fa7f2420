# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Prints where the overrides go by default: a directory below the prefix that PyGObject looks into, if there is one.

That is the directory of PyGObject's own overrides, or gi/overrides in another directory of packages of this Python.
Below a prefix that this Python does not know it is where it would be below that of PyGObject; then PYTHONPATH must
name the directory above gi.
"""

import os
import site
import sys

import gi


def below(path, prefix):
    return os.path.commonpath([path, prefix]) == prefix


def find(prefix):
    pygobject = os.path.dirname(os.path.dirname(os.path.abspath(gi.__file__)))
    for packages in [pygobject, *site.getsitepackages(), site.getusersitepackages()]:
        if below(packages, prefix):
            return packages
    if below(pygobject, sys.base_prefix):
        return os.path.join(prefix, os.path.relpath(pygobject, sys.base_prefix))
    return os.path.join(prefix, "lib/python3/dist-packages")


print(os.path.join(find(os.path.normpath(sys.argv[1])), "gi/overrides"))
