# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""run.py MODULE [CASE...]: runs the cases of a module. Workers read this file, so it does nothing unless it is run."""

import sys

if __name__ == "__main__":
    import importlib

    import tap

    module = importlib.import_module(sys.argv.pop(1))
    globals().update((name, value) for name, value in vars(module).items() if isinstance(value, type))
    tap.main(285)
