# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How a job ended, as a value or an exception, and waiting for that in a coroutine.

How it ended is known to C alone. C tells it in the main context of the helper's thread, which is two hops away from the
worker. A function in a thread of this process says by itself that it has returned, or is about to, one hop away; C is
asked then. What does not return soon is waited for in C, too: it may be cancelled in the queue, or abandoned.
"""

import collections
import weakref

from gi.repository import GLib

from . import _helper
from ._base import Lp
from ._errors import from_cancelled, from_glib, is_cancelled
from ._loop import Parcel, context_of, wait

# How long a worker may need from saying that its function returns to having returned.
_MOMENT = 0.001


def outcome(cell, finish):
    """What finish() gives for the job of the cell, as Python has it."""
    try:
        variant = finish()
    except GLib.Error as error:
        problem = cell.error(error)
        if problem is None:
            problem = from_cancelled(error) if is_cancelled(error) else from_glib(error)
    else:
        return cell.value(variant)
    try:
        raise problem
    finally:
        del problem


def outcome_of(job, cell):
    """What a job that has ended gives."""
    if cell.has_value and job.get_state() == Lp.JobState.SUCCEEDED:
        return cell.value(None)
    return outcome(cell, job._finish)


def has_ended(job):
    return job.get_state() >= Lp.JobState.SUCCEEDED


class _Inbox:
    """The calls of an event loop whose jobs have ended, or are about to. However many there are, the loop is woken
    once. It does not hold the loop."""

    def __init__(self):
        self._calls = collections.deque()
        self._is_told = False

    def put(self, call):
        """In any thread."""
        self._calls.append(call)
        if self._is_told:
            return
        self._is_told = True
        try:
            call.loop.call_soon_threadsafe(self._take)
        except RuntimeError:
            # The loop is closed.
            self._calls.clear()

    def _take(self):
        # What is put from here on wakes the loop again.
        self._is_told = False
        while self._calls:
            self._calls.popleft().look()


_inboxes = weakref.WeakKeyDictionary()  # of event loops; None for those that iterate a main context


def _inbox_of(loop):
    try:
        return _inboxes[loop]
    except KeyError:
        inbox = _inboxes[loop] = _Inbox() if context_of(loop) is None else None
        return inbox


class _JobCall:
    """A job that a coroutine waits for."""

    __slots__ = ("job", "cell", "loop", "future", "_inbox", "_has_waited")

    def __init__(self, job, cell, loop, inbox):
        self.job = job
        self.cell = cell
        self.loop = loop
        self.future = loop.create_future()
        self._inbox = inbox
        self._has_waited = False
        if cell.can_tell:
            # In the worker, which does not need to wait for anybody.
            cell.returns = self._tell

    def begin(self):
        """The job has been accepted."""
        helper = _helper.get()
        if self.cell.can_tell:
            helper.post_later(self._watch)
        else:
            helper.post(self._watch)

    def _watch(self):
        """In the thread of the helper."""
        if not self.future.done():
            self.job._call_at_end(self._ended)

    def _ended(self):
        """The same. No worker may have begun it, and the loop may be closed."""
        self.cell.forget()
        self._tell()

    def _tell(self):
        self._inbox.put(self)

    def look(self):
        """In the loop. The worker has said that its function returns, just now, or C that the job has ended."""
        if self.future.done():
            return
        if has_ended(self.job):
            self.future.set_result(None)
            return
        if not self._has_waited:
            self._has_waited = True
            self.job._wait_for(_MOMENT)
            if has_ended(self.job):
                self.future.set_result(None)
        # Else the worker was stopped in between, and C tells.

    def give(self):
        """What the job has given; after its end."""
        if self.cell.has_value and self.job.get_state() == Lp.JobState.SUCCEEDED:
            return self.cell.value(None)
        return Parcel(lambda: outcome_of(self.job, self.cell), None).open()

    def close(self):
        self.cell.forget()


async def _wait_for_call(call):
    try:
        await call.future
        return call.give()
    except BaseException:
        if not call.future.done() or call.future.cancelled():
            call.job.cancel()
        raise
    finally:
        call.close()
        # An exception of the function has this frame in its traceback: not the call, too.
        del call


async def _wait_in_context(job, cell):
    try:
        return await wait_for_job(job, cell)
    finally:
        cell.forget()


def accept_and_wait(accept, job, cell):
    """Has accept(job) accept the job, and returns a coroutine that waits for it; its cancellation cancels the job."""
    import asyncio

    loop = asyncio.get_running_loop()
    inbox = _inbox_of(loop)
    if inbox is None:
        accept(job)
        return _wait_in_context(job, cell)
    call = _JobCall(job, cell, loop, inbox)
    try:
        accept(job)
        call.begin()
    except BaseException:
        call.close()
        raise
    return _wait_for_call(call)


def wait_for_job(job, cell):
    """A coroutine that waits for a submitted job; its cancellation cancels the job."""
    return wait(
        lambda ready: job.wait_async(None, ready),
        lambda result: outcome(cell, lambda: job.wait_finish(result)),
        cancel=job.cancel,
    )
