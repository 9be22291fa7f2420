# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What comes from worker threads into an event loop, which is woken once for all that there is."""

import collections
import contextlib
import os
import weakref

from ._loop import context_of


class _Bell:
    """A descriptor that calls a function in a loop when it is written to.

    The loop's own call_soon_threadsafe() makes an object for each call, sends and receives on a socket, and finds by an
    exception that nothing more is there.
    """

    __slots__ = ("descriptor",)

    def __init__(self):
        self.descriptor = None
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    # Whoever writes to it holds it: it is never one that has been closed. The function as an argument: at the end of the
    # interpreter there may be no module any more.
    def __del__(self, close=os.close):
        if self.descriptor is not None:
            close(self.descriptor)


def _new_bell(loop, answer):
    """None where there is no such thing."""
    with contextlib.suppress(AttributeError, NotImplementedError, OSError):
        bell = _Bell()
        loop.add_reader(bell.descriptor, answer)
        return bell
    return None


class _Inbox:
    """The calls of an event loop whose jobs have ended, or are about to. It does not hold the loop, but its calls do."""

    def __init__(self, loop):
        self._calls = collections.deque()
        self._is_told = False
        self._bell = _new_bell(loop, self._answer)

    def put(self, call):
        """In any thread."""
        self._calls.append(call)
        if not self._is_told:
            self._wake(call.loop)

    def _wake(self, loop):
        self._is_told = True
        bell = self._bell
        if loop.is_closed():
            self.close()
        elif bell is not None:
            os.eventfd_write(bell.descriptor, 1)
        else:
            try:
                loop.call_soon_threadsafe(self._take)
            except RuntimeError:
                # It was closed just now.
                self.close()

    def close(self):
        """The loop is closed."""
        self._calls.clear()
        self._is_told = False
        self._bell = None

    def _answer(self):
        try:
            os.eventfd_read(self._bell.descriptor)
        except BlockingIOError:
            pass
        finally:
            # A signal handler may raise something there, and no signal is looked at before this. What is put from here on
            # wakes the loop again.
            self._is_told = False
            self._take()

    def _take(self):
        self._is_told = False
        try:
            while self._calls:
                self._calls.popleft().look()
        finally:
            # Something that is not for the calls: the loop comes back for them.
            if self._calls and not self._is_told:
                self._wake(self._calls[0].loop)


_inboxes = weakref.WeakKeyDictionary()  # of event loops; None for those that iterate a main context


def _close_those_of_closed_loops():
    """What came too late for a loop would keep it for ever, and it has a descriptor that nobody needs."""
    # A list at once: other threads add to it.
    for loop in [reference() for reference in _inboxes.keyrefs()]:
        inbox = _inboxes.get(loop) if loop is not None else None
        if inbox is not None and loop.is_closed():
            inbox.close()


def inbox_of(loop):
    """In the thread that runs the loop."""
    try:
        return _inboxes[loop]
    except KeyError:
        _close_those_of_closed_loops()
        inbox = _inboxes[loop] = _Inbox(loop) if context_of(loop) is None else None
        return inbox
