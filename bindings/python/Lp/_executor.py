# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Jobs as futures of concurrent.futures, for programs with any event loop or none."""

import concurrent.futures
import threading

from . import _helper
from ._base import Lp
from ._errors import JobCancelledError, without_own_frames
from ._outcome import outcome


class JobFuture(concurrent.futures.Future):
    """The future of a job. Callbacks run in the thread of _helper.py, or in the one that cancels.

    Unlike that of a ThreadPoolExecutor it can be cancelled while it runs: the job is cancelled, and nothing that it gives
    comes back.
    """

    def __init__(self, job):
        super().__init__()
        self._job = job
        self._guard = threading.Lock()
        self._is_settled = False  # (_guard)

    @property
    def job(self):
        return self._job._as_job()

    def running(self):
        return not self.done() and self._job.get_state() == Lp.JobState.RUNNING

    def cancel(self):
        if not self._settle(lambda: super(JobFuture, self).cancel() and self.set_running_or_notify_cancel()):
            return self.cancelled()
        self.job.cancel()
        return True

    def _settle(self, tell):
        with self._guard:
            if self._is_settled:
                return False
            self._is_settled = True
        tell()
        return True

    def wait_for(self, cell):
        """In the helper's thread: the end of the job settles the future."""
        self.job.wait_async(None, lambda job, result, *_: self._ended(cell, lambda: job.wait_finish(result)))

    def _ended(self, cell, finish):
        cell.forget()
        try:
            value = outcome(cell, finish)
        except JobCancelledError:
            self._settle(lambda: super(JobFuture, self).cancel() and self.set_running_or_notify_cancel())
        except BaseException as error:
            self._settle(lambda problem=error: self._set(self.set_exception, without_own_frames(problem)))
        else:
            self._settle(lambda: self._set(self.set_result, value))

    def _set(self, setter, value):
        # Not before: a running future of the base class cannot be cancelled.
        self.set_running_or_notify_cancel()
        setter(value)


def watch(job, cell):
    """The future of a job that was submitted."""
    future = JobFuture(job)
    _helper.get().post(lambda: future.wait_for(cell))
    return future


class LeaseExecutor(concurrent.futures.Executor):
    """The executor of a lease, for asyncio's run_in_executor() and whatever else wants one."""

    def __init__(self, lease):
        self._lease = lease

    def submit(self, fn, /, *args, **kwargs):
        if isinstance(fn, Lp.Job):
            raise TypeError("an Lp.Job is submitted to the lease")
        return self._lease.submit(fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Refused: the executor belongs to the manager."""
        raise RuntimeError("The executor belongs to its manager and cannot be shut down; release the lease instead")

    def __eq__(self, other):
        return isinstance(other, LeaseExecutor) and other._lease is self._lease

    def __hash__(self):
        return hash(self._lease)
