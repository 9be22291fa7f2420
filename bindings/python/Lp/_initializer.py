# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The initializer of worker threads, as a ThreadPoolExecutor has it."""

from gi.repository import GLib

from . import _thread_state
from ._worker import Functions

_UNIT = GLib.Variant("()", ())
NAME = "leasepool.python.initializer"


def take(keywords):
    """Takes the initializer, or None, and its arguments out of the keywords of a manager."""
    initializer = keywords.pop("initializer", None)
    initargs = tuple(keywords.pop("initargs", None) or ())
    if initializer is None and initargs:
        raise ValueError("There are initargs, but no initializer")
    if initializer is not None and not callable(initializer):
        raise TypeError(f"initializer must be callable, not {initializer!r}")
    return initializer, initargs


def set_up(manager, initializer, initargs):
    """Has every worker thread call initializer(*initargs) first. An exception fails the start of its executor."""
    if initializer is None:
        return
    if manager.get_worker_init_function() is not None:
        raise ValueError("initializer and worker_init_function exclude each other")
    def run(_job, *_user_data):
        # What the initializer puts into a threading.local is there in the jobs.
        _thread_state.keep(always=True)
        initializer(*initargs)
        return _UNIT

    functions = manager.get_functions() or Functions.new()
    functions.add(NAME, None, None, run)
    manager.set_functions(functions)
    manager.set_worker_init_function(NAME)
