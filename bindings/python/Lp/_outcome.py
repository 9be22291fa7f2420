# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How a job ended, as a value or an exception."""

import weakref

from gi.repository import GLib

from ._base import Lp
from ._errors import (JobCancelledError, LeaseExpiredError, LeasePoolError, LeasePoolNotStartedError, as_class,
                      from_glib, is_cancelled)
from ._loop import wait


def wait_for_job(job, outcome):
    """A coroutine that waits for a submitted job; its cancellation cancels the job."""
    return wait(
        lambda ready: job.wait_async(None, ready),
        lambda result: outcome.of(lambda: job.wait_finish(result)),
        cancel=job.cancel,
    )


_ENDED = {
    Lp.LeaseState.EXPIRED: LeaseExpiredError,
    Lp.LeaseState.BROKEN: LeasePoolError,
    Lp.LeaseState.STOPPED: LeasePoolNotStartedError,
}


class Outcome:
    """Tells what the waiting for a job gives. It does not keep the lease: a dropped one is released, its jobs run."""

    def __init__(self, cell, lease=None, manager=None, grinder=None, is_given=False):
        self._cell = cell
        self._lease = weakref.ref(lease) if lease is not None else lambda: None
        self._manager = weakref.ref(manager) if manager is not None else lambda: None
        self._grinder = weakref.ref(grinder) if grinder is not None else None
        self._is_given = is_given  # the job is one that the program made, and may cancel

    def of(self, finish):
        """What finish() gives, as Python has it."""
        try:
            variant = finish()
        except GLib.Error as error:
            problem = self._cell.error(error)
            if problem is None:
                problem = self._cancelled(error) if is_cancelled(error) else from_glib(error)
        else:
            return self._cell.value(variant)
        try:
            raise problem
        finally:
            del problem

    def _cancelled(self, error):
        """A job that was cancelled by the end of its lease has the error of that; else somebody cancelled it."""
        if self._grinder is not None:
            return as_class(error, self._ended_item())
        lease, manager = self._lease(), self._manager()
        if lease is not None:
            cls = _ENDED.get(lease.get_state())
        elif manager is not None:
            cls = LeaseExpiredError if manager.is_running() else LeasePoolNotStartedError
        else:
            cls = None
        return as_class(error, cls or JobCancelledError)

    def _ended_item(self):
        """Why the item of a grinder was cancelled. Nobody else has the job of a function."""
        grinder = self._grinder()
        if grinder is None or not grinder.is_running():
            return LeasePoolNotStartedError
        return JobCancelledError if self._is_given else LeaseExpiredError
