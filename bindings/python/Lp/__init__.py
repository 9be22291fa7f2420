# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What PyGObject adds to the namespace Lp: sugar only, the library is right without it.

It is installed as gi/overrides/Lp, next to PyGObject's own files or in another directory of sys.path.
"""

from ._logs import LogHandler
from ._worker import Functions, Worker

__all__ = ["Functions", "LogHandler", "Worker"]
