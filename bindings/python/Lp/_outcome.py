# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How a job ended, as a value or an exception, and waiting for that in a coroutine.

How it ended is known to C alone. C tells it in the main context of the helper's thread, which is two hops away from the
worker. A function in a thread of this process says by itself that it has returned, or is about to, one hop away; C is
asked then. What does not return soon is waited for in C, too: it may be cancelled in the queue, or abandoned.
"""

import functools

from gi.repository import GLib

from . import _helper
from ._base import Lp
from ._errors import from_cancelled, from_glib, is_cancelled
from ._inbox import inbox_of
from ._loop import Parcel, wait

# How long a worker may need from saying that its function returns to having returned.
_MOMENT = 0.001

# As a number, which compares faster than a value of the enumeration.
_SUCCEEDED = int(Lp.JobState.SUCCEEDED)


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
    if cell.has_value and job.get_state() == _SUCCEEDED:
        return cell.value(None)
    return outcome(cell, job._finish)


def has_ended(job):
    return job.get_state() >= _SUCCEEDED


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
            cell.returns = functools.partial(inbox.put, self)

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
        state = self.job.get_state()
        if state < _SUCCEEDED and not self._has_waited:
            self._has_waited = True
            self.job._wait_for(_MOMENT)
            state = self.job.get_state()
        if state >= _SUCCEEDED:
            self.future.set_result(state)
        # Else the worker was stopped in between, and C tells.

    def give(self, state):
        """What the job has given, which has ended in this state."""
        if state == _SUCCEEDED and self.cell.has_value:
            return self.cell.value(None)
        return Parcel(lambda: outcome_of(self.job, self.cell), None).open()

    def abandon(self):
        """Nobody waits any more."""
        if not self.future.done() or self.future.cancelled():
            self.job.cancel()
        self.cell.forget()


async def _wait_for_call(call):
    try:
        return call.give(await call.future)
    except BaseException:
        call.abandon()
        raise
    finally:
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
    inbox = inbox_of(loop)
    if inbox is None:
        accept(job)
        return _wait_in_context(job, cell)
    call = _JobCall(job, cell, loop, inbox)
    try:
        accept(job)
        call.begin()
    except BaseException:
        cell.forget()
        raise
    return _wait_for_call(call)


def wait_for_job(job, cell):
    """A coroutine that waits for a submitted job; its cancellation cancels the job."""
    return wait(
        lambda ready: job.wait_async(None, ready),
        lambda result: outcome(cell, lambda: job.wait_finish(result)),
        cancel=job.cancel,
    )
