# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The size provider of a manager on an event loop that does not iterate a GLib main context.

C asks for the number in the owner context, which the helper's thread iterates, and that thread must not wait for the
loop. So C is told the last number at once, and the function is called in the loop; if it gives another one, the manager
is told that its scale has changed.
"""

import logging
import operator
import weakref

from gi.repository import GLib

from ._base import Lp
from ._worker import to_error

_logger = logging.getLogger("leasepool")


def _as_size(value):
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"size_provider must return an int, not {value!r}") from None


class Provider:
    """Members belong to the loop, or are replaced as a whole."""

    def __init__(self, func, logger=None):
        if not callable(func):
            raise ValueError(f"size_provider must be callable, not {func!r}")
        self.func = func
        self._logger = logger or _logger
        self._loop = None
        self._manager = None
        # (the last number, what the function raised or None)
        self._last = (0, None)
        self._is_fresh = False

    def bind(self, manager, loop):
        """From now on the function is called in the loop; with None, where C asks."""
        self._manager = None if loop is None else weakref.ref(manager)
        self._loop = loop
        if loop is not None:
            self._last = self._ask()
            self._is_fresh = True

    def notify(self, manager):
        """In any thread: the number may have changed."""
        if self._loop is None or not self._post(self._refresh_and_tell):
            Lp.Manager.notify_scale_changed(manager)

    def __call__(self, _manager, *_user_data):
        """C asks, in the owner context."""
        if self._loop is None:
            number, error = self._ask()
        else:
            number, error = self._last
            if not self._is_fresh:
                self._post(self._refresh)
            self._is_fresh = False
        if error is not None:
            raise to_error(error)
        return number

    def _ask(self):
        try:
            return _as_size(self.func()), None
        except Exception as error:
            self._logger.warning("The size provider failed; the last number stands", exc_info=True)
            return self._last[0], error.with_traceback(None)

    def _post(self, func):
        try:
            self._loop.call_soon_threadsafe(func)
        except RuntimeError:
            # The loop is closed: the last number stands.
            return False
        return True

    def _refresh(self):
        before = self._last
        self._last = self._ask()
        if self._last[0] != before[0] or (self._last[1] is None) != (before[1] is None):
            self._tell()

    def _refresh_and_tell(self):
        self._last = self._ask()
        self._tell()

    def _tell(self):
        manager = self._manager()
        if manager is not None:
            # The question that comes of it does not lead to a call of the function.
            self._is_fresh = True
            Lp.Manager.notify_scale_changed(manager)


def from_c_style(func, user_data):
    """A function as lp_manager_set_size_provider() takes it, with its errors as C knows them."""

    def call(manager, *_user_data):
        try:
            return func(manager, *user_data)
        except GLib.Error:
            raise
        except Exception as error:
            raise to_error(error) from None

    return call
