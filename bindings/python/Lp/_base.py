# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What every part of the overrides begins with."""

from gi.module import get_introspection_module

# The namespace as introspection has it, without what is added here.
Lp = get_introspection_module("Lp")

# PyGObject takes the namespace that a class overrides from the last part of the name of the class's module: classes say
# that they are of this one, whichever file they are in.
MODULE = "gi.overrides.Lp"
