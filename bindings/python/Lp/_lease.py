# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The lease: what a program submits to."""

from gi.overrides import override
from gi.repository import Gio, GLib

from ._attributes import readable
from ._base import MODULE, Lp
from ._cells import PLAIN, check, new_job
from ._errors import from_glib, translated
from ._executor import LeaseExecutor, accept_and_follow
from ._loop import wait
from ._outcome import accept_and_wait
from ._settings import seconds as check_seconds
from ._values import to_parameters

try:
    from ._makers import find_maker
except (AttributeError, ImportError):
    # This PyGObject has no interface for programs in C, or Python no ctypes.
    def find_maker(_manager, _lease):
        return False, None


class Done:
    """What happened already; it may be awaited all the same."""

    __slots__ = ("_value",)

    def __init__(self, value=None):
        self._value = value

    def __await__(self):
        return self._value
        yield  # noqa: what makes this a generator; it never waits

    def __bool__(self):
        return bool(self._value)


@override
@readable("id", "owner", "lease_seconds", "grace_seconds", "leased_at", "soft_expires_at", "hard_expires_at", "state",
          "pending_jobs")
class Lease(Lp.Lease):
    """The exclusive use of one executor for some time. Any thread may use it."""

    __module__ = MODULE

    @property
    def manager(self):
        return self.dup_manager()

    @property
    def executor(self):
        """The lease as a concurrent.futures.Executor."""
        return LeaseExecutor(self)

    def __repr__(self):
        owner = f" of {self.owner!r}" if self.owner is not None else ""
        return f"<Lp.Lease {self.id}{owner}, {self.state.value_nick}>"

    # Work

    # How jobs are made for it past PyGObject, and its address; None: it was not asked yet, False: not so.
    _make_job = _address = None

    def _find_maker(self):
        manager = self.dup_manager()
        self._make_job, self._address = find_maker(manager, self) if manager is not None else (False, None)
        return self._make_job

    def _new_job(self, func, args, kwargs):
        make = self._make_job
        if make is None:
            make = self._find_maker()
        if make is False or isinstance(func, Lp.Job):
            return new_job(self.dup_manager(), func, args, kwargs)
        check(func)
        job = make(func, args, kwargs)
        return job, job

    def _submit(self, job):
        # As translated(), at the cost of a try.
        try:
            job._submit_to(self, self._address)
        except GLib.Error as error:
            raise from_glib(error) from None

    def submit(self, fn, /, *args, **kwargs):
        """Submits fn(*args, **kwargs) and returns its concurrent.futures.Future; an Lp.Job is submitted as in C."""
        if isinstance(fn, Lp.Job):
            self._submit(self._new_job(fn, args, kwargs)[0])
            return True
        return accept_and_follow(self._submit, *self._new_job(fn, args, kwargs))

    async def run(self, fn, /, *args, **kwargs):
        """Runs fn(*args, **kwargs) on the executor and returns what it returns, or raises what it raises."""
        return await accept_and_wait(self._submit, *self._new_job(fn, args, kwargs))

    async def call(self, name, signature=None, *values):
        """Calls a named function: await lease.call("add", "(ii)", 20, 22)."""
        job = Lp.Job.new_for_call(name, to_parameters(signature, values))
        return await accept_and_wait(self._submit, job, PLAIN)

    # Its end

    def renew(self, seconds=None):
        """Begins the time of the lease anew, with as many seconds as before or others."""
        if seconds is not None and seconds != -1:
            seconds = check_seconds("seconds", seconds)
        with translated():
            return super().renew(-1 if seconds is None else seconds)

    def release(self):
        """Gives the executor back, at once or when the jobs that were accepted have ended. May be awaited."""
        super().release()
        return Done()

    async def drain(self):
        """Waits until all accepted jobs of a released lease have ended and the executor is back."""
        super().release()
        cancellable = Gio.Cancellable()
        await wait(lambda ready: self.drain_async(cancellable, ready), self.drain_finish, cancel=cancellable.cancel)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        super().release()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_error):
        super().release()
