# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a worker prints: on its way before its result is."""

import sys


def flush():
    """What was printed is on its way when this returns. A program may have closed its streams, or have none."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def buffer_lines():
    """Lines of threads and of deferred jobs are not kept until a function returns, nor lost in a crash."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    flush()
