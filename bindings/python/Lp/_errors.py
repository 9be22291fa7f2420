# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The errors of the library as exceptions of Python.

Each of them is a GLib.Error as well, with its domain and code, so that what is written for the introspected API catches
them, too.
"""

import concurrent.futures
import contextlib
import os

from gi.repository import Gio, GLib

from ._base import Lp

DOMAIN = "lp-error-quark"
IO_DOMAIN = "g-io-error-quark"


class LeasePoolError(GLib.Error):
    """What the library complains about; the others are of this one."""

    def __init__(self, message="unknown error", domain=DOMAIN, code=int(Lp.Error.FAILED)):
        super().__init__(message, domain, code)

    def __str__(self):
        return self.message

    def __repr__(self):
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self):
        return type(self), (self.message, self.domain, self.code)


class LeasePoolNotStartedError(LeasePoolError):
    """The manager does not run, or stops."""


class LeaseUnavailableError(LeasePoolError):
    """No executor is idle, and the caller would not wait."""


class LeaseExpiredError(LeasePoolError):
    """The lease has ended."""


class UnsupportedBackendError(LeasePoolError):
    """There is no backend of this name."""


class InvalidArgumentError(LeasePoolError, ValueError):
    """A value breaks the rule that the message names."""


class BrokenExecutorError(LeasePoolError, concurrent.futures.BrokenExecutor):
    """A worker of the executor died, or talked nonsense."""


class QueueFullError(LeasePoolError):
    """There are as many waiters, or as many queued jobs, as the manager allows."""


class JobCancelledError(LeasePoolError):
    """Somebody cancelled the job: not its function, and not the end of its lease. In a coroutine it is
    asyncio.CancelledError."""


class LeaseTimeoutError(LeasePoolError, TimeoutError):
    """The time-out of an acquire or of a job passed."""


_CLASSES = {
    Lp.Error.NOT_STARTED: LeasePoolNotStartedError,
    Lp.Error.UNAVAILABLE: LeaseUnavailableError,
    Lp.Error.EXPIRED: LeaseExpiredError,
    Lp.Error.UNSUPPORTED_BACKEND: UnsupportedBackendError,
    Lp.Error.INVALID_ARGUMENT: InvalidArgumentError,
    Lp.Error.BROKEN_EXECUTOR: BrokenExecutorError,
    Lp.Error.QUEUE_FULL: QueueFullError,
}


def is_lp(error, code):
    return error.domain == DOMAIN and error.code == code


def is_cancelled(error):
    return error.domain == IO_DOMAIN and error.code == Gio.IOErrorEnum.CANCELLED


def as_class(error, cls):
    """The same error as an exception of this class."""
    return cls(error.message, error.domain, error.code)


def from_glib(error):
    """The exception for an error of C. Errors of other domains are what they were: they are those of a job."""
    if isinstance(error, LeasePoolError):
        return error
    if error.domain == DOMAIN:
        return as_class(error, _CLASSES.get(error.code, LeasePoolError))
    if error.domain == IO_DOMAIN and error.code == Gio.IOErrorEnum.TIMED_OUT:
        return as_class(error, LeaseTimeoutError)
    return error


# How the library begins the message of what it cancels, and ends that of a job that was cancelled for another reason
# than that somebody asked for it. The owner is between.
_CANCELLED = ("The job ", "The acquire ")
_REASONS = (
    (" because its lease expired or was revoked", LeaseExpiredError),
    (" because the manager stopped", LeasePoolNotStartedError),
    (" because the grinder stopped", LeasePoolNotStartedError),
)


def from_cancelled(error):
    """The exception for a job that was cancelled: that of the end of its lease, or JobCancelledError. Others have
    failed with what their function says."""
    if not error.message.startswith(_CANCELLED):
        return error
    for end, cls in _REASONS:
        if error.message.endswith(end):
            return as_class(error, cls)
    return as_class(error, JobCancelledError)


_HERE = os.path.dirname(__file__) + os.sep


def without_own_frames(error):
    """The exception, whose traceback begins where the program's own code does. What was on the way to there tells a
    reader nothing, and would be kept alive by it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_HERE):
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


@contextlib.contextmanager
def translated():
    """Errors of C within it come out as exceptions of this file."""
    try:
        yield
    except GLib.Error as error:
        raise from_glib(error) from None
