# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The job of a function that a worker thread of the library runs for a lease.

All of them have one function in C, and so a worker goes on from one to the next: it has the lock of the interpreter
once for as many as there are.
"""

from . import _native
from ._base import Lp
from ._cells import ThreadCell
from ._native_job import NativeJob
from ._worker import error_text

_waiting = {}  # address of a job: the job, while no worker has begun it; with the lock of the interpreter


class ThreadJob(NativeJob, ThreadCell):
    keeps_state = True

    def __init__(self, func, args, kwargs):
        self._pointer = _native.new_job_for_func(_run, None, None)
        super().__init__(func, args, kwargs)

    def _submit_to(self, lease, address):
        _waiting[self._pointer] = self
        try:
            super()._submit_to(lease, address)
        except BaseException:
            self.forget()
            raise

    def forget(self):
        """It has ended or was cancelled: if no worker has begun it, none will."""
        super().forget()
        if _waiting.pop(self._pointer, None) is not None:
            self._work = self._context = None


def _run_one(pointer, result, error):
    """The job to go on with, or None."""
    job = _waiting.pop(pointer, None)
    if job is None:
        _native.return_error(error, Lp.Error.FAILED, "Nobody waits for the function any more")
        return None
    following = None
    if job.call(job):
        # That ends it, so that whoever is told need not wait for the end.
        following = _native.take_next(pointer, _native.UNIT)
        if following is None:
            _native.return_unit(result)
    else:
        _native.return_error(error, Lp.Error.FAILED, error_text(job._error))
    job.tell()
    return following


@_native.job_func
def _run(pointer, result, _user_data, error):
    while pointer is not None:
        pointer = _run_one(pointer, result, error)


# Workers call it until the very end.
_native.keep(_run)
