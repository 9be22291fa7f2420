# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The end of the interpreter: whatever runs is stopped, and nothing holds the exit up."""

import atexit
import os
import time
import weakref

from gi.repository import GLib

from . import _helper, _thread_state

# For all of it.
SECONDS = 2
LEAST_SECONDS = 0.1

_started = weakref.WeakSet()


def track(manager):
    """The manager is about to start. Its wrapper has attributes, so it lives as long as the object does."""
    _started.add(manager)


def stop_all():
    # Also those whose start or stop is under way.
    managers = list(_started)
    for manager in managers:
        try:
            manager._stop_at_exit()
        except GLib.Error:
            pass
    deadline = time.monotonic() + SECONDS
    while any(manager.is_running() for manager in managers) and time.monotonic() < deadline:
        time.sleep(0.001)
    for manager in managers:
        if manager.is_running():
            manager.run_dispose()
    _thread_state.end()
    helper = _helper.peek()
    if helper is not None:
        # One that serves at all ends at once.
        helper.end(max(deadline - time.monotonic(), LEAST_SECONDS))


def _forget():
    """In a forked child nothing of the parent is touched."""
    _started.clear()


atexit.register(stop_all)
os.register_at_fork(after_in_child=_forget)
