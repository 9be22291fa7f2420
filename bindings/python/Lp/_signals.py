# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Signals of a manager whose owner context is the helper's: its handlers are called in the event loop."""

from . import _helper


class Handler:
    """The handler of a signal. It equals what it calls, so that disconnect_by_func() and the like find it."""

    def __init__(self, func):
        self._func = func

    def __call__(self, manager, *args):
        helper = _helper.peek()
        loop = manager._loop() if helper is not None and helper.is_current() else None
        if loop is None:
            return self._func(manager, *args)
        try:
            loop.call_soon_threadsafe(self._func, manager, *args)
        except RuntimeError:
            # The loop is closed, and with it whoever wanted to know.
            pass
        return None

    def __eq__(self, other):
        return self is other or self._func == (other._func if isinstance(other, Handler) else other)

    def __hash__(self):
        return hash(self._func)
