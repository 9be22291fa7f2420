# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Jobs as futures of concurrent.futures, for programs with any event loop or none."""

import concurrent.futures
import threading

from . import _helper
from ._base import Lp
from ._errors import JobCancelledError, without_own_frames
from ._outcome import has_ended, outcome_of


class JobFuture(concurrent.futures.Future):
    """The future of a job. Callbacks run in the thread of _helper.py, or in the one that cancels.

    Unlike that of a ThreadPoolExecutor it can be cancelled while it runs: the job is cancelled, and nothing that it gives
    comes back.
    """

    def __init__(self, job, cell):
        """Before the job is accepted."""
        super().__init__()
        self._job = job
        self._cell = cell
        if cell.can_tell:
            cell.returns = self._tell
        self._guard = threading.Lock()
        self._is_settled = False  # (_guard)
        self._is_watched = False  # (the helper's thread)

    @property
    def job(self):
        return self._job._as_job()

    def running(self):
        return not self.done() and self._job.get_state() == Lp.JobState.RUNNING

    def cancel(self):
        if not self._settle(lambda: super(JobFuture, self).cancel() and self.set_running_or_notify_cancel()):
            return self.cancelled()
        self._job.cancel()
        self._cell.forget()
        return True

    def _settle(self, tell):
        with self._guard:
            if self._is_settled:
                return False
            self._is_settled = True
        tell()
        return True

    def _tell(self):
        """In the worker, whose function has returned or is about to."""
        try:
            _helper.get().post(self._look)
        except RuntimeError:
            # The interpreter ends.
            pass

    def _look(self):
        """In the helper's thread, as the others."""
        if has_ended(self._job):
            self._ended()
        else:
            self._watch()

    def _watch(self):
        if not self._is_settled and not self._is_watched:
            self._is_watched = True
            self._job._call_at_end(self._ended)

    def follow(self):
        """Its job was accepted: the end of it settles the future."""
        helper = _helper.get()
        if self._cell.can_tell:
            helper.post_later(self._watch)
        else:
            helper.post(self._watch)

    def _ended(self):
        self._cell.forget()
        try:
            value = outcome_of(self._job, self._cell)
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


def accept_and_follow(accept, job, cell):
    """Has accept(job) accept the job, and returns its future."""
    future = JobFuture(job, cell)
    accept(job)
    future.follow()
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
