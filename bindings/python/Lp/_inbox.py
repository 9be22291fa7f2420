# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What comes from worker threads into an event loop, which is woken once for all that there is."""

import collections
import contextlib
import os
import weakref

from ._loop import context_of


def _new_bell(loop, answer):
    """A descriptor that calls the function in the loop when it is written to; None where there is no such thing.

    The loop's own call_soon_threadsafe() makes an object for each call, sends and receives on a socket, and finds by an
    exception that nothing more is there.
    """
    bell = None
    with contextlib.suppress(AttributeError, NotImplementedError, OSError):
        bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        loop.add_reader(bell, answer)
        return bell
    if bell is not None:
        os.close(bell)
    return None


class _Inbox:
    """The calls of an event loop whose jobs have ended, or are about to. It does not hold the loop, but its calls do."""

    def __init__(self, loop):
        self._calls = collections.deque()
        self._is_told = False
        # Of this object, which whoever writes to it holds: it is never one that has been closed.
        self._bell = None
        self._bell = _new_bell(loop, self._answer)

    # The function as an argument: at the end of the interpreter there may be no module any more.
    def __del__(self, close=os.close):
        if self._bell is not None:
            close(self._bell)

    def put(self, call):
        """In any thread."""
        self._calls.append(call)
        if self._is_told:
            return
        self._is_told = True
        if call.loop.is_closed():
            self.clear()
        elif self._bell is not None:
            os.eventfd_write(self._bell, 1)
        else:
            try:
                call.loop.call_soon_threadsafe(self._take)
            except RuntimeError:
                # It was closed just now.
                self.clear()

    def clear(self):
        """The loop is closed."""
        self._calls.clear()
        self._is_told = False

    def _answer(self):
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            pass
        self._take()

    def _take(self):
        # What is put from here on wakes the loop again.
        self._is_told = False
        while self._calls:
            self._calls.popleft().look()


_inboxes = weakref.WeakKeyDictionary()  # of event loops; None for those that iterate a main context


def _new_inbox(loop):
    # What came too late for a loop would keep it for ever.
    for other, inbox in list(_inboxes.items()):
        if inbox is not None and other.is_closed():
            inbox.clear()
    return _Inbox(loop) if context_of(loop) is None else None


def inbox_of(loop):
    """In the thread that runs the loop."""
    try:
        return _inboxes[loop]
    except KeyError:
        inbox = _inboxes[loop] = _new_inbox(loop)
        return inbox
