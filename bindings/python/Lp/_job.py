# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Jobs, and the description of a lease."""

from gi.overrides import override
from gi.repository import GLib

from ._attributes import readable
from ._base import MODULE, Lp
from ._cells import PLAIN
from ._errors import LeasePoolError, translated
from ._outcome import outcome, wait_for_job


@override
@readable("name", "parameters", "argv", "input", "owner", "state", "progress", "status", "queued_at", "started_at",
          "ended_at")
class Job(Lp.Job):
    __module__ = MODULE

    # Of a job of manager.new_job() another one.
    _cell = PLAIN

    # What a NativeJob has, too.

    def _as_job(self):
        return self

    def _submit_to(self, lease, _address):
        Lp.Lease.submit(lease, self)

    def _wait_for(self, seconds):
        try:
            super().wait(seconds, None)
        except GLib.Error:
            pass

    def _call_at_end(self, func):
        self.wait_async(None, lambda *_: func())

    @staticmethod
    def new_for_command(argv, input=None):
        """The input may be bytes."""
        if isinstance(input, (bytes, bytearray, memoryview)):
            input = GLib.Bytes.new(bytes(input))
        return Lp.Job.new_for_command(argv, input)

    @property
    def timeout_seconds(self):
        return self.get_timeout_seconds()

    @timeout_seconds.setter
    def timeout_seconds(self, value):
        self.set_timeout_seconds(value)

    def value(self):
        """After the end: what the function returned in plain Python, or raises what it raised. Once only, for a job of
        manager.new_job()."""
        return outcome(self._cell, self._finish)

    def __await__(self):
        """Waits for the end of a job that was submitted, or will be; as value(). A cancelled task cancels the job."""
        return wait_for_job(self, self._cell).__await__()

    def _finish(self):
        error = self.dup_error()
        if error is not None:
            raise error
        result = self.dup_result()
        if result is None:
            raise LeasePoolError("The job has not ended yet", code=int(Lp.Error.FAILED))
        return result

    def wait(self, timeout_seconds=-1, cancellable=None):
        with translated():
            return super().wait(timeout_seconds, cancellable)


@override
@readable("id", "owner", "state", "leased_at", "soft_expires_at", "hard_expires_at", "pending_jobs")
class LeaseInfo(Lp.LeaseInfo):
    __module__ = MODULE

    def __repr__(self):
        owner = f" of {self.owner!r}" if self.owner is not None else ""
        return f"<Lp.LeaseInfo {self.id}{owner}, {self.state.value_nick}>"
