# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The program of the ready-made workers: finds the files next to it, and gi. Short, since it is compiled each time."""

import os
import sys

# The files here have names of the standard library.
if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]
sys.path += [entry for entry in sys.argv[1:] if entry not in sys.path]

# The package without its __init__.py, which loads what only managers need.
package = type(sys)("_leasepool_worker")
package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
sys.modules[package.__name__] = package

from _leasepool_worker import _python_worker  # noqa: E402

sys.exit(_python_worker.main())
