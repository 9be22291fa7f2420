# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a job gives, in Python: its GVariant says only that it has ended.

A cell knows nothing of its job: the job holds the closure, and the closure the cell.
"""

import contextvars
import sys

from gi.repository import GLib

from . import _pickle, _process, _thread_state
from ._base import Lp
from ._errors import without_own_frames
from ._values import unpack_result
from ._worker import to_error

_UNIT = GLib.Variant("()", ())
_PLAIN_FUNCTION = type(lambda: None)
_CO_COROUTINE = 0x80  # as inspect has it, which takes long to import
_job = contextvars.ContextVar("leasepool_job", default=None)


def current_job():
    """The Lp.Job that runs the calling function of lease.run() and the like, or None: it has a cancellable, and takes
    progress. Also in a worker process that ran for lease.run(): that is the only job there."""
    job = _job.get()
    if job is not None:
        return job._as_job()
    worker = sys.modules.get("_leasepool_worker._python_worker")
    return worker and worker.current_job()


class _Cell:
    # Whether the worker says that its function returns, before the end of the job is known.
    can_tell = False
    # Whether value(None) is the value, once the job has succeeded.
    has_value = False

    def error(self, _error):
        return None

    def forget(self):
        """Nobody waits for the job any more."""


class ThreadCell(_Cell):
    """A call of a function in a worker thread of this process; the very value, or the very exception."""

    can_tell = has_value = True
    # Whether its thread keeps what the interpreter has for it.
    keeps_state = False
    # To be called in the worker when the function has ended, and the job has or is about to.
    returns = None
    _value = _error = None

    def __init__(self, func, args, kwargs):
        self._work = (func, args, kwargs)
        self._context = contextvars.copy_context()

    def run(self, job, *_user_data):
        """The function of an Lp.Job."""
        try:
            if not self.call(job):
                raise to_error(self._error) from None
        finally:
            self.tell()
        return _UNIT

    def call(self, job):
        """Whether the function returned, and did not raise."""
        if self.keeps_state:
            _thread_state.keep()
        context, self._context = self._context, None
        try:
            self._value = context.run(self._call, job)
        except BaseException as error:
            self._error = without_own_frames(error)
            return False
        return True

    def _call(self, job):
        _job.set(job)
        func, args, kwargs = self._work
        self._work = None
        return func(*args, **kwargs)

    def forget(self):
        self.returns = None

    def tell(self):
        returns, self.returns = self.returns, None
        if returns is not None:
            returns()

    def value(self, _variant):
        value, self._value = self._value, None
        return value

    def error(self, error):
        """What the function raised, if that is why the job failed."""
        original, self._error = self._error, None
        return original if (error.domain, error.code) == ("lp-error-quark", Lp.Error.FAILED) else None


class ProcessCell(_Cell):
    """A call of a function in a worker process of Python's, whose results have the key."""

    def __init__(self, key):
        self._key = key

    def value(self, variant):
        return _pickle.result(_pickle.data_of(variant), self._key)

    def error(self, error):
        return _pickle.error(error, self._key)


class PlainCell(_Cell):
    """A named function or a command."""

    def value(self, variant):
        return unpack_result(variant)


PLAIN = PlainCell()


def _refuse_coroutine(func):
    raise TypeError(f"“{func.__name__}” is a coroutine function: await it in the event loop, or run a plain function")


def _check_function(func):
    import inspect

    if not callable(func):
        raise TypeError(f"the function must be callable, not {type(func).__name__}")
    if inspect.iscoroutinefunction(func):
        _refuse_coroutine(func)


def check(func):
    """The function can be called in a worker."""
    if type(func) is not _PLAIN_FUNCTION:
        _check_function(func)
    elif func.__code__.co_flags & _CO_COROUTINE:
        _refuse_coroutine(func)


def new_job(manager, func, args, kwargs):
    """The job that calls the function on an executor of the manager, and its cell. A job is itself."""
    if isinstance(func, Lp.Job):
        if args or kwargs:
            raise TypeError("an Lp.Job has its arguments already")
        return func, func._cell
    check(func)
    if manager is not None and _process.is_process(manager):
        job, key = _process.new_job(manager, func, args, kwargs)
        return job, ProcessCell(key)
    cell = ThreadCell(func, args, kwargs)
    cell.keeps_state = manager is not None and manager._has_threads
    return Lp.Job.new_for_func(cell.run), cell
